"""How are the vertebrae of a frontal phantom drawn: bodies and arches.

Everything adds nepers to a canvas in film px. Only the vertebral bodies are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_canvas import (
    Body,
    Box,
    Pixels,
    Points,
    cloud,
    coverage,
    curve,
    lay_line,
    lay_polygon,
)
from spondyl.data.phantom_frontal_spine import FIRST, LEVELS, FrontalColumn


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


@dataclass(frozen=True, slots=True)
class ArchParts:
    """How strongly the parts of the arches show, as shares of the arch's density."""

    pedicle: float = 1.0
    wing: float = 1.0
    lamina: float = 1.0
    facet: float = 1.0
    spinous: float = 1.0


_WHOLE: Final = ArchParts()
_LAMINA: Final = np.array([[0.3, 0.8, -0.02], [0.05, 1.1, -0.12], [0.0, 1.2, 0.3],
                           [0.1, 1.1, 0.55], [0.24, 0.9, 0.5], [0.24, 0.8, 0.2]])  # fmt: skip
_FACET: Final = np.array([[0.22, 0.8, 0.18], [0.3, 0.8, 0.35], [0.3, 0.8, 0.75],
                          [0.19, 0.8, 0.8], [0.1, 0.8, 0.45]])  # fmt: skip


def sample_look(rng: np.random.Generator, mm: float, poor: bool = False) -> FrontalLook:
    """Draws the density of the bones; they are far fainter on some ``poor`` films."""
    if poor:
        density = float(rng.uniform(0.6, 1.6))
        marrow, plate = density * rng.uniform(0.16, 0.42), density * rng.uniform(0.08, 0.42)
    else:
        density = float(rng.uniform(0.8, 1.5))
        marrow, plate = density * rng.uniform(0.1, 0.34), density * rng.uniform(0.15, 0.48)
    return FrontalLook(
        marrow=marrow,
        column=marrow * (rng.uniform(0.3, 2.0) if poor else rng.uniform(0.15, 1.2)),
        wall=density * rng.uniform(0.06, 0.3),
        endplate=plate,
        arch=density * rng.uniform(0.14 if poor else 0.2, 0.55),
        rib=density * rng.uniform(0.1 if poor else 0.18, 0.46),
        grain=float(rng.uniform(0.03, 0.16)),
        rim=max(float(rng.uniform(0.35, 0.6)) * mm, 0.55),
    )


# What lies between and behind the bodies is thinner in the neck and the upper chest.
_SHARE: Final = np.interp(np.arange(len(LEVELS)), (0, 4, 8, 18), (0.3, 0.35, 0.85, 1.0))


def lay_bodies(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, look: FrontalLook
) -> None:
    """Adds every body, C5 to L5, with discs and muscle."""
    _lay_column(canvas, rng, scene, look)
    for k in range(len(LEVELS) - 1):
        share = float(rng.uniform(0.85, 1.15))
        lay_body(canvas, rng, frontal_body(rng, scene, k), scene.column, k, look, share)


def lay_arches(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, strength: float
) -> None:
    """Adds the arch of every vertebra, C5 to L5."""
    parts = ArchParts(*rng.uniform([0.5, 0.15, 0.3, 0.2, 0.5], [1.2, 1.1, 1.1, 1.1, 1.3]).tolist())
    for k in range(len(LEVELS) - 1):
        lay_arch(canvas, rng, scene, k, float(rng.uniform(0.85, 1.15)) * strength, parts)


def _lay_column(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, look: FrontalLook
) -> None:
    """Adds discs and ligaments down to S1, and the muscle on either side."""
    corners = scene.column.corners
    left, right = (corners[:, side::2].reshape(-1, 2)[:-1] for side in (0, 1))
    middle = (left + right) / 2
    tissue = np.zeros_like(canvas)
    for share, strength, soft in (
        (rng.uniform(0.75, 1.0), look.column, rng.uniform(0.8, 2.5)),
        (rng.uniform(1.2, 1.9), rng.uniform(0, 0.3), rng.uniform(1, 8)),
    ):
        sides = middle + share * (left - middle), middle + share * (right - middle)
        outline = np.concatenate([sides[0], sides[1][::-1]])
        lay_polygon(tissue, outline, strength, soft * scene.mm)
    rows = np.interp(np.arange(len(canvas)), scene.centres[:, 1], _SHARE)
    canvas += tissue * rows[:, None].astype(np.float32)


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
    canvas: Pixels,
    rng: np.random.Generator,
    scene: FrontalScene,
    k: int,
    strength: float,
    parts: ArchParts = _WHOLE,
) -> None:
    """Adds pedicles, laminae, facets, spinous and transverse processes of one vertebra."""
    centre, reach = scene.centres[k], 60 * scene.mm
    if not (-reach < centre[1] < scene.height + reach):
        return
    lumbar = (k - FIRST) / 16  # 0 at T1, 1 at L5
    for side in (-1.0, 1.0):
        _lay_pedicle(canvas, rng, scene, k, side, parts.pedicle * strength)
        for outline, share, rim in (
            (_transverse(rng, side, lumbar), 0.35 * parts.wing, 1.0),
            (_jittered(rng, _LAMINA, side), 0.4 * parts.lamina, 0.4),
            (_jittered(rng, _FACET, side), 0.3 * parts.facet, 0.85),
        ):
            _lay_plate(canvas, scene, curve(scene.placed(k, outline), 4), share * strength, rim)
    drop = _spinous(rng, lumbar)
    share, rim = 0.6 * parts.spinous, float(rng.uniform(0.7, 2.3))
    _lay_plate(canvas, scene, curve(scene.placed(k, drop), 4), share * strength, rim)


def _lay_plate(
    canvas: Pixels, scene: FrontalScene, path: Points, strength: float, rim: float
) -> None:
    """A flat piece of bone; its cortex adds ``rim`` times its strength."""
    soft = max(0.45 * scene.mm, 0.45)
    lay_polygon(canvas, path, strength, soft)
    lay_line(canvas, path, max(0.9 * scene.mm, 0.8), rim * strength, soft)


def _spinous(rng: np.random.Generator, lumbar: float) -> Points:
    """A spinous process seen from behind: a drop, lowest in the middle of the chest."""
    low = 0.3 + 0.35 * (1 - abs(2 * lumbar - 0.9)) + rng.uniform(-0.08, 0.08)
    length, breadth = rng.uniform(0.18, 0.5), rng.uniform(0.025, 0.075)
    return np.array([[0, 1.35, low - length], [breadth, 1.4, low],
                     [breadth, 1.5, low + 0.6 * length], [0, 1.5, low + length],
                     [-breadth, 1.5, low + 0.6 * length], [-breadth, 1.4, low],
                     [0, 1.35, low - length]])  # fmt: skip


def _lay_pedicle(
    canvas: Pixels, rng: np.random.Generator, scene: FrontalScene, k: int, side: float, share: float
) -> None:
    angle = np.linspace(0, 2 * np.pi, 20)
    lateral = side * (0.36 + rng.normal(0, 0.02))
    radii = rng.uniform(0.055, 0.11), rng.uniform(0.16, 0.3)
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


def _transverse(rng: np.random.Generator, side: float, lumbar: float) -> Points:
    """A transverse process: thick and upwards in the chest, thin and long in the loins."""
    tip = 0.86 - 0.04 * lumbar + rng.normal(0, 0.06)
    rise = -0.38 if lumbar < 0.65 else -0.2
    root, neck = (0.36, 0.8), (0.6, 0.95)
    outline = np.array([(*root, -0.28), (*neck, rise - 0.12), (tip, 1.05, rise - 0.05),
                        (tip, 1.05, rise + 0.13), (*neck, rise + 0.2), (*root, 0.1)])  # fmt: skip
    return _jittered(rng, outline, side)


def _jittered(rng: np.random.Generator, outline: Points, side: float) -> Points:
    return (outline + rng.normal(0, 0.02, outline.shape)) * [side, 1, 1]
