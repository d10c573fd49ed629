import json

import pytest

from spondyl.checking.faults import KINDS, SEVERITIES, Fault, counts, told_once, worst_first


def test_a_fault_has_the_severity_of_its_kind_unless_it_says_otherwise():
    assert Fault("gap", "a", "x").severity == "error"
    assert Fault("implausible wedge", "a", "x").severity == "warning"
    assert Fault("unlabelled above", "a", "x").severity == "note"
    assert Fault("point outside the film", "a", "x", severity="error").severity == "error"


def test_what_nobody_defined_is_refused():
    with pytest.raises(ValueError, match="unknown kind of fault 'gape'"):
        Fault("gape", "a", "x")
    with pytest.raises(ValueError, match="severity is 'bad'"):
        Fault("gap", "a", "x", severity="bad")


def test_order_flip_crossing_gap_and_overlap_block_and_shapes_do_not():
    blocking = {"corner order", "out of order", "upside down", "crossed quadrilateral", "gap",
                "overlapping vertebrae", "duplicate vertebra"}  # fmt: skip
    assert {KINDS[kind] for kind in blocking} == {"error"}
    shapes = {kind for kind in KINDS if kind.startswith("implausible")}
    assert {KINDS[kind] for kind in shapes} == {"warning"}
    assert len(KINDS) >= 20
    assert set(KINDS.values()) == set(SEVERITIES)


def test_a_fault_says_where_it_is():
    assert str(Fault("gap", "a", "64 px", 3, "L2")) == "a L2: gap: 64 px"
    assert str(Fault("gap", "a", "64 px", 3)) == "a V3: gap: 64 px"
    assert str(Fault("mixed encodings", "", "two")) == "mixed encodings: two"
    assert json.loads(json.dumps(Fault("gap", "a", "64 px", 3).to_json()))["vertebra"] == 3


def test_errors_come_first():
    gaps = [Fault("gap", film, "", at) for film, at in (("b", 3), ("a", 5), ("a", 2))]
    faults = [Fault("unlabelled above", "a", ""), Fault("implausible size", "a", "", 2), *gaps]
    order = [(f.kind, f.film, f.vertebra) for f in worst_first(faults)]
    assert order == [("gap", "a", 2), ("gap", "a", 5), ("gap", "b", 3),
                     ("implausible size", "a", 2), ("unlabelled above", "a", None)]  # fmt: skip
    assert counts(faults) == {
        "error": {"gap": 3}, "warning": {"implausible size": 1}, "note": {"unlabelled above": 1},
    }  # fmt: skip


def told(films, *, of, share=0.5):
    faults = [Fault("corner order", film, "rotated", repair="turn") for film in films]
    return told_once(faults, {"coco": list(of)}, "corner order", share=share)


def test_a_habit_of_a_source_is_told_once():
    (fault,) = told("abcd", of="abcdef")
    assert fault.film == ""
    assert fault.evidence == "coco: 4 of 6 films, such as a: rotated"
    assert fault.repair == "turn"


def test_what_few_films_have_is_told_film_by_film():
    assert len(told("ab", of="abcdef")) == 2  # fewer than half
    assert len(told("ab", of="ab")) == 2  # fewer than three
    other = [Fault("gap", "a", ""), *told("abc", of="abc")]
    assert len(other) == 2


def test_two_habits_of_a_source_are_two_faults():
    faults = [Fault("corner order", f, "rotated", repair=f"turn {f in 'abc'}") for f in "abcdef"]
    assert len(told_once(faults, {"coco": list("abcdef")}, "corner order", share=0.5)) == 2
