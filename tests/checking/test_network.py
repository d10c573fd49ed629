import numpy as np
import pytest

from spondyl.checking.network import check_network
from spondyl.spine.landmarks import Landmarks

from .columns import HEIGHT, STEP, column, kinds, listing

COLUMN = column()
NAMES = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")


def found(label, predicted, *, levels=None, **more):
    return check_network(
        listing(label, levels=levels), Landmarks(predicted, levels=more.get("named"))
    )


def test_a_network_that_agrees_has_nothing_to_say():
    assert found(COLUMN, COLUMN, levels=NAMES, named=NAMES) == []


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_a_corner_is_told_from_a_quarter_of_the_height_on(share):
    points = COLUMN.copy()
    points[3, 1] += [share * HEIGHT, 0.0]
    told = {("corner disagrees", 4)} if share > 0.25 else set()
    assert kinds(found(points, COLUMN)) == told


def test_what_only_one_of_them_sees_is_told():
    assert kinds(found(COLUMN, np.delete(COLUMN, 4, axis=0))) == {("seen by the label only", 5)}
    (fault,) = found(np.delete(COLUMN, 4, axis=0), COLUMN)
    assert (fault.kind, fault.severity) == ("seen by the network only", "warning")
    (fault,) = found(COLUMN[1:], COLUMN)
    assert fault.severity == "note"  # the annotator may have stopped


def test_a_whole_spine_moved_by_half_a_level_is_seen_by_neither():
    faults = found(COLUMN + [0.0, 0.5 * STEP], COLUMN)
    assert {f.kind for f in faults} == {"seen by the label only", "seen by the network only"}


def test_names_that_are_one_level_off_are_one_fault():
    other = ("T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2")
    (fault,) = found(COLUMN, COLUMN, levels=NAMES, named=other)
    assert fault.kind == "level shift"
    assert fault.evidence == "the network names 7 of 7 vertebrae 1 level lower"
    assert found(COLUMN, COLUMN, levels=NAMES) == []  # a network without names says nothing


def test_corners_that_nobody_annotated_are_not_compared():
    label = COLUMN.copy()
    label[-1, 2:] = np.nan
    assert found(label, COLUMN) == []


def test_a_network_that_sees_nothing_misses_every_label():
    assert len(found(COLUMN, np.zeros((0, 4, 2)))) == len(COLUMN)
