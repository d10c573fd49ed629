"""How are landmarks shown on a film: an overlay that reads on dark and on bright regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw, ImageFont

from spondyl.film.radiograph import Radiograph
from spondyl.spine.landmarks import Landmarks

Colour = tuple[int, int, int]

FOUND: Final[Colour] = (255, 176, 0)
"""Amber: the landmarks themselves; with ``REFERENCE`` safe for the colour-blind."""

REFERENCE: Final[Colour] = (64, 176, 255)
"""Blue: the annotation that they are compared with."""

_HALO: Final[Colour] = (0, 0, 0)
_WARNING: Final = "research use only"


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws every stroke twice, first wider in black, so that it reads on any grey."""

    draw: ImageDraw.ImageDraw
    unit: float  # px of the overlay: 1 at a long side of 512

    def line(self, ends: Sequence[Float64[np.ndarray, " 2"]], colour: Colour, width: float) -> None:
        if np.isnan(ends).any():
            return
        path = [(float(x), float(y)) for x, y in ends]
        self.draw.line(path, fill=_HALO, width=self._px(width + 1.2))
        self.draw.line(path, fill=colour, width=self._px(width))

    def dot(self, centre: Float64[np.ndarray, " 2"], colour: Colour, radius: float) -> None:
        if np.isnan(centre).any():
            return
        xy = (float(centre[0]), float(centre[1]))
        self.draw.circle(xy, (radius + 0.8) * self.unit, fill=_HALO)
        self.draw.circle(xy, radius * self.unit, fill=colour)

    def text(self, at: tuple[float, float], words: str, anchor: str, size: float = 11.0) -> None:
        font = ImageFont.load_default(max(8.0, size * self.unit))
        stroke = self._px(1.2)
        self.draw.text(
            at, words, fill=(255, 255, 255), font=font, anchor=anchor,
            stroke_width=stroke, stroke_fill=_HALO,
        )  # fmt: skip

    def _px(self, width: float) -> int:
        return max(1, round(width * self.unit))


def draw_overlay(
    radiograph: Radiograph,
    landmarks: Landmarks,
    *,
    reference: Landmarks | None = None,
    long_side: int = 1024,
) -> Image.Image:
    """The film with its vertebrae drawn on it, RGB, ``long_side`` px long.

    Each vertebra is an outline with strong endplates, a dot at each corner and its level with the
    probability where one is stated (V1, V2 ... where it has no name). The ``reference`` is drawn
    beneath in blue. Corners that are NaN, and the lines that end in them, are left out. A film
    whose pixels are not square is shown in its true proportions.

    Args:
        radiograph: the film.
        landmarks: in its image px.
        reference: in its image px, say the annotation.
        long_side: of the overlay in px.
    """
    image, scale = _canvas(radiograph, long_side)
    pen = _Pen(ImageDraw.Draw(image), long_side / 512)
    if reference is not None:
        _draw_spine(pen, _to_overlay(reference, scale), REFERENCE)
    shown = _to_overlay(landmarks, scale)
    _draw_spine(pen, shown, FOUND)
    for corners, label in zip(shown, _labels(landmarks), strict=True):
        _draw_label(pen, corners, label, image.width)
    corner = (image.width - 4 * pen.unit, image.height - 4 * pen.unit)
    pen.text(corner, _WARNING, "rs", size=7.0)
    return image


def _canvas(radiograph: Radiograph, long_side: int) -> tuple[Image.Image, np.ndarray]:
    """The film as RGB, and the overlay px per image px in x and y."""
    height, width = radiograph.height * (radiograph.aspect or 1.0), radiograph.width
    factor = long_side / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    grey = np.rint(radiograph.pixels * 255).astype(np.uint8)
    image = Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    return image, np.array(size) / [radiograph.width, radiograph.height]


def _to_overlay(
    landmarks: Landmarks, scale: Float64[np.ndarray, " 2"]
) -> Float64[np.ndarray, "v 4 2"]:
    return (landmarks.points + 0.5) * scale - 0.5


def _draw_spine(pen: _Pen, points: Float64[np.ndarray, "v 4 2"], colour: Colour) -> None:
    for sl, sr, il, ir in points:
        for wall in ([sl, il], [sr, ir]):
            pen.line(wall, colour, 0.7)
        for endplate in ([sl, sr], [il, ir]):
            pen.line(endplate, colour, 1.6)
    for corner in points.reshape(-1, 2):
        pen.dot(corner, colour, 1.8)


def _labels(landmarks: Landmarks) -> Iterable[str]:
    pairs = zip(landmarks.names, landmarks.level_probability, strict=True)
    for number, (name, probability) in enumerate(pairs, start=1):
        stated = "" if name is None or math.isnan(probability) else f" {100 * probability:.0f} %"
        yield f"{name or f'V{number}'}{stated}"


def _draw_label(pen: _Pen, corners: Float64[np.ndarray, "4 2"], label: str, width: int) -> None:
    """Right of the vertebra; left of it where there is no room."""
    gap, y = 7 * pen.unit, float(np.nanmean(corners[:, 1]))
    right = float(np.nanmax(corners[:, 0])) + gap
    if right + 40 * pen.unit < width:
        pen.text((right, y), label, "lm")
    else:
        pen.text((float(np.nanmin(corners[:, 0])) - gap, y), label, "rm")
