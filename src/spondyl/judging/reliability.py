"""By which formulas do raters agree: ICC, spread of repeated differences, weighted kappa.

Each follows from sums over targets, so that a bootstrap over groups only has to add rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float64

from spondyl.judging.statistics import Estimate, group_index, sums_intervals

Sums = Float64[np.ndarray, "*r q"]
"""Sums over targets, any number of resamples of them at once."""


def icc(ratings: Float64[np.ndarray, "n k"], groups: Sequence[Hashable], *, seed: int) -> Estimate:
    """ICC(2,1) of n targets, each rated once by each of k raters, with its 95 % interval.

    Two-way random effects, absolute agreement, single rating (Shrout and Fleiss 1979; ICC(A,1) of
    McGraw and Wong 1996). The interval is by bootstrap over ``groups`` of targets with ``seed``.
    None with fewer than two targets or where all ratings are equal.
    """
    if not len(ratings):
        return Estimate(None)

    def figures(sums: Sums) -> Sums:
        return icc_of_sums(sums)[..., None]

    rng = np.random.default_rng(seed)
    return sums_intervals(icc_sums(ratings, groups), figures, rng=rng)[0]


def icc_sums(
    ratings: Float64[np.ndarray, "n k"], groups: Sequence[Hashable]
) -> Float64[np.ndarray, "g q"]:
    """What ``icc_of_sums`` needs: one row a group, in the order of ``group_index``."""
    centred = ratings - ratings[:1, :1]  # squares of differences, not of large numbers
    ones = np.ones(len(ratings))
    squares, rows = (centred**2).sum(axis=1), centred.sum(axis=1) ** 2
    return group_sums(np.column_stack([ones, squares, rows, centred]), groups)


def icc_of_sums(sums: Sums) -> Float64[np.ndarray, "*r"]:
    """ICC(2,1) from the mean squares of targets, raters and the rest (Shrout and Fleiss 1979)."""
    n, squares, rows = np.moveaxis(sums[..., :3], -1, 0)
    columns = sums[..., 3:]
    k = columns.shape[-1]
    common = columns.sum(axis=-1) ** 2 / (n * k)
    targets, raters = rows / k - common, (columns**2).sum(axis=-1) / n - common
    rest = np.maximum(squares - common - targets - raters, 0.0)
    between, rater, error = targets / (n - 1), raters / (k - 1), rest / ((n - 1) * (k - 1))
    return (between - error) / (between + (k - 1) * error + k * (rater - error) / n)


def spread_sums(
    differences: Float64[np.ndarray, " n"], groups: Sequence[Hashable]
) -> Float64[np.ndarray, "g 6"]:
    """What ``spread`` needs: one row a group, in the order of ``group_index``."""
    columns = np.column_stack([np.ones(len(differences)), differences, differences**2])
    sums = group_sums(columns, groups)
    size, total = sums[:, 0], sums[:, 1]
    return np.column_stack([sums, total**2 / size, size**2, np.ones(len(sums))])


def spread(sums: Sums) -> tuple[Float64[np.ndarray, "*r"], Float64[np.ndarray, "*r"]]:
    """Mean and standard deviation of differences of which a group has several.

    The variance is that between groups plus that within, from a one-way analysis of variance of the
    differences (Bland and Altman 1999, section 5.3, and 2007: pairs whose true value varies); a
    negative part between counts as 0. With one difference a group it is the plain variance.
    """
    n, total, squares, parts, sizes, groups = np.moveaxis(sums, -1, 0)
    apart = groups < n  # somewhere there are two in a group
    within = np.where(apart, np.maximum(squares - parts, 0.0) / np.where(apart, n - groups, 1), 0)
    several = groups > 1
    others = np.where(several, groups - 1, np.nan)
    between = np.maximum(parts - total**2 / n, 0.0) / others
    component = np.maximum(between - within, 0.0) / ((n - sizes / n) / others)
    variance = np.where(several, component + within, np.where(apart, within, np.nan))
    return total / n, np.sqrt(variance)


def weighted_kappa(
    confusion: Float64[np.ndarray, "*r k k"], *, power: int
) -> Float64[np.ndarray, "*r"]:
    """Cohen's kappa weighted by the distance of the grades to ``power``: 1 linear, 2 quadratic.

    1 - sum(w observed) / sum(w expected), expected from the margins (Cohen 1968). NaN where both
    raters give one and the same grade throughout.
    """
    grades = np.arange(confusion.shape[-1])
    distance = np.abs(np.subtract.outer(grades, grades)) ** power
    rows, columns = confusion.sum(axis=-1), confusion.sum(axis=-2)
    expected = rows[..., :, None] * columns[..., None, :] / rows.sum(axis=-1)[..., None, None]
    observed, chance = ((distance * c).sum(axis=(-2, -1)) for c in (confusion, expected))
    return 1.0 - observed / np.where(chance > 0, chance, np.nan)


def group_sums(
    columns: Float64[np.ndarray, "n q"], groups: Sequence[Hashable]
) -> Float64[np.ndarray, "g q"]:
    """The sum of every column in each group, in the order of ``group_index``."""
    index = group_index(groups)
    sums = np.zeros((int(index.max(initial=-1)) + 1, columns.shape[1]))
    np.add.at(sums, index, columns)
    return sums
