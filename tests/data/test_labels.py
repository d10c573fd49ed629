import json
import math

import numpy as np
import pytest

from spondyl.data.labels import (
    corner,
    group_of,
    labelled,
    load_json,
    load_text,
    named,
    number,
    quad,
    true_aspect,
)
from spondyl.data.ordering import CANONICAL
from spondyl.errors import AnnotationError

BOX = np.array([[0.0, 0.0], [60.0, 0.0], [0.0, 40.0], [60.0, 40.0]])
NATURAL = [BOX + [100, y] for y in (100.0, 152.0, 204.0)]


@pytest.mark.parametrize(
    "value", ["1", None, True, [1], math.nan, math.inf, -math.inf, 10**400, {"a": 1}]
)
def test_only_a_finite_number_is_a_number(value):
    with pytest.raises(AnnotationError, match=r"^x is .*, need a (finite )?number$"):
        number(value, "x")


def test_a_corner_is_two_numbers_or_not_seen():
    assert corner([1, 2.5], "c") == (1, 2.5)
    assert corner([1, 2, 1], "c") == (1, 2)
    for unseen in (None, [5, 5, 0]):
        assert all(math.isnan(v) for v in corner(unseen, "c"))


def test_three_corners_are_refused_with_the_remedy():
    with pytest.raises(AnnotationError) as refused:
        quad([[1, 2]] * 3, "L5")
    assert str(refused.value) == "L5 has 3 corners, need 4 (null for one not seen)"


def test_null_is_a_corner_that_was_not_seen():
    assert np.isnan(quad([[1, 2], None, [3, 4], [5, 6]], "L5")).sum() == 2


def test_levels_follow_their_vertebrae_when_a_list_is_sorted():
    found = labelled(
        NATURAL[::-1], order=CANONICAL, size=(400, 300), levels=("S1", "L5", None), facing="right"
    )
    assert found.landmarks.levels == (None, "L5", "S1")
    assert found.landmarks.facing == "right"
    assert found.flags == {"list reversed"}


def test_a_vertebra_without_a_corner_is_left_out():
    found = labelled(
        [NATURAL[0], np.full((4, 2), np.nan), NATURAL[1]],
        order=CANONICAL, size=(400, 300), levels=("L1", "L2", "L3"),
    )  # fmt: skip
    assert found.landmarks.levels == ("L1", "L3")


@pytest.mark.parametrize(
    ("quads", "levels", "message"),
    [
        ([], None, "no vertebra is annotated"),
        ([np.full((4, 2), np.nan)], None, "no vertebra is annotated"),
        ([each / 400 for each in NATURAL], None, "all corners lie within 2 px"),
        ([each * 1000 for each in NATURAL], None, "is far outside the 300 x 400 px film"),
        (NATURAL, ("L1", "L1", "L2"), "a level is named twice: L1, L1, L2"),
        (NATURAL, ("L1", "L9", "L2"), "unknown level 'L9'"),
    ],
)
def test_an_impossible_spine_is_refused(quads, levels, message):
    with pytest.raises(AnnotationError, match=message):
        labelled(quads, order=CANONICAL, size=(400, 300), levels=levels)


@pytest.mark.parametrize(
    ("stem", "group"),
    [
        ("3209-F-073Y1_jpg.rf.b3686ffe92cdefd4f386611cd2115d2b", "BUU-3209"),
        ("3209-F-073Y1", "BUU-3209"),
        ("Screenshot-2022-07-31-045959_jpg.rf.5e85cc", "Screenshot-2022-07-31-045959"),
        ("PARS_FRACTURE-PNG_1_jumbo_jpeg_jpg.rf.ca56", "PARS_FRACTURE-PNG_1_jumbo_jpeg"),
        ("a film", "a film"),
    ],
)
def test_augmented_copies_and_a_patients_films_are_one_group(stem, group):
    assert group_of(stem) == group


def test_the_public_release_has_its_published_number_of_films(shared_data):
    """698 files are 591 films (counted independently)."""
    lines = (shared_data / "mendeley-geometry" / "vertebrae_counts_per_image.csv").read_text()
    stems = [line.split(",")[0].removesuffix(".json") for line in lines.splitlines()[1:]]
    assert len(stems) == 698
    assert len({group_of(stem) for stem in stems}) <= 591
    assert len({stem.split(".rf.")[0] for stem in stems}) == 591


def test_only_a_square_roboflow_export_has_an_unknown_aspect():
    assert true_aspect("a_jpg.rf.0a", (640, 640)) is None
    assert true_aspect("a_jpg.rf.0a", (640, 480)) == 1
    assert true_aspect("a", (640, 640)) == 1


def test_what_is_no_json_or_no_text_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": [1,\n')
    with pytest.raises(AnnotationError, match=r"^not JSON \(.*, line 2\)$"):
        load_json(path)
    path.write_bytes(b"\xff\xfe\x00")
    for load in (load_json, load_text):
        with pytest.raises(AnnotationError, match=r"^not text in UTF-8"):
            load(path)
        with pytest.raises(AnnotationError, match=r"^cannot be read"):
            load(tmp_path / "gone")


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([1]).encode())
    assert load_json(path) == [1]
    assert load_text(path) == "[1]"


def test_the_name_of_the_file_comes_first(tmp_path):
    with (
        pytest.raises(AnnotationError, match=r"labels\.json: too short"),
        named(tmp_path / "labels.json"),
    ):
        raise AnnotationError("too short")
