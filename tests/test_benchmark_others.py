"""Drawings of other parts of the body: films as any, from a seed, and each kind its own."""

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def others() -> ModuleType:
    spec = importlib.util.spec_from_file_location("others", ROOT / "benchmarks" / "others.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["others"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_film_is_given_by_its_kind_seed_and_index_alone(others: ModuleType) -> None:
    for kind in others.KINDS:
        film, again, next_one = (others.other(kind, seed=3, index=k) for k in (2, 2, 3))
        np.testing.assert_array_equal(film.pixels, again.pixels)
        assert film.pixels.shape != next_one.pixels.shape
        assert 500 <= max(film.height, film.width) <= 1000


def test_every_film_is_exposed_and_the_kinds_differ(others: ModuleType) -> None:
    """Corners and middles of the same grey would be blank films; equal thumbnails one kind."""
    small = {}
    for kind in others.KINDS:
        film = others.other(kind, seed=0, index=0)
        low, high = np.percentile(film.pixels, [2, 98])
        assert high - low > 0.4
        rows, columns = (np.linspace(0, n - 1, 16).astype(int) for n in film.pixels.shape)
        small[kind] = film.pixels[np.ix_(rows, columns)]
    for a, b in itertools.combinations(small.values(), 2):
        assert np.abs(a - b).mean() > 0.05
