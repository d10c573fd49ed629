"""How much soft tissue does a ray pass on a lateral film: trunk, hips, folds, lungs and gas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Bool

from spondyl.data.phantom_canvas import (
    Pixels,
    Point,
    Points,
    cloud,
    curve,
    ellipse,
    lay_line,
    lay_polygon,
)
from spondyl.data.phantom_detector import WATER_PER_MM
from spondyl.data.phantom_film import Scene, Values, halved, profile, skin

if TYPE_CHECKING:
    from spondyl.data.phantom_effects import Effects

# Share of the trunk's width at mm below the sacral plate.
_WIDTH: Final = ((-420, 0.98), (-280, 1.02), (-200, 1.0), (-110, 0.88), (-50, 0.92), (20, 1.1),
                 (100, 1.2), (160, 1.15), (300, 0.7))  # fmt: skip
# mm from the posterior wall of the bodies to the skin, at mm below the sacral plate.
_BACK: Final = ((-420, 64), (-300, 50), (-200, 46), (-110, 58), (-40, 62), (20, 70), (80, 104),
                (140, 112), (200, 92), (300, 76))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Build:
    """A patient's build in mm, and how the section is rounded; ``taper`` scales the waist."""

    width: float
    depth: float
    fat: float
    power: float
    taper: float


def sample_build(rng: np.random.Generator, *, wild: bool = True) -> Build:
    """Draws a build from thin to very stout, or one that films show often."""
    if not wild:
        width = float(rng.uniform(240, 350))
        depth = max(width * float(rng.uniform(0.65, 1.05)), 200.0)
        return Build(width, depth, float(rng.uniform(0.8, 1.4)), float(rng.uniform(2.0, 3.0)),
                     float(rng.uniform(0.2, 0.9)))  # fmt: skip
    width = float(rng.uniform(210, 400))
    depth = width * float(rng.uniform(0.75, 1.05))
    return Build(width, depth, float(rng.uniform(0.6, 2.2)), float(rng.uniform(1.8, 3.2)),
                 float(rng.uniform(0, 1.1)))  # fmt: skip


def soft_tissue(rng: np.random.Generator, scene: Scene, effects: Effects, build: Build) -> Pixels:
    """Attenuation in nepers at half of the film's size."""
    rng, hips, lungs, gas = rng.spawn(4)  # one effect does not change another's draws
    half = halved(scene)
    y = np.arange(half.height, dtype=np.float64)
    back = skin(half, y, 0.0) + profile(half, y, _BACK) * half.mm * build.fat
    wave = 25 * np.sin((y / half.mm + rng.uniform(0, 300)) / rng.uniform(40, 90))
    front = back - (build.depth + wave) * half.mm
    tissue = _trunk(half, (back, front), build)
    _lay_hips(hips, half, tissue, effects)
    tissue *= 1 + rng.uniform(0.002, 0.02) * cloud(rng, half.shape, 30 * half.mm, 4)
    _lay_organs(rng, half, tissue)
    if effects.lungs:
        _lay_lungs(lungs, half, tissue, back, effects.lungs * WATER_PER_MM)
    for _ in range(effects.gas):
        _lay_gas(gas, half, tissue)
    tissue[_outside(half, back)] *= 0.02
    return np.maximum(tissue, 0)


def _outside(scene: Scene, back: Values) -> Bool[np.ndarray, "h w"]:
    return np.arange(scene.width)[None, :] > back[:, None]


def _trunk(scene: Scene, skins: tuple[Values, Values], build: Build) -> Pixels:
    back, front = skins
    y = np.arange(scene.height, dtype=np.float64)
    width = profile(scene, y, _WIDTH) ** build.taper * build.width
    x = np.arange(scene.width)[None, :]
    place = (2 * x - back[:, None] - front[:, None]) / (back - front)[:, None]
    chord = np.clip(1 - np.abs(place) ** build.power, 0, None) ** (1 / build.power)
    return (WATER_PER_MM * width[:, None] * chord).astype(np.float32)


def _lay_hips(rng: np.random.Generator, scene: Scene, tissue: Pixels, effects: Effects) -> None:
    """Adds the broad hips below a rather sharp upper edge, and the fold of skin above it."""
    mm, sacrum = scene.mm, scene.corners[0, :2].mean(axis=0)
    at = np.array([-260, -130, -60, 0, 60, 130, 220]) * mm
    level = sacrum[1] + (rng.uniform(-45, 35) + rng.uniform(-0.35, 0.35) * at / mm) * mm
    edge = np.stack([sacrum[0] + at, level + rng.normal(0, 5, len(at)) * mm], axis=1)
    edge = curve(edge, 8)
    if effects.hips:
        low = scene.height + 50 * mm
        below = np.concatenate([edge, [[edge[-1, 0], low], [edge[0, 0], low]]])
        strength = effects.hips * WATER_PER_MM
        for share in (0.4, 0.6):
            lay_polygon(tissue, below, share * strength, rng.uniform(0.6, 14) * mm)
            below = below + [0, rng.uniform(5, 60) * mm]
    if effects.fold:
        start = int(rng.uniform(0.3, 0.7) * len(edge))
        line = edge[start:] - [0, 2 * mm]
        lay_line(tissue, line, rng.uniform(1, 6) * mm, -effects.fold, rng.uniform(0.6, 3) * mm)


def _lay_organs(rng: np.random.Generator, scene: Scene, tissue: Pixels) -> None:
    """Adds liver, bowel and muscle: broad shades without an outline."""
    mm, upper, lower = scene.mm, scene.corners[7].mean(axis=0), scene.corners[2].mean(axis=0)
    liver = ellipse((upper[0] - 60 * mm, upper[1]), (95 * mm, 75 * mm), rng.uniform(-0.5, 0.2))
    lay_polygon(tissue, liver, rng.uniform(0.0, 0.5), rng.uniform(4, 20) * mm)
    for _ in range(int(rng.integers(0, 5))):
        at = lower + rng.normal(0, 70, 2) * mm
        radii = rng.uniform(15, 90, 2) * mm
        shape = ellipse((at[0], at[1]), (radii[0], radii[1]), rng.uniform(0, 3))
        lay_polygon(tissue, shape, rng.normal(0, 0.15), rng.uniform(2, 20) * mm)


def _lay_lungs(
    rng: np.random.Generator, scene: Scene, tissue: Pixels, back: Values, strength: float
) -> None:
    """Takes the two lungs out, each above its own dome of the diaphragm, with its vessels."""
    level, mm = scene.corners[scene.thoracic + 1].mean(axis=0), scene.mm
    base, inset = level[1] + rng.uniform(-30, 45) * mm, rng.uniform(8, 20) * mm
    taken = np.zeros_like(tissue)
    for _ in range(2):
        low = base + rng.normal(0, 14) * mm
        lung = _lung(rng, scene, back - inset - rng.uniform(0, 8) * mm, low)
        lay_polygon(taken, lung, 0.5 * strength, rng.uniform(0.5, 2.0) * mm)
        _lay_vessels(rng, taken, np.array([level[0], low - 50 * mm]), mm)
    tissue -= np.clip(taken, 0, 0.85 * tissue)


def _lung(rng: np.random.Generator, scene: Scene, inner: Values, low: float) -> Points:
    """One lung down to its recess, which is deep behind; ``low`` is the dome's row at T11."""
    level, mm = scene.corners[scene.thoracic + 1].mean(axis=0), scene.mm
    top, rows = min(-60.0 * mm, level[1] - 150 * mm), np.arange(len(inner))
    x = level[0] + np.array([58, 40, 20, 0, -25, -60, -110, -200]) * mm
    rise = np.array([66, 36, 14, 0, -14, -28, -38, -36]) * rng.uniform(0.5, 1.5)
    y = low + (rise + rng.normal(0, 3, 8)) * mm
    x[0] = max(float(np.interp(y[0], rows, inner)), x[1] + 4 * mm)
    dome = curve(np.stack([x, y], axis=1), 8)
    wall_y = np.linspace(top, y[0], 16)[:-1]
    wall = np.stack([np.maximum(np.interp(wall_y, rows, inner), x[1]), wall_y], axis=1)
    return np.concatenate([dome, [[dome[-1, 0], top]], wall])


def _lay_vessels(rng: np.random.Generator, taken: Pixels, middle: Point, mm: float) -> None:
    """Gives back what vessels hold of a lung."""
    for _ in range(int(rng.integers(0, 11))):
        start = middle + rng.normal(0, 40, 2) * mm
        path = start + np.cumsum(rng.normal(0, 12, (4, 2)), axis=0) * mm
        width, strength = rng.uniform(0.8, 3) * mm, rng.uniform(0.03, 0.2)
        lay_line(taken, curve(path, 6), width, -strength, 0.8 * mm)


def _lay_gas(rng: np.random.Generator, scene: Scene, tissue: Pixels) -> None:
    """Adds one cluster of bowel gas in front of the spine or in the pelvis, at times over it."""
    front = scene.corners[:, (0, 2)].mean(axis=1)
    k = int(rng.integers(0, 7))
    middle = front[k] + np.array([-rng.uniform(-35, 130), rng.uniform(-20, 60)]) * scene.mm
    spread, depth = rng.uniform(4, 25), rng.uniform(0.05, 0.6)
    for _ in range(rng.integers(1, 10)):
        at = middle + rng.normal(0, spread, 2) * scene.mm * [1.4, 0.8]
        radii = rng.uniform(2, 12, 2) * scene.mm
        shape = ellipse((at[0], at[1]), (radii[0], radii[1]), rng.uniform(0, 3))
        soft = rng.uniform(0.6, 3) * scene.mm
        lay_polygon(tissue, shape, -depth * rng.uniform(0.3, 1), soft)
        if rng.random() < 0.3:
            lay_line(tissue, shape, 1.2 * scene.mm, 0.15 * depth, 0.6 * scene.mm)


def at_bodies(tissue: Pixels, scene: Scene) -> float:
    """The attenuation that a ray meets at the bodies, the median of those in the film, nepers."""
    scale = tissue.shape[0] / scene.height
    centres = np.round(scene.corners.mean(axis=1) * scale).astype(int)
    inside = (centres >= 0).all(axis=1) & (centres < tissue.shape[::-1]).all(axis=1)
    found = tissue[centres[inside, 1], centres[inside, 0]]
    return float(np.median(found)) if len(found) else float(np.median(tissue))
