import numpy as np
import pytest

from spondyl.data.phantom_frontal import plan_frontal
from spondyl.data.phantom_frontal_console import exposed, plain, printed_on, processed, unexposed


@pytest.fixture(scope="module")
def scene():
    return plan_frontal(np.random.default_rng([8, 1]), long_side=160).scene


@pytest.fixture(scope="module")
def total(scene):
    x, y = np.linspace(0, 1, scene.width), np.linspace(0, 1, scene.height)
    return (1.0 + 2 * x[None, :] + y[:, None]).astype(np.float32)


def test_an_ideal_detector_sees_the_attenuation_itself(total):
    np.testing.assert_allclose(unexposed(total), total - np.median(total), atol=1e-3)


def test_poor_films_are_noisier_than_others(scene, total):
    def noise(poor):
        films = [exposed(np.random.default_rng(s), scene, total.copy(), poor) for s in range(24)]
        return np.median([np.diff(film, axis=1).std() for film in films])

    assert noise(True) > 1.5 * noise(False)


def test_a_plain_window_shows_more_bone_brighter_and_wastes_no_grey(total):
    film = plain(total)
    assert (np.diff(film, axis=1) >= 0).all()
    assert film.min() == 0
    assert film.max() == 1
    assert 0.4 < film.mean() < 0.6


def test_a_console_shows_bone_bright_but_for_a_few_inverted_films(scene, total):
    rises = []
    for seed in range(60):
        film = processed(np.random.default_rng(seed), scene, total, False)
        assert film.min() >= 0
        assert film.max() <= 1
        rises.append(float(film[:, -5:].mean() - film[:, :5].mean()))
    assert np.mean(np.array(rises) > 0) > 0.85


def test_a_printed_film_has_the_same_size_and_range(scene):
    for seed in range(8):
        film = printed_on(np.random.default_rng(seed), scene, np.full(scene.shape, 0.4, np.float32))
        assert film.shape == scene.shape
        assert film.min() >= 0
        assert film.max() <= 1
