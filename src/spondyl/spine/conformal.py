"""How is the error of corners and measurements learnt from films with known corners?

The scale of a corner's error is fitted on one half of the groups. How many of these scales hold the
true corner in 90 of 100 films is read off the other half, and so is how many propagated SD hold the
true measurement: split conformal prediction with normalised scores (Lei, G'Sell, Rinaldo,
Tibshirani, Wasserman 2018, arXiv 1604.04173). A film has many corners and discs, which err
together: the unit is the group, as in hierarchical conformal prediction (Lee, Barber, Willett 2023,
arXiv 2306.06342). See ``docs/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int

from spondyl.anatomy import View
from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.calibration import Calibration, match_centres
from spondyl.spine.chain import to_landmarks
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals, factor_name
from spondyl.spine.measurements import propagated
from spondyl.spine.naming import infer_chain
from spondyl.spine.placing import placed
from spondyl.spine.uncertainty import (
    ANY,
    SIGNS,
    CornerError,
    Uncertainty,
    directions,
    kinds,
    signs,
)

FEWEST: Final = 15
"""Groups of films that each half, and each measurement, must have: fewer speak for nothing."""

_TURNS = {"spread": 1, "height": 1, "corner_score": -1, "score": -1}  # of the error with a sign
_STEPS: Final = 50
_NEAREST: Final = 0.02  # px: errors below it are alike
_RIDGE: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationFilm:
    """What a network found on a film, as its codec decodes it, and the truth, both in input px.

    ``size`` is the side of the input; ``group`` is the patient, study or film.
    """

    found: Detections
    truth: Landmarks
    view: View | None
    group: str
    size: int


class Deviation(NamedTuple):
    """One quantity of one film: as found, as it truly is, and the SD propagated to it.

    All in the formula's own unit (px, deg, % or none).
    """

    name: str
    definition: str
    levels: tuple[str, ...]
    found: float
    true: float
    sd: float


def fit_uncertainty(
    films: Sequence[CalibrationFilm],
    calibration: Calibration,
    *,
    ordered: bool,
    coverage: float = 0.9,
) -> Uncertainty | None:
    """How far off corners and measurements are; None with fewer than 15 groups in either half.

    The films must be like those that it is used on, and must have trained nothing. ``calibration``
    makes spines of the candidates; codecs that are ``ordered`` need none. A measurement that fewer
    than 15 groups have gets no factor; where it has several definitions, each that 30 groups have
    gets its own besides.
    """
    if len({film.group for film in films}) < 2 * FEWEST:
        return None
    half = _halves([film.group for film in films])
    fitted, held = (
        _Errors.of([f for f, own in zip(films, half, strict=True) if own == side],
                   calibration, ordered=ordered)
        for side in (True, False)
    )  # fmt: skip
    if min(len(np.unique(fitted.group)), len(np.unique(held.group))) < FEWEST:
        return None
    corners = _corner_error(fitted, held, coverage)
    alone = Uncertainty((corners,), Intervals(coverage, len(films)))
    apart = [film for film, own in zip(films, half, strict=True) if not own]
    factors = _factors(apart, alone, calibration, ordered=ordered)
    return Uncertainty((corners,), Intervals(coverage, len(films), factors))


def deviations(found: Landmarks, truth: Landmarks, film: FilmGeometry) -> Iterator[Deviation]:
    """What is measured on a prediction against the same measured on the true corners.

    Both are measured on the vertebrae that both have, by the names that the prediction gives: a
    wrong name is no error of a measurement. A quantity that either side cannot give is left out.
    """
    facing = None if film.view == "ap" else truth.facing
    if facing is None and film.view != "ap":
        return
    own, true = match_centres(found.points, truth)
    at = placed(truth.points[true], facing=facing, aspect=film.aspect or 1.0)
    for quantity, value, sd in propagated(found.select(list(own)), film):
        known = float(quantity.of(at))
        if not np.isnan(known):
            yield Deviation(quantity.name, quantity.definition, quantity.levels, value, known, sd)


def conformal_quantile(
    scores: Float64[np.ndarray, " n"], groups: np.ndarray, coverage: float
) -> float:
    """The bound that a score of a new group exceeds with a probability of at most 1 - coverage.

    Every group counts alike, however many scores it has (Lee, Barber, Willett 2023, hierarchical
    conformal prediction): with K groups each has the weight 1 / (K + 1), and the one to come is
    taken as infinite. With one score a group it is the ceil((n + 1) coverage)-th smallest (Lei et
    al. 2018). Infinite where K is too small for the coverage: below 9 at 90 %.
    """
    _, index, count = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    weight = 1.0 / ((len(count) + 1) * count[index])
    enough = np.cumsum(weight[order]) >= coverage - 1e-9
    return float(scores[order][enough.argmax()]) if enough.any() else float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """Matched corners: signs (N, K), error along and across the endplate (N, 2) px, kind, group."""

    signs: Float64[np.ndarray, "n k"]
    error: Float64[np.ndarray, "n 2"]
    kind: np.ndarray
    group: np.ndarray

    @classmethod
    def of(
        cls, films: Sequence[CalibrationFilm], calibration: Calibration, *, ordered: bool
    ) -> _Errors:
        parts = [_film_errors(film, calibration, ordered=ordered) for film in films]
        every = [np.concatenate(column) for column in zip(*parts, strict=True)]
        known = ~(np.isnan(every[0]).any(axis=1) | np.isnan(every[1]).any(axis=1))
        return cls(*(column[known] for column in every))

    @property
    def size(self) -> Float64[np.ndarray, " n"]:
        """Radial error, px."""
        return np.linalg.norm(self.error, axis=1)


def _film_errors(
    film: CalibrationFilm, calibration: Calibration, *, ordered: bool
) -> tuple[np.ndarray, ...]:
    """The columns of ``_Errors`` for one film."""
    above = film.found.score >= calibration.score_threshold
    chosen = (
        np.flatnonzero(above)
        if ordered
        else infer_chain(
            film.found,
            score_threshold=calibration.score_threshold,
            temperatures=calibration.temperatures(),
        ).indices
    )
    own, true = match_centres(film.found.corners[chosen], film.truth)
    own = chosen[own]
    off = film.truth.points[true] - film.found.corners[own]
    along = directions(film.found.corners)[own]
    along = np.where(np.isnan(along), [1.0, 0.0], along)
    turned = np.stack(
        [(off * along).sum(axis=-1), along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0]],
        axis=-1,
    )
    count = 4 * len(own)
    return (
        signs(film.found)[own].reshape(count, len(SIGNS)),
        turned.reshape(count, 2),
        kinds(film.found)[own].reshape(count).astype(object),
        np.full(count, film.group, dtype=object),
    )


def _corner_error(fitted: _Errors, held: _Errors, coverage: float) -> CornerError:
    weights = fit_scale(fitted.signs, fitted.size)
    scores = held.size / np.exp(held.signs @ weights)
    radii = {
        kind: conformal_quantile(scores[rows], held.group[rows], coverage)
        for kind, rows in _common(held)
    }
    stretch = {kind: _stretch(fitted.error[rows]) for kind, rows in _common(fitted)}
    return CornerError(coverage, tuple(float(weight) for weight in weights), radii, stretch)


def fit_scale(
    signs: Float64[np.ndarray, "n k"], error: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " k"]:
    """Weights of the signs that give the logarithm of a corner's median error (px).

    Median regression by iteratively reweighted least squares: one corner on the wrong vertebra
    counts no more than any other. A sign that would make a corner more certain
    the wider or weaker its peak is, or the larger its vertebra, has the weight 0.
    """
    target = np.log(np.maximum(error, _NEAREST))
    used = list(range(signs.shape[1]))
    while True:
        fit = _median_regression(signs[:, used], target)
        wrong = [k for k, weight in zip(used, fit, strict=True) if weight * _turn(k) < 0]
        if not wrong:
            break
        used = [k for k in used if k != wrong[-1]]
    weights = np.zeros(signs.shape[1])
    weights[used] = fit
    return weights


def _turn(sign: int) -> int:
    return _TURNS.get(SIGNS[sign], 0)


def _median_regression(
    design: Float64[np.ndarray, "n k"], target: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " k"]:
    """Least absolute deviations; a column that never varies beside the constant stays at 0."""
    weight = np.ones(len(target))
    fit = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        normal = (design * weight[:, None]).T @ design / len(target)
        right = (design * weight[:, None]).T @ target / len(target)
        fit = np.linalg.solve(normal + _RIDGE * np.eye(len(fit)), right)
        weight = 1.0 / np.maximum(np.abs(target - design @ fit), 1e-3)
    return fit


def _common(errors: _Errors) -> Iterator[tuple[str, Bool[np.ndarray, " n"]]]:
    """All corners, and those of each kind that is not too rare."""
    yield ANY, np.ones(len(errors.kind), dtype=bool)
    for kind in sorted(set(errors.kind)):
        rows = errors.kind == kind
        if len(set(errors.group[rows])) >= FEWEST:
            yield str(kind), rows


def _stretch(error: Float64[np.ndarray, "n 2"]) -> float:
    """SD along over SD across, by medians, held within 1 to 5 either way."""
    along, across = np.maximum(np.median(np.abs(error), axis=0), _NEAREST)
    return float(np.clip(along / across, 0.2, 5.0))


def _factors(
    films: Sequence[CalibrationFilm],
    uncertainty: Uncertainty,
    calibration: Calibration,
    *,
    ordered: bool,
) -> Mapping[str, float]:
    """How many of its SD hold the truth, for each measurement and each definition of it."""
    scores: dict[str, dict[str, list[_Score]]] = {}
    for film in films:
        found = to_landmarks(
            uncertainty.applied(film.found), ordered=ordered, calibration=calibration,
            view=film.view,
        )  # fmt: skip
        for each in deviations(found, film.truth, _frame(film)):
            score = abs(each.found - each.true) / each.sd, film.group
            name = factor_name(each.name, value=each.found, sd=each.sd)
            scores.setdefault(name, {}).setdefault(each.definition, []).append(score)
    coverage = uncertainty.intervals.coverage
    factors: dict[str, float] = {}
    for name, known in sorted(scores.items()):
        every = [score for own in known.values() for score in own]
        factors[name] = _factor(every, coverage, fewest=FEWEST)
        for definition, own in sorted(known.items()) if len(known) > 1 else ():
            factors[f"{name}, {definition}"] = _factor(own, coverage, fewest=2 * FEWEST)
    return {name: factor for name, factor in factors.items() if 0 < factor < np.inf}


_Score = tuple[float, str]
"""An error in SD, and the group of its film."""


def _factor(scores: Sequence[_Score], coverage: float, *, fewest: int) -> float:
    """Infinite where too few groups have the measurement."""
    groups = np.array([group for _, group in scores], dtype=object)
    if len(set(groups)) < fewest:
        return float("inf")
    return conformal_quantile(np.array([score for score, _ in scores]), groups, coverage)


def _frame(film: CalibrationFilm) -> FilmGeometry:
    """The input as a film: its pixels are square whatever those of the film are."""
    return FilmGeometry(film.size, film.size, None, 1.0, film.view)


def _halves(groups: Sequence[str]) -> list[bool]:
    """Whether each film is in the first half of the groups; always the same for the same groups."""
    every = sorted(set(groups))
    order: Int[np.ndarray, " g"] = np.random.default_rng(0).permutation(len(every))
    first = {every[i] for i in order[: len(every) // 2]}
    return [group in first for group in groups]
