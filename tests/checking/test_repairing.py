from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from spondyl.checking.check import check_annotations, check_sample
from spondyl.checking.repairing import check_target, repair, repair_sample
from spondyl.data.coco import write_coco
from spondyl.data.folder import read_annotations
from spondyl.data.ordering import canonical
from spondyl.data.phantom import plan_phantom, write_phantoms
from spondyl.data.sample import AnnotationSet, Problem
from spondyl.errors import UsageError
from spondyl.spine.landmarks import Landmarks

from .columns import column, listing, tight

COLUMN = column()


@pytest.mark.parametrize("order", list(permutations(range(4)))[1:])
def test_corners_in_any_other_order_are_put_back(order):
    points = COLUMN.copy()
    points[3] = points[3, list(order)]
    repaired, (change,) = repair_sample(listing(points))
    np.testing.assert_array_equal(repaired.landmarks.points, COLUMN)
    assert (change.film, change.vertebra) == ("film", 4)
    assert change.before == points[3].tolist()
    assert change.after == COLUMN[3].tolist()


def test_a_film_without_a_fault_is_not_changed():
    sample = listing(COLUMN, levels=("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"))
    repaired, changes = repair_sample(sample)
    assert changes == []
    assert repaired.landmarks.to_json() == sample.landmarks.to_json()


@pytest.mark.parametrize("order", [(2, 3, 0, 1), (0, 3, 1, 2)])
def test_a_whole_film_in_another_order_changes_every_vertebra(order):
    repaired, changes = repair_sample(listing(COLUMN[:, list(order)]))
    np.testing.assert_array_equal(repaired.landmarks.points, COLUMN)
    assert [c.vertebra for c in changes] == list(range(1, 9))
    assert {c.kind for c in changes} == {"corner order"}


def test_a_list_is_put_in_order_with_the_names_it_had():
    names = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
    order = [7, 0, 1, 2, 3, 4, 5, 6]
    sample = listing(COLUMN[order], levels=[names[k] for k in order])
    repaired, (change,) = repair_sample(sample)
    np.testing.assert_array_equal(repaired.landmarks.points, COLUMN)
    assert repaired.landmarks.names == names
    assert (change.kind, change.before) == ("out of order", [2, 3, 4, 5, 6, 7, 8, 1])


def test_what_a_reader_already_mended_is_told_all_the_same():
    """The reader's landmarks are in order; what the source had is in ``listed``."""
    sample = listing(COLUMN[::-1])
    mended = canonical(COLUMN[::-1], order=(0, 1, 2, 3)).points
    repaired, (change,) = repair_sample(replace(sample, landmarks=Landmarks(mended)))
    np.testing.assert_array_equal(repaired.landmarks.points, COLUMN)
    assert change.kind == "list reversed"


def test_an_exact_duplicate_is_left_out_once_and_a_doubtful_one_kept():
    twice = np.concatenate([COLUMN, COLUMN[4:5]])
    repaired, changes = repair_sample(listing(twice))
    np.testing.assert_array_equal(repaired.landmarks.points, COLUMN)
    assert ("duplicate vertebra", None) in [(c.kind, c.after) for c in changes]
    nearly = np.concatenate([COLUMN, COLUMN[4:5] + 4.0])
    kept, _ = repair_sample(listing(nearly))
    assert len(kept.landmarks) == 9


def test_names_that_counted_a_duplicate_are_taken_back():
    twice = np.concatenate([COLUMN[:5], COLUMN[4:]])
    sample = listing(twice)
    names = tuple(f"T{n}" for n in range(1, 10))
    by_place = replace(sample, landmarks=Landmarks(twice, levels=names))
    repaired, changes = repair_sample(by_place)
    assert repaired.landmarks.levels is None
    assert "level names" in [c.kind for c in changes]


def test_a_crossing_that_no_exchange_puts_right_stays_as_it_was():
    """A corner that was dragged across the body is no exchange of corners."""
    points = COLUMN.copy()
    points[3, 0] = points[3, 1] + [25.0, -3.0]
    repaired, changes = repair_sample(listing(points))
    np.testing.assert_array_equal(repaired.landmarks.points, points)
    assert changes == []
    assert [f for f in check_sample(listing(points)) if f.severity == "error"]


def test_boxes_that_the_copy_draws_anew_are_told():
    boxes = tight(COLUMN)
    boxes[2] -= 20.0
    _, (change,) = repair_sample(listing(COLUMN, boxes=boxes))
    assert change.kind == "boxes"
    assert change.before == [pytest.approx(boxes[2].tolist(), abs=0.01)]
    assert change.after == [pytest.approx(tight(COLUMN)[2].tolist(), abs=0.01)]


def test_labels_that_could_not_be_read_are_told_to_be_left_out(tmp_path):
    found = AnnotationSet((listing(COLUMN),), (Problem(tmp_path / "b.json", "not JSON"),))
    samples, (change,) = repair(found)
    assert [s.key for s in samples] == ["film"]
    assert (change.film, change.kind, change.before) == ("b.json", "label left out", "not JSON")


def test_a_repaired_copy_has_no_fault_of_order_left_and_the_source_is_untouched(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    write_phantoms(source, films=24, seed=40, long_side=128, habits=True)
    before = {p: p.read_bytes() for p in sorted(source.rglob("*")) if p.is_file()}
    samples, changes = repair(read_annotations(source))
    write_coco(out / "annotations.json", samples)
    assert {p: p.read_bytes() for p in sorted(source.rglob("*")) if p.is_file()} == before
    assert {c.kind for c in changes} >= {"boxes"}
    again = check_annotations(out, read_annotations(out))
    assert {f.kind for f in again.errors} <= {"corners coincide"}  # bodies that the field cuts
    for sample in read_annotations(out).samples:
        plan = plan_phantom(
            np.random.default_rng([40, int(sample.key[-5:])]).spawn(2)[0], long_side=128
        )
        truth = plan.landmarks.points
        seen = ~np.isnan(truth)
        drawn = np.clip(truth, 0, [sample.width - 1, sample.height - 1])
        np.testing.assert_allclose(sample.landmarks.points[seen], drawn[seen], atol=0.02)


def test_the_copy_must_not_lie_in_the_source(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.json").touch()
    for place, source in (("out", data), ("out", data / "a.json"), ("data/fixed", data / "a.json")):
        check_target(tmp_path / place, source)
    for place, source in (("data", data), ("data/fixed", data), ("data", data / "a.json")):
        with pytest.raises(UsageError, match="lies within"):
            check_target(tmp_path / place, source)
