"""Slips against hand-computed cases, written-out geometry and the labels of real films."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral_bodies import box, corners, facing_right, table, turned
from PIL import Image

from spondyl.data.buu import LEVELS, read_buu
from spondyl.spine.slip import DEFINITION, LISTHESIS, SlipDefinition

PAIR = ("L4", "L5")

# The lower wall leans by 3 : 4, the upper wall by 1 : 2, and no two endplates are equally long.
LEANING = facing_right(
    corners((5, -40), (55, -40), (20, -10), (100, -10)),
    corners((0, 0), (100, 0), (60, 80), (160, 80)),
    names=PAIR,
)
BY_HAND = {
    "posterior corner": (20, 20),  # of 100
    "McCarty A/C": (25, 31.25),  # the upper wall meets y = 0 at x = 25; of 80
    "McCarty A/D": (25, 50),  # of 50
    "McCarty B/C": (22, 27.5),  # (20, -10) on the normal (0.8, -0.6) of the lower wall; of 80
    "McCarty B/D": (22, 44),
}


def slip(landmarks, levels=PAIR, *, unit="%", definition=DEFINITION):
    return table(landmarks, slip=definition)["slip", levels, unit].value


def test_every_definition_has_a_case_by_hand():
    assert set(BY_HAND) == set(get_args(SlipDefinition))


@pytest.mark.parametrize("definition", BY_HAND)
@pytest.mark.parametrize("degrees", [0, 35, -140])
def test_a_definition_gives_what_is_computed_by_hand(definition, degrees):
    found = table(turned(LEANING, degrees), slip=definition)
    size, share = BY_HAND[definition]
    assert found["slip", PAIR, "px"].value == pytest.approx(size)
    assert found["slip", PAIR, "%"].value == pytest.approx(share)
    assert found["slip", PAIR, "px"].definition == definition


def upright(points, wall):
    """Points turned so that a vector points straight down, as complex numbers."""
    down = complex(*wall)
    return [complex(*point) * 1j * abs(down) / down for point in points]


def by_turning(upper, lower, definition):
    """The film turned until what is measured along is horizontal: a slip is then a step in x."""
    if definition.startswith("McCarty B"):
        corner, at = upright([upper[2], lower[0]], lower[2] - lower[0])
        size = corner.real - at.real
    else:
        along = lower[1] - lower[0]
        high, corner, at = upright([upper[0], upper[2], lower[0]], (-along[1], along[0]))
        if definition == DEFINITION:
            size = corner.real - at.real
        else:
            share = (at.imag - high.imag) / (corner.imag - high.imag)
            size = high.real + share * (corner.real - high.real) - at.real
    whole = {"C": upper[2:], "D": upper[:2]}.get(definition[-1], lower[:2])
    return size, 100 * size / math.dist(*whole)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), definition=st.sampled_from(get_args(SlipDefinition)))
def test_a_definition_is_a_step_in_x_once_the_film_is_turned(seed, definition):
    noise = np.random.default_rng(seed).normal(0, 12, (2, 4, 2))
    upper, lower = np.stack([box(330, 200), box(300, 300)]) + noise
    size, share = by_turning(upper, lower, definition)
    found = table(facing_right(upper, lower, names=PAIR), slip=definition)
    assert found["slip", PAIR, "px"].value == pytest.approx(size, abs=1e-8)
    assert found["slip", PAIR, "%"].value == pytest.approx(share, abs=1e-8)


@pytest.mark.parametrize("definition", get_args(SlipDefinition))
@pytest.mark.parametrize("share", [-30, 0, 30])
def test_bodies_of_one_shape_slip_alike_by_every_definition(definition, share):
    pair = facing_right(box(300 + share, 200), box(300, 280), names=PAIR)
    assert slip(turned(pair, 20), definition=definition) == pytest.approx(share)


GRADES = [
    (0, 0, None), (4.9, 0, None), (-4.9, 0, None), (5.1, 1, "anterolisthesis"),
    (-5.1, 1, "retrolisthesis"), (24.9, 1, "anterolisthesis"), (25.1, 2, "anterolisthesis"),
    (-49.9, 2, "retrolisthesis"), (50.1, 3, "anterolisthesis"), (75.1, 4, "anterolisthesis"),
    (99.9, 4, "anterolisthesis"), (100.1, 5, "anterolisthesis"), (160, 5, "anterolisthesis"),
]  # fmt: skip


@pytest.mark.parametrize(("share", "grade", "said"), GRADES)
def test_the_grade_counts_quarters_and_says_to_which_side(share, grade, said):
    found = table(facing_right(box(300 + share, 200), box(300, 280), names=PAIR))
    graded = found["Meyerding grade", PAIR, "grade"]
    assert graded.value == grade
    assert (graded.note or "").startswith(said or "")
    assert (graded.note is None) == (said is None)
    if abs(share) > LISTHESIS and grade < 5:
        assert grade == math.ceil(abs(share) / 25)


def test_a_sacrum_of_two_corners_has_a_slip_but_not_by_its_posterior_wall():
    pair = facing_right(box(310, 200), box(300, 280), names=("L5", "S1"))
    pair.points[1, 2:] = np.nan
    for definition in get_args(SlipDefinition):
        found = table(pair, slip=definition)["slip", ("L5", "S1"), "%"]
        if definition.startswith("McCarty B"):
            assert (found.value, found.note) == (None, "a corner was not seen")
        else:
            assert found.value == pytest.approx(10)


def test_an_upper_wall_along_the_lower_endplate_crosses_it_nowhere():
    fallen = corners((500, 250), (500, 350), (430, 250), (430, 350))
    pair = facing_right(fallen, box(300, 280), names=PAIR)
    assert slip(pair, definition="McCarty A/C") is None
    assert slip(pair) == pytest.approx(130)


def test_the_last_line_is_the_slip_itself():
    pair = facing_right(box(320, 200), box(300, 280), names=PAIR)
    whole, drop, shift = table(pair)["slip", PAIR, "px"].lines
    assert whole == ((300, 280), (400, 280))
    assert drop == ((320, 270), (320, 280))
    assert shift == ((300, 280), (320, 280))


@pytest.fixture(scope="module")
def buu(shared_data, tmp_path_factory):
    """The rows of every label file, and its landmarks on an empty film large enough."""
    film = tmp_path_factory.mktemp("buu") / "film.png"
    Image.new("L", (3000, 3500)).save(film)
    labels = sorted((shared_data / "buu-lspine-csv").glob("*.csv"))
    assert labels
    rows = {}
    for label in labels:
        with label.open() as text:
            rows[label.stem] = [list(map(float, row)) for row in csv.reader(text)]
    return [(rows[label.stem], read_buu(label, film, key="k").landmarks) for label in labels]


@pytest.mark.parametrize("facing", ["left", "right"])
def test_real_films_slip_by_what_their_numbers_give(buu, facing):
    """Row by row as complex numbers; the films face left, and turned round they must agree too."""
    for rows, landmarks in buu:
        found = table(replace(landmarks, facing=facing))
        ends = [(complex(*row[:2]), complex(*row[2:4])) for row in rows]
        if facing == "left":
            ends = [end[::-1] for end in ends]
        for k, pair in enumerate(pairwise(LEVELS)):
            corner, (back, front) = ends[2 * k + 1][0], ends[2 * k + 2]
            share = ((corner - back) / (front - back)).real
            assert found["slip", pair, "%"].value == pytest.approx(100 * share)
            assert found["slip", pair, "px"].value == pytest.approx(share * abs(front - back))


def test_the_slip_that_its_annotators_name_is_an_anterolisthesis(buu):
    for rows, landmarks in buu:
        found = table(replace(landmarks, facing="left"))
        for k in (k for k, row in enumerate(rows) if row[4] == 3):
            pair = LEVELS[k // 2], LEVELS[k // 2 + 1]
            assert found["slip", pair, "%"].value > LISTHESIS
            assert found["Meyerding grade", pair, "grade"].note == "anterolisthesis"
