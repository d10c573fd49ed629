"""Which spine does a frontal phantom show: how it curves and twists, how large its vertebrae are.

Proportions are means over the vertebrae that are annotated in the AASCE 2019 training split (481
films; Wu et al., BoostNet, MICCAI 2017); only these means and deviations are used here. Lengths
are in mm, x to the right and y down as the film is seen, endplates along x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

LEVELS: Final = (
    "C5", "C6", "C7", *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)), "S1",
)  # fmt: skip
"""All that is drawn, superior to inferior; T1 to L5 are labelled."""

FIRST: Final = LEVELS.index("T1")
LAST: Final = LEVELS.index("L5")
COUNT: Final = LAST - FIRST + 1

# Per level, C5 to S1; the three cervical ones and S1 are not annotated there and are our choice.
_WIDTH: Final = (0.60, 0.64, 0.71, 0.75, 0.69, 0.66, 0.65, 0.66, 0.67, 0.70, 0.73, 0.76, 0.79,
                 0.84, 0.89, 0.92, 0.95, 0.98, 1.04, 1.11, 1.16)  # fmt: skip
_HEIGHT: Final = (0.42, 0.42, 0.40, 0.40, 0.48, 0.55, 0.60, 0.63, 0.62, 0.62, 0.60, 0.61, 0.60,
                  0.60, 0.59, 0.58, 0.57, 0.57, 0.55, 0.48, 0.45)  # fmt: skip
_GAP: Final = (0.45, 0.45, 0.44, 0.43, 0.40, 0.38, 0.36, 0.33, 0.32, 0.33, 0.33, 0.35, 0.37, 0.40,
               0.43, 0.45, 0.47, 0.45, 0.44, 0.35)  # fmt: skip
_TAPER: Final = (1.04, 1.04, 1.0, 0.96, 0.97, 0.98, 1.01, 1.03, 1.04, 1.04, 1.04, 1.04, 1.06, 1.06,
                 1.04, 1.02, 1.02, 1.03, 1.04, 1.04, 0.8)  # fmt: skip
# Forward tilt of the endplates in deg: cervical lordosis, thoracic kyphosis, lumbar lordosis.
_SAGITTAL: Final = (12, 18, 22, 24, 23, 21, 18, 14, 10, 6, 2, -2, -6, -9, -12, -13, -11, -5, 6, 22,
                    40)  # fmt: skip

STEEPEST: Final = 62.0
"""No vertebra is tilted by more in the frontal plane, deg."""

LEAST_DISC: Final = 1.0
"""No disc is narrower than this on either side, mm."""


@dataclass(frozen=True, slots=True, eq=False)
class FrontalColumn:
    """A spine in mm, C5 to S1; the origin is the centre of T1.

    ``corners`` is (K, 4, 2), SL, SR, IL, IR: where the lateral walls meet the endplates at
    mid-depth. ``tilt`` is the angle of each body's middle line to the horizontal, ``rotation``
    about its own axis (positive: the front turns to the right of the film), ``sagittal`` forward;
    all (K,) in rad. ``depth`` is front to back, mm.
    """

    corners: Float64[np.ndarray, "k 4 2"]
    tilt: Float64[np.ndarray, " k"]
    rotation: Float64[np.ndarray, " k"]
    sagittal: Float64[np.ndarray, " k"]
    depth: Float64[np.ndarray, " k"]


def sample_frontal_column(rng: np.random.Generator) -> FrontalColumn:
    """Draws a spine; nothing is rendered."""
    tilt = sample_tilts(rng)
    width, height, gap, taper = _sizes(rng)
    bend = np.gradient(np.convolve(np.pad(tilt, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid"))
    twist = rng.uniform(0.6, 2.6) * bend + math.radians(2) * rng.standard_normal(len(tilt))
    rotation = math.radians(38) * np.tanh(twist / math.radians(38))
    corners = _stack(rng, tilt, np.stack([width, height, taper], axis=1), gap, bend)
    forward = rng.uniform(0.1, 1.2) * np.array(_SAGITTAL) + rng.normal(0, 4)
    sagittal = np.radians(forward + rng.normal(0, 2, len(tilt)))
    return FrontalColumn(corners, tilt, rotation, sagittal, width * rng.uniform(0.68, 0.85))


def sample_tilts(rng: np.random.Generator) -> Float64[np.ndarray, " k"]:
    """Frontal tilts in rad, C5 to S1: one to three curves that alternate, and a lean.

    The largest Cobb angle of the labelled part is up to 90 deg or so; of the annotated AASCE films
    the middle half has 24 to 51 deg.
    """
    curves = int(rng.choice([1, 2, 3], p=[0.3, 0.42, 0.28]))
    main = float(rng.uniform(0, 18) if rng.random() < 0.2 else 8 + 82 * rng.beta(1.3, 1.9))
    sizes = main * rng.uniform(0.3, 0.95, curves)
    sizes[int(rng.integers(curves))] = main
    ends = {1: (3.0, 12.5), 2: (2.0, 7.5, 13.5), 3: (0.0, 4.8, 10.0, 15.0)}[curves]
    at = FIRST + np.array(ends) + rng.uniform(-1.6, 1.6, curves + 1)
    steps = sizes * (-1.0) ** np.arange(curves)
    extremes = np.concatenate([[0.0], np.cumsum(steps)])
    tilts = _relaxed(rng, at, extremes)
    wobble = np.polynomial.legendre.legvander(np.linspace(-1, 1, len(LEVELS)), 6)
    tilts += wobble @ rng.normal(0, [0, 1.5, 1.5, 1.2, 1.2, 1.0, 1.0])
    tilts += rng.normal(0, 1.0, len(tilts))
    # The patient's right is at the left of the film; most chests bulge to it, and so do the films'.
    if (_bulge(tilts) > 0) == (rng.random() < 0.72):
        tilts = -tilts
    tilts += rng.normal(0, 3.0) - tilts[FIRST : LAST + 1].mean()
    return np.radians(np.clip(tilts, -STEEPEST, STEEPEST))


def _bulge(tilts: Float64[np.ndarray, " k"]) -> float:
    """How far T8 lies to the right of the line from T1 to L5, vertebrae; ``tilts`` in deg."""
    shift = -np.cumsum(np.sin(np.radians(tilts)))
    at = LEVELS.index("T8")
    return float(shift[at] - np.interp(at, [FIRST, LAST], shift[[FIRST, LAST]]))


def _relaxed(
    rng: np.random.Generator, at: Float64[np.ndarray, " n"], extremes: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " k"]:
    """Tilts in deg through the extremes along cosines; beyond the ends the spine straightens."""
    middle = float(extremes.mean())
    first = middle + (extremes[0] - middle) * rng.uniform(0, 0.5)
    last = middle + (extremes[-1] - middle) * rng.uniform(0, 0.9)
    nodes = np.concatenate([[min(-1.0, at[0] - 3)], at, [max(len(LEVELS), at[-1] + 3.0)]])
    values = np.concatenate([[first], extremes, [last]])
    place = np.arange(len(LEVELS), dtype=np.float64)
    piece = np.clip(np.searchsorted(nodes, place, side="right") - 1, 0, len(nodes) - 2)
    share = (place - nodes[piece]) / (nodes[piece + 1] - nodes[piece])
    ease = 0.5 - 0.5 * np.cos(np.pi * share)
    return values[piece] + (values[piece + 1] - values[piece]) * ease


def _sizes(
    rng: np.random.Generator,
) -> tuple[
    Float64[np.ndarray, " k"],
    Float64[np.ndarray, " k"],
    Float64[np.ndarray, " gaps"],
    Float64[np.ndarray, " k"],
]:
    """Widths, heights and gaps in mm, and inferior over superior width."""
    count = len(LEVELS)
    lumbar = rng.normal(42, 4)
    slope = np.linspace(rng.normal(0, 0.08), 0, count)  # the upper spine varies most
    width = lumbar * np.array(_WIDTH) * (1 + slope) * (1 + 0.02 * rng.standard_normal(count))
    height = np.array(_HEIGHT) * width * math.exp(rng.normal(0, 0.09))
    height *= 1 + 0.04 * rng.standard_normal(count)
    gap = np.array(_GAP) * height[:-1] * math.exp(rng.normal(-0.05, 0.25))
    gap *= np.exp(0.12 * rng.standard_normal(count - 1))
    taper = np.array(_TAPER) + 0.025 * rng.standard_normal(count)
    return width, height, np.clip(gap, 2.0, None), taper


def _stack(
    rng: np.random.Generator,
    tilt: Float64[np.ndarray, " k"],
    sizes: Float64[np.ndarray, "k 3"],
    gap: Float64[np.ndarray, " gaps"],
    bend: Float64[np.ndarray, " k"],
) -> Float64[np.ndarray, "k 4 2"]:
    """The bodies one below the other; their wedges leave the middle lines as planned."""
    wedge = np.clip(rng.uniform(0.1, 0.5) * bend + rng.normal(0, 0.02, len(tilt)), -0.25, 0.25)
    corners = np.zeros((len(tilt), 4, 2))
    middle = np.zeros(2)
    for k, (angle, (width, height, taper)) in enumerate(zip(tilt, sizes, strict=True)):
        if k:
            between = (tilt[k - 1] + angle) / 2
            below = corners[k - 1, 2:].mean(axis=0)
            room = gap[k - 1] + height / 2 + 0.16 * width * abs(angle - tilt[k - 1])
            along = np.array([math.cos(between), math.sin(between)])
            middle = below + room * _down(between) + rng.normal(0, 0.015) * width * along
        local = _local_body(width, height, taper, wedge[k])
        shear = rng.normal(0, 0.01) * width
        local[:, 0] += [shear, shear, -shear, -shear]
        across = np.array([math.cos(angle), math.sin(angle)])
        corners[k] = middle + local[:, :1] * across + local[:, 1:] * _down(angle)
        if k:
            corners[k] += max(0.0, LEAST_DISC - _disc(corners[k - 1], corners[k])) * _down(between)
    return corners - corners[FIRST].mean(axis=0)


def _disc(upper: Float64[np.ndarray, "4 2"], lower: Float64[np.ndarray, "4 2"]) -> float:
    """The least height of a disc in mm, across its middle plane; negative where bodies cross."""
    along = upper[3] - upper[2] + lower[1] - lower[0]
    across = np.array([-along[1], along[0]]) / float(np.linalg.norm(along))
    return float((lower[:2] @ across).min() - (upper[2:] @ across).max())


def _local_body(
    width: float, height: float, taper: float, wedge: float
) -> Float64[np.ndarray, "4 2"]:
    """A body about its centre; ``wedge`` in rad opens to the right and keeps the middle line."""
    top, bottom = width * 2 / (1 + taper), width * 2 * taper / (1 + taper)
    rise = math.tan(wedge / 2) * width / 2
    return np.array(
        [
            [-top / 2, -height / 2 + rise],
            [top / 2, -height / 2 - rise],
            [-bottom / 2, height / 2 - rise],
            [bottom / 2, height / 2 + rise],
        ]
    )


def _down(tilt: float) -> Float64[np.ndarray, " 2"]:
    return np.array([-math.sin(tilt), math.cos(tilt)])
