"""How sure are we of a figure: bootstrap over groups, and the challenge's error of angles."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64, Int64

Statistic = Literal["mean", "median"]

_CELLS: Final = 4_000_000  # of a weight matrix held at a time, to bound memory


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval; None where there is nothing to compute it from.

    ``low`` and ``high`` are also None with fewer than two groups, which cannot be resampled.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def clustered_interval(
    values: Float64[np.ndarray, " n"],
    groups: Sequence[Hashable],
    *,
    rng: np.random.Generator,
    statistic: Statistic = "mean",
    level: float = 0.95,
    resamples: int = 1000,
) -> Estimate:
    """The mean or median of ``values`` with a percentile interval by bootstrap over groups.

    Whole groups are drawn with replacement (Efron and Tibshirani 1993, section 8; Field and Welsh
    2007): corners of one patient are not independent, and an interval over corners would be far too
    narrow. Values are pooled, so a group counts by its size.

    Args:
        values: finite; one for each thing judged.
        groups: the group of each value.
        rng: draws the resamples; the same seed gives the same interval.
        statistic: of the pooled values.
        level: coverage of the interval.
        resamples: how many.
    """
    if not len(values):
        return Estimate(None)
    point = float(np.mean(values) if statistic == "mean" else np.median(values))
    index = group_index(groups)
    count = int(index.max()) + 1
    if count < 2:
        return Estimate(point)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)  # (R, G)
    resampled = _means if statistic == "mean" else _medians
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(resampled(values, index, drawn), [tail, 100.0 - tail])
    return Estimate(point, float(low), float(high))


def group_index(groups: Sequence[Hashable]) -> Int64[np.ndarray, " n"]:
    """The groups numbered from 0 in the order in which they first appear."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups], dtype=np.int64)


def _means(
    values: Float64[np.ndarray, " n"],
    index: Int64[np.ndarray, " n"],
    drawn: Int64[np.ndarray, "r g"],
) -> Float64[np.ndarray, " r"]:
    total = np.bincount(index, weights=values)
    size = np.bincount(index)
    return (drawn @ total) / (drawn @ size)


def _medians(
    values: Float64[np.ndarray, " n"],
    index: Int64[np.ndarray, " n"],
    drawn: Int64[np.ndarray, "r g"],
) -> Float64[np.ndarray, " r"]:
    """Weighted medians: the mean of the two middle values of each resample."""
    order = np.argsort(values, kind="stable")
    ordered, group = values[order], index[order]
    rows = max(1, _CELLS // len(values))
    parts = [_middle(ordered, drawn[i : i + rows, group]) for i in range(0, len(drawn), rows)]
    return np.concatenate(parts)


def _middle(
    ordered: Float64[np.ndarray, " n"], weights: Int64[np.ndarray, "r n"]
) -> Float64[np.ndarray, " r"]:
    upto = weights.cumsum(axis=1)
    total = upto[:, -1:]
    low = (upto < (total + 1) // 2).sum(axis=1)
    high = (upto < total // 2 + 1).sum(axis=1)
    return (ordered[low] + ordered[high]) / 2


def smape(
    predicted: Float64[np.ndarray, "n k"], annotated: Float64[np.ndarray, "n k"]
) -> Float64[np.ndarray, " n"]:
    """Symmetric mean absolute percentage error of each film's angles, in %.

    ``100 * sum |p - a| / sum (p + a)`` over a film's angles; the challenge's score is the mean over
    films (Wang et al. 2021, "Evaluation and comparison of accurate automated spinal curvature
    estimation algorithms with spinal anterior-posterior X-ray images: the AASCE2019 challenge").
    0 where all angles are 0.
    """
    total = (predicted + annotated).sum(axis=1)
    error = np.abs(predicted - annotated).sum(axis=1)
    return np.where(total > 0, 100.0 * error / np.where(total > 0, total, 1.0), 0.0)
