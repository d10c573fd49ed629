from dataclasses import replace

import numpy as np
import pytest

from spondyl.data.phantom import plan_phantom
from spondyl.data.phantom_canvas import Body, Box, coverage
from spondyl.data.phantom_film import _body, draw_film, lay_marker


@pytest.fixture(scope="module")
def scenes():
    return [plan_phantom(np.random.default_rng([6, i]), long_side=300).scene for i in range(6)]


@pytest.fixture(scope="module")
def films(scenes):
    return [draw_film(np.random.default_rng([1, i]), scene) for i, scene in enumerate(scenes)]


def test_a_film_has_the_scene_s_size_and_spans_black_to_bright(scenes, films):
    for scene, film in zip(scenes, films, strict=True):
        assert film.shape == scene.shape
        assert film.dtype == np.float32
        assert 0 <= film.min() < 0.1
        assert 0.4 < film.max() <= 1


def test_a_body_stands_out_from_the_air_behind_the_back(scenes, films):
    for scene, film in zip(scenes, films, strict=True):
        x, y = np.round(scene.corners[2].mean(axis=0)).astype(int)
        if 0 <= y < scene.height and 0 <= x < scene.width:
            assert film[y, x] > 0.15


def test_only_the_exposed_field_is_bright(scenes):
    scene = scenes[0]
    shut = replace(scene, window=(60.0, 80.0, 120.0, 250.0))
    film = draw_film(np.random.default_rng(3), shut)
    assert film[:70].max() < 0.1
    assert film[:, :50].max() < 0.1
    assert film[260:].max() < 0.1
    assert film[100:240, 65:115].mean() > 0.1


def test_noise_differs_where_nothing_else_does(scenes):
    first, second = (draw_film(np.random.default_rng(seed), scenes[1]) for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_a_marker_keeps_away_from_the_corners():
    rng = np.random.default_rng(0)
    for _ in range(30):
        film = np.full((400, 300), 0.4, dtype=np.float32)
        corners = rng.uniform([100, 50], [200, 350], (12, 2))
        lay_marker(rng, film, corners)
        changed = np.argwhere(film != np.float32(0.4))[:, ::-1]
        if len(changed):
            apart = np.linalg.norm(changed[:, None] - corners[None], axis=2)
            assert apart.min() > 20


def half_crossing(mask, start, end):
    """How far from ``start`` towards ``end`` the mask falls through a half, px."""
    from scipy.ndimage import map_coordinates

    steps = np.linspace(0, 1, 801)[:, None]
    values = map_coordinates(mask, (start + steps * (end - start)).T[::-1], order=1)
    return np.interp(0.5, values[::-1], steps[::-1, 0]) * np.linalg.norm(end - start)


def enlarged_body(body, times):
    """The same body on a finer grid, where a pixel does not blunt a rounded corner."""
    hollow = tuple(times * depth for depth in body.hollow)
    return Body(body.corners * times, hollow, body.rounding * times)


def test_the_outlines_of_a_film_pass_through_the_corners_within_a_tenth_of_a_pixel():
    errors = []
    for index in range(4):
        scene = plan_phantom(np.random.default_rng([6, index]), long_side=512).scene
        for k in range(6):
            body = enlarged_body(_body(scene, np.random.default_rng(k), k), 4)
            box = Box.around(body.corners, 10, (9999, 9999))
            mask, middle = coverage(body.distance(box)), body.corners.mean(axis=0)
            for corner in body.corners:
                ray = 8 * (corner - middle) / np.linalg.norm(corner - middle)
                if (corner > 10).all():
                    start = corner - [box.left, box.top] - ray
                    errors.append((half_crossing(mask, start, start + 2 * ray) - 8) / 4)
    assert len(errors) > 80
    assert np.abs(errors).max() < 0.1


def test_an_endplate_shows_where_its_hollow_is():
    """The bright line of a body's superior endplate lies just inside its outline."""
    plan = plan_phantom(np.random.default_rng([6, 1]), long_side=1024)
    scene = replace(plan.scene, hollow=np.zeros_like(plan.scene.hollow))
    film = draw_film(np.random.default_rng(5), scene)
    found = []
    for k in range(2, 6):
        upper, lower = scene.corners[k, :2].mean(axis=0), scene.corners[k].mean(axis=0)
        inward = (lower - upper) / np.linalg.norm(lower - upper)
        steps = np.arange(-4.0, 8.0, 0.25) * scene.mm
        x, y = np.round(upper + steps[:, None] * inward).astype(int).T
        if ((x >= 0) & (x < scene.width) & (y >= 0) & (y < scene.height)).all():
            found.append(steps[np.argmax(np.gradient(film[y, x]))] / scene.mm)
    assert found
    assert np.median(np.abs(found)) < 1.5  # mm
