"""What is a film once it has been read: grey pixels with bone bright, and their true size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

from spondyl.anatomy import View

SpacingPlane = Literal["patient", "detector", "stated", "unknown"]

MM_PER_PX: Final = (0.01, 10.0)
"""The least and the greatest size of a pixel that is believed, mm: a vertebra is 2 px then."""

BURNED_IN: Final = "text is burned into the pixels (Burned In Annotation): it may identify a person"
"""A reader's remark on a film whose pixels are shown to nobody unless that is asked for."""


@dataclass(frozen=True, slots=True)
class PixelSpacing:
    """The size of a pixel in mm (DICOM PS3.3 10.7.1.1).

    ``row_mm`` is the distance between the centres of neighbouring rows (vertical), ``column_mm``
    between neighbouring columns (horizontal). ``plane`` says where the millimetres are true:
    ``patient`` (calibrated), ``detector`` (magnified by the projection), ``stated`` (by the user,
    from a known length) or ``unknown``.

    Raises:
        ValueError: a size is not a finite number above zero.
    """

    row_mm: float
    column_mm: float
    plane: SpacingPlane = "unknown"

    def __post_init__(self) -> None:
        for name, value in (("row_mm", self.row_mm), ("column_mm", self.column_mm)):
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, need a finite number above 0")

    @property
    def aspect(self) -> float:
        """True height / width of a pixel."""
        return self.row_mm / self.column_mm


def is_pixel_size(mm: float) -> bool:
    """Whether a radiograph may have pixels of that height or width (``MM_PER_PX``)."""
    return MM_PER_PX[0] <= mm <= MM_PER_PX[1]


@dataclass(frozen=True, slots=True)
class Person:
    """What a published norm asks of whom a film shows: age in years, sex; None = not known."""

    age: float | None = None
    sex: Literal["F", "M"] | None = None


@dataclass(frozen=True, slots=True)
class FilmGeometry:
    """What a measurement must know of a film besides its landmarks; never who it is of.

    ``height`` and ``width`` in px; ``aspect`` is the true height / width of a pixel, None where
    unknown; ``spacing`` None where no length is known; ``person`` is for the published norms.
    """

    height: int
    width: int
    spacing: PixelSpacing | None = None
    aspect: float | None = 1.0
    view: View | None = None
    person: Person = Person()


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One grey film, bone bright.

    ``pixels`` is (H, W) in [0, 1], C-contiguous. ``aspect`` is the true height / width of a pixel:
    1 where square, None where unknown (a film stretched to a fixed frame). ``source`` is a name to
    put in messages; it never identifies a patient. ``notes`` are remarks of its reader that belong
    beside every result, such as text that may be burned in. ``view_stated`` says that a user stated
    the view: no network that sees another one is asked then.

    Raises:
        ValueError: the pixels are not a finite (H, W) float32 array in [0, 1], or the aspect is
            not above 0.
    """

    pixels: Float32[np.ndarray, "height width"]
    spacing: PixelSpacing | None = None
    aspect: float | None = 1.0
    view: View | None = None
    source: str = ""
    person: Person = Person()
    notes: tuple[str, ...] = ()
    view_stated: bool = False

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.float32:
            raise ValueError(f"{self.source}: pixels are {self.pixels.dtype} {self.pixels.shape}")
        low, high = float(self.pixels.min()), float(self.pixels.max())
        if not (low >= 0.0 and high <= 1.0):
            raise ValueError(f"{self.source}: pixels span {low} to {high}, need 0 to 1")
        if self.aspect is not None and not self.aspect > 0:
            raise ValueError(f"{self.source}: aspect is {self.aspect}, need above 0")

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.pixels.shape[1])

    @property
    def diagonal(self) -> float:
        """Length of the diagonal in image px."""
        return float(np.hypot(self.height, self.width))

    @property
    def geometry(self) -> FilmGeometry:
        """What a measurement must know of the film."""
        return FilmGeometry(
            self.height, self.width, self.spacing, self.aspect, self.view, self.person
        )

    def __repr__(self) -> str:
        return (
            f"Radiograph({self.source!r}, {self.width} x {self.height} px, "
            f"spacing={self.spacing}, aspect={self.aspect}, view={self.view})"
        )
