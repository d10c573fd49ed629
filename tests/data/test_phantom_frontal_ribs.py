from dataclasses import replace

import numpy as np
import pytest

from spondyl.data.phantom_frontal import plan_frontal
from spondyl.data.phantom_frontal_bones import FrontalLook
from spondyl.data.phantom_frontal_ribs import lay_ribs
from spondyl.data.phantom_frontal_spine import FIRST

LOOK = FrontalLook(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def scene():
    return plan_frontal(np.random.default_rng([8, 3]), long_side=800).scene


@pytest.fixture(scope="module")
def canvas(scene):
    total = np.zeros(scene.shape, dtype=np.float32)
    lay_ribs(total, np.random.default_rng(1), scene, LOOK)
    return total


def inked(canvas, points, reach):
    """Whether anything is drawn within ``reach`` px of each point."""
    found = []
    for x, y in np.round(points).astype(int):
        spot = canvas[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        found.append(bool((spot > 0.2).any()))
    return found


def test_a_rib_leaves_every_thoracic_vertebra_on_both_sides(scene, canvas):
    for k in range(FIRST, FIRST + 12):
        sides = [[-0.7, 0.7, -0.38], [0.7, 0.7, -0.38]]
        assert all(inked(canvas, scene.placed(k, sides), 3))


def test_no_rib_leaves_a_lumbar_vertebra(scene, canvas):
    for k in range(FIRST + 14, FIRST + 17):
        assert not any(inked(canvas, scene.placed(k, [[-0.7, 0.7, 0], [0.7, 0.7, 0]]), 3))


def test_rib_heads_lie_over_the_sides_of_the_bodies(scene, canvas):
    for side in (0, 1):
        corners = scene.column.corners[FIRST : FIRST + 12, side]
        inner = corners + 0.03 * (scene.column.corners[FIRST : FIRST + 12, 1 - side] - corners)
        assert np.mean(inked(canvas, inner, 3)) > 0.7


def test_ribs_are_as_strong_as_the_look_says(scene, canvas):
    faint = np.zeros(scene.shape, dtype=np.float32)
    lay_ribs(faint, np.random.default_rng(1), scene, replace(LOOK, rib=0.25))
    np.testing.assert_allclose(faint, 0.25 * canvas, atol=1e-4)
