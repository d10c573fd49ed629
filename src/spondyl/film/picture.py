"""How does a PNG, JPEG or TIFF become a grey film."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from spondyl.errors import FilmError
from spondyl.film.guarding import check_size, one_line, shown, silence, stretch
from spondyl.film.radiograph import Radiograph

GREY_8_BIT: Final = frozenset({"1", "L"})
GREY_16_BIT: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})
COLOUR: Final = frozenset({"LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"})

COLOURED: Final = 40
"""Spread of red, green and blue, of 255, from which a pixel counts as coloured."""

MAX_COLOURED: Final = 0.05
"""Share of coloured pixels in a grey film: room for marks and lettering."""


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) in px as read, from the header alone.

    Raises:
        FilmError: not a single grey picture of a usable size.
    """
    with _opened(path) as image:
        return _upright_size(image)


def read_picture(path: Path) -> Radiograph:
    """Reads a picture; its grey values are taken as they are, bone bright.

    8 bit: 0 to 255 become 0 to 1. 16 bit: the least to the greatest value, because most hold 10
    to 12 bits in the lower part of the range. What is transparent is black.

    Raises:
        FilmError: cannot be decoded, in colour, blank, or of an unusable size.
    """
    name = shown(path)
    with _opened(path) as image, one_line(name, "cannot be decoded"):
        image.load()
        upright = ImageOps.exif_transpose(image)
        pixels = _grey(name, upright, inverted=_white_is_zero(image))
    return Radiograph(pixels, source=shown(Path(path.name)))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    name = shown(path)
    # By handle: opened by name, Pillow 13 maps a turned TIFF into memory with its sides swapped.
    with one_line(name, "cannot be read"):
        file = path.open("rb")
    with file:
        with one_line(name, "damaged header", tell=False), silence():
            image = Image.open(file, formats=("PNG", "JPEG", "TIFF"))
            _check(name, image)
        yield image


def _check(name: str, image: Image.Image) -> None:
    if (frames := getattr(image, "n_frames", 1)) != 1:
        raise FilmError(f"{name}: {frames} pages or frames, need 1")
    if image.mode not in GREY_8_BIT | GREY_16_BIT | COLOUR:
        raise FilmError(f"{name}: pixels of kind {image.mode}, need 8 or 16 bit grey")
    check_size(name, *_upright_size(image))


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    # Pillow turns the size of a TIFF by itself.
    turned = image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation) in (
        5, 6, 7, 8,
    )  # fmt: skip
    return (width, height) if turned else (height, width)


def _white_is_zero(image: Image.Image) -> bool:
    """Whether the grey is a negative that Pillow leaves as it is: it turns 8 bit, not 16."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.mode not in GREY_16_BIT:
        return False
    return image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0


def _grey(name: str, image: Image.Image, *, inverted: bool) -> Float32[np.ndarray, "h w"]:
    if image.mode in GREY_16_BIT:
        values: Shaped[np.ndarray, "h w"] = np.asarray(image)
        pixels = stretch(name, values, float(values.min()), float(values.max()))
        return 1.0 - pixels if inverted else pixels
    grey = image.convert("L") if image.mode in GREY_8_BIT else _without_colour(name, image)
    return stretch(name, np.asarray(grey), 0.0, 255.0)


def _without_colour(name: str, image: Image.Image) -> Image.Image:
    opaque = Image.new("RGBA", image.size, (0, 0, 0, 255))
    opaque.alpha_composite(image.convert("RGBA"))
    colours = opaque.convert("RGB")
    if _coloured(np.asarray(colours)) > MAX_COLOURED:
        raise FilmError(f"{name}: a colour photograph, need a grey radiograph")
    return colours.convert("L")


def _coloured(colours: UInt8[np.ndarray, "h w 3"]) -> float:
    """Share of pixels whose red, green and blue are apart."""
    spread = np.ptp(colours, axis=2)
    return float(np.mean(spread > COLOURED))
