"""Angles against closed forms, and Cobb angles against those that the challenge gives."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.anatomy import Facing, View
from spondyl.errors import UsageError
from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.curvature import COBB_ANGLES, asked_angle, cobb_angles, frontal_angles
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement, Quantity
from spondyl.spine.measurements import measure
from spondyl.spine.placing import placed

LEVELS_AP = (*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))


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
        at = placed(points, facing=None, aspect=1.0)
        *challenge, _ = frontal_angles(at, LEVELS_AP, height=height)
        found.append([float(each.of(at)) for each in challenge if isinstance(each, Quantity)])
        np.testing.assert_array_equal(found[-1], cobb_angles(Landmarks(points), height=height))
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


def column(
    tilts: Sequence[tuple[float, float]], names: Sequence[str], facing: Facing = "right"
) -> Landmarks:
    """Vertebrae whose superior and inferior endplate fall to the front by ``tilts`` in deg."""
    bodies = []
    for place, pair in enumerate(tilts):
        for half, tilt in zip((-15.0, 15.0), pair, strict=True):
            along = 30.0 * np.array([math.cos(math.radians(tilt)), math.sin(math.radians(tilt))])
            centre = np.array([200.0, 60.0 + 45.0 * place + half])
            bodies.append([centre - along, centre + along])
    points = np.array(bodies).reshape(-1, 4, 2)
    right = Landmarks(points, levels=tuple(names), facing="right")
    return right if facing == "right" else right.mirrored(401)


LUMBAR = ("L1", "L2", "L3", "L4", "L5", "S1")
TILTS = ((-20, -17), (-14, -12), (-7, -4), (2, 6), (14, 24), (38, 41))


def sagittal(landmarks: Landmarks, angles: Sequence[str] = ()) -> dict[Any, Measurement]:
    found = measure(landmarks, FilmGeometry(500, 401), angles=angles)
    return {(each.name, *each.levels): each for each in found if each.unit == "deg"}


@pytest.mark.parametrize("facing", ["left", "right"])
def test_every_sagittal_angle_is_a_difference_of_two_tilts(facing: Facing) -> None:
    """Read off ``TILTS``: lordotic is positive, and the sacrum falls to the front."""
    found = sagittal(column(TILTS, LUMBAR, facing))
    expected = {
        ("lordosis", "L1", "S1"): 58, ("lordosis", "L1", "L5"): 44, ("lordosis", "L4", "S1"): 36,
        ("sacral slope", "S1"): 38,
        ("segmental lordosis", "L1", "L2"): 8, ("disc angle", "L1", "L2"): 3,
        ("segmental lordosis", "L4", "L5"): 22, ("disc angle", "L4", "L5"): 8,
        ("segmental lordosis", "L5", "S1"): 24, ("disc angle", "L5", "S1"): 14,
    }  # fmt: skip
    for key, value in expected.items():
        assert found[key].value == pytest.approx(value, abs=1e-9), key


def test_the_discs_and_the_bodies_add_up_to_the_lordosis() -> None:
    found = sagittal(column(TILTS, LUMBAR))
    discs = sum(each.value or 0 for key, each in found.items() if key[0] == "disc angle")
    bodies = sum(lower - upper for upper, lower in TILTS[:-1])
    assert found["lordosis", "L1", "S1"].value == pytest.approx(discs + bodies)


@pytest.mark.parametrize("lordosis", [-150.0, -91.0, -0.001, 0.0, 89.0, 90.0, 91.0, 135.0, 179.0])
def test_a_lordosis_is_not_folded_at_a_right_angle_nor_lost_near_zero(lordosis: float) -> None:
    tilts = [(-lordosis / 2, 0.0), *[(0.0, 0.0)] * 4, (lordosis / 2, 0.0)]
    found = sagittal(column(tilts, LUMBAR))
    assert found["lordosis", "L1", "S1"].value == pytest.approx(lordosis, abs=1e-9)


def test_the_three_lordoses_and_the_sacral_slope_are_told_even_where_there_are_none() -> None:
    above = sagittal(column(TILTS[:4], ("T12", "L1", "L2", "L3")))
    for levels, lacking in (("L1", "S1"), "S1"), (("L1", "L5"), "L5"), (("L4", "S1"), "L4 and S1"):
        note = f"{lacking} {'are' if 'and' in lacking else 'is'} not in view or not named"
        assert (above["lordosis", *levels].value, above["lordosis", *levels].note) == (None, note)
    assert above["sacral slope", "S1"].value is None
    points = column(TILTS, LUMBAR).points.copy()
    points[5, 0] = np.nan
    torn = sagittal(Landmarks(points, levels=LUMBAR, facing="right"))
    assert torn["lordosis", "L1", "S1"].note == "a corner was not seen"
    assert torn["lordosis", "L1", "L5"].value == pytest.approx(44)


def test_an_endplate_whose_ends_coincide_has_no_angle() -> None:
    """It has no direction; 0 deg would be a made-up one."""
    points = column(TILTS, LUMBAR).points.copy()
    points[0, 1] = points[0, 0]
    found = sagittal(Landmarks(points, levels=LUMBAR, facing="right"))
    assert found["lordosis", "L1", "S1"].value is None
    assert found["segmental lordosis", "L1", "L2"].value is None
    assert found["disc angle", "L1", "L2"].value == pytest.approx(3)


def test_a_sacral_slope_says_what_it_trusts_and_a_last_vertebra_that_it_may_be_the_sacrum() -> None:
    assert "horizontal" in str(sagittal(column(TILTS, LUMBAR))["sacral slope", "S1"].note)
    unnamed = sagittal(Landmarks(column(TILTS, LUMBAR).points, facing="right"))
    assert "if V6 is S1" in str(unnamed["segmental lordosis", "V5", "V6"].note)
    assert "S1" not in str(unnamed["segmental lordosis", "V4", "V5"].note)
    assert unnamed["segmental lordosis", "V5", "V6"].value == pytest.approx(27)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(-40, 40), st.floats(0.2, 5.0), st.floats(-200, 200))
def test_only_the_sacral_slope_changes_when_the_film_is_turned(
    seed: int, degrees: float, scale: float, move: float
) -> None:
    """Moved and scaled too; mirrored at the end, with its facing turned."""
    tilts = np.random.default_rng(seed).uniform(-25, 25, (6, 2))
    landmarks = column([(a, b) for a, b in tilts], LUMBAR)
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = replace(landmarks.moved(landmarks.points @ matrix.T + move), facing="right")
    before, after = sagittal(landmarks), sagittal(moved.mirrored(401))
    for key, each in before.items():
        change = degrees if key[0] == "sacral slope" else 0.0
        assert after[key].value == pytest.approx((each.value or 0) + change, abs=1e-7), key


@pytest.mark.parametrize("view", ["lateral", "ap"])
def test_a_stretched_film_is_measured_in_its_true_proportions(view: View) -> None:
    landmarks = column(TILTS, LUMBAR) if view == "lateral" else s_shaped([0, 8, 16], [20, -15, 10])
    squeezed = replace(landmarks, points=landmarks.points * [1.0, 0.5])
    true = measure(landmarks, FilmGeometry(1000, 401, view=view))
    found = measure(squeezed, FilmGeometry(500, 401, aspect=2.0, view=view))
    for one, other in zip(true, found, strict=True):
        assert (one.name, one.levels) == (other.name, other.levels)
        if one.unit == "deg":
            assert other.value == pytest.approx(one.value)
    unknown = measure(squeezed, FilmGeometry(500, 401, aspect=None, view=view))
    assert all(each.value is None for each in unknown)
    assert view == "lateral" or unknown[0].levels == ()


def test_an_angle_between_any_two_endplates_can_be_asked_for_in_either_order() -> None:
    """Kyphosis is negative on a lateral film."""
    thoracic = column(((12, 14), (16, 19), (-6, -3)), ("T5", "T8", "T12"))
    asked = ("T5.superior:T12.inferior", "T12.inferior:T5.superior", "T8.superior:T8.inferior")
    found = [each for each in measure(thoracic, FilmGeometry(500, 401), angles=asked)
             if each.name == "endplate angle"]  # fmt: skip
    assert [each.value for each in found] == pytest.approx([-15, -15, 3])
    assert [each.levels for each in found] == [("T5", "T12"), ("T5", "T12"), ("T8",)]
    assert found[0].definition == "Cobb, T5.superior:T12.inferior"
    (missing,) = (each for each in measure(thoracic, FilmGeometry(500, 401),
                  angles=["L1.superior:T5.inferior"]) if each.name == "endplate angle")  # fmt: skip
    assert (missing.value, missing.note) == (None, "L1 is not in view or not named")


@pytest.mark.parametrize(
    "text", ["", "T5:T12", "T5.superior", "T5.top:T12.inferior", "X1.superior:T12.inferior",
             "T5.superior:T5.superior", "L5.superior:S1.inferior", "T5.superior:T6.inferior:L1"],
)  # fmt: skip
def test_what_names_no_two_endplates_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^angle .*need") as refused:
        asked_angle(text, LUMBAR)
    assert "\n" not in str(refused.value)


def frontal(landmarks: Landmarks, height: int = 1000) -> list[Measurement]:
    return [each for each in measure(landmarks, FilmGeometry(height, 600, view="ap"))
            if "Cobb" in each.name]  # fmt: skip


def test_a_film_tells_the_challenges_angles_and_between_whom_they_are() -> None:
    landmarks = replace(s_shaped([0, 3, 7, 13, 16], [-10, 25, -20, 10, 0]), levels=LEVELS_AP)
    *challenge, largest = frontal(landmarks)
    assert [each.definition for each in challenge] == [f"AASCE 2019, {k}" for k in COBB_ANGLES]
    assert [each.levels for each in challenge] == [("T1", "T4"), ("T4", "T8"), ("T8", "L2")]
    expected = cobb_angles(landmarks, height=1000)
    np.testing.assert_array_equal([each.value for each in challenge], expected)
    assert (largest.value, largest.levels) == (pytest.approx(45), ("T4", "T8"))
    assert "17" in str(frontal(landmarks.select(range(12)))[0].note)


def test_the_largest_angle_is_between_endplates_and_sees_a_wedge() -> None:
    """A wedge that opens evenly leaves the challenge's angle as it is, not that of Cobb."""
    landmarks = spine(np.array([20.0, 0.0, -15.0]), np.zeros(3))
    plain = frontal(landmarks)
    points = landmarks.points.copy()
    wall = points[2, 2] - points[2, 0]
    points[2, 0] -= 0.2 * wall
    points[2, 2] += 0.2 * wall
    wedged = frontal(Landmarks(points))
    assert wedged[1].value == pytest.approx(plain[1].value) == pytest.approx(35)
    plate = points[2, 3] - points[2, 2]
    tilt = math.degrees(math.atan2(plate[1], plate[0]))
    assert wedged[3].value == pytest.approx(20 - tilt)
    assert wedged[3].value != pytest.approx(35, abs=1)


def test_fewer_than_three_vertebrae_have_a_reason_in_place_of_an_angle() -> None:
    found = frontal(c_shaped().select([0, 1]))
    assert [each.value for each in found] == [None] * 4
    assert found[0].note == "2 in view, need 3 vertebrae"


def test_many_films_at_once_give_what_each_gives_alone() -> None:
    """Draws of the corners turn a C into an S and move the ends of a curve."""
    rng = np.random.default_rng(7)
    films = np.stack([
        (c_shaped() if k % 2 else s_shaped([0, 8, 16], [20, -15, 10])).points
        + rng.normal(0, 3, (17, 4, 2))
        for k in range(60)
    ])  # fmt: skip
    films[5, 3, 1] = np.nan
    at = placed(films, facing=None, aspect=1.0)
    together = [q.of(at) for q in frontal_angles(at[0], LEVELS_AP, height=500)
                if isinstance(q, Quantity)][:3]  # fmt: skip
    alone = [cobb_angles(Landmarks(points), height=500) for points in films]
    np.testing.assert_array_equal(np.stack(together, axis=1), alone)
    assert np.isnan(together[1][5])
    assert np.isfinite(np.delete(together[1], 5)).all()
