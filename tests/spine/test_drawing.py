"""Overlays, probed pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from spondyl.film.radiograph import Radiograph
from spondyl.spine.drawing import (
    FOUND,
    MEASURED,
    REFERENCE,
    MarkedLine,
    Words,
    describe,
    draw_overlay,
)
from spondyl.spine.landmarks import Landmarks


def radiograph(grey: float = 0.0, *, height: int = 400, width: int = 200, aspect: float = 1.0):
    return Radiograph(np.full((height, width), grey, dtype=np.float32), aspect=aspect)


def box(x: float, y: float, *, width: float = 60, height: float = 40) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]], float)


def at(image, points, scale=1.0) -> list[tuple[int, ...]]:
    """The colours at image px of the film, in an overlay of ``scale`` px a px."""
    where = np.rint((np.asarray(points).reshape(-1, 2) + 0.5) * scale - 0.5).astype(int)
    return [image.getpixel((int(x), int(y))) for x, y in where]


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("long_side", [400, 1024])
def test_corners_are_marked_where_they_are_on_any_grey(grey: float, long_side: int) -> None:
    corners = box(60, 100)
    image = draw_overlay(radiograph(grey), Landmarks(corners[None]), long_side=long_side)
    assert image.size == (long_side // 2, long_side)
    assert at(image, corners, long_side / 400) == [FOUND] * 4


def test_the_film_shows_through_and_strokes_have_a_dark_rim() -> None:
    image = draw_overlay(radiograph(1.0), Landmarks(box(60, 100)[None]), long_side=800)
    assert image.getpixel((90 * 2, 120 * 2)) == (255, 255, 255)
    column = [image.getpixel((90 * 2, y)) for y in range(190, 212)]
    assert FOUND in column
    assert (0, 0, 0) in column


def test_endplates_are_stronger_than_walls() -> None:
    image = np.asarray(draw_overlay(radiograph(), Landmarks(box(60, 100)[None]), long_side=1600))
    lit = (image == FOUND).all(axis=-1)
    assert lit[380:440, 360].sum() > 1.5 * lit[480, 220:260].sum() > 0


def test_the_reference_lies_beneath_in_its_own_colour() -> None:
    same, other = box(60, 100), box(60, 200)
    landmarks = Landmarks(same[None])
    reference = Landmarks(np.stack([same, other]))
    image = draw_overlay(radiograph(), landmarks, reference=reference, long_side=800)
    assert at(image, same, 2) == [FOUND] * 4
    assert at(image, other, 2) == [REFERENCE] * 4


def test_a_corner_not_seen_is_left_out_with_its_lines() -> None:
    corners = box(60, 100)
    corners[3] = np.nan
    image = draw_overlay(radiograph(), Landmarks(corners[None]), long_side=400)
    assert at(image, corners[:3]) == [FOUND] * 3
    right_wall, lower_endplate = (120, 125), (90, 140)
    assert at(image, [right_wall, lower_endplate]) == [(0, 0, 0)] * 2


def test_a_film_whose_pixels_are_not_square_is_shown_in_true_proportions() -> None:
    corners = box(60, 100)
    tall = radiograph(aspect=2.0)
    image = draw_overlay(tall, Landmarks(corners[None]), long_side=800)
    assert image.size == (200, 800)
    assert at(image, corners * [1, 2] + [0, 0.5]) == [FOUND] * 4


def test_levels_are_written_and_nothing_is_drawn_of_an_empty_spine() -> None:
    corners = box(20, 100)[None]
    bare = np.asarray(draw_overlay(radiograph(), Landmarks(np.zeros((0, 4, 2)))))
    assert not (bare == FOUND).all(axis=-1).any()
    pictures = [
        np.asarray(
            draw_overlay(
                radiograph(), Landmarks(corners, levels=levels, level_probability=np.array([p]))
            )
        )
        for levels, p in ((None, np.nan), (("L1",), np.nan), (("L1",), 0.9))
    ]
    written = [int((picture[:, 240:] == 255).all(axis=-1).sum()) for picture in pictures]
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert written[2] > written[1] > 0


def test_a_label_without_room_on_the_right_goes_left() -> None:
    image = np.asarray(draw_overlay(radiograph(), Landmarks(box(135, 100)[None]), long_side=800))
    white = (image[180:300] == 255).all(axis=-1)
    assert white[:, :260].any()
    assert not white[:, 395:].any()


def amber(image) -> np.ndarray:
    """Where the landmarks' own colour is."""
    return (np.asarray(image) == FOUND).all(axis=-1)


@pytest.mark.parametrize("corner", range(4))
def test_whichever_corner_was_not_seen_its_two_lines_go_and_the_others_stay(corner: int) -> None:
    whole, partial = box(60, 100), box(60, 100)
    partial[corner] = np.nan
    image = draw_overlay(radiograph(), Landmarks(partial[None]), long_side=800)
    lines = {(0, 1), (2, 3), (0, 2), (1, 3)}
    for a, b in lines:
        seen = at(image, (whole[a] + whole[b]) / 2, 2)[0] != (0, 0, 0)
        assert seen == (corner not in (a, b))
    dots = [colour == FOUND for colour in at(image, whole, 2)]
    assert dots == [i != corner for i in range(4)]


@pytest.mark.parametrize("seen", [[0], [3], [0, 3], [1, 2]])
def test_corners_that_share_no_side_have_dots_and_no_line(seen: list[int]) -> None:
    corners = box(60, 100)
    partial = np.full((4, 2), np.nan)
    partial[seen] = corners[seen]
    image = draw_overlay(radiograph(), Landmarks(partial[None]), long_side=800)
    assert at(image, corners[seen], 2) == [FOUND] * len(seen)
    for middle in ((90, 100), (90, 140), (60, 120), (120, 120)):
        assert image.getpixel((2 * middle[0], 2 * middle[1])) == (0, 0, 0)


def test_a_frontal_film_is_drawn_as_a_lateral_one() -> None:
    """Nothing that is drawn depends on which side is anterior."""
    points = np.stack([box(40, 60), box(44, 130), box(40, 200)])
    lateral = radiograph(0.3)
    frontal = Radiograph(lateral.pixels, view="ap")
    pictures = [
        draw_overlay(film, Landmarks(points, levels=("T12", "L1", "L2"), facing=facing))
        for film, facing in ((lateral, "left"), (lateral, "right"), (frontal, None))
    ]
    assert len({picture.tobytes() for picture in pictures}) == 1


def test_a_reference_with_corners_not_seen_is_drawn_as_far_as_it_goes() -> None:
    partial = box(60, 200)
    partial[0] = np.nan
    nobody = Landmarks(np.zeros((0, 4, 2)))
    image = draw_overlay(radiograph(), nobody, reference=Landmarks(partial[None]), long_side=800)
    assert at(image, partial[1:], 2) == [REFERENCE] * 3
    assert at(image, box(60, 200)[:1], 2) == [(0, 0, 0)]
    assert not amber(image).any()


def test_only_the_landmarks_are_labelled_and_the_reference_is_not() -> None:
    nobody = Landmarks(np.zeros((0, 4, 2)))
    reference = Landmarks(box(60, 100)[None], levels=("L1",))
    image = np.asarray(draw_overlay(radiograph(), nobody, reference=reference, long_side=800))
    assert not (image[:700] == 255).all(axis=-1).any()


def test_every_overlay_says_that_it_is_for_research_in_the_lower_right_corner() -> None:
    image = np.asarray(draw_overlay(radiograph(), Landmarks(np.zeros((0, 4, 2))), long_side=800))
    y, x = np.nonzero((image > 100).all(axis=-1))
    assert len(y) > 100
    assert y.min() > 760
    assert x.min() > 200
    assert image[:, :, 0].sum() == image[700:, :, 0].sum()


def test_corners_off_the_film_are_no_accident() -> None:
    """A body that the film cuts: what is beyond the edge is not seen, and nothing fails."""
    image = draw_overlay(radiograph(), Landmarks(box(-30, 370)[None]), long_side=400)
    assert at(image, [[30, 370]]) == [FOUND]
    far = Landmarks(box(5000, -5000)[None])
    assert not amber(draw_overlay(radiograph(), far, long_side=400)).any()


def test_a_mirrored_film_has_the_mirrored_drawing() -> None:
    points = np.stack([box(60, 60), box(70, 140)])
    points[1] += [[0, 0], [0, 8], [0, 0], [0, 8]]
    landmarks = Landmarks(points)
    straight = amber(draw_overlay(radiograph(), landmarks, long_side=1600))
    mirrored = amber(draw_overlay(radiograph(), landmarks.mirrored(200), long_side=1600))
    assert straight.sum() > 1000
    overlap = (straight & mirrored[:, ::-1]).sum() / (straight | mirrored[:, ::-1]).sum()
    assert overlap > 0.9


@pytest.mark.parametrize("shape", [(400, 200), (200, 400), (300, 300), (3, 900)])
@pytest.mark.parametrize("long_side", [64, 700])
def test_the_long_side_is_as_asked_and_the_proportions_stay(
    shape: tuple[int, int], long_side: int
) -> None:
    height, width = shape
    film = radiograph(0.5, height=height, width=width)
    image = draw_overlay(film, Landmarks(box(10, 10)[None]), long_side=long_side)
    assert max(image.size) == long_side
    assert min(image.size) == max(1, round(long_side * min(shape) / max(shape)))
    assert image.mode == "RGB"


def test_greys_stay_in_their_order() -> None:
    ramp = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[None], 400, axis=0)
    image = draw_overlay(Radiograph(ramp), Landmarks(np.zeros((0, 4, 2))), long_side=400)
    row = np.asarray(image)[100].astype(int)
    assert (np.ptp(row, axis=1) == 0).all()
    np.testing.assert_array_equal(row[:, 0], np.arange(256))


def test_vertebrae_without_a_name_are_counted_from_the_top() -> None:
    """V2 is the second vertebra, whether or not the others have names."""
    points = np.stack([box(20, 60), box(20, 160)])
    film = radiograph()
    half = draw_overlay(film, Landmarks(points, levels=("L1", None)), long_side=800)
    none = draw_overlay(film, Landmarks(points), long_side=800)
    named, unnamed = (np.asarray(image) for image in (half, none))
    assert (named[300:420] == unnamed[300:420]).all()
    assert not (named[100:220] == unnamed[100:220]).all()


LINE = MarkedLine((((70.0, 90.0), (130.0, 90.0)),), "slip 12.3 %")


def test_measured_lines_are_drawn_over_the_landmarks_in_their_own_colour() -> None:
    found = Landmarks(box(60, 90)[None])
    image = draw_overlay(radiograph(), found, lines=[LINE], long_side=800)
    assert at(image, [[100, 90], [80, 90]], 2) == [MEASURED] * 2
    assert at(image, [[90, 130]], 2) == [FOUND]
    none = draw_overlay(radiograph(), found, long_side=800)
    assert not (np.asarray(none) == MEASURED).all(axis=-1).any()


def test_words_of_lines_stand_left_of_them_or_else_clear_of_the_levels() -> None:
    film = radiograph(width=400).geometry
    wide = MarkedLine((((250.0, 90.0), (310.0, 90.0)),), "slip 12.3 %")
    near = MarkedLine((((25.0, 90.0), (85.0, 90.0)),), "slip 12.3 %")
    named = Landmarks(box(20, 90)[None], levels=("L4",))
    [left] = [s for s in describe(film, named, lines=[wide]).shapes if words_of(s, "slip")]
    assert (left.anchor, left.at[0] < 250 * 2.56) == ("end", True)
    drawing = describe(film, named, lines=[near])
    [right] = [s for s in drawing.shapes if words_of(s, "slip")]
    [level] = [s for s in drawing.shapes if words_of(s, "L4")]
    assert (right.anchor, level.anchor) == ("start", "start")
    assert right.at[0] > level.at[0] + 20 * drawing.unit


def words_of(shape: object, start: str) -> bool:
    return isinstance(shape, Words) and shape.text.startswith(start)


def test_the_words_of_two_lines_at_one_place_do_not_stand_on_each_other() -> None:
    film = radiograph(width=400).geometry
    ends = ((250.0, 90.0), (310.0, 90.0))
    lines = [MarkedLine((ends,), name) for name in ("slip 1 %", "lordosis 2", "Cobb 3")]
    drawing = describe(film, Landmarks(np.zeros((0, 4, 2))), lines=lines)
    heights = [s.at[1] for s in drawing.shapes if isinstance(s, Words)][:3]
    assert np.diff(heights) == pytest.approx([12 * drawing.unit] * 2)


def test_a_measured_line_that_was_not_seen_is_left_out_with_its_words() -> None:
    unseen = MarkedLine((((np.nan, np.nan), (50.0, 90.0)),), "slip")
    drawing = describe(radiograph().geometry, Landmarks(np.zeros((0, 4, 2))), lines=[unseen])
    assert [s.text for s in drawing.shapes if isinstance(s, Words)] == ["research use only"]


# linear sRGB as people without one kind of cone see it: Machado, Oliveira, Fernandes 2009,
# severity 1
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(colour: tuple[int, int, int], seen: list[list[float]]) -> np.ndarray:
    """CIE L*a*b* (D65) of an sRGB colour as somebody sees it."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(seen) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_the_three_colours_can_be_told_apart_by_the_colour_blind(kind: str) -> None:
    """A difference of 20 in L*a*b* is far above the 2 to 3 that eyes just notice."""
    seen = [lab(colour, DEFICIENCIES[kind]) for colour in (FOUND, REFERENCE, MEASURED)]
    distances = [np.linalg.norm(seen[a] - seen[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(distances) > 20
