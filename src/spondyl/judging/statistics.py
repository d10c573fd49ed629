"""How sure are we of a figure: bootstrap over groups, paired tests, the challenge's angle error."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64, Int64

Statistic = Literal["mean", "median"]

_CELLS: Final = 4_000_000  # of a weight matrix held at a time, to bound memory
_BATCH: Final = 2000  # exchanges held at a time, to bound memory
_TIE: Final = 6  # decimals: sums that differ by rounding alone are ties


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
    drawn = _draw(count, resamples, rng)
    resampled = _means if statistic == "mean" else _medians
    return Estimate(point, *_limits(resampled(values, index, drawn), level))


def ratio_interval(
    totals: Float64[np.ndarray, " g"],
    sizes: Float64[np.ndarray, " g"],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> Estimate:
    """``sum(totals) / sum(sizes)`` with the interval of ``clustered_interval``, from group sums.

    With the difference of two models' sums as ``totals`` it is their paired difference, both over
    the same resamples of groups. Groups of size 0 have nothing judged and are not drawn.
    """
    totals, sizes = totals[sizes > 0], sizes[sizes > 0]
    if not len(sizes):
        return Estimate(None)
    point = float(totals.sum() / sizes.sum())
    if len(sizes) < 2:
        return Estimate(point)
    drawn = _draw(len(sizes), resamples, rng)
    return Estimate(point, *_limits((drawn @ totals) / (drawn @ sizes), level))


def sums_intervals(
    sums: Float64[np.ndarray, "g q"],
    figures: Callable[[Float64[np.ndarray, "*r q"]], Float64[np.ndarray, "*r k"]],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 1000,
) -> list[Estimate]:
    """Figures that follow from sums over groups, with the interval of ``clustered_interval``.

    All figures share the resamples. A figure that is NaN has no value, and resamples in which it is
    NaN (a ratio of nothing to nothing) are left out of its interval.

    Args:
        sums: one row a group, every group with something to judge.
        figures: of summed rows; takes any number of sums at once.
        rng: draws the resamples; the same seed gives the same intervals.
        level: coverage of the intervals.
        resamples: how many.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        points = figures(sums.sum(axis=0))
        if len(sums) < 2:
            return [Estimate(None if np.isnan(point) else float(point)) for point in points]
        drawn = figures(_draw(len(sums), resamples, rng) @ sums)
    return [_known(point, column, level) for point, column in zip(points, drawn.T, strict=True)]


def _known(point: float, resampled: Float64[np.ndarray, " r"], level: float) -> Estimate:
    usual = resampled[np.isfinite(resampled)]
    if np.isnan(point):
        return Estimate(None)
    return Estimate(float(point), *(_limits(usual, level) if len(usual) else ()))


def paired_p_values(
    differences: Float64[np.ndarray, "g m"],
    *,
    rng: np.random.Generator,
    resamples: int = 49_999,
) -> Float64[np.ndarray, " m"]:
    """For each column, the two-sided p of a sum over groups as far from 0 as this one.

    A row is the difference of two models on one group. If they do not differ, exchanging the two
    within a group, which turns its sign, changes nothing (Fisher 1935, "The design of experiments",
    chapter 3); all columns share the exchanges. Exact where there are no more than ``resamples``
    ways to exchange, else p is at least 2 / (``resamples`` + 1) (Phipson and Smyth 2010). A group's
    size is its weight, as in the pooled figure.

    Args:
        differences: at least two groups.
        rng: draws the exchanges.
        resamples: how many.
    """
    from scipy.stats import permutation_test

    def sums(signs: Float64[np.ndarray, "*r g"], axis: int) -> Float64[np.ndarray, "*r m"]:
        return np.round(signs @ differences, _TIE)

    same = np.ones(len(differences))  # scipy turns the signs of a single sample
    tested = permutation_test(
        (same,), sums, permutation_type="samples", vectorized=True, n_resamples=resamples,
        batch=_BATCH, rng=rng,
    )  # fmt: skip
    return np.asarray(tested.pvalue, dtype=np.float64)


def holm(p_values: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Corrects p values so that one false alarm among all is as unlikely as they say.

    Step-down (Holm 1979, "A simple sequentially rejective multiple test procedure"): the smallest p
    times m, the next times m - 1 and so on, never falling, at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def _draw(count: int, resamples: int, rng: np.random.Generator) -> Int64[np.ndarray, "r g"]:
    """How often each of ``count`` groups is drawn in each resample."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples)


def _limits(resampled: Float64[np.ndarray, " r"], level: float) -> tuple[float, float]:
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(resampled, [tail, 100.0 - tail])
    return float(low), float(high)


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
