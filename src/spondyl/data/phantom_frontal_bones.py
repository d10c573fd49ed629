"""How are the bones of a frontal phantom drawn: bodies, arches, ribs, pelvis, shoulders.

Everything adds nepers to a canvas in film px. Only the vertebral bodies are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw

from spondyl.data.phantom_canvas import (
    Body,
    Box,
    Pixels,
    Points,
    cloud,
    coverage,
    curve,
    ellipse,
    lay_line,
    lay_polygon,
)
from spondyl.data.phantom_detector import softened
from spondyl.data.phantom_frontal_spine import FIRST, LEVELS, FrontalColumn

_REACH: Final = (62, 88, 106, 118, 126, 131, 134, 135, 133, 128, 104, 74)
"""How far the ribs of T1 to T12 reach from the middle of the chest, mm."""
_DROP: Final = (18, 26, 34, 40, 46, 52, 58, 62, 66, 70, 62, 50)
_THORACIC: Final = range(FIRST, FIRST + 12)


@dataclass(frozen=True, slots=True, eq=False)
class FrontalScene:
    """What the drawing needs to know, film px; the column's lengths are px too.

    ``mm`` is px per mm, ``midline`` the x of the middle of the chest at every row,
    ``heart`` 1 where the heart lies to the right of the film, -1 to the left.
    """

    height: int
    width: int
    mm: float
    column: FrontalColumn
    midline: Float64[np.ndarray, " height"]
    heart: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def centres(self) -> Float64[np.ndarray, "k 2"]:
        """The middle of each body."""
        return self.column.corners.mean(axis=1)

    def placed(self, k: int, points: object) -> Points:
        """Points (to the right, behind, below) in widths, depths and heights of body ``k``.

        The origin is the middle of the body; the rotation of the vertebra moves what lies behind.
        """
        column, corners = self.column, self.column.corners[k]
        width = float(np.linalg.norm(corners[[1, 3]] - corners[[0, 2]], axis=1).mean())
        height = float(np.linalg.norm(corners[2:] - corners[:2], axis=1).mean())
        local = np.array(points, dtype=np.float64).reshape(-1, 3) * [width, column.depth[k], height]
        turn, nod, tilt = column.rotation[k], column.sagittal[k], column.tilt[k]
        x = local[:, 0] * math.cos(turn) - local[:, 1] * math.sin(turn)
        y = local[:, 2] * math.cos(nod) - local[:, 1] * math.sin(nod)
        across = np.array([math.cos(tilt), math.sin(tilt)])
        down = np.array([-math.sin(tilt), math.cos(tilt)])
        return self.centres[k] + x[:, None] * across + y[:, None] * down


@dataclass(frozen=True, slots=True)
class FrontalLook:
    """How strongly bone shows, nepers: the middle of a body, its walls, endplates and arches.

    ``column`` is what discs, ligaments and muscle add all along the spine, ``grain`` the texture
    as a share of the marrow, ``rim`` the width of cortex in px.
    """

    marrow: float
    column: float
    wall: float
    endplate: float
    arch: float
    rib: float
    grain: float
    rim: float


def sample_look(rng: np.random.Generator, mm: float) -> FrontalLook:
    """Draws the density of the bones."""
    density = float(rng.uniform(0.6, 1.6))
    marrow = density * rng.uniform(0.16, 0.42)
    return FrontalLook(
        marrow=marrow,
        column=marrow * rng.uniform(0.3, 2.0),
        wall=density * rng.uniform(0.06, 0.3),
        endplate=density * rng.uniform(0.08, 0.42),
        arch=density * rng.uniform(0.14, 0.55),
        rib=density * rng.uniform(0.1, 0.45),
        grain=float(rng.uniform(0.03, 0.16)),
        rim=max(0.5 * mm, 0.55),
    )


def lay_vertebrae(canvas: Pixels, rng: np.random.Generator, scene: FrontalScene) -> None:
    """Adds every vertebra, C5 to L5, with its arch."""
    look = sample_look(rng, scene.mm)
    lay_ribs(canvas, rng, scene, look)
    _lay_column(canvas, rng, scene, look)
    for k in range(len(LEVELS) - 1):
        share = float(rng.uniform(0.85, 1.15)) * (0.7 if k < FIRST else 1.0)
        lay_body(canvas, rng, frontal_body(rng, scene, k), scene.column, k, look, share)
        lay_arch(canvas, rng, scene, k, share * look.arch)


def _lay_column(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, look: FrontalLook
) -> None:
    """Adds discs and ligaments, about as dense as the bodies, and the muscle on either side."""
    corners = scene.column.corners
    left, right = (corners[:, side::2].reshape(-1, 2) for side in (0, 1))
    middle = (left + right) / 2
    for share, strength, soft in (
        (rng.uniform(0.75, 0.98), look.column, rng.uniform(0.8, 2.5)),
        (rng.uniform(1.2, 1.7), rng.uniform(0, 0.2), rng.uniform(3, 8)),
    ):
        sides = middle + share * (left - middle), middle + share * (right - middle)
        lay_polygon(canvas, np.concatenate([sides[0], sides[1][::-1]]), strength, soft * scene.mm)


def frontal_body(rng: np.random.Generator, scene: FrontalScene, k: int) -> Body:
    """The outline of a body: a waist, nearly flat endplates, rounded corners on the landmarks."""
    corners = scene.column.corners[k]
    width = float(np.linalg.norm(corners[1] - corners[0]))
    waist, plate = rng.uniform(0.02, 0.1, 2) * width, rng.uniform(-0.01, 0.035, 2) * width
    hollow = (float(plate[0]), float(waist[0]), float(plate[1]), float(waist[1]))
    return Body(corners, hollow, rounding=float(rng.uniform(0.02, 0.09)) * width)


def lay_body(
    canvas: Pixels,
    rng: np.random.Generator,
    body: Body,
    column: FrontalColumn,
    k: int,
    look: FrontalLook,
    share: float,
) -> None:
    """Adds one body as an elliptic cylinder tilted forward: its endplates open into ellipses.

    The nearer and the further edge of an endplate bow to either side of the line between its
    corners and meet in them; the bone is half as thick on that line.
    """
    opening = 0.5 * float(column.depth[k]) * abs(math.sin(float(column.sagittal[k])))
    box = Box.around(body.corners, opening + 4 * look.rim + 2, canvas.shape)
    if box.empty:
        return
    superior, right, inferior, left = body.sides(box)
    breadth = np.maximum(-(left + right), 1.0)
    place = np.clip((left - right) / breadth, -1, 1)
    bow = np.sqrt(np.maximum(1 - place * place, 0))
    gape = np.float32(opening) * bow
    beyond = gape + np.float32(0.5)  # where the ramps of the thickness below have ended
    outline = body.joined((superior - beyond, right, inferior - beyond, left))
    inside = coverage(outline)
    thick = 0.25 + 0.75 * bow
    for side in (superior, inferior):
        thick = thick * np.clip(0.5 - side / (2 * gape + 1), 0, 1)
    grain = 1 + look.grain * _trabeculae(rng, inside.shape, look.rim)
    value = look.marrow * thick * grain
    value += look.wall * _ridge(np.maximum(left, right) + look.rim, look.rim)
    for side in (superior, inferior):
        front, back = rng.uniform(0.35, 0.9, 2)
        value += look.endplate * front * _ridge(side - gape + look.rim, look.rim)
        value += look.endplate * back * _ridge(side + gape + look.rim, look.rim)
    canvas[box.rows_columns] += share * inside * value


def _ridge(distance: Pixels, width: float) -> Pixels:
    return np.exp(-0.5 * (distance / np.float32(width)) ** 2)


def _trabeculae(rng: np.random.Generator, shape: tuple[int, int], rim: float) -> Pixels:
    return 0.7 * cloud(rng, shape, 9 * rim, 2) + 0.7 * cloud(rng, shape, max(1.8 * rim, 1.0))


def lay_arch(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, k: int, strength: float
) -> None:
    """Adds pedicles, laminae, facets, spinous and transverse processes of one vertebra."""
    centre = scene.centres[k]
    reach = 60 * scene.mm
    if not (-reach < centre[1] < scene.height + reach):
        return
    lumbar = (k - FIRST) / 16  # 0 at T1, 1 at L5
    soft = max(0.5 * scene.mm, 0.5)
    rim = max(0.9 * scene.mm, 0.8)
    for side in (-1.0, 1.0):
        _lay_pedicle(canvas, rng, scene, k, side, strength)
        wing = _transverse(rng, side, lumbar)
        path = curve(scene.placed(k, wing), 5)
        lay_polygon(canvas, path, 0.35 * strength, soft)
        lay_line(canvas, path, rim, 0.35 * strength, soft)
        lamina = np.array([[0.3, 0.8, -0.02], [0.05, 1.1, -0.12], [0.0, 1.2, 0.3], [0.1, 1.1, 0.55],
                           [0.24, 0.9, 0.5], [0.24, 0.8, 0.2]])  # fmt: skip
        path = curve(scene.placed(k, _jittered(rng, lamina, side)), 4)
        lay_polygon(canvas, path, 0.4 * strength, soft)
        lay_line(canvas, path, rim, 0.15 * strength, soft)
        facet = np.array([[0.22, 0.8, 0.18], [0.3, 0.8, 0.35], [0.3, 0.8, 0.75], [0.19, 0.8, 0.8],
                          [0.1, 0.8, 0.45]])  # fmt: skip
        path = curve(scene.placed(k, _jittered(rng, facet, side)), 4)
        lay_polygon(canvas, path, 0.3 * strength, soft)
        lay_line(canvas, path, rim, 0.25 * strength, soft)
    low = 0.3 + 0.35 * (1 - abs(2 * lumbar - 0.9)) + rng.uniform(-0.08, 0.08)
    length, breadth = rng.uniform(0.18, 0.5), rng.uniform(0.025, 0.06)
    drop = [[0, 1.35, low - length], [breadth, 1.4, low], [breadth, 1.5, low + 0.6 * length],
            [0, 1.5, low + length], [-breadth, 1.5, low + 0.6 * length],
            [-breadth, 1.4, low], [0, 1.35, low - length]]  # fmt: skip
    path = curve(scene.placed(k, drop), 4)
    lay_polygon(canvas, path, 0.6 * strength, soft)
    lay_line(canvas, path, rim, float(rng.uniform(0.4, 1.4)) * strength, 0.7 * soft)
    if FIRST <= k < FIRST + 12:
        _lay_rib_heads(canvas, rng, scene, k, strength)


def _lay_pedicle(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, k: int, side: float, share: float
) -> None:
    angle = np.linspace(0, 2 * np.pi, 20)
    lateral = side * (0.31 + rng.normal(0, 0.015))
    radii = rng.uniform(0.055, 0.1), rng.uniform(0.16, 0.27)
    ring = np.stack(
        [
            lateral + radii[0] * np.cos(angle),
            np.full(20, rng.uniform(0.6, 0.75)),
            rng.uniform(-0.24, -0.06) + radii[1] * np.sin(angle),
        ],
        axis=1,
    )
    path = scene.placed(k, ring)
    lay_polygon(canvas, path, 0.25 * share, max(0.5 * scene.mm, 0.5))
    lay_line(canvas, path, max(0.9 * scene.mm, 0.8), 0.95 * share, max(0.35 * scene.mm, 0.4))


def _lay_rib_heads(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, k: int, strength: float
) -> None:
    """Adds the heads of a pair of ribs as rings over the corners of the body."""
    angle = np.linspace(0, 2 * np.pi, 16)
    for side in (-1.0, 1.0):
        radii = rng.uniform(0.06, 0.13), rng.uniform(0.12, 0.24)
        ring = np.stack(
            [
                side * rng.uniform(0.48, 0.62) + radii[0] * np.cos(angle),
                np.full(16, 0.6),
                rng.uniform(-0.6, -0.3) + radii[1] * np.sin(angle),
            ],
            axis=1,
        )
        path = scene.placed(k, ring)
        lay_polygon(canvas, path, 0.2 * strength, max(0.5 * scene.mm, 0.5))
        lay_line(canvas, path, max(0.9 * scene.mm, 0.8), 0.4 * strength, max(0.4 * scene.mm, 0.4))


def _transverse(rng: np.random.Generator, side: float, lumbar: float) -> Points:
    """A transverse process: thick and upwards in the chest, thin and long in the loins."""
    tip = 0.86 - 0.04 * lumbar
    rise = -0.38 if lumbar < 0.65 else -0.2
    root, neck = (0.36, 0.8), (0.6, 0.95)
    outline = np.array([(*root, -0.28), (*neck, rise - 0.12), (tip, 1.05, rise - 0.05),
                        (tip, 1.05, rise + 0.13), (*neck, rise + 0.2), (*root, 0.1)])  # fmt: skip
    return _jittered(rng, outline, side)


def _jittered(rng: np.random.Generator, outline: Points, side: float) -> Points:
    return (outline + rng.normal(0, 0.02, outline.shape)) * [side, 1, 1]


def lay_ribs(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, look: FrontalLook
) -> None:
    """Adds twelve pairs of ribs: bands with bright edges, the front parts lower and fainter."""
    size = rng.uniform(0.88, 1.12)
    breadth = rng.uniform(5.5, 9.0) * scene.mm
    rim = max(1.0 * scene.mm, 0.7)
    layers = [Image.new("L", (scene.width, scene.height)) for _ in range(4)]
    for k in _THORACIC:
        for side in (-1, 1):
            behind, front = _rib(rng, scene, k, side, size)
            ink = int(rng.uniform(150, 255))
            _stroke(layers[k % 2], behind, breadth, rim, ink)
            if k - FIRST < 10:
                _stroke(layers[2 + k % 2], front, breadth * 1.1, rim, ink)
    fade = rng.uniform(0.25, 0.9)
    for n, layer in enumerate(layers):
        shade = np.asarray(layer, dtype=np.float32) / 255
        strength = np.float32(look.rib * (1.0 if n < 2 else fade))
        canvas += strength * softened(shade, max(0.5 * scene.mm, 0.5) * (1 if n < 2 else 1.8))


def _stroke(layer: Image.Image, path: Points, breadth: float, rim: float, ink: int) -> None:
    pen = ImageDraw.Draw(layer)
    points = [tuple(p) for p in path.tolist()]
    pen.line(points, fill=ink, width=max(2, round(breadth)), joint="curve")
    inner = round(breadth - 2 * rim)
    if inner > 0:
        pen.line(points, fill=round(0.55 * ink), width=inner, joint="curve")


def _rib(
    rng: np.random.Generator, scene: FrontalScene, k: int, side: int, size: float
) -> tuple[Points, Points]:
    """The back and the front part of a rib; it follows the tilt of its vertebra."""
    level = k - FIRST
    head, neck = scene.placed(k, [[side * 0.5, 0.5, -0.38], [side * 0.82, 0.95, -0.3]])
    row = int(np.clip(neck[1], 0, scene.height - 1))
    middle = 0.6 * scene.midline[row] + 0.4 * head[0]
    reach = side * _REACH[level] * size * scene.mm
    drop = _DROP[level] * scene.mm * rng.uniform(0.85, 1.15)
    slope = math.sin(float(scene.column.tilt[k])) * reach * 0.55
    outer = middle + reach
    if (outer - neck[0]) * side < 12 * scene.mm:
        outer = neck[0] + side * 12 * scene.mm
    bend = neck[1] + 0.25 * drop + 0.5 * slope
    behind = [head, neck, (neck[0] + 0.55 * (outer - neck[0]), bend - 2 * scene.mm),
              (neck[0] + 0.88 * (outer - neck[0]), bend + 0.3 * drop + 0.4 * slope),
              (outer, bend + 0.75 * drop + 0.5 * slope)]  # fmt: skip
    if level >= 10:
        behind = behind[:-1]
    low = bend + 1.2 * drop + 0.5 * slope
    front = [(outer, bend + 0.75 * drop + 0.5 * slope),
             (outer - 0.06 * reach, low), (outer - 0.3 * reach, low + 0.35 * drop),
             (outer - 0.58 * reach, low + 0.45 * drop)]  # fmt: skip
    return curve(np.array(behind), 8), curve(np.array(front), 8)


def lay_girdles(canvas: Pixels, rng: np.random.Generator, scene: FrontalScene) -> None:
    """Adds sacrum, iliac wings, clavicles and shoulder blades; at times the jaw."""
    strength = float(rng.uniform(0.12, 0.4))
    _lay_pelvis(canvas, rng, scene, strength)
    mm, top = scene.mm, scene.centres[FIRST]
    row = int(np.clip(top[1], 0, scene.height - 1))
    middle = scene.midline[row]
    lift = rng.uniform(-25, 15)
    for side in (-1, 1):
        clavicle = np.array([[14, 52], [45, 40], [95, 22 + lift], [150, 14 + lift]]) * mm
        path = curve([middle, top[1]] + clavicle * [side, 1] + rng.normal(0, 4, (4, 2)) * mm, 8)
        lay_line(canvas, path, 11 * mm, 0.45 * strength, 0.8 * mm)
        lay_line(canvas, path + [0, 5 * mm], 1.5 * mm, 0.4 * strength, 0.6 * mm)
        lay_line(canvas, path - [0, 5 * mm], 1.5 * mm, 0.4 * strength, 0.6 * mm)
        blade = np.array([[150, 20], [96, 42], [84, 80], [105, 165], [118, 172], [140, 90]]) * mm
        edge = curve([middle + side * rng.normal(0, 12) * mm, top[1]] + blade * [side, 1], 6)
        lay_polygon(canvas, edge, 0.2 * strength, 2 * mm)
        lay_line(canvas, edge, 1.8 * mm, 0.35 * strength, 0.8 * mm)
    jaw = scene.centres[0, 1] - rng.uniform(-5, 40) * mm
    if jaw > 0:
        bone = ellipse((float(scene.midline[0]), jaw - 40 * mm), (55 * mm, 55 * mm))
        lay_polygon(canvas, bone, float(rng.uniform(0.5, 2.5)), 1.2 * mm)


def _lay_pelvis(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, strength: float
) -> None:
    mm, k = scene.mm, len(LEVELS) - 1
    soft = 0.8 * mm
    wide, flat = rng.uniform(0.9, 1.15), rng.uniform(0.5, 1.0)
    corners = scene.column.corners[k]
    if corners[..., 1].min() > scene.height + 90 * mm:
        return
    down = float(np.linalg.norm(corners[2:].mean(axis=0) - corners[:2].mean(axis=0)))
    origin = corners[:2].mean(axis=0)

    def at(points: object, side: float) -> Points:
        return origin + np.array(points, dtype=np.float64) * [side * wide, flat] * mm

    sacrum = np.concatenate([at([(-24, 0), (-56, 14), (-44, 60), (-14, 105)], 1),
                             at([(14, 105), (44, 60), (56, 14), (24, 0)], 1)])  # fmt: skip
    lay_polygon(canvas, sacrum, 0.8 * strength, 2 * mm)
    lay_line(canvas, np.stack([corners[0], corners[1]]), 1.4 * mm, 0.7 * strength, soft)
    crest = curve(at([(-18, 22), (0, 14 + 0.1 * down / mm), (18, 22)], 1), 6)
    lay_line(canvas, crest, 1.4 * mm, 0.5 * strength, soft)
    for side in (-1.0, 1.0):
        for n in range(3):
            hole = at([(19 - 2 * n, 32 + 24 * n)], side)[0]
            ring = ellipse((hole[0], hole[1]), (5 * mm, 4 * mm * flat))
            lay_polygon(canvas, ring, -0.3 * strength, soft)
            lay_line(canvas, ring[:20], 1.2 * mm, 0.5 * strength, soft)
        wing = [(46, 28), (52, -12), (80, -34), (118, -22), (142, 20), (138, 60), (100, 90),
                (70, 110), (50, 80)]  # fmt: skip
        outline = curve(at(np.array(wing) + rng.normal(0, 5, (9, 2)), side), 6)
        lay_polygon(canvas, outline, 0.55 * strength, 2 * mm)
        lay_line(canvas, outline[:30], 3 * mm, 0.7 * strength, soft)
