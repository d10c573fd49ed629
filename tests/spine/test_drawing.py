"""Overlays, probed pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from spondyl.film.radiograph import Radiograph
from spondyl.spine.drawing import FOUND, REFERENCE, draw_overlay
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
