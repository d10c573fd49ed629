"""Intervals against an independent bootstrap and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spondyl.judging import statistics as module
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


def grouped(seed: int, *, groups: int = 7) -> tuple[np.ndarray, list[int]]:
    """Values in groups of one to six, listed in no order."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.repeat(np.arange(groups), rng.integers(1, 7, groups)))
    return rng.gamma(2.0, size=len(names)), names.tolist()


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize("seed", range(4))
def test_a_resample_is_its_groups_laid_side_by_side(statistic: Statistic, seed: int) -> None:
    """The same draws, with every value of a group listed as often as the group is drawn."""
    values, groups = grouped(seed)
    ours = clustered_interval(
        values, groups, rng=np.random.default_rng(9), statistic=statistic, resamples=200
    )
    order = list(dict.fromkeys(groups))
    parts = [values[[g == name for g in groups]] for name in order]
    draws = np.random.default_rng(9).multinomial(7, np.full(7, 1 / 7), size=200)
    by_hand = [
        getattr(np, statistic)(
            np.concatenate([np.tile(part, n) for part, n in zip(parts, drawn, strict=True)])
        )
        for drawn in draws
    ]
    assert (ours.low, ours.high) == pytest.approx(tuple(np.percentile(by_hand, [2.5, 97.5])))


def test_medians_do_not_depend_on_how_many_are_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, groups = grouped(1)

    def interval() -> Estimate:
        return clustered_interval(values, groups, rng=np.random.default_rng(0), statistic="median")

    whole = interval()
    monkeypatch.setattr(module, "_CELLS", 3 * len(values))
    assert interval() == whole


def test_groups_are_numbered_as_they_appear() -> None:
    assert module.group_index(["b", "a", "b", ("c", 1)]).tolist() == [0, 1, 0, 2]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-50, 50))
def test_an_interval_moves_and_stretches_with_its_values(
    seed: int, factor: float, move: float
) -> None:
    values, groups = grouped(seed)
    for statistic in ("mean", "median"):
        before, after = (
            clustered_interval(v, groups, rng=np.random.default_rng(2), statistic=statistic)
            for v in (values, factor * values + move)
        )
        for name in ("value", "low", "high"):
            expected = factor * getattr(before, name) + move
            assert getattr(after, name) == pytest.approx(expected, abs=1e-9)


def test_more_coverage_takes_a_wider_interval() -> None:
    values, groups = grouped(3, groups=30)
    widths = []
    for level in (0.5, 0.8, 0.95, 0.99):
        found = clustered_interval(values, groups, rng=np.random.default_rng(1), level=level)
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths)
    assert len(set(widths)) == 4


def test_the_width_is_that_of_the_normal_theory_of_cluster_means() -> None:
    """40 groups of equal size: 2 x 1.96 standard errors of the mean of 40 means."""
    rng = np.random.default_rng(8)
    means = rng.normal(size=40)
    values = (means[:, None] + rng.normal(0, 0.3, (40, 5))).ravel()
    found = clustered_interval(
        values, np.repeat(np.arange(40), 5).tolist(), rng=rng, resamples=4000
    )
    error = values.reshape(40, 5).mean(axis=1).std() / np.sqrt(40)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_intervals_of_medians_cover_the_truth() -> None:
    rng = np.random.default_rng(12)
    covered = 0
    for _ in range(120):
        values = np.repeat(rng.normal(size=41), 5) + rng.normal(0, 0.3, 205)
        groups = np.repeat(np.arange(41), 5).tolist()
        found = clustered_interval(values, groups, rng=rng, statistic="median", resamples=300)
        covered += found.low <= 0 <= found.high
    assert 0.88 <= covered / 120 <= 1.0


def test_equal_values_leave_no_doubt() -> None:
    found = clustered_interval(np.full(9, 2.5), [0, 0, 1, 1, 1, 2, 3, 3, 4],
                               rng=np.random.default_rng(0))  # fmt: skip
    assert (found.value, found.low, found.high) == pytest.approx((2.5, 2.5, 2.5))


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0, 90)), min_size=3, max_size=3))
def test_smape_is_symmetric_and_at_most_a_hundred(pairs: list[tuple[float, float]]) -> None:
    predicted, annotated = np.array(pairs).T[:, None]
    score = smape(predicted, annotated)
    assert score == smape(annotated, predicted)
    assert 0 <= score[0] <= 100 + 1e-9
    assert smape(annotated, annotated)[0] == 0
