import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spondyl.anatomy import IL, IR, SL, SR
from spondyl.spine.landmarks import Landmarks, corner_mean

BOX = np.array([[100.0, 100.0], [160.0, 100.0], [100.0, 140.0], [160.0, 140.0]])
POINTS = np.stack([BOX, BOX + [5, 52], BOX + [10, 104]])

finite = st.floats(-1e6, 1e6, allow_nan=False)
share = st.floats(0, 1) | st.just(float("nan"))


@st.composite
def spines(draw):
    """Up to five vertebrae with corners, numbers and names missing at random."""
    count = draw(st.integers(0, 5))
    points = draw(arrays(np.float64, (count, 4, 2), elements=finite))
    unseen = draw(arrays(np.bool_, (count, 4)))
    unseen[:, draw(st.integers(0, 3))] = False
    points[unseen] = np.nan
    return Landmarks(
        points,
        draw(arrays(np.float64, (count, 4), elements=share)),
        draw(st.none() | st.just(("T12", None, "L1", "L2", "L6")[:count])),
        draw(arrays(np.float64, count, elements=share)),
        draw(st.sampled_from([None, "left", "right"])),
    )


def assert_same(a, b):
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.confidence, b.confidence)
    np.testing.assert_array_equal(a.level_probability, b.level_probability)
    assert (a.levels, a.facing) == (b.levels, b.facing)


@settings(max_examples=100, deadline=None)
@given(spines())
def test_json_brings_every_number_back_exactly(landmarks):
    text = json.dumps(landmarks.to_json(), allow_nan=False)
    assert_same(Landmarks.from_json(json.loads(text)), landmarks)


@settings(max_examples=50, deadline=None)
@given(spines())
def test_mirroring_twice_changes_nothing_but_rounding(landmarks):
    twice = landmarks.mirrored(512).mirrored(512)
    np.testing.assert_allclose(twice.points, landmarks.points, atol=1e-9)
    np.testing.assert_array_equal(twice.confidence, landmarks.confidence)
    assert (twice.levels, twice.facing) == (landmarks.levels, landmarks.facing)


def test_the_first_column_becomes_the_last_and_left_becomes_right():
    landmarks = Landmarks(POINTS, np.tile([0.1, 0.2, 0.3, 0.4], (3, 1)), facing="left")
    mirrored = landmarks.mirrored(200)
    np.testing.assert_array_equal(mirrored.points[0, SL], [199 - 160, 100])
    np.testing.assert_array_equal(mirrored.points[0, IR], [199 - 100, 140])
    assert mirrored.confidence[0].tolist() == [0.2, 0.1, 0.4, 0.3]
    assert mirrored.facing == "right"
    anterior = landmarks[0].superior.anterior, mirrored[0].superior.anterior
    np.testing.assert_array_equal(anterior[0] * [-1, 1] + [199, 0], anterior[1])


def test_facing_says_which_end_of_an_endplate_is_anterior():
    left, right = (Landmarks(POINTS, facing=side)[0] for side in ("left", "right"))
    np.testing.assert_array_equal(left.superior.anterior, POINTS[0, SL])
    np.testing.assert_array_equal(left.inferior.posterior, POINTS[0, IR])
    np.testing.assert_array_equal(right.superior.anterior, POINTS[0, SR])
    np.testing.assert_array_equal(right.inferior.posterior, POINTS[0, IL])
    unknown = Landmarks(POINTS)[0].superior
    assert np.isnan(unknown.anterior).all()
    assert np.isnan(unknown.posterior).all()
    np.testing.assert_array_equal(unknown.centre, [130, 100])


def test_centres_and_heights_use_what_was_seen():
    points = POINTS.copy()
    points[1, [IL]] = np.nan
    points[2, [IL, IR]] = np.nan
    landmarks = Landmarks(points)
    np.testing.assert_array_equal(landmarks.heights, [40, 40, np.nan])
    np.testing.assert_array_equal(landmarks.centres[[0, 2]], [[130, 120], [140, 204]])
    assert np.isnan(corner_mean(np.full((1, 4, 2), np.nan))).all()


def test_what_is_not_stated_is_nan_or_none():
    landmarks = Landmarks(POINTS)
    assert np.isnan(landmarks.confidence).all()
    assert np.isnan(landmarks.level_probability).all()
    assert landmarks.names == (None, None, None)
    assert landmarks.facing is None


def test_a_choice_keeps_numbers_and_names_together():
    landmarks = Landmarks(
        POINTS, np.arange(12.0).reshape(3, 4) / 12, ("L4", None, "S1"), np.array([0.1, 0.2, 0.3])
    )
    chosen = landmarks.select([2, 0])
    assert chosen.levels == ("S1", "L4")
    assert chosen.level_probability.tolist() == [0.3, 0.1]
    np.testing.assert_array_equal(chosen.points, POINTS[[2, 0]])
    np.testing.assert_array_equal(chosen.confidence, landmarks.confidence[[2, 0]])
    assert Landmarks(POINTS).select([1]).levels is None


def test_the_callers_array_is_copied():
    points = POINTS.copy()
    landmarks = Landmarks(points)
    points += 1
    np.testing.assert_array_equal(landmarks.points, POINTS)


def with_value(value, *place):
    points = POINTS.copy()
    points[place] = value
    return points


@pytest.mark.parametrize(
    ("points", "others", "message"),
    [
        (with_value(np.inf, 0, 0, 0), {}, "a corner is infinite"),
        (with_value(np.nan, 0, 0, 0), {}, "x without y or y without x"),
        (with_value(np.nan, 1), {}, "a vertebra has no corner"),
        (POINTS, {"confidence": np.zeros((2, 4))}, "does not fit 3 vertebrae"),
        (POINTS, {"level_probability": np.zeros(2)}, "does not fit 3 vertebrae"),
        (POINTS, {"levels": ("L1", "L2")}, "2 levels for 3 vertebrae"),
        (POINTS, {"levels": ("L1", "L2", "L9")}, "unknown level 'L9'"),
        (POINTS, {"levels": ("L1", "L2", "L1")}, "a level is named twice: L1, L2, L1"),
    ],
)
def test_impossible_landmarks_are_refused(points, others, message):
    with pytest.raises(ValueError, match=message):
        Landmarks(points, **others)


@pytest.mark.parametrize(
    "change",
    [
        {"points": None},
        {"points": [[1]]},
        {"confidence": "x"},
        {"levels": 3},
        {"points": [[[1] * 2]]},
    ],
)
def test_damaged_json_is_a_value_error(change):
    with pytest.raises(ValueError, match=r"."):
        Landmarks.from_json(Landmarks(POINTS).to_json() | change)


@pytest.mark.parametrize(
    "covariance",
    [
        [[-1.0, 0.0], [0.0, 1.0]],
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, -1.1], [-1.1, 1.0]],
        [[np.inf, 0.0], [0.0, 1.0]],
        [[0.0, 1.0], [1.0, 0.0]],
    ],
)
def test_a_covariance_of_no_distribution_is_refused(covariance):
    every = np.full((3, 4, 2, 2), np.nan)
    every[1, 2] = covariance
    with pytest.raises(ValueError, match="covariance is impossible"):
        Landmarks(POINTS, covariance=every)


@pytest.mark.parametrize("covariance", [np.zeros((2, 2)), np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_a_corner_that_cannot_move_or_moves_on_a_line_has_a_covariance(covariance):
    every = np.broadcast_to(covariance, (3, 4, 2, 2))
    np.testing.assert_array_equal(Landmarks(POINTS, covariance=every).covariance, every)


def test_a_doubt_that_is_no_number_is_refused():
    told = Landmarks(POINTS, doubt=0.5, refusal="unlike the films known").to_json()
    assert Landmarks.from_json(told).doubt == 0.5
    with pytest.raises(ValueError, match="high"):
        Landmarks.from_json({**told, "doubt": "high"})
    assert Landmarks.from_json({**told, "refusal": 5}).refusal == "5"
