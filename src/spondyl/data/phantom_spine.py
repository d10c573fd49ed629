"""Which spine does a phantom show: how it bends, the sizes of its vertebrae, what is wrong.

The angles and their correlations are those of the labels of Karla Reyes, "Spondylolisthesis
Vertebral Landmark", Mendeley Data v1, doi 10.17632/5jdfdgp762.1, CC BY 4.0. Its films were
stretched to a square; a phantom is un-stretched to its own true aspect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from spondyl.data.phantom_framing import SPACING_RATIO, Framing, sample_framing, varied_framing

VERTEBRAE: Final = 17
"""How many vertebrae a column has, S1 counted and the rest above it."""

_SEGMENT_MEAN: Final = (40.9, 10.6, -6.2, -16.1, -18.4, -15.7, -11.4, -6.8, -0.5, 6.0, 9.0, 10.0)
_SEGMENT_SD: Final = (13.8, 14.9, 12.6, 11.4, 11.3, 12.0, 11.3, 10.2, 10.6, 9.0, 8.0, 8.0)
_SEGMENT_CORRELATION: Final = (
    (1.0, 0.63, 0.41, 0.03, -0.26),
    (0.63, 1.0, 0.75, 0.38, 0.01),
    (0.41, 0.75, 1.0, 0.80, 0.46),
    (0.03, 0.38, 0.80, 1.0, 0.84),
    (-0.26, 0.01, 0.46, 0.84, 1.0),
)
_NEIGHBOUR_CORRELATION: Final = 0.85  # further up: 0.93, 0.83, 0.84, then too few films
_DEPTH_RATIO: Final = (1.10, 1.03, 1.0, 0.99, 0.97, 0.94, 0.91, 0.88, 0.86, 0.83, 0.80, 0.77)


@dataclass(frozen=True, slots=True, eq=False)
class Ailments:
    """What is wrong with a column; vertebra 0 is S1, gap 0 is L5/S1.

    ``slip`` is the shift of gap k's upper body in shares of the lower superior endplate, anterior
    positive. ``anterior`` and ``posterior`` are factors on the walls, ``gap`` on the discs,
    ``hollow`` says how deep both endplates are sunk, in shares of the height.
    """

    slip: Float64[np.ndarray, " k"]
    anterior: Float64[np.ndarray, " k"]
    posterior: Float64[np.ndarray, " k"]
    gap: Float64[np.ndarray, " k"]
    hollow: Float64[np.ndarray, " k"]
    fractured: Bool[np.ndarray, " k"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A spine that faces left, S1 first, in units of the film's height.

    ``corners`` is (K, 4, 2), SL, SR, IL, IR; the origin is the film's upper left edge.
    """

    framing: Framing
    ailments: Ailments
    levels: tuple[str, ...]
    corners: Float64[np.ndarray, "k 4 2"]


def sample_column(rng: np.random.Generator, *, rich: bool = False) -> Column:
    """Draws a spine and where it lies in the film; nothing is rendered.

    ``rich`` has narrower discs, L5/S1 above all, deeper bodies, a wider choice of framings and
    films that are taken askew.
    """
    framing = sample_framing(rng)
    if rich:
        framing = varied_framing(rng, framing)
    ailments = sample_ailments(rng, framing)
    segments, sizes = _segments(rng, framing), _sizes(rng, framing)
    if rich:
        _narrow(rng, sizes, ailments)
    corners = _stack(segments, sizes, ailments, rng.uniform(0.2, 0.8) if rich else 0.0)
    if rich:
        corners = _askew(corners, math.radians(float(np.clip(rng.normal(0, 5), -14, 14))))
    corners = _placed(corners, framing)
    return Column(framing, ailments, _level_names(rng), corners)


def sample_ailments(rng: np.random.Generator, framing: Framing) -> Ailments:
    """Draws slips, fractures, wedges and narrow discs among the labelled vertebrae."""
    ailments = Ailments(
        slip=np.clip(rng.normal(0, 0.015, VERTEBRAE), -0.04, 0.04),
        anterior=np.ones(VERTEBRAE),
        posterior=np.ones(VERTEBRAE),
        gap=np.ones(VERTEBRAE),
        hollow=rng.uniform(0.02, 0.07, VERTEBRAE),
        fractured=np.zeros(VERTEBRAE, dtype=bool),
    )
    last, first = framing.lowest, framing.lowest + framing.count - 1
    _slip(rng, ailments, last, first)
    _break(rng, ailments, max(last, 1), first)
    worn = rng.random(VERTEBRAE) < rng.choice([0.0, 0.1, 0.45], p=[0.45, 0.35, 0.2])
    ailments.gap[worn] = rng.uniform(0.3, 0.75, int(worn.sum()))
    return ailments


def measured_slip(upper: Float64[np.ndarray, "4 2"], lower: Float64[np.ndarray, "4 2"]) -> float:
    """Slip of ``upper`` on ``lower`` in shares of the lower superior endplate, facing left.

    The posterior inferior corner is projected on the endplate (Meyerding 1932).
    """
    forward = lower[0] - lower[1]
    return float((upper[3] - lower[1]) @ forward / (forward @ forward))


def measured_wedge(corners: Float64[np.ndarray, "4 2"]) -> float:
    """Anterior / posterior height of a body that faces left."""
    anterior, posterior = np.linalg.norm(corners[2:] - corners[:2], axis=1)
    return float(anterior / posterior)


def _slip(rng: np.random.Generator, ailments: Ailments, last: int, first: int) -> None:
    if rng.random() > 0.22:
        return
    gap = min(last + int(rng.choice([0, 1, 2, 3], p=[0.45, 0.37, 0.13, 0.05])), first - 1)
    forwards = rng.random() < 0.75
    size = 0.10 + 0.5 * rng.beta(0.9, 2.6) if forwards else -rng.uniform(0.10, 0.22)
    ailments.slip[gap] = size
    ailments.gap[gap] = rng.uniform(0.35, 0.9)


def _break(rng: np.random.Generator, ailments: Ailments, last: int, first: int) -> None:
    kind = rng.choice(["none", "wedge", "crush", "hollow"], p=[0.86, 0.07, 0.035, 0.035])
    for _ in range(0 if kind == "none" else int(rng.choice([1, 2], p=[0.8, 0.2]))):
        body = int(np.clip(round(rng.normal(5.5, 1.5)), last, first))
        if kind == "wedge":
            ailments.anterior[body] = rng.uniform(0.5, 0.72)
        elif kind == "crush":
            ailments.anterior[body] = rng.uniform(0.5, 0.7)
            ailments.posterior[body] = ailments.anterior[body] * rng.uniform(1.0, 1.2)
        else:
            ailments.hollow[body] = rng.uniform(0.18, 0.3)
        ailments.fractured[body] = kind != "wedge"


def _level_names(rng: np.random.Generator) -> tuple[str, ...]:
    """Names from S1 upward; one spine in 25 has six lumbar vertebrae, one in 25 four."""
    lumbar = rng.choice([4, 5, 6], p=[0.04, 0.92, 0.04])
    names = {4: ["L5", "L4", "L3", "L2"], 5: ["L5", "L4", "L3", "L2", "L1"]}
    names[6] = ["L6", *names[5]]
    thoracic = [f"T{n}" for n in range(12, 0, -1)]
    return tuple(["S1", *names[int(lumbar)], *thoracic][:VERTEBRAE])


def _extended(table: tuple[float, ...]) -> Float64[np.ndarray, " k"]:
    return np.array(table + (table[-1],) * (VERTEBRAE - len(table)))


def _segments(rng: np.random.Generator, framing: Framing) -> Float64[np.ndarray, "k 2"]:
    """True vectors from each centre down to the next, S1's first, in units of the film's height."""
    scores = np.empty(VERTEBRAE)
    scores[:5] = np.linalg.cholesky(np.array(_SEGMENT_CORRELATION)) @ rng.standard_normal(5)
    own = math.sqrt(1 - _NEIGHBOUR_CORRELATION**2) * rng.standard_normal(VERTEBRAE)
    for k in range(5, VERTEBRAE):
        scores[k] = _NEIGHBOUR_CORRELATION * scores[k - 1] + own[k]
    scores = np.clip(scores, -2.6, 2.6)
    angles = np.deg2rad(_extended(_SEGMENT_MEAN) + _extended(_SEGMENT_SD) * scores)
    angles[0] = max(angles[0], 0.12)
    lengths = framing.spacing * _extended(SPACING_RATIO)
    return lengths[:, None] * np.stack([np.sin(angles) * framing.aspect, np.cos(angles)], axis=1)


def _sizes(rng: np.random.Generator, framing: Framing) -> Float64[np.ndarray, "k 3"]:
    """Superior depth, inferior depth and share of the disc in the spacing, for each vertebra."""
    depth = framing.spacing * rng.uniform(0.9, 1.06) * _extended(_DEPTH_RATIO)
    superior = depth * np.clip(rng.normal(1, 0.02, VERTEBRAE), 0.95, 1.05)
    inferior = depth * np.clip(rng.normal(1.02, 0.02, VERTEBRAE), 0.97, 1.07)
    inferior[0] = superior[0] * rng.uniform(0.7, 0.85)  # S1 tapers towards S2
    disc = np.where(np.arange(VERTEBRAE) < 6, 0.24, 0.16) * rng.uniform(0.8, 1.2)
    return np.stack([superior, inferior, disc], axis=1)


def _narrow(
    rng: np.random.Generator, sizes: Float64[np.ndarray, "k 3"], ailments: Ailments
) -> None:
    """Makes discs narrow and bodies deep, as on real films; L5 becomes a wedge."""
    sizes[:, :2] *= rng.uniform(0.95, 1.2)
    sizes[0, :2] *= rng.uniform(0.82, 1.02)
    share = rng.uniform(0.08, 0.23) * rng.uniform(0.8, 1.2, VERTEBRAE)
    sizes[:, 2] = np.where(np.arange(VERTEBRAE) < 6, share, 0.75 * share)
    ailments.gap[0] *= rng.uniform(0.25, 0.85)
    ailments.posterior[1] *= rng.uniform(0.82, 1.0)


def _askew(corners: Float64[np.ndarray, "k 4 2"], angle: float) -> Float64[np.ndarray, "k 4 2"]:
    cos, sin = math.cos(angle), math.sin(angle)
    return corners @ np.array([[cos, sin], [-sin, cos]])


def _tilts(
    segments: Float64[np.ndarray, "k 2"],
) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
    """Tilt of the superior and the inferior endplates, rad; positive sinks anteriorly.

    A disc lies across its segment; its two endplates share the bend of the chain with the bodies.
    """
    angle = np.arctan2(segments[:, 0], segments[:, 1])  # angle[k] belongs to gap k
    below = np.append(angle[0] + 0.5 * (angle[0] - angle[1]), angle[:-1])
    above = np.append(angle[1:], angle[-1])
    opening = np.clip(0.3 * (below - above), -0.1, 0.16)
    superior = angle + opening
    inferior = np.append(0.0, (angle - opening)[:-1])
    superior[0] = np.clip(superior[0] + 0.08, np.deg2rad(20), np.deg2rad(70))
    inferior[0] = superior[0] + 0.02
    wedge = np.clip(inferior - superior, -0.1, 0.2)
    return superior, superior + wedge


def _unit(tilt: float) -> Float64[np.ndarray, " 2"]:
    """The direction from the anterior to the posterior end of an endplate."""
    return np.array([math.cos(tilt), -math.sin(tilt)])


def _down(tilt: float) -> Float64[np.ndarray, " 2"]:
    return np.array([math.sin(tilt), math.cos(tilt)])


def _stack(
    segments: Float64[np.ndarray, "k 2"],
    sizes: Float64[np.ndarray, "k 3"],
    ailments: Ailments,
    levelling: float = 0.0,
) -> Float64[np.ndarray, "k 4 2"]:
    """Builds the bodies one on the other, S1 first, with exactly the slips asked for.

    ``levelling`` turns the lower endplate of L5 by that share towards the sacral one.
    """
    superior, inferior = _tilts(segments)
    inferior[1] += levelling * (superior[0] - inferior[1])
    lengths = np.linalg.norm(segments, axis=1)
    heights = (1 - sizes[:, 2]) * np.append(lengths[0] * 0.82, (lengths[1:] + lengths[:-1]) / 2)
    gaps = (lengths - (heights + np.append(heights[1:], heights[-1])) / 2) * ailments.gap
    corners = np.zeros((VERTEBRAE, 4, 2))
    corners[0] = _body(np.zeros(2), sizes[0], (superior[0], inferior[0]), heights[0], (1.0, 1.0))
    for k in range(1, VERTEBRAE):
        corner = _seat(corners[k - 1], sizes[k, 1], inferior[k], gaps[k - 1], ailments.slip[k - 1])
        walls = (float(ailments.anterior[k]), float(ailments.posterior[k]))
        corners[k] = _body(corner, sizes[k], (superior[k], inferior[k]), heights[k], walls)
    return corners


def _seat(
    lower: Float64[np.ndarray, "4 2"],
    depth: float,
    tilt: float,
    gap: float,
    slip: float,
) -> Float64[np.ndarray, " 2"]:
    """The posterior inferior corner of the body above ``lower``; the bodies never overlap."""
    along = lower[1] - lower[0]
    length = float(np.linalg.norm(along))
    along = along / length
    up = np.array([along[1], -along[0]])
    opening = -float(_unit(tilt) @ up) * depth  # how much wider the disc is anteriorly
    least = 0.07 * length
    lift = max(gap - opening / 2, least, least - opening)
    return lower[1] - slip * length * along + lift * up


def _body(
    corner: Float64[np.ndarray, " 2"],
    sizes: Float64[np.ndarray, " 3"],
    tilts: tuple[float, float],
    height: float,
    walls: tuple[float, float],
) -> Float64[np.ndarray, "4 2"]:
    """A body from its posterior inferior corner; ``walls`` scale the two heights."""
    superior, inferior = tilts
    lower_left = corner - sizes[1] * _unit(inferior)
    middle = (lower_left + corner) / 2 - height * _down((superior + inferior) / 2)
    half = sizes[0] / 2 * _unit(superior)
    upper_left = lower_left + walls[0] * (middle - half - lower_left)
    upper_right = corner + walls[1] * (middle + half - corner)
    return np.stack([upper_left, upper_right, lower_left, corner])


def _placed(
    corners: Float64[np.ndarray, "k 4 2"], framing: Framing
) -> Float64[np.ndarray, "k 4 2"]:
    """Scaled to the framing's spacing (as seen in the stretched frame) and moved to its place.

    The labelled centres stay in the film: a long column is shrunk, a leaning one moved sideways.
    """
    centres = corners[framing.lowest : framing.lowest + framing.count].mean(axis=1)
    steps = np.diff(centres, axis=0) / [framing.aspect, 1.0]
    scale = 1.015 * framing.spacing / float(np.median(np.hypot(steps[:, 0], steps[:, 1])))
    scale = min(scale, (framing.y_last - 0.025) / float(centres[0, 1] - centres[-1, 1]))
    x = framing.x_last * framing.aspect + (centres[:, 0] - centres[0, 0]) * scale
    inward = max(0.0, 0.1 - float(x.min())) - max(0.0, float(x.max()) - framing.aspect + 0.1)
    return (corners - centres[0]) * scale + [float(x[0]) + inward, framing.y_last]
