"""Each class of error, constructed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.judging import taxonomy
from spondyl.judging.metrics import match, ordinal_partner
from spondyl.spine.landmarks import Landmarks

from . import plain
from .spines import HEIGHT, STEP, WIDTH, nobody, shifted, spine


def kind_of(dx: float, dy: float, *, vertebra: int = 1, corner: int = 0) -> str:
    """The class of one corner of four vertebrae that is predicted elsewhere."""
    points = spine(4).points.copy()
    points[vertebra, corner] += [dx, dy]
    kinds = taxonomy.classify(Landmarks(points), spine(4), np.arange(4))
    others = np.delete(kinds.ravel(), 4 * vertebra + corner)
    assert (others == taxonomy.FINE).all()
    return taxonomy.CLASSES[kinds[vertebra, corner]]


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (0, 0, "fine"),
        (-HEIGHT / 4 + 0.1, 0, "fine"),
        (-HEIGHT / 4 - 0.1, 0, "coarse"),
        (-HEIGHT / 2 + 0.1, 0, "coarse"),
        (-HEIGHT / 2 - 0.1, 0, "far"),
        (3, STEP + 3, "level shift"),
        (-3, 2 * STEP, "level shift"),
        (WIDTH + 3, -3, "corner swap"),
        (0, HEIGHT, "corner swap"),
        (WIDTH, STEP, "both"),
        (WIDTH / 2, STEP / 2, "far"),
    ],
)
def test_a_corner_is_of_the_class_of_where_it_lands(dx: float, dy: float, expected: str) -> None:
    assert kind_of(dx, dy) == expected


def test_across_the_disc_is_the_wrong_corner_of_the_wrong_vertebra() -> None:
    """An inferior corner (2) on the next superior one, a disc of 10 px below, is nearest there."""
    assert kind_of(0, STEP - HEIGHT + 3, corner=2) == "both"


def test_fine_goes_before_a_nearer_neighbour_across_a_narrow_disc() -> None:
    points = spine(2).points.copy()
    points[1] -= [0, 4]  # a disc of 6 px, less than a quarter of the height
    predicted = points.copy()
    predicted[0, 2] += [0, 5]
    kinds = taxonomy.classify(Landmarks(predicted), Landmarks(points), np.arange(2))
    assert kinds[0, 2] == taxonomy.FINE


def test_counting_from_the_top_turns_one_more_vertebra_into_level_shifts() -> None:
    predicted, annotated = spine(7, top=100 - STEP), spine(6)
    kinds = taxonomy.classify(predicted, annotated, ordinal_partner(7, 6, "top"))
    assert taxonomy.counts(kinds) == dict.fromkeys(taxonomy.CLASSES, 0) | {
        "level shift": 20,
        "far": 4,  # the one on top lies on a vertebra that nobody annotated
    }
    fair = taxonomy.matched_or_nearest(predicted, annotated, match(predicted, annotated))
    assert taxonomy.counts(taxonomy.classify(predicted, annotated, fair))["fine"] == 24


def test_what_is_not_annotated_is_not_counted_and_what_is_not_predicted_is_missed() -> None:
    points = spine(3).points.copy()
    points[2, 2:] = np.nan
    kinds = taxonomy.classify(nobody(), Landmarks(points), np.full(3, -1))
    assert taxonomy.counts(kinds)["missed"] == 10
    assert (kinds[2, 2:] == -1).all()
    none = taxonomy.classify(spine(2), nobody(), np.zeros(0, dtype=np.int64))
    assert sum(taxonomy.counts(none).values()) == 0


def test_a_missed_vertebra_is_compared_with_a_prediction_left_over_nearby_and_no_other() -> None:
    annotated = spine(4)
    points = annotated.points.copy()
    points[3] += [0, 0.7 * HEIGHT]
    near = Landmarks(points)
    assert list(taxonomy.matched_or_nearest(near, annotated, match(near, annotated))) == [
        0,
        1,
        2,
        3,
    ]
    far = annotated.select([0, 1, 2])
    assert list(taxonomy.matched_or_nearest(far, annotated, match(far, annotated))) == [0, 1, 2, -1]
    away = shifted(annotated, 400, 0)
    assert (taxonomy.matched_or_nearest(away, annotated, match(away, annotated)) == -1).all()


def shaken(seed: int, *, spread: float = 14.0) -> tuple[Landmarks, Landmarks, np.ndarray]:
    """Five vertebrae, a prediction of each that is more or less off, and who stands for whom."""
    rng = np.random.default_rng(seed)
    annotated = spine(5)
    points = annotated.points + rng.normal(0, spread, (5, 4, 2))
    swapped = rng.random(5) < 0.3
    points[swapped] = points[swapped][:, [1, 0, 3, 2]]
    points[rng.random((5, 4)) < 0.1] = np.nan
    points[:, 0] = np.where(np.isnan(points[:, 0]), annotated.points[:, 0], points[:, 0])
    partner = rng.integers(-1, 5, 5)
    return Landmarks(points), annotated, partner


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_every_corner_is_classed_as_the_words_say(seed: int) -> None:
    predicted, annotated, partner = shaken(seed)
    kinds = taxonomy.classify(predicted, annotated, partner)
    found, known = plain.bodies(predicted), plain.bodies(annotated)
    for own, chosen in enumerate(partner):
        body = None if chosen < 0 else found[chosen]
        expected = [plain.kind(body, corner, known, own) for corner in range(4)]
        assert [taxonomy.CLASSES[kind] for kind in kinds[own]] == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.2, 5), st.floats(-180, 180))
def test_the_classes_do_not_depend_on_the_frame(seed: int, scale: float, degrees: float) -> None:
    predicted, annotated, partner = shaken(seed)
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = [x.moved(x.points @ turn.T + 77) for x in (predicted, annotated)]
    kinds = taxonomy.classify(predicted, annotated, partner)
    np.testing.assert_array_equal(taxonomy.classify(*moved, partner), kinds)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_mirrored_film_has_the_same_errors_on_the_other_side(seed: int) -> None:
    predicted, annotated, partner = shaken(seed)
    kinds = taxonomy.classify(predicted, annotated, partner)
    mirrored = taxonomy.classify(predicted.mirrored(512), annotated.mirrored(512), partner)
    np.testing.assert_array_equal(mirrored[:, [1, 0, 3, 2]], kinds)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_classes_add_up_to_the_annotated_corners(seed: int) -> None:
    predicted, annotated, partner = shaken(seed)
    points = annotated.points.copy()
    points[4, 2:] = np.nan
    counts = taxonomy.counts(taxonomy.classify(predicted, Landmarks(points), partner))
    assert tuple(counts) == taxonomy.CLASSES
    assert sum(counts.values()) == 18


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([1, 0, 3, 2], "corner swap"),  # left and right
        ([2, 3, 0, 1], "corner swap"),  # superior and inferior: within a body, not across a disc
        ([0, 1, 2, 3], "fine"),
    ],
)
def test_a_network_that_confuses_corners_confuses_them_in_both_protocols(
    order: list[int], expected: str
) -> None:
    annotated = spine(6)
    predicted = Landmarks(annotated.points[:, order])
    nearest = taxonomy.matched_or_nearest(predicted, annotated, match(predicted, annotated))
    for partner in (nearest, ordinal_partner(6, 6, "top")):
        counts = taxonomy.counts(taxonomy.classify(predicted, annotated, partner))
        assert counts[expected] == 24


def test_one_level_up_with_the_sides_exchanged_is_both() -> None:
    annotated, predicted = spine(6), spine(7, top=100 - STEP)
    crossed = Landmarks(predicted.points[:, [1, 0, 3, 2]])
    kinds = taxonomy.classify(crossed, annotated, ordinal_partner(7, 6, "top"))
    assert taxonomy.counts(kinds)["both"] == 20


def test_two_missed_vertebrae_may_share_what_is_left_over() -> None:
    """It lies between them, farther than half a height and nearer than a whole one from each."""
    annotated = spine(2)
    between = shifted(spine(1), 0, STEP / 2)
    pairs = match(between, annotated)
    assert list(pairs.partner) == [-1, -1]
    assert list(taxonomy.matched_or_nearest(between, annotated, pairs)) == [0, 0]


def test_what_stands_for_one_vertebra_is_not_lent_to_another() -> None:
    annotated = spine(2)
    taken = shifted(spine(1), 0, 15)
    pairs = match(taken, annotated)
    assert list(pairs.partner) == [0, -1]
    assert list(taxonomy.matched_or_nearest(taken, annotated, pairs)) == [0, -1]
