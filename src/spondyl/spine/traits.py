"""What is a chain of vertebrae like, whatever its size: the numbers that trust knows it by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float64

from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks, corner_mean

LEAST_VERTEBRAE: Final = 3
"""Below it there are no two steps to compare, and a chain is no evidence of a spine."""

_SMALLEST_SHARE: Final = 1e-3  # shares are told apart up to this distance from 0 and 1
_SMALLEST_RATIO: Final = 0.02  # and ratios that start at 0 down to this one, by their logarithm
_LOOKED_AT: Final = 0.1  # score from which on a candidate is evidence of something


@dataclass(frozen=True, slots=True)
class Trait:
    """One number of a chain: its ``name``, and ``words`` to which its value can be put.

    ``kind`` says on which axis films differ evenly: a ``share`` by its log odds, a ``ratio`` from 0
    upwards by its logarithm, a ``number`` as it is.
    """

    name: str
    words: str
    kind: Literal["share", "ratio", "number"]
    form: str = "{:.2f}"

    def axis(self, value: float) -> float:
        """Where a value lies on the trait's axis; NaN stays NaN."""
        if self.kind == "share":
            within = max(min(value, 1 - _SMALLEST_SHARE), _SMALLEST_SHARE)
            return math.log(within / (1 - within))
        return math.log(value + _SMALLEST_RATIO) if self.kind == "ratio" else value

    def said(self, place: float) -> str:
        """The value at a place of the axis, in words."""
        value = place
        if self.kind == "share":
            value = 1 / (1 + math.exp(-place))
        elif self.kind == "ratio":
            value = max(math.exp(place) - _SMALLEST_RATIO, 0.0)
        return self.form.format(value)


_PERCENT: Final = "{:z.0%}"  # z: no minus before a zero
_DEGREES: Final = "{:.0f} deg"

TRAITS: Final[tuple[Trait, ...]] = (
    Trait("count", "the number of vertebrae", "ratio", "{:.0f}"),
    Trait("confidence", "the mean confidence of the corners", "share"),
    Trait("lowest_confidence", "the confidence of the least certain vertebra", "share"),
    Trait("lowest_score", "the lowest score of a vertebra", "share"),
    Trait("pitch", "the distance of neighbours over their height", "number"),
    Trait("spacing", "the unevenness of that distance", "ratio", _PERCENT),
    Trait("height_change", "the difference in height of neighbours", "ratio", _PERCENT),
    Trait("width_change", "the difference in width of neighbours", "ratio", _PERCENT),
    Trait("aspect", "the width of the vertebrae over their height", "number"),
    Trait("tilt", "the angle between neighbours", "ratio", _DEGREES),
    Trait("sidestep", "the shift across the spine from one to the next", "ratio", _PERCENT),
    Trait("wedge", "the angle between the endplates of a vertebra", "ratio", _DEGREES),
    Trait("level_certainty", "the certainty of a vertebra's own level", "share"),
    Trait("level_step", "the step in level from one vertebra to the next", "number"),
    Trait("facing", "the agreement on the anterior side", "share"),
    Trait("strays", "the share of evidence that lies outside the spine", "ratio", _PERCENT),
)


def traits(found: Landmarks, detections: Detections) -> Float64[np.ndarray, " k"]:
    """Each of ``TRAITS`` of a chain, on its axis; NaN where it cannot be told.

    Args:
        found: the chain, at least ``LEAST_VERTEBRAE``.
        detections: the candidates that it was made of, in the same frame of px.
    """
    told = {**_certainty(found, detections), **_sizes(found), **_shape(found),
            **_levels(detections.select(_chosen(found, detections)))}  # fmt: skip
    return np.array([trait.axis(told[trait.name]) for trait in TRAITS])


def _certainty(found: Landmarks, detections: Detections) -> dict[str, float]:
    chosen = _chosen(found, detections)
    score = detections.score[chosen]
    every = detections.score[detections.score >= _LOOKED_AT].sum()
    each = _mean(found.confidence, axis=1)
    return {
        "count": len(found),
        "confidence": float(_mean(each)),
        "lowest_confidence": float(np.where(np.isnan(each), np.inf, each).min()),
        "lowest_score": float(score.min()),
        "strays": float(max(1 - score.sum() / max(every, score.sum(), 1e-9), 0.0)),
    }


def _sizes(found: Landmarks) -> dict[str, float]:
    heights = np.log(np.maximum(found.heights, 1e-9))
    ends = found.points[:, 1::2] - found.points[:, ::2]
    widths = np.log(np.maximum(_mean(np.linalg.norm(ends, axis=-1), axis=1), 1e-9))
    steps = np.linalg.norm(np.diff(found.centres, axis=0), axis=-1)
    pitch = np.log(np.maximum(steps, 1e-9)) - (heights[1:] + heights[:-1]) / 2
    return {
        "pitch": float(np.exp(_median(pitch))),
        "spacing": _rms(pitch - _median(pitch)),
        "height_change": _rms(np.diff(heights)),
        "width_change": _rms(np.diff(widths)),
        "aspect": float(np.exp(_median(widths - heights))),
    }


def _shape(found: Landmarks) -> dict[str, float]:
    ends = found.points[:, 1::2] - found.points[:, ::2]  # (V, endplate, xy)
    across = _mean(ends, axis=1)
    steps = np.diff(found.centres, axis=0)
    beside = across[1:] + across[:-1]
    widths = np.linalg.norm(beside, axis=-1)
    shift = (steps * beside).sum(axis=-1) / np.maximum(widths**2 / 2, 1e-9)
    return {
        "tilt": _rms(_angle(across[:-1], across[1:])),
        "sidestep": _rms(shift),
        "wedge": _rms(_angle(ends[:, 0], ends[:, 1])),
    }


def _levels(chosen: Detections) -> dict[str, float]:
    """What the candidates say each for itself, before the chain makes them agree."""
    logits = chosen.level_logits
    share = np.exp(logits - logits.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    levels = share[:, :-1] / np.maximum(share[:, :-1].sum(axis=1, keepdims=True), 1e-9)
    steps = np.diff(levels @ np.arange(levels.shape[1]))
    facing = np.tanh(chosen.facing_logit / 2)
    named, faced = bool(np.any(logits)), bool(np.any(facing))
    return {
        "level_certainty": float(share.max(axis=1).mean()) if named else np.nan,
        "level_step": float(steps.mean()) if named else np.nan,
        "facing": abs(float(facing.mean())) if faced else np.nan,
    }


def _chosen(found: Landmarks, detections: Detections) -> np.ndarray:
    """For each vertebra the index of the nearest candidate: the one that it was made of."""
    apart = np.linalg.norm(
        corner_mean(detections.corners)[None] - found.centres[:, None], axis=-1
    )  # (V, N)
    return np.where(np.isnan(apart), np.inf, apart).argmin(axis=1)


def _angle(
    a: Float64[np.ndarray, "*n 2"], b: Float64[np.ndarray, "*n 2"]
) -> Float64[np.ndarray, "*n"]:
    """From a to b, deg in (-180, 180]."""
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return np.degrees(np.arctan2(cross, (a * b).sum(axis=-1)))


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Of those known; NaN where none is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _median(values: Float64[np.ndarray, " n"]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def _rms(values: Float64[np.ndarray, " n"]) -> float:
    return float(np.sqrt(_mean(values**2)))
