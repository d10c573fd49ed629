"""Matching and radial errors against closed forms, brute force and symmetries."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.judging import metrics
from spondyl.spine.landmarks import Landmarks, reference_heights

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
    np.testing.assert_allclose(reference_heights(Landmarks(points)), HEIGHT)
    np.testing.assert_allclose(reference_heights(Landmarks(points[2:])), WIDTH)
    points[2, 0] = np.nan
    assert np.isnan(reference_heights(Landmarks(points[2:]))).all()
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


@pytest.mark.parametrize(("move", "matched"), [(20.0, True), (20.01, False)])
def test_boxes_match_at_an_overlap_of_exactly_a_half(move: float, matched: bool) -> None:
    """60 px wide boxes moved by 20 px share 40 of 80 px."""
    errors = metrics.matched_residuals(shifted(spine(1), move, 0), spine(1)).radial()
    if matched:
        np.testing.assert_allclose(errors, move)
    else:
        assert np.isnan(errors).all()


def test_a_box_takes_three_corners_and_misses_none_of_them() -> None:
    points = spine(2).points.copy()
    points[0, 0] = points[1, 2:] = np.nan
    predicted = Landmarks(points)
    judged = metrics.matched_residuals(predicted, spine(2))
    np.testing.assert_array_equal(judged.counted, [[True] * 4, [False] * 4])
    np.testing.assert_allclose(judged.radial()[0], [np.inf, 0, 0, 0])


def test_no_two_annotated_boxes_share_a_prediction() -> None:
    """Two bodies annotated nearly alike: the prediction goes to the one that it overlaps most."""
    points = np.concatenate([spine(1).points, shifted(spine(1), 0, 6).points])
    judged = metrics.matched_residuals(shifted(spine(1), 0, 5), Landmarks(points))
    np.testing.assert_array_equal(judged.counted.any(axis=1), [False, True])
    np.testing.assert_allclose(judged.radial()[1], 1.0)


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize(
    ("out", "aside", "ignored"),
    [
        (21, 0, True),  # just past the outer endplate, half a height from the centre
        (19, 0, False),  # on the vertebra: said twice
        (30, 69, True),  # as far aside as out, and a height more
        (30, 71, False),
        (300, 339, True),
        (300, -339, True),
        (300, 341, False),
    ],
)
def test_the_unlabelled_part_of_the_spine_widens_beyond_the_annotators_ends(
    above: bool, out: float, aside: float, ignored: bool
) -> None:
    annotated = spine(3, top=1000)
    end = annotated.select([0 if above else 2])
    stray = shifted(end, aside, -out if above else out)
    predicted = Landmarks(np.concatenate([annotated.points, stray.points]))
    assert list(metrics.match(predicted, annotated).ignored) == [False] * 3 + [ignored]


def test_each_end_is_complete_or_not_by_itself() -> None:
    annotated = spine(6).select([1, 2, 3, 4])
    for above, below in ((True, False), (False, True)):
        matching = metrics.match(spine(6), annotated, complete_above=above, complete_below=below)
        assert list(matching.ignored) == [not above, *[False] * 4, not below]


@pytest.mark.parametrize(("x", "ignored"), [(5.11, True), (5.13, False)])
def test_the_border_reaches_one_percent_of_the_long_side_into_the_film(
    x: float, ignored: bool
) -> None:
    """512 px: 5.12 px from the centre of the first pixel, and as much on the other side."""
    for left in (x, 511 - x - WIDTH):
        stray = shifted(spine(1, top=200), left - 200, 0)
        beside = metrics.match(stray, spine(4), size=(512, 512))
        assert beside.ignored[0] == ignored


def test_a_corner_not_seen_is_not_beyond_the_border() -> None:
    points = shifted(spine(1, top=200), -190, 0).points.copy()
    points[0, 0] = np.nan
    assert not metrics.match(Landmarks(points), spine(4), size=(512, 512)).ignored.any()


def test_what_stands_for_a_vertebra_is_never_ignored_though_the_border_cuts_it() -> None:
    cut = spine(4, top=2)
    matching = metrics.match(cut, cut, size=(512, 512))
    assert matching.found == 4
    assert not matching.ignored.any()


def test_the_nearer_of_two_predictions_is_the_vertebra_and_the_other_false() -> None:
    points = np.concatenate([shifted(spine(1), 0, 7).points, shifted(spine(1), 5, 3).points])
    matching = metrics.match(Landmarks(points), spine(1), complete_above=True, complete_below=True)
    assert list(matching.partner) == [1]
    assert matching.false == 1


def test_as_many_pairs_as_possible_go_before_the_shortest_distance() -> None:
    """The greedy choice (5 px) would leave the first vertebra without a prediction."""
    annotated = Landmarks(np.concatenate([spine(1).points, shifted(spine(1), 0, 24).points]))
    predicted = Landmarks(np.concatenate([shifted(spine(1), 0, y).points for y in (19, 43)]))
    assert list(metrics.match(predicted, annotated).partner) == [0, 1]


def test_distances_are_added_and_not_their_squares() -> None:
    """0 + 16 px against 9 + 9 px: the exact one is kept, though a square would punish the other."""
    annotated = Landmarks(np.concatenate([spine(1).points, shifted(spine(1), 0, 9).points]))
    y = -94 / 18  # 9 px from the first, 16 px from the second
    off = shifted(spine(1), np.sqrt(81 - y * y), y)
    predicted = Landmarks(np.concatenate([spine(1).points, off.points]))
    assert list(metrics.match(predicted, annotated).partner) == [0, 1]


def test_heights_are_means_of_the_walls_that_were_seen() -> None:
    points = spine(2).points.copy()
    points[0, 2, 1] -= 10  # the left wall is 30 px, the right one 40
    points[1, 0] = np.nan
    points[1, 3, 1] += 8
    np.testing.assert_allclose(reference_heights(Landmarks(points)), [35, 48])


def test_centres_are_compared_over_the_corners_that_both_have() -> None:
    mine, yours = spine(1).points.copy(), shifted(spine(1), 3, 4).points.copy()
    mine[0, 1], yours[0, 2] = np.nan, np.nan
    np.testing.assert_allclose(metrics.centre_distances(mine, yours), [[5.0]])
    mine[0, [0, 1]], yours[0, [2, 3]] = np.nan, np.nan
    assert metrics.centre_distances(mine, yours) == [[np.inf]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_the_assignment_of_unequal_sides_is_the_best_of_all(
    seed: int, rows: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    size = max(rows, columns)
    cost, allowed = np.zeros((size, size)), np.zeros((size, size), dtype=bool)
    cost[:rows, :columns] = rng.uniform(0, 10, (rows, columns))
    allowed[:rows, :columns] = rng.random((rows, columns)) < 0.7
    partner = metrics.assign(cost[:rows, :columns], allowed[:rows, :columns])
    assert len(partner) == columns
    pairs = [(row, column) for column, row in enumerate(partner) if row >= 0]
    number, least = brute_force(cost, allowed)
    assert len(pairs) == number
    assert sum(cost[pair] for pair in pairs) == pytest.approx(least)


def scattered(seed: int) -> tuple[Landmarks, Landmarks]:
    """Five vertebrae, and predictions of them that are shaken, left out, doubled and invented."""
    rng = np.random.default_rng(seed)
    annotated = spine(5, top=300)
    copies = annotated.points[rng.integers(0, 5, 6)] + rng.normal(0, 9, (6, 1, 2))
    return Landmarks(copies + rng.normal(0, 2, (6, 4, 2))), annotated


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_in_which_predictions_are_listed_plays_no_part(seed: int) -> None:
    predicted, annotated = scattered(seed)
    order = np.random.default_rng(seed).permutation(len(predicted))
    before = metrics.match(predicted, annotated)
    after = metrics.match(predicted.select(order.tolist()), annotated)
    back = [order[row] if row >= 0 else -1 for row in after.partner]
    assert back == list(before.partner)
    np.testing.assert_array_equal(after.ignored, before.ignored[order])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_mirrored_films_are_matched_alike(seed: int, above: bool, below: bool) -> None:
    predicted, annotated = scattered(seed)
    size, ends = (900, 460), {"complete_above": above, "complete_below": below}
    before = metrics.match(predicted, annotated, size=size, **ends)
    after = metrics.match(predicted.mirrored(460), annotated.mirrored(460), size=size, **ends)
    assert list(after.partner) == list(before.partner)
    np.testing.assert_array_equal(after.ignored, before.ignored)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-180, 180))
def test_turned_films_are_matched_alike(seed: int, degrees: float) -> None:
    predicted, annotated = scattered(seed)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = [x.moved(x.points @ turn.T) for x in (predicted, annotated)]
    before, after = metrics.match(predicted, annotated), metrics.match(*turned)
    assert list(after.partner) == list(before.partner)
    np.testing.assert_array_equal(after.ignored, before.ignored)
    for judged, again in zip(
        metrics.residuals(predicted, annotated, before.partner).radial().ravel(),
        metrics.residuals(*turned, after.partner).radial().ravel(),
        strict=True,
    ):
        assert again == pytest.approx(judged, abs=1e-6)


def test_counts_add_up_whatever_is_predicted() -> None:
    for seed in range(40):
        predicted, annotated = scattered(seed)
        matching = metrics.match(predicted, annotated)
        assert matching.found + matching.missed == len(annotated)
        ignored = int(matching.ignored.sum())
        assert matching.found + matching.false + ignored == len(predicted)
        used = matching.partner[matching.partner >= 0]
        assert len(set(used.tolist())) == len(used)


def test_the_summary_is_pooled_over_corners_not_averaged_over_films() -> None:
    """Six vertebrae 1 px off and two of four 9 px off: 24 and 8 corners found, 8 missed."""
    pairs = [
        (shifted(spine(6), 1, 0), spine(6)),
        (shifted(spine(4), 0, 9).select([0, 1]), spine(4)),
    ]
    summary = metrics.summarise(pairs, scales=[1.0, 0.5], thresholds=[1, 4.5])
    assert summary["mre"] == pytest.approx((24 * 1 + 8 * 4.5) / 32)
    assert summary["median"] == pytest.approx(1.0)
    assert summary["penalised_mre"] == pytest.approx((24 * 1 + 8 * 4.5 + 8 * 48) / 40)
    assert summary["sdr@1"] == pytest.approx(100 * 24 / 40)
    assert summary["sdr@4.5"] == pytest.approx(100 * 32 / 40)
    assert summary["recall"] == pytest.approx(100 * 8 / 10)


def test_no_film_at_all_has_no_figure() -> None:
    assert all(np.isnan(v) for v in metrics.summarise([], scales=[], thresholds=[4]).values())
