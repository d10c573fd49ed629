from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.checking.order import Chain, check_order, described

from .columns import body, column, kinds, listing

COLUMN = column()
NAMES = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")


def found(points, **more):
    return check_order(Chain.of(listing(points, **more)))


def test_a_spine_in_order_has_no_fault():
    assert found(COLUMN) == []
    assert found(COLUMN, levels=NAMES) == []


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ((1, 0, 3, 2), "corners mirrored"),
        ((0, 2, 1, 3), "corners mirrored"),
        ((2, 3, 0, 1), "upside down"),
        ((3, 2, 1, 0), "upside down"),
        ((1, 3, 0, 2), "corners rotated"),
        ((2, 0, 3, 1), "corners rotated"),
        ((1, 0, 2, 3), "crossed quadrilateral"),
        ((0, 3, 2, 1), "crossed quadrilateral"),
    ],
)
def test_one_vertebra_with_other_corners_is_named_by_what_was_done_to_it(order, kind):
    points = COLUMN.copy()
    points[3] = points[3, list(order)]
    faults = found(points)
    assert kinds(faults) == {(kind, 4)}
    assert faults[0].severity == "error"
    assert faults[0].repair


def test_seven_of_the_24_orders_keep_the_outline_and_the_others_cross_it():
    words = [described(each)[0] for each in permutations(range(4)) if each != (0, 1, 2, 3)]
    assert words.count("crossed quadrilateral") == 16
    assert words.count("corners mirrored") == 3
    assert words.count("upside down") == words.count("corners rotated") == 2


@pytest.mark.parametrize("order", [(2, 3, 0, 1), (0, 2, 3, 1), (1, 0, 3, 2)])
def test_a_film_in_another_order_is_told_once(order):
    faults = found(COLUMN[:, list(order)])
    assert kinds(faults) == {("corner order", None)}
    assert "8 of 8 vertebrae" in faults[0].evidence


def test_the_repair_says_how_the_corners_are_really_listed():
    """The list starts with what the source calls SL; here that is the inferior left corner."""
    (fault,) = found(COLUMN[:, [2, 3, 0, 1]])
    assert fault.repair == "read the corners as IL, IR, SL, SR"
    (fault,) = found(COLUMN[:, [0, 2, 3, 1]])  # round the body, as YOLO-pose lists them
    assert fault.repair == "read the corners as SL, IL, IR, SR"


def test_one_vertebra_beside_a_film_in_another_order_is_told_too():
    points = COLUMN[:, [2, 3, 0, 1]]
    points[4] = COLUMN[4]
    assert kinds(found(points)) == {("corner order", None), ("corners mirrored", 5)}


def test_a_source_that_states_no_order_cannot_contradict_it():
    assert found(COLUMN[:, [2, 3, 0, 1]], order_stated=False) == []


def test_a_reversed_list_and_one_without_order_are_two_kinds():
    assert kinds(found(COLUMN[::-1])) == {("list reversed", None)}
    last_first = np.roll(COLUMN, 1, axis=0)
    faults = found(last_first)
    assert kinds(faults) == {("out of order", 8)}
    assert "2 3 4 5 6 7 8 1" in faults[0].evidence


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(8)))
def test_a_list_is_out_of_order_exactly_if_it_is_not_sorted(order):
    faults = found(COLUMN[list(order)])
    assert bool(faults) == (list(order) != list(range(8)))


def test_names_that_skip_repeat_or_run_upwards_are_faults():
    skip = ("T10", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
    assert kinds(found(COLUMN, levels=skip)) == {("level names", 2)}
    upwards = ("T11", "T12", "L2", "L1", "L3", "L4", "L5", "S1")
    assert ("level names", 4) in kinds(found(COLUMN, levels=upwards))
    twice = ("T11", "T12", "L1", "L2", "L2", "L4", "L5", "S1")
    assert ("level names", 5) in kinds(found(COLUMN, levels=twice))


def test_a_vertebra_without_a_name_keeps_its_place():
    names = ("T11", "T12", None, "L2", None, None, "L5", "S1")
    assert found(COLUMN, levels=names) == []
    names = ("T11", "T12", None, "L1", None, None, "L5", "S1")
    assert kinds(found(COLUMN, levels=names)) == {("level names", 7)}  # there may be a T13


def test_another_count_of_lumbar_vertebrae_is_worth_a_note_only():
    six = ("T12", "L1", "L2", "L3", "L4", "L5", "L6", "S1")
    faults = found(COLUMN, levels=six)
    assert [(f.kind, f.severity) for f in faults] == [("level variant", "note")]
    four = ("T10", "T11", "T12", "L2", "L3", "L4", "L5", "S1")
    assert [f.kind for f in found(COLUMN, levels=four)] == ["level variant"]


def test_a_sacrum_with_one_endplate_is_checked_by_what_is_there():
    points = COLUMN.copy()
    points[-1, 2:] = np.nan
    assert found(points) == []
    points[-1] = points[-1, [1, 0, 3, 2]]
    assert kinds(found(points)) == {("corners mirrored", 8)}


@pytest.mark.parametrize("order", [(1, 3, 0, 2), (2, 0, 3, 1)])
@pytest.mark.parametrize("angle", [0, 20, 30])
def test_a_steep_sacrum_turned_by_a_quarter_is_told_by_the_endplate_above(order, angle):
    points = COLUMN.copy()
    points[-1] = body(points[-1].mean(axis=0), 18 + angle)
    assert found(points) == []
    points[-1] = points[-1, list(order)]
    assert kinds(found(points)) == {("corners rotated", 8)}
