"""What is a measurement: a number with its unit, its interval and its definition, or a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float64

Kind = Literal["length", "angle", "share", "ratio"]
"""Of what a formula gives: px, deg, % or a plain number."""

Unit = Literal["mm", "px", "deg", "%", "", "grade"]

Placed = Float64[np.ndarray, "*n v 2 2 2"]
"""Vertebrae x endplates (superior, inferior) x ends x (across, down), true px: see ``placing``."""

Lines = Float64[np.ndarray, "k 2 2"]
"""The ends of lines, as placed."""

Line = tuple[tuple[float, float], tuple[float, float]]
"""Two points x, y in image px."""

AROUND_ZERO: Final = ("slip", "lateral listhesis")
"""Measurements that are near 0 on most films, and matter where they are not."""

FAR: Final = 3.0
"""SD from 0 at which such a measurement is far from it, and has a factor of its own."""

UNITS: Final[Mapping[Kind, Unit]] = {"length": "px", "angle": "deg", "share": "%", "ratio": ""}


@dataclass(frozen=True, slots=True)
class Reference:
    """What a published group of people measures: mean and SD, and ``z`` = (value - mean) / SD.

    ``group`` says who they were, ``source`` who published it.
    """

    mean: float
    sd: float
    z: float
    group: str
    source: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number on one film, or the reason why there is none.

    ``levels`` are the vertebrae, superior first, by name or as V1, V2 ... from the top. ``value``
    is None where ``note`` says why; else ``note`` is a warning, or None. ``low`` and ``high`` hold
    the true value in ``coverage`` (0 to 1) of films like those of the calibration; None where no
    error is known. A grade has the ``probability`` that it is the true one. ``definition`` names
    the formula (``docs/measurements.md``), ``lines`` what was measured, in image px.
    """

    name: str
    levels: tuple[str, ...]
    value: float | None
    unit: Unit
    definition: str
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    probability: float | None = None
    note: str | None = None
    lines: tuple[Line, ...] = ()
    reference: Reference | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is missing is null."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Grading:
    """Classes of the size of a quantity: grade k where it is above k of the rising ``bounds``.

    ``words`` are the names of the grades, one more than bounds. ``signs`` name what a value above
    the first bound is, below 0 and above it; ``caveat`` is said beside every grade.
    """

    name: str
    definition: str
    bounds: tuple[float, ...]
    words: tuple[str, ...]
    signs: tuple[str, str] | None = None
    caveat: str | None = None

    def grade(self, value: float) -> int:
        """The grade of a value, by its size without sign."""
        return sum(abs(value) > bound for bound in self.bounds)

    def note(self, value: float) -> str | None:
        """What a reader must know of the grade of a value; None where there is nothing."""
        sign = self.signs[value > 0] if self.signs and self.grade(value) else None
        return "; ".join(part for part in (sign, self.caveat) if part) or None


@dataclass(frozen=True, slots=True)
class Quantity:
    """A formula on the vertebrae of one film.

    ``of`` takes placed vertebrae, any number of films at once, and gives one number each (NaN where
    a corner is missing); ``lines`` gives (k, 2, 2) ends of what is measured, as placed, of one
    film. ``needs`` are the indices of the vertebrae used; ``warning`` is said beside the number.
    """

    name: str
    levels: tuple[str, ...]
    kind: Kind
    definition: str
    needs: tuple[int, ...]
    of: Callable[[Placed], Float64[np.ndarray, "*n"]]
    lines: Callable[[Placed], Lines]
    grading: Grading | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A quantity that belongs to every film of a view and cannot be measured on this one: why."""

    name: str
    levels: tuple[str, ...]
    kind: Kind
    definition: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intervals:
    """How wide an interval must be: fitted on ``films`` that nothing was trained on.

    An interval is value +- factor x SD, the SD propagated from the corners' covariance;
    ``factors`` are by name of the measurement and, as "name, definition", by its definition, which
    comes first. What is ``AROUND_ZERO`` has, where it lies far from 0, the factor that was fitted
    on such values alone. A measurement without a factor has no interval.

    Raises:
        ValueError: the coverage is not in (0, 1), or a factor is not a number above 0.
    """

    coverage: float
    films: int
    factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage is {self.coverage}, need a number between 0 and 1")
        for name, factor in self.factors.items():
            if not (np.isfinite(factor) and factor > 0):
                raise ValueError(f"factor of {name} is {factor}, need a number above 0")

    def factor(self, quantity: Quantity, *, value: float, sd: float) -> float | None:
        """How many of its SD hold the true value of a quantity; None where nobody knows."""
        name = factor_name(quantity.name, value=value, sd=sd)
        own = self.factors.get(f"{name}, {quantity.definition}")
        return own if own is not None else self.factors.get(name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; exact round trip."""
        return {"coverage": self.coverage, "films": self.films, "factors": dict(self.factors)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Intervals:
        """What ``to_json`` wrote.

        Raises:
            ValueError: a value is missing or impossible.
        """
        try:
            factors = {str(name): float(value) for name, value in data["factors"].items()}
            return cls(float(data["coverage"]), int(data["films"]), factors)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"intervals are incomplete: {error}") from error


def factor_name(name: str, *, value: float, sd: float) -> str:
    """Under which name the factor of a measured value is kept."""
    far = name in AROUND_ZERO and abs(value) > FAR * sd
    return f"{name}, far from 0" if far else name
