"""What does a user state of a film, whatever its file says?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from spondyl.anatomy import View
from spondyl.errors import FilmError, UsageError
from spondyl.film.radiograph import (
    MM_PER_PX,
    FilmGeometry,
    Person,
    PixelSpacing,
    Radiograph,
    is_pixel_size,
)

_VIEWS: Final[dict[View | None, str]] = {"lateral": "lateral", "ap": "AP"}
_RANGE: Final = f"{MM_PER_PX[0]:g} to {MM_PER_PX[1]:g}"


@dataclass(frozen=True, slots=True)
class Ruler:
    """Two points x, y in image px and the true distance between them, mm.

    Raises:
        ValueError: a number is not finite, the points are one, or the length is not above 0.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    length_mm: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (*self.start, *self.end, self.length_mm))):
            raise ValueError("a number is not finite")
        if self.start == self.end:
            raise ValueError("both points are the same")
        if self.length_mm <= 0:
            raise ValueError(f"the length is {self.length_mm:g} mm, need more than 0")

    @classmethod
    def parse(cls, text: str) -> Ruler:
        """``X1,Y1,X2,Y2,MM``, say ``120,80,120,1080,200``.

        Raises:
            UsageError: it is not of that form.
        """
        need = f"--ruler {text}: need X1,Y1,X2,Y2,MM: two points in image px, and mm between them"
        try:
            x1, y1, x2, y2, length = map(float, text.split(","))
            return cls((x1, y1), (x2, y2), length)
        except ValueError as error:
            told = "" if "unpack" in str(error) or "float" in str(error) else f" ({error})"
            raise UsageError(f"{need}{told}") from error

    def lies_on(self, width: int, height: int) -> bool:
        """Whether both ends lie on a film of that size, px; half a pixel more is its edge."""
        return all(
            -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5
            for x, y in (self.start, self.end)
        )

    def spacing(self, aspect: float) -> PixelSpacing:
        """The size of a pixel whose true height / width is ``aspect``."""
        across, down = self.end[0] - self.start[0], self.end[1] - self.start[1]
        column_mm = self.length_mm / math.hypot(across, down * aspect)
        return PixelSpacing(column_mm * aspect, column_mm, "stated")


@dataclass(frozen=True, slots=True)
class Stated:
    """What holds for every film of a call and counts more than its file: view, size, person.

    ``mm_per_px`` is the width of a pixel.
    """

    view: View | None = None
    mm_per_px: float | None = None
    ruler: Ruler | None = None
    age: float | None = None
    sex: Literal["F", "M"] | None = None

    def __post_init__(self) -> None:
        """Checks what fits together.

        Raises:
            UsageError: both sizes are given, the one is of no pixel, or the age is none.
        """
        if self.mm_per_px is not None and self.ruler is not None:
            raise UsageError("--mm-per-px and --ruler: need one of the two")
        if self.mm_per_px is not None and not is_pixel_size(self.mm_per_px):
            raise UsageError(f"--mm-per-px {self.mm_per_px:g}: need {_RANGE}")
        if self.age is not None and math.isnan(self.age):
            raise UsageError(f"--age {self.age:g}: need a number of years")

    def notes(self, film: FilmGeometry) -> tuple[str, ...]:
        """What stands beside the results of a film: its view by the user, and its size."""
        return tuple(note for note in (self._view_note(film.view), self._size_note) if note)

    def _view_note(self, known: View | None) -> str | None:
        if self.view is None:
            return None
        other = f" (the file says {_VIEWS[known]})" if known not in (None, self.view) else ""
        return f"view by the user: {_VIEWS[self.view]}{other}"

    @property
    def _size_note(self) -> str | None:
        if self.mm_per_px is not None:
            return f"mm by the user: a pixel is {self.mm_per_px:g} mm wide"
        if self.ruler is not None:
            (x1, y1), (x2, y2) = self.ruler.start, self.ruler.end
            ends = f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
            return f"mm by the user's ruler: {ends} is {self.ruler.length_mm:g} mm"
        return None

    def geometry(self, film: FilmGeometry, *, name: str) -> FilmGeometry:
        """The film with what is stated of it; ``name`` for messages.

        Raises:
            FilmError: a size is stated of a film whose true proportions are not known, or a ruler
                does not lie on it or makes its pixels what none are.
        """
        known = film.person
        person = Person(
            known.age if self.age is None else self.age, known.sex if self.sex is None else self.sex
        )
        spacing = self._spacing(film, name) or film.spacing
        return replace(film, view=self.view or film.view, spacing=spacing, person=person)

    def radiograph(self, film: Radiograph) -> Radiograph:
        """As ``geometry``; with notes on the view and the size that were stated.

        Raises:
            FilmError: as there.
        """
        stated = self.geometry(film.geometry, name=film.source)
        notes = (*film.notes, *self.notes(film.geometry))
        return replace(
            film,
            view=stated.view,
            spacing=stated.spacing,
            person=stated.person,
            notes=notes,
            view_stated=self.view is not None,
        )

    def _spacing(self, film: FilmGeometry, name: str) -> PixelSpacing | None:
        if self.mm_per_px is None and self.ruler is None:
            return None
        if film.aspect is None:
            raise FilmError(
                f"{name}: its true proportions are not known; leave --mm-per-px and --ruler away"
            )
        if self.ruler is not None:
            if not self.ruler.lies_on(film.width, film.height):
                size = f"{film.width} x {film.height} px"
                raise FilmError(
                    f"{name}: the ruler does not lie on this film; need points in {size}"
                )
            spacing = self.ruler.spacing(film.aspect)
            if not is_pixel_size(spacing.column_mm):
                wide = f"{spacing.column_mm:.3g} mm wide"
                raise FilmError(f"{name}: by the ruler a pixel is {wide}; need {_RANGE}")
            return spacing
        width = self.mm_per_px or 0.0
        return PixelSpacing(width * film.aspect, width, "stated")


NOTHING_STATED: Final = Stated()
