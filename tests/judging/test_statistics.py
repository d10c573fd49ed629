"""Intervals against an independent bootstrap and by simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spondyl.judging import statistics as module
from spondyl.judging.statistics import (
    Estimate,
    Statistic,
    clustered_interval,
    holm,
    paired_p_values,
    ratio_interval,
    smape,
)


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
    """1000 data sets of 40 groups of 10 alike values; the truth is 0."""
    rng = np.random.default_rng(3)
    groups, alone = np.repeat(np.arange(40), 10).tolist(), list(range(400))
    covered, naive = np.zeros(1000), np.zeros(100)
    for i in range(1000):
        values = np.repeat(rng.normal(size=40), 10) + rng.normal(0, 0.5, 400)
        interval = clustered_interval(values, groups, rng=rng, resamples=400)
        covered[i] = interval.low <= 0 <= interval.high
        if i < len(naive):
            interval = clustered_interval(values, alone, rng=rng, resamples=400)
            naive[i] = interval.low <= 0 <= interval.high
    assert 0.91 <= covered.mean() <= 0.98
    assert naive.mean() < 0.6


@pytest.mark.parametrize(("groups", "share"), [(3, 0.74), (6, 0.86), (10, 0.90)])
def test_few_groups_cover_the_truth_as_seldom_as_the_docs_say(groups: int, share: float) -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(groups), 5).tolist()
    covered = np.zeros(1500)
    for i in range(len(covered)):
        values = np.repeat(rng.normal(size=groups), 5)
        interval = clustered_interval(values, names, rng=rng, resamples=400)
        covered[i] = interval.low <= 0 <= interval.high
    assert covered.mean() == pytest.approx(share, abs=0.03)


def test_paired_differences_of_unequal_groups_cover_the_truth_with_shorter_intervals() -> None:
    """Two models share what is hard about a patient; the second is 0.3 px worse."""
    rng = np.random.default_rng(4)
    covered, widths = 0, np.zeros((1000, 2))
    for i in range(1000):
        sizes = rng.integers(4, 41, 40).astype(float)
        hard = rng.gamma(4.0, 0.5, 40)
        first, second = (
            sizes * (hard + extra + rng.normal(0, 0.4, 40)) + rng.normal(0, np.sqrt(sizes))
            for extra in (0.0, 0.3)
        )
        paired = ratio_interval(second - first, sizes, rng=rng, resamples=400)
        covered += paired.low <= 0.3 <= paired.high
        alone = ratio_interval(second, sizes, rng=rng, resamples=400)
        widths[i] = paired.high - paired.low, alone.high - alone.low
    assert 0.91 <= covered / 1000 <= 0.98
    assert (widths[:, 0] < widths[:, 1]).mean() > 0.95


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


def test_one_value_a_group_gives_scipys_interval() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=50)
    ours = ratio_interval(values, np.ones(50), rng=np.random.default_rng(1), resamples=4000)
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = reference.high - reference.low
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.06 * width)


def test_a_pooled_difference_has_scipys_interval_of_a_ratio() -> None:
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 30, 40).astype(float)
    totals = sizes * rng.normal(0.5, 1, 40)

    def ratio(top: np.ndarray, bottom: np.ndarray, axis: int) -> np.ndarray:
        return top.sum(axis=axis) / bottom.sum(axis=axis)

    ours = ratio_interval(totals, sizes, rng=rng, resamples=4000)
    reference = stats.bootstrap(
        (totals, sizes), ratio, paired=True, n_resamples=4000, method="percentile", rng=rng
    ).confidence_interval
    width = reference.high - reference.low
    assert (ours.low, ours.high) == pytest.approx((reference.low, reference.high), abs=0.06 * width)


@pytest.mark.parametrize("seed", range(3))
def test_group_sums_give_the_interval_of_the_values_themselves(seed: int) -> None:
    values, groups = grouped(seed)
    index = module.group_index(groups)
    totals, sizes = np.bincount(index, weights=values), np.bincount(index).astype(float)
    first = clustered_interval(values, groups, rng=np.random.default_rng(8))
    second = ratio_interval(totals, sizes, rng=np.random.default_rng(8))
    shown = [(each.value, each.low, each.high) for each in (first, second)]
    assert shown[0] == pytest.approx(shown[1])


def test_a_group_in_which_nothing_is_judged_is_not_drawn() -> None:
    totals, sizes = np.array([3.0, 0, 5, 1]), np.array([2.0, 0, 4, 1])
    first = ratio_interval(totals, sizes, rng=np.random.default_rng(0))
    assert first == ratio_interval(
        totals[sizes > 0], sizes[sizes > 0], rng=np.random.default_rng(0)
    )
    assert first.value == pytest.approx(9 / 7)
    rng = np.random.default_rng(0)
    assert ratio_interval(np.zeros(2), np.zeros(2), rng=rng) == Estimate(None)
    assert ratio_interval(np.array([3.0, 0]), np.array([2.0, 0]), rng=rng) == Estimate(1.5)


@pytest.mark.parametrize("seed", range(5))
def test_six_groups_have_the_p_of_all_64_exchanges(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.5, 1, (6, 3))
    ways = np.array([np.array(signs) @ differences for signs in product((1, -1), repeat=6)])
    by_hand = (np.abs(ways) >= np.abs(differences.sum(axis=0)) - 1e-9).mean(axis=0)
    found = paired_p_values(differences, rng=np.random.default_rng(0))
    np.testing.assert_allclose(found, by_hand)


def test_signed_ranks_have_the_p_of_wilcoxon() -> None:
    """Wilcoxon's test is this one on signed ranks: exactly with few groups, nearly with many."""
    rng = np.random.default_rng(6)
    for groups, method, tolerance in ((12, "exact", 1e-12), (200, "approx", 0.01)):
        differences = rng.normal(0.1, 1, (groups, 4))
        ranks = np.sign(differences) * stats.rankdata(np.abs(differences), axis=0)
        reference = stats.wilcoxon(differences, method=method).pvalue
        found = paired_p_values(ranks, rng=rng, resamples=9999)
        np.testing.assert_allclose(found, reference, atol=tolerance)


def test_many_normal_groups_have_the_p_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(7)
    first = rng.normal(size=(300, 6))
    second = first + rng.normal([0.0, 0.05, 0.1, 0.15, -0.1, 0.5], 1.0, (300, 6))
    found = paired_p_values(second - first, rng=rng, resamples=9999)
    np.testing.assert_allclose(found, stats.ttest_rel(second, first).pvalue, atol=0.015)
    assert found[-1] == 2 / 10_000  # no smaller than the resamples can tell


def test_p_values_are_uniform_where_the_models_are_alike() -> None:
    """500 comparisons of models that differ by chance alone, on groups of unequal size."""
    rng = np.random.default_rng(8)
    differences = rng.laplace(size=(30, 500)) * rng.integers(1, 20, (30, 1))
    found = paired_p_values(differences, rng=rng, resamples=4999)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert 0.03 <= (found <= 0.05).mean() <= 0.07


def test_sums_that_differ_by_rounding_alone_are_ties() -> None:
    """0.1 + 0.2 - 0.3 is not 0 in binary; exchanged, it is as far from 0."""
    rng = np.random.default_rng(0)
    assert paired_p_values(np.array([[0.1], [0.2], [-0.3]]), rng=rng).tolist() == [1.0]
    assert paired_p_values(np.zeros((20, 2)), rng=rng, resamples=999).tolist() == [1.0, 1.0]


def test_a_column_has_the_same_p_alone_and_among_others() -> None:
    differences = np.random.default_rng(1).normal(0.2, 1, (40, 5))
    together = paired_p_values(differences, rng=np.random.default_rng(2), resamples=999)
    alone = [
        paired_p_values(differences[:, i : i + 1], rng=np.random.default_rng(2), resamples=999)[0]
        for i in range(5)
    ]
    assert together.tolist() == alone
    mirrored = paired_p_values(-differences, rng=np.random.default_rng(2), resamples=999)
    np.testing.assert_allclose(mirrored, together)


def test_holm_has_the_textbooks_answer() -> None:
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    assert holm(np.zeros(0)).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_as_his_procedure_does(values: list[float], alpha: float) -> None:
    """Step by step from the smallest, until one is too large."""
    rejected = np.zeros(len(values), dtype=bool)
    for step, i in enumerate(np.argsort(values, kind="stable")):
        if values[i] * (len(values) - step) > alpha:
            break
        rejected[i] = True
    corrected = holm(np.array(values))
    assert ((corrected <= alpha) == rejected).all()
    assert (corrected >= values).all()
    assert (corrected <= 1).all()
