import json
from dataclasses import replace

import numpy as np
import pytest
from tests.data.drawing import LEVELS, QUADS, ROUND, SIZE

from spondyl.data import labels
from spondyl.data.folder import read_annotations
from spondyl.data.labelme import is_labelme, read_labelme, to_labelme
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks


def shape(label, points, kind="polygon", *, group=None, description=""):
    """One shape as LabelMe 6.3.1 saves it."""
    return {
        "label": label, "points": points, "group_id": group, "description": description,
        "shape_type": kind, "flags": {}, "mask": None,
    }  # fmt: skip


def document(*shapes, **changes):
    """A file as LabelMe 6.3.1 saves it."""
    return {
        "version": "6.3.1", "flags": {}, "shapes": list(shapes), "imagePath": "film.png",
        "imageData": None, "imageHeight": 640, "imageWidth": 480,
    } | changes  # fmt: skip


def polygons(start=0):
    """LabelMe measures from the edge of the film: half a px more."""
    turned = [ROUND[(k + start) % 4] for k in range(4)]
    quads = (QUADS + 0.5)[:, turned].tolist()
    return [shape(level, quad) for level, quad in zip(LEVELS, quads, strict=True)]


def points(name="{level}_{corner}", *, group=None):
    return [
        shape(
            name.format(level=level, corner=corner),
            [(at + 0.5).tolist()],
            "point",
            group=group and k,
        )
        for k, (level, quad) in enumerate(zip(LEVELS, QUADS, strict=True), start=1)
        for corner, at in zip(("SL", "SR", "IL", "IR"), quad, strict=True)
    ]


def read(tmp_path, make_film, data):
    film = make_film(tmp_path / "film.png")
    label = tmp_path / "film.json"
    label.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_labelme(label, film, key="k")


@pytest.mark.parametrize("start", range(4))
def test_a_polygon_of_four_points_is_a_vertebra_wherever_it_begins(tmp_path, make_film, start):
    found = read(tmp_path, make_film, document(*polygons(start)))
    np.testing.assert_array_equal(found.landmarks.points, QUADS)
    assert found.landmarks.levels == LEVELS
    assert (found.origin, found.group, found.flags) == ("labelme", "film", frozenset())
    assert not found.listed.order_stated


@pytest.mark.parametrize("name", ["{level}_{corner}", "{level} {corner}", "{level}-{corner}"])
def test_points_are_told_apart_by_their_labels(tmp_path, make_film, name):
    found = read(tmp_path, make_film, document(*points(name))).landmarks
    np.testing.assert_array_equal(found.points, QUADS)
    assert found.levels == LEVELS


def test_points_of_one_group_are_one_vertebra_and_one_not_drawn_was_not_seen(tmp_path, make_film):
    shapes = points("{corner}", group=True)
    del shapes[-1]
    found = read(tmp_path, make_film, document(*shapes)).landmarks
    assert found.levels is None
    assert np.argwhere(np.isnan(found.points[..., 0])).tolist() == [[2, 3]]


def test_polygons_and_named_points_may_be_mixed(tmp_path, make_film):
    mixed = [*polygons(2)[:2], *points()[8:11]]
    found = read(tmp_path, make_film, document(*mixed)).landmarks
    np.testing.assert_array_equal(found.points[:2], QUADS[:2])
    np.testing.assert_array_equal(found.points[2, :3], QUADS[2, :3])
    assert np.isnan(found.points[2, 3]).all()


def test_other_shapes_and_unknown_levels_are_no_vertebrae_and_no_names(tmp_path, make_film):
    shapes = [shape("marker", [[1, 1], [9, 9]], "rectangle"), *polygons()]
    shapes[1]["label"] = "vertebra"
    found = read(tmp_path, make_film, document(*shapes)).landmarks
    assert found.levels == (None, "L5", "S1")


def test_the_film_is_the_one_that_the_file_names(tmp_path, make_film):
    make_film(tmp_path / "films" / "other.png")
    (tmp_path / "labels").mkdir()
    data = document(*polygons(), imagePath="..\\films\\other.png")  # saved on Windows
    (tmp_path / "labels" / "film.json").write_text(json.dumps(data))
    for format in (None, "labelme"):
        found = read_annotations(tmp_path, format=format)
        assert not found.problems
        assert [(s.key, s.path.name) for s in found.samples] == [("films/other", "other.png")]


def test_what_is_written_comes_back(tmp_path, make_film):
    seen = QUADS.copy()
    seen[2, 2:] = np.nan
    truth = Sample(
        "a/b", tmp_path / "film.png", **SIZE,
        landmarks=Landmarks(seen, levels=LEVELS, facing="left"),
        group="patient 7", origin="phantom", complete_below=True, view="lateral", aspect=2.0,
        spacing=PixelSpacing(0.2, 0.1, "detector"), flags=frozenset({"L6"}),
    )  # fmt: skip
    stored = to_labelme(truth, "film.png")
    assert is_labelme(stored)
    found = read(tmp_path, make_film, stored)
    np.testing.assert_allclose(found.landmarks.points, seen, atol=1e-12)
    kept = replace(found, landmarks=truth.landmarks, listed=None)
    for name in Sample.__slots__:
        assert getattr(kept, name) == getattr(truth, name), name
    assert (found.landmarks.names, found.landmarks.facing) == (LEVELS, "left")


HOSTILE = {
    "[]": "the file is [], need an object",
    "[" * 100_000: "nested too deeply, need an annotation",
    f'{{"shapes": {"9" * 5000}}}': "holds a number too long to read, need px",
    '{"shapes": 1e999}': "shapes is Infinity, need a list",
    json.dumps(document(7)): "shape 1 is 7, need an object",
    json.dumps(document({})): "shape 1 has no 'label'",
    json.dumps(document(shape(5, []))): "shape 1 label is 5, need text",
    json.dumps(document(shape("L5", [[1, 2]] * 5))): "'L5' has 5 points, need the 4 corners",
    json.dumps(document(shape("L5", [[1]] * 4))): "shape 1 is null, need a number",
    json.dumps(document(shape("L5", [[1, float("nan")]] * 4))): "shape 1 is NaN, need a finite",
    json.dumps(document(shape("L5", [], "point"))): "shape 1 is null, need a number",
    json.dumps(document(*points()[:3], *points()[:1])): "L4 has the corner SL twice",
    json.dumps(document(shape("L5", [[9, 9]], "point"))): "L5 has 1 points without a corner's name",
    json.dumps(document(*polygons(), *polygons())): "a level is named twice: L4, L4",
    json.dumps(document(*polygons(), imageWidth=99)): "the film is 480 x 640 px, the annotation",
    json.dumps(document()): "no vertebra is annotated",
    json.dumps(document(*polygons(), spondyl={"view": "side"})): 'view is "side", need lateral or',
    json.dumps(document(*polygons(), spondyl={"key": [0] * 99})): "key is [0, 0, ",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_an_impossible_file_is_refused_in_one_short_line(tmp_path, make_film, text, message):
    with pytest.raises(AnnotationError) as refused:
        read(tmp_path, make_film, text)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) < 200


def test_a_file_too_large_is_not_read(tmp_path, make_film, monkeypatch):
    monkeypatch.setattr(labels, "LARGEST", 100)
    with pytest.raises(AnnotationError, match=r"\d+ bytes, need an annotation of at most 100"):
        read(tmp_path, make_film, document(*polygons()))


@pytest.mark.parametrize("name", ["a" * 5000, "\0", "", "../..", "/etc/passwd"])
def test_a_film_name_that_cannot_be_is_a_problem(tmp_path, make_film, name):
    (tmp_path / "x.json").write_text(json.dumps(document(*polygons(), imagePath=name)))
    found = read_annotations(tmp_path)
    assert not found.samples
    assert len(found.problems) == 1
