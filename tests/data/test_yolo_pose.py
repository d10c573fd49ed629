import numpy as np
import pytest

from spondyl.data.yolo_pose import is_yolo_pose, read_yolo_pose
from spondyl.errors import AnnotationError

NAME = "3701-M-060Y1_jpg.rf.0a"


def line(top, *, visible="2", height=640, width=480):
    """A vertebra of 60 x 40 px whose corners are listed SL, IL, IR, SR, as the release does."""
    corners = [(100, top), (100, top + 40), (160, top + 40), (160, top)]
    words = ["0", "0.2", "0.2", "0.1", "0.1"]
    for x, y in corners:
        words += [
            repr((x + 0.5) / width),
            repr((y + 0.5) / height),
            *([visible] if visible else []),
        ]
    return " ".join(words)


def read(tmp_path, make_film, text, *, height=640, width=480):
    film = make_film(tmp_path / f"{NAME}.jpg", height=height, width=width)
    label = tmp_path / f"{NAME}.txt"
    label.write_text(text)
    return read_yolo_pose(label, film, key="k")


@pytest.mark.parametrize("visible", ["2", ""])
def test_fractions_are_of_the_edges_and_corners_run_round_the_body(tmp_path, make_film, visible):
    found = read(tmp_path, make_film, "\n".join(line(y, visible=visible) for y in (100, 150)))
    np.testing.assert_allclose(
        found.landmarks.points[0], [[100, 100], [160, 100], [100, 140], [160, 140]], atol=1e-9
    )
    assert (found.group, found.origin, found.aspect) == ("BUU-3701", "yolo-pose", 1.0)


def test_the_edges_of_the_film_are_half_a_pixel_outside(tmp_path, make_film):
    found = read(tmp_path, make_film, "0 .5 .5 1 1  0 0  0 1  1 1  1 0", height=71, width=81)
    np.testing.assert_allclose(
        found.landmarks.points[0], [[-0.5, -0.5], [80.5, -0.5], [-0.5, 70.5], [80.5, 70.5]]
    )


def test_a_corner_not_seen_is_nan(tmp_path, make_film):
    words = line(100).split()
    words[5:8] = ["0", "0", "0"]
    found = read(tmp_path, make_film, " ".join(words)).landmarks.points
    assert np.isnan(found[0, 0]).all()
    assert not np.isnan(found[0, 1:]).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no vertebra is annotated"),
        ("0 .5 .5 .1 .1  .1 .1 .2 .2 .3 .3", "line 1 has 11 numbers, need 13 or 17"),
        (line(100) + "\n0 1", "line 2 has 2 numbers, need 13 or 17"),
        (line(100).replace("0.1 0.1", "0.1 -0.1"), "line 1: box is 0.1 x -0.1, need sizes above 0"),
        (line(100).replace("0.2 0.2", "0.2 nan"), "line 1 is NaN, need a finite number"),
        (line(100).replace("0.2 0.2", "0.2 x"), "line 1 has 'x', need numbers"),
        ("0 90 90 9 9  9 9  9 90  90 90  90 9", "line 1: corners are px, need fractions"),
    ],
)
def test_an_impossible_file_is_refused_in_one_line(tmp_path, make_film, text, message):
    with pytest.raises(AnnotationError) as refused:
        read(tmp_path, make_film, text)
    assert str(refused.value).startswith(message)


def test_the_format_is_recognised_by_its_lines():
    assert is_yolo_pose(line(100) + "\n\n" + line(150, visible=""))
    assert not is_yolo_pose("")
    assert not is_yolo_pose("Read me first")
    assert not is_yolo_pose("the " * 17)
