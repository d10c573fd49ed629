import numpy as np
import pytest

from spondyl.checking.marks import check_marks
from spondyl.checking.order import Chain

from .columns import HEIGHT, SIZE, STEP, column, kinds, listing, tight

COLUMN = column()
DEEP = np.array([0.0, 160.0])


def found(points, *, slots=10, **more):
    return check_marks(Chain.of(listing(points, **more)), slots=slots)


def test_a_spine_on_its_film_has_no_fault():
    assert found(COLUMN) == []
    assert found(COLUMN, boxes=tight(COLUMN)) == []


@pytest.mark.parametrize(
    ("beyond", "told"), [(0.5, False), (1.4, False), (2.0, True), (30.0, True)]
)
def test_a_corner_beyond_the_edge_is_told_from_one_px_on(beyond, told):
    points = COLUMN.copy()
    points[2, 1, 0] = SIZE[1] - 1 + beyond
    assert kinds(found(points)) == ({("point outside the film", 3)} if told else set())


def test_a_corner_not_seen_is_not_outside():
    points = COLUMN.copy()
    points[0, :2] = np.nan
    assert found(points, boxes=tight(points)) == []


def test_a_box_that_another_vertebra_has_does_not_fit():
    boxes = tight(COLUMN)
    boxes[2] = boxes[5]
    faults = found(COLUMN, boxes=boxes)
    assert kinds(faults) == {("box does not fit", 3)}
    assert faults[0].repair == "the smallest box around the corners"


@pytest.mark.parametrize("side", range(4))
def test_a_box_that_cuts_a_corner_off_does_not_fit(side):
    boxes = tight(COLUMN)
    boxes[4, side] += (0.3 * HEIGHT) * (1 if side < 2 else -1)
    assert kinds(found(COLUMN, boxes=boxes)) == {("box does not fit", 5)}


def test_padded_boxes_are_worth_a_note():
    boxes = tight(COLUMN) + np.array([-5.0, -4.0, 6.0, 9.0])
    (fault,) = found(COLUMN, boxes=boxes)
    assert (fault.kind, fault.severity) == ("boxes padded", "note")
    assert fault.evidence == "boxes are padded by 4.0 to 4.0 px"


def test_more_vertebrae_than_the_slots_leave_some_out():
    eleven = column((0,) * 11)
    (fault,) = found(eleven)
    assert fault.kind == "more vertebrae than slots"
    assert fault.evidence == "11 vertebrae, a codec with 10 slots leaves out 1"
    assert found(column((0,) * 10)) == []
    assert found(eleven, slots=17) == []
    assert found(eleven, view="ap") == []  # 17 vertebrae are what an AP film shows


def test_room_for_one_more_is_worth_a_note():
    """The first vertebra's centre lies at 92 px; its neighbour above would lie at 40 + 160."""
    low = COLUMN + DEEP
    (fault,) = found(low, complete_above=False)
    assert (fault.kind, fault.severity) == ("unlabelled above", "note")
    first = low.mean(axis=1)
    x, y = 2 * first[0] - first[1]
    assert fault.evidence.endswith(f"({x:.0f}, {y:.0f})")
    assert found(low) == []  # the annotator went as far as the film
    assert found(COLUMN - [0.0, 0.7 * STEP], complete_above=False) == []  # no room


def test_below_the_sacrum_there_is_no_room():
    short = COLUMN[:5]
    lumbar = ("L2", "L3", "L4", "L5", "S1")
    thoracic = ("T8", "T9", "T10", "T11", "T12")
    assert found(short, levels=lumbar, complete_below=False) == []
    assert found(short, complete_below=False) == []  # without a name, it may be the sacrum
    faults = found(short, levels=thoracic, complete_below=False)
    assert [f.kind for f in faults] == ["unlabelled below"]
