"""What is a frontal phantom: a procedural AP film of the spine with exact corners, T1 to L5."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from spondyl.data.phantom_frontal_bones import FrontalScene
from spondyl.data.phantom_frontal_film import draw_frontal
from spondyl.data.phantom_frontal_spine import (
    COUNT,
    FIRST,
    LAST,
    LEVELS,
    FrontalColumn,
    sample_frontal_column,
)
from spondyl.data.phantom_made import Phantom
from spondyl.film.radiograph import PixelSpacing, Radiograph
from spondyl.spine.landmarks import Landmarks

SCOLIOSIS_FLAG: Final = 10.0
"""A largest Cobb angle of at least so many deg is flagged."""

FRONTAL_EFFECTS: Final = frozenset(
    {"ribs", "chest", "abdomen", "arches", "girdles", "metal", "beam", "console", "print"}
)
"""What can be left out of a frontal film: bodies, discs and the trunk are always drawn.

chest: lungs, heart, mediastinum, windpipe. abdomen: gas, liver, psoas. arches: pedicles, laminae,
processes. metal: implants, braces, clips. beam: scatter, noise, blur, shading, grid. console:
gamma, shoulder, flattening, edges, inversion (a plain window instead). print: labels, marks,
shutters, JPEG.
"""

_AP: Final = 2
"""Third number of a frontal film's seed: the lateral film of the same index is another patient."""

# Width / height of the AASCE training films, at these probabilities.
_RANKS: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_ASPECT: Final = (0.23, 0.28, 0.33, 0.37, 0.41, 0.47, 0.56)


@dataclass(frozen=True, slots=True, eq=False)
class FrontalPlan:
    """A frontal phantom that is not drawn yet; ``truth`` is what lies in the film."""

    scene: FrontalScene
    truth: Landmarks
    flags: frozenset[str]
    mm_per_px: float


def frontal_phantom(
    seed: int, index: int, *, long_side: int = 1024, without: frozenset[str] = frozenset()
) -> Phantom:
    """Frontal film ``index`` of the series ``seed``; it does not depend on the others.

    T1 to L5 as far as they are in the film, each corner where the lateral wall of the body meets
    the endplate at mid-depth, which is the outermost point of the ellipse that a tilted endplate
    opens into. C7 and S1 are drawn but never in ``landmarks`` or ``truth``; ``complete_above`` and
    ``complete_below`` are always true. ``flags``: scoliosis, implant, brace, cut.
    ``without`` names effects to leave out; what is left, and the corners, stay as they are.

    Raises:
        ValueError: where ``without`` holds a name that is not in ``FRONTAL_EFFECTS``.
    """
    rng = np.random.default_rng([seed, index, _AP])
    return make_frontal(rng, long_side=long_side, without=without)


def make_frontal(
    rng: np.random.Generator, *, long_side: int = 1024, without: frozenset[str] = frozenset()
) -> Phantom:
    """Draws one frontal phantom of ``long_side`` px in height, without some effects."""
    if unknown := without - FRONTAL_EFFECTS:
        known = ", ".join(sorted(FRONTAL_EFFECTS))
        raise ValueError(f"unknown effects {', '.join(sorted(unknown))}; known are {known}")
    anatomy, appearance = rng.spawn(2)
    plan = plan_frontal(anatomy, long_side=long_side)
    pixels = draw_frontal(appearance, plan.scene, plan.flags, without=without)
    spacing = PixelSpacing(plan.mm_per_px, plan.mm_per_px, "patient")
    film = Radiograph(np.ascontiguousarray(pixels), spacing, 1.0, "ap", "phantom")
    return Phantom(film, plan.truth, plan.truth, True, True, plan.flags)


def plan_frontal(rng: np.random.Generator, *, long_side: int = 1024) -> FrontalPlan:
    """Decides everything about a frontal phantom but its pixels."""
    column = sample_frontal_column(rng)
    first, last = _shown(rng)
    px_per_mm, aspect, shift = _framing(rng, column, first, last)
    width = max(32, round(aspect * long_side))
    scale = px_per_mm * long_side
    corners = column.corners * scale + shift * long_side - 0.5
    placed = replace(column, corners=corners, depth=column.depth * scale)
    heart = 1 if rng.random() < 0.9 else -1
    midline = _midline(rng, corners.mean(axis=1), long_side, heart)
    scene = FrontalScene(long_side, width, scale, placed, midline, heart)
    truth = _in_view(corners[FIRST : LAST + 1], scene.shape)
    return FrontalPlan(scene, truth, _flags(rng, truth), 1 / scale)


def _shown(rng: np.random.Generator) -> tuple[int, int]:
    """First and last vertebra that the film is laid out for; mostly all seventeen."""
    first, last = FIRST, LAST
    if rng.random() < 0.1:
        first += int(rng.integers(1, 10))
    if rng.random() < 0.1:
        last -= int(rng.integers(1, min(6, last - first - 3)))
    return first, last


def _framing(
    rng: np.random.Generator, column: FrontalColumn, first: int, last: int
) -> tuple[float, float, Float64[np.ndarray, " 2"]]:
    """Film heights per mm, width / height, and where T1's centre lies, in film heights."""
    shown = column.corners[first : last + 1]
    centres = shown.mean(axis=1)
    top = 0.026 + rng.gamma(1.6, 0.016)
    bottom = (
        min(0.965, 0.91 + rng.normal(0, 0.028)) if rng.random() < 0.85 else rng.uniform(0.7, 0.9)
    )
    scale = (bottom - top) / float(centres[-1, 1] - centres[0, 1])
    low, high = shown[..., 0].min() * scale, shown[..., 0].max() * scale
    aspect = float(np.interp(rng.random(), _RANKS, _ASPECT))
    if rng.random() < 0.12:
        aspect = float(rng.uniform(0.5, 0.9))
    aspect = max(aspect, 1.1 * float(high - low))
    x = aspect * float(np.clip(rng.normal(0.485, 0.05), 0.3, 0.7)) - centres[:, 0].mean() * scale
    x = float(np.clip(x, 0.03 * aspect - low, 0.97 * aspect - high))
    return scale, aspect, np.array([x, top - centres[0, 1] * scale])


def _midline(
    rng: np.random.Generator, centres: Float64[np.ndarray, "k 2"], height: int, heart: int
) -> Float64[np.ndarray, " height"]:
    """The middle of the trunk: near the chord of the spine, little moved by its curves."""
    rows = np.arange(height, dtype=np.float64)
    upper, lower = centres[FIRST], centres[-1]
    slope = (lower[0] - upper[0]) / (lower[1] - upper[1])
    chord = np.clip(upper[0] + (rows - upper[1]) * slope, *sorted((upper[0], lower[0])))
    chord += rng.normal(0.01 * heart, 0.014) * height * np.sin(np.pi * np.clip(rows / height, 0, 1))
    spine = np.interp(rows, centres[:, 1], centres[:, 0])
    follow = max(0.0, rng.uniform(-0.45, 0.4))
    reach = 2 * (height // 24) + 1
    mixed = np.pad((1 - follow) * chord + follow * spine, reach // 2, mode="edge")
    return np.convolve(mixed, np.ones(reach) / reach, mode="valid")


def _in_view(corners: Float64[np.ndarray, "v 4 2"], shape: tuple[int, int]) -> Landmarks:
    """The vertebrae whose centre is in the film; corners outside are NaN."""
    seen = _within(corners, shape)
    shown = [k for k in range(COUNT) if _within(corners[k].mean(axis=0), shape) and seen[k].any()]
    points = np.where(seen[..., None], corners, np.nan)[shown]
    return Landmarks(points, levels=tuple(LEVELS[FIRST + k] for k in shown))


def _within(points: Float64[np.ndarray, "*n 2"], shape: tuple[int, int]) -> Bool[np.ndarray, "*n"]:
    return np.all((points > -0.5) & (points < [shape[1] - 0.5, shape[0] - 0.5]), axis=-1)


def _flags(rng: np.random.Generator, truth: Landmarks) -> frozenset[str]:
    middle = truth.points[:, 1] - truth.points[:, 0] + truth.points[:, 3] - truth.points[:, 2]
    tilt = np.degrees(np.arctan2(middle[:, 1], middle[:, 0]))
    whole = tilt[~np.isnan(tilt)]
    found = {
        "scoliosis": float(np.ptp(whole)) >= SCOLIOSIS_FLAG,
        "cut": bool(np.isnan(truth.points).any()),
        "implant": bool(rng.random() < 0.08),
        "brace": bool(rng.random() < 0.08),
    }
    return frozenset(name for name, present in found.items() if present)
