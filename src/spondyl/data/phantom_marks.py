"""What is laid over a film: side letters, text, rulers, drawn lines, shutters and viewer frames.

Works on a finished film in [0, 1] of any view, in place, away from the points to keep free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spondyl.data.phantom_canvas import Pixels, Point, Points

SIDES: Final = ("L", "R", "LT.", "RT.", "LT", "RT")
"""Side letters as they are put on a film."""

_WORDS: Final = ("STANDING", "LAT", "ERECT", "SUPINE", "L-SPINE", "PORTABLE", "WB", "PA", "AP",
                 "FLEX", "EXT", "100 cm", "kVp 90 mAs 40", "W 4096 C 2048", "Im: 1/2", "Se: 3",
                 "Zoom 100%", "DEMO 000")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """How a film sits in what is handed on: margins in px, then the final size.

    ``left`` and ``top`` are the margins before the picture of ``inner`` (rows, columns) with all
    margins is brought to ``outer``; the two scales may differ (a stretched film).
    """

    left: int
    top: int
    inner: tuple[int, int]
    outer: tuple[int, int]

    @property
    def scale(self) -> Point:
        """Outer px per inner px: across, down."""
        return np.array([self.outer[1] / self.inner[1], self.outer[0] / self.inner[0]])

    def mapped(self, points: np.ndarray) -> np.ndarray:
        """Film px to px of what is handed on; NaN stays NaN."""
        return (points + [self.left, self.top] + 0.5) * self.scale - 0.5


def printed(text: str, size: int) -> Pixels:
    """Text as light on dark, [0, 1], with a margin."""
    font = ImageFont.load_default(size=max(size, 8))
    left, top, right, bottom = font.getbbox(text)
    pad = max(2, size // 5)
    extent = (math.ceil(right - left) + 2 * pad, math.ceil(bottom - top) + 2 * pad)
    image = Image.new("L", extent)
    ImageDraw.Draw(image).text((pad - left, pad - top), text, fill=255, font=font)
    return np.asarray(image, dtype=np.float32) / 255


def lay_stamp(film: Pixels, stamp: Pixels, place: tuple[int, int], style: str) -> None:
    """Lays text at (column, row): ``ink``, ``shadow``, ``white box`` or ``black box``."""
    x, y = place
    spot = film[y : y + stamp.shape[0], x : x + stamp.shape[1]]
    stamp = stamp[: spot.shape[0], : spot.shape[1]]
    if style == "white box":
        spot[:] = 1 - stamp
    elif style == "black box":
        spot[:] = stamp
    elif style == "shadow":  # a lead letter under a thick part
        spot[:] = np.clip(spot + 0.6 * stamp * (1 - spot), 0, 1)
    else:
        spot[:] = np.maximum(spot, stamp)


def lay_labels(rng: np.random.Generator, film: Pixels, keep_free: Points, count: int) -> None:
    """Prints ``count`` side letters or words away from the points, at times mirrored or turned."""
    height, width = film.shape
    for _ in range(count):
        words = SIDES if rng.random() < 0.6 else _WORDS
        stamp = printed(str(rng.choice(words)), round(height * rng.uniform(0.015, 0.045)))
        if rng.random() < 0.35:
            stamp = stamp[:, ::-1]
        if rng.random() < 0.08:
            stamp = np.rot90(stamp, int(rng.integers(1, 4)))
        style = str(rng.choice(["ink", "shadow", "white box", "black box"]))
        place = _free_place(rng, (height, width), stamp.shape, keep_free)
        if place:
            lay_stamp(film, np.ascontiguousarray(stamp), place, style)


def _free_place(
    rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, ...], keep_free: Points
) -> tuple[int, int] | None:
    rows, columns = size
    reach = max(rows, columns) / 2 + 0.04 * shape[0]
    for _ in range(12):
        x = int(rng.integers(0, max(1, shape[1] - columns)))
        y = int(rng.integers(0, max(1, shape[0] - rows)))
        middle = np.array([x + columns / 2, y + rows / 2])
        if (np.linalg.norm(keep_free - middle, axis=1) > reach).all():
            return (x, y) if rows < shape[0] and columns < shape[1] else None
    return None


def lay_scale_bar(rng: np.random.Generator, film: Pixels, px_per_mm: float) -> None:
    """Draws a ruler of 10 mm steps along one side of the film."""
    height, width = film.shape
    steps = int(rng.integers(5, 16))
    upright, level = rng.random() < 0.7, float(rng.uniform(0.75, 1.0))
    start = rng.uniform(0.05, 0.4) * (height if upright else width)
    side = rng.choice([0.02, 0.98]) * (width if upright else height)
    tick = (1 if side > (width if upright else height) / 2 else -1) * 4.0 * -px_per_mm
    segments = [((start, side), (start + steps * 10 * px_per_mm, side))]
    for k in range(steps + 1):
        at, reach = start + k * 10 * px_per_mm, tick * (1.6 if k % 5 == 0 else 1.0)
        segments.append(((at, side), (at, side + reach)))
    lay_strokes(film, [tuple(p[::-1] if upright else p for p in s) for s in segments], level)


def lay_strokes(
    film: Pixels, segments: list[tuple[tuple[float, float], ...]], level: float
) -> None:
    """Draws lines of one pixel or two at a grey, as a viewer's tools do."""
    image = Image.new("L", (film.shape[1], film.shape[0]))
    pen = ImageDraw.Draw(image)
    for segment in segments:
        pen.line(segment, fill=255, width=max(1, film.shape[0] // 500))
    mask = np.asarray(image) > 0
    film[mask] = level


def lay_measurement(rng: np.random.Generator, film: Pixels) -> None:
    """Draws what a reader may leave: a line, an angle, an arrow or a box, with a figure."""
    size = np.array(film.shape[::-1])
    start = rng.uniform(0.1, 0.9, 2) * size
    ends = [start + rng.normal(0, 0.15, 2) * size for _ in range(2)]
    level = float(rng.choice([1.0, 0.85, 0.0]))
    kind = str(rng.choice(["line", "angle", "arrow", "box"]))
    path = [tuple(start.tolist()), tuple(ends[0].tolist())]
    if kind == "angle":
        path.append(tuple(ends[1].tolist()))
    elif kind == "box":
        (x, y), (u, v) = path
        path = [(x, y), (u, y), (u, v), (x, v), (x, y)]
    elif kind == "arrow":
        head = start + 0.12 * (ends[0] - start) @ np.array([[0.8, 0.6], [-0.6, 0.8]])
        path = [tuple(head.tolist()), *path]
    lay_strokes(film, [tuple(path)], level)
    stamp = printed(f"{rng.uniform(5, 90):.1f}", round(film.shape[0] * 0.018))
    x, y = (int(v) for v in np.clip(ends[0], 0, size - 1))
    lay_stamp(film, stamp, (x, y), "ink")


def shutter(
    film: Pixels, corners: Points, softness: float, edge: float, beyond: float = 0.0
) -> None:
    """Hides what lies outside a convex quadrilateral (in order around), ``softness`` px soft.

    ``edge`` is what share of the grey still shows outside, ``beyond`` the grey added there.
    """
    x = np.arange(film.shape[1], dtype=np.float32)[None, :]
    y = np.arange(film.shape[0], dtype=np.float32)[:, None]
    middle = corners.mean(axis=0)
    inside = np.ones_like(film)
    for k in range(len(corners)):
        start, end = corners[k], corners[(k + 1) % len(corners)]
        normal = np.array([start[1] - end[1], end[0] - start[0]]) / math.dist(start, end)
        normal = normal * np.sign((middle - start) @ normal)
        depth = (x - np.float32(start[0])) * np.float32(normal[0])
        depth = depth + (y - np.float32(start[1])) * np.float32(normal[1])
        inside *= np.clip(depth / np.float32(softness) + 0.5, 0, 1)
    film *= edge + (1 - edge) * inside
    film += np.float32(beyond) * (1 - inside)
    np.clip(film, 0, 1, out=film)


def sample_frame(
    rng: np.random.Generator, shape: tuple[int, int], *, margin: float, stretch: float
) -> Frame:
    """A frame whose outer height is the film's; margins up to ``margin`` of the sides.

    ``stretch`` is how much wider a pixel's picture becomes: above 1 the film looks broad.
    """
    height, width = shape
    left, right = (int(rng.uniform(0, margin) * width) for _ in range(2))
    top, bottom = (int(rng.uniform(0, margin) * height) for _ in range(2))
    inner = height + top + bottom, width + left + right
    return Frame(left, top, inner, (height, max(32, round(height / inner[0] * inner[1] * stretch))))


def framed(rng: np.random.Generator, film: Pixels, frame: Frame) -> Pixels:
    """The film on its mount, before it is resized: a plain grey and, at times, lines of text."""
    mount = np.full(frame.inner, rng.choice([0.0, 0.05, 0.2, 0.5, 1.0]), dtype=np.float32)
    height, width = film.shape
    mount[frame.top : frame.top + height, frame.left : frame.left + width] = film
    size = round(height * rng.uniform(0.014, 0.024))
    for line in range(int(rng.integers(0, 6))):
        stamp = printed(str(rng.choice(_WORDS)), size)
        y = int((line + 0.5) * 1.5 * size)
        x = int(rng.choice([size, max(frame.inner[1] - stamp.shape[1] - size, 0)]))
        lay_stamp(mount, stamp, (x, y), "ink")
    return mount
