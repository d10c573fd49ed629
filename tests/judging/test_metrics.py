"""Matching and radial errors against closed forms, brute force and symmetries."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.judging import metrics
from spondyl.spine.landmarks import Landmarks

from .spines import HEIGHT, STEP, WIDTH, nobody, shifted, spine


def test_a_known_displacement_is_the_mean_radial_error() -> None:
    summary = metrics.summarise(
        [(shifted(spine(6), 3, 4), spine(6))], scales=[0.5], thresholds=[2.4, 2.5]
    )
    assert summary["mre"] == summary["median"] == summary["penalised_mre"] == pytest.approx(2.5)
    assert (summary["sdr@2.4"], summary["sdr@2.5"]) == (0.0, 100.0)
    assert summary["recall"] == summary["precision"] == 100.0


def test_a_missed_vertebra_fails_at_every_threshold_and_is_charged() -> None:
    """Half of them found exactly: the MRE of the found is 0, which says nothing."""
    summary = metrics.summarise(
        [(spine(6).select([0, 2, 4]), spine(6))], scales=[1.0], thresholds=[2, 1e6]
    )
    assert summary["mre"] == 0.0
    assert summary["sdr@1e+06"] == summary["sdr@2"] == summary["recall"] == 50.0
    assert summary["penalised_mre"] == metrics.MISSED_COST / 2


def test_nothing_found_has_no_error_but_the_full_penalty() -> None:
    summary = metrics.summarise([(nobody(), spine(3))], scales=[1.0], thresholds=[24])
    assert np.isnan(summary["mre"])
    assert np.isnan(summary["precision"])
    assert (summary["recall"], summary["sdr@24"]) == (0.0, 0.0)
    assert summary["penalised_mre"] == metrics.MISSED_COST


@pytest.mark.parametrize(("shift", "found"), [(HEIGHT / 2, 1), (HEIGHT / 2 + 0.01, 0)])
def test_a_pair_counts_within_half_the_annotated_height(shift: float, found: int) -> None:
    assert metrics.match(shifted(spine(1), 0, shift), spine(1)).found == found


def test_one_vertebra_more_on_top_leaves_all_perfect_and_shifts_every_ordinal() -> None:
    predicted, annotated = spine(7, top=100 - STEP), spine(6)
    assert list(metrics.match(predicted, annotated).partner) == [1, 2, 3, 4, 5, 6]
    top = metrics.ordinal_partner(7, 6, "top")
    error = metrics.residuals(predicted, annotated, top).radial()
    np.testing.assert_allclose(error, STEP)
    bottom = metrics.ordinal_partner(7, 6, "bottom")
    np.testing.assert_allclose(metrics.residuals(predicted, annotated, bottom).radial(), 0.0)


def test_the_ordinal_protocol_misses_what_the_prediction_lacks() -> None:
    assert list(metrics.ordinal_partner(2, 3, "top")) == [0, 1, -1]
    assert list(metrics.ordinal_partner(2, 3, "bottom")) == [-1, 0, 1]
    assert list(metrics.ordinal_partner(0, 2, "top")) == [-1, -1]


def test_a_half_annotated_sacrum_is_matched_by_the_corners_that_both_have() -> None:
    points = spine(3).points.copy()
    points[2, 2:] = np.nan
    annotated = Landmarks(points)
    matching = metrics.match(spine(3), annotated)
    assert list(matching.partner) == [0, 1, 2]
    errors = metrics.residuals(spine(3), annotated, matching.partner).radial()
    assert np.isnan(errors[2, 2:]).all()
    assert (errors[:2] == 0).all()


def test_heights_fall_back_on_the_film_then_on_its_endplates() -> None:
    points = spine(3).points.copy()
    points[2, 2:] = np.nan
    np.testing.assert_allclose(metrics.reference_heights(Landmarks(points)), HEIGHT)
    np.testing.assert_allclose(metrics.reference_heights(Landmarks(points[2:])), WIDTH)
    points[2, 0] = np.nan
    assert np.isnan(metrics.reference_heights(Landmarks(points[2:]))).all()
    assert metrics.match(spine(3), Landmarks(points[2:])).found == 0


@pytest.mark.parametrize("complete", [False, True])
def test_predictions_beyond_the_annotators_ends_count_only_where_he_went_to_the_edge(
    complete: bool,
) -> None:
    annotated = spine(6).select([1, 2, 3, 4])
    matching = metrics.match(spine(6), annotated, complete_above=complete, complete_below=complete)
    assert matching.found == 4
    assert list(matching.ignored) == [not complete, *[False] * 4, not complete]
    assert matching.false == (2 if complete else 0)


def test_junk_beside_the_spine_or_doubled_on_it_is_false() -> None:
    double = shifted(spine(1, top=100), 3, -8)
    beside = shifted(spine(1, top=60), 150, 0)
    points = np.concatenate([spine(4).points, double.points, beside.points])
    assert metrics.match(Landmarks(points), spine(4)).false == 2


def test_a_body_cut_by_the_border_is_ignored() -> None:
    stray = shifted(spine(1, top=200), -195, 0)
    predicted = Landmarks(np.concatenate([spine(4).points, stray.points]))
    assert metrics.match(predicted, spine(4)).false == 1
    assert metrics.match(predicted, spine(4), size=(512, 512)).false == 0


def test_a_film_without_annotation_accuses_nobody_unless_it_is_complete() -> None:
    assert metrics.match(spine(3), nobody()).false == 0
    every = metrics.match(spine(3), nobody(), complete_above=True, complete_below=True)
    assert every.false == 3


def test_only_matched_boxes_count_in_the_matched_protocol() -> None:
    """IoU of a 60 x 40 box moved by 10 px along x is 50 / 70."""
    predicted = shifted(spine(6), 10, 0).select([0, 1, 2])
    errors = metrics.matched_residuals(predicted, spine(6)).radial()
    np.testing.assert_allclose(errors[:3], 10.0)
    assert np.isnan(errors[3:]).all()


def test_box_overlaps_are_intersection_over_union() -> None:
    boxes = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3], [9, 9, 9, 9], [np.nan] * 4])
    overlap = metrics.box_overlaps(boxes, boxes)
    np.testing.assert_allclose(overlap[0], [1, 1 / 7, 0, 0])
    assert overlap[2, 2] == overlap[3, 3] == 0


def test_the_same_name_is_compared_wherever_it_is() -> None:
    annotated = spine(4)
    called = Landmarks(annotated.points, levels=("T12", "L4", "L5", None))
    errors = metrics.named_residuals(called, annotated).radial()
    np.testing.assert_allclose(errors[:3].mean(axis=1), [np.inf, 0, 0])
    assert np.isinf(errors[3]).all()
    unnamed = metrics.named_residuals(called, spine(4, named=False))
    assert not unnamed.counted.any()


def test_millimetres_take_each_axis_by_its_own_spacing() -> None:
    compared = metrics.residuals(shifted(spine(2), 3, 4), spine(2), np.array([0, 1]))
    np.testing.assert_allclose(compared.radial(np.array([2.0, 0.5])), np.hypot(6, 2))


def brute_force(cost: np.ndarray, allowed: np.ndarray) -> tuple[int, float]:
    """Most pairs, then least cost, by trying every assignment of a square matrix."""
    best = (0, 0.0)
    for order in permutations(range(len(cost))):
        pairs = [(row, column) for column, row in enumerate(order) if allowed[row, column]]
        best = min(best, (-len(pairs), sum(cost[pair] for pair in pairs)))
    return -best[0], best[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_assignment_is_the_best_of_all(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    cost, allowed = rng.uniform(0, 10, (size, size)), rng.random((size, size)) < 0.6
    partner = metrics.assign(cost, allowed)
    pairs = [(row, column) for column, row in enumerate(partner) if row >= 0]
    assert all(allowed[pair] for pair in pairs)
    assert len({row for row, _ in pairs}) == len(pairs)
    number, least = brute_force(cost, allowed)
    assert len(pairs) == number
    assert sum(cost[pair] for pair in pairs) == pytest.approx(least)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-500, 500), st.floats(0.2, 5.0))
def test_shift_changes_nothing_and_scale_only_the_unit(
    seed: int, move: float, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    annotated = spine(5)
    kept = np.flatnonzero(rng.random(5) < 0.8).tolist()
    predicted = annotated.moved(annotated.points + rng.normal(0, 6, (5, 4, 2))).select(kept)
    before = metrics.summarise([(predicted, annotated)], scales=[1.0], thresholds=[4, 8])
    pair = tuple(x.moved((x.points + move) * factor) for x in (predicted, annotated))
    after = metrics.summarise([pair], scales=[1 / factor], thresholds=[4, 8])
    assert after == pytest.approx(before, nan_ok=True)
