"""How are the bones at both ends of a frontal phantom drawn: shoulders and jaw, pelvis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spondyl.data.phantom_canvas import Pixels, Points, curve, ellipse, lay_line, lay_polygon
from spondyl.data.phantom_frontal_bones import FrontalScene
from spondyl.data.phantom_frontal_spine import FIRST, LEVELS


def lay_girdles(canvas: Pixels, rng: np.random.Generator, scene: FrontalScene) -> None:
    """Adds sacrum, iliac wings, breastbone, clavicles and shoulder blades; at times the jaw."""
    _lay_pelvis(canvas, rng, scene, float(rng.uniform(0.25, 0.8)))
    _lay_shoulders(canvas, rng, scene, float(rng.uniform(0.2, 0.9)))
    mm = scene.mm
    jaw = scene.centres[0, 1] - rng.uniform(-5, 40) * mm
    if jaw > 0:
        bone = ellipse((float(scene.midline[0]), jaw - 40 * mm), (55 * mm, 55 * mm))
        lay_polygon(canvas, bone, float(rng.uniform(0.5, 2.5)), 1.2 * mm)


def _lay_shoulders(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, strength: float
) -> None:
    mm, top = scene.mm, scene.centres[FIRST]
    middle = scene.midline[int(np.clip(top[1], 0, scene.height - 1))]
    lift, low = rng.uniform(-25, 15), rng.uniform(25, 60)
    stem = np.array([[-18, low - 4], [18, low - 4], [22, low + 22], [12, low + 50],
                     [-12, low + 50], [-22, low + 22]]) * mm  # fmt: skip
    lay_polygon(canvas, [middle, top[1]] + stem, 0.3 * strength, 1.5 * mm)
    for side in (-1, 1):
        clavicle = np.array([[12, low], [45, low - 12], [95, 22 + lift], [150, 14 + lift]]) * mm
        path = curve([middle, top[1]] + clavicle * [side, 1] + rng.normal(0, 4, (4, 2)) * mm, 8)
        lay_line(canvas, path, 11 * mm, 0.5 * strength, 0.7 * mm)
        for shift in (-5, 5):
            lay_line(canvas, path + [0, shift * mm], 1.5 * mm, 0.5 * strength, 0.5 * mm)
        blade = np.array([[150, 20], [96, 42], [84, 80], [105, 165], [118, 172], [140, 90]]) * mm
        edge = curve([middle + side * rng.normal(0, 12) * mm, top[1]] + blade * [side, 1], 6)
        lay_polygon(canvas, edge, 0.2 * strength, 2 * mm)
        lay_line(canvas, edge, 1.8 * mm, 0.4 * strength, 0.7 * mm)


def _lay_pelvis(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, strength: float
) -> None:
    mm, k = scene.mm, len(LEVELS) - 1
    corners = scene.column.corners[k]
    if corners[..., 1].min() > scene.height + 90 * mm:
        return
    soft = 0.7 * mm
    flat, sink = rng.uniform(0.5, 1.0), rng.uniform(-8, 6)
    scale = np.array([rng.uniform(0.9, 1.15), flat]) * mm
    origin = corners[:2].mean(axis=0)

    def at(points: object, side: float = 1.0) -> Points:
        return origin + np.array(points, dtype=np.float64) * scale * [side, 1]

    half = [(-44, 60), (-58, 20), (-46, 2 + sink), (-26, 4), (-22, 0)]
    mirrored = [(-x, y) for x, y in half[::-1]]
    lay_polygon(canvas, at([(-14, 105), *half, *mirrored, (14, 105)]), 0.6 * strength, 2 * mm)
    lay_line(canvas, np.stack([corners[0], corners[1]]), 1.4 * mm, 0.5 * strength, soft)
    crest = curve(at([(-22, 3), (-12, 12), (0, 15), (12, 12), (22, 3)]), 6)
    lay_line(canvas, crest, 1.6 * mm, 0.7 * strength, soft)
    for side in (-1.0, 1.0):
        _lay_sacral_holes(canvas, at, side, (strength, mm, flat))
        ala = curve(at([(-24, 3), (-46, 2 + sink), (-58, 20), (-44, 60)], side), 6)
        lay_line(canvas, ala, 1.5 * mm, 0.7 * strength, soft)
        wing = [(44, 30), (47, -6), (64, -34), (92, -48), (124, -32), (146, 16), (138, 60),
                (100, 90), (70, 110), (50, 80)]  # fmt: skip
        outline = curve(at(np.array(wing) + rng.normal(0, 5, (10, 2)), side), 6)
        lay_polygon(canvas, outline, 0.55 * strength, 2 * mm)
        lay_line(canvas, outline[:34], 2.5 * mm, 0.8 * strength, soft)


def _lay_sacral_holes(
    canvas: Pixels, at: Callable[[object, float], Points], side: float,
    scale: tuple[float, float, float],
) -> None:  # fmt: skip
    """Adds three foramina with their arched upper edges."""
    strength, mm, flat = scale
    for n in range(3):
        x, y = at([(19 - 2 * n, 32 + 24 * n)], side)[0]
        ring = ellipse((float(x), float(y)), (5 * mm, 4 * mm * flat))
        lay_polygon(canvas, ring, -0.3 * strength, 0.7 * mm)
        lay_line(canvas, ring[20:], 1.2 * mm, 0.6 * strength, 0.7 * mm)
