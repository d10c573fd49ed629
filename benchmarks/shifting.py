"""What lies beyond the phantoms that networks are trained on? Each range left, step by step.

A way takes a phantom that was shown, the generator that it was drawn from and a severity, and draws
the same patient anew beyond the range: bones fainter than any drawn, a beam with more scatter, more
curved, broader or higher spines, spines askew, seen from further away or closer by. Corners are
those of the plan, so they stay exact. ``CONDITIONS`` are of the same kind as in ``degrading.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from degrading import RANGE, Condition
from measuring import Shown
from scipy import ndimage

from spondyl.data.phantom import Plan, plan_phantom
from spondyl.data.phantom_effects import Effects, sample_effects
from spondyl.data.phantom_frontal import FrontalPlan, plan_frontal
from spondyl.data.phantom_frontal_film import draw_frontal
from spondyl.data.phantom_frontal_spine import COUNT, FIRST, LAST, LEAST_DISC, FrontalColumn
from spondyl.data.phantom_rich import draw_rich_film, present
from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing, Radiograph
from spondyl.spine.landmarks import Landmarks

LONG_SIDE = 640
RANGES = 300  # phantoms that say what is drawn at most
MARGIN = 0.15  # of the spine's width, on either side of it on a film that had to be widened
FOG_MM, FOG_QUANTA = 40.0, 5000.0  # how far scatter spreads; quanta a pixel where all arrives


@dataclass(frozen=True, slots=True)
class Move:
    """What happens to a spine about its middle: a linear map of x, y.

    ``scale`` is that of all lengths, ``turn`` the rad by which bodies turn clockwise as seen.
    """

    linear: np.ndarray
    scale: float = 1.0
    turn: float = 0.0


def fainter(shown: Shown, rng: np.random.Generator, share: float) -> Shown:
    """All bones with so much of the least density drawn."""
    density = share * _least_density()
    return _lateral(shown, rng, effects=lambda drawn: replace(drawn, density=density))


def fogged(shown: Shown, rng: np.random.Generator, share: float) -> Shown:
    """So much of what arrives is scatter, beside the film's own; with quantum noise."""
    sample, film = shown
    spread = FOG_MM / film.spacing.row_mm if film.spacing else FOG_MM
    primary = np.exp(-RANGE * film.pixels.astype(np.float64))
    arrived = (1 - share) * primary + share * ndimage.gaussian_filter(primary, spread)
    counted = np.maximum(rng.poisson(FOG_QUANTA * arrived), 0.5) / FOG_QUANTA
    grey = (-np.log(counted) / RANGE).clip(0, 1)
    return sample, replace(film, pixels=grey.astype(np.float32))


def curved(shown: Shown, rng: np.random.Generator, cobb: float) -> Shown:
    """Two curves that alternate, with such a largest Cobb angle in deg; frontal films alone."""
    return _frontal(shown, rng, bend=lambda column: bent(column, math.radians(cobb)))


def broad(shown: Shown, rng: np.random.Generator, factor: float) -> Shown:
    """Bodies so much broader for their height than of any spine drawn."""
    most = _proportions(_view(shown))[1]
    return _moved(shown, rng, lambda own: Move(np.diag([factor * most / own, 1.0])))


def high(shown: Shown, rng: np.random.Generator, factor: float) -> Shown:
    """Bodies so much higher for their breadth than of any spine drawn."""
    least = _proportions(_view(shown))[0]
    return _moved(shown, rng, lambda own: Move(np.diag([least / factor / own, 1.0])))


def askew(shown: Shown, rng: np.random.Generator, degrees: float) -> Shown:
    """A spine that is turned so far in the film, one way or the other."""
    angle = math.radians(degrees) * float(rng.choice([-1, 1]))
    cos, sin = math.cos(angle), math.sin(angle)
    return _moved(shown, rng, lambda _: Move(np.array([[cos, -sin], [sin, cos]]), turn=angle))


def scaled(shown: Shown, rng: np.random.Generator, scale: float) -> Shown:
    """A patient so large on the film: from further away, or closer by."""
    return _moved(shown, rng, lambda _: Move(scale * np.eye(2), scale))


def shown_as(key: str, film: Radiograph, truth: Landmarks) -> Shown:
    """A drawn film with every vertebra that is in it."""
    sample = Sample(
        key, Path(key), film.height, film.width, truth, key, "phantom",
        complete_above=True, complete_below=True, spacing=film.spacing, aspect=film.aspect,
        view=film.view,
    )  # fmt: skip
    return sample, film


def _view(shown: Shown) -> str:
    return shown[1].view or "lateral"


def _moved(shown: Shown, rng: np.random.Generator, move: Callable[[float], Move]) -> Shown:
    """``move`` is given how broad the spine's bodies are for their height."""
    return (_frontal if _view(shown) == "ap" else _lateral)(shown, rng, move=move)


def _lateral(
    shown: Shown,
    rng: np.random.Generator,
    *,
    move: Callable[[float], Move] = lambda _: Move(np.eye(2)),
    effects: Callable[[Effects], Effects] = lambda drawn: drawn,
) -> Shown:
    """The lateral phantom of this generator, with an open field."""
    anatomy, appearance = rng.spawn(2)
    plan = plan_phantom(anatomy, long_side=LONG_SIDE, style="rich", shuttered=False)
    chosen, drawing, printing = appearance.spawn(3)
    own = effects(sample_effects(chosen))
    scene, bodies = plan.scene, _in_film(plan)
    wanted = move(_proportion(bodies))
    shift, width = _placed(bodies, bodies, wanted, scene.shape)
    scene = replace(
        scene, width=width, mm=scene.mm * wanted.scale, hollow=scene.hollow * wanted.scale,
        corners=scene.corners @ wanted.linear.T + shift,
        window=(-0.5, -0.5, width - 0.5, scene.height - 0.5),
    )  # fmt: skip
    pixels, truth = draw_rich_film(drawing, scene, own), seen(scene.corners[::-1], scene.shape)
    truth = replace(truth, facing="left")
    if plan.truth.facing == "right":
        pixels, truth = np.ascontiguousarray(pixels[:, ::-1]), truth.mirrored(width)
    corners = truth.points.reshape(-1, 2)
    pixels, frame = present(printing, pixels, corners[~np.isnan(corners[:, 0])], own, scene.mm)
    across, down = (float(each) for each in frame.scale)
    spacing = PixelSpacing(1 / scene.mm / down, 1 / scene.mm / across, "patient")
    film = Radiograph(pixels, spacing, spacing.aspect, "lateral", "phantom")
    return shown_as(shown[0].key, film, truth.moved(frame.mapped(truth.points)))


def _frontal(
    shown: Shown,
    rng: np.random.Generator,
    *,
    move: Callable[[float], Move] = lambda _: Move(np.eye(2)),
    bend: Callable[[FrontalColumn], FrontalColumn] = lambda column: column,
) -> Shown:
    """The frontal phantom of this generator."""
    anatomy, appearance = rng.spawn(2)
    plan = plan_frontal(anatomy, long_side=LONG_SIDE)
    scene, column = plan.scene, bend(plan.scene.column)
    bodies = column.corners[FIRST : LAST + 1]
    wanted = move(_proportion(bodies))
    shift, width = _placed(_labelled(plan), bodies, wanted, scene.shape)
    corners = column.corners @ wanted.linear.T + shift
    scale = wanted.scale * float((column.depth / scene.column.depth).mean())
    middle = np.stack([scene.midline, np.arange(scene.height, dtype=np.float64)], axis=1)
    middle = middle @ wanted.linear.T + shift
    scene = replace(
        scene, width=width, mm=scene.mm * scale,
        column=replace(
            column, corners=corners, depth=column.depth * wanted.scale,
            tilt=column.tilt + wanted.turn,
        ),
        midline=np.interp(np.arange(scene.height), middle[:, 1], middle[:, 0]),
    )  # fmt: skip
    pixels = np.ascontiguousarray(draw_frontal(appearance, scene, plan.flags))
    spacing = PixelSpacing(1 / scene.mm, 1 / scene.mm, "patient")
    film = Radiograph(pixels, spacing, 1.0, "ap", "phantom")
    return shown_as(shown[0].key, film, seen(corners[FIRST : LAST + 1], scene.shape))


def _in_film(plan: Plan) -> np.ndarray:
    """The corners of the bodies with their centre in a lateral film, facing left."""
    corners, size = plan.scene.corners, [plan.scene.width, plan.scene.height]
    centres = corners.mean(axis=1)
    return corners[((centres > 0) & (centres < size)).all(axis=1)]


def _placed(
    before: np.ndarray, corners: np.ndarray, move: Move, shape: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """What is added after the map so that the middle stays, and the width that the spine needs.

    A film stays as wide as it was unless the spine becomes broader than ``before``; one that is
    looked at more closely stays so, too.
    """
    middle = (corners.min(axis=(0, 1)) + corners.max(axis=(0, 1))) / 2
    shift, width = middle - move.linear @ middle, shape[1]
    x = (corners @ move.linear.T + shift)[..., 0]
    if move.scale > 1 or np.ptp(x) <= np.ptp(before[..., 0]) + 1e-6:
        return shift, width
    spare = MARGIN * float(np.ptp(x))
    low, high = min(0.0, x.min() - spare), max(float(width), x.max() + spare)
    return shift - [low, 0.0], math.ceil(high - low)


def seen(corners: np.ndarray, shape: tuple[int, int]) -> Landmarks:
    """The vertebrae with their centre in the film, in their order; corners beyond it are NaN."""
    size = np.array([shape[1], shape[0]])

    def inside(points: np.ndarray) -> np.ndarray:
        return ((points > -0.5) & (points < size - 0.5)).all(axis=-1)

    kept = corners[inside(corners.mean(axis=1)) & inside(corners).any(axis=1)]
    return Landmarks(np.where(inside(kept)[..., None], kept, np.nan))


def bent(column: FrontalColumn, cobb: float) -> FrontalColumn:
    """The spine with two curves of ``cobb`` rad, as high in the film as it was.

    Bodies keep their shapes, and discs their heights in the middle; none is narrower than
    ``LEAST_DISC`` on either side.
    """
    place = (np.arange(len(column.tilt)) - FIRST) / (COUNT - 1)
    tilt = cobb / 2 * np.cos(2 * np.pi * np.clip(place, 0, 1))
    least = LEAST_DISC * float(column.depth.mean()) / 30  # a depth is 30 mm or so
    corners = _stacked(column, tilt, least)
    before, after = (each[FIRST : LAST + 1, :, 1] for each in (column.corners, corners))
    scale = float(np.ptp(before) / np.ptp(after))
    corners = (corners - corners[FIRST].mean(axis=0)) * scale
    middles = corners[FIRST : LAST + 1].mean(axis=1)[:, 0]
    at = column.corners[FIRST : LAST + 1].mean(axis=1)[:, 0].mean() - middles.mean()
    corners += [at, float(before.min() - corners[FIRST : LAST + 1, :, 1].min())]
    return replace(column, corners=corners, tilt=tilt, depth=column.depth * scale)


def _stacked(column: FrontalColumn, tilt: np.ndarray, least: float) -> np.ndarray:
    """The bodies one below the other at other tilts."""
    corners = column.corners.copy()
    for k, angle in enumerate(tilt - column.tilt):
        centre, (cos, sin) = corners[k].mean(axis=0), (math.cos(angle), math.sin(angle))
        corners[k] = (corners[k] - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre
        if k:
            old = column.corners[k - 1, 2:].mean(axis=0), column.corners[k, :2].mean(axis=0)
            between = (tilt[k - 1] + tilt[k]) / 2
            down = np.array([-math.sin(between), math.cos(between)])
            above, own = corners[k - 1, 2:].mean(axis=0), corners[k, :2].mean(axis=0)
            corners[k] += above + float(np.linalg.norm(old[1] - old[0])) * down - own
            narrowest = ((corners[k, :2] - corners[k - 1, 2:]) @ down).min()
            corners[k] += max(0.0, least - float(narrowest)) * down
    return corners


def _proportion(corners: np.ndarray) -> float:
    """How broad bodies are for their height, the median of them."""
    breadth = np.linalg.norm(corners[:, (1, 3)] - corners[:, (0, 2)], axis=2).mean(axis=1)
    height = np.linalg.norm(corners[:, 2:] - corners[:, :2], axis=2).mean(axis=1)
    return float(np.median(breadth / height))


@functools.cache
def _proportions(view: str) -> tuple[float, float]:
    """The least and the largest proportion of many spines drawn."""
    told = []
    for index in range(RANGES):
        rng = np.random.default_rng([0, index])
        if view == "ap":
            told.append(_proportion(_labelled(plan_frontal(rng, long_side=LONG_SIDE))))
        else:
            told.append(_proportion(_in_film(plan_phantom(rng, long_side=LONG_SIDE, style="rich"))))
    return min(told), max(told)


def _labelled(plan: FrontalPlan) -> np.ndarray:
    return plan.scene.column.corners[FIRST : LAST + 1]


@functools.cache
def _least_density() -> float:
    effects = (sample_effects(np.random.default_rng([0, index])) for index in range(RANGES))
    return min(each.density for each in effects)


CONDITIONS = (
    Condition("bone density", fainter, (0.5, 0.3), "of the least", views=("lateral",)),
    Condition("scatter", fogged, (0.75, 0.9), "of what arrives"),
    Condition("scoliosis", curved, (110, 130), "deg (Cobb)", views=("ap",)),
    Condition("broad bodies", broad, (1.25, 1.5), "of the broadest"),
    Condition("high bodies", high, (1.25, 1.5), "of the highest"),
    Condition("askew", askew, (25, 40), "deg"),
    Condition("from afar", scaled, (0.5, 0.35), "of its size"),
    Condition("close by", scaled, (1.6, 2.2), "of its size"),
)
