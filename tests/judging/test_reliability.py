"""Formulas of agreement against published examples and plain loops."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.judging.reliability import icc, spread, spread_sums, weighted_kappa
from spondyl.judging.statistics import clustered_interval, sums_intervals

SHROUT_AND_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Six targets, four judges (Shrout and Fleiss 1979, table 2)."""

ratings = st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=3, max_size=12)


def test_the_worked_example_of_shrout_and_fleiss() -> None:
    """Published to two decimals as 0.29."""
    found = icc(SHROUT_AND_FLEISS, list("abcdef"), seed=0)
    assert found.value == pytest.approx(0.2898, abs=5e-5)
    assert found.low is not None
    assert found.low < 0.29 < found.high


def test_equal_raters_agree_wholly_and_a_constant_between_them_costs() -> None:
    first = np.array([1.0, 4.0, 2.0, 8.0, 5.0])
    groups = list("abcde")
    same = icc(np.column_stack([first, first]), groups, seed=0)
    assert (same.value, same.low, same.high) == pytest.approx((1.0, 1.0, 1.0))
    apart = icc(np.column_stack([first, first + 2]), groups, seed=0)
    variance = statistics.variance(first)
    assert apart.value == pytest.approx(variance / (variance + 2.0))  # rater variance 2^2 / 2


@settings(deadline=None, max_examples=40)
@given(ratings, st.sampled_from((0.0, 1e4)))
def test_icc_by_mean_squares_one_at_a_time(pairs: list[tuple[int, int]], far: float) -> None:
    """McGraw and Wong 1996, table 4: A,1; also where the numbers are large against their spread."""
    table = np.array(pairs, float)
    n, k = table.shape
    rows, columns, all_ = table.mean(axis=1), table.mean(axis=0), table.mean()
    msr = k * sum((row - all_) ** 2 for row in rows) / (n - 1)
    msc = n * sum((column - all_) ** 2 for column in columns) / (k - 1)
    rest = sum((table[i, j] - rows[i] - columns[j] + all_) ** 2 for i in range(n) for j in range(k))
    mse = rest / ((n - 1) * (k - 1))
    below = msr + (k - 1) * mse + k * (msc - mse) / n
    found = icc(table + far, ["one"] * n, seed=0).value
    if abs(below) < 1e-9:
        assert found is None
    else:
        assert found == pytest.approx((msr - mse) / below, abs=1e-6)


def test_nothing_and_what_does_not_vary_have_no_icc() -> None:
    for table in (np.zeros((0, 2)), np.full((1, 2), 3.0), np.full((4, 2), 0.1)):
        assert icc(table, ["a", "b", "c", "d"][: len(table)], seed=0).value is None


def test_with_one_difference_a_group_the_spread_is_the_plain_one() -> None:
    values = np.array([1.0, -2.0, 0.5, 4.0, 3.0])
    mean, sd = spread(spread_sums(values, list("abcde")).sum(axis=0))
    assert (mean, sd) == pytest.approx((values.mean(), values.std(ddof=1)))
    _, of_one_group = spread(spread_sums(values, ["a"] * 5).sum(axis=0))
    assert of_one_group == pytest.approx(values.std(ddof=1))


def test_the_spread_of_several_differences_a_group_is_that_of_bland_and_altman() -> None:
    """Variance components of a one-way analysis of variance, one at a time."""
    parts = [[1.0, 2.0, 4.0], [8.0, 7.0], [-3.0, -1.0, -2.0, 0.0], [3.0]]
    values = [value for part in parts for value in part]
    count, groups, mean = len(values), len(parts), statistics.fmean(values)
    within = sum(sum((v - statistics.fmean(p)) ** 2 for v in p) for p in parts) / (count - groups)
    between = sum(len(p) * (statistics.fmean(p) - mean) ** 2 for p in parts) / (groups - 1)
    size = (count**2 - sum(len(p) ** 2 for p in parts)) / ((groups - 1) * count)
    expected = ((between - within) / size + within) ** 0.5
    names = [name for name, part in zip("abcd", parts, strict=True) for _ in part]
    assert spread(spread_sums(np.array(values), names).sum(axis=0))[1] == pytest.approx(expected)
    assert expected > statistics.stdev(values)  # groups of unequal size: the pooled SD is too small


def test_kappa_by_hand() -> None:
    """Margins 6, 5, 5 twice: linear 1 - 4 / (230 / 16), quadratic 1 - 4 / (350 / 16)."""
    confusion = np.array([[5, 1, 0], [1, 3, 1], [0, 1, 4]], float)
    assert weighted_kappa(confusion, power=1) == pytest.approx(1 - 4 * 16 / 230)
    assert weighted_kappa(confusion, power=2) == pytest.approx(1 - 4 * 16 / 350)
    both = weighted_kappa(np.stack([confusion, np.diag([2.0, 3.0, 4.0])]), power=2)
    assert both == pytest.approx([1 - 4 * 16 / 350, 1.0])


def test_intervals_from_sums_are_those_from_the_values() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 9, 40).tolist()
    values = rng.normal(size=40)
    expected = clustered_interval(values, groups, rng=np.random.default_rng(7))
    sums = spread_sums(values, groups)
    rows = sums_intervals(
        sums, lambda s: np.stack([s[..., 1] / s[..., 0]], axis=-1), rng=np.random.default_rng(7)
    )
    assert (rows[0].value, rows[0].low, rows[0].high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
