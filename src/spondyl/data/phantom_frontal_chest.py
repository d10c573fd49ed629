"""What lies in the chest of a frontal phantom: lungs, heart, aorta, windpipe, breasts.

The silhouette of heart and mediastinum hardly follows a curved spine: its edges cross the bodies
and run beside them without being theirs.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from spondyl.data.phantom_canvas import Pixels, Points, curve, ellipse, lay_line, lay_polygon
from spondyl.data.phantom_detector import softened
from spondyl.data.phantom_frontal_bones import FrontalScene
from spondyl.data.phantom_frontal_spine import FIRST, LAST
from spondyl.data.phantom_frontal_trunk import row_at

# Place along the spine, then mm from the middle.
_LUNG: Final = ((3.2, 30), (3.6, 52), (4.6, 78), (6, 100), (8, 118), (10, 127))
_MEDIASTINUM: Final = ((13, 32), (11, 30), (9, 24), (7.5, 20), (6.4, 18), (5.2, 19), (4.4, 25),
                       (3.5, 32))  # fmt: skip
_HEART: Final = ((13, 68), (11.5, 76), (9.6, 64), (8, 44), (6.8, 33), (6.1, 35), (5.5, 34),
                 (4.6, 30), (3.5, 34))  # fmt: skip
_RECESS: Final = ((13.5, 1.1), (11, 1.0), (8, 0.95), (5.5, 1.0), (4.4, 1.3), (3.5, 1.9))
"""The lung beside the spine, as multiples of its distance there."""


def lay_chest(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels, depth: float) -> None:
    """Takes the air out of the chest, ``depth`` nepers, and adds heart, aorta and breasts."""
    tissue += _lungs(rng, scene, depth)
    _lay_heart(rng, scene, tissue)
    _lay_aorta(rng, scene, tissue)
    if rng.random() < 0.4:
        _lay_breasts(rng, scene, tissue)


def _lungs(rng: np.random.Generator, scene: FrontalScene, chest: float) -> Pixels:
    """What the air of both lungs takes away, with their vessels; less of it over the spine."""
    mm = scene.mm
    lungs = np.zeros(scene.shape, dtype=np.float32)
    depth = chest * rng.uniform(0.35, 0.68)
    follow = rng.uniform(0, 0.3) if rng.random() < 0.35 else 0.0
    if rng.random() < 0.1:
        follow = rng.uniform(0.3, 1.0)
    dome, sharp = rng.normal(12.8, 0.9), rng.uniform(0.3, 0.85)
    behind = rng.uniform(0.1, 0.8)  # the share of the air that lies behind heart and mediastinum
    for side in (-1, 1):
        low = row_at(scene, dome) + (10 * mm if side == scene.heart else 0) + rng.normal(0, 6) * mm
        shape = follow, rng.uniform(0.9, 1.2)
        border = _border(rng, _HEART if side == scene.heart else _MEDIASTINUM)
        outline = _lung_outline(rng, scene, side, low, border, shape)
        beside = (22 if side == scene.heart else 15) * rng.uniform(0.75, 1.3)
        recess = [(place, beside * more) for place, more in _RECESS]
        inner = _lung_outline(rng, scene, side, low, recess, (1.0, shape[1]))
        lay_polygon(lungs, inner, -behind * depth, rng.uniform(0.6, 3) * mm)
        before = (1 - behind) * depth
        lay_polygon(lungs, outline, -sharp * before, rng.uniform(0.6, 2.5) * mm)
        lay_polygon(lungs, outline, (sharp - 1) * before, rng.uniform(6, 14) * mm)
        outline[:, 1] += rng.uniform(15, 45) * mm
        lay_polygon(lungs, outline, -rng.uniform(0, 0.2) * depth, rng.uniform(1, 3) * mm)
    if rng.random() < 0.85:
        _lay_vessels(rng, scene, lungs)
    _displace(rng, scene, lungs)
    _lay_windpipe(rng, scene, lungs)
    return lungs


def _displace(rng: np.random.Generator, scene: FrontalScene, lungs: Pixels) -> None:
    """Takes air away where the spine and the tissue beside it are."""
    bodies = scene.column.corners[FIRST - 2 : LAST + 1]
    sides = bodies[:, 0::2].reshape(-1, 2), bodies[:, 1::2].reshape(-1, 2)
    middle = (sides[0] + sides[1]) / 2
    swell = rng.uniform(0.92, 1.3, 2)
    wall = np.concatenate([middle + swell[0] * (sides[0] - middle),
                           (middle + swell[1] * (sides[1] - middle))[::-1]])  # fmt: skip
    tube = np.zeros(scene.shape, dtype=np.float32)
    lay_polygon(tube, wall, 1.0, rng.uniform(0.6, 3.5) * scene.mm)
    lungs *= 1 - np.float32(rng.uniform(0.15, 0.55)) * tube


def _border(
    rng: np.random.Generator, places: tuple[tuple[float, float], ...]
) -> list[tuple[float, float]]:
    size = rng.uniform(0.5, 1.15)
    return [(p, r * size * (1 + 0.08 * rng.standard_normal())) for p, r in places]


def _lung_outline(
    rng: np.random.Generator,
    scene: FrontalScene,
    side: int,
    low: float,
    border: list[tuple[float, float]],
    shape: tuple[float, float],
) -> Points:
    """Round the apex, down the ribs, over the dome and up the mediastinum."""
    mm, (follow, broad) = scene.mm, shape

    def middle(y: float, follow: float) -> float:
        row = int(np.clip(y, 0, scene.height - 1))
        x = np.interp(y, scene.centres[:, 1], scene.centres[:, 0])
        return float((1 - follow) * scene.midline[row] + follow * x)

    outer = [(middle(y, 0) + side * reach * broad * mm, y)
             for y, reach in ((row_at(scene, p), r) for p, r in _LUNG) if y < low]  # fmt: skip
    below = [(128, 42), (118, 18), (98, 2), (70, -6), (44, -3)]
    dome = [(middle(low, 0) + side * x * broad * mm, low + (y + rng.normal(0, 3)) * mm)
            for x, y in below]  # fmt: skip
    edge = ((row_at(scene, place), reach * mm) for place, reach in border)
    inner = [(middle(y, follow) + side * reach, y) for y, reach in edge if y < low - 4 * mm]
    last = (middle(low, follow) + side * 30 * mm, low + 10 * mm)
    return curve(np.array([*outer, *dome, last, *inner, outer[0]]), 6)


def _lay_vessels(rng: np.random.Generator, scene: FrontalScene, lungs: Pixels) -> None:
    image = Image.new("L", (scene.width, scene.height))
    pen = ImageDraw.Draw(image)
    mm, y = scene.mm, row_at(scene, 7.6)
    middle = scene.midline[int(np.clip(y, 0, scene.height - 1))]
    for side in (-1, 1):
        for _ in range(int(rng.integers(8, 22))):
            steps = rng.normal(0, 10, (6, 2)) + [side * rng.uniform(5, 20), rng.normal(0, 22)]
            path = np.array([middle + side * 32 * mm, y]) + np.cumsum(steps, axis=0) * mm
            points = [tuple(p) for p in path.tolist()]
            for n in range(5):
                pen.line(points[n : n + 2], fill=int(rng.uniform(60, 255)),
                         width=max(1, round((4.5 - 0.8 * n) * mm)))  # fmt: skip
    ink = softened(np.asarray(image, dtype=np.float32) / 255, 1.1 * mm)
    lungs += np.float32(rng.uniform(0.05, 0.3)) * ink * (lungs < -0.15)


def _lay_windpipe(rng: np.random.Generator, scene: FrontalScene, lungs: Pixels) -> None:
    mm = scene.mm
    rows = np.linspace(row_at(scene, -2), row_at(scene, rng.uniform(6.2, 7.6)), 8)
    x = scene.midline[np.clip(rows, 0, scene.height - 1).astype(int)] - scene.heart * 3 * mm
    x = x + rng.normal(0, 5) * mm + np.linspace(0, rng.normal(0, 8), 8) * mm
    path, strength = np.stack([x, rows], axis=1), -float(rng.uniform(0.2, 0.8))
    lay_line(lungs, path, rng.uniform(11, 19) * mm, strength, rng.uniform(0.7, 2.0) * mm)
    for side in (-1, 1):
        branch = np.array([path[-1], path[-1] + np.array([side * 34, 30]) * mm])
        lay_line(lungs, branch, 10 * mm, 0.5 * strength, 2 * mm)


def _lay_heart(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels) -> None:
    """Adds the heart's own shade, with an edge on either side of the middle."""
    mm, y = scene.mm, row_at(scene, rng.uniform(8.8, 10.8))
    middle = scene.midline[int(np.clip(y, 0, scene.height - 1))]
    radii = (rng.uniform(38, 64) * mm, rng.uniform(48, 70) * mm)
    at = (middle + scene.heart * rng.uniform(8, 36) * mm, y)
    heart = ellipse(at, radii, scene.heart * rng.uniform(0.2, 0.9))
    lay_polygon(tissue, heart, float(rng.uniform(0.0, 0.35)), rng.uniform(0.8, 6) * mm)


def _lay_aorta(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels) -> None:
    """Adds the arch as a knob beside T4 and the descending aorta down to the diaphragm."""
    mm = scene.mm
    places = np.linspace(rng.uniform(5.4, 6.6), rng.uniform(15, 18), 6)
    rows = np.array([row_at(scene, place) for place in places])
    middle = scene.midline[np.clip(rows, 0, scene.height - 1).astype(int)]
    spine = np.interp(rows, scene.centres[:, 1], scene.centres[:, 0])
    follow = rng.uniform(0, 0.8)
    away = np.linspace(rng.uniform(14, 30), rng.uniform(-8, 10), 6) + rng.normal(0, 2, 6)
    x = (1 - follow) * middle + follow * spine + scene.heart * away * mm
    strength, soft = float(rng.uniform(0.02, 0.45)), rng.uniform(0.7, 2.0) * mm
    path = curve(np.stack([x, rows], axis=1), 6)
    lay_line(tissue, path, rng.uniform(17, 30) * mm, strength, soft)
    knob = ellipse((float(path[0, 0]), float(path[0, 1])), (rng.uniform(11, 18) * mm, 14 * mm))
    lay_polygon(tissue, knob, strength, soft)


def _lay_breasts(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels) -> None:
    mm, low, wide = scene.mm, row_at(scene, rng.uniform(10, 13)), rng.uniform(60, 95)
    middle = scene.midline[int(np.clip(low, 0, scene.height - 1))]
    for side in (-1, 1):
        at = (middle + side * wide * mm, low + rng.normal(0, 8) * mm)
        breast = ellipse(at, (rng.uniform(45, 75) * mm, rng.uniform(45, 75) * mm))
        lay_polygon(tissue, breast, float(rng.uniform(0.1, 0.8)), rng.uniform(1, 6) * mm)
