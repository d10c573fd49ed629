"""Where do a film's label and a network's prediction disagree?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import CORNERS, LEVELS
from spondyl.checking.faults import Fault, Severity
from spondyl.data.sample import Sample
from spondyl.spine.calibration import match_centres
from spondyl.spine.landmarks import Landmarks, reference_heights

FAR: Final = 0.25
"""Vertebral heights: a corner further from the network's is told."""


def check_network(sample: Sample, predicted: Landmarks, *, far: float = FAR) -> list[Fault]:
    """Vertebrae that only one of the two sees, levels named otherwise, and corners far apart.

    ``predicted`` is in image px. It should come from a network that was not trained on this film:
    one that was has learnt the label's faults, too. The film's ends are the annotator's choice: a
    vertebra that only the network sees beyond them is worth a note.
    """
    found, true = match_centres(predicted.points, _whole(sample.landmarks))
    return [
        *_unmatched_labels(sample, set(true.tolist())),
        *_unmatched_predictions(sample, predicted, set(found.tolist())),
        *_names(sample, [(predicted.names[f], int(t)) for f, t in zip(found, true, strict=True)]),
        *_corners(sample, predicted.points[found], true.tolist(), far),
    ]


def _whole(landmarks: Landmarks) -> Landmarks:
    """A sacrum with one endplate is completed by the film's usual wall, to find its centre."""
    points = landmarks.points.copy()
    walls = (points[:, 2:] - points[:, :2])[~np.isnan(points).any(axis=(1, 2))]
    open_below = np.isnan(points[:, 2:]).all(axis=(1, 2))
    if len(walls):
        points[open_below, 2:] = points[open_below, :2] + np.median(walls.mean(axis=1), axis=0)
    return landmarks.moved(points)


def _fault(sample: Sample, kind: str, evidence: str, at: int, *, size: float = 1.0) -> Fault:
    name = sample.landmarks.names[at]
    return Fault(kind, sample.key, evidence, at + 1, name, size=round(size, 3))


def _unmatched_labels(sample: Sample, matched: set[int]) -> Iterator[Fault]:
    for at in sorted(set(range(len(sample.landmarks))) - matched):
        x, y = sample.landmarks.centres[at]
        evidence = f"the network sees no vertebra within half a height of ({x:.0f}, {y:.0f})"
        yield _fault(sample, "seen by the label only", evidence, at)


def _unmatched_predictions(
    sample: Sample, predicted: Landmarks, matched: set[int]
) -> Iterator[Fault]:
    inside = range(min(matched, default=0), max(matched, default=-1) + 1)
    for at in sorted(set(range(len(predicted))) - matched):
        x, y = predicted.centres[at]
        evidence = f"the network sees a vertebra at ({x:.0f}, {y:.0f}) that is not labelled"
        severity: Severity = "warning" if at in inside else "note"
        yield Fault("seen by the network only", sample.key, evidence, severity=severity)


def _names(sample: Sample, pairs: list[tuple[str | None, int]]) -> Iterator[Fault]:
    """One fault where most vertebrae are named the same number of levels otherwise."""
    own = sample.landmarks.names
    shifts = [
        LEVELS.index(str(theirs)) - LEVELS.index(str(own[at]))
        for theirs, at in pairs
        if theirs in LEVELS and own[at] in LEVELS
    ]
    if not shifts:
        return
    shift, count = Counter(shifts).most_common(1)[0]
    if shift and 2 * count > len(shifts):
        way = "lower" if shift > 0 else "higher"
        evidence = f"the network names {count} of {len(shifts)} vertebrae {abs(shift)} level {way}"
        yield Fault("level shift", sample.key, evidence)


def _corners(
    sample: Sample, predicted: Float64[np.ndarray, "m 4 2"], true: list[int], far: float
) -> Iterator[Fault]:
    heights = reference_heights(sample.landmarks)
    for corners, at in zip(predicted, true, strict=True):
        away = np.linalg.norm(corners - sample.landmarks.points[at], axis=1) / heights[at]
        if np.isnan(away).all():
            continue
        worst = int(np.nanargmax(away))
        if away[worst] > far:
            evidence = f"{CORNERS[worst]} lies {away[worst]:.2f} heights from the network's"
            yield _fault(sample, "corner disagrees", evidence, at, size=float(away[worst]) / far)
