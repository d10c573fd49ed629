"""What is a phantom: a procedural lateral lumbar radiograph with exact corners and names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64
from PIL import Image

from spondyl.anatomy import Facing
from spondyl.atomic import write_json, write_text, write_with
from spondyl.data.coco import write_coco
from spondyl.data.phantom_effects import sample_effects
from spondyl.data.phantom_film import Scene, draw_film, lay_marker
from spondyl.data.phantom_frontal import frontal_phantom
from spondyl.data.phantom_made import Phantom as Phantom
from spondyl.data.phantom_rich import draw_rich_film, present
from spondyl.data.phantom_spine import (
    VERTEBRAE,
    Column,
    measured_slip,
    measured_wedge,
    sample_column,
)
from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing, Radiograph
from spondyl.spine.landmarks import Landmarks

Style = Literal["plain", "rich"]
"""How a lateral phantom is drawn: crisp bones in even tissue, or the clutter of films."""

Views = Literal["lateral", "ap", "both"]
"""Which films a series holds: lateral lumbar ones, frontal ones of the whole spine, or in turn."""

SLIP_FLAG = 0.07
"""A slip of at least this share of the lower endplate is flagged."""

WEDGE_FLAG = 0.78
"""A body whose anterior wall is below this share of the posterior one is flagged."""

_FACES_RIGHT = 0.25
# Share of films with an unlabelled top vertebra that are shuttered below it. The rest stay as they
# are: of the release's BUU films 66 % have room for one more centre above the first label.
_HIDDEN_TOP = 0.2
_THOROUGH = 0.6  # share of rich films that are labelled up to their edge, cut bodies as well
_SHUFFLED, _REVERSED = 0.06, 26 / 41  # lists out of order; of those, exactly reversed


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A phantom that is not drawn yet: everything but its pixels, in film px.

    The spine of ``scene`` faces left; ``landmarks`` and ``truth`` face as the film will.
    """

    scene: Scene
    landmarks: Landmarks
    truth: Landmarks
    complete_above: bool
    complete_below: bool
    flags: frozenset[str]
    mm_per_px: float


def phantom(
    seed: int,
    index: int,
    *,
    long_side: int = 1024,
    style: Style = "plain",
    without: frozenset[str] = frozenset(),
) -> Phantom:
    """Film ``index`` of the series ``seed``; it does not depend on the others."""
    rng = np.random.default_rng([seed, index])
    return make_phantom(rng, long_side=long_side, style=style, without=without)


def make_phantom(
    rng: np.random.Generator,
    *,
    long_side: int = 1024,
    style: Style = "plain",
    without: frozenset[str] = frozenset(),
) -> Phantom:
    """Draws one phantom of ``long_side`` px in height; the anatomy does not depend on the size.

    ``plain`` is crisp; ``rich`` adds what real films have and more, and draws another spine.
    ``without`` leaves out some of ``RICH_EFFECTS``; the spine and all else stay the same. Only
    "print" moves corners, for it takes mount and stretch away, and shutters that hid some.

    Raises:
        ValueError: ``without`` has a name that is not one of ``RICH_EFFECTS``, or the style is
            plain, which has none of them.
    """
    if without and style == "plain":
        raise ValueError("without: the plain style has no effects to leave out; need style='rich'")
    anatomy, appearance = rng.spawn(2)
    plan = plan_phantom(anatomy, long_side=long_side, style=style, shuttered="print" not in without)
    if style == "rich":
        return _rich(appearance, plan, without)
    pixels = draw_film(appearance, plan.scene)
    if plan.truth.facing == "right":
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if appearance.random() < 0.75:
        corners = plan.truth.points.reshape(-1, 2)
        lay_marker(appearance, pixels, corners[~np.isnan(corners[:, 0])])
    spacing = PixelSpacing(plan.mm_per_px, plan.mm_per_px, "patient")
    film = Radiograph(pixels, spacing, 1.0, "lateral", "phantom")
    return Phantom(
        film,
        plan.landmarks,
        plan.truth,
        plan.complete_above,
        plan.complete_below,
        plan.flags,
    )


def _rich(rng: np.random.Generator, plan: Plan, without: frozenset[str]) -> Phantom:
    """Draws a rich film, prints on it, mounts it, and maps its corners along."""
    chosen, drawing, rng = rng.spawn(3)
    effects = sample_effects(chosen).leaving_out(without)
    pixels = draw_rich_film(drawing, plan.scene, effects)
    if plan.truth.facing == "right":
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    corners = plan.truth.points.reshape(-1, 2)
    keep_free = corners[~np.isnan(corners[:, 0])]
    pixels, frame = present(rng, pixels, keep_free, effects, plan.scene.mm)
    across, down = (float(scale) for scale in frame.scale)
    spacing = PixelSpacing(plan.mm_per_px / down, plan.mm_per_px / across, "patient")
    film = Radiograph(pixels, spacing, spacing.aspect, "lateral", "phantom")
    landmarks, truth = (
        replace(drawn, points=frame.mapped(drawn.points)) for drawn in (plan.landmarks, plan.truth)
    )
    return Phantom(film, landmarks, truth, plan.complete_above, plan.complete_below, plan.flags)


def plan_phantom(
    rng: np.random.Generator,
    *,
    long_side: int = 1024,
    style: Style = "plain",
    shuttered: bool = True,
) -> Plan:
    """Decides everything about a phantom but its pixels; a film not ``shuttered`` is open."""
    column = sample_column(rng, rich=style == "rich")
    facing: Facing = "right" if rng.random() < _FACES_RIGHT else "left"
    height, width = long_side, round(long_side * column.framing.aspect)
    corners = column.corners * long_side - 0.5  # lengths from the film's edge to pixel centres
    thorough = style == "rich" and rng.random() < _THOROUGH
    field = -0.5, -0.5, width - 0.5, height - 0.5
    if shuttered:
        field = _exposed_field(rng, column, corners, (height, width))
    truth, landmarks, first = _labelled(column, corners, field, thorough=thorough)
    if facing == "right":
        truth, landmarks = truth.mirrored(width), landmarks.mirrored(width)
    mm_per_px = column.framing.depth_mm / _lumbar_depth(corners)
    scene = Scene(height, width, 1 / mm_per_px, corners, _hollows(column, corners), field,
                  column.levels.index("T12"))  # fmt: skip
    flags = _flags(column, corners, truth)
    complete_below = column.framing.lowest == 0 or truth.names[-1] == landmarks.names[-1]
    return Plan(scene, landmarks, truth, first == 0, complete_below, flags, mm_per_px)


def _lumbar_depth(corners: Float64[np.ndarray, "k 4 2"]) -> float:
    plates = corners[1:6, 1] - corners[1:6, 0]
    return float(np.linalg.norm(plates, axis=1).mean())


def _hollows(column: Column, corners: Float64[np.ndarray, "k 4 2"]) -> Float64[np.ndarray, " k"]:
    heights = np.linalg.norm(corners[:, 2:] - corners[:, :2], axis=2).mean(axis=1)
    return column.ailments.hollow * heights


def _exposed_field(
    rng: np.random.Generator,
    column: Column,
    corners: Float64[np.ndarray, "k 4 2"],
    shape: tuple[int, int],
) -> tuple[float, float, float, float]:
    """The part of the film that the collimator leaves: left, top, right, bottom, px."""
    height, width = shape
    framing = column.framing
    labelled = corners[framing.lowest : framing.lowest + framing.count]
    depth = _lumbar_depth(corners)
    left, top, right, bottom = -0.5, -0.5, width - 0.5, height - 0.5
    first = framing.lowest + framing.count - 1
    if corners[first + 1, :, 1].mean() > 0 and rng.random() < _HIDDEN_TOP:
        upper, lower = corners[first + 1, :, 1].mean(), corners[first, :, 1].min()
        top = float(rng.uniform(upper + 0.15 * (lower - upper), lower))
    spare = labelled[..., 0].min() - 0.6 * depth, labelled[..., 0].max() + 0.9 * depth
    if rng.random() < 0.2 and spare[0] > 0:
        left = float(rng.uniform(0, spare[0]))
    if rng.random() < 0.15 and spare[1] < right:
        right = float(rng.uniform(spare[1], right))
    lowest_corner = max(float(labelled[..., 1].max()) + 2, 0.9 * height)
    if rng.random() < 0.1 and lowest_corner < bottom:
        bottom = float(rng.uniform(lowest_corner, bottom))
    return left, top, right, bottom


def _labelled(
    column: Column,
    corners: Float64[np.ndarray, "k 4 2"],
    field: tuple[float, float, float, float],
    *,
    thorough: bool,
) -> tuple[Landmarks, Landmarks, int]:
    """Everything in the field, what the annotator drew of it, and how many are left out above."""
    low, high = np.array(field[:2]), np.array(field[2:])
    seen = _within(corners, low, high)
    in_view = _within(corners.mean(axis=1), low, high) & seen.any(axis=1)
    shown = [k for k in range(VERTEBRAE - 1, -1, -1) if in_view[k]]
    points = np.where(seen[..., None], corners, np.nan)[shown]
    levels = tuple(column.levels[k] for k in shown)
    truth = Landmarks(points, levels=levels, facing="left")
    top = VERTEBRAE if thorough else column.framing.lowest + column.framing.count - 1
    drawn = [i for i, k in enumerate(shown) if column.framing.lowest <= k <= top]
    return truth, truth.select(drawn), drawn[0]


def _within(
    points: Float64[np.ndarray, "*n 2"],
    low: Float64[np.ndarray, " 2"],
    high: Float64[np.ndarray, " 2"],
) -> Bool[np.ndarray, "*n"]:
    return np.all((points > low) & (points < high), axis=-1)


def _flags(
    column: Column, corners: Float64[np.ndarray, "k 4 2"], truth: Landmarks
) -> frozenset[str]:
    shown = [column.levels.index(str(name)) for name in truth.names]
    slips = [measured_slip(corners[k + 1], corners[k]) for k in shown[1:] if k + 1 in shown]
    wedges = [measured_wedge(corners[k]) for k in shown if k]
    names = set(truth.names)
    found = {
        "L6": "L6" in names,
        "four lumbar": "L1" not in column.levels and {"L2", "T12"} <= names,
        "slip": max(map(abs, slips), default=0.0) >= SLIP_FLAG,
        "wedge": min(wedges, default=1.0) < WEDGE_FLAG,
        "fracture": bool(column.ailments.fractured[shown].any()),
        "cut": bool(np.isnan(truth.points).any()),
    }
    return frozenset(name for name, present in found.items() if present)


def write_phantoms(
    out: Path,
    *,
    films: int,
    seed: int,
    long_side: int = 1024,
    habits: bool = False,
    style: Style = "plain",
    view: Views = "lateral",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Writes ``films`` phantoms as 8-bit PNG, and their annotations.

    Without ``habits``, one COCO file ``annotations.json``. With ``habits``, the faults of the
    public set: the first half of the films as Keypoint R-CNN JSON, one a film, corners
    inf-left, inf-right, sup-left, sup-right and tight boxes; the rest as YOLO-pose text, corners
    sup-left, inf-left, inf-right, sup-right and boxes padded by 2 to 11 px; 6 % of the lists not
    from top to bottom. With ``view`` "both" every second film is frontal; frontal films have one
    style. The same seed gives the same bytes.

    Raises:
        ValueError: ``habits`` in the rich style, whose stretched films those formats cannot state,
            or of frontal films, which the public set does not have.
    """
    if habits and view != "lateral":
        raise ValueError("habits: the public set whose faults they are has lateral films only")
    if habits and style == "rich":
        raise ValueError("habits: their formats cannot state the aspect of a stretched film")
    samples = []
    for index in range(films):
        if view == "ap" or (view == "both" and index % 2):
            made = frontal_phantom(seed, index, long_side=long_side)
        else:
            made = phantom(seed, index, long_side=long_side, style=style)
        path = out / "images" / f"phantom-{index:05d}.png"
        _write_png(path, made.radiograph)
        samples.append(_sample(made, path))
        if habits:
            rng = np.random.default_rng([seed, index, 1])
            _write_habit(out / "labels", samples[-1], rng, is_source_a=index < films / 2)
        if progress:
            progress(index + 1)
    if not habits:
        write_coco(out / "annotations.json", samples)


def _write_png(path: Path, film: Radiograph) -> None:
    image = Image.fromarray(np.round(film.pixels * 255).astype(np.uint8))
    write_with(path, lambda temporary: image.save(temporary, format="PNG"))


def _sample(made: Phantom, path: Path) -> Sample:
    film = made.radiograph
    return Sample(
        key=path.stem,
        path=path,
        height=film.height,
        width=film.width,
        landmarks=made.landmarks,
        group=path.stem,
        origin="phantom",
        complete_above=made.complete_above,
        complete_below=made.complete_below,
        spacing=film.spacing,
        aspect=film.aspect,
        view=film.view,
        flags=made.flags,
    )


def _write_habit(
    folder: Path, sample: Sample, rng: np.random.Generator, *, is_source_a: bool
) -> None:
    """One film's labels with the faults of its source; a corner not seen is clipped to the film."""
    points = _clipped(sample)
    points = points[_habitual_order(rng, len(points))]
    low, high = points.min(axis=1), points.max(axis=1)
    if is_source_a:
        write_json(folder / f"{sample.key}.json", _keypoint_rcnn(points, low, high))
        return
    pad = rng.uniform(2, 11, (len(points), 2))
    size = np.array([sample.width, sample.height])
    edges = [(p + 0.5) / size for p in (points, low - pad, high + pad)]  # the film spans 0 to 1
    write_text(folder / f"{sample.key}.txt", _yolo_pose(*edges))


def _clipped(sample: Sample) -> Float64[np.ndarray, "v 4 2"]:
    """The corners within the film; one not seen completes the parallelogram or joins its wall."""
    points = sample.landmarks.points.copy()
    for vertebra in points:
        for corner in np.flatnonzero(np.isnan(vertebra[:, 0])):
            other, level, across = (corner + 2) % 4, corner ^ 1, (corner + 2) % 4 ^ 1
            guess = vertebra[level] + vertebra[other] - vertebra[across]
            vertebra[corner] = guess if not np.isnan(guess).any() else vertebra[other]
    points = points[~np.isnan(points).any(axis=(1, 2))]
    return np.clip(points, 0, [sample.width - 1, sample.height - 1])


def _habitual_order(rng: np.random.Generator, count: int) -> list[int]:
    order = list(range(count))
    if rng.random() >= _SHUFFLED:
        return order
    if rng.random() < _REVERSED:
        return order[::-1]
    return [int(i) for i in rng.permutation(count)]


def _keypoint_rcnn(
    points: Float64[np.ndarray, "v 4 2"],
    low: Float64[np.ndarray, "v 2"],
    high: Float64[np.ndarray, "v 2"],
) -> dict[str, Any]:
    rounded = np.round(points[:, [2, 3, 0, 1]], 2)
    return {
        "boxes": np.round(np.concatenate([low, high], axis=1), 2).tolist(),
        "labels": [1] * len(points),
        "keypoints": [[[x, y, 2] for x, y in vertebra] for vertebra in rounded.tolist()],
    }


def _yolo_pose(
    points: Float64[np.ndarray, "v 4 2"],
    low: Float64[np.ndarray, "v 2"],
    high: Float64[np.ndarray, "v 2"],
) -> str:
    lines = []
    for vertebra, (middle, extent) in zip(
        points[:, [0, 2, 3, 1]],
        zip((low + high) / 2, high - low, strict=True),
        strict=True,
    ):
        numbers = [*middle, *extent]
        for x, y in vertebra:
            numbers += [x, y, 2]
        lines.append("0 " + " ".join(f"{value:.6g}" for value in numbers))
    return "".join(f"{line}\n" for line in lines)
