"""The page on intervals says what was measured, and what is degraded keeps its corners."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spondyl.data.phantom import phantom
from spondyl.data.sample import Sample

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def measuring() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measuring", ROOT / "benchmarks/measuring.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["measuring"] = module
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_results(measuring: ModuleType) -> None:
    text = measuring.PAGE.read_text("utf-8")
    assert f"<!-- measured -->\n{measuring.tables()}<!-- end -->" in text


def test_a_film_that_is_cut_keeps_the_corners_on_what_is_left(measuring: ModuleType) -> None:
    """Each corner lies on the same grey as before; those above the cut are not seen."""
    made = phantom(3, 0, long_side=256)
    film = made.radiograph
    whole = Sample("a", Path("a"), film.height, film.width, made.truth, "a", "phantom")
    cut, shown = measuring.cropped((whole, film), np.random.default_rng(0))
    top = film.height - shown.height
    assert shown.height == cut.height == pytest.approx(0.6 * film.height, abs=1)
    kept = dict(zip(cut.landmarks.names, cut.landmarks.points, strict=True))
    for name, points in zip(made.truth.names, made.truth.points, strict=True):
        below = points[:, 1] >= top - 0.5
        assert (name in kept) == bool(below.any())
        if name in kept:
            np.testing.assert_allclose(kept[name][below], points[below] - [0, top])
            assert np.isnan(kept[name][~below]).all()


@pytest.mark.parametrize("way", ["noisy", "blurred", "flat"])
def test_a_degraded_film_is_the_same_film_with_other_greys(measuring: ModuleType, way: str) -> None:
    made = phantom(3, 1, long_side=256)
    film = made.radiograph
    whole = Sample("a", Path("a"), film.height, film.width, made.truth, "a", "phantom")
    same, shown = measuring.WAYS[way]((whole, film), np.random.default_rng(0))
    assert same is whole
    assert shown.pixels.shape == film.pixels.shape
    assert float(np.abs(shown.pixels - film.pixels).mean()) > 0.005
