"""How does a frontal phantom's film look: soft tissue, lungs and gas, metal, then the exposure.

Canvases hold nepers along the ray; ``phantom_detector`` makes greys of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw

from spondyl.data.phantom_canvas import (
    Pixels,
    Points,
    cloud,
    curve,
    ellipse,
    enlarged,
    lay_line,
    lay_polygon,
)
from spondyl.data.phantom_detector import (
    WATER_PER_MM,
    Exposure,
    Processing,
    compressed,
    expose,
    lay_grid_lines,
    lay_shading,
    process,
    softened,
)
from spondyl.data.phantom_frontal_bones import FrontalScene, lay_girdles, lay_vertebrae
from spondyl.data.phantom_frontal_spine import FIRST, LAST
from spondyl.data.phantom_implants import lay_rod, lay_screw, lay_small_metal
from spondyl.data.phantom_marks import lay_labels, lay_measurement, lay_scale_bar, shutter

# Place along the spine (C5 is 0, T1 3, L1 15, S1 20), then mm.
_THICKNESS: Final = ((-7, 180), (-2, 118), (1, 104), (3, 116), (5, 134), (8, 164), (11, 188),
                     (13, 198), (15, 200), (17, 196), (19, 206), (22, 226), (27, 220))  # fmt: skip
_HALF_WIDTH: Final = ((-7, 80), (-1, 60), (1, 66), (2, 98), (3, 150), (4, 186), (6, 188), (8, 168),
                      (12, 152), (16, 140), (18, 143), (20, 166), (27, 185))  # fmt: skip
_LUNG: Final = ((3.2, 30), (3.6, 52), (4.6, 78), (6, 100), (8, 118), (10, 127))
_MEDIASTINUM: Final = ((13, 24), (10, 20), (8, 19), (6.4, 19), (5, 19), (3.5, 22))
_HEART: Final = ((13, 60), (11, 64), (9.3, 54), (7.8, 34), (6.6, 25), (6.0, 30), (5.2, 22),
                 (3.5, 23))  # fmt: skip


def draw_frontal(
    rng: np.random.Generator, scene: FrontalScene, extras: frozenset[str] = frozenset()
) -> Pixels:
    """The whole film, (H, W) in [0, 1], bone bright; ``extras`` may hold implant and brace."""
    total = enlarged(_soft_tissue(rng, _halved(scene)), scene.shape).copy()
    lay_vertebrae(total, rng, scene)
    lay_girdles(total, rng, scene)
    if "implant" in extras:
        _lay_implant(total, rng, scene)
    if "brace" in extras:
        _lay_brace(total, rng, scene)
    for _ in range(int(rng.integers(1, 6)) if rng.random() < 0.25 else 0):
        at = rng.uniform(0, 1, 2) * [scene.width, scene.height]
        lay_small_metal(total, rng, at, scene.mm * rng.uniform(0.3, 1.0))
    return _exposed(rng, scene, np.maximum(total, 0).astype(np.float32))


def _halved(scene: FrontalScene) -> FrontalScene:
    column = replace(
        scene.column, corners=(scene.column.corners + 0.5) / 2 - 0.5, depth=scene.column.depth / 2
    )
    midline = (scene.midline[::2] + 0.5) / 2 - 0.5
    return replace(
        scene, height=len(midline), width=math.ceil(scene.width / 2), mm=scene.mm / 2,
        column=column, midline=midline,
    )  # fmt: skip


def _places(scene: FrontalScene) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Places along the spine and their rows, far beyond both ends."""
    y = scene.centres[:, 1]
    place = np.concatenate([[-7.0], np.arange(len(y)), [27.0]])
    return place, np.concatenate([[y[0] - 130 * scene.mm], y, [y[-1] + 230 * scene.mm]])


def _row(scene: FrontalScene, place: float) -> float:
    return float(np.interp(place, *_places(scene)))


def _soft_tissue(rng: np.random.Generator, scene: FrontalScene) -> Pixels:
    """Trunk, lungs, heart, gas: nepers."""
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
    tissue *= 1 + np.float32(rng.uniform(0.005, 0.03)) * cloud(rng, scene.shape, 30 * scene.mm, 4)
    lungs = _lungs(rng, scene, float(np.interp(8, place, thick)) * WATER_PER_MM, broad)
    _lay_heart(rng, scene, tissue)
    _lay_abdomen(rng, scene, tissue)
    return np.maximum(tissue + lungs, 0)


def _steady(values: Float64[np.ndarray, " n"], reach: float) -> Float64[np.ndarray, " n"]:
    width = 2 * max(1, int(reach)) + 1
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _lungs(rng: np.random.Generator, scene: FrontalScene, chest: float, broad: float) -> Pixels:
    """What the air of both lungs takes away, with their vessels; less of it over the spine."""
    mm = scene.mm
    lungs = np.zeros(scene.shape, dtype=np.float32)
    depth, spine = chest * rng.uniform(0.42, 0.72), rng.uniform(0.1, 1.0)
    dome = rng.normal(12.8, 0.9)
    for side in (-1, 1):
        low = _row(scene, dome) + (10 * mm if side == scene.heart else 0) + rng.normal(0, 6) * mm
        outline = _lung_outline(rng, scene, side, low, (spine, broad))
        sharp = rng.uniform(0.15, 0.6)
        lay_polygon(lungs, outline, -sharp * depth, rng.uniform(0.8, 3.5) * mm)
        lay_polygon(lungs, outline, (sharp - 1) * depth, rng.uniform(6, 14) * mm)
        recess = outline.copy()
        recess[:, 1] += rng.uniform(15, 45) * mm
        lay_polygon(lungs, recess, -rng.uniform(0, 0.16) * depth, 3 * mm)
    if rng.random() < 0.85:
        _lay_vessels(rng, scene, lungs)
    bodies = scene.column.corners[FIRST - 2 : LAST + 1]
    sides = bodies[:, 0::2].reshape(-1, 2), bodies[:, 1::2].reshape(-1, 2)
    swell = rng.uniform(1.0, 1.35)
    middle = (sides[0] + sides[1]) / 2
    wall = np.concatenate([middle + swell * (sides[0] - middle),
                           (middle + swell * (sides[1] - middle))[::-1]])  # fmt: skip
    tube = np.zeros(scene.shape, dtype=np.float32)
    lay_polygon(tube, wall, 1.0, rng.uniform(1.0, 4.0) * mm)
    lungs *= 1 - np.float32(rng.uniform(0.15, 0.5)) * tube
    _lay_windpipe(rng, scene, lungs)
    return lungs


def _lung_outline(
    rng: np.random.Generator,
    scene: FrontalScene,
    side: int,
    low: float,
    shares: tuple[float, float],
) -> Points:
    """Round the apex, down the ribs, over the dome and up the mediastinum."""
    spine, broad = shares
    mm = scene.mm

    def middle(y: float, follow: float) -> float:
        row = int(np.clip(y, 0, scene.height - 1))
        x = np.interp(y, scene.centres[:, 1], scene.centres[:, 0])
        return float((1 - follow) * scene.midline[row] + follow * x)

    outer = [(middle(y, 0) + side * reach * broad * mm, y)
             for y, reach in ((_row(scene, p), r) for p, r in _LUNG) if y < low]  # fmt: skip
    below = [(128, 42), (118, 18), (98, 2), (70, -6), (44, -3)]
    dome = [(middle(low, 0) + side * x * broad * mm, low + (y + rng.normal(0, 3)) * mm)
            for x, y in below]  # fmt: skip
    border = _HEART if side == scene.heart else _MEDIASTINUM
    size = rng.uniform(0.7, 1.35)
    edge = ((_row(scene, place), reach * size * mm) for place, reach in border)
    inner = [(middle(y, spine) + side * reach, y) for y, reach in edge if y < low - 4 * mm]
    last = (middle(low, spine) + side * 30 * mm, low + 10 * mm)
    return curve(np.array([*outer, *dome, last, *inner, outer[0]]), 6)


def _lay_vessels(rng: np.random.Generator, scene: FrontalScene, lungs: Pixels) -> None:
    image = Image.new("L", (scene.width, scene.height))
    pen = ImageDraw.Draw(image)
    mm, y = scene.mm, _row(scene, 7.6)
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
    rows = np.linspace(_row(scene, -1), _row(scene, rng.uniform(6.2, 7.4)), 8)
    x = scene.midline[np.clip(rows, 0, scene.height - 1).astype(int)] - scene.heart * 3 * mm
    x = x + rng.normal(0, 4) * mm + np.linspace(0, rng.normal(0, 8), 8) * mm
    path, strength = np.stack([x, rows], axis=1), -float(rng.uniform(0.08, 0.45))
    lay_line(lungs, path, rng.uniform(11, 17) * mm, strength, 1.5 * mm)
    for side in (-1, 1):
        branch = np.array([path[-1], path[-1] + np.array([side * 34, 30]) * mm])
        lay_line(lungs, branch, 10 * mm, 0.5 * strength, 2 * mm)


def _lay_heart(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels) -> None:
    """Adds heart, aorta, breasts and folds of skin."""
    mm, y = scene.mm, _row(scene, rng.uniform(9, 10.5))
    middle = scene.midline[int(np.clip(y, 0, scene.height - 1))]
    heart = ellipse((middle + scene.heart * 28 * mm, y), (58 * mm, 62 * mm), scene.heart * 0.6)
    lay_polygon(tissue, heart, float(rng.uniform(0.0, 0.45)), 5 * mm)
    spine = scene.centres[FIRST + 4 : FIRST + 14] + [scene.heart * rng.uniform(8, 22) * mm, 0]
    lay_line(tissue, spine, 22 * mm, float(rng.uniform(0, 0.25)), 1.5 * mm)
    if rng.random() < 0.4:
        low, wide = _row(scene, rng.uniform(10, 13)), rng.uniform(60, 95)
        for side in (-1, 1):
            at = (middle + side * wide * mm, low + rng.normal(0, 8) * mm)
            breast = ellipse(at, (rng.uniform(45, 75) * mm, rng.uniform(45, 75) * mm))
            lay_polygon(tissue, breast, float(rng.uniform(0.1, 0.8)), rng.uniform(1, 6) * mm)


def _lay_abdomen(rng: np.random.Generator, scene: FrontalScene, tissue: Pixels) -> None:
    """Adds liver and psoas, and takes away the gas of stomach and bowel."""
    mm, y = scene.mm, _row(scene, 14.5)
    middle = scene.midline[int(np.clip(y, 0, scene.height - 1))]
    liver = ellipse((middle - scene.heart * 75 * mm, y), (85 * mm, 75 * mm))
    lay_polygon(tissue, liver, float(rng.uniform(0, 0.4)), 9 * mm)
    loins = scene.centres[LAST - 4 : LAST + 2]
    for side in (-1, 1):
        psoas = loins + np.linspace(20, 52, 6)[:, None] * [side * mm, 0]
        lay_line(tissue, psoas, 32 * mm, float(rng.uniform(0, 0.2)), 2.5 * mm)
    if rng.random() < 0.75:
        at = np.array([middle + scene.heart * rng.uniform(35, 80) * mm, y - 28 * mm])
        bubble = ellipse((at[0], at[1]), (rng.uniform(12, 40) * mm, rng.uniform(10, 26) * mm), 0.3)
        lay_polygon(tissue, bubble, -float(rng.uniform(0.2, 1.4)), 1.2 * mm)
    for _ in range(int(rng.integers(0, 12))):
        row = _row(scene, rng.uniform(14.5, 22))
        at = np.array([middle + rng.normal(0, 75) * mm, row])
        spread, depth = rng.uniform(4, 22), float(rng.uniform(0.05, 0.6))
        for _ in range(int(rng.integers(1, 9))):
            spot = at + rng.normal(0, spread, 2) * mm
            radii = rng.uniform(3, 13, 2) * mm
            shape = ellipse((spot[0], spot[1]), (radii[0], radii[1]), rng.uniform(0, 3))
            lay_polygon(tissue, shape, -depth, rng.uniform(0.8, 2.5) * mm)


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
    top, bottom = _row(scene, rng.uniform(5, 10)), _row(scene, 22)
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


def _exposed(rng: np.random.Generator, scene: FrontalScene, total: Pixels) -> Pixels:
    """Nepers to greys, then markers, text and shutters."""
    lay_shading(rng, total, float(rng.normal(0, 0.15)))
    exposure = Exposure(
        reference=float(np.quantile(total[::4, ::4], rng.uniform(0.3, 0.9))),
        quanta=float(10 ** rng.uniform(3.1, 4.8)),
        electronic=float(rng.uniform(0, 0.015)),
        scatter=float(rng.uniform(0.0, 0.55)),
        scatter_px=float(rng.uniform(20, 70)) * scene.mm,
        blur_px=float(0.1 + 0.6 * rng.random() ** 1.5) * max(scene.mm, 0.6),
        grain_px=float(rng.uniform(0, 0.6)) * scene.mm,
    )
    signal = expose(rng, total, exposure)
    if rng.random() < 0.04:
        lay_grid_lines(rng, signal, float(rng.uniform(0.01, 0.06)), float(rng.uniform(2.2, 9)))
    film = process(signal, _processing(rng, scene, signal))
    corners = scene.column.corners[FIRST : LAST + 1].reshape(-1, 2)
    if rng.random() < 0.1:
        _collimate(rng, scene, film, corners)
    if rng.random() < 0.75:
        lay_labels(rng, film, corners, int(rng.integers(1, 4)))
    if rng.random() < 0.04:
        lay_scale_bar(rng, film, scene.mm)
    if rng.random() < 0.03:
        lay_measurement(rng, film)
    return compressed(film, int(rng.integers(35, 95))) if rng.random() < 0.5 else film


def _processing(rng: np.random.Generator, scene: FrontalScene, signal: Pixels) -> Processing:
    """A window about the film's own range, often with the lungs black or the loins white."""
    black, white = np.quantile(
        signal[::4, ::4], [rng.uniform(0, 0.35) * (rng.random() < 0.8), rng.uniform(0.93, 1)]
    )
    span = max(float(white - black), 0.6)
    return Processing(
        black=float(black) - rng.uniform(0, 0.25) * span,
        white=float(black) + span * rng.uniform(0.95, 1.6),
        gamma=float(math.exp(rng.normal(0.2, 0.35))),
        shoulder=float(rng.uniform(0, 0.5)),
        edge=float(rng.uniform(0, 1.2)) if rng.random() < 0.5 else 0.0,
        edge_px=float(rng.uniform(1, 6)) * scene.mm,
        flatten=float(rng.uniform(0.1, 0.75)) if rng.random() < 0.4 else 0.0,
        flatten_px=float(rng.uniform(15, 60)) * scene.mm,
        inverted=bool(rng.random() < 0.03),
    )


def _collimate(
    rng: np.random.Generator, scene: FrontalScene, film: Pixels, corners: Points
) -> None:
    size = np.array([scene.width, scene.height])
    low = np.clip(corners.min(axis=0) - 3, 0, size) * rng.uniform(0, 1, 2)
    high = size - np.clip(size - corners.max(axis=0) - 3, 0, size) * rng.uniform(0, 1, 2)
    field = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    shutter(film, field, rng.uniform(0.5, 2.0), rng.uniform(0, 0.02))
