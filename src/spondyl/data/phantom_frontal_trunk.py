"""How much soft tissue does a ray pass in a frontal phantom: the trunk, and organs below the chest.

Canvases hold nepers along the ray.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_canvas import Pixels, Point, cloud, ellipse, lay_line, lay_polygon
from spondyl.data.phantom_detector import WATER_PER_MM
from spondyl.data.phantom_frontal_bones import FrontalScene
from spondyl.data.phantom_frontal_spine import LAST

# Place along the spine (C5 is 0, T1 3, L1 15, S1 20), then mm.
_THICKNESS: Final = ((-7, 180), (-2, 118), (1, 104), (3, 116), (5, 134), (8, 164), (11, 188),
                     (13, 198), (15, 200), (17, 196), (19, 206), (22, 226), (27, 220))  # fmt: skip
_HALF_WIDTH: Final = ((-7, 80), (-1, 60), (1, 66), (2, 98), (3, 150), (4, 186), (6, 188), (8, 168),
                      (12, 152), (16, 140), (18, 143), (20, 166), (27, 185))  # fmt: skip


def row_at(scene: FrontalScene, place: float) -> float:
    """The row of a place along the spine: 0 is the middle of C5, 3 that of T1."""
    return float(np.interp(place, *_places(scene)))


def _places(scene: FrontalScene) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Places along the spine and their rows, far beyond both ends."""
    y = scene.centres[:, 1]
    place = np.concatenate([[-7.0], np.arange(len(y)), [27.0]])
    return place, np.concatenate([[y[0] - 130 * scene.mm], y, [y[-1] + 230 * scene.mm]])


def trunk(rng: np.random.Generator, scene: FrontalScene) -> tuple[Pixels, float]:
    """The trunk without its organs, nepers, and what a ray meets in the middle of the chest."""
    rows = np.arange(scene.height, dtype=np.float64)
    places, at = _places(scene)
    place = np.interp(rows, at, places)
    stout, broad = rng.uniform(0.72, 1.3), rng.uniform(0.85, 1.25)
    thick = np.interp(place, *np.array(_THICKNESS, dtype=np.float64).T) * stout
    half = np.interp(place, *np.array(_HALF_WIDTH, dtype=np.float64).T) * broad * scene.mm
    thick, half = _steady(thick, 12 * scene.mm), _steady(half, 12 * scene.mm)
    x = np.arange(scene.width)[None, :]
    across = np.abs(x - scene.midline[:, None]) / half[:, None]
    bulge = np.clip(1 - across ** rng.uniform(2.2, 4.0), 0, None) ** rng.uniform(0.35, 0.6)
    tissue = (WATER_PER_MM * thick[:, None] * bulge).astype(np.float32)
    tissue *= 1 + np.float32(0.002 + 0.02 * rng.random() ** 2) * cloud(
        rng, scene.shape, 30 * scene.mm, 4
    )
    return tissue, float(np.interp(8, place, thick)) * WATER_PER_MM


def _steady(values: Float64[np.ndarray, " n"], reach: float) -> Float64[np.ndarray, " n"]:
    width = 2 * max(1, int(reach)) + 1
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def lay_abdomen(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels) -> None:
    """Adds liver and psoas, and takes away the gas of stomach and bowel."""
    mm, y = scene.mm, row_at(scene, 14.5)
    middle = float(scene.midline[int(np.clip(y, 0, scene.height - 1))])
    liver = ellipse((middle - scene.heart * 75 * mm, y), (85 * mm, 75 * mm))
    lay_polygon(tissue, liver, float(rng.uniform(0, 0.4)), 9 * mm)
    loins = scene.centres[LAST - 4 : LAST + 2]
    for side in (-1, 1):
        psoas = loins + np.linspace(20, 52, 6)[:, None] * [side * mm, 0]
        lay_line(tissue, psoas, 32 * mm, float(rng.uniform(0, 0.2)), 2.5 * mm)
    if rng.random() < 0.75:
        _lay_stomach(rng, tissue, np.array([middle, y]), scene)
    for _ in range(int(rng.integers(0, 12))):
        x = middle + rng.normal(15 * scene.heart, 75) * mm
        at = np.array([x, row_at(scene, rng.uniform(14.5, 23))])
        _lay_gas(rng, tissue, at, mm)


def _lay_stomach(
    rng: np.random.Generator, tissue: Pixels, middle: Point, scene: FrontalScene
) -> None:
    """Takes a bubble of air away; in a patient who stands it ends at a level below."""
    mm = scene.mm
    at = middle + [scene.heart * rng.uniform(35, 80) * mm, rng.uniform(-32, 5) * mm]
    radii = rng.uniform(14, 52) * mm, rng.uniform(10, 40) * mm
    bubble = ellipse((float(at[0]), float(at[1])), radii, 0.3)
    if rng.random() < 0.5:
        bubble[:, 1] = np.minimum(bubble[:, 1], at[1] + rng.uniform(0, 0.8) * radii[1])
    lay_polygon(tissue, bubble, -float(rng.uniform(0.2, 1.8)), rng.uniform(0.5, 1.5) * mm)


def _lay_gas(rng: np.random.Generator, tissue: Pixels, at: Point, mm: float) -> None:
    """Takes a cluster of bubbles away, some with the bowel's wall about them."""
    spread, depth = rng.uniform(4, 24), float(rng.uniform(0.05, 0.7))
    size, walled = rng.uniform(0.4, 1.5), rng.random() < 0.3
    for _ in range(int(rng.integers(1, 9))):
        spot = at + rng.normal(0, spread, 2) * mm
        radii = size * rng.uniform(3, 13, 2) * mm
        shape = ellipse((float(spot[0]), float(spot[1])), (radii[0], radii[1]), rng.uniform(0, 3))
        lay_polygon(tissue, shape, -depth * rng.uniform(0.4, 1), rng.uniform(0.6, 2.5) * mm)
        if walled:
            lay_line(tissue, shape, 1.5 * mm, 0.25 * depth, 0.6 * mm)
