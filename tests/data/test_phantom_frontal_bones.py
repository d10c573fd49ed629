from dataclasses import replace

import numpy as np
import pytest

from spondyl.data.phantom_canvas import Body
from spondyl.data.phantom_frontal import plan_frontal
from spondyl.data.phantom_frontal_bones import (
    FrontalLook,
    FrontalScene,
    frontal_body,
    lay_arch,
    lay_bodies,
    lay_body,
    sample_look,
)
from spondyl.data.phantom_frontal_spine import FIRST, LAST, FrontalColumn

PLAIN = FrontalLook(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
TILT = np.deg2rad(17.0)
ACROSS = np.array([np.cos(TILT), np.sin(TILT)])
DOWN = np.array([-np.sin(TILT), np.cos(TILT)])
CENTRE = np.array([101.3, 97.8])
WIDTH, HEIGHT, DEPTH = 90.0, 60.0, 70.0


def drawn(sagittal):
    local = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]) * [WIDTH, HEIGHT]
    corners = (CENTRE + local[:, :1] * ACROSS + local[:, 1:] * DOWN)[None]
    one = np.array([0.0])
    column = FrontalColumn(corners, one + TILT, one, one + sagittal, one + DEPTH)
    canvas = np.zeros((200, 200), dtype=np.float32)
    lay_body(canvas, np.random.default_rng(0), Body(corners[0]), column, 0, PLAIN, 1.0)
    return canvas


def along(canvas, direction, distances):
    from scipy.ndimage import map_coordinates

    points = CENTRE + np.asarray(distances)[:, None] * direction
    return map_coordinates(canvas, points.T[::-1], order=1)


def half_way(canvas, direction, length):
    """How far from the middle the bone has half its thickness."""
    distances = np.linspace(0, length, 4000)
    values = along(canvas, direction, distances)
    return distances[np.flatnonzero(values > values[0] / 2).max()]


@pytest.mark.parametrize("sagittal", [0.0, 0.2, -0.35])
def test_bone_is_half_as_thick_on_the_line_between_the_corners(sagittal):
    """Whatever the endplate's ellipse, its corners' line is where annotators put it."""
    canvas = drawn(sagittal)
    assert half_way(canvas, DOWN, 80) == pytest.approx(HEIGHT / 2, abs=0.15)
    assert half_way(canvas, -DOWN, 80) == pytest.approx(HEIGHT / 2, abs=0.15)


@pytest.mark.parametrize("sagittal", [0.0, 0.3])
def test_the_lateral_walls_run_through_the_corners(sagittal):
    canvas = drawn(sagittal)
    for side in (-1, 1):
        inside, outside = along(canvas, side * ACROSS, [WIDTH / 2 - 1.5, WIDTH / 2 + 1.5])
        assert inside > 0.2
        assert outside == pytest.approx(0, abs=1e-3)


def test_a_body_tilted_forward_shows_both_edges_of_its_endplates():
    reach = DEPTH / 2 * np.sin(0.35)
    level, nodding = drawn(0.0), drawn(0.35)
    beyond = [HEIGHT / 2 + 0.8 * reach]
    assert along(level, DOWN, beyond)[0] == 0
    assert along(nodding, DOWN, beyond)[0] > 0.05
    assert along(nodding, DOWN, [HEIGHT / 2 + reach + 2])[0] == 0


def scene_of(rotation, film=1):
    plan = plan_frontal(np.random.default_rng([8, film]), long_side=800)
    column = plan.scene.column
    turned = replace(column, rotation=np.full_like(column.rotation, rotation))
    return replace(plan.scene, column=turned)


@pytest.mark.parametrize("degrees", [-30.0, 30.0])
def test_what_lies_behind_moves_away_from_the_side_that_the_front_turns_to(degrees):
    scene = scene_of(np.deg2rad(degrees))
    for k in range(FIRST, LAST + 1):
        across = np.array([np.cos(scene.column.tilt[k]), np.sin(scene.column.tilt[k])])
        spinous, front = scene.placed(k, [[0, 1.4, 0], [0, -0.5, 0]]) - scene.centres[k]
        assert np.sign(spinous @ across) == -np.sign(degrees)
        assert np.sign(front @ across) == np.sign(degrees)
        assert spinous @ across == pytest.approx(
            -1.4 * scene.column.depth[k] * np.sin(np.deg2rad(degrees))
        )


def test_a_drawn_arch_follows_the_rotation():
    def middle(degrees, k=12):
        scene = scene_of(np.deg2rad(degrees))
        canvas = np.zeros(scene.shape, dtype=np.float32)
        lay_arch(canvas, np.random.default_rng(0), scene, k, 1.0)
        x = np.arange(scene.width)
        return float((canvas.sum(axis=0) * x).sum() / canvas.sum())

    assert middle(25) < middle(0) < middle(-25)


def test_an_outline_runs_through_the_landmarks():
    scene = plan_frontal(np.random.default_rng([8, 2]), long_side=800).scene
    assert isinstance(scene, FrontalScene)
    for k in (FIRST, LAST):
        body = frontal_body(np.random.default_rng(k), scene, k)
        np.testing.assert_array_equal(body.corners, scene.column.corners[k])


def test_only_poor_films_have_hardly_any_bone():
    looks = {
        poor: [sample_look(np.random.default_rng(i), 1.0, poor) for i in range(200)]
        for poor in (False, True)
    }
    for part in ("arch", "rib", "endplate"):
        faintest, poor = (min(getattr(look, part) for look in looks[p]) for p in (False, True))
        assert faintest > 1.2 * poor


def test_what_fills_the_gaps_between_bodies_is_thinner_in_the_neck_than_in_the_loins():
    scene = scene_of(0.0, film=2)
    canvas = np.zeros(scene.shape, dtype=np.float32)
    lay_bodies(canvas, np.random.default_rng(2), scene, replace(PLAIN, marrow=0.0, column=1.0))
    middle = scene.column.corners[:, 2:].mean(axis=1)[:-1] + scene.column.corners[1:, :2].mean(1)
    x, y = np.round(middle[[FIRST, LAST - 1]] / 2).astype(int).T
    upper, lower = canvas[y, x]
    assert 0 < upper < 0.5 * lower
