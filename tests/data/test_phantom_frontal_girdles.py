import numpy as np
import pytest

from spondyl.data.phantom_frontal import plan_frontal
from spondyl.data.phantom_frontal_girdles import lay_girdles
from spondyl.data.phantom_frontal_spine import FIRST, LAST


@pytest.fixture(scope="module")
def girdles():
    found = []
    for seed in range(6):
        scene = plan_frontal(np.random.default_rng([8, seed]), long_side=400).scene
        canvas = np.zeros(scene.shape, dtype=np.float32)
        lay_girdles(canvas, np.random.default_rng(seed), scene)
        found.append((scene, canvas))
    return found


def test_nothing_lies_over_the_middle_of_the_spine(girdles):
    for scene, canvas in girdles:
        x, y = np.round(scene.centres[FIRST + 8 : LAST - 1]).astype(int).T
        np.testing.assert_allclose(canvas[y, np.clip(x, 0, scene.width - 1)], 0, atol=1e-3)


def test_the_iliac_wings_rise_beside_the_last_vertebra(girdles):
    seen = []
    for scene, canvas in girdles:
        x, y = scene.column.corners[LAST, 2:].mean(axis=0)
        if y < scene.height - 2:
            beside = [round(x + side * 80 * scene.mm) for side in (-1, 1)]
            seen += [canvas[int(y), b] > 0.05 for b in beside if 0 <= b < scene.width]
    assert len(seen) >= 6
    assert np.mean(seen) > 0.8


def test_bone_of_the_shoulders_crosses_the_upper_chest(girdles):
    for scene, canvas in girdles:
        first, last = (max(0, round(scene.centres[FIRST + k, 1])) for k in (0, 4))
        assert canvas[first:last].max() > 0.1
