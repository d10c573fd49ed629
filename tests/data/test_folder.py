import json

import numpy as np
import pytest

from spondyl.data.coco import write_coco
from spondyl.data.folder import FORMATS, read_annotations
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError, UsageError
from spondyl.spine.landmarks import Landmarks

BOX = np.array([[0.0, 0.0], [60.0, 0.0], [0.0, 40.0], [60.0, 40.0]])
QUADS = np.array([BOX + [100, y] for y in (100.0, 152.0, 204.0)])


def as_keypoint_rcnn(quads=QUADS):
    return json.dumps({"keypoints": [[[*q[k], 1] for k in (2, 3, 0, 1)] for q in quads.tolist()]})


def as_yolo_pose(quads=QUADS, *, height=640, width=480):
    fractions = (quads[:, [0, 2, 3, 1]] + 0.5) / (width, height)
    return "\n".join("0 .5 .5 .1 .1 " + " ".join(map(str, f.ravel())) for f in fractions)


def as_buu():
    return "\n".join(f"100,{50 + 50 * k},160,{50 + 50 * k},0" for k in range(11))


def sample(film, **landmarks):
    found = Landmarks(QUADS, **landmarks)
    return Sample(film.stem, film, 640, 480, found, film.stem, "test")


def test_the_two_formats_of_the_mendeley_release_are_read_from_one_folder(tmp_path, make_film):
    for name, text in (("a.json", as_keypoint_rcnn()), ("b.txt", as_yolo_pose())):
        make_film((tmp_path / "train" / "images" / name).with_suffix(".jpg"))
        (tmp_path / "train" / "labels").mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / "labels" / name).write_text(text)
    found = read_annotations(tmp_path)
    assert not found.problems
    assert {s.key: s.origin for s in found.samples} == {
        "train/images/a": "keypoint-rcnn", "train/images/b": "yolo-pose",
    }  # fmt: skip
    for each in found.samples:
        np.testing.assert_allclose(each.landmarks.points, QUADS, atol=1e-9)
        assert each.flags == frozenset()


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("x.json", as_keypoint_rcnn(), "keypoint-rcnn"),
        ("x.txt", as_yolo_pose(), "yolo-pose"),
        ("x.csv", as_buu(), "buu"),
    ],
)
def test_a_folder_is_recognised_and_may_be_named(tmp_path, make_film, name, text, format):
    make_film(tmp_path / "x.png")
    (tmp_path / name).write_text(text)
    (tmp_path / "README.txt").write_text("about these films")
    (tmp_path / "settings.json").write_text('{"a": 1}')
    for named in (None, format):
        found = read_annotations(tmp_path, format=named)
        assert [s.origin for s in found.samples] == [format]
        assert not found.problems
    for other in set(FORMATS) - {format, "aasce"}:
        with pytest.raises(UsageError, match="no annotations found"):
            read_annotations(tmp_path, format=other)


def test_a_folder_of_coco_files_leaves_predictions_out(tmp_path, make_film):
    for part in ("train", "valid"):
        film = make_film(tmp_path / part / "x.png")
        write_coco(tmp_path / part / "_annotations.coco.json", [sample(film)])
    write_coco(tmp_path / "predictions.json", [sample(film)], made_by={"weights": "0a"})
    found = read_annotations(tmp_path)
    assert [s.key for s in found.samples] == ["train/x", "valid/x"]
    assert not found.made_by


def test_a_single_coco_file_is_read_and_keeps_what_made_it(tmp_path):
    path = tmp_path / "predictions.json"
    write_coco(path, [sample(tmp_path / "gone.png")], made_by={"weights": "0a"})
    assert read_annotations(path).made_by == {"weights": "0a"}
    assert [s.key for s in read_annotations(path, format="coco").samples] == ["gone"]


def test_what_cannot_be_used_is_listed_and_the_rest_goes_on(tmp_path, make_film):
    texts = {
        "good.json": as_keypoint_rcnn(),
        "cut.json": as_keypoint_rcnn()[:-9],
        "three.json": as_keypoint_rcnn()
        .replace("[160.0, 100.0, 1]", "null", 1)
        .replace(", null", "", 1),
        "nan.json": as_keypoint_rcnn(QUADS * [np.nan, 1]),
        "infinite.json": as_keypoint_rcnn(QUADS * [np.inf, 1]),
        "list.json": "[]",
        "words.txt": "not a label",
        "nofilm.json": as_keypoint_rcnn(),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        if name != "nofilm.json":
            make_film((tmp_path / name).with_suffix(".png"))
    (tmp_path / "broken.json").write_text(as_keypoint_rcnn())
    (tmp_path / "broken.png").write_text("text")
    found = read_annotations(tmp_path)
    assert [s.key for s in found.samples] == ["good"]
    messages = {p.path.name: p.message for p in found.problems}
    assert messages.pop("cut.json").startswith("not JSON (")
    assert "broken.png" in messages.pop("broken.json")
    assert messages == {
        "three.json": "vertebra 1 has 3 corners, need 4 (null for one not seen)",
        "nan.json": "vertebra 1 corner 1 x is NaN, need a finite number",
        "infinite.json": "vertebra 1 corner 1 x is Infinity, need a finite number",
        "list.json": "the file is [], need an object",
        "words.txt": "line 1 has 3 numbers, need 13 or 17 (class, box, 4 corners x y or x y v)",
        "nofilm.json": "no film named nofilm.* was found",
    }


def test_a_film_annotated_twice_is_used_once(tmp_path, make_film):
    make_film(tmp_path / "x.png")
    (tmp_path / "x.json").write_text(as_keypoint_rcnn())
    (tmp_path / "x.txt").write_text(as_yolo_pose())
    found = read_annotations(tmp_path)
    assert [s.origin for s in found.samples] == ["keypoint-rcnn"]
    assert [p.message for p in found.problems] == ["annotated twice, need one annotation a film"]


def test_an_empty_folder_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no annotations found"):
        read_annotations(tmp_path)
    with pytest.raises(UsageError, match="unknown format 'cocoa', need coco, keypoint-rcnn"):
        read_annotations(tmp_path, format="cocoa")
    with pytest.raises(UsageError, match="no such folder or file"):
        read_annotations(tmp_path / "gone")
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(UsageError, match=r"one file, need a COCO \.json file"):
        read_annotations(tmp_path / "x.txt")


def test_a_single_file_that_is_no_coco_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(AnnotationError, match=r"x\.json: not JSON"):
        read_annotations(tmp_path / "x.json")
