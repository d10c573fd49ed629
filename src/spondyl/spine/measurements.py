"""What is measured on one film: every number with its interval, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Final, NamedTuple, get_args

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import View
from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.chain import missed_between
from spondyl.spine.curvature import asked_angle, frontal_angles, sagittal_angles
from spondyl.spine.frontal import listheses
from spondyl.spine.heights import bodies, discs
from spondyl.spine.landmarks import Landmarks, reference_heights
from spondyl.spine.measurement import (
    UNITS,
    Grading,
    Intervals,
    Line,
    Measurement,
    Missing,
    Placed,
    Quantity,
    Unit,
)
from spondyl.spine.normals import reference_of
from spondyl.spine.placing import image_lines, placed
from spondyl.spine.slip import DEFINITION, SlipDefinition, slips

DRAWS: Final = 400
"""Draws of the corners from which an SD is propagated: it is known to 3.5 %."""

_SURE: Final = 0.9  # probability below which a grade is said to be near a boundary
_TOO_UNCERTAIN: Final = 0.25  # of a vertebra's height: SD of a corner that is not measured with


def measure(
    landmarks: Landmarks,
    film: FilmGeometry,
    *,
    intervals: Intervals | None = None,
    angles: Sequence[str] = (),
    slip: SlipDefinition = DEFINITION,
) -> tuple[Measurement, ...]:
    """Every measurement of the film's view, superior to inferior.

    A lateral film gives slips and grades, disc and body heights, lordosis and sacral slope; an AP
    film Cobb angles and lateral listhesis. True proportions always: where the aspect of a pixel is
    unknown nothing is measured. Lengths are in mm with a spacing, else in px (the width of one).

    Args:
        landmarks: of the film, image px; their covariance is what intervals are propagated from.
        film: its size, spacing, aspect and view, and whom it shows for the published norms; without
            a view a film with a facing is lateral.
        intervals: how wide they must be; None = no interval is given, and the notes say so.
        angles: between two endplates of choice, such as ``T5.superior:T12.inferior``.
        slip: what is called the slip: ``docs/measurements.md`` has the definitions.

    Raises:
        UsageError: an angle does not name two endplates.
    """
    landmarks, view = _viewed(landmarks, film)
    reason = _reason(landmarks, film, view)
    known = list(quantities(landmarks, film, view or "lateral", angles, slip))
    if reason is not None:
        return tuple(_withheld(each, _unit(each, film), reason) for each in known)
    bench = _Bench(landmarks, film, intervals)
    return tuple(made for each in known for made in bench.measured(each))


class Propagated(NamedTuple):
    """A quantity of one film: its value, and the SD that the corners' covariance gives it.

    Both are in the formula's own unit: px, deg, % or none.
    """

    quantity: Quantity
    value: float
    sd: float


def propagated(landmarks: Landmarks, film: FilmGeometry) -> Iterator[Propagated]:
    """Whatever ``measure`` can give a number for, with the error that is propagated to it.

    By every definition of slip, and with angles between endplates two vertebrae apart. A quantity
    is left out where ``measure`` would withhold it, or where its error is not known.
    """
    landmarks, view = _viewed(landmarks, film)
    if view is None or _reason(landmarks, film, view) is not None:
        return
    bench = _Bench(landmarks, film, None)
    for quantity in _askable(landmarks, film, view):
        value, sd = float(quantity.of(bench.at)), bench.spread(quantity)
        if bench.reason(quantity, value) is None and sd > 0:
            yield Propagated(quantity, value, sd)


def _askable(landmarks: Landmarks, film: FilmGeometry, view: View) -> Iterator[Quantity]:
    """The quantities of a film, by whatever can be asked of ``measure``."""
    names = _labels(landmarks)
    angles = [f"{a}.superior:{b}.superior" for a, b in zip(names, names[2:], strict=False)]
    every = list(quantities(landmarks, film, view, angles))
    for other in get_args(SlipDefinition):
        if other != DEFINITION and view == "lateral":
            known = quantities(landmarks, film, view, slip=other)
            every += [each for each in known if each.name == "slip"]
    yield from (each for each in every if isinstance(each, Quantity))


def _viewed(landmarks: Landmarks, film: FilmGeometry) -> tuple[Landmarks, View | None]:
    """The view that is measured, and the landmarks facing as they do in it."""
    view = film.view or ("lateral" if landmarks.facing else None)
    return (replace(landmarks, facing=None) if view == "ap" else landmarks), view


def _labels(landmarks: Landmarks) -> list[str]:
    return [name or f"V{place}" for place, name in enumerate(landmarks.names, start=1)]


def quantities(
    landmarks: Landmarks,
    film: FilmGeometry,
    view: View,
    angles: Sequence[str] = (),
    slip: SlipDefinition = DEFINITION,
) -> Iterator[Quantity | Missing]:
    """What is to be measured on a film of ``view``, and the ``angles`` that are asked for."""
    names = _labels(landmarks)
    pairs = [
        pair
        for pair, missed in zip(pairwise(range(len(names))), missed_between(landmarks), strict=True)
        if not missed
    ]
    if view == "ap":
        aspect = film.aspect or math.nan
        at = placed(landmarks.points, facing=None, aspect=aspect)
        yield from frontal_angles(at, names, height=film.height * aspect)
        yield from listheses(pairs, names)
    else:
        yield from slips(pairs, names, slip)
        yield from discs(pairs, names)
        yield from sagittal_angles(pairs, names)
        yield from bodies(names)
    yield from (asked_angle(text, names) for text in angles)


class _Bench:
    """One film with its corners placed, as they are and as they might be."""

    def __init__(
        self, landmarks: Landmarks, film: FilmGeometry, intervals: Intervals | None
    ) -> None:
        self.landmarks, self.film = landmarks, film
        self.intervals = intervals
        self.at = self._place(landmarks.points)
        self.doubtful = _doubtful(landmarks)

    @cached_property
    def draws(self) -> Placed:
        """Positions in which the corners might be, by their covariance."""
        return self._place(drawn(self.landmarks, DRAWS))

    def measured(self, quantity: Quantity | Missing) -> Iterator[Measurement]:
        """The quantity, and its grade where it has one."""
        unit = _unit(quantity, self.film)
        if isinstance(quantity, Missing):
            yield _withheld(quantity, unit, quantity.reason)
            return
        value = float(quantity.of(self.at))
        if reason := self.reason(quantity, value):
            yield _withheld(quantity, unit, reason)
            return
        yield from self._made(quantity, unit, value)

    def reason(self, quantity: Quantity, value: float) -> str | None:
        """Why the ``value`` is not to be believed at all."""
        doubts = (self.doubtful[i] for i in quantity.needs if self.doubtful[i])
        return next(doubts, "a corner was not seen" if math.isnan(value) else None)

    def spread(self, quantity: Quantity) -> float:
        """The SD of the quantity, in its formula's own unit; NaN where it is not known."""
        return float(np.std(quantity.of(self.draws)))

    def _made(self, quantity: Quantity, unit: Unit, value: float) -> Iterator[Measurement]:
        scale = _mm_per_px(self.film) if unit == "mm" else 1.0
        half, why = self._half_width(quantity, value)
        notes = [quantity.warning, _magnification(self.film) if unit == "mm" else None, why]
        made = Measurement(
            quantity.name,
            quantity.levels,
            value * scale,
            unit,
            quantity.definition,
            note="; ".join(note for note in notes if note) or None,
            lines=_lines(image_lines(quantity.lines(self.at), facing=self.landmarks.facing,
                                     aspect=self.film.aspect or 1.0)),
            reference=reference_of(quantity.name, quantity.levels, value * scale, unit=unit,
                                   person=self.film.person),
        )  # fmt: skip
        if half is not None and self.intervals is not None:
            low, high = (value - half) * scale, (value + half) * scale
            made = replace(made, low=low, high=high, coverage=self.intervals.coverage)
        yield made
        if quantity.grading:
            yield graded(made, quantity.grading)

    def _half_width(self, quantity: Quantity, value: float) -> tuple[float | None, str | None]:
        """Half the interval's width in the formula's own unit, or why it has none."""
        if self.intervals is None:
            return None, "no interval: the error of these corners was never calibrated"
        spread = self.spread(quantity)
        factor = self.intervals.factor(quantity, value=value, sd=spread)
        if factor is None:
            return None, "no interval: too few calibration films had it"
        if math.isnan(spread):
            return None, "no interval: the error of a corner is not known"
        return factor * spread, None

    def _place(self, points: Float64[np.ndarray, "*n v 4 2"]) -> Placed:
        return placed(points, facing=self.landmarks.facing, aspect=self.film.aspect or 1.0)


def drawn(landmarks: Landmarks, count: int) -> Float64[np.ndarray, "n v 4 2"]:
    """Corners as they might be: ``count`` normal draws by their covariance, always the same.

    NaN where a corner was not seen or its covariance is not stated.
    """
    rng = np.random.default_rng(0)
    known = ~np.isnan(landmarks.covariance).any(axis=(-2, -1))
    covariance = np.where(known[..., None, None], landmarks.covariance, np.eye(2))
    size = 1.0 + np.trace(covariance, axis1=-2, axis2=-1)[..., None, None]
    root = np.linalg.cholesky(covariance + 1e-11 * size * np.eye(2))  # of a singular one, too
    steps = np.einsum("vcij,nvcj->nvci", root, rng.normal(size=(count, *landmarks.points.shape)))
    return np.where(known[..., None], landmarks.points + steps, np.nan)


def graded(measured: Measurement, grading: Grading) -> Measurement:
    """The grade of a measured value, with the probability that its error leaves to it."""
    value = measured.value
    if value is None:
        return replace(measured, name=grading.name, unit="grade", definition=grading.definition)
    grade, probability, notes = grading.grade(value), None, [grading.note(value)]
    if measured.low is not None and measured.coverage is not None:
        sd = (value - measured.low) / NormalDist().inv_cdf((1 + measured.coverage) / 2)
        shares = grade_shares(abs(value), sd, grading.bounds)
        probability = shares[grade]
        if probability < _SURE:
            said = (f"{100 * share:.0f} % {word}" for share, word in
                    zip(shares, grading.words, strict=True) if share >= 0.05)  # fmt: skip
            notes.append(f"near a boundary: {', '.join(said)}")
    return Measurement(
        grading.name, measured.levels, float(grade), "grade", grading.definition,
        probability=probability, note="; ".join(note for note in notes if note) or None,
        lines=measured.lines,
    )  # fmt: skip


def grade_shares(size: float, sd: float, bounds: Sequence[float]) -> tuple[float, ...]:
    """The probability of each grade where the true value is normal about ``size``."""

    def below(limit: float) -> float:
        return 0.5 * (
            math.erf((limit - size) / (sd * math.sqrt(2)))
            - math.erf((-limit - size) / (sd * math.sqrt(2)))
        )

    if sd <= 0:
        grade = sum(size > bound for bound in bounds)
        return tuple(float(k == grade) for k in range(len(bounds) + 1))
    edges = [0.0, *(below(bound) for bound in bounds), 1.0]
    return tuple(high - low for low, high in pairwise(edges))


def _reason(landmarks: Landmarks, film: FilmGeometry, view: View | None) -> str | None:
    """Why nothing at all is measured on a film."""
    if landmarks.refusal:
        return landmarks.refusal
    if film.aspect is None:
        return "the film's true proportions are not known"
    if view is None:
        return "the view is not known: lateral or AP"
    if view == "lateral" and landmarks.facing is None:
        return "which side is anterior is not known"
    return None


def _doubtful(landmarks: Landmarks) -> list[str | None]:
    """For each vertebra, why its corners are not measured with."""
    largest = np.sqrt(np.linalg.eigvalsh(np.nan_to_num(landmarks.covariance))[..., -1]).max(axis=1)
    limits = _TOO_UNCERTAIN * reference_heights(landmarks)
    return [
        f"a corner of {name or f'V{place}'} is uncertain by {sd:.0f} px" if sd > limit else None
        for place, (name, sd, limit) in enumerate(
            zip(landmarks.names, largest, limits, strict=True), start=1
        )
    ]


def _withheld(quantity: Quantity | Missing, unit: Unit, reason: str) -> Measurement:
    return Measurement(quantity.name, quantity.levels, None, unit, quantity.definition, note=reason)


def _unit(quantity: Quantity | Missing, film: FilmGeometry) -> Unit:
    return "mm" if quantity.kind == "length" and film.spacing else UNITS[quantity.kind]


def _mm_per_px(film: FilmGeometry) -> float:
    """Of a true px, which is as wide as a pixel."""
    return film.spacing.column_mm if film.spacing else 1.0


def _magnification(film: FilmGeometry) -> str | None:
    plane = film.spacing.plane if film.spacing else None
    if plane == "detector":
        return "at the detector: larger than life by the magnification of the projection"
    if plane == "unknown":
        return "the plane of the spacing is not stated: may be magnified"
    return None


def _lines(ends: Float64[np.ndarray, "k 2 2"]) -> tuple[Line, ...]:
    return tuple(((float(a[0]), float(a[1])), (float(b[0]), float(b[1]))) for a, b in ends)
