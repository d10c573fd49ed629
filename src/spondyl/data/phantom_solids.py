"""What does a vertebral body add along a ray: marrow and a shell of cortex, slice by slice.

A body is a stack of slices across the beam. The middle one has the outline of the four corners;
towards the near and the far side the walls round off, as in an axial section, and the endplates
rise to the rim. Slices are displaced where the beam meets the body obliquely, so that endplates
become two contours with the corners' line in their middle, and walls where the body is rotated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_canvas import Body, Box, Pixels, cloud, coverage

SLICES: Final = 13
"""How many slices a body is summed over."""

Vector = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Dent:
    """A node in an endplate: at ``place`` along it (-1 to 1), ``width`` of its half, px deep."""

    inferior: bool
    place: float
    width: float
    depth: float


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A vertebral body that faces left, in film px.

    ``corners`` is SL, SR, IL, IR. ``hollow`` is how deep the superior and the inferior endplate
    are sunk in the middle, ``waist`` the anterior and the posterior wall, ``rounding`` the radius
    of the corners. ``lean`` displaces the near side by (x, y) and the far side by as much the
    other way. ``plates`` and ``wall`` are the cortex's thickness. ``marrow`` and ``cortex`` are
    the nepers of a ray that stays in them through the whole body, ``sclerosis`` the share that is
    added to the marrow at either endplate.
    """

    corners: Float64[np.ndarray, "4 2"]
    hollow: Vector
    waist: Vector
    rounding: float
    lean: Vector
    plates: Vector
    wall: float
    marrow: float
    cortex: float
    grain: float = 0.0
    sclerosis: Vector = (0.0, 0.0)
    dents: tuple[Dent, ...] = ()


def lay_solid(canvas: Pixels, rng: np.random.Generator, solid: Solid) -> None:
    """Adds what a body attenuates to the canvas."""
    reach = abs(solid.lean[0]) + abs(solid.lean[1]) + 3
    box = Box.around(solid.corners, reach, canvas.shape)
    if box.empty:
        return
    marrow, cortex, sides = _summed(solid, box)
    depth = float(np.linalg.norm(solid.corners[1] - solid.corners[0]))
    value = solid.marrow * marrow
    if solid.grain:
        value *= 1 + solid.grain * _trabeculae(rng, marrow.shape, depth)
    for side, share in zip((sides[0], sides[2]), solid.sclerosis, strict=True):
        if share:
            value *= 1 + share * np.exp(np.minimum(side, 0) / np.float32(0.12 * depth))
    canvas[box.rows_columns] += value + solid.cortex * cortex


def _summed(solid: Solid, box: Box) -> tuple[Pixels, Pixels, tuple[Pixels, Pixels, Pixels, Pixels]]:
    """The share of each ray in marrow and in cortex, and the distances to the four sides."""
    body = Body(solid.corners, rounding=solid.rounding)
    sides = body.sides(box)
    along, down = _bow(sides[3], sides[1]), _bow(sides[0], sides[2])
    superior, inferior = solid.plates
    marrow, cortex = np.zeros_like(sides[0]), np.zeros_like(sides[0])
    soft = 1 + 2 * (abs(solid.lean[0]) + abs(solid.lean[1])) / SLICES  # no gap between slices
    for z in (2 * np.arange(SLICES) + 1) / SLICES - 1:
        top, right, bottom, left = _slice(solid, sides, (along, down), float(z))
        outer = coverage(body.joined((top, right, bottom, left)), soft)
        kept = (top + superior, right + solid.wall, bottom + inferior, left + solid.wall)
        inner = coverage(body.joined(kept), soft)
        marrow += inner
        cortex += outer - inner
    return marrow / SLICES, cortex / SLICES, sides


def _slice(
    solid: Solid,
    sides: tuple[Pixels, Pixels, Pixels, Pixels],
    bows: tuple[Pixels, Pixels],
    z: float,
) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """The distances to the sides of the slice at ``z``, from -1 (far side) to 1 (near side)."""
    depth = float(np.linalg.norm(solid.corners[1] - solid.corners[0]))
    round_off = 1 - (1 - abs(z) ** 2.4) ** (1 / 2.4)  # the front of an axial section
    inset = (0.0, 0.14 * depth * z**4, 0.0, 0.42 * depth * round_off)
    sunk = 1 - 0.85 * z * z
    hollow = (solid.hollow[0] * sunk, solid.waist[1], solid.hollow[1] * sunk, solid.waist[0])
    found = []
    for k in range(4):
        shift = inset[k] - z * float(np.dot(solid.lean, _normal(solid.corners, k)))
        found.append(sides[k] + np.float32(hollow[k]) * bows[k % 2] + np.float32(shift))
    for dent in solid.dents if abs(z) < 0.6 else ():
        place = _place(sides[3], sides[1])
        bump = dent.depth * np.exp(-(((place - dent.place) / dent.width) ** 2))
        found[2 if dent.inferior else 0] += bump.astype(np.float32)
    return found[0], found[1], found[2], found[3]


def _normal(corners: Float64[np.ndarray, "4 2"], side: int) -> Float64[np.ndarray, " 2"]:
    """The outward direction of the superior, right, inferior or left side."""
    start, end = ((0, 1), (1, 3), (3, 2), (2, 0))[side]
    along = (corners[end] - corners[start]) / np.linalg.norm(corners[end] - corners[start])
    return np.array([along[1], -along[0]])


def _place(low: Pixels, high: Pixels) -> Pixels:
    """From -1 at one side to 1 at the other, by the distances to both."""
    whole = low + high
    return np.clip(2 * low / np.where(np.abs(whole) < 1e-3, 1e-3, whole) - 1, -1, 1)


def _bow(low: Pixels, high: Pixels) -> Pixels:
    place = _place(low, high)
    return 1 - place * place


def _trabeculae(rng: np.random.Generator, shape: tuple[int, int], depth: float) -> Pixels:
    """Texture of about unit deviation: patches, grains and the upright trabeculae."""
    fine = max(0.035 * depth, 1.0)
    patches = cloud(rng, shape, 0.3 * depth, 2)
    upright = cloud(rng, (max(2, shape[0] // 5), shape[1]), fine)
    rows = np.linspace(0, len(upright) - 1, shape[0]).astype(int)
    return 0.6 * patches + 0.5 * cloud(rng, shape, fine) + 0.5 * upright[rows]
