"""How are the ribs of a frontal phantom drawn, from their heads beside the bodies to the front."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from spondyl.data.phantom_canvas import Pixels, Points, curve, lay_line, lay_polygon
from spondyl.data.phantom_detector import softened
from spondyl.data.phantom_frontal_bones import FrontalLook, FrontalScene
from spondyl.data.phantom_frontal_spine import FIRST

_REACH: Final = (62, 88, 106, 118, 126, 131, 134, 135, 133, 128, 104, 74)
"""How far the ribs of T1 to T12 reach from the middle of the chest, mm."""
_DROP: Final = (18, 26, 34, 40, 46, 52, 58, 62, 66, 70, 62, 50)
_THORACIC: Final = range(FIRST, FIRST + 12)


def lay_ribs(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, look: FrontalLook
) -> None:
    """Adds twelve pairs of ribs: bands with bright edges, the front parts lower and fainter."""
    size, slope = rng.uniform(0.88, 1.12), rng.uniform(0.75, 1.45)
    breadth = rng.uniform(6.5, 10.5) * scene.mm
    rim = max(rng.uniform(0.8, 1.6) * scene.mm, 0.7)
    hollow = float(rng.uniform(0.3, 0.75))
    layers = [Image.new("L", (scene.width, scene.height)) for _ in range(4)]
    for k in _THORACIC:
        for side in (-1, 1):
            behind, front = _rib(rng, scene, k, side, (size, slope))
            ink = int(rng.uniform(170, 255))
            _stroke(layers[k % 2], behind, (breadth, rim), (ink, hollow))
            if k - FIRST < 10:
                _stroke(layers[2 + k % 2], front, (breadth * 1.1, rim), (ink, hollow))
        _lay_heads(canvas, rng, scene, k, look.rib)
    shades = [np.asarray(layer, dtype=np.float32) / 255 for layer in layers]
    soft = max(0.4 * scene.mm, 0.45)
    fade = np.float32(look.rib * rng.uniform(0.15, 0.8))
    canvas += np.float32(look.rib) * softened(shades[0] + shades[1], soft)
    canvas += fade * softened(shades[2] + shades[3], 2 * soft)


def _stroke(
    layer: Image.Image, path: Points, widths: tuple[float, float], inks: tuple[int, float]
) -> None:
    """A band with edges of the second width, and inside the second share of the ink."""
    pen = ImageDraw.Draw(layer)
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    for breadth, ink in ((widths[0], inks[0]), (widths[0] - 2 * widths[1], inks[0] * inks[1])):
        if breadth > 0:
            sides = path + across * breadth / 2, path - across * breadth / 2
            ring = np.concatenate([sides[0], sides[1][::-1]])
            pen.polygon([tuple(p) for p in ring.tolist()], fill=round(ink))


def _rib(
    rng: np.random.Generator, scene: FrontalScene, k: int, side: int, shape: tuple[float, float]
) -> tuple[Points, Points]:
    """The back and the front part of a rib; it follows the tilt of its vertebra."""
    level, (size, steep) = k - FIRST, shape
    head, neck = scene.placed(k, [[side * 0.46, 0.5, -0.4], [side * 0.86, 0.95, -0.36]])
    row = int(np.clip(neck[1], 0, scene.height - 1))
    middle = 0.6 * scene.midline[row] + 0.4 * head[0]
    reach = side * _REACH[level] * size * scene.mm
    drop = _DROP[level] * scene.mm * steep * rng.uniform(0.9, 1.1)
    slope = math.sin(float(scene.column.tilt[k])) * reach * 0.55
    outer = middle + reach
    if (outer - neck[0]) * side < 12 * scene.mm:
        outer = neck[0] + side * 12 * scene.mm
    away = outer - neck[0]

    def low(share: float, lean: float) -> float:
        return float(neck[1] + share * drop + lean * slope)

    behind = [head, neck, (neck[0] + 0.28 * away, low(0.06, 0.28)),
              (neck[0] + 0.6 * away, low(0.36, 0.6)), (neck[0] + 0.88 * away, low(0.8, 0.85)),
              (outer, low(1.2, 1.0))]  # fmt: skip
    if level >= 10:
        behind = behind[:-1]
    front = [(outer - share * reach, low(fall, 1.0))
             for share, fall in ((0, 1.2), (0.06, 1.6), (0.3, 1.9), (0.58, 2.0))]  # fmt: skip
    return curve(np.array(behind), 8), curve(np.array(front), 8)


def _lay_heads(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, k: int, strength: float
) -> None:
    """Adds the heads of a pair of ribs as rings over the corners of the body."""
    angle = np.linspace(0, 2 * np.pi, 16)
    for side in (-1.0, 1.0):
        radii = rng.uniform(0.06, 0.13), rng.uniform(0.12, 0.24)
        ring = np.stack(
            [
                side * rng.uniform(0.46, 0.62) + radii[0] * np.cos(angle),
                np.full(16, 0.6),
                rng.uniform(-0.6, -0.3) + radii[1] * np.sin(angle),
            ],
            axis=1,
        )
        path = scene.placed(k, ring)
        lay_polygon(canvas, path, 0.3 * strength, max(0.5 * scene.mm, 0.5))
        lay_line(canvas, path, max(0.9 * scene.mm, 0.8), 0.5 * strength, max(0.4 * scene.mm, 0.4))
