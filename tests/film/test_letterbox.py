"""Pixels and points go the same way: a blob lands where its centre is said to land."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spondyl.film.letterbox import Letterbox, prepare
from spondyl.film.radiograph import PixelSpacing, Radiograph

sides = st.integers(1, 5000)


def blob(height, width, centre, sigma):
    """A Gaussian whose centre of mass is ``centre`` (x, y)."""
    x = np.exp(-0.5 * ((np.arange(width) - centre[0]) / sigma[0]) ** 2)
    y = np.exp(-0.5 * ((np.arange(height) - centre[1]) / sigma[1]) ** 2)
    return np.outer(y, x).astype(np.float32)


def centre_of_mass(pixels):
    mass = pixels.astype(np.float64)
    y, x = np.mgrid[0 : mass.shape[0], 0 : mass.shape[1]]
    return np.array([(x * mass).sum(), (y * mass).sum()]) / mass.sum()


@pytest.mark.parametrize("place", [(0.25, 0.3), (0.5, 0.5), (0.71, 0.83)])
@pytest.mark.parametrize(
    ("height", "width", "size", "aspect"),
    [
        (2900, 1800, 512, 1.0),
        (1801, 2903, 511, 1.0),
        (1024, 543, 512, 1.0),
        (300, 200, 512, 1.0),  # enlarged
        (777, 777, 256, 1.0),
        (1000, 600, 384, 1.5),
        (600, 1000, 384, 0.4),
        (512, 512, 512, None),
    ],
)
def test_a_blob_lands_where_its_centre_does(height, width, size, aspect, place):
    box = Letterbox.fit(height, width, size, aspect=aspect)
    centre = np.array([place[0] * width, place[1] * height]) + 0.37
    sigma = np.maximum(4 / box.scale, 3)
    found = centre_of_mass(box.apply(blob(height, width, centre, sigma)))
    np.testing.assert_allclose(found, box.to_input(centre), atol=0.05)  # input px
    np.testing.assert_allclose(box.to_image(found), centre, atol=0.05 / box.scale.min())


@given(sides, sides, st.integers(1, 2048), st.floats(0.125, 8))
@settings(deadline=None)
def test_there_and_back_is_exact(height, width, size, aspect):
    box = Letterbox.fit(height, width, size, aspect=aspect)
    points = np.array([[0, 0], [width - 1, height - 1], [width / 3, height / 7], [-50.5, 1e4]])
    np.testing.assert_allclose(box.to_image(box.to_input(points)), points, atol=1e-6)


@given(sides, sides, st.integers(1, 2048), st.floats(0.125, 8))
@settings(deadline=None)
def test_the_corners_of_the_film_are_the_corners_of_its_frame(height, width, size, aspect):
    """Edge to edge, half a pixel outside the outermost centres; inside the square input."""
    box = Letterbox.fit(height, width, size, aspect=aspect)
    rows, columns = box.fitted
    first, last = box.to_input(np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]]))
    np.testing.assert_allclose(first, box.offset - 0.5, atol=1e-9)
    np.testing.assert_allclose(last - first, [columns, rows], atol=1e-9)
    assert first.min() >= -0.5
    assert last.max() <= size - 0.5 + 1e-9
    assert max(rows, columns) == size


@given(sides, sides, st.integers(8, 2048))
@settings(deadline=None)
def test_the_matrix_says_the_same_as_the_points(height, width, size):
    box = Letterbox.fit(height, width, size)
    points = np.array([[3.25, 5.5], [width, height]])
    by_matrix = np.c_[points, np.ones(2)] @ box.matrix.T
    np.testing.assert_allclose(by_matrix[:, :2], box.to_input(points), atol=1e-6)
    np.testing.assert_array_equal(by_matrix[:, 2], 1)


@given(st.integers(64, 4000), st.integers(64, 4000), st.floats(0.5, 2))
@settings(deadline=None)
def test_the_true_shape_is_kept(height, width, aspect):
    """A pixel that is truly taller than wide makes the fitted film taller, to half an input px."""
    assume(1 / 8 <= height * aspect / width <= 8)
    rows, columns = Letterbox.fit(height, width, 512, aspect=aspect).fitted
    long = max(height * aspect, width)
    assert rows == pytest.approx(512 * height * aspect / long, abs=0.51)
    assert columns == pytest.approx(512 * width / long, abs=0.51)


def test_a_stretched_film_comes_out_in_its_true_shape():
    """A disc of 100 mm, seen with pixels twice as tall as wide, is round in the input."""
    y, x = np.mgrid[0:200, 0:400]
    disc = (((y - 99.5) * 2) ** 2 + (x - 199.5) ** 2 < 100**2).astype(np.float32)
    film = Radiograph(disc, PixelSpacing(2.0, 1.0), aspect=2.0)
    inside = Letterbox.of(film, 256).apply(film.pixels) > 0.5
    assert inside.any(axis=1).sum() == pytest.approx(inside.any(axis=0).sum(), abs=1)


@pytest.mark.parametrize(("height", "width"), [(1, 4000), (4000, 1), (1, 1), (3, 5000)])
def test_the_thinnest_film_still_has_a_row(height, width):
    box = Letterbox.fit(height, width, 512)
    assert min(box.fitted) >= 1
    assert box.apply(np.ones((height, width), dtype=np.float32)).sum() == np.prod(box.fitted)


def test_missing_points_stay_missing():
    box = Letterbox.fit(300, 200, 128)
    points = np.array([[[np.nan, np.nan], [10.0, 20.0]]])
    for there in (box.to_input(points), box.to_image(points)):
        assert np.isnan(there[0, 0]).all()
        assert np.isfinite(there[0, 1]).all()


@pytest.mark.parametrize("sizes", [(0, 5, 8), (5, 0, 8), (5, 5, 0)])
def test_a_size_of_nothing_is_refused(sizes):
    height, width, size = sizes
    with pytest.raises(ValueError, match="at least 1 px"):
        Letterbox(height, width, size, (1, 1))


def test_a_fine_pattern_is_averaged_and_not_sampled():
    """Shrunk eight times, a chessboard of single pixels is flat grey: no aliasing."""
    board = (np.indices((800, 800)).sum(axis=0) % 2).astype(np.float32)
    np.testing.assert_allclose(Letterbox.fit(800, 800, 100).apply(board), 0.5, atol=0.01)


class TestPrepare:
    def test_the_middle_99_percent_of_grey_values_fill_eight_bits(self):
        ramp = np.linspace(0.30, 0.42, 400 * 300, dtype=np.float32).reshape(400, 300)
        box, prepared = prepare(Radiograph(ramp), 400)
        inside = prepared[:, 50:350]
        assert (prepared.dtype, prepared.shape, box.fitted) == (np.uint8, (400, 400), (400, 300))
        assert (inside.min(), inside.max()) == (0, 255)
        assert (inside == 0).mean() == pytest.approx(0.007, abs=0.003)
        assert (inside == 255).mean() == pytest.approx(0.007, abs=0.003)

    def test_a_darker_print_of_a_film_is_the_same_input(self):
        noise = np.random.default_rng(0).random((300, 200), dtype=np.float32)
        _, bright = prepare(Radiograph(noise), 256)
        _, dark = prepare(Radiograph(0.1 + 0.2 * noise), 256)
        assert np.abs(bright.astype(int) - dark).max() <= 1

    def test_the_padding_is_black_and_does_not_count(self):
        _, prepared = prepare(Radiograph(np.full((400, 100), 0.8, dtype=np.float32)), 400)
        assert not prepared[:, :150].any()
        assert not prepared[:, 250:].any()

    def test_a_flat_film_does_not_divide_by_nothing(self):
        _, prepared = prepare(Radiograph(np.full((90, 90), 0.5, dtype=np.float32)), 64)
        assert np.isfinite(prepared).all()
