from functools import cache

import numpy as np
import pytest

from spondyl.data.phantom_frontal import plan_frontal
from spondyl.data.phantom_frontal_film import attenuation

BOTH = frozenset({"implant", "brace"})
SCENE = plan_frontal(np.random.default_rng([8, 1]), long_side=120).scene


@cache
def drawn(*without, extras=BOTH):
    return attenuation(np.random.default_rng(4), SCENE, extras, frozenset(without), False)


@pytest.mark.parametrize("pair", [("arches", "ribs"), ("metal", "girdles"), ("arches", "chest")])
def test_what_an_effect_adds_does_not_depend_on_the_others(pair):
    """Each draws from a generator of its own, so an ablation takes one thing away."""
    first, second = pair
    clear = drawn(first, second) > 0  # where a film would be below 0 nepers, it is cut off
    alone = drawn(second) - drawn(first, second)
    together = drawn() - drawn(first)
    assert clear.mean() > 0.8
    np.testing.assert_allclose(together[clear], alone[clear], atol=1e-4)
    assert alone.max() > 0.05


def test_the_chest_is_air_and_the_loins_are_not():
    air = drawn("chest") - drawn()
    assert air.max() > 0.8
    lumbar = round(float(SCENE.centres[-3, 1]))
    assert np.abs(air[lumbar:]).max() < 0.5


def test_metal_is_only_where_the_film_is_to_have_it():
    plain = drawn(extras=frozenset())
    assert (drawn() - plain).max() > 0.5
    lighter = plain - drawn("metal")
    assert lighter.min() >= 0
