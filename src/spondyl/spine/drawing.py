"""How are landmarks shown on a film: an overlay that reads on dark and on bright regions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw, ImageFont

from spondyl.film.radiograph import FilmGeometry, Radiograph
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Line

Colour = tuple[int, int, int]

FOUND: Final[Colour] = (255, 176, 0)
"""Amber: the landmarks; all three colours can be told apart by the colour-blind."""

REFERENCE: Final[Colour] = (64, 176, 255)
"""Blue: the annotation that they are compared with."""

MEASURED: Final[Colour] = (255, 100, 180)
"""Magenta: the lines that were measured."""

HALO: Final[Colour] = (0, 0, 0)
"""Black: the rim of every stroke."""

WARNING: Final = "research use only"

LONG_SIDE: Final = 1024
"""Px of an overlay's longer side."""

Kind = Literal["endplate", "wall", "corner", "uncertainty", "measured"]
Anchor = Literal["start", "end"]

_ELLIPSE: Final = math.sqrt(-2 * math.log(1 - 0.9))  # SDs that hold 90 % of a plane's normal errors
_TURN: Final = np.linspace(0, 2 * np.pi, 33)
_GAP: Final = 7.0  # units between a spine and its words
_LETTER: Final = 5.6  # units that a letter takes on average, generously
_WIDTHS: Final[dict[Kind, float]] = {
    "endplate": 1.6, "wall": 0.7, "uncertainty": 0.6, "measured": 1.6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MarkedLine:
    """A measured line, or several, in image px, and the few words that stand beside them."""

    lines: tuple[Line, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, overlay px; ``title`` says what it is."""

    path: tuple[tuple[float, float], ...]
    colour: Colour
    width: float
    kind: Kind
    title: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A corner, overlay px."""

    at: tuple[float, float]
    colour: Colour
    radius: float
    kind: Kind
    title: str


@dataclass(frozen=True, slots=True)
class Words:
    """Text that starts or ends at a point, overlay px, at the middle of its height."""

    at: tuple[float, float]
    text: str
    anchor: Anchor
    colour: Colour = (255, 255, 255)
    size: float = 11.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn on a film, in order, whoever draws it: ``width`` x ``height`` overlay px.

    Widths, radii and sizes of text count in units of ``unit`` overlay px.
    """

    width: int
    height: int
    unit: float
    shapes: tuple[Stroke | Dot | Words, ...]


def draw_overlay(
    radiograph: Radiograph,
    landmarks: Landmarks,
    *,
    reference: Landmarks | None = None,
    lines: Sequence[MarkedLine] = (),
    ellipses: bool = False,
    long_side: int = LONG_SIDE,
) -> Image.Image:
    """The film with its vertebrae drawn on it, RGB, ``long_side`` px long: see ``describe``."""
    drawing = describe(
        radiograph.geometry, landmarks, reference=reference, lines=lines, ellipses=ellipses,
        long_side=long_side,
    )  # fmt: skip
    return paint(radiograph, drawing)


def paint(radiograph: Radiograph, drawing: Drawing) -> Image.Image:
    """The film with its drawing on it, RGB."""
    image = canvas(radiograph, drawing)
    pen = _Pen(ImageDraw.Draw(image), drawing.unit)
    for shape in drawing.shapes:
        pen.put(shape)
    return image


def canvas(radiograph: Radiograph, drawing: Drawing) -> Image.Image:
    """The film alone, RGB, of the size of its drawing."""
    grey = np.rint(radiograph.pixels * 255).astype(np.uint8)
    size = drawing.width, drawing.height
    return Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB")


def describe(
    film: FilmGeometry,
    landmarks: Landmarks,
    *,
    reference: Landmarks | None = None,
    lines: Sequence[MarkedLine] = (),
    ellipses: bool = False,
    long_side: int = LONG_SIDE,
) -> Drawing:
    """What is drawn on a film of that size.

    Each vertebra is an outline with strong endplates, a dot at each corner and its level with the
    probability where one is stated (V1, V2 ... where it has no name). The ``reference`` is drawn
    beneath in blue. Corners that are NaN, and the lines that end in them, are left out. A film
    whose pixels are not square is shown in its true proportions.

    Args:
        film: its size and the shape of its pixels.
        landmarks: in its image px.
        reference: in its image px, say the annotation.
        lines: what was measured, in magenta with a short label.
        ellipses: whether each corner has the ellipse that holds 90 % of its errors, where known.
        long_side: of the overlay in px.
    """
    true_height = film.height * (film.aspect or 1.0)
    factor = long_side / max(true_height, film.width)
    width, height = max(1, round(film.width * factor)), max(1, round(true_height * factor))
    sheet = _Sheet(np.array([width / film.width, height / film.height]), width, long_side / 512)
    shapes: list[Stroke | Dot | Words] = []
    if reference is not None:
        shapes += sheet.spine(reference, REFERENCE, "reference: ")
    shapes += sheet.spine(landmarks, FOUND, "")
    if ellipses:
        shapes += sheet.ellipses(landmarks)
    marked = [shape for line in lines for shape in sheet.marked(line)]
    shapes += [shape for shape in marked if isinstance(shape, Stroke)]
    words = [shape for shape in marked if isinstance(shape, Words)]
    shapes += [*sheet.names(landmarks), *_apart(words, least=12 * sheet.unit)]
    corner = (width - 4 * sheet.unit, height - 8 * sheet.unit)
    shapes.append(Words(corner, WARNING, "end", size=7.0))
    return Drawing(width, height, sheet.unit, tuple(shapes))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Turns what is in image px into shapes on an overlay ``width`` px wide."""

    scale: Float64[np.ndarray, " 2"]
    width: int
    unit: float

    def place(self, points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        return (points + 0.5) * self.scale - 0.5

    def spine(self, landmarks: Landmarks, colour: Colour, said: str) -> Iterator[Stroke | Dot]:
        points = self.place(landmarks.points)
        for (sl, sr, il, ir), name in zip(points, _names(landmarks), strict=True):
            yield from _strokes([[sl, il], [sr, ir]], colour, "wall", f"{said}{name} wall")
            yield from _strokes([[sl, sr], [il, ir]], colour, "endplate", f"{said}{name} endplate")
        for corners, name in zip(points, _names(landmarks), strict=True):
            for corner in corners[~np.isnan(corners[:, 0])]:
                yield Dot(_xy(corner), colour, 1.8, "corner", f"{said}{name} corner")

    def ellipses(self, landmarks: Landmarks) -> Iterator[Stroke]:
        circle = _ELLIPSE * np.stack([np.cos(_TURN), np.sin(_TURN)], axis=-1)
        known = ~np.isnan(landmarks.covariance).any(axis=(-2, -1))
        for v, c in np.argwhere(known & ~np.isnan(landmarks.points[..., 0])):
            values, axes = np.linalg.eigh(landmarks.covariance[v, c])
            reach = circle * np.sqrt(np.maximum(values, 0.0)) @ axes.T
            path = self.place(landmarks.points[v, c] + reach)
            yield from _strokes([list(path)], FOUND, "uncertainty", "90 % of its errors")

    def marked(self, line: MarkedLine) -> Iterator[Stroke | Words]:
        ends = [list(self.place(np.array(each, dtype=np.float64))) for each in line.lines]
        yield from _strokes(ends, MEASURED, "measured", line.label)
        seen = next((path for path in ends if not np.isnan(path).any()), None)
        if seen is not None:
            left, right = sorted(seen, key=lambda end: float(end[0]))
            yield self._left_of(left, right, line.label)

    def names(self, landmarks: Landmarks) -> Iterator[Words]:
        points, labels = self.place(landmarks.points), _labels(landmarks)
        for corners, label in zip(points, labels, strict=True):
            y = float(np.nanmean(corners[:, 1]))
            left, right = ([reach(corners[:, 0]), y] for reach in (np.nanmin, np.nanmax))
            yield self._beside(np.array(left), np.array(right), label)

    def _left_of(
        self, left: Float64[np.ndarray, " 2"], right: Float64[np.ndarray, " 2"], text: str
    ) -> Words:
        """Words left of a line, else beyond the level on its right, else at the edge, below it."""
        gap, width = _GAP * self.unit, _LETTER * len(text) * self.unit
        if left[0] - gap - width > 0:
            return Words((left[0] - gap, left[1]), text, "end", MEASURED)
        beyond = right[0] + 2 * gap + _LETTER * len("T12 100 %") * self.unit
        if beyond + width < self.width:
            return Words((beyond, right[1]), text, "start", MEASURED)
        return Words((self.width - gap, right[1] + 2 * gap), text, "end", MEASURED)

    def _beside(
        self, left: Float64[np.ndarray, " 2"], right: Float64[np.ndarray, " 2"], text: str
    ) -> Words:
        """Words on the right, or on the left where there is no room."""
        gap, width = _GAP * self.unit, _LETTER * len(text) * self.unit
        if right[0] + gap + width < self.width:
            return Words((right[0] + gap, right[1]), text, "start")
        return Words((left[0] - gap, left[1]), text, "end")


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws every stroke twice, first wider in black, so that it reads on any grey."""

    draw: ImageDraw.ImageDraw
    unit: float

    def put(self, shape: Stroke | Dot | Words) -> None:
        if isinstance(shape, Stroke):
            self.draw.line(shape.path, fill=HALO, width=self._px(shape.width + 1.2))
            self.draw.line(shape.path, fill=shape.colour, width=self._px(shape.width))
        elif isinstance(shape, Dot):
            self.draw.circle(shape.at, (shape.radius + 0.8) * self.unit, fill=HALO)
            self.draw.circle(shape.at, shape.radius * self.unit, fill=shape.colour)
        else:
            self._write(shape)

    def _write(self, words: Words) -> None:
        font = ImageFont.load_default(max(8.0, words.size * self.unit))
        anchor = {"start": "lm", "end": "rm"}[words.anchor]
        self.draw.text(
            words.at, words.text, fill=words.colour, font=font, anchor=anchor,
            stroke_width=self._px(1.2), stroke_fill=HALO,
        )  # fmt: skip

    def _px(self, width: float) -> int:
        return max(1, round(width * self.unit))


def _apart(words: Sequence[Words], *, least: float) -> Iterator[Words]:
    """The words, from the top, moved down where they would stand on each other."""
    lowest = {"start": -math.inf, "end": -math.inf}
    for each in sorted(words, key=lambda word: word.at[1]):
        y = max(each.at[1], lowest[each.anchor] + least)
        lowest[each.anchor] = y
        yield replace(each, at=(each.at[0], y))


def _strokes(
    paths: Sequence[Sequence[Float64[np.ndarray, " 2"]]], colour: Colour, kind: Kind, title: str
) -> Iterator[Stroke]:
    for path in paths:
        if not np.isnan(path).any():
            yield Stroke(tuple(map(_xy, path)), colour, _WIDTHS[kind], kind, title)


def _xy(point: Float64[np.ndarray, " 2"]) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _names(landmarks: Landmarks) -> list[str]:
    return [name or f"V{number}" for number, name in enumerate(landmarks.names, start=1)]


def _labels(landmarks: Landmarks) -> Iterator[str]:
    for name, known, probability in zip(
        _names(landmarks), landmarks.names, landmarks.level_probability, strict=True
    ):
        stated = "" if known is None or math.isnan(probability) else f" {100 * probability:.0f} %"
        yield f"{name}{stated}"
