"""Which candidates are the same vertebra, and in which order do the others follow the spine?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int

from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import corner_mean

_SAME_CENTRE: Final = 1 / 3  # of a vertebra's height: closer centres are one vertebra
_SAME_AREA: Final = 0.4  # intersection over union: quadrilaterals above it are one vertebra
_REACH: Final = 2.0  # heights: how far a candidate speaks for its neighbours' axis and size
_SMALLEST: Final = 1e-3  # px: an untrained network may put all corners of a vertebra on one point
_USUAL_WIDTH: Final = 1.4  # width / height of a vertebral body, where only one was seen


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Where N vertebrae lie, which way they point, and how large bodies are around them.

    ``centres`` (N, 2) px, of the whole body also where only one endplate was seen; ``axes`` (N, 2)
    of length 1, superior to inferior; ``heights`` and ``widths`` (N,) px. Axes and sizes are means
    over the neighbourhood, so that one reversed, tilted or collapsed vertebra does not count much.
    """

    centres: Float64[np.ndarray, "n 2"]
    axes: Float64[np.ndarray, "n 2"]
    heights: Float64[np.ndarray, " n"]
    widths: Float64[np.ndarray, " n"]

    @classmethod
    def of(cls, corners: Float64[np.ndarray, "n 4 2"], weight: Float64[np.ndarray, " n"]) -> Bodies:
        """The bodies with these ``corners``; ``weight`` says how much each one is believed."""
        corners = _with_fourth_corner(corners)
        heights, widths = (np.maximum(size, _SMALLEST) for size in _sizes(corners))
        own = _own_axes(corners)
        centres = _body_centres(corners, own, heights)
        near = _nearness(centres, heights) * np.maximum(weight, 1e-3)
        total = near.sum(axis=1)
        return cls(
            centres,
            _unit(near @ own, fallback=_unit(own.sum(axis=0), fallback=np.array([0.0, 1.0]))),
            near @ heights / total,
            near @ widths / total,
        )

    def order(self) -> Int[np.ndarray, " n"]:
        """Indices from superior to inferior.

        Each pair is compared along the mean of its own two axes, and a vertebra takes the place
        that its number of inferior ones gives it. The film's axes play no part: the order holds on
        rotated films, in curves of less than half a turn, and across a slip or a steep sacrum.
        """
        steps = self.centres[None] - self.centres[:, None]  # (from, to, 2)
        below = (steps * (self.axes[:, None] + self.axes[None])).sum(axis=-1)
        along = self.centres @ self.axes.sum(axis=0)
        return np.lexsort((along, -(below > 0).sum(axis=1)))


def distinct(detections: Detections) -> Int[np.ndarray, " k"]:
    """Indices of the candidates that are no duplicate of a better one, best first.

    Duplicates have centres within a third of a vertebra's height, or quadrilaterals that overlap
    by more than 0.4 (intersection over union). Candidates without a corner are left out.
    """
    corners = detections.corners
    centres = corner_mean(corners)
    heights, widths = _sizes(corners)
    kept: list[int] = []
    for i in np.argsort(-detections.score, kind="stable"):
        distances = np.linalg.norm(centres[kept] - centres[i], axis=-1)
        height, width = (heights[kept] + heights[i]) / 2, (widths[kept] + widths[i]) / 2
        same = distances < _SAME_CENTRE * height
        for k in np.flatnonzero(distances < (height + width) / 2):  # farther ones share too little
            same[k] |= overlap(corners[i], corners[kept[k]]) > _SAME_AREA
        if np.isfinite(centres[i]).all() and not same.any():
            kept.append(int(i))
    return np.array(kept, dtype=np.int64)


def overlap(a: Float64[np.ndarray, "4 2"], b: Float64[np.ndarray, "4 2"]) -> float:
    """Intersection over union of two convex vertebrae; 0 where a corner is missing."""
    if np.isnan(a).any() or np.isnan(b).any():
        return 0.0
    first, second = _outline(a), _outline(b)
    shared = _area(_clipped(first, second))
    union = _area(first) + _area(second) - shared
    return shared / union if union > 0 else 0.0


def _outline(corners: Float64[np.ndarray, "4 2"]) -> Float64[np.ndarray, "4 2"]:
    """The corners by angle around their mean, whatever order they came in."""
    spokes = corners - corners.mean(axis=0)
    return corners[np.argsort(np.arctan2(spokes[:, 1], spokes[:, 0]))]


def _area(polygon: Float64[np.ndarray, "n 2"]) -> float:
    x, y = polygon.T
    before = np.arange(len(polygon)) - 1
    return 0.5 * abs(float(x[before] @ y - y[before] @ x))


def _clipped(
    polygon: Float64[np.ndarray, "n 2"], window: Float64[np.ndarray, "m 2"]
) -> Float64[np.ndarray, "k 2"]:
    """The part of ``polygon`` within a convex ``window`` (Sutherland and Hodgman 1974)."""
    for start, end in zip(window, np.roll(window, -1, axis=0), strict=True):
        if not len(polygon):
            break
        polygon = _half(polygon, start, end - start)
    return polygon


def _half(
    polygon: Float64[np.ndarray, "n 2"],
    start: Float64[np.ndarray, " 2"],
    edge: Float64[np.ndarray, " 2"],
) -> Float64[np.ndarray, "k 2"]:
    """The part of ``polygon`` to the inner side of one edge of the window."""
    offsets = polygon - start
    sides = edge[0] * offsets[:, 1] - edge[1] * offsets[:, 0]
    points: list[Float64[np.ndarray, " 2"]] = []
    for i in range(len(polygon)):
        last = i - 1
        if (sides[i] >= 0) != (sides[last] >= 0):
            share = sides[last] / (sides[last] - sides[i])
            points.append(polygon[last] + share * (polygon[i] - polygon[last]))
        if sides[i] >= 0:
            points.append(polygon[i])
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _with_fourth_corner(corners: Float64[np.ndarray, "n 4 2"]) -> Float64[np.ndarray, "n 4 2"]:
    """A single missing corner is put where it would close a parallelogram."""
    missing = np.isnan(corners[..., 0])
    single = missing & (missing.sum(axis=1, keepdims=True) == 1)
    guess = np.nansum(corners, axis=1, keepdims=True) - 2 * corners[:, ::-1]
    return np.where(single[..., None], guess, corners)


def _sizes(
    corners: Float64[np.ndarray, "n 4 2"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Heights and widths; where one was not seen, the film's median, or what the other implies."""
    heights = _mean_length(corners[:, 2:] - corners[:, :2])
    widths = _mean_length(corners[:, 1::2] - corners[:, ::2])
    height, width = _median(heights), _median(widths)
    height = height if np.isfinite(height) else width / _USUAL_WIDTH
    width = width if np.isfinite(width) else height * _USUAL_WIDTH
    return (
        np.where(np.isnan(heights), height if np.isfinite(height) else 1.0, heights),
        np.where(np.isnan(widths), width if np.isfinite(width) else 1.0, widths),
    )


def _mean_length(edges: Float64[np.ndarray, "n 2 2"]) -> Float64[np.ndarray, " n"]:
    """Over the two walls or endplates; NaN where neither was seen whole."""
    lengths = np.linalg.norm(edges, axis=-1)
    seen = np.isfinite(lengths)
    mean = np.nansum(lengths, axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.where(seen.any(axis=1), mean, np.nan)


def _median(values: Float64[np.ndarray, " n"]) -> float:
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if len(seen) else np.nan


def _own_axes(corners: Float64[np.ndarray, "n 4 2"]) -> Float64[np.ndarray, "n 2"]:
    """Superior to inferior, from the walls and square to the endplates; 0 where neither is seen."""
    walls = np.nansum(corners[:, 2:] - corners[:, :2], axis=1)
    across = np.nansum(corners[:, 1::2] - corners[:, ::2], axis=1)
    square = across[:, ::-1] * np.array([-1.0, 1.0])
    return _unit(_unit(walls) + _unit(square))


def _unit(
    vectors: Float64[np.ndarray, "*n 2"], fallback: Float64[np.ndarray, " 2"] | None = None
) -> Float64[np.ndarray, "*n 2"]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    usable = length > 1e-9
    default = np.zeros(2) if fallback is None else fallback
    return np.where(usable, vectors / np.where(usable, length, 1.0), default)


def _body_centres(
    corners: Float64[np.ndarray, "n 4 2"],
    axes: Float64[np.ndarray, "n 2"],
    heights: Float64[np.ndarray, " n"],
) -> Float64[np.ndarray, "n 2"]:
    """Mean of the corners; half a height beyond an endplate that was seen alone."""
    seen: Bool[np.ndarray, "n 4"] = ~np.isnan(corners[..., 0])
    superior, inferior = seen[:, :2].any(axis=1), seen[:, 2:].any(axis=1)
    beyond = (superior.astype(np.float64) - inferior) / 2 * heights
    return corner_mean(corners) + beyond[:, None] * axes


def _nearness(
    centres: Float64[np.ndarray, "n 2"], heights: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "n n"]:
    reach = _REACH * float(np.median(heights)) if len(heights) else 1.0
    distances = np.linalg.norm(centres[None] - centres[:, None], axis=-1)
    return np.exp(-0.5 * (distances / reach) ** 2)
