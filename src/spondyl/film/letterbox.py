"""Where the image meets the network: one map for pixels and for points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image

from spondyl.film.radiograph import Radiograph


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Fits a film of (height, width) px into a square input of ``size`` px, padded evenly.

    Image px and input px both have the centre of their first pixel at (0, 0). ``fitted`` is the
    (rows, columns) that the film takes in the input: the scale of each axis follows from these
    rounded sizes, so that points land where the pixels do.

    Raises:
        ValueError: a size is below 1 px.
    """

    height: int
    width: int
    size: int
    fitted: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.size, *self.fitted) < 1:
            raise ValueError(f"sizes must be at least 1 px, got {self}")

    @classmethod
    def fit(cls, height: int, width: int, size: int, *, aspect: float | None = 1.0) -> Letterbox:
        """The largest fit that keeps the true aspect; an unknown ``aspect`` is taken as square."""
        true_height = height * (aspect or 1.0)
        scale = size / max(true_height, width)
        rows = max(1, round(true_height * scale))
        columns = max(1, round(width * scale))
        return cls(height, width, size, (min(rows, size), min(columns, size)))

    @classmethod
    def of(cls, radiograph: Radiograph, size: int) -> Letterbox:
        """The fit of one film."""
        return cls.fit(radiograph.height, radiograph.width, size, aspect=radiograph.aspect)

    @property
    def scale(self) -> Float64[np.ndarray, " 2"]:
        """Input px per image px, in x and in y."""
        rows, columns = self.fitted
        return np.array([columns / self.width, rows / self.height])

    @property
    def offset(self) -> Float64[np.ndarray, " 2"]:
        """Padding on the left and above, input px (whole numbers)."""
        rows, columns = self.fitted
        return np.array([(self.size - columns) // 2, (self.size - rows) // 2], dtype=np.float64)

    @property
    def matrix(self) -> Float64[np.ndarray, "3 3"]:
        """Image px to input px, for column vectors (x, y, 1)."""
        matrix = np.diag([*self.scale, 1.0])
        matrix[:2, 2] = 0.5 * self.scale - 0.5 + self.offset
        return matrix

    def apply(self, pixels: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "s s"]:
        """The film in the input frame, antialiased; the padding is 0."""
        rows, columns = self.fitted
        image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
        resized = image.resize((columns, rows), Image.Resampling.BILINEAR)
        canvas = np.zeros((self.size, self.size), dtype=np.float32)
        x, y = (int(v) for v in self.offset)
        canvas[y : y + rows, x : x + columns] = np.asarray(resized).clip(0.0, 1.0)
        return canvas

    def to_input(self, points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Image px to input px; NaN stays NaN."""
        return (points + 0.5) * self.scale - 0.5 + self.offset

    def to_image(self, points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        """Input px to image px; NaN stays NaN."""
        return (points - self.offset + 0.5) / self.scale - 0.5


def prepare(radiograph: Radiograph, size: int) -> tuple[Letterbox, UInt8[np.ndarray, "s s"]]:
    """A film as every network gets it: fitted, its grey values stretched to 8 bit.

    The 0.5 and 99.5 percentiles of the film become 0 and 255, so that a dark or flat scan reaches
    the network with the same contrast as any other. The padding is 0.
    """
    letterbox = Letterbox.of(radiograph, size)
    fitted = letterbox.apply(radiograph.pixels)
    x, y = (int(v) for v in letterbox.offset)
    rows, columns = letterbox.fitted
    inside = fitted[y : y + rows, x : x + columns]
    low, high = np.percentile(inside, (0.5, 99.5))
    stretched = ((inside - low) / max(float(high - low), 1e-6)).clip(0.0, 1.0)
    out = np.zeros((size, size), dtype=np.uint8)
    out[y : y + rows, x : x + columns] = np.rint(stretched * 255).astype(np.uint8)
    return letterbox, out
