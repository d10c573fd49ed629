import numpy as np
import pytest

from spondyl.data.phantom import plan_phantom
from spondyl.data.phantom_film import draw_film, lay_marker


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
    from dataclasses import replace

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
