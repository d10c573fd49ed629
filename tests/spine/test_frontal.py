"""Lateral listhesis against shifts that were made, and against a film turned upright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.film.radiograph import FilmGeometry, PixelSpacing
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement
from spondyl.spine.measurements import measure

NAMES = ("L2", "L3", "L4")
FILM = FilmGeometry(600, 400, view="ap")


def stack(shifts: Sequence[float]) -> Landmarks:
    """Upright bodies of 80 x 50 px with discs of 14 px, each ``shifts`` px right of x = 200."""
    points = np.empty((len(shifts), 4, 2))
    for place, shift in enumerate(shifts):
        points[place, ::2, 0], points[place, 1::2, 0] = 160.0 + shift, 240.0 + shift
        points[place, :2, 1] = 100.0 + 64.0 * place
        points[place, 2:, 1] = 150.0 + 64.0 * place
    return Landmarks(points, levels=NAMES[: len(shifts)])


def listheses(landmarks: Landmarks, film: FilmGeometry = FILM) -> list[Measurement]:
    return [each for each in measure(landmarks, film) if each.name == "lateral listhesis"]


def values(landmarks: Landmarks, film: FilmGeometry = FILM) -> list[float]:
    return [each.value for each in listheses(landmarks, film) if each.value is not None]


def test_a_vertebra_that_moved_to_the_right_of_the_image_is_positive() -> None:
    """L2 lies 8 px right of L3, which lies 4 px left of L4: 10 and -5 % of 80 px."""
    found = listheses(stack([8, 0, 4]))
    assert [(each.levels, each.value, each.unit) for each in found] == [
        (("L2", "L3"), pytest.approx(8), "px"), (("L2", "L3"), pytest.approx(10), "%"),
        (("L3", "L4"), pytest.approx(-4), "px"), (("L3", "L4"), pytest.approx(-5), "%"),
    ]  # fmt: skip


def test_a_mirrored_film_has_the_opposite_listhesis() -> None:
    landmarks = stack([8, 0, 4])
    assert values(landmarks.mirrored(400)) == pytest.approx([-each for each in values(landmarks)])


def test_the_facing_of_landmarks_plays_no_part_on_an_ap_film() -> None:
    landmarks = stack([8, 0])
    facing = Landmarks(landmarks.points, levels=landmarks.levels, facing="left")
    assert values(facing) == pytest.approx([8, 10])


def test_with_a_spacing_it_is_in_mm_and_a_stretched_film_in_its_true_proportions() -> None:
    spacing = PixelSpacing(row_mm=0.4, column_mm=0.2, plane="patient")
    landmarks = stack([8, 0])
    squeezed = Landmarks(landmarks.points * [1.0, 0.5], levels=landmarks.levels)
    film = FilmGeometry(300, 400, spacing=spacing, aspect=2.0, view="ap")
    assert [(each.value, each.unit) for each in listheses(squeezed, film)] == [
        (pytest.approx(1.6), "mm"), (pytest.approx(10), "%"),
    ]  # fmt: skip


def test_a_tilt_alone_is_no_listhesis() -> None:
    """An upper vertebra that tips about the centre of its lower endplate stays where it is."""
    points = stack([0, 0]).points.copy()
    pivot, angle = points[0, 2:].mean(axis=0), np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points[0] = pivot + (points[0] - pivot) @ turn.T
    assert values(Landmarks(points, levels=NAMES[:2])) == pytest.approx([0, 0], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(-60, 60), st.floats(0.2, 4.0), st.floats(-100, 100))
def test_it_is_a_step_in_x_once_the_lower_endplate_lies_flat(
    seed: int, degrees: float, scale: float, move: float
) -> None:
    """Random quadrilaterals on films that are turned, scaled and moved."""
    rng = np.random.default_rng(seed)
    flat = stack([rng.uniform(-20, 20), 0.0]).points + rng.normal(0, 4, (2, 4, 2))
    flat[1, :2, 1] = flat[1, 0, 1]
    step = flat[0, 2:, 0].mean() - flat[1, :2, 0].mean()
    share = 100 * step / (flat[1, 1, 0] - flat[1, 0, 0])
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    film = Landmarks(scale * flat @ turn.T + move, levels=NAMES[:2])
    assert values(film) == pytest.approx([scale * step, share], abs=1e-8)


def test_its_line_is_as_long_as_it_is_and_a_corner_not_seen_leaves_a_reason() -> None:
    landmarks = stack([8, 0])
    (start, end), (_, centre) = listheses(landmarks)[0].lines
    assert end[0] - start[0] == pytest.approx(8)
    assert centre == pytest.approx((208, 150))
    points = landmarks.points.copy()
    points[0, 2] = np.nan
    torn = listheses(Landmarks(points, levels=NAMES[:2]))
    assert [(each.value, each.note) for each in torn] == [(None, "a corner was not seen")] * 2


def test_over_a_gap_nothing_is_measured() -> None:
    assert listheses(stack([0, 0, 0]).select([0, 2])) == []
