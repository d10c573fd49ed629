import json

import numpy as np
import pytest

from spondyl.data.keypoint_rcnn import is_keypoint_rcnn, read_keypoint_rcnn
from spondyl.errors import AnnotationError

NAME = "3209-F-073Y1_jpg.rf.b3686ffe92cdefd4f386611cd2115d2b"


def target(*tops):
    """Vertebrae of 60 x 40 px, corners as the release lists them: IL, IR, SL, SR."""
    return {
        "boxes": [[100, y, 160, y + 40] for y in tops],
        "labels": [1] * len(tops),
        "keypoints": [[[100, y + 40, 1], [160, y + 40, 1], [100, y, 1], [160, y, 1]] for y in tops],
    }


def read(tmp_path, make_film, data, *, side=640):
    film = make_film(tmp_path / f"{NAME}.jpg", height=side, width=side)
    label = tmp_path / f"{NAME}.json"
    label.write_text(json.dumps(data))
    return read_keypoint_rcnn(label, film, key="k")


def test_the_release_lists_the_inferior_corners_first(tmp_path, make_film):
    found = read(tmp_path, make_film, target(100, 150, 200))
    np.testing.assert_array_equal(
        found.landmarks.points[0], [[100, 100], [160, 100], [100, 140], [160, 140]]
    )
    assert (found.group, found.origin, found.aspect) == ("BUU-3209", "keypoint-rcnn", None)
    assert (found.height, found.width, found.flags) == (640, 640, frozenset())
    assert found.landmarks.levels is None
    assert not found.complete_above
    assert not found.complete_below


def test_a_reversed_list_is_turned_round(tmp_path, make_film):
    found = read(tmp_path, make_film, target(200, 150, 100))
    assert found.landmarks.centres[:, 1].tolist() == [120, 170, 220]
    assert found.flags == {"list reversed"}


def test_a_corner_not_seen_is_nan(tmp_path, make_film):
    data = target(100, 150)
    data["keypoints"][1][3] = [0, 0, 0]
    data["keypoints"][0][0] = None
    found = read(tmp_path, make_film, data).landmarks.points
    assert np.argwhere(np.isnan(found[..., 0])).tolist() == [[0, 2], [1, 1]]


def changed(**values):
    return target(100, 150) | values


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "the file is [], need an object"),
        ({}, "the file has no 'keypoints'"),
        (target(), "no vertebra is annotated"),
        (changed(keypoints="no"), 'keypoints is "no", need a list'),
        (changed(boxes=[[0, 0, 1, 1]]), "1 boxes for 2 vertebrae, need one each"),
        (changed(boxes=[[0, 0, 1, 1], [0, 0, -5, 1]]), "box 2 is [0, 0, -5, 1], need x1 <= x2"),
        (changed(boxes=[[0, 0, 1], [0, 0, 1, 1]]), "box 1 has 3 numbers, need x1, y1, x2, y2"),
        (changed(boxes=[[0, 0, 1, "1"], [0, 0, 1, 1]]), 'box 1 is "1", need a number'),
        (target(float("nan")), "box 1 is NaN, need a finite number"),
        (changed(keypoints=[[[1, 2, 1]] * 3] * 2), "vertebra 1 has 3 corners, need 4"),
        (changed(keypoints=[[[1, 2, 3, 4]] * 4] * 2), "vertebra 1 corner 1 has 4 numbers"),
    ],
)
def test_an_impossible_file_is_refused_in_one_line(tmp_path, make_film, data, message):
    with pytest.raises(AnnotationError) as refused:
        read(tmp_path, make_film, data)
    assert str(refused.value).startswith(message)


def test_the_format_is_recognised_by_its_keys():
    assert is_keypoint_rcnn(target(1))
    assert not is_keypoint_rcnn({"images": [], "keypoints": []})
    assert not is_keypoint_rcnn([target(1)])
