import json

import numpy as np
import pytest
from tests.data.drawing import LEVELS, QUADS, ROUND

from spondyl.data.folder import read_annotations
from spondyl.data.label_studio import is_label_studio, read_label_studio
from spondyl.errors import AnnotationError

NAMES = ("SL", "SR", "IL", "IR")


def percent(points):
    """Percentages of a film of 480 x 640 px, from its edge."""
    return ((np.asarray(points) + 0.5) / (480, 640) * 100).tolist()


def region(kind, value, **fields):
    """One result as Label Studio exports it."""
    return {
        "original_width": 480, "original_height": 640, "image_rotation": 0, "value": value,
        "from_name": "label", "to_name": "image", "type": kind, "origin": "manual",
    } | fields  # fmt: skip


def keypoint(label, point, **fields):
    x, y = percent(point)
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [label] if label else []}
    return region("keypointlabels", value, **fields)


def polygon(label, quad):
    points = percent(quad[ROUND])
    return region("polygonlabels", {"points": points, "closed": True, "polygonlabels": [label]})


def task(*results, image="/data/upload/1/0a1b2c3d-film.png"):
    return {
        "id": 7, "annotations": [{"id": 3, "was_cancelled": False, "result": list(results)}],
        "file_upload": "0a1b2c3d-film.png", "data": {"image": image}, "predictions": [],
    }  # fmt: skip


POLYGONS = [polygon(level, quad) for level, quad in zip(LEVELS, QUADS, strict=True)]
KEYPOINTS = [
    keypoint(f"{level} {name}", at)
    for level, quad in zip(LEVELS, QUADS, strict=True)
    for name, at in zip(NAMES, quad, strict=True)
]


def read(tmp_path, make_film, stored):
    make_film(tmp_path / "films" / "film.png")
    path = tmp_path / "export.json"
    path.write_text(stored if isinstance(stored, str) else json.dumps(stored))
    return read_label_studio(path)


@pytest.mark.parametrize("results", [POLYGONS, KEYPOINTS], ids=["polygons", "keypoints"])
def test_percentages_are_of_the_film_from_its_edge(tmp_path, make_film, results):
    found = read(tmp_path, make_film, [task(*results)])
    assert not found.problems
    (sample,) = found.samples
    np.testing.assert_allclose(sample.landmarks.points, QUADS, atol=1e-9)
    assert sample.landmarks.levels == LEVELS
    assert (sample.key, sample.origin, sample.group) == ("films/film", "label-studio", "film")


def test_keypoints_belong_to_the_region_that_holds_them(tmp_path, make_film):
    boxes = [
        region("rectanglelabels", {"x": 1, "y": 1, "width": 9, "height": 9, "rotation": 0,
                                   "rectanglelabels": [level]}, id=f"r{level}")
        for level in LEVELS
    ]  # fmt: skip
    points = [
        keypoint(name, at, parentID=f"r{level}")
        for level, quad in zip(LEVELS, QUADS, strict=True)
        for name, at in zip(NAMES[:3], quad, strict=False)
    ]
    found = read(tmp_path, make_film, [task(*boxes, *points)]).samples[0].landmarks
    np.testing.assert_allclose(found.points[:, :3], QUADS[:, :3], atol=1e-9)
    assert np.isnan(found.points[:, 3]).all()
    assert found.levels == LEVELS


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/1/0a1b2c3d-film.png",
        "/data/local-files/?d=spines%2Ffilms/film.png",
        "s3://bucket/films/film.png",
        "https://example.org/films/film.png?token=1",
        "film.png",
    ],
)
def test_the_film_is_found_however_its_address_is_written(tmp_path, make_film, image):
    assert read(tmp_path, make_film, [task(*POLYGONS, image=image)]).samples


def test_a_folder_is_recognised_by_content(tmp_path, make_film):
    read(tmp_path, make_film, [task(*POLYGONS)])
    for format in (None, "label-studio"):
        found = read_annotations(tmp_path, format=format)
        assert [s.origin for s in found.samples] == ["label-studio"]
    assert read_annotations(tmp_path / "export.json").samples
    assert not is_label_studio([{"image": "film.png", "corners": []}])


def changed(**fields):
    return [task(*(result | fields for result in POLYGONS))]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([7], "task is 7, need an object"),
        ([{"annotations": []}], "task names no film in its data, need 'image'"),
        ([task(*POLYGONS, image="gone.png")], "no film named gone.png was found"),
        ([task(*POLYGONS, image="http://[")], "no film named [ was found"),
        ([task(*POLYGONS) | {"annotations": []}], "0 annotations, need 1"),
        ([task(*POLYGONS) | {"annotations": [{"result": []}] * 2}], "2 annotations, need 1"),
        ([task()], "no vertebra is annotated"),
        ([task(5)], "result is 5, need an object"),
        (changed(original_width=999), "the film is 480 x 640 px, the annotation says 999 x 640"),
        (changed(image_rotation=90), "the film was turned while it was annotated"),
        (changed(value=None), "value is null, need an object"),
        (changed(value={"points": [[1]] * 4}), "a point has 1 numbers, need x, y"),
        (changed(value={"points": [[1, float("inf")]] * 4}), "y is Infinity, need a finite"),
        ([task(keypoint("", (1, 2)))], "a vertebra has 1 points without a corner's name"),
        ([task(KEYPOINTS[0], KEYPOINTS[0])], "L4 has the corner SL twice"),
        (changed(value={"points": [[1e9, 1]] * 4}), "corner (4.8e+09"),
    ],
)
def test_an_impossible_task_is_a_problem_of_one_line(tmp_path, make_film, stored, message):
    found = read(tmp_path / "a" / "study", make_film, [*stored, task(*POLYGONS)])
    assert len(found.samples) == 1
    assert [p.message.startswith(message) for p in found.problems] == [True], found.problems


@pytest.mark.parametrize("stored", ["{}", "[" * 99_999, "nothing", "[" + "9" * 5000 + "]"])
def test_a_hostile_file_is_refused_in_one_line(tmp_path, make_film, stored):
    with pytest.raises(AnnotationError, match=r"export\.json: "):
        read(tmp_path, make_film, stored)
