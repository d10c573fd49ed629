from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.drawing import LEVELS, QUADS, SIZE

from spondyl.data.differences import TOLERANCE, differences
from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks

LANDMARKS = Landmarks(QUADS, np.full((3, 4), 0.5), LEVELS, np.full(3, 0.9), "left")
SAMPLE = Sample("a", Path("a.png"), **SIZE, landmarks=LANDMARKS, group="g", origin="o")


def test_a_sample_does_not_differ_from_itself_nor_by_rounding():
    assert not differences(SAMPLE, SAMPLE)
    rounded = LANDMARKS.moved(QUADS + TOLERANCE / 2)
    assert not differences(SAMPLE, replace(SAMPLE, landmarks=rounded))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("key", {"key": "b"}),
        ("group", {"group": "b"}),
        ("origin", {"origin": "b"}),
        ("complete_above", {"complete_above": True}),
        ("spacing", {"spacing": PixelSpacing(1, 1)}),
        ("aspect", {"aspect": None}),
        ("view", {"view": "ap"}),
        ("flag", {"flags": frozenset({"L6"})}),
        ("facing", {"landmarks": replace(LANDMARKS, facing=None)}),
        ("level", {"landmarks": replace(LANDMARKS, levels=("L4", "L5", None))}),
        ("vertebra", {"landmarks": LANDMARKS.select([0, 2])}),
    ],
)
def test_each_fact_counts_as_itself(kind, changes):
    changed = replace(SAMPLE, **changes)
    assert differences(SAMPLE, changed) == {kind: 1}
    back = "vertebra added" if kind == "vertebra" else kind
    assert differences(changed, SAMPLE) == {back: 1}


def test_corners_and_confidences_count_one_by_one():
    points, confidence = QUADS.copy(), np.full((3, 4), 0.5)
    points[2, 2:] = confidence[0] = np.nan
    changed = replace(SAMPLE, landmarks=Landmarks(points, confidence, LEVELS, facing="left"))
    assert differences(SAMPLE, changed) == {"corner": 2, "confidence": 4, "level_probability": 3}
    assert differences(changed, SAMPLE)["corner added"] == 2


def test_a_corner_that_moved_makes_another_vertebra():
    points = QUADS.copy()
    points[1, 0, 0] += 2 * TOLERANCE
    changed = replace(SAMPLE, landmarks=LANDMARKS.moved(points))
    assert differences(SAMPLE, changed) == {"vertebra": 1, "vertebra added": 1}


def test_another_order_is_told():
    changed = replace(SAMPLE, landmarks=LANDMARKS.select([1, 0, 2]))
    assert differences(SAMPLE, changed) == {"order": 1}


def test_two_outlines_of_one_body_are_two_vertebrae():
    twice = replace(SAMPLE, landmarks=Landmarks(QUADS[[0, 0, 1]]))
    once = replace(SAMPLE, landmarks=Landmarks(QUADS[:2]))
    assert differences(twice, twice) == {}
    assert differences(twice, once) == {"vertebra": 1}
