"""What does a sample say that another one of the same film does not?"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from spondyl.data.sample import Sample
from spondyl.spine.landmarks import Landmarks

TOLERANCE: Final = 1e-9
"""px by which a corner may differ and still be the same: what a change of unit rounds away."""

FACTS: Final = (
    "key", "group", "origin", "complete_above", "complete_below", "spacing", "aspect", "view",
)  # fmt: skip


def differences(before: Sample, after: Sample) -> Counter[str]:
    """How often ``after`` differs from ``before``, by the kind of content.

    Kinds: the facts of ``FACTS`` and ``facing``; ``flag``, one each way; ``vertebra``, one that is
    gone, its corners and its name not counted; ``vertebra added``; ``order`` of the vertebrae; of
    those that are in both ``corner`` (not seen any more), ``corner added``, ``level``,
    ``confidence`` and ``level_probability``.
    """
    found = Counter(name for name in FACTS if getattr(before, name) != getattr(after, name))
    found["facing"] += before.landmarks.facing != after.landmarks.facing
    found["flag"] += len(before.flags ^ after.flags)
    return +(found + _of_landmarks(before.landmarks, after.landmarks))


def _of_landmarks(before: Landmarks, after: Landmarks) -> Counter[str]:
    pairs = _pairs(before, after)
    found: Counter[str] = Counter(
        {
            "vertebra": len(before) - len(pairs),
            "vertebra added": len(after) - len(pairs),
            "order": int(pairs != sorted(pairs, key=lambda pair: pair[1])),
        }
    )
    for i, j in pairs:
        seen, still = (~np.isnan(each[:, 0]) for each in (before.points[i], after.points[j]))
        found["corner"] += int((seen & ~still).sum())
        found["corner added"] += int((~seen & still).sum())
        found["level"] += before.names[i] != after.names[j]
        found["confidence"] += _changed(before.confidence[i], after.confidence[j])
        probabilities = before.level_probability[i], after.level_probability[j]
        found["level_probability"] += _changed(*map(np.atleast_1d, probabilities))
    return found


def _pairs(before: Landmarks, after: Landmarks) -> list[tuple[int, int]]:
    """The vertebrae that are the same in both: all corners that both saw are, and one is."""
    left = list(range(len(after)))
    pairs = []
    for i, points in enumerate(before.points):
        for j in left:
            apart = np.abs(points - after.points[j])
            if not np.isnan(apart).all() and np.nanmax(apart) <= TOLERANCE:
                pairs.append((i, j))
                left.remove(j)
                break
    return pairs


def _changed(before: np.ndarray, after: np.ndarray) -> int:
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    return int((~same).sum())
