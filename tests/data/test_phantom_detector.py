from dataclasses import replace

import numpy as np
import pytest

from spondyl.data.phantom_detector import (
    Exposure,
    Processing,
    compressed,
    enhance,
    expose,
    grade,
    lay_grid_lines,
    lay_shading,
    process,
    quantised,
    resized,
    softened,
)


def flat(value, shape=(200, 160)):
    return np.full(shape, value, dtype=np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.5, 4.0, 9.0, 20.0])
def test_a_blur_has_the_deviation_that_was_asked_for_and_keeps_the_sum(sigma):
    line = np.zeros((241, 241), dtype=np.float32)
    line[120] = 1
    profile = softened(line, sigma)[:, 120].astype(np.float64)
    at = np.arange(241) - 120
    assert profile.sum() == pytest.approx(1, abs=0.02)
    assert np.sqrt((profile * at**2).sum() / profile.sum()) == pytest.approx(sigma, rel=0.12)


def test_what_is_detected_without_scatter_or_noise_is_the_attenuation():
    """Beer-Lambert: the logarithm of what passes is the line integral."""
    ramp = np.linspace(2, 8, 160, dtype=np.float32)[None, :].repeat(200, axis=0)
    signal = expose(rng(), ramp, Exposure(reference=5, quanta=1e14))
    np.testing.assert_allclose(signal, ramp - 5, atol=1e-4)


def test_scatter_takes_contrast_by_its_share():
    """On an even field a small detail keeps 1 - s of its relative contrast."""
    field = flat(4.0)
    field[100, 80] += 0.01
    for share in (0.0, 0.5):
        exposure = Exposure(4, quanta=1e14, scatter=share, scatter_px=30)
        signal = expose(rng(), field, exposure)
        assert signal[100, 80] - signal[20, 20] == pytest.approx(0.01 * (1 - share), rel=0.03)


@pytest.mark.parametrize("beyond", [0.0, 1.0, 2.0])
def test_quantum_noise_has_the_variance_of_its_quanta(beyond):
    """Of N quanta the logarithm deviates by 1 / sqrt(N), and N falls as exp(-attenuation)."""
    signal = expose(rng(), flat(4 + beyond, (400, 400)), Exposure(reference=4, quanta=5000))
    expected = np.sqrt(1 / (5000 * np.exp(-beyond)))
    assert float(signal.std()) == pytest.approx(expected, rel=0.05)


def test_grain_spreads_the_noise_and_keeps_its_strength():
    exposure = Exposure(reference=4, quanta=5000)
    found = [expose(rng(), flat(4.0), replace(exposure, grain_px=g)) for g in (0.0, 1.2)]
    neighbours = [np.corrcoef(f[:, 1:].ravel(), f[:, :-1].ravel())[0, 1] for f in found]
    assert abs(neighbours[0]) < 0.03
    assert neighbours[1] > 0.6
    assert float(found[1].std()) == pytest.approx(float(found[0].std()), rel=0.05)


def test_metal_and_air_stay_finite():
    field = flat(5.0)
    field[:50], field[150:] = 60.0, 0.0
    signal = expose(rng(), field, Exposure(5, quanta=300, electronic=0.05, scatter=0.3))
    assert np.isfinite(signal).all()
    assert np.median(signal[:40]) > np.median(signal[60:140]) > np.median(signal[160:])


def test_an_unsharp_mask_overshoots_on_both_sides_of_an_edge():
    step = flat(0.0)
    step[:, 80:] = 1
    shown = enhance(step, Processing(0, 1, edge=0.5, edge_px=3))
    assert float(shown.max()) > 1.1
    assert float(shown.min()) < -0.1
    np.testing.assert_allclose(shown[:, [5, -5]], step[:, [5, -5]], atol=0.01)


def test_flattening_takes_broad_shades_and_leaves_detail():
    ramp = np.linspace(0, 2, 160, dtype=np.float32)[None, :].repeat(200, axis=0)
    ramp[100, 80] += 0.5
    shown = enhance(ramp, Processing(0, 1, flatten=0.8, flatten_px=12))
    assert shown[50, 140] - shown[50, 20] == pytest.approx(
        0.2 * (ramp[50, 140] - ramp[50, 20]), 0.1
    )
    assert shown[100, 80] - shown[98, 80] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("shoulder", [0.0, 0.2, 0.6])
def test_a_grade_rises_from_black_to_white_and_nowhere_falls(shoulder):
    signal = np.linspace(-3, 5, 4000, dtype=np.float32)[None, :]
    film = grade(signal, Processing(-1, 2, gamma=1.3, shoulder=shoulder))[0]
    assert (np.diff(film) >= 0).all()
    assert film[0] == 0.0
    assert film[signal[0] < -1].max() == 0.0
    assert film[-1] > 0.9
    assert np.abs(np.diff(film)).max() < 0.005


def test_an_inverted_film_is_the_other_one_upside_down():
    signal = rng().normal(0, 1, (40, 40)).astype(np.float32)
    settings = Processing(-1, 2, gamma=1.2, shoulder=0.3, edge=0.4)
    shown, inverted = process(signal, settings), process(signal, replace(settings, inverted=True))
    np.testing.assert_allclose(shown + inverted, 1, atol=1e-6)


def test_grid_lines_have_their_period_and_strength():
    signal = flat(0.0, (256, 256))
    lay_grid_lines(rng(3), signal, 0.02, 8.0)
    axis = int(signal[:, 0].std() < 1e-6)
    spectrum = np.abs(np.fft.rfft(signal[:, 0] if axis == 0 else signal[0]))
    assert int(spectrum.argmax()) == 256 // 8
    assert float(signal.max()) == pytest.approx(0.02, rel=0.05)


def test_shading_grows_from_side_to_side_without_a_mean():
    signal = flat(0.0)
    lay_shading(rng(1), signal, 0.6)
    assert abs(float(signal.mean())) < 1e-4
    assert 0.6 <= np.ptp(signal) < 0.6 * 1.42


def test_a_film_in_few_greys_has_no_more_and_jpeg_is_the_same_each_time():
    film = rng().random((60, 50), dtype=np.float32)
    assert len(np.unique(quantised(film, 16))) == 16
    once, again = compressed(film, 50), compressed(film, 50)
    np.testing.assert_array_equal(once, again)
    assert once.shape == film.shape
    assert 0 < np.abs(once - film).mean() < 0.3


def test_a_resized_film_maps_its_points_by_pixel_edges():
    film = softened(np.pad(np.ones((6, 6), np.float32), ((40, 74), (60, 34))), 2)
    larger = resized(film, (180, 150))
    for axis, (old, scale) in enumerate([(42.5, 180 / 120), (62.5, 150 / 100)]):
        weights = larger.sum(axis=1 - axis)
        centre = (weights * np.arange(len(weights))).sum() / weights.sum()
        assert centre == pytest.approx((old + 0.5) * scale - 0.5, abs=0.05)
