import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spondyl.data.coco import KEYPOINTS, order_of, read_coco, write_coco
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks

SIZE = {"height": 640, "width": 480}


def spine(count=3):
    """Vertebrae of 60 x 40 px one below the other, with uneven decimals."""
    box = np.array([[0.0, 0.0], [60.0, 1.0], [0.0, 40.0], [60.0, 41.0]])
    return np.array([box + [200 + 10 / 3 * i, 100 + 53.1 * i] for i in range(count)])


def sample(film, **changes):
    points = spine()
    points[-1, 2:] = np.nan
    landmarks = Landmarks(points, levels=("L4", "L5", "S1"), facing="left")
    made = Sample(
        key="a/film", path=film, **SIZE, landmarks=landmarks, group="patient 7", origin="phantom",
        complete_below=True, spacing=PixelSpacing(0.2, 0.1, "detector"), aspect=2.0,
        view="lateral", flags=frozenset({"L6", "slip"}),
    )  # fmt: skip
    return replace(made, **changes)


def assert_equal(found, truth):
    for name in ("key", "path", "height", "width", "group", "origin", "complete_above",
                 "complete_below", "spacing", "aspect", "view", "flags"):  # fmt: skip
        assert getattr(found, name) == getattr(truth, name), name
    assert found.landmarks.to_json() == truth.landmarks.to_json()


def edited(path, change):
    """Rewrites the JSON file after ``change`` of its values."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def written(tmp_path, make_film):
    """A COCO file with one annotated film, and the sample in it."""
    truth = sample(make_film(tmp_path / "films" / "a.png"))
    write_coco(tmp_path / "annotations.json", [truth])
    return tmp_path / "annotations.json", truth


def test_an_annotation_comes_back_exactly(written):
    path, truth = written
    found = read_coco(path)
    assert not found.problems
    assert not found.made_by
    assert_equal(found.samples[0], truth)


def test_a_prediction_comes_back_exactly_without_its_film(tmp_path):
    rng = np.random.default_rng(0)
    landmarks = Landmarks(
        spine(), rng.random((3, 4)), ("L5", None, None), np.array([0.9, np.nan, 1 / 3])
    )
    truth = sample(tmp_path / "gone.png", landmarks=landmarks, aspect=None, spacing=None, view=None)
    nothing = sample(tmp_path / "none.png", key="none", landmarks=Landmarks(np.empty((0, 4, 2))))
    write_coco(tmp_path / "out" / "p.json", [truth, nothing], made_by={"weights": "abc"})
    found = read_coco(tmp_path / "out" / "p.json")
    assert found.made_by == {"weights": "abc"}
    assert_equal(found.samples[0], truth)
    assert_equal(found.samples[1], nothing)


def test_the_file_is_what_other_coco_tools_read(written):
    data = json.loads(written[0].read_text())
    assert data["categories"][0]["name"] == "vertebra"
    assert data["categories"][0]["keypoints"] == list(KEYPOINTS)
    assert data["images"][0]["file_name"] == "films/a.png"
    first, *_, last = data["annotations"]
    assert first["keypoints"] == [200, 100, 2, 260, 101, 2, 200, 140, 2, 260, 141, 2]
    assert first["bbox"] == [200, 100, 60, 41]
    assert first["area"] == 60 * 41
    assert (first["num_keypoints"], first["level"], "score" in first) == (4, "L4", False)
    assert (last["num_keypoints"], last["keypoints"][6:]) == (2, [0, 0, 0, 0, 0, 0])


def test_the_score_of_a_prediction_is_its_mean_confidence(tmp_path):
    landmarks = Landmarks(spine(1), np.array([[0.2, 0.4, 0.6, np.nan]]))
    write_coco(tmp_path / "p.json", [sample(tmp_path / "x.png", landmarks=landmarks)], made_by={})
    assert json.loads((tmp_path / "p.json").read_text())["annotations"][0]["score"] == (
        pytest.approx(0.4)
    )


def test_a_keypoint_edited_by_another_tool_counts_more_than_landmarks(written):
    path, truth = written

    def move(data):
        data["annotations"][0]["keypoints"][0] += 3

    found = read_coco(edited(path, move)).samples[0].landmarks
    moved = truth.landmarks.points.copy()
    moved[0, 0, 0] += 3
    np.testing.assert_allclose(found.points, moved)
    assert (found.levels, found.facing) == (truth.landmarks.levels, "left")


def test_a_level_edited_by_hand_counts_more_than_landmarks(written):
    path, truth = written

    def rename(data):
        data["annotations"][0]["level"], data["annotations"][1]["level"] = "L3", "L4"
        del data["annotations"][2]["level"]

    found = read_coco(edited(path, rename)).samples[0].landmarks
    assert found.levels == ("L3", "L4", "S1")
    np.testing.assert_array_equal(found.points, truth.landmarks.points)


def test_a_level_edited_to_one_that_is_there_is_a_problem_of_one_line(written):
    path, _ = written
    change = read_coco(edited(path, lambda data: data["annotations"][0].update(level="L5")))
    assert "a level is named twice: L5, L5, S1" in str(change.problems[0])


def test_rounding_by_another_tool_is_no_edit(written):
    path, truth = written

    def round_all(data):
        for each in data["annotations"]:
            each["keypoints"] = [round(v, 2) for v in each["keypoints"]]

    found = read_coco(edited(path, round_all)).samples[0]
    np.testing.assert_array_equal(found.landmarks.points, truth.landmarks.points)


def test_an_annotation_deleted_by_another_tool_is_gone(written):
    path, _ = written
    found = read_coco(edited(path, lambda data: data["annotations"].pop(1)))
    assert found.samples[0].landmarks.levels == ("L4", "S1")


def plain(names, order, *, category="vertebra"):
    """What another tool writes for three vertebrae, the lowest first, corners as in ``order``."""
    quads = spine()[::-1][:, order]
    return {
        "images": [{"id": "one", "file_name": "a.png", **SIZE}],
        "categories": [{"id": 7, "name": category, "keypoints": names}],
        "annotations": [
            {"id": k, "image_id": "one", "category_id": 7, "keypoints": _triples(each)}
            for k, each in enumerate(quads)
        ],
    }


def _triples(quad):
    return [value for x, y in quad for value in (x, y, 2)]


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["top_left", "top_right", "bottom_right", "bottom_left"], [0, 1, 3, 2]),
        (["IL", "IR", "SL", "SR"], [2, 3, 0, 1]),
        (["a", "b", "c", "d"], [3, 1, 0, 2]),
    ],
)
def test_a_plain_file_of_another_tool_is_read(tmp_path, make_film, names, order):
    make_film(tmp_path / "images" / "a.png")
    (tmp_path / "x.json").write_text(json.dumps(plain(names, order)))
    found = read_coco(tmp_path / "x.json").samples[0]
    np.testing.assert_array_equal(found.landmarks.points, spine())
    assert (found.key, found.group, found.origin, found.aspect) == ("a", "a", "coco", 1.0)
    assert found.path == tmp_path / "images" / "a.png"
    assert found.landmarks.levels is None
    assert not found.complete_above
    assert "list reversed" in found.flags


def test_a_category_named_as_a_level_names_its_vertebrae(tmp_path, make_film):
    make_film(tmp_path / "a.png")
    data = plain(list(KEYPOINTS), [0, 1, 2, 3], category="L3")
    del data["annotations"][1:]
    (tmp_path / "x.json").write_text(json.dumps(data))
    assert read_coco(tmp_path / "x.json").samples[0].landmarks.levels == ("L3",)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (KEYPOINTS, (0, 1, 2, 3)),
        (["Upper-Right", "lower right", "Lower Left", "upper_left"], (3, 0, 2, 1)),
        (["tl", "tr", "br", "bl"], (0, 1, 3, 2)),
        (["tl", "tr", "br", "br"], None),
        (["1", "2", "3", "4"], None),
        (["", "-", "left", "topmost"], None),
    ],
)
def test_keypoint_names_say_the_corner_order(names, order):
    assert order_of(names) == order


def set_in(place, key, value):
    """A change of the first image or annotation."""

    def change(data):
        data[place][0][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("annotations", "keypoints", [1, 2, 2] * 3),
         "L4 has 3 corners, need 4 (null for one not seen)"),
        (set_in("annotations", "keypoints", [1, 2, 2] * 3 + [float("nan"), 2, 2]),
         "L4 corner 4 x is NaN, need a finite number"),
        (set_in("annotations", "keypoints", [1, 2, 2] * 3 + [2, float("inf"), 2]),
         "L4 corner 4 y is Infinity, need a finite number"),
        (set_in("annotations", "keypoints", ["1", 2, 2] * 4),
         'L4 corner 1 x is "1", need a number'),
        (set_in("annotations", "keypoints", [1, 2]),
         "L4 has 2 keypoint numbers, need x, y, v for 4 corners"),
        (set_in("annotations", "keypoints", {}), "L4 keypoints is {}, need a list"),
        (set_in("annotations", "keypoints", [1e6, 0, 2] + [1, 2, 2] * 3),
         "corner (1e+06, 0) is far outside the 480 x 640 px film"),
        (set_in("images", "file_name", "gone.png"), "the film is missing"),
        (set_in("images", "file_name", 3), "file_name is 3, need text"),
        (set_in("images", "width", 481), "the film is 480 x 640 px, the annotation says 481 x 640"),
        (set_in("images", "spacing", {"row_mm": 0, "column_mm": 1}),
         "spacing: row_mm is 0.0, need a finite number above 0"),
        (set_in("images", "spacing", {"row_mm": 1}), "spacing has no 'column_mm'"),
        (set_in("images", "aspect", -1), "aspect is -1, need above 0"),
        (set_in("images", "view", "side"), 'view is "side", need lateral or ap'),
        (set_in("images", "landmarks", {"points": []}),
         "landmarks: landmarks are incomplete: 'confidence'"),
        (set_in("images", "landmarks", [1]), "landmarks is [1], need an object"),
        (lambda data: data.update(images=[None]), "image is null, need an object"),
    ],
)  # fmt: skip
def test_an_impossible_film_is_a_problem_of_one_line_and_the_others_go_on(
    tmp_path, make_film, change, message
):
    films = [make_film(tmp_path / name) for name in ("a.png", "b.png")]
    first, second = sample(films[0], key="a"), sample(films[1], key="b")
    path = tmp_path / "c.json"
    write_coco(path, [first, second])
    found = read_coco(edited(path, lambda data: change(data)))
    assert [p.message for p in found.problems] == [message]
    assert [s.key for s in found.samples] == (["b"] if "image is null" not in message else [])


def test_a_film_that_is_none_is_a_problem(written):
    path, truth = written
    truth.path.write_text("text")
    (problem,) = read_coco(path).problems
    assert problem.path == truth.path
    assert "\n" not in str(problem)
    assert str(problem).count(str(truth.path)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "not JSON"),
        ("[1]", "the file is [1], need an object"),
        ('{"images": []}', "the file has no 'categories'"),
        ('{"images": [], "categories": [{"id": 1, "keypoints": ["a"]}]}',
         "no category has 4 keypoints"),
        ("[" * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_coco_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(AnnotationError) as refused:
        read_coco(path)
    assert str(refused.value).startswith(f"{path}: {message}")


def test_a_byte_order_mark_is_no_fault(written):
    path, _ = written
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_coco(path).samples) == 1


def test_films_are_found_after_the_folder_moved(written, tmp_path):
    path, _ = written
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    tmp_path.rename(moved)
    found = read_coco(moved / path.name)
    assert found.samples[0].path == Path(moved / "films" / "a.png")
