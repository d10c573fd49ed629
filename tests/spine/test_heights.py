"""Heights, endplates and wedges of bodies whose shape is given."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lateral_bodies import box, corners, facing_right, table, turned

from spondyl.spine.landmarks import Landmarks

PAIR = ("L3", "L4")
LEVELS = ("L1", "L2", "L3", "L4", "L5", "S1")


def disc(back, front, *, slip=0.0):
    """Two bodies, 100 deep above, whose disc has a level mid line and opens to its front."""
    half = np.array([[0.0, back / 2], [100.0, front / 2]])
    upper = np.concatenate([[[0, -80], [90, -80]], half * [1, -1]]) + [slip, 0]
    lower = np.concatenate([half, [[0, 80], [100, 80]]])
    return facing_right(upper + 300, lower + 300, names=PAIR)


@settings(max_examples=30, deadline=None)
@given(
    back=st.floats(2, 40), front=st.floats(2, 40), slip=st.floats(-60, 60),
    degrees=st.floats(-180, 180),
)  # fmt: skip
def test_a_disc_is_as_high_as_it_was_made_however_it_slips_and_turns(back, front, slip, degrees):
    found = table(turned(disc(back, front, slip=slip), degrees))
    assert found["posterior disc height", PAIR, "px"].value == pytest.approx(back)
    assert found["anterior disc height", PAIR, "px"].value == pytest.approx(front)
    assert found["mean disc height", PAIR, "px"].value == pytest.approx((back + front) / 2)
    depth = (90 + math.hypot(100, (front - back) / 2)) / 2
    relative = found["relative disc height", PAIR, "%"].value
    assert relative == pytest.approx(50 * (back + front) / depth)


def test_corners_that_have_passed_each_other_leave_a_height_below_zero():
    found = table(disc(20, -4))
    assert found["anterior disc height", PAIR, "px"].value == pytest.approx(-4)


def test_the_line_of_a_disc_height_is_as_long_as_the_height():
    found = table(turned(disc(12, 26, slip=40), 30))
    for end, height in (("posterior", 12), ("anterior", 26), ("mean", 19)):
        aid, line = found[f"{end} disc height", PAIR, "px"].lines
        assert math.dist(*line) == pytest.approx(height)
        assert math.dist(*aid) == pytest.approx(40)


def wedge(back, front, *, depth=100.0):
    """One upright body with walls of these heights at right angles to its mid line."""
    body = corners((0, -back / 2), (depth, -front / 2), (0, back / 2), (depth, front / 2))
    return facing_right(body + 300, names=("L2",))


@settings(max_examples=30, deadline=None)
@given(back=st.floats(20, 90), front=st.floats(20, 90), degrees=st.floats(-180, 180))
def test_a_body_has_the_shape_it_was_made_with(back, front, degrees):
    found = {
        name: each for (name, _, _), each in table(turned(wedge(back, front), degrees)).items()
    }
    assert found["anterior height"].value == pytest.approx(front)
    assert found["posterior height"].value == pytest.approx(back)
    assert found["height ratio"].value == pytest.approx(front / back)
    endplate = math.hypot(100, (front - back) / 2)
    assert found["superior endplate"].value == pytest.approx(endplate)
    assert found["inferior endplate"].value == pytest.approx(endplate)
    opened = 2 * math.degrees(math.atan((front - back) / 200))
    assert found["wedge"].value == pytest.approx(opened, abs=1e-9)
    loss = 100 * (1 - min(back, front) / max(back, front))
    signed = math.copysign(loss, back - front)
    assert found["height loss"].value == pytest.approx(signed, abs=1e-9)


def test_the_endplates_are_told_apart():
    body = corners((0, 0), (100, 0), (10, 70), (90, 70))
    found = table(facing_right(body + 200, names=("L2",)))
    assert found["superior endplate", ("L2",), "px"].value == pytest.approx(100)
    assert found["inferior endplate", ("L2",), "px"].value == pytest.approx(80)


@pytest.mark.parametrize(
    ("loss", "grade"), [(0, 0), (19.9, 0), (20.1, 1), (24.9, 1), (25.1, 2), (39.9, 2), (40.1, 3)]
)
@pytest.mark.parametrize("lower", ["anterior", "posterior"])
def test_the_grade_of_a_loss_has_the_bounds_of_genant(loss, grade, lower):
    low, high = 70 * (1 - loss / 100), 70.0
    found = table(wedge(high, low) if lower == "anterior" else wedge(low, high))
    graded = found["Genant grade", ("L2",), "grade"]
    assert graded.value == grade
    assert "four corners do not show the middle height" in graded.note
    assert (f"the {lower} wall is the lower one" in graded.note) == (grade > 0)


def test_a_sacrum_has_one_endplate_and_l5_no_grade():
    spine = facing_right(box(300, 200), box(300, 300), names=("L5", "S1"))
    spine.points[1, 2:] = np.nan
    found = table(spine)
    of_s1 = [name for name, levels, _ in found if levels == ("S1",)]
    assert "superior endplate" in of_s1
    assert not {"inferior endplate", "anterior height", "wedge", "height loss"} & set(of_s1)
    assert found["superior endplate", ("S1",), "px"].value == pytest.approx(100)
    assert ("height loss", ("L5",), "%") in found
    assert ("Genant grade", ("L5",), "grade") not in found


def test_a_corner_that_was_not_seen_withholds_only_what_needs_it():
    spine = facing_right(box(300, 200), box(300, 300), names=PAIR)
    spine.points[0, 3] = np.nan  # inferior, anterior
    found = table(spine)
    withheld = {(name, levels) for (name, levels, _), each in found.items() if each.value is None}
    assert {
        ("anterior disc height", PAIR), ("posterior disc height", PAIR),
        ("mean disc height", PAIR), ("relative disc height", PAIR),
        ("anterior height", ("L3",)), ("inferior endplate", ("L3",)), ("wedge", ("L3",)),
        ("height ratio", ("L3",)), ("height loss", ("L3",)),
    } <= withheld  # fmt: skip
    assert found["posterior height", ("L3",), "px"].value == pytest.approx(70)
    assert found["superior endplate", ("L3",), "px"].value == pytest.approx(100)
    assert found["slip", PAIR, "%"].value == pytest.approx(0)
    assert found["wedge", ("L3",), "deg"].note == "a corner was not seen"


def test_real_films_have_the_heights_that_their_numbers_give(shared_data):
    """The mid line of a disc as the square root of two complex directions; the films face left."""
    for label in sorted((shared_data / "buu-lspine-csv").glob("*.csv")):
        with label.open() as text:
            rows = [[float(cell) for cell in row] for row in csv.reader(text)]
        ends = [(complex(*row[2:4]), complex(*row[:2])) for row in rows]  # posterior, anterior
        points = np.full((6, 4, 2), np.nan)
        points.reshape(12, 2, 2)[:11] = np.array(rows)[:, :4].reshape(11, 2, 2)
        found = table(Landmarks(points, levels=LEVELS, facing="left"))
        for k, row in enumerate(ends):
            side = "inferior" if k % 2 else "superior"
            measured = found[f"{side} endplate", (LEVELS[k // 2],), "px"].value
            assert measured == pytest.approx(abs(row[1] - row[0]))
        for k, pair in enumerate(pairwise(LEVELS)):
            above, below = ends[2 * k + 1], ends[2 * k + 2]
            forward = np.sqrt((above[1] - above[0]) / abs(above[1] - above[0])) * np.sqrt(
                (below[1] - below[0]) / abs(below[1] - below[0])
            )
            if forward.real > 0:  # of the two square roots, the one that points left
                forward = -forward
            heights = [
                -((low - high) / forward).imag for high, low in zip(above, below, strict=True)
            ]
            for end, height in zip(("posterior", "anterior"), heights, strict=True):
                measured = found[f"{end} disc height", pair, "px"].value
                assert measured == pytest.approx(height)
            assert found["mean disc height", pair, "px"].value == pytest.approx(sum(heights) / 2)


def test_a_vertebra_without_a_name_is_measured_too():
    found = table(replace(wedge(60, 70), levels=None))
    assert found["wedge", ("V1",), "deg"].value > 0
    assert found["Genant grade", ("V1",), "grade"].value == 0
