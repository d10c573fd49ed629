import json
from dataclasses import replace
from pathlib import Path

import pytest

from spondyl.checking.films import check_folder, sources
from spondyl.data.folder import read_annotations
from spondyl.data.sample import AnnotationSet

from .columns import column, listing


def label(path, points):
    """A Keypoint R-CNN file that lists corners as the release does."""
    corners = [[[x, y, 2] for x, y in quad] for quad in points[:, [2, 3, 0, 1]].tolist()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"keypoints": corners}))


def of_folder(folder):
    found = read_annotations(folder)
    return {(f.kind, f.film) for f in check_folder(folder, found)}


def test_films_with_a_label_each_have_no_fault(tmp_path, make_film):
    for name in "ab":
        make_film(tmp_path / f"{name}.png")
        label(tmp_path / f"{name}.json", column())
    assert of_folder(tmp_path) == set()


def test_films_and_labels_that_lack_each_other_are_told(tmp_path, make_film):
    make_film(tmp_path / "a.png")
    make_film(tmp_path / "lonely.png")
    label(tmp_path / "a.json", column())
    label(tmp_path / "lost.json", column())
    assert of_folder(tmp_path) == {
        ("film without label", "lonely.png"),
        ("label without film", "lost.json"),
    }


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda p: p / 640, "wrong units"),
        (lambda p: p + 3000, "point outside the film"),
        (lambda p: p[:, :3], "unusable label"),
    ],
)
def test_what_a_reader_refuses_blocks_by_its_kind(tmp_path, make_film, spoil, kind):
    make_film(tmp_path / "a.png")
    make_film(tmp_path / "b.png")
    label(tmp_path / "a.json", column())
    quads = spoil(column())
    corners = [[[x, y, 2] for x, y in quad] for quad in quads.tolist()]
    (tmp_path / "b.json").write_text(json.dumps({"keypoints": corners}))
    found = read_annotations(tmp_path)
    (fault,) = check_folder(tmp_path, found)
    assert (fault.kind, fault.film, fault.severity) == (kind, "b.json", "error")


def coco(folder, images, annotations):
    names = ["superior_left", "superior_right", "inferior_left", "inferior_right"]
    categories = [{"id": 1, "name": "vertebra", "keypoints": names}]
    (folder / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )


def annotation(image, quad, **more):
    flat = [value for x, y in quad.tolist() for value in (x, y, 2)]
    return {"image_id": image, "category_id": 1, "keypoints": flat} | more


def test_what_a_coco_file_says_wrongly_is_told_by_its_kind(tmp_path, make_film):
    for name in "abcd":
        make_film(tmp_path / f"{name}.png")
    image = {"height": 640, "width": 480}
    images = [
        {"id": 1, "file_name": "a.png"} | image,
        {"id": 2, "file_name": "b.png", "height": 600, "width": 480},
        {"id": 3, "file_name": "c.png"} | image,
        {"id": 4, "file_name": "d.png"} | image,
        {"id": 5, "file_name": "d.png"} | image,
        {"id": 6, "file_name": "gone.png"} | image,
    ]
    quads = column()
    lists = [annotation(k, quad) for k in (1, 2, 4, 5, 6) for quad in quads]
    lists += [annotation(3, quad, level="L1") for quad in quads]
    coco(tmp_path, images, lists)
    assert of_folder(tmp_path) == {
        ("wrong size", "b.png"),
        ("level names", "c.png"),
        ("labelled twice", "d.png"),
        ("label without film", "gone.png"),
    }


def samples(*names, **more):
    return tuple(replace(listing(column(), key=name, **more)) for name in names)


def of_samples(*found):
    return check_folder(Path("nowhere"), AnnotationSet(found))


def test_augmented_copies_of_a_film_are_told_once():
    names = ("x_jpg.rf.0a", "x_jpg.rf.0b", "x_jpg.rf.0c", "y_jpg.rf.0d", "z")
    (fault,) = of_samples(*samples(*names))
    assert (fault.kind, fault.film) == ("augmented copy", "x_jpg.rf.0a")
    assert fault.evidence == "3 films are copies of x_jpg, all of group x_jpg"


def test_a_stretched_source_is_told_once():
    (fault,) = of_samples(*samples("a", "b", aspect=None), *samples("c"))
    assert fault.kind == "stretched aspect"
    assert fault.evidence == "coco: the true aspect of 2 of 3 films is unknown, such as a"
    (fault,) = of_samples(*samples("a", "b", aspect=1.4))
    assert "not square" in fault.evidence


def test_films_that_are_all_one_square_look_stretched():
    square = [replace(s, height=640, width=640) for s in samples(*"abcde")]
    assert [f.kind for f in of_samples(*square)] == ["stretched aspect"]
    assert of_samples(*square[:4]) == []
    assert of_samples(*square[:4], *samples("e")) == []


def test_two_formats_in_a_folder_are_told():
    found = of_samples(*samples("a", "b"), *samples("c", origin="yolo-pose"))
    assert [f.evidence for f in found] == ["the folder holds several sources: 2 coco, 1 yolo-pose"]
    assert sources(samples("a", "b")) == {"coco": ["a", "b"]}


def test_labels_without_a_folder_can_be_checked(tmp_path):
    assert check_folder(tmp_path, AnnotationSet(samples("a"))) == []
