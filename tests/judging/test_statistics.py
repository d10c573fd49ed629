"""Intervals against an independent bootstrap and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spondyl.judging.statistics import Estimate, Statistic, clustered_interval, smape


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_without_clusters_it_agrees_with_scipy(statistic: Statistic) -> None:
    values = np.random.default_rng(0).gamma(2.0, size=60)
    ours = clustered_interval(
        values, range(60), rng=np.random.default_rng(1), statistic=statistic, resamples=4000
    )
    reference = stats.bootstrap(
        (values,), getattr(np, statistic), n_resamples=4000, method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert ours.value == pytest.approx(getattr(np, statistic)(values))
    width = reference.high - reference.low
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.08 * width)


def test_the_median_of_a_resample_is_that_of_its_values() -> None:
    """Two groups: every resample is one group twice or both, so all medians are known."""
    values, groups = np.array([1.0, 2, 9, 4, 7]), ["a", "a", "a", "b", "b"]
    interval = clustered_interval(
        values, groups, rng=np.random.default_rng(0), statistic="median", level=1.0
    )
    assert interval == Estimate(4.0, 2.0, 5.5)


def test_it_covers_the_truth_where_an_interval_over_values_does_not() -> None:
    rng = np.random.default_rng(3)
    groups, alone = np.repeat(np.arange(40), 10), np.arange(400)
    covered = np.zeros(2)
    for _ in range(150):
        values = np.repeat(rng.normal(size=40), 10) + rng.normal(0, 0.5, 400)
        for i, unit in enumerate((groups, alone)):
            interval = clustered_interval(values, unit.tolist(), rng=rng, resamples=300)
            covered[i] += interval.low <= 0 <= interval.high
    assert 0.88 <= covered[0] / 150 <= 0.99
    assert covered[1] / 150 < 0.65


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.arange(30.0)
    first, second = (
        clustered_interval(values, [i // 3 for i in range(30)], rng=np.random.default_rng(5))
        for _ in range(2)
    )
    assert first == second
    assert str(first) == f"14.50 [{first.low:.2f}, {first.high:.2f}]"


def test_nothing_and_one_group_have_no_interval() -> None:
    rng = np.random.default_rng(0)
    assert clustered_interval(np.zeros(0), [], rng=rng) == Estimate(None)
    assert clustered_interval(np.array([1.0, 3.0]), ["a", "a"], rng=rng) == Estimate(2.0)
    assert (str(Estimate(None)), str(Estimate(2.0))) == ("-", "2.00")


def test_smape_is_the_challenges() -> None:
    predicted = np.array([[10.0, 20, 30], [0, 0, 0], [5, 0, 0]])
    annotated = np.array([[20.0, 20, 20], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(smape(predicted, annotated), [100 * 20 / 120, 0, 100])
