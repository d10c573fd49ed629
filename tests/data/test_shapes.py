import numpy as np
import pytest
from tests.data.drawing import LEVELS, QUADS, ROUND

from spondyl.data.ordering import corner_order
from spondyl.data.shapes import Mark, Outline, check_size, level_named, split_label, vertebrae
from spondyl.errors import AnnotationError

SIZE = (640, 480)
NAMES = ("SL", "SR", "IL", "IR")


@pytest.mark.parametrize(
    ("label", "name", "corner"),
    [
        ("L5 SL", "L5", "SL"),
        ("l5_sr", "l5", "SR"),
        ("T12-inferior-left", "T12", "IL"),
        ("S1.TopRight", "S1 TopRight", ""),
        ("S1 top right", "S1", "SR"),
        ("L5 body bottom_left", "L5 body", "IL"),
        ("L5", "L5", ""),
        ("L5 superior", "L5 superior", ""),
        ("S1 left", "S1 left", ""),
        ("IR", "", "IR"),
        ("vertebra", "vertebra", ""),
        ("", "", ""),
    ],
)
def test_a_label_is_a_vertebra_and_a_corner(label, name, corner):
    assert split_label(label) == (name, corner)


@pytest.mark.parametrize(
    ("label", "level"),
    [
        ("L5", "L5"),
        ("s1 endplate", "S1"),
        ("L6", "L6"),
        ("L9", None),
        ("body L5", None),
        ("", None),
    ],
)
def test_a_level_is_what_a_label_begins_with(label, level):
    assert level_named(label) == level


def test_an_order_that_is_stated_is_kept_and_one_that_is_not_is_found():
    stated = corner_order("SL", "SR", "IR", "IL")
    for order in (stated, None):
        drawn = [
            Outline(level, [tuple(p) for p in quad[ROUND]], order)
            for level, quad in zip(LEVELS, QUADS, strict=True)
        ]
        found = vertebrae(drawn, size=SIZE)
        np.testing.assert_array_equal(found.landmarks.points, QUADS)
        assert found.listed.order_stated == (order is not None)
        assert not found.flags


def test_the_order_in_which_they_were_drawn_is_the_order_of_the_list():
    whole = Outline("L5", [tuple(p) for p in QUADS[1]], (0, 1, 2, 3))
    marks = [Mark(f"L4 {name}", tuple(p)) for name, p in zip(NAMES, QUADS[0], strict=True)]
    assert not vertebrae([*marks, whole], size=SIZE).flags
    assert vertebrae([whole, *marks], size=SIZE).flags == {"list reversed"}
    assert not vertebrae([marks[0], whole, *marks[1:]], size=SIZE).flags


def test_marks_without_corner_names_are_told_apart_by_the_chain():
    marks = [
        Mark(level, tuple(p))
        for level, quad in zip(LEVELS, QUADS, strict=True)
        for p in quad[[3, 0, 2, 1]]
    ]
    found = vertebrae(marks, size=SIZE)
    np.testing.assert_array_equal(found.landmarks.points, QUADS)
    assert found.landmarks.levels == LEVELS


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        ([], "no vertebra is annotated"),
        ([Outline("L5", [(1.0, 2.0)] * 3)], "'L5' has 3 points, need the 4 corners"),
        ([Mark("L5 SL", (9, 9)), Mark("L5 SL", (9, 9))], "L5 has the corner SL twice"),
        ([Mark("L5 SL", (9, 9)), Mark("L5", (9, 9))], "L5 has corners with a name and without"),
        ([Mark("L5", (9, 9))] * 5, "L5 has 5 points without a corner's name, need 4"),
        ([Mark("SL", (9, 9), "7"), Mark("SL", (9, 9), "7")], "group 7 has the corner SL twice"),
    ],
)
def test_what_makes_no_vertebra_is_refused_in_one_line(drawn, message):
    with pytest.raises(AnnotationError) as refused:
        vertebrae(drawn, size=SIZE)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("stated", [(None, None), (640, None), (640, 480.0)])
def test_a_size_that_agrees_or_is_not_stated_is_accepted(stated):
    check_size(stated, SIZE)


def test_a_size_that_differs_is_said_as_width_x_height():
    with pytest.raises(AnnotationError, match=r"film is 480 x 640 px, the annotation says \? x 9"):
        check_size((9, None), SIZE)
