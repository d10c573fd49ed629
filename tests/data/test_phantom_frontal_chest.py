import numpy as np
import pytest

from spondyl.data.phantom_frontal import plan_frontal
from spondyl.data.phantom_frontal_chest import lay_chest
from spondyl.data.phantom_frontal_trunk import row_at, trunk


def chest(seed):
    """A scene, and what its chest adds to a trunk of no thickness; air is negative."""
    scene = plan_frontal(np.random.default_rng([8, seed]), long_side=320).scene
    added = np.zeros(scene.shape, dtype=np.float32)
    lay_chest(np.random.default_rng(seed), scene, added, 3.5)
    return scene, added


@pytest.fixture(scope="module")
def chests():
    return [chest(seed) for seed in range(8)]


def median_at(scene, added, place, mm):
    row = int(np.clip(row_at(scene, place), 2, scene.height - 3))
    x = int(np.clip(scene.midline[row] + mm * scene.mm, 0, scene.width - 1))
    return float(np.median(added[row - 2 : row + 3, x]))


def test_there_is_air_on_both_sides_and_less_of_it_in_the_middle(chests):
    for scene, added in chests:
        sides = [median_at(scene, added, 7, mm) for mm in (-60, 60)]
        assert max(sides) < -0.3
    middle = [median_at(scene, added, 7, 0) for scene, added in chests]
    assert np.median(middle) > -0.8


def test_the_heart_shades_its_own_side_more(chests):
    beside = [
        [median_at(scene, added, 10.5, side * scene.heart * 45) for side in (-1, 1)]
        for scene, added in chests
    ]
    lung, heart = np.array(beside).T
    assert np.mean(heart > lung) > 0.8


def test_the_air_ends_above_the_loins(chests):
    for scene, added in chests:
        assert added[int(row_at(scene, 17)) :].min() > -0.1


def test_a_stouter_trunk_is_denser_and_the_chest_reports_its_middle():
    scene = chest(0)[0]
    tissue, depth = trunk(np.random.default_rng(0), scene)
    assert 0.02 * 164 * 0.7 < depth < 0.02 * 164 * 1.35
    assert tissue.max() > depth
    assert tissue.min() >= 0


def test_places_along_the_spine_are_those_of_its_vertebrae():
    scene = chest(0)[0]
    for k, (_, y) in enumerate(scene.centres):
        assert row_at(scene, k) == pytest.approx(y)
