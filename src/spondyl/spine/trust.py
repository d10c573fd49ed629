"""Should a prediction be believed: is the spine that was found one at all, and like those known?

One class is known, the calibration films; nothing is known of what else may come. A chain of
vertebrae is put in numbers (``traits``), and its Mahalanobis distance from those of the calibration
films (Mahalanobis 1936; as a detector of what a network does not know: Lee et al. 2018) is its
doubt, in units of the distance that good films rarely exceed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.traits import LEAST_VERTEBRAE, TRAITS, traits

REFUSED: Final = 0.02
"""The share of films like those of the calibration that may be refused."""

LEAST_FILMS: Final = math.ceil(1 / REFUSED) - 1
"""With fewer films no limit refuses so few of them."""

_LISTED: Final = (
    "count", "confidence", "lowest_confidence", "lowest_score", "pitch", "spacing",
    "height_change", "width_change", "aspect", "tilt", "sidestep", "wedge", "level_certainty",
    "level_step", "facing", "strays",
)  # fmt: skip
"""The columns of a stored precision that is a list, as it was before columns had names."""

Found = tuple[Detections, Landmarks]
"""The candidates of a film and the chain that was made of them, in one frame of px."""

_SHRINKAGE: Final = 0.3  # of the covariance towards its diagonal (as in Ledoit and Wolf 2004)
_LEAST_VARIANCE: Final = 0.05  # of a trait in its own spreads: one that never varied says little
_LEAST_SPREAD: Final = 0.02  # on a trait's axis
_TAME: Final = 4.0  # spreads at which the films of the calibration are held for the covariance
_FARTHEST: Final = 8.0  # spreads beyond which a trait says no more


@dataclass(frozen=True, slots=True)
class Trust:
    """What spines look like on ``films`` that the network knows.

    ``centre`` and ``spread`` are of each of ``TRAITS``, on its axis; ``precision`` is the inverse
    covariance of the deviations, in spreads; ``limit`` is the distance from which on a film is
    refused.

    Raises:
        ValueError: a number is missing or impossible.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    limit: float
    films: int

    def __post_init__(self) -> None:
        count = len(TRAITS)
        shapes = {len(self.centre), len(self.spread), *map(len, (self.precision, *self.precision))}
        if wrong := shapes - {count}:
            raise ValueError(f"trust: is of {max(wrong)} traits, need {count}")
        numbers = np.array([*self.centre, *self.spread, *sum(self.precision, ()), self.limit])
        if not np.isfinite(numbers).all() or self.limit <= 0 or min(self.spread) <= 0:
            raise ValueError("trust: a number is impossible, need finite ones and a limit above 0")

    def judged(self, found: Landmarks, detections: Detections) -> Landmarks:
        """The landmarks with their ``doubt`` and, above 1, the reason for a ``refusal``.

        Args:
            found: the chain, as it was assembled.
            detections: the candidates that it was made of, in the same frame of px.
        """
        if len(found) < LEAST_VERTEBRAE:
            return replace(found, doubt=self._utmost / self.limit, refusal=_too_few(len(found)))
        away = self._away(traits(found, detections))
        parts = away * (np.array(self.precision) @ away)
        doubt = math.sqrt(max(parts.sum(), 0.0)) / self.limit
        refusal = self._reason(away, int(parts.argmax())) if doubt > 1 else None
        return replace(found, doubt=doubt, refusal=refusal)

    def _away(self, known: Float64[np.ndarray, " k"]) -> Float64[np.ndarray, " k"]:
        return _deviation(known, np.array(self.centre), np.array(self.spread), _FARTHEST)

    @property
    def _utmost(self) -> float:
        """A distance that no chain can exceed."""
        return _FARTHEST * math.sqrt(np.abs(np.array(self.precision)).sum())

    def _reason(self, away: Float64[np.ndarray, " k"], worst: int) -> str:
        trait, centre, spread = TRAITS[worst], self.centre[worst], self.spread[worst]
        value, low, high = (
            trait.said(centre + spread * place) for place in (float(away[worst]), -2.0, 2.0)
        )
        return f"unlike the films known: {trait.words} is {value}, usually {low} to {high}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; exact round trip."""
        names = [trait.name for trait in TRAITS]
        rows = zip(names, self.centre, self.spread, self.precision, strict=True)
        told = {
            name: {"centre": centre, "spread": spread,
                   "precision": dict(zip(names, row, strict=True))}
            for name, centre, spread, row in rows
        }  # fmt: skip
        return {"traits": told, "limit": self.limit, "films": self.films}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trust:
        """What ``to_json`` wrote.

        Raises:
            ValueError: a value is missing or impossible, or the traits are not those of this
                version.
        """
        try:
            told = [data["traits"][trait.name] for trait in TRAITS]
            rows = tuple(_row(each["precision"]) for each in told)
            centre, spread = (tuple(float(e[k]) for e in told) for k in ("centre", "spread"))
            return cls(centre, spread, rows, float(data["limit"]), int(data["films"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"trust is incomplete or of another version: {error}") from error


def fit_trust(films: Sequence[Found]) -> Trust | None:
    """What the predictions on good films look like, none of which was trained on.

    Location and spread of each trait are its median and the larger of 1.4826 median absolute
    deviations and a 1.96th of what 95 % of the films deviate at most; the covariance is of
    deviations held within 4 spreads and is shrunk towards its diagonal. The limit is the conformal
    quantile of the films' distances, each from a fit without that film: of n films at most
    n + 1 - ceil(0.98 (n + 1)) lie above it (jackknife; Barber et al. 2021). A chain of fewer than
    three vertebrae counts as infinitely far.

    Returns:
        None with fewer than 49 films, or where so many of them show no chain that no limit holds.
    """
    if len(films) < LEAST_FILMS:
        return None
    known = np.array([_known(*film) for film in films])
    usable = ~np.isnan(known).all(axis=1)
    away = np.full(len(films), np.inf)
    for film in np.flatnonzero(usable):
        usable[film] = False
        away[film] = _distance(known[film], *_portrait(known[usable]))
        usable[film] = True
    rank = math.ceil((len(films) + 1) * (1 - REFUSED))
    limit = float(np.sort(away)[rank - 1])
    if not math.isfinite(limit):
        return None
    centre, spread, precision = _portrait(known[usable])
    rows = tuple(tuple(map(float, row)) for row in precision)
    return Trust(tuple(map(float, centre)), tuple(map(float, spread)), rows, limit, len(films))


Portrait = tuple[
    Float64[np.ndarray, " k"], Float64[np.ndarray, " k"], Float64[np.ndarray, "k k"]
]  # centre, spread, precision


def _row(stored: Any) -> tuple[float, ...]:
    """One row of a stored precision, in the order of ``TRAITS``."""
    if isinstance(stored, list) and len(stored) != len(_LISTED):
        raise ValueError(f"trust: is of {len(stored)} traits, need {len(_LISTED)}")
    named = dict(zip(_LISTED, stored, strict=True)) if isinstance(stored, list) else stored
    return tuple(float(named[trait.name]) for trait in TRAITS)


def _known(detections: Detections, found: Landmarks) -> Float64[np.ndarray, " k"]:
    if len(found) < LEAST_VERTEBRAE:
        return np.full(len(TRAITS), np.nan)
    return traits(found, detections)


def _portrait(known: Float64[np.ndarray, "n k"]) -> Portrait:
    centre = _quantile(known, 0.5)
    deviation = np.abs(known - centre)
    spread = np.maximum(1.4826 * _quantile(deviation, 0.5), _quantile(deviation, 0.95) / 1.96)
    spread = np.maximum(spread, _LEAST_SPREAD)
    away = _deviation(known, centre, spread, _TAME)
    covariance = away.T @ away / len(away)
    diagonal = np.diag(np.diag(covariance) + _LEAST_VARIANCE)
    return centre, spread, np.linalg.inv((1 - _SHRINKAGE) * covariance + _SHRINKAGE * diagonal)


def _quantile(values: Float64[np.ndarray, "n k"], share: float) -> Float64[np.ndarray, " k"]:
    """Of what is known in each column; 0 where nothing is."""
    columns = (column[~np.isnan(column)] for column in values.T)
    return np.array([np.quantile(known, share) if len(known) else 0.0 for known in columns])


def _deviation(
    known: Float64[np.ndarray, "*n k"],
    centre: Float64[np.ndarray, " k"],
    spread: Float64[np.ndarray, " k"],
    most: float,
) -> Float64[np.ndarray, "*n k"]:
    """In spreads, none beyond ``most``; a trait that cannot be told does not deviate."""
    return np.nan_to_num((known - centre) / spread).clip(-most, most)


def _distance(
    known: Float64[np.ndarray, " k"],
    centre: Float64[np.ndarray, " k"],
    spread: Float64[np.ndarray, " k"],
    precision: Float64[np.ndarray, "k k"],
) -> float:
    away = _deviation(known, centre, spread, _FARTHEST)
    return math.sqrt(max(float(away @ precision @ away), 0.0))


def _too_few(count: int) -> str:
    if not count:
        return "no spine was found"
    noun = "vertebra" if count == 1 else "vertebrae"
    return f"no spine was found: {count} {noun}, need {LEAST_VERTEBRAE}"
