"""Cobb angles against closed forms and against the angles that the challenge gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurements import COBB_ANGLES, cobb_angles


def spine(inclinations: np.ndarray, sway: np.ndarray, *, top: float = 50.0) -> Landmarks:
    """Vertebrae turned by ``inclinations`` (deg), their centres ``sway`` px off a plumb line."""
    turn = np.radians(inclinations)
    along = 30 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    down = 18 * np.stack([-np.sin(turn), np.cos(turn)], axis=-1)
    centre = np.stack([300 + sway, top + 50.0 * np.arange(len(turn))], axis=-1)
    corners = [s * down + t * along for s in (-1, 1) for t in (-1, 1)]
    return Landmarks(centre[:, None] + np.stack(corners, axis=1))


def c_shaped() -> Landmarks:
    inclinations = np.interp(np.arange(17), [0, 4, 12, 16], [5, 20, -30, -10])
    return spine(inclinations, -80 * np.sin(np.linspace(0, np.pi, 17)))


def s_shaped(knots: list[float], angles: list[float], top: float = 50.0) -> Landmarks:
    inclinations = np.interp(np.arange(17), knots, angles)
    return spine(inclinations, 60 * np.sin(np.linspace(0, 2 * np.pi, 17)), top=top)


def test_a_straight_spine_has_no_angle() -> None:
    assert COBB_ANGLES == ("PT", "MT", "TL")
    np.testing.assert_allclose(cobb_angles(spine(np.zeros(17), np.zeros(17))), 0, atol=1e-5)


def test_a_c_is_measured_from_its_ends_to_the_main_curve() -> None:
    np.testing.assert_allclose(cobb_angles(c_shaped()), [15, 50, 20], atol=1e-6)


def test_an_s_with_its_main_curve_high_has_the_largest_angles_above_and_below() -> None:
    high = s_shaped([0, 3, 7, 13, 16], [-10, 25, -20, 10, 0])
    np.testing.assert_allclose(cobb_angles(high, height=1000), [35, 45, 30], atol=1e-6)


def test_an_s_with_its_main_curve_low_counts_both_others_above_it() -> None:
    low = s_shaped([0, 3, 8, 13, 16], [10, -8, 20, -25, 0])
    np.testing.assert_allclose(cobb_angles(low, height=900), [28, 45, 18], atol=1e-6)


def test_the_middle_of_the_spine_stands_in_for_a_film_whose_height_is_unknown() -> None:
    """Moving the spine down a film changes which half the curve is in; alone it stays the same."""
    low, moved = (s_shaped([0, 3, 7, 13, 16], [-10, 25, -20, 10, 0], top=t) for t in (50.0, 700.0))
    assert not np.allclose(cobb_angles(low, height=1000), cobb_angles(moved, height=1000))
    np.testing.assert_allclose(cobb_angles(low), cobb_angles(moved))


def test_angles_beyond_a_right_angle_are_not_cut_off() -> None:
    steep = spine(np.interp(np.arange(17), [0, 8, 16], [60, -60, -60]), np.zeros(17))
    assert cobb_angles(steep)[1] == pytest.approx(120)


def test_mirroring_and_scaling_the_film_keep_the_angles() -> None:
    landmarks = s_shaped([0, 3, 7, 13, 16], [-10, 25, -20, 10, 0])
    expected = cobb_angles(landmarks, height=1000)
    np.testing.assert_allclose(cobb_angles(landmarks.mirrored(600), height=1000), expected)
    larger = landmarks.moved(landmarks.points * 2.5)
    np.testing.assert_allclose(cobb_angles(larger, height=2500), expected)


def test_too_few_vertebrae_or_a_corner_not_seen_give_no_angle() -> None:
    points = c_shaped().points.copy()
    assert np.isnan(cobb_angles(Landmarks(points[:2]))).all()
    points[5, 2] = np.nan
    assert np.isnan(cobb_angles(Landmarks(points))).all()


def test_the_challenges_own_angles_are_reproduced_on_every_film(shared_data: Path) -> None:
    """481 films; what is left comes from five-digit coordinates and angles."""
    folder = shared_data / "aasce2019-train"
    names = (folder / "native-labels" / "filenames.csv").read_text().splitlines()
    given = np.loadtxt(folder / "native-labels" / "angles.csv", delimiter=",")[:, [1, 0, 2]]
    shares = np.loadtxt(folder / "native-labels" / "landmarks.csv", delimiter=",")
    films = {film["image"]: film for film in json.loads((folder / "labels.json").read_text())}
    found = []
    for name, row in zip(names, shares, strict=True):
        width, height = films[name]["original_width"], films[name]["original_height"]
        points = np.stack([row[:68] * width, row[68:] * height], axis=-1).reshape(17, 4, 2)
        found.append(cobb_angles(Landmarks(points), height=height))
    difference = np.abs(np.array(found) - given)
    assert difference.mean() < 0.003
    assert difference.max() < 0.02
