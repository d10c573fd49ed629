"""Cobb angles against closed forms and against the angles that the challenge gives."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.spine.curvature import COBB_ANGLES, cobb_angles
from spondyl.spine.landmarks import Landmarks


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


def by_hand(landmarks: Landmarks, height: float) -> list[float]:
    """The challenge's rules once more, with arctangents and loops."""
    bodies = landmarks.points.tolist()

    def middle(p: list[float], q: list[float]) -> tuple[float, float]:
        return (p[0] + q[0]) / 2, (p[1] + q[1]) / 2

    lean = []
    for sl, sr, il, ir in bodies:
        left, right = middle(sl, il), middle(sr, ir)
        lean.append(math.degrees(math.atan2(right[1] - left[1], right[0] - left[0])))
    count = len(lean)
    angle = [[abs(b - a) for b in lean] for a in lean]
    main, upper, lower = max(
        (angle[i][j], -i, -j) for i in range(count) for j in range(i + 1, count)
    )
    upper, lower = -upper, -lower
    plates = [middle(*pair) for sl, sr, il, ir in bodies for pair in ((sl, sr), (il, ir))]
    (x0, y0), (x1, y1) = plates[0], plates[-1]
    sides = [(y - y1) * (x0 - x1) - (x - x1) * (y0 - y1) for x, y in plates[1:-2]]
    if not (min(sides) < 0 < max(sides)):
        return [angle[0][upper], main, angle[lower][-1]]
    above = max(range(upper + 1), key=lambda i: (angle[i][upper], -i))
    if all(plates[2 * upper + k][1] + plates[2 * lower + k][1] >= height for k in range(2)):
        return [angle[above][upper], main, max(angle[i][above] for i in range(above + 1))]
    return [angle[above][upper], main, max(angle[lower][j] for j in range(lower, count))]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(5, 30), st.floats(-1.0, 1.0))
def test_an_independent_reading_of_the_rules_gives_the_same_angles(
    seed: int, size: float, bias: float
) -> None:
    """Smooth random curves; their heights are far from the limit between upper and lower half."""
    rng = np.random.default_rng(seed)
    at = np.linspace(0, 2 * np.pi, 17)
    phase = rng.uniform(0, 2 * np.pi)
    inclinations = size * np.sin(at + phase) + bias * at + rng.normal(0, 0.5, 17)
    landmarks = spine(inclinations, 50 * np.sin(at * rng.uniform(0.4, 1.2)))
    for height in (1.0, 10_000.0):
        expected = by_hand(landmarks, height)
        np.testing.assert_allclose(cobb_angles(landmarks, height=height), expected, atol=1e-6)


def test_a_single_arc_is_one_angle_and_nothing_beyond_its_ends() -> None:
    """17 vertebrae on a circle, 3 deg from one to the next: 48 deg from the first to the last."""
    inclinations = 24 - 3.0 * np.arange(17)
    arc = spine(inclinations, -60 * np.sin(np.linspace(0, np.pi, 17)))
    np.testing.assert_allclose(cobb_angles(arc), [0, 48, 0], atol=1e-6)


@pytest.mark.parametrize("angle", [0.5, 10.0, 45.0, 89.0, 90.0, 91.0, 150.0])
def test_two_inclined_ends_make_the_angle_between_them(angle: float) -> None:
    inclinations = np.interp(np.arange(17), [0, 16], [angle / 2, -angle / 2])
    assert cobb_angles(spine(inclinations, np.zeros(17)))[1] == pytest.approx(angle, abs=1e-5)


def test_a_double_curve_has_two_angles_that_share_a_vertebra() -> None:
    """+20, -15 and +10 deg: 35 deg between the first two, 25 deg below."""
    double = s_shaped([0, 8, 16], [20, -15, 10])
    np.testing.assert_allclose(cobb_angles(double, height=1e4), [0, 35, 25], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(-20, 20), st.floats(-300, 300))
def test_a_tilted_or_shifted_film_has_the_same_largest_angle(
    seed: int, degrees: float, move: float
) -> None:
    rng = np.random.default_rng(seed)
    landmarks = spine(rng.normal(0, 10, 17), rng.normal(0, 20, 17))
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = landmarks.moved(landmarks.points @ matrix.T + move)
    assert cobb_angles(moved)[1] == pytest.approx(cobb_angles(landmarks)[1], abs=1e-5)


def test_names_and_facing_play_no_part() -> None:
    landmarks = c_shaped()
    named = Landmarks(landmarks.points[:16], levels=(*(f"T{n}" for n in range(1, 13)), "L1", "L2",
                      "L3", "L4"), facing="left")  # fmt: skip
    bare = Landmarks(landmarks.points[:16])
    np.testing.assert_array_equal(cobb_angles(named), cobb_angles(bare))


def test_the_shape_of_a_body_counts_through_the_middles_of_its_walls_alone() -> None:
    """A wedge that opens evenly to both endplates does not change its vertebra's inclination."""
    landmarks = c_shaped()
    points = landmarks.points.copy()
    wall = points[8, 2] - points[8, 0]
    points[8, 0] -= 0.2 * wall
    points[8, 2] += 0.2 * wall
    np.testing.assert_allclose(cobb_angles(Landmarks(points)), cobb_angles(landmarks), atol=1e-9)


def test_three_vertebrae_are_enough() -> None:
    inclinations = np.array([15.0, 0.0, -10.0])
    found = cobb_angles(spine(inclinations, np.array([0.0, -9.0, 0.0])))
    np.testing.assert_allclose(found, [0, 25, 0], atol=1e-6)
    assert np.isnan(cobb_angles(Landmarks(np.zeros((0, 4, 2))))).all()
