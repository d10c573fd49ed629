"""Does doubt tell good predictions from bad: the error of films kept, as more are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """What an error costs less where the most doubtful films are left out.

    Of the ``films`` judged that have a doubt, the ``k`` least doubtful are kept for k = 1, 2 ...:
    ``risk[k - 1]`` is the mean of their errors, where the error of a film is its penalised MRE
    (px at 512, 48 px a missed corner), the share kept (coverage) is k / films, and ``oracle`` is
    the risk if films were left out by their true error (El-Yaniv and Wiener 2010). ``area``,
    ``oracle_area`` and ``random_area`` are the means over k (AURC; Geifman, Uziel and El-Yaniv
    2019): of the doubt, of the oracle, and of leaving films out by lot, which is the mean error.
    ``refused`` films have a doubt above 1; ``kept_error`` and ``refused_error`` are the mean errors
    of the others and of those, None where there is no such film.
    """

    films: int
    refused: int
    risk: tuple[float, ...]
    oracle: tuple[float, ...]
    area: float
    oracle_area: float
    random_area: float
    kept_error: float | None
    refused_error: float | None

    @property
    def coverage(self) -> tuple[float, ...]:
        """The share (%) of films kept at each of ``risk``."""
        return tuple(100 * k / self.films for k in range(1, self.films + 1))


def risk_curve(doubts: Sequence[float | None], errors: Sequence[float | None]) -> RiskCurve | None:
    """The curve of the films that have both a doubt and an error; None where none has.

    Films of the same doubt are kept in no order: each counts as their mean.

    Args:
        doubts: of each film's prediction (``Landmarks.doubt``).
        errors: of the same films.
    """
    pairs = [(d, e) for d, e in zip(doubts, errors, strict=True) if d is not None and e is not None]
    if not pairs:
        return None
    doubt, error = np.array(sorted(pairs), dtype=np.float64).T
    risk, oracle = _running_mean(_tied(doubt, error)), _running_mean(np.sort(error))
    refused = doubt > 1
    return RiskCurve(
        films=len(error),
        refused=int(refused.sum()),
        risk=tuple(map(float, risk)),
        oracle=tuple(map(float, oracle)),
        area=float(risk.mean()),
        oracle_area=float(oracle.mean()),
        random_area=float(error.mean()),
        kept_error=_mean(error[~refused]),
        refused_error=_mean(error[refused]),
    )


def _tied(doubt: Float64[np.ndarray, " n"], error: Float64[np.ndarray, " n"]) -> np.ndarray:
    _, group = np.unique(doubt, return_inverse=True)
    return (np.bincount(group, weights=error) / np.bincount(group))[group]


def _running_mean(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return np.cumsum(values) / np.arange(1, len(values) + 1)


def _mean(values: Float64[np.ndarray, " n"]) -> float | None:
    return float(values.mean()) if len(values) else None
