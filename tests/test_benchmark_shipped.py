"""The model card says what was measured, and corners move with the films that are degraded."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spondyl.data.phantom import phantom
from spondyl.data.phantom_frontal import frontal_phantom
from spondyl.data.phantom_made import Phantom
from spondyl.data.sample import Sample
from spondyl.film.radiograph import Radiograph

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def shipped() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("shipped")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def degrading(shipped: ModuleType) -> ModuleType:
    return sys.modules["degrading"]


def shown(made: Phantom) -> tuple[Sample, Radiograph]:
    film = made.radiograph
    key = "a"
    return Sample(key, Path(key), film.height, film.width, made.truth, key, "phantom"), film


def test_the_model_card_is_that_of_the_results(shipped: ModuleType) -> None:
    if not shipped.RESULTS.exists():
        pytest.skip(f"{shipped.RESULTS.name} is not there: no network was judged yet")
    page = shipped.PAGE.read_text("utf-8")
    assert page == shipped.filled(page, json.loads(shipped.RESULTS.read_text("utf-8")))


@pytest.mark.parametrize("degrees", [5.0, 15.0])
def test_corners_turn_with_their_film(degrading: ModuleType, degrees: float) -> None:
    """Dots that lie on the corners still do after the turn."""
    sample, film = shown(phantom(3, 1, long_side=256))
    rows, columns = np.mgrid[: film.height, : film.width]
    pixels = np.zeros(film.pixels.shape, dtype=np.float32)
    for x, y in sample.landmarks.points.reshape(-1, 2):
        if not np.isnan(x):
            pixels = np.maximum(pixels, np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8))
    dotted = Radiograph(pixels.astype(np.float32), view="lateral")
    for seed in range(3):
        moved, film = degrading.turned((sample, dotted), np.random.default_rng(seed), degrees)
        points = moved.landmarks.points.reshape(-1, 2)
        inner = points[((points > 2) & (points < [film.width - 3, film.height - 3])).all(axis=1)]
        columns_, rows_ = np.rint(inner).astype(int).T
        assert len(inner) >= 12
        assert film.pixels[rows_, columns_].min() > 0.8


@pytest.mark.parametrize("view", ["lateral", "ap"])
def test_every_way_changes_the_film_and_more_so_at_each_step(
    degrading: ModuleType, view: str
) -> None:
    made = (
        phantom(3, 1, long_side=256) if view == "lateral" else frontal_phantom(3, 1, long_side=256)
    )
    whole = shown(made)
    for condition in degrading.CONDITIONS:
        change = []
        for severity in condition.severities:
            sample, film = condition.way(whole, np.random.default_rng(0), severity)
            size = [film.width - 0.5, film.height - 0.5]
            points = sample.landmarks.points[~np.isnan(sample.landmarks.points[..., 0])]
            assert ((points >= -0.5) & (points <= size)).all(), condition.name
            less = whole[1].height - film.height
            change.append(less or float(np.abs(film.pixels - whole[1].pixels).mean()))
        assert change == sorted(change), condition.name
        assert change[0] > 1e-4, condition.name


def test_metal_lies_where_the_bodies_are(degrading: ModuleType) -> None:
    """It only brightens, and reaches every body it is for."""
    sample, film = shown(phantom(3, 1, long_side=256))
    _, metal = degrading.instrumented((sample, film), np.random.default_rng(0), 3)
    assert (metal.pixels >= film.pixels - 1e-6).all()
    brighter = metal.pixels - film.pixels > 0.05
    whole = sample.landmarks.points[~np.isnan(sample.landmarks.points).any(axis=(1, 2))]
    for body in whole[-4:-1]:
        left, top = np.floor(body.min(axis=0)).astype(int)
        right, bottom = np.ceil(body.max(axis=0)).astype(int)
        assert brighter[top:bottom, left:right].any()


def test_figures_are_ratios_of_sums(shipped: ModuleType) -> None:
    """8 of 10 vertebrae found and 2 false; 4 px in all over 32 corners; 30 of 40 near."""
    sums = np.array([8, 2, 2, 40, 30, 32, 4.0, 1, 1, 4])
    expected = [80, 80, 0.125, 75, 25, 25]
    np.testing.assert_allclose(shipped._ratios(sums), expected)
    nothing = shipped._ratios(np.array([0, 3, 0, 12, 0, 0, 0.0, 1, 0, 1]))
    assert np.isnan(nothing[[1, 2]]).all()
    np.testing.assert_allclose(nothing[[0, 3, 4, 5]], [0, 0, 100, 0])
