"""Do measured values agree with the annotation's: bias, limits of agreement, ICC, grades, kappa."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.judging.pairing import MeasuredPair
from spondyl.judging.reliability import (
    Sums,
    group_sums,
    icc_of_sums,
    icc_sums,
    spread,
    spread_sums,
    weighted_kappa,
)
from spondyl.judging.statistics import Estimate, sums_intervals
from spondyl.spine.heights import GENANT
from spondyl.spine.measurement import Unit
from spondyl.spine.slip import MEYERDING

MIN_LEVEL: Final = 10
"""Pairs that a level needs for figures of its own."""

_PER_LEVEL: Final = frozenset({"slip", "disc"})  # words in the names of what has figures by level
_WORDS: Final = {grading.name: grading.words for grading in (MEYERDING, GENANT)}
_LIMIT: Final = 1.96  # SD: 95 % of normal differences


@dataclass(frozen=True, slots=True)
class HumanError:
    """By how much two people differ in a measurement: a published figure, and what it is."""

    limit: float
    what: str
    source: str


_OBSERVERS: Final = "Eur J Radiol 1994;18:227-31, doi:10.1016/0720-048x(94)90341-7"
_ANGLE: Final = HumanError(
    2.6, "mean difference between three observers of the angle L5-S1", _OBSERVERS
)
_COBB: Final = HumanError(
    7.2,
    "95 % limit of the difference between observers who choose the end vertebrae",
    "Morrissy et al. 1990, J Bone Joint Surg Am 72:320-7",
)

HUMAN_ERROR: Final[Mapping[tuple[str, str], HumanError]] = {
    ("slip", "mm"): HumanError(1.3, "mean difference between observers of the slip of L5",
                               _OBSERVERS),
    ("segmental lordosis", "deg"): _ANGLE,
    ("disc angle", "deg"): _ANGLE,
    ("Cobb angle", "deg"): _COBB,
    ("maximal Cobb angle", "deg"): _COBB,
}  # fmt: skip
"""By name and unit. Measurements that are not here have no figure that could be verified."""


@dataclass(frozen=True, slots=True)
class MeasurementScore:
    """How one kind of measurement agrees; ``levels`` is empty where several are pooled.

    Of the ``annotated`` values ``measured`` have a predicted one, on ``films``; ``unmeasured``
    counts the others by reason; ``misnamed`` of the measured bear a wrong vertebra's name.
    Differences are predicted minus annotated, in ``unit``: ``mae`` their mean size, ``bias`` their
    mean, ``sd`` their standard deviation, ``lower`` and ``upper`` the 95 % limits of agreement.
    ``icc`` is ICC(2,1). ``within_human`` is the share (%) not larger than ``human``
    (``HUMAN_ERROR``). ``intervals`` pairs have an interval that should hold ``stated`` % of the
    true values and holds ``coverage`` %; it is ``width`` wide. What is not known is None.
    """

    name: str
    levels: tuple[str, ...]
    unit: Unit
    definition: str
    annotated: int
    measured: int
    films: int
    unmeasured: Mapping[str, int]
    misnamed: int
    mae: Estimate
    bias: Estimate
    sd: Estimate
    lower: Estimate
    upper: Estimate
    icc: Estimate
    human: float | None
    within_human: Estimate
    intervals: int
    stated: float | None
    coverage: Estimate
    width: Estimate

    @property
    def title(self) -> str:
        """Its name, its levels and its unit."""
        words = " ".join((self.name, "-".join(self.levels))).strip()
        return f"{words}, {self.unit}" if self.unit else words


@dataclass(frozen=True, slots=True)
class GradeScore:
    """How a grade agrees: ``confusion`` counts annotated (rows) x predicted (columns) ``grades``.

    ``exact`` is the share (%) of equal grades, ``quadratic`` and ``linear`` are weighted kappas.
    ``probabilities`` predictions state how sure they are: ``stated`` is the mean of it in %,
    ``right`` the share (%) of those that are right.
    """

    name: str
    definition: str
    grades: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    annotated: int
    measured: int
    unmeasured: Mapping[str, int]
    misnamed: int
    exact: Estimate
    quadratic: Estimate
    linear: Estimate
    probabilities: int
    stated: Estimate
    right: Estimate


@dataclass(frozen=True, slots=True)
class Agreement:
    """Every measurement, all its levels pooled; slips and discs ``by_level``; every grade."""

    measurements: tuple[MeasurementScore, ...]
    by_level: tuple[MeasurementScore, ...]
    grades: tuple[GradeScore, ...]


def agreement(pairs: Sequence[MeasuredPair], *, seed: int = 0) -> Agreement | None:
    """How predicted measurements agree with annotated ones; None without any annotated one.

    Pooled over levels, and for slips and discs by level where ``MIN_LEVEL`` pairs were measured.

    The limits of agreement are bias +- 1.96 SD (Bland and Altman 1986). A film has several discs:
    the SD is the root of the variance between groups plus that within, from a one-way analysis of
    variance of the differences (Bland and Altman 1999, section 5.3, and 2007: repeated pairs whose
    true value varies). With one pair a group it is the plain SD. Every interval is 95 %, by
    bootstrap over groups with ``seed``.
    """
    kinds: dict[tuple[str, str, str], list[MeasuredPair]] = {}
    for pair in pairs:
        kinds.setdefault((pair.name, pair.unit, pair.definition), []).append(pair)
    if not kinds:
        return None
    values = [own for (_, unit, _), own in kinds.items() if unit != "grade"]
    grades = [own for (_, unit, _), own in kinds.items() if unit == "grade"]
    return Agreement(
        tuple(_score(own, seed) for own in values),
        tuple(_score(level, seed) for own in values for level in _levels(own)),
        tuple(_grade_score(own, seed) for own in grades),
    )


def labels(scores: Sequence[MeasurementScore]) -> list[str]:
    """Their titles, with the definition where several of them have the same."""
    titles = [score.title for score in scores]
    return [
        title if titles.count(title) == 1 else f"{title}: {score.definition}"
        for title, score in zip(titles, scores, strict=True)
    ]


def _levels(pairs: Sequence[MeasuredPair]) -> Iterator[list[MeasuredPair]]:
    """The pairs of each level, where levels are asked for and enough was measured on them."""
    by_level: dict[tuple[str, ...], list[MeasuredPair]] = {}
    for pair in pairs:
        by_level.setdefault(pair.levels, []).append(pair)
    if len(by_level) > 1 and _PER_LEVEL.intersection(pairs[0].name.split()):
        for own in by_level.values():
            if sum(pair.predicted is not None for pair in own) >= MIN_LEVEL:
                yield own


def _score(pairs: Sequence[MeasuredPair], seed: int) -> MeasurementScore:
    first = pairs[0]
    levels = first.levels if all(pair.levels == first.levels for pair in pairs) else ()
    measured = [pair for pair in pairs if pair.predicted is not None]
    human = HUMAN_ERROR.get((first.name, first.unit))
    limit = human.limit if human else None
    mae, bias, sd, lower, upper, icc, within, coverage, width = _estimates(
        _difference_sums(measured, limit), _difference_figures, seed, 9
    )
    stated = [pair.coverage for pair in measured if pair.coverage is not None]
    return MeasurementScore(
        first.name, levels, first.unit, first.definition,
        annotated=len(pairs),
        measured=len(measured),
        films=len({pair.film for pair in measured}),
        unmeasured=_reasons(pairs),
        misnamed=sum(pair.misnamed for pair in measured),
        mae=mae, bias=bias, sd=sd, lower=lower, upper=upper, icc=icc,
        human=limit, within_human=within,
        intervals=len(stated),
        stated=100.0 * fmean(stated) if stated else None,
        coverage=coverage, width=width,
    )  # fmt: skip


def _grade_score(pairs: Sequence[MeasuredPair], seed: int) -> GradeScore:
    first = pairs[0]
    measured = [pair for pair in pairs if pair.predicted is not None]
    drawn = [round(v) for p in measured for v in (p.annotated, p.predicted) if v is not None]
    words = _WORDS.get(first.name, tuple(str(k) for k in range(max(drawn, default=0) + 1)))
    sums = _grade_sums(measured, len(words))
    exact, quadratic, linear, stated, right = _estimates(sums, _grade_figures, seed, 5)
    confusion = sums[:, 3:].sum(axis=0).reshape(len(words), len(words))
    return GradeScore(
        first.name, first.definition, words,
        tuple(tuple(int(count) for count in row) for row in confusion),
        annotated=len(pairs),
        measured=len(measured),
        unmeasured=_reasons(pairs),
        misnamed=sum(pair.misnamed for pair in measured),
        exact=exact, quadratic=quadratic, linear=linear,
        probabilities=sum(pair.probability is not None for pair in measured),
        stated=stated, right=right,
    )  # fmt: skip


def _reasons(pairs: Sequence[MeasuredPair]) -> dict[str, int]:
    return dict(Counter(str(pair.reason) for pair in pairs if pair.reason is not None))


def _estimates(
    sums: Float64[np.ndarray, "g q"], figures: Callable[[Sums], Sums], seed: int, count: int
) -> list[Estimate]:
    """``count`` figures with their intervals; without a group, none that is known."""
    if not len(sums):
        return [Estimate(None)] * count
    return sums_intervals(sums, figures, rng=np.random.default_rng(seed))


def _difference_sums(
    pairs: Sequence[MeasuredPair], limit: float | None
) -> Float64[np.ndarray, "g q"]:
    """One row a group: what ``_difference_figures`` needs of its pairs."""
    values = _array([(pair.annotated, pair.predicted) for pair in pairs], 2)
    ends = _array([(pair.low, pair.high) for pair in pairs], 2)
    difference, known = values[:, 1] - values[:, 0], ~np.isnan(ends).any(axis=1)
    inside = (ends[:, 0] <= values[:, 0]) & (values[:, 0] <= ends[:, 1])
    size = np.abs(difference)
    within = np.full(len(pairs), np.nan) if limit is None else 100.0 * (size <= limit)
    columns = [size, within, known, 100.0 * inside, np.where(known, ends[:, 1] - ends[:, 0], 0.0)]
    groups = [pair.group for pair in pairs]
    own = group_sums(np.stack(columns, axis=1), groups)
    return np.hstack([own, spread_sums(difference, groups), icc_sums(values, groups)])


def _difference_figures(sums: Sums) -> Sums:
    """The nine estimates of a ``MeasurementScore``, in its order."""
    size, within, known, inside, width = np.moveaxis(sums[..., :5], -1, 0)
    count = sums[..., 5]
    bias, sd = spread(sums[..., 5:11])
    icc = icc_of_sums(sums[..., 11:])
    figures = [size / count, bias, sd, bias - _LIMIT * sd, bias + _LIMIT * sd, icc]
    return np.stack([*figures, within / count, inside / known, width / known], axis=-1)


def _grade_sums(pairs: Sequence[MeasuredPair], grades: int) -> Float64[np.ndarray, "g q"]:
    """One row a group: what ``_grade_figures`` needs of its pairs."""
    values = _array([(pair.annotated, pair.predicted) for pair in pairs], 2)
    stated = _array([(pair.probability,) for pair in pairs], 1)[:, 0]
    known, right = ~np.isnan(stated), values[:, 0] == values[:, 1]
    cells = np.round(values) @ [grades, 1] == np.arange(grades**2)[:, None]
    columns = [known, np.where(known, 100.0 * stated, 0.0), 100.0 * (known & right), *cells]
    return group_sums(np.stack(columns, axis=1), [pair.group for pair in pairs])


def _grade_figures(sums: Sums) -> Sums:
    """Exact agreement in %, both kappas, the mean stated and the right share in %."""
    known, stated, right = np.moveaxis(sums[..., :3], -1, 0)
    grades = math.isqrt(sums.shape[-1] - 3)
    confusion = sums[..., 3:].reshape(*sums.shape[:-1], grades, grades)
    equal = 100.0 * np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))
    kappas = [weighted_kappa(confusion, power=power) for power in (2, 1)]
    return np.stack([equal, *kappas, stated / known, right / known], axis=-1)


def _array(rows: Sequence[tuple[float | None, ...]], width: int) -> Float64[np.ndarray, "n k"]:
    """None becomes NaN."""
    return np.array(rows, dtype=np.float64).reshape(-1, width)
