"""How are shapes laid on a film: bodies with exact edges, soft polygons and lines, clouds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from PIL import Image, ImageDraw, ImageFilter

Pixels = Float32[np.ndarray, "height width"]
Points = Float64[np.ndarray, "n 2"]
Point = Float64[np.ndarray, " 2"]

_APEX = 1 - math.sqrt(0.5)  # a rounded corner lies this share of its radius inside the sharp one


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels: first and past-the-last column and row."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points: Points, margin: float, shape: tuple[int, int]) -> Box:
        """The pixels within ``margin`` px of the points' bounding box, inside ``shape``."""
        low = np.floor(points.min(axis=0) - margin).astype(int)
        high = np.ceil(points.max(axis=0) + margin).astype(int) + 1
        height, width = shape
        left, right = np.clip([low[0], high[0]], 0, width)
        top, bottom = np.clip([low[1], high[1]], 0, height)
        return cls(int(left), int(top), int(right), int(bottom))

    @property
    def empty(self) -> bool:
        """Whether no pixel is inside."""
        return self.left >= self.right or self.top >= self.bottom

    @property
    def rows_columns(self) -> tuple[slice, slice]:
        """What to index an array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grid(self) -> tuple[Float32[np.ndarray, "1 w"], Float32[np.ndarray, "h 1"]]:
        """The x and y of the pixel centres."""
        x = np.arange(self.left, self.right, dtype=np.float32)[None, :]
        return x, np.arange(self.top, self.bottom, dtype=np.float32)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A quadrilateral with hollow sides and rounded corners that pass through its four corners.

    ``corners`` is SL, SR, IL, IR in px; ``hollow`` says how far the superior, right, inferior and
    left side are sunk in the middle, px; ``rounding`` is the radius of the corners, px.
    """

    corners: Float64[np.ndarray, "4 2"]
    hollow: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    rounding: float = 0.0

    def sides(self, box: Box) -> tuple[Pixels, Pixels, Pixels, Pixels]:
        """Distance to the superior, right, inferior and left side, px, outside positive."""
        upper_left, upper_right, lower_left, lower_right = self.corners
        ends = (
            (upper_left, upper_right),
            (upper_right, lower_right),
            (lower_right, lower_left),
            (lower_left, upper_left),
        )
        found = [self._side(box, *ends[k], self.hollow[k]) for k in range(4)]
        return found[0], found[1], found[2], found[3]

    def _side(
        self, box: Box, start: Point, end: Point, hollow: float
    ) -> Float32[np.ndarray, "h w"]:
        x, y = box.grid()
        length = math.dist(start, end)
        along_x, along_y = (float(v) for v in (end - start) / length)
        x, y = x - np.float32(start[0]), y - np.float32(start[1])
        across = x * along_y - y * along_x
        if hollow:
            place = (x * along_x + y * along_y) * (2 / length) - 1
            across += hollow * np.maximum(1 - place * place, 0)
        return (across - _APEX * self.rounding).astype(np.float32)

    def distance(self, box: Box) -> Pixels:
        """Distance to the outline, px, outside positive; zero at the four corners."""
        return self.joined(self.sides(box))

    def joined(self, sides: tuple[Pixels, Pixels, Pixels, Pixels]) -> Pixels:
        """The distance to the outline from the distances to the sides."""
        vertical, horizontal = (
            np.maximum(sides[0], sides[2]),
            np.maximum(sides[1], sides[3]),
        )
        if not self.rounding:
            return np.maximum(vertical, horizontal)
        radius = np.float32(self.rounding)
        corner = np.hypot(np.maximum(vertical + radius, 0), np.maximum(horizontal + radius, 0))
        return np.minimum(np.maximum(vertical, horizontal), -radius) + corner


def coverage(distance: Pixels, softness: float = 1.0) -> Pixels:
    """How much of each pixel is inside, [0, 1]; a half where the distance is 0."""
    return np.clip(0.5 - distance / softness, 0, 1)


def lay_polygon(canvas: Pixels, points: Points, strength: float, softness: float) -> None:
    """Adds a polygon of ``strength`` whose edge is ``softness`` px soft."""
    box = Box.around(points, 3 * softness + 1, canvas.shape)
    if not box.empty:
        canvas[box.rows_columns] += strength * _mask(points, box, softness, None)


def lay_line(
    canvas: Pixels, points: Points, width: float, strength: float, softness: float
) -> None:
    """Adds a line of ``width`` px through the points, ``softness`` px soft."""
    box = Box.around(points, width / 2 + 3 * softness + 1, canvas.shape)
    if not box.empty:
        canvas[box.rows_columns] += strength * _mask(points, box, softness, width)


def _mask(points: Points, box: Box, softness: float, width: float | None) -> Pixels:
    """Draws coarsely where the edge is soft, finely where it is sharp."""
    scale = min(2.0, 2.0 / max(softness, 0.5))
    size = (box.right - box.left, box.bottom - box.top)
    image = Image.new("L", (math.ceil(size[0] * scale) + 1, math.ceil(size[1] * scale) + 1))
    path = [tuple(p) for p in ((points - [box.left, box.top] + 0.5) * scale - 0.5).tolist()]
    pen, ink = max(1, round((width or 0) * scale)), 255
    if width is None:
        ImageDraw.Draw(image).polygon(path, fill=ink)
    else:
        ink = round(255 * min(1.0, width * scale))  # a line thinner than a pixel is fainter
        ImageDraw.Draw(image).line(path, fill=ink, width=pen, joint="curve")
    image = image.filter(ImageFilter.GaussianBlur(softness * scale))
    extent = (0.0, 0.0, size[0] * scale, size[1] * scale)
    image = image.resize(size, Image.Resampling.BILINEAR, box=extent)
    return np.asarray(image, dtype=np.float32) / 255


def cloud(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 1
) -> Pixels:
    """Smooth noise of zero mean and about unit deviation; ``cell`` px is its largest grain."""
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        small = (math.ceil(shape[0] / step) + 2, math.ceil(shape[1] / step) + 2)
        grains = rng.standard_normal(small, dtype=np.float32)
        total += enlarged(grains, shape) * (0.6**octave * 1.5)
    return total / math.sqrt(sum(0.36**octave for octave in range(octaves)))


def enlarged(pixels: Pixels, shape: tuple[int, int]) -> Float32[np.ndarray, "rows columns"]:
    """The same picture at another size."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def curve(points: Points, count: int = 24) -> Float64[np.ndarray, "m 2"]:
    """A smooth curve through the points (Catmull-Rom), ``count`` points a stretch."""
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, 1, count, endpoint=False)[:, None]
    stretches = [_stretch(padded[k : k + 4], t) for k in range(len(points) - 1)]
    return np.concatenate([*stretches, points[-1:]])


def _stretch(p: Float64[np.ndarray, "4 2"], t: Float64[np.ndarray, "n 1"]) -> Points:
    a, b = 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3], 3 * (p[1] - p[2]) + p[3] - p[0]
    return p[1] + 0.5 * t * (p[2] - p[0] + t * (a + t * b))


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0
) -> Float64[np.ndarray, "40 2"]:
    """An ellipse as a closed polygon; ``tilt`` in rad."""
    angle = np.linspace(0, 2 * np.pi, 40)
    x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
    cos, sin = math.cos(tilt), math.sin(tilt)
    return np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], axis=1)
