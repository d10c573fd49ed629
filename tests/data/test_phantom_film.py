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


def test_the_same_generator_draws_the_same_film(scenes, films):
    np.testing.assert_array_equal(draw_film(np.random.default_rng([1, 2]), scenes[2]), films[2])


def test_films_are_finite_and_nowhere_out_of_range(films):
    for film in films:
        assert np.isfinite(film).all()
        assert film.min() >= 0
        assert film.max() <= 1


def test_a_scene_shows_what_lies_within_its_margin_from_the_top_down(scenes):
    scene = replace(scenes[0], mm=2.0, height=300)
    corners = np.zeros((5, 4, 2))
    corners[..., 1] = np.array([[390], [361], [150], [-59], [-61]])
    scene = replace(scene, corners=corners, hollow=np.zeros(5))
    assert scene.shape == (300, scene.width)
    assert scene.visible(30) == [3, 2]  # 60 px beyond the film
    assert scene.visible(31) == [4, 3, 2, 1]


def test_bones_alone_are_added_where_the_bodies_are(scenes):
    """Within the labelled bodies more is added than in the discs between them."""
    from spondyl.data.phantom_film import _lay_bones

    scene, canvas = scenes[3], np.zeros(scenes[3].shape, dtype=np.float32)
    _lay_bones(np.random.default_rng(0), scene, canvas)
    inside, between = [], []
    for k in range(1, 6):
        middle = scene.corners[k].mean(axis=0)
        disc = (scene.corners[k, 2:].mean(axis=0) + scene.corners[k - 1, :2].mean(axis=0)) / 2
        for found, at in ((inside, middle), (between, disc)):
            x, y = np.round(at).astype(int)
            if 2 <= y < scene.height - 2 and 2 <= x < scene.width - 2:
                found.append(canvas[y - 1 : y + 2, x - 1 : x + 2].mean())
    assert len(inside) >= 3
    assert np.mean(inside) > 1.2 * np.mean(between)


def test_the_skin_of_the_back_is_behind_every_body_and_the_belly_before_it(scenes):
    from spondyl.data.phantom_film import _skin

    for index, scene in enumerate(scenes):
        rows = np.arange(scene.height, dtype=np.float64)
        back, front = _skin(np.random.default_rng(index), scene, rows)
        assert (back - front > 200 * scene.mm).all()
        for body in scene.corners:
            y = body[:, 1].mean()
            if 0 <= y < scene.height:
                assert back[int(y)] > body[1::2, 0].mean() + 20 * scene.mm
                assert front[int(y)] < body[::2, 0].min()


def test_a_profile_is_its_table_in_mm_below_the_sacral_plate(scenes):
    """A straight line stays a straight line, however it is smoothed."""
    from spondyl.data.phantom_film import profile

    scene = scenes[0]
    plate = scene.corners[0, :2, 1].mean()
    below = np.linspace(-150, 150, 31)
    line = profile(scene, plate + below * scene.mm, ((-400, -40.0), (0, 0.0), (400, 40.0)))
    np.testing.assert_allclose(line, below / 10, atol=1e-6)
    flat = profile(scene, plate + below * scene.mm, ((-400, 7.0), (400, 7.0)))
    np.testing.assert_allclose(flat, 7.0)


def test_lungs_are_taken_out_and_never_put_in(scenes):
    from spondyl.data.phantom_film import _lay_lungs, _skin

    scene = scenes[0]
    back, _ = _skin(np.random.default_rng(0), scene, np.arange(scene.height, dtype=np.float64))
    tissue = np.full(scene.shape, 0.6, dtype=np.float32)
    _lay_lungs(np.random.default_rng(1), scene, tissue, back)
    assert tissue.max() <= 0.6 + 1e-6
    sacrum = int(np.clip(scene.corners[0, :, 1].mean(), 0, scene.height - 1))
    assert tissue[sacrum:].min() == np.float32(0.6)


def test_noise_grows_where_little_passes(scenes):
    from spondyl.data.phantom_film import _noise

    scene = scenes[0]
    thin, thick = (np.full(scene.shape, level, dtype=np.float32) for level in (0.2, 1.2))
    spread = [float(_noise(np.random.default_rng(4), scene, t).std()) for t in (thin, thick)]
    assert spread[1] / spread[0] == pytest.approx(np.exp(1.2), rel=1e-3)
    assert 0.001 < spread[0] < 0.01


@pytest.mark.parametrize("style", ["ink", "box"])
def test_letters_are_bright_on_the_film_or_dark_in_a_bright_box(style):
    from spondyl.data.phantom_film import _print
    from spondyl.data.phantom_marks import printed

    marker = printed("L", 24)
    place = np.full(marker.shape, 0.4, dtype=np.float32)
    _print(place, marker, style)
    corner, stroke = place[0, 0], place[marker > 0.95]
    assert len(stroke) > 20
    if style == "ink":
        assert corner == np.float32(0.4)
        assert stroke.min() > 0.9
    else:
        assert corner == 1.0
        assert stroke.max() < 0.1


def test_a_marker_that_has_no_room_is_left_out():
    tiny = np.full((6, 6), 0.4, dtype=np.float32)
    lay_marker(np.random.default_rng(0), tiny, np.zeros((0, 2)))
    assert (tiny == np.float32(0.4)).all()
    crowded = np.full((200, 150), 0.4, dtype=np.float32)
    everywhere = np.stack(np.meshgrid(np.arange(0, 150, 5.0), np.arange(0, 200, 5.0)), axis=-1)
    lay_marker(np.random.default_rng(0), crowded, everywhere.reshape(-1, 2))
    assert (crowded == np.float32(0.4)).all()
