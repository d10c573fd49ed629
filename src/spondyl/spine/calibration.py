"""How far can the chain's probabilities and scores be believed: fitted on validation films."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float64, Int

from spondyl.anatomy import LEVELS, counts_five_lumbar
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks, corner_mean, reference_heights
from spondyl.spine.naming import (
    AS_SAID,
    Temperatures,
    candidates,
    infer_chain,
    level_weights,
    trellis_of,
)
from spondyl.spine.trellis import Trellis
from spondyl.spine.trust import Trust
from spondyl.spine.uncertainty import Uncertainty

Pair = tuple[Detections, Landmarks]

_THRESHOLDS: Final = tuple(round(0.1 * k, 1) for k in range(1, 8))
_CLEARLY_BETTER: Final = 0.005  # of F1: what a threshold must gain to replace the stated one
_TEMPERATURES: Final = (0.2, 20.0)
_ROUNDS, _STEPS = 2, 12
_SACRUM: Final = LEVELS.index("S1")
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """How candidates become a chain with names.

    ``temperature`` and ``sacrum_temperature`` are those of ``naming.Temperatures``, so that said
    probability is true share; ``name_threshold`` is the probability above which a level is named;
    ``score_threshold`` is the score from which on a candidate is looked at. ``uncertainty`` says
    how far off corners and measurements may be, ``trust`` when nothing should be believed; None =
    nobody measured it.
    ``frontal`` is the trust in AP films of a network that knows both views, and tells them apart:
    where the facing's mean logit lies within ``facing_limit`` of 0, neither side is anterior.
    ``frontal_temperature`` is that of the levels of AP films then.

    Raises:
        ValueError: a temperature is not above 0, a threshold is not in [0, 1], or the limit of
            the facing is below 0.
    """

    temperature: float = 1.0
    name_threshold: float = 0.9
    score_threshold: float = 0.3
    uncertainty: Uncertainty | None = None
    trust: Trust | None = None
    facing_limit: float = 0.2
    frontal: Trust | None = None
    frontal_temperature: float = 1.0
    sacrum_temperature: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.facing_limit) and self.facing_limit >= 0):
            raise ValueError(f"facing_limit is {self.facing_limit}, need a number from 0")
        for name in ("temperature", "frontal_temperature", "sacrum_temperature"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name} is {value}, need a finite number above 0")
        for name in ("name_threshold", "score_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, need 0 to 1")

    def temperatures(self, *, frontal: bool = False) -> Temperatures:
        """How far names are believed on films of one view."""
        levels = self.frontal_temperature if frontal else self.temperature
        return Temperatures(levels, self.sacrum_temperature)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; exact round trip."""
        return {
            "temperature": self.temperature,
            "name_threshold": self.name_threshold,
            "score_threshold": self.score_threshold,
            "uncertainty": self.uncertainty.to_json() if self.uncertainty else None,
            "trust": self.trust.to_json() if self.trust else None,
            "facing_limit": self.facing_limit,
            "frontal": self.frontal.to_json() if self.frontal else None,
            "frontal_temperature": self.frontal_temperature,
            "sacrum_temperature": self.sacrum_temperature,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """What ``to_json`` wrote; a setting that is missing has its default.

        Raises:
            ValueError: a setting is unknown or impossible.
        """
        try:
            return cls(**{name: _read(name, value) for name, value in data.items()})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"calibration cannot be read: {error}") from error


def _read(name: str, value: Any) -> Any:
    readers: dict[str, Callable[[Any], Any]] = {
        "uncertainty": Uncertainty.from_json,
        "trust": Trust.from_json,
        "frontal": Trust.from_json,
    }
    return readers.get(name, float)(value) if value is not None else None


UNCALIBRATED: Final = Calibration()


def fit_calibration(pairs: Sequence[Pair], *, start: Calibration = UNCALIBRATED) -> Calibration:
    """The calibration that validation films speak for; a film's pair is in one frame of px.

    First the score threshold, then the temperatures. The name threshold is a choice and not fitted.
    """
    chosen = replace(start, score_threshold=fit_score_threshold(pairs, start))
    fitted = fit_temperatures(pairs, chosen)
    return replace(chosen, temperature=fitted.levels, sacrum_temperature=fitted.sacrum)


def fit_temperatures(pairs: Sequence[Pair], start: Calibration) -> Temperatures:
    """Maximum likelihood of the true levels over matched vertebrae, one temperature after another.

    Without named films both stay as they are at the start, without a named S1 that of the sacrum.
    Numbering assumes five lumbar vertebrae, and so does its calibration: films with another count
    are left out.
    """
    films = [film for d, truth in pairs if (film := _NamedFilm.of(d, truth, start))]
    if not films:
        return start.temperatures()
    sacrum_seen = any(_SACRUM in film.levels for film in films)
    fitted = start.temperatures()
    for name in _ROUNDS * ("levels", "sacrum") if sacrum_seen else ("levels",):
        fitted = _fitted_in(name, fitted, films, start)
    return fitted


def match_centres(
    found: Float64[np.ndarray, "n 4 2"], truth: Landmarks
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Indices of found and true vertebrae that are each other's nearest, within half a height."""
    if not len(found) or not len(truth):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    distances = np.linalg.norm(corner_mean(found)[:, None] - truth.centres[None], axis=-1)
    distances = np.where(np.isnan(distances), np.inf, distances)
    nearest = distances.argmin(axis=0)
    true = np.arange(len(truth))
    mutual = distances.argmin(axis=1)[nearest] == true
    close = distances[nearest, true] <= reference_heights(truth) / 2
    return nearest[mutual & close], true[mutual & close]


def fit_score_threshold(pairs: Sequence[Pair], start: Calibration) -> float:
    """The one nearest to the start's among those whose F1 of detection is nearly the best.

    Those are within 0.005 of the best of 0.1, 0.2 ... 0.7 and the start's own.
    """
    values = sorted({*_THRESHOLDS, start.score_threshold})
    f1 = {value: _detection_f1(pairs, value) for value in values}
    good = [value for value in values if f1[value] >= max(f1.values()) - _CLEARLY_BETTER]
    return min(good, key=lambda value: (abs(value - start.score_threshold), value))


def _detection_f1(pairs: Sequence[Pair], score_threshold: float) -> float:
    counts = [_detection_counts(d, truth, score_threshold) for d, truth in pairs]
    hits, found, expected = np.sum(counts, axis=0) if counts else (0, 0, 0)
    return float(2 * hits / max(found + expected, 1))


def _detection_counts(
    detections: Detections, truth: Landmarks, score_threshold: float
) -> tuple[int, int, int]:
    """Matched, found and annotated; what lies beyond the annotator's ends does not count."""
    chain = infer_chain(detections, score_threshold=score_threshold)
    hits, _ = match_centres(detections.corners[chain.indices], truth)
    within = int(np.ptp(hits)) + 1 if len(hits) else len(chain.indices)
    return len(hits), within, len(truth)


def _fitted_in(
    name: str, others: Temperatures, films: Sequence[_NamedFilm], start: Calibration
) -> Temperatures:
    """The temperatures with the best value of one of them."""

    def loss(logarithm: float) -> float:
        tried = replace(others, **{name: math.exp(logarithm)})
        return sum(film.surprise(tried, start) for film in films)

    low, high = (math.log(value) for value in _TEMPERATURES)
    return replace(others, **{name: math.exp(golden_minimum(loss, low, high, steps=_STEPS))})


@dataclass(frozen=True, slots=True, eq=False)
class _NamedFilm:
    """Ordered candidates and their chain model; which are vertebrae (M,), of which level (M,)."""

    candidates: Detections
    trellis: Trellis
    found: Int[np.ndarray, " m"]
    levels: Int[np.ndarray, " m"]

    @classmethod
    def of(cls, detections: Detections, truth: Landmarks, start: Calibration) -> _NamedFilm | None:
        """None where the film or the detections have no name to learn from."""
        threshold = start.score_threshold
        usable = detections.select(candidates(detections, score_threshold=threshold))
        found, true = match_centres(usable.corners, truth)
        known = np.array([truth.names[i] in LEVELS for i in true], dtype=bool)
        silent = not known.any() or not np.any(usable.level_logits)
        if silent or not counts_five_lumbar(truth.names):
            return None
        levels = [LEVELS.index(str(truth.names[i])) for i in true[known]]
        trellis = trellis_of(usable, score_threshold=threshold, temperatures=AS_SAID)
        return cls(usable, trellis, found[known], np.array(levels, dtype=np.int64))

    def surprise(self, temperatures: Temperatures, start: Calibration) -> float:
        """Negative log-likelihood of the true levels."""
        weights = level_weights(
            self.candidates, score_threshold=start.score_threshold, temperatures=temperatures
        )
        marginals = replace(self.trellis, weights=weights).marginals()
        return -float(np.log(np.maximum(marginals[self.found, self.levels], 1e-9)).sum())


def golden_minimum(
    function: Callable[[float], float], low: float, high: float, *, steps: int = 20
) -> float:
    """The minimum of a unimodal function in [low, high] by golden section (Kiefer 1953)."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(steps):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2
