"""What metal and plastic lie in or on the patient of a frontal phantom: rods, braces, clips."""

from __future__ import annotations

import numpy as np

from spondyl.data.phantom_canvas import Pixels, curve, lay_line, lay_polygon
from spondyl.data.phantom_frontal_bones import FrontalScene
from spondyl.data.phantom_frontal_spine import FIRST, LAST
from spondyl.data.phantom_frontal_trunk import row_at
from spondyl.data.phantom_implants import lay_rod, lay_screw, lay_small_metal


def lay_metal(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, extras: frozenset[str]
) -> None:
    """Adds what ``extras`` holds, implant and brace; at times clips, coins and wires."""
    if "implant" in extras:
        _lay_implant(canvas, rng, scene)
    if "brace" in extras:
        _lay_brace(canvas, rng, scene)
    for _ in range(int(rng.integers(1, 6)) if rng.random() < 0.25 else 0):
        at = rng.uniform(0, 1, 2) * [scene.width, scene.height]
        lay_small_metal(canvas, rng, at, scene.mm * rng.uniform(0.3, 1.0))


def _lay_implant(canvas: Pixels, rng: np.random.Generator, scene: FrontalScene) -> None:
    """Rods with screws or hooks over four vertebrae or more."""
    first = int(rng.integers(FIRST, LAST - 4))
    last = int(rng.integers(first + 3, LAST + 1))
    strength, lateral = float(rng.uniform(0.7, 4.5)), rng.uniform(0.22, 0.36)
    for side in (-1, 1) if rng.random() < 0.85 else (1,):
        ends = [scene.placed(k, [[side * lateral, 1.1, 0]])[0] for k in range(first, last + 1)]
        lay_rod(canvas, np.array(ends), scene.mm, strength)
        for k in range(first, last + 1):
            if rng.random() < 0.75:
                path = scene.placed(k, [[side * lateral, 1.0, 0], [side * 0.1, -0.3, -0.05]])
                lay_screw(canvas, path[0], path[1], scene.mm, 0.8 * strength)
    if rng.random() < 0.4:
        k = int(rng.integers(first, last + 1))
        bar = scene.placed(k, [[-lateral, 1.2, 0.1], [lateral, 1.2, 0.1]])
        lay_line(canvas, bar, 5 * scene.mm, strength, 0.4 * scene.mm)


def _lay_brace(canvas: Pixels, rng: np.random.Generator, scene: FrontalScene) -> None:
    """A shell of plastic with pads, straps and buckles."""
    mm = scene.mm
    top, bottom = row_at(scene, rng.uniform(5, 10)), row_at(scene, 22)
    rows = np.linspace(top, bottom, 6)
    middle = scene.midline[np.clip(rows, 0, scene.height - 1).astype(int)]
    for side in (-1, 1):
        edge = np.stack([middle + side * rng.uniform(60, 150) * mm, rows], axis=1)
        edge[:, 0] += rng.normal(0, 8, 6) * mm
        lay_line(canvas, curve(edge, 6), rng.uniform(2, 12) * mm, float(rng.uniform(0.05, 0.4)), mm)
    for _ in range(int(rng.integers(1, 5))):
        k = int(rng.integers(6))
        x, y = middle[k] + rng.normal(0, 60) * mm, rows[k]
        reach, tall = rng.uniform(8, 40) * mm, rng.uniform(4, 14) * mm
        box = np.array(
            [[x - reach, y], [x + reach, y], [x + reach, y + tall], [x - reach, y + tall]]
        )
        lay_polygon(canvas, box, float(rng.uniform(0.05, 0.5)), 0.5 * mm)
        ring = np.concatenate([box[:2] + [[-0.0, 0], [0.3 * (x - box[1, 0]), 0]], box[2:]])
        lay_line(canvas, ring, 2.5 * mm, float(rng.uniform(0, 3)), 0.4 * mm)
