"""What a measurement is, and what must not change it: held through ``measure`` itself."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral_bodies import FILM, Key, facing_right, table, turned
from synthetic_spine import spine

from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.heights import discs
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Grading, Intervals, Measurement
from spondyl.spine.slip import SlipDefinition, slips

LEVELS = ("L2", "L3", "L4", "L5", "S1")
OURS = (
    "slip", "anterior disc height", "posterior disc height", "mean disc height",
    "relative disc height", "superior endplate", "inferior endplate", "anterior height",
    "posterior height", "height ratio", "height loss", "wedge",
)  # fmt: skip

spines = st.builds(
    lambda seed, slip: Landmarks(
        spine(LEVELS, slips={"L4": slip}) + np.random.default_rng(seed).normal(0, 2, (5, 4, 2)),
        levels=LEVELS,
        facing="left" if seed % 2 else "right",
    ),
    st.integers(0, 10**6),
    st.floats(-0.4, 0.4),
)
definitions = st.sampled_from(get_args(SlipDefinition))
quick = settings(max_examples=15, deadline=None)


def ours(landmarks, film=FILM, **options) -> dict[Key, float | None]:
    found = table(landmarks, film, **options)
    values = {key: each.value for key, each in found.items() if key[0] in OURS}
    assert {name for name, _, _ in values} == set(OURS)
    return values


def assert_alike(first: dict[Key, float | None], second: dict[Key, float | None]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert second[key] == pytest.approx(value, rel=1e-7, abs=1e-7), key


@quick
@given(landmarks=spines, slip=definitions)
def test_a_mirrored_film_measures_the_same(landmarks, slip):
    assert_alike(ours(landmarks, slip=slip), ours(landmarks.mirrored(700), slip=slip))


@quick
@given(landmarks=spines, slip=definitions, degrees=st.floats(-180, 180))
def test_a_turned_spine_measures_the_same(landmarks, slip, degrees):
    assert_alike(ours(landmarks, slip=slip), ours(turned(landmarks, degrees), slip=slip))


@quick
@given(landmarks=spines, slip=definitions, by=st.tuples(*[st.floats(-900, 900)] * 2))
def test_a_moved_spine_measures_the_same(landmarks, slip, by):
    moved = landmarks.moved(landmarks.points + np.array(by))
    assert_alike(ours(landmarks, slip=slip), ours(moved, slip=slip))


@quick
@given(landmarks=spines, slip=definitions, scale=st.floats(0.2, 8))
def test_only_lengths_grow_with_the_film(landmarks, slip, scale):
    grown = ours(landmarks.moved(landmarks.points * scale), slip=slip)
    back = {key: value / scale if key[2] == "px" else value for key, value in grown.items()}
    assert_alike(ours(landmarks, slip=slip), back)


@quick
@given(landmarks=spines, slip=definitions, stretch=st.floats(0.4, 2.5))
def test_a_stretched_film_gives_the_same_shares_and_the_same_mm(landmarks, slip, stretch):
    """Rows that are ``stretch`` times as many, each so much thinner: the spine stays the same."""
    square = replace(FILM, spacing=PixelSpacing(0.4, 0.4, "patient"))
    thin = replace(
        FILM, spacing=PixelSpacing(0.4 / stretch, 0.4, "patient"), aspect=1 / stretch,
        height=round(FILM.height * stretch),
    )  # fmt: skip
    stretched = landmarks.moved(landmarks.points * [1, stretch])
    plain, same = ours(landmarks, square, slip=slip), ours(stretched, thin, slip=slip)
    assert {unit for _, _, unit in plain} == {"mm", "%", "deg", ""}
    assert_alike(plain, same)


def test_mm_are_px_times_the_spacing():
    landmarks = Landmarks(spine(LEVELS), levels=LEVELS, facing="left")
    in_px = ours(landmarks)
    in_mm = ours(landmarks, replace(FILM, spacing=PixelSpacing(0.25, 0.25, "patient")))
    for (name, levels, unit), value in in_px.items():
        if unit == "px":
            assert in_mm[name, levels, "mm"] == pytest.approx(0.25 * value)
        else:
            assert in_mm[name, levels, unit] == value


@quick
@given(landmarks=spines)
def test_the_lines_of_a_mirrored_film_are_mirrored(landmarks):
    found, mirrored = table(landmarks), table(landmarks.mirrored(700))
    for key, each in found.items():
        if key[0] in OURS:
            there = np.array(mirrored[key].lines) * [-1, 1] + [699, 0]
            np.testing.assert_allclose(there, np.array(each.lines), atol=1e-7, err_msg=key[0])


@quick
@given(landmarks=spines)
def test_whose_front_is_taken_for_their_back_slip_to_the_other_side(landmarks):
    """The endplate's ends change places, so that both slips add up to what the depths differ by."""
    here = ours(landmarks)
    there = ours(replace(landmarks, facing="left" if landmarks.facing == "right" else "right"))
    for upper, lower in pairwise(LEVELS):
        plates = landmarks.points.reshape(5, 2, 2, 2)
        base, above = plates[LEVELS.index(lower), 0], plates[LEVELS.index(upper), 1]
        forward = (base[1] - base[0]) / np.linalg.norm(base[1] - base[0])
        depth = (above[1] - above[0]) @ forward
        both = here["slip", (upper, lower), "px"] + there["slip", (upper, lower), "px"]
        assert both == pytest.approx(np.linalg.norm(base[1] - base[0]) - depth, abs=1e-7)


GRADING = Grading("grade", "a book", (10.0, 20.0), ("0", "I", "II"), ("down", "up"), "with care")


@pytest.mark.parametrize(
    ("value", "grade", "note"),
    [
        (0, 0, "with care"), (10, 0, "with care"), (-10.1, 1, "down; with care"),
        (20, 1, "up; with care"), (21, 2, "up; with care"),
    ],
)  # fmt: skip
def test_a_grade_counts_bounds_that_the_size_is_above_and_names_the_side(value, grade, note):
    assert GRADING.grade(value) == grade
    assert GRADING.note(value) == note


def test_a_grade_without_words_says_nothing():
    assert replace(GRADING, signs=None, caveat=None).note(50) is None


def test_a_measurement_is_plain_json():
    landmarks = facing_right(spine(("L4", "L5"))[0], spine(("L4", "L5"))[1], names=("L4", "L5"))
    for each in table(landmarks).values():
        again = json.loads(json.dumps(each.to_json(), allow_nan=False))
        assert (again["name"], tuple(again["levels"])) == (each.name, each.levels)
        assert again["value"] == each.value
    empty = Measurement("slip", ("L4", "L5"), None, "%", "posterior corner", note="not seen")
    assert empty.to_json()["value"] is None
    assert empty.to_json()["lines"] == ()


def test_intervals_come_back_from_json_and_refuse_what_is_impossible():
    intervals = Intervals(0.9, 57, {"slip": 1.7})
    assert Intervals.from_json(json.loads(json.dumps(intervals.to_json()))) == intervals
    with pytest.raises(ValueError, match="coverage is 1, need a number between 0 and 1"):
        Intervals(1, 57)
    with pytest.raises(ValueError, match="factor of slip is 0, need a number above 0"):
        Intervals(0.9, 57, {"slip": 0})
    with pytest.raises(ValueError, match="intervals are incomplete"):
        Intervals.from_json({"coverage": 0.9})


def test_a_slip_far_from_zero_has_the_factor_of_such_slips_alone() -> None:
    slip, _ = slips([(0, 1)], ("L4", "L5"))
    known = Intervals(0.9, 100, {"slip": 1.5, "slip, far from 0": 6.0})
    assert known.factor(slip, value=2.9, sd=1.0) == 1.5
    assert known.factor(slip, value=-3.1, sd=1.0) == 6.0
    rare = Intervals(0.9, 100, {"slip": 1.5})
    assert rare.factor(slip, value=3.1, sd=1.0) is None


def test_what_is_never_near_zero_has_one_factor() -> None:
    disc = next(each for each in discs([(0, 1)], ("L4", "L5")))
    known = Intervals(0.9, 100, {disc.name: 1.5})
    assert known.factor(disc, value=30.0, sd=1.0) == 1.5
