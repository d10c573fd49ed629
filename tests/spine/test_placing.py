"""Corners in the frame of the formulas, and the geometry that all formulas share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.spine.landmarks import Landmarks
from spondyl.spine.placing import (
    across,
    along,
    direction,
    image_lines,
    length,
    on,
    placed,
    quotient,
    turn,
)

POINTS = np.arange(8.0).reshape(1, 4, 2)  # SL (0, 1), SR (2, 3), IL (4, 5), IR (6, 7)


@pytest.mark.parametrize(
    ("facing", "posterior", "anterior"),
    [("right", (0, 2), (2, 6)), ("left", (-2, 6), (0, 2)), (None, (0, 2), (2, 6))],
)
def test_the_front_is_on_the_facing_side_and_the_first_axis_grows_towards_it(
    facing, posterior, anterior
):
    at = placed(POINTS, facing=facing, aspect=2.0)
    assert tuple(at[0, 0, 0]) == posterior
    assert tuple(at[0, 0, 1]) == anterior


@pytest.mark.parametrize("facing", ["left", "right"])
def test_a_mirrored_film_is_placed_alike_but_for_where_it_lies(facing):
    points = np.random.default_rng(0).normal(300, 80, (3, 4, 2))
    landmarks = Landmarks(points, facing=facing)
    mirrored = landmarks.mirrored(700)
    here, there = (
        placed(each.points, facing=each.facing, aspect=1.3) for each in (landmarks, mirrored)
    )
    shift = there - here
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0, 0, 0], shift.shape))


@pytest.mark.parametrize("facing", ["left", "right", None])
def test_placed_points_come_back_to_the_image(facing):
    points = np.random.default_rng(1).normal(300, 80, (2, 4, 2))
    at = placed(points, facing=facing, aspect=0.7)
    lines = image_lines(at[0], facing=facing, aspect=0.7)
    ends = points[0].reshape(2, 2, 2)
    np.testing.assert_allclose(lines, ends[:, ::-1] if facing == "left" else ends)


def test_many_films_are_placed_as_each_of_them():
    points = np.random.default_rng(2).normal(300, 80, (5, 3, 4, 2))
    at = placed(points, facing="left", aspect=1.2)
    for film, alone in zip(at, points, strict=True):
        np.testing.assert_array_equal(film, placed(alone, facing="left", aspect=1.2))


@settings(max_examples=50, deadline=None)
@given(start=st.floats(-180, 180), angle=st.floats(-179, 179))
def test_a_turn_is_the_angle_between_two_lines_to_either_side(start, angle):
    first, second = (
        np.array([[3.0, 4.0], [3 + np.cos(a), 4 + np.sin(a)]])
        for a in np.radians([start, start + angle])
    )
    assert turn(first, second) == pytest.approx(angle, abs=1e-6)
    assert turn(second, first) == pytest.approx(-angle, abs=1e-6)


def test_a_lower_endplate_that_falls_to_the_front_opens_to_the_front():
    level, falling = np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([[0.0, 5.0], [10.0, 6.0]])
    assert turn(level, falling) > 0


def test_lengths_directions_and_normals():
    line = np.array([[1.0, 1.0], [4.0, 5.0]])
    assert length(line) == 5
    np.testing.assert_allclose(direction(line), [0.6, 0.8])
    assert along(np.array([10.0, 0.0]), direction(line)) == pytest.approx(6)
    np.testing.assert_allclose(across(np.array([1.0, 0.0])), [0, 1])  # down from forward


def test_nothing_is_divided_by_nothing():
    assert np.isnan(quotient(1.0, 0.0))
    assert np.isnan(direction(np.zeros((2, 2)))).all()
    np.testing.assert_array_equal(quotient(np.array([6.0, 1.0]), np.array([3.0, 0])), [2, np.nan])


def test_a_formula_gets_the_vertebrae_it_needs():
    at = np.arange(24.0).reshape(3, 2, 2, 2)
    assert on(1, lambda body: body.shape)(at) == (2, 2, 2)
    np.testing.assert_array_equal(on((2, 0), lambda pair: pair)(at), at[[2, 0]])
