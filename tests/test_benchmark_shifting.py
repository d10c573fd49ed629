"""Phantoms beyond the ranges of training: what is shifted is what is said, corners are exact."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from spondyl.data.phantom import phantom, plan_phantom
from spondyl.data.phantom_frontal import frontal_phantom, plan_frontal
from spondyl.data.phantom_frontal_spine import FIRST, LAST, sample_frontal_column

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SEED, SIZE = 3, 192


@pytest.fixture(scope="module")
def shifting() -> Iterator[ModuleType]:
    """Small films, and ranges of few phantoms."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        module = importlib.import_module("shifting")
    finally:
        sys.path.remove(str(BENCHMARKS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LONG_SIDE", SIZE)
        patch.setattr(module, "RANGES", 8)
        yield module


def generator(view: str, index: int) -> np.random.Generator:
    return np.random.default_rng([SEED, index, 2] if view == "ap" else [SEED, index])


def shown(shifting: ModuleType, view: str, index: int) -> Any:
    draw = frontal_phantom if view == "ap" else phantom
    style: Any = {} if view == "ap" else {"style": "rich"}
    made = draw(SEED, index, long_side=SIZE, **style)
    return shifting.shown_as("a", made.radiograph, made.truth)


def open_index() -> int:
    """The first lateral film of the series that has no shutters."""
    for index in range(50):
        anatomy, _ = generator("lateral", index).spawn(2)
        scene = plan_phantom(anatomy, long_side=SIZE, style="rich").scene
        if scene.window == (-0.5, -0.5, scene.width - 0.5, scene.height - 0.5):
            return index
    raise AssertionError("every film of the series has shutters")


@pytest.mark.parametrize("view", ["lateral", "ap"])
def test_a_patient_drawn_anew_without_a_shift_is_the_phantom_itself(
    shifting: ModuleType, view: str
) -> None:
    index = open_index() if view == "lateral" else 0
    sample, film = shown(shifting, view, index)
    again, drawn = shifting.scaled((sample, film), generator(view, index), 1.0)
    np.testing.assert_array_equal(drawn.pixels, film.pixels)
    np.testing.assert_allclose(again.landmarks.points, sample.landmarks.points, atol=1e-9)
    assert drawn.spacing == film.spacing


@pytest.mark.parametrize("view", ["lateral", "ap"])
def test_a_patient_from_afar_is_as_small_as_said_and_in_the_same_place(
    shifting: ModuleType, view: str
) -> None:
    index = open_index() if view == "lateral" else 0
    before = shown(shifting, view, index)
    sample, film = shifting.scaled(before, generator(view, index), 0.5)
    assert film.spacing.row_mm == pytest.approx(2 * before[1].spacing.row_mm)
    heights = [each.landmarks.heights for each in (before[0], sample)]
    assert np.nanmedian(heights[1]) == pytest.approx(np.nanmedian(heights[0]) / 2, rel=0.1)
    assert len(sample.landmarks) >= len(before[0].landmarks)


def test_corners_lie_where_bone_is_when_a_spine_is_moved(shifting: ModuleType) -> None:
    """Just inside the walls a frontal film is brighter than just outside, on the whole."""
    for way, severity in ((shifting.askew, 25), (shifting.curved, 110)):
        sample, film = way(shown(shifting, "ap", 1), generator("ap", 1), severity)
        whole = sample.landmarks.points[~np.isnan(sample.landmarks.points).any(axis=(1, 2))]
        walls = (whole[:, :2] + whole[:, 2:]) / 2
        inward = walls[:, ::-1] - walls
        grey = [_grey(film.pixels, walls + share * inward) for share in (0.1, -0.15)]
        assert np.median(grey[0] - grey[1]) > 0, way.__name__


def _grey(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = np.rint(points).astype(int).reshape(-1, 2).T
    rows, columns = pixels.shape
    return pixels[y.clip(0, rows - 1), x.clip(0, columns - 1)]


@pytest.mark.parametrize("cobb", [110, 130])
def test_a_curve_has_the_angle_that_was_asked_for_and_no_body_crosses_another(
    shifting: ModuleType, cobb: float
) -> None:
    for seed in range(5):
        column = sample_frontal_column(np.random.default_rng(seed))
        curved = shifting.bent(column, math.radians(cobb))
        part = slice(FIRST, LAST + 1)
        middle = curved.corners[part, 1::2] - curved.corners[part, 0::2]
        tilt = np.degrees(np.arctan2(*middle.sum(axis=1).T[::-1]))
        assert np.ptp(tilt) == pytest.approx(cobb, abs=1)
        before = np.ptp(column.corners[part, :, 1])
        assert np.ptp(curved.corners[part, :, 1]) == pytest.approx(before)
        for upper, lower in zip(curved.corners[:-1], curved.corners[1:], strict=True):
            across = upper[3] - upper[2] + lower[1] - lower[0]
            down = np.array([-across[1], across[0]]) / np.linalg.norm(across)
            assert (lower[:2] @ down).min() > (upper[2:] @ down).max()


def test_bodies_are_so_much_broader_or_higher_than_any_drawn(shifting: ModuleType) -> None:
    least, most = shifting._proportions("ap")
    plans = [plan_frontal(np.random.default_rng([0, index])) for index in range(8)]
    drawn = [shifting._proportion(plan.scene.column.corners[FIRST : LAST + 1]) for plan in plans]
    assert (least, most) == pytest.approx((min(drawn), max(drawn)))
    for way, wanted in ((shifting.broad, 1.25 * most), (shifting.high, least / 1.25)):
        sample, _ = way(shown(shifting, "ap", 1), generator("ap", 1), 1.25)
        assert shifting._proportion(sample.landmarks.points) == pytest.approx(wanted, rel=0.06)


def test_fainter_bone_and_more_scatter_take_contrast(shifting: ModuleType) -> None:
    """Of what a lateral film shows within the column."""
    index = open_index()
    whole = shown(shifting, "lateral", index)
    contrast = []
    for share in (0.75, 0.9):
        _, film = shifting.fogged(whole, np.random.default_rng(0), share)
        contrast.append(float(np.ptp(np.quantile(film.pixels, [0.1, 0.9]))))
    whole_contrast = float(np.ptp(np.quantile(whole[1].pixels, [0.1, 0.9])))
    assert whole_contrast > contrast[0] > contrast[1] > 0
    sample, film = shifting.fainter(whole, generator("lateral", index), 0.5)
    assert np.abs(film.pixels - whole[1].pixels).mean() > 1e-3
    np.testing.assert_allclose(sample.landmarks.points, whole[0].landmarks.points)


def test_what_lies_beyond_the_film_is_not_in_the_truth(shifting: ModuleType) -> None:
    body = np.array([[10, 10], [30, 10], [10, 25], [30, 25]], dtype=np.float64)
    found = shifting.seen(np.stack([body - [0, 30], body, body + [13, 0]]), (60, 40)).points
    assert len(found) == 2
    np.testing.assert_array_equal(found[0], body)
    np.testing.assert_array_equal(np.isnan(found[1]).any(axis=1), [False, True, False, True])
