"""How do candidates become a spine: in order, named where there is evidence, facing one way."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from spondyl.anatomy import LEVELS, Facing, View
from spondyl.errors import UsageError
from spondyl.spine.calibration import UNCALIBRATED, Calibration
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.naming import Chain, infer_chain, levels_between
from spondyl.spine.ordering import Bodies

Anchor = tuple[str, int]
"""A level and the place, from 1 at the top, of the vertebra that a user says it is."""

_SACRUM: Final = LEVELS.index("S1")

_WHICH: Final = "predict with --view to say which"
_AGAINST: Final[dict[View, str]] = {
    "lateral": f"said to be an AP film, but the network sees a lateral one: {_WHICH}",
    "ap": f"said to be a lateral film, but the network sees an AP one: {_WHICH}",
}
"""Why nothing is measured, by the view that the network sees."""


def assemble(
    detections: Detections,
    *,
    calibration: Calibration = UNCALIBRATED,
    anchor: Anchor | None = None,
    view: View | None = None,
) -> Landmarks:
    """Candidates of one film, in any order, to its landmarks, in the same frame of px.

    Low scores, duplicates and candidates that do not fit into the chain are left out. A level is
    named only on evidence: where S1 is seen with at least ``name_threshold``, all levels more
    probable than not; otherwise each level with at least ``name_threshold``. An ``anchor`` names
    the whole chain with probability 1. AP films have no facing.

    Raises:
        UsageError: the anchor is impossible for this chain.
    """
    landmarks = _front_removed(_assembled(detections, calibration, view), view)
    return landmarks if anchor is None else anchored(landmarks, anchor)


def _assembled(detections: Detections, calibration: Calibration, view: View | None) -> Landmarks:
    """The chain with the facing that its vertebrae vote for, whatever the ``view`` is."""
    frontal = calibration.frontal and (view or _shown(detections, calibration)) == "ap"
    chain = infer_chain(
        detections,
        score_threshold=calibration.score_threshold,
        temperatures=calibration.temperatures(frontal=bool(frontal)),
    )
    kept = detections.select(chain.indices)
    levels, probability = _names(chain, calibration.name_threshold)
    facing = _facing(kept, calibration.facing_limit)
    return Landmarks(kept.corners, kept.corner_score, levels, probability, facing, kept.covariance)


def _front_removed(landmarks: Landmarks, view: View | None) -> Landmarks:
    """Without a facing on an AP film, which has none."""
    return replace(landmarks, facing=None) if view == "ap" else landmarks


def to_landmarks(
    detections: Detections,
    *,
    ordered: bool,
    calibration: Calibration,
    view: View | None = None,
    stated: bool = False,
) -> Landmarks:
    """Candidates to landmarks the way of their codec: in the order they have, or assembled.

    Where the calibration knows what to trust, it judges them. A network that tells the views apart
    refuses a film that is said to be of the ``view`` that it does not see, unless a user ``stated``
    the view: what is to be measured depends on it.
    """
    if ordered:
        found = keep_order(detections, calibration=calibration)
    else:
        found = _assembled(detections, calibration, view)
    seen = seen_view(found, calibration)
    doubted = bool(calibration.frontal and seen and view and seen != view and not stated)
    frontal = calibration.frontal and (seen if doubted else view or seen) == "ap"
    trust = calibration.frontal if frontal else calibration.trust
    found = _front_removed(found, view)
    judged = trust.judged(found, detections) if trust else found
    if seen and doubted and not judged.refusal:
        return replace(judged, refusal=_AGAINST[seen])
    return judged


def seen_view(landmarks: Landmarks, calibration: Calibration) -> View | None:
    """The view that a prediction speaks for; None where its network cannot tell."""
    if landmarks.facing:
        return "lateral"
    return "ap" if calibration.frontal and len(landmarks) else None


def keep_order(detections: Detections, *, calibration: Calibration) -> Landmarks:
    """Detections that come superior to inferior, those under the threshold left out, unnamed."""
    seen = ~np.isnan(detections.corners).all(axis=(1, 2))
    kept = detections.select(seen & (detections.score >= calibration.score_threshold))
    facing = _facing(kept, calibration.facing_limit)
    return Landmarks(kept.corners, kept.corner_score, facing=facing, covariance=kept.covariance)


def anchored(landmarks: Landmarks, anchor: Anchor) -> Landmarks:
    """The landmarks named by counting from one vertebra that a user knows.

    ``("L5", 3)`` says that the third vertebra from the top is L5. A gap of two usual distances is
    counted as one level that was missed.

    Raises:
        UsageError: there is no such level or place, or counting runs beyond T1 or S1.
    """
    level, place = anchor
    text, count = f"anchor {level}={place}", len(landmarks)
    if level not in LEVELS:
        raise UsageError(f"{text}: unknown level {level!r}, need T1 to T12, L1 to L5 or S1")
    if not 1 <= place <= count:
        raise UsageError(f"{text}: this film has {count} vertebrae, need a place from 1 to {count}")
    steps = levels_between(Bodies.of(landmarks.points, np.ones(count)))
    depths = np.concatenate([[0], np.cumsum(steps)])
    numbers = LEVELS.index(level) + depths - depths[place - 1]
    if numbers[0] < 0 or numbers[-1] > _SACRUM:
        end = "above T1" if numbers[0] < 0 else "below S1"
        raise UsageError(f"{text}: a vertebra would lie {end}; need another level or place")
    names = tuple(LEVELS[n] for n in numbers)
    return replace(landmarks, levels=names, level_probability=np.ones(count))


def level_note(landmarks: Landmarks) -> str | None:
    """What a reader must know about the names; None where there is no vertebra."""
    if not len(landmarks):
        return None
    unnamed = landmarks.names.count(None)
    if unnamed == len(landmarks):
        return "level undetermined: too little evidence to name a vertebra"
    assumption = "numbering assumes five lumbar vertebrae"
    if unnamed:
        return f"level undetermined for {unnamed} of {len(landmarks)} vertebrae; {assumption}"
    return assumption


def has_gap(landmarks: Landmarks) -> bool:
    """Whether a vertebra between the first and the last was missed.

    So it is where two neighbours are named and a level lies between them or, where one has no
    name, where they lie as far apart as vertebrae with another one between them.
    """
    return any(missed_between(landmarks))


def missed_between(landmarks: Landmarks) -> list[bool]:
    """For each two neighbours, whether a vertebra between them was missed (``has_gap``)."""
    steps = levels_between(Bodies.of(landmarks.points, np.ones(len(landmarks))))
    numbers = [LEVELS.index(name) if name in LEVELS else None for name in landmarks.names]
    return [
        bool(step > 1) if upper is None or lower is None else lower - upper > 1
        for step, (upper, lower) in zip(steps, pairwise(numbers), strict=True)
    ]


def _names(
    chain: Chain, threshold: float
) -> tuple[tuple[str | None, ...] | None, Float64[np.ndarray, " v"]]:
    """Level names and their probabilities; None and NaN where the evidence is too thin."""
    silent = np.full(len(chain.indices), np.nan)
    if chain.levels is None:
        return None, silent
    said = chain.marginals[np.arange(len(chain.levels)), chain.levels]
    named = said >= _limit(chain.levels, said, threshold)
    if not named.any():
        return None, silent
    pairs = zip(chain.levels, named, strict=True)
    return tuple(LEVELS[n] if sure else None for n, sure in pairs), np.where(named, said, np.nan)


def _limit(
    levels: Int[np.ndarray, " v"], said: Float64[np.ndarray, " v"], threshold: float
) -> float:
    """The probability that a name needs: less where the sacrum is seen to count from."""
    sacrum_seen = bool((said[levels == _SACRUM] >= threshold).any())
    return min(threshold, 0.5) if sacrum_seen else threshold


def _shown(detections: Detections, calibration: Calibration) -> View:
    """The view that candidates speak for, before they are a chain."""
    usable = detections.select(detections.score >= calibration.score_threshold)
    return "lateral" if _facing(usable, calibration.facing_limit) else "ap"


def facing_evidence(detections: Detections) -> float:
    """The mean facing logit, weighted by score: above 0 the front is right; 0 where nothing is."""
    weight = detections.score.sum()
    return float(detections.score @ detections.facing_logit / weight) if weight > 0 else 0.0


def _facing(detections: Detections, limit: float) -> Facing | None:
    """The vote of all vertebrae; None where it is nearly a draw."""
    mean = facing_evidence(detections)
    if abs(mean) < limit:
        return None
    return "right" if mean > 0 else "left"
