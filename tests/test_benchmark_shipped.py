"""The model card says what was measured, and corners move with the films that are degraded."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spondyl.data.phantom import phantom
from spondyl.data.phantom_frontal import frontal_phantom
from spondyl.data.phantom_made import Phantom
from spondyl.data.sample import Sample
from spondyl.film.radiograph import Radiograph
from spondyl.judging.films import compare_films
from spondyl.predict import Predictor
from spondyl.spine.calibration import UNCALIBRATED
from spondyl.spine.landmarks import Landmarks

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def shipped() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("shipped")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def page(shipped: ModuleType) -> ModuleType:
    return sys.modules["shipped_page"]


@pytest.fixture(scope="module")
def degrading(shipped: ModuleType) -> ModuleType:
    return sys.modules["degrading"]


def shown(made: Phantom) -> tuple[Sample, Radiograph]:
    film = made.radiograph
    key = "a"
    return Sample(key, Path(key), film.height, film.width, made.truth, key, "phantom"), film


def test_the_model_card_is_that_of_the_results(shipped: ModuleType, page: ModuleType) -> None:
    if not shipped.RESULTS.exists():
        pytest.skip(f"{shipped.RESULTS.name} is not there: no network was judged yet")
    text = page.PAGE.read_text("utf-8")
    assert text == page.filled(text, json.loads(shipped.RESULTS.read_text("utf-8")))


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


@pytest.mark.parametrize("kind", ["degrading", "shifting"])
def test_there_is_a_panel_for_every_condition(page: ModuleType, kind: str) -> None:
    conditions = sys.modules[kind].CONDITIONS
    told = {
        name: {
            each.name: {key: [90.0, *[None] * len(each.severities)] for key in page.HEADS}
            for each in conditions
            if view in each.views
        }
        for name, view in (("lateral, rich", "lateral"), ("AP", "ap"))
    }
    drawn = page.curves(told, conditions).decode()
    assert all(each.name in drawn for each in conditions)


def test_a_film_that_is_far_off_goes_unnoticed_unless_it_is_refused(shipped: ModuleType) -> None:
    """Of five bodies one is missed and two lie 3 px off, more than 1 % of the diagonal of 228."""
    y = 30.0 * np.arange(5)[:, None, None]
    corners = np.array([[0, 0], [40, 0], [0, 22], [40, 22]]) + [50, 20] + y * [0, 1]
    truth = Landmarks(corners)
    found = Landmarks(corners[:4] + np.array([0, 0, 3, 3])[:, None, None] * [1, 0])
    sample, film = shown_as(truth)
    predicted = replace(sample, landmarks=found)
    [both] = compare_films([predicted], [sample], "top")
    counts = shipped.Judged((sample, film), found, both).counts
    assert counts["recall"] == (400, 5)
    assert counts["precision"] == (400, 4)
    assert counts["sdr"] == (100 * 8, 20)
    assert counts["mre"] == pytest.approx((8 * 3 * 512 / 200, 16))
    assert counts["unnoticed"] == (100, 1)
    refused = replace(found, refusal="unlike")
    counts = shipped.Judged((sample, film), refused, both).counts
    assert (counts["unnoticed"][0], counts["refused"][0]) == (0, 100)


def test_recall_on_real_films_is_told_level_by_level(shipped: ModuleType) -> None:
    y = 30.0 * np.arange(3)[:, None, None]
    corners = np.array([[0, 0], [40, 0], [0, 22], [40, 22]]) + [50, 20] + y * [0, 1]
    truth = Landmarks(corners, levels=("T1", "T2", "T3"))
    sample, _ = shown_as(truth)
    [film] = compare_films([replace(sample, landmarks=truth.select([0, 2]))], [sample], "top")
    counts = shipped._real_counts(Predictor(None, UNCALIBRATED, {}), film)
    assert [counts[name] for name in ("T1", "T2", "T3", "L5")] == [
        (100, True), (0, True), (100, True), (0, False),
    ]  # fmt: skip


def shown_as(truth: Landmarks) -> tuple[Sample, Radiograph]:
    """A black film of 200 x 110 px with a spine that is completely labelled."""
    film = Radiograph(np.zeros((200, 110), dtype=np.float32), view="ap")
    key = "a"
    sample = Sample(
        key, Path(key), 200, 110, truth, key, "phantom", complete_above=True, complete_below=True
    )
    return sample, film
