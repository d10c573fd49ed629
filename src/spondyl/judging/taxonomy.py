"""What kind of error is it: each annotated corner gets one class."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

from spondyl.judging.metrics import Matching, centre_distances
from spondyl.spine.landmarks import Landmarks, reference_heights

CLASSES: Final[tuple[str, ...]] = (
    "fine",
    "coarse",
    "level shift",
    "corner swap",
    "both",
    "far",
    "missed",
)
"""The classes that ``classify`` counts, in its order."""

CLOSE: Final = 0.25
"""Share of a vertebra's height within which a point is taken for a corner."""

COARSE: Final = 0.5
"""Share of a vertebra's height beyond which an error is no longer the right corner's."""

FINE, COARSE_CLASS, LEVEL_SHIFT, CORNER_SWAP, BOTH, FAR, MISSED = range(7)


def classify(
    predicted: Landmarks, annotated: Landmarks, partner: Int64[np.ndarray, " a"]
) -> Int64[np.ndarray, "a 4"]:
    """The class of each annotated corner against its partner's, an index into ``CLASSES``.

    With e the radial error and h the annotated vertebra's height (``reference_heights``), the first
    that holds: **missed**: there is no predicted corner; **fine**: e < h / 4. Otherwise the
    annotated corner nearest to the predicted one decides, if it is within h / 4: **level shift**
    where it is the same corner of another vertebra, **corner swap** another corner of the same
    vertebra, **both** another corner of another vertebra. Otherwise **coarse**: e < h / 2, and
    **far**. A point on a vertebra that nobody annotated is far. -1 = the corner is not annotated.
    """
    goal = annotated.points
    point = np.full_like(goal, np.nan)
    point[partner >= 0] = predicted.points[partner[partner >= 0]]
    height = np.broadcast_to(reference_heights(annotated)[:, None], goal.shape[:2])
    error = np.linalg.norm(point - goal, axis=-1)
    kind = np.where(error < COARSE * height, COARSE_CLASS, FAR)
    distance, mistaken = _nearest_other(point, goal)
    kind = np.where(distance < CLOSE * height, mistaken, kind)
    kind = np.where(error < CLOSE * height, FINE, kind)
    kind = np.where(np.isnan(error), MISSED, kind)
    return np.where(np.isnan(goal[..., 0]), -1, kind).astype(np.int64)


def _nearest_other(
    point: Float64[np.ndarray, "a 4 2"], goal: Float64[np.ndarray, "a 4 2"]
) -> tuple[Float64[np.ndarray, "a 4"], Int64[np.ndarray, "a 4"]]:
    """Distance to the nearest other annotated corner, and what mistaking it for one's own is."""
    count = len(goal)
    if not count:
        return np.zeros((0, 4)), np.zeros((0, 4), dtype=np.int64)
    distance = np.linalg.norm(point.reshape(-1, 1, 2) - goal.reshape(1, -1, 2), axis=-1)
    distance = np.where(np.isnan(distance), np.inf, distance)
    np.fill_diagonal(distance, np.inf)
    own, nearest = np.arange(4 * count), distance.argmin(axis=1)
    same_corner, same_body = own % 4 == nearest % 4, own // 4 == nearest // 4
    kind = np.where(same_corner, LEVEL_SHIFT, np.where(same_body, CORNER_SWAP, BOTH))
    return distance.min(axis=1).reshape(-1, 4), kind.astype(np.int64).reshape(-1, 4)


def matched_or_nearest(
    predicted: Landmarks, annotated: Landmarks, matching: Matching
) -> Int64[np.ndarray, " a"]:
    """The partner of each annotated vertebra, or else the nearest prediction that has none.

    That one must lie within one height of the annotated vertebra (centre to centre): it is what the
    model made of this vertebra, so its corners say more than "missed". -1 where there is none; two
    annotated vertebrae may share one.
    """
    free = np.setdiff1d(np.arange(len(predicted)), matching.partner)
    if not len(free):
        return matching.partner
    distance = centre_distances(predicted.points[free], annotated.points)
    nearest = free[distance.argmin(axis=0)]
    near = distance.min(axis=0) <= reference_heights(annotated)
    return np.where((matching.partner < 0) & near, nearest, matching.partner)


def counts(kinds: Int64[np.ndarray, "a 4"]) -> dict[str, int]:
    """How many corners are of each class; those not annotated (-1) are left out."""
    number = np.bincount(kinds[kinds >= 0].ravel(), minlength=len(CLASSES))
    return {name: int(n) for name, n in zip(CLASSES, number, strict=True)}
