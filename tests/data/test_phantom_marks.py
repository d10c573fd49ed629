import numpy as np
import pytest

from spondyl.data.phantom_implants import (
    lay_cage,
    lay_calcified,
    lay_cement,
    lay_end_on_screw,
    lay_rod,
    lay_screw,
    lay_small_metal,
)
from spondyl.data.phantom_marks import (
    Frame,
    framed,
    lay_labels,
    lay_measurement,
    lay_scale_bar,
    printed,
    sample_frame,
    shutter,
)


def grey(shape=(300, 240)):
    return np.full(shape, 0.5, dtype=np.float32)


def canvas():
    return np.zeros((200, 200), dtype=np.float32)


def test_labels_are_printed_away_from_what_must_stay_free():
    points = np.array([[120.0, y] for y in range(20, 290, 10)])
    changed = 0
    for seed in range(12):
        film = grey()
        lay_labels(np.random.default_rng(seed), film, points, 3)
        changed += bool((film != 0.5).any())
        assert film[[int(y) for _, y in points], 120] == pytest.approx(0.5)
    assert changed > 8


def test_printed_text_is_light_on_dark_with_a_margin():
    stamp = printed("RT", 20)
    assert stamp.max() > 0.9
    assert stamp[0].max() == stamp[:, 0].max() == 0


def test_the_ticks_of_a_ruler_are_10_mm_apart():
    film = grey((600, 400))
    lay_scale_bar(np.random.default_rng(2), film, 2.0)
    drawn = film != 0.5
    axis = 0 if drawn.any(axis=1).sum() > drawn.any(axis=0).sum() else 1
    counts = drawn.sum(axis=1 - axis)
    ticks = np.flatnonzero(counts > counts[counts > 0].min() + 2)
    starts = ticks[np.diff(ticks, prepend=-9) > 1]
    assert len(starts) >= 5
    np.testing.assert_allclose(np.diff(starts), 20, atol=1)


def test_a_reader_leaves_lines_and_a_figure():
    for seed in range(8):
        film = grey()
        lay_measurement(np.random.default_rng(seed), film)
        assert 20 < (film != 0.5).sum() < 0.2 * film.size
        assert film.min() >= 0
        assert film.max() <= 1


def test_a_shutter_hides_what_is_outside_its_corners_even_when_skew():
    film = grey()
    corners = np.array([[30.0, 40], [200, 50], [210, 250], [20, 240]])
    shutter(film, corners, 1.0, 0.1)
    assert film[150, 120] == pytest.approx(0.5)
    assert film[20, 120] == pytest.approx(0.05)
    assert film[42, 190] == pytest.approx(0.05)  # above the skew edge
    film = grey()
    shutter(film, corners, 1.0, 0.0, beyond=1.0)
    assert film[20, 120] == pytest.approx(1.0)


def test_a_mounted_and_stretched_film_keeps_its_points():
    from spondyl.data.phantom_detector import resized

    rng = np.random.default_rng(4)
    film = np.zeros((300, 240), dtype=np.float32)
    film[196:205, 96:105] = 1
    frame = Frame(left=20, top=40, inner=(360, 300), outer=(300, 325))
    mount = np.zeros(frame.inner, dtype=np.float32)
    mount[40:340, 20:260] = film
    shown = resized(mount, frame.outer)
    expected = frame.mapped(np.array([[100.0, 200.0], [np.nan, np.nan]]))
    rows, columns = np.indices(shown.shape)
    found = [(shown * columns).sum() / shown.sum(), (shown * rows).sum() / shown.sum()]
    np.testing.assert_allclose(expected[0], found, atol=0.05)
    assert np.isnan(expected[1]).all()
    real = sample_frame(rng, (300, 240), margin=0.2, stretch=1.2)
    assert framed(rng, film, real).shape == real.inner
    assert real.outer[0] == 300
    assert real.scale[0] / real.scale[1] == pytest.approx(1.2, rel=0.01)


def test_no_margin_and_no_stretch_is_no_frame():
    frame = sample_frame(np.random.default_rng(0), (300, 240), margin=0, stretch=1)
    assert frame == Frame(0, 0, (300, 240), (300, 240))


def test_a_screw_lies_between_its_head_and_its_tip():
    film = canvas()
    lay_screw(film, np.array([150.0, 100]), np.array([60.0, 100]), 2.0, 4.0)
    assert film[100, 100] == pytest.approx(4.0, rel=0.1)
    assert film[100, 50] < 0.1
    assert film[130, 100] < 0.1
    lay_screw(film, np.array([10.0, 10]), np.array([10.5, 10]), 2.0, 4.0)  # too short to draw
    assert film[10, 10] == 0


def test_a_rod_joins_its_points_and_a_cage_is_hollow():
    film = canvas()
    lay_rod(film, np.array([[50.0, 40], [60, 100], [50, 160]]), 2.0, 3.0)
    assert min(film[40, 50], film[100, 60], film[160, 50]) > 2.5
    film = canvas()
    lay_cage(film, np.array([[60.0, 80], [120, 80], [120, 110], [60, 110]]), 2.0, 1.0)
    assert film[95, 80] < 0.4 < film[84, 75]


def test_cement_metal_and_calcium_only_add():
    rng = np.random.default_rng(3)
    for lay in (
        lambda c: lay_cement(c, rng, np.array([100.0, 100]), np.array([20.0, 15]), 2.0),
        lambda c: lay_end_on_screw(c, np.array([100.0, 100]), 2.0, 3.0),
        lambda c: lay_calcified(c, rng, np.array([[60.0, 40], [70, 100], [60, 160]]), 2.0),
        *[lambda c: lay_small_metal(c, rng, np.array([100.0, 100]), 2.0)] * 8,
    ):
        film = canvas()
        lay(film)
        assert film.min() >= 0
        assert film.max() > 0.02
        assert np.isfinite(film).all()
