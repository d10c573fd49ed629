"""Each class of error, constructed."""

from __future__ import annotations

import numpy as np
import pytest

from spondyl.judging import taxonomy
from spondyl.judging.metrics import match, ordinal_partner
from spondyl.spine.landmarks import Landmarks

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
