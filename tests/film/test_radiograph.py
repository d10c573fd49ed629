"""A film checks itself when it is made."""

import math

import numpy as np
import pytest

from spondyl.film.radiograph import PixelSpacing, Radiograph


def film(**changes):
    return Radiograph(**{"pixels": np.full((30, 40), 0.5, dtype=np.float32), **changes})


def test_a_film_knows_its_size():
    assert (film().height, film().width, film().diagonal) == (30, 40, 50.0)


def test_the_aspect_of_a_pixel_is_height_over_width():
    assert PixelSpacing(0.3, 0.2).aspect == pytest.approx(1.5)
    assert PixelSpacing(0.3, 0.2).plane == "unknown"


@pytest.mark.parametrize("size", [0.0, -0.1, math.nan, math.inf])
def test_a_spacing_is_a_length(size):
    with pytest.raises(ValueError, match="row_mm is"):
        PixelSpacing(size, 0.1)
    with pytest.raises(ValueError, match="column_mm is"):
        PixelSpacing(0.1, size)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.01, 1.01])
def test_one_pixel_out_of_range_is_refused(value):
    pixels = np.full((30, 40), 0.5, dtype=np.float32)
    pixels[7, 9] = value
    with pytest.raises(ValueError, match=r"a\.png: pixels span"):
        film(pixels=pixels, source="a.png")


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((30, 40)), np.zeros((30, 40), np.uint8), np.zeros((30, 40, 3), np.float32)],
)
def test_pixels_are_one_plane_of_float32(pixels):
    with pytest.raises((ValueError, TypeError), match="pixels"):  # jaxtyping may be first
        film(pixels=pixels)


@pytest.mark.parametrize("aspect", [0.0, -1.0, math.nan])
def test_an_aspect_is_above_zero_or_unknown(aspect):
    assert film(aspect=None).aspect is None
    with pytest.raises(ValueError, match="aspect is"):
        film(aspect=aspect)


def test_a_film_prints_itself_without_its_pixels():
    text = repr(film(source="a.dcm", view="lateral", spacing=PixelSpacing(0.1, 0.1, "detector")))
    assert "'a.dcm', 40 x 30 px" in text
    assert "detector" in text
    assert "0.5" not in text
