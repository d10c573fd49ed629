"""How far is a prediction from an annotation: matching, radial errors and the protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from spondyl.spine.landmarks import Landmarks, reference_heights

Anchor = Literal["top", "bottom"]
"""The end of the spine from which the ordinal protocol counts."""

MISSED_COST: Final = 48.0
"""Px at 512 that a missed corner costs in ``penalised_mre``: about one vertebra."""

MIN_IOU: Final = 0.5
"""Overlap of two boxes that the matched protocol asks for (Bansal, Kubicek, Garg 2026)."""

_BORDER_SHARE: Final = 0.01  # of the long side: networks put the corners of a cut body inside


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Which prediction stands for which annotated vertebra of one film.

    ``partner`` (A,) holds the index of the predicted vertebra, -1 = missed. ``ignored`` (P,) marks
    the predictions that are neither right nor wrong, because nobody can tell ("don't care").
    """

    partner: Int64[np.ndarray, " a"]
    ignored: Bool[np.ndarray, " p"]

    @property
    def found(self) -> int:
        """Annotated vertebrae with a prediction."""
        return int((self.partner >= 0).sum())

    @property
    def missed(self) -> int:
        """Annotated vertebrae without one."""
        return len(self.partner) - self.found

    @property
    def false(self) -> int:
        """Predictions that stand for nothing and are not ignored."""
        return len(self.ignored) - self.found - int(self.ignored.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """What one protocol compares on one film.

    ``displacement`` (A, 4, 2) is predicted minus annotated in image px, NaN where one of them is
    absent. ``counted`` (A, 4) marks the annotated corners that the protocol judges.
    """

    displacement: Float64[np.ndarray, "a 4 2"]
    counted: Bool[np.ndarray, "a 4"]

    def radial(self, scale: Float64[np.ndarray, "*s"] | float = 1.0) -> Float64[np.ndarray, "a 4"]:
        """Radial errors after multiplying x, y by ``scale`` (say, mm per px).

        inf = judged and missed, which fails at every threshold; NaN = not judged.
        """
        errors = np.linalg.norm(self.displacement * scale, axis=-1)
        missed = np.where(np.isnan(errors), np.inf, errors)
        return np.where(self.counted, missed, np.nan)


def match(
    predicted: Landmarks,
    annotated: Landmarks,
    *,
    size: tuple[int, int] | None = None,
    complete_above: bool = False,
    complete_below: bool = False,
) -> Matching:
    """Matches each annotated vertebra to at most one prediction, by centre.

    Hungarian assignment: the most pairs, then the least total distance. A pair counts only within
    half the annotated vertebra's height (``reference_heights``). Centres are taken over the corners
    that both have, so that an S1 with one annotated endplate is not held against a whole one.

    A prediction left over is ignored where it lies on the unlabelled part of the spine beyond the
    first annotated vertebra (unless ``complete_above``) or the last (unless ``complete_below``), or
    where the border of the film cuts it: a corner outside or within 1 % of the long side of it.

    Args:
        predicted: image px of the same film as ``annotated``.
        annotated: superior to inferior.
        size: (height, width) of the film in px; None = its border is unknown.
        complete_above: no vertebra above the first was left unlabelled.
        complete_below: no vertebra below the last was left unlabelled.
    """
    distance = centre_distances(predicted.points, annotated.points)
    partner = assign(distance, distance <= reference_heights(annotated) / 2)
    unsure = _beyond(predicted, annotated, above=True) & (not complete_above)
    unsure |= _beyond(predicted, annotated, above=False) & (not complete_below)
    unsure |= _cut(predicted, size)
    unsure[partner[partner >= 0]] = False
    return Matching(partner, unsure)


def centre_distances(
    predicted: Float64[np.ndarray, "p 4 2"], annotated: Float64[np.ndarray, "a 4 2"]
) -> Float64[np.ndarray, "p a"]:
    """Distance between centres in px, over the corners that both have; inf where none is common."""
    shift = predicted[:, None] - annotated[None]  # (P, A, 4, 2)
    common = ~np.isnan(shift[..., 0])
    total = np.where(common[..., None], shift, 0.0).sum(axis=2)
    count = common.sum(axis=2)
    distance = np.linalg.norm(total, axis=-1) / np.maximum(count, 1)
    return np.where(count > 0, distance, np.inf)


def assign(
    cost: Float64[np.ndarray, "p a"], allowed: Bool[np.ndarray, "p a"]
) -> Int64[np.ndarray, " a"]:
    """For each column its row, -1 = none: the most allowed pairs, then the least total cost."""
    partner = np.full(cost.shape[1], -1, dtype=np.int64)
    if not allowed.any():
        return partner
    from scipy.optimize import linear_sum_assignment

    forbidden = float(cost[allowed].sum()) + 1.0  # dearer than any set of allowed pairs
    rows, columns = linear_sum_assignment(np.where(allowed, cost, forbidden))
    keep = allowed[rows, columns]
    partner[columns[keep]] = rows[keep]
    return partner


def _beyond(predicted: Landmarks, annotated: Landmarks, *, above: bool) -> Bool[np.ndarray, " p"]:
    """Whether a centre lies past the outer endplate of the end vertebra, near the spine's line."""
    if not len(annotated):
        return np.ones(len(predicted), dtype=np.bool_)
    end = 0 if above else len(annotated) - 1
    height = reference_heights(annotated)[end]
    offset = predicted.centres - annotated.centres[end]
    outward = _outward(annotated, above=above)
    along = offset @ outward
    lateral = np.abs(offset @ np.array([-outward[1], outward[0]]))
    return (along > height / 2) & (lateral <= along + height)


def _outward(annotated: Landmarks, *, above: bool) -> Float64[np.ndarray, " 2"]:
    """Unit vector along the spine, out of the first (or last) vertebra; along y where only one."""
    centres = annotated.centres if above else annotated.centres[::-1]
    step = centres[0] - centres[1] if len(centres) > 1 else np.zeros(2)
    length = float(np.linalg.norm(step))
    return step / length if length > 0 else np.array([0.0, -1.0 if above else 1.0])


def _cut(predicted: Landmarks, size: tuple[int, int] | None) -> Bool[np.ndarray, " p"]:
    if size is None or not len(predicted):
        return np.zeros(len(predicted), dtype=np.bool_)
    height, width = size
    margin = _BORDER_SHARE * max(height, width)
    far = np.array([width - 1, height - 1]) - margin
    outside = (predicted.points < margin) | (predicted.points > far)  # NaN is not outside
    return np.any(outside, axis=(1, 2))


def residuals(
    predicted: Landmarks, annotated: Landmarks, partner: Int64[np.ndarray, " a"]
) -> Residuals:
    """Every annotated corner against its partner's; a vertebra without partner is missed."""
    displacement = np.full((len(annotated), 4, 2), np.nan)
    found = partner >= 0
    displacement[found] = predicted.points[partner[found]] - annotated.points[found]
    return Residuals(displacement, ~np.isnan(annotated.points[..., 0]))


def ordinal_partner(predicted: int, annotated: int, anchor: Anchor) -> Int64[np.ndarray, " a"]:
    """The k-th of ``predicted`` vertebrae for the k-th annotated one, from the top or the bottom.

    Those that one side has more are left out, as the heat-map papers with a fixed list of
    channels do; -1 where the prediction has fewer.
    """
    index = np.arange(annotated, dtype=np.int64)
    if anchor == "bottom":
        index += predicted - annotated
    return np.where((index >= 0) & (index < predicted), index, -1)


def matched_residuals(predicted: Landmarks, annotated: Landmarks) -> Residuals:
    """Only the corners inside boxes that match at IoU >= 0.5 (Bansal, Kubicek, Garg 2026).

    A box is the bounding box of a vertebra's corners. A missed vertebra costs nothing, and one with
    fewer than three corners has no box: these figures are to be read beside the recall.
    """
    overlap = box_overlaps(_boxes(predicted), _boxes(annotated))
    partner = assign(1.0 - overlap, overlap >= MIN_IOU)
    every = residuals(predicted, annotated, partner)
    return Residuals(every.displacement, every.counted & (partner >= 0)[:, None])


def _boxes(landmarks: Landmarks) -> Float64[np.ndarray, "v 4"]:
    """x0, y0, x1, y1 of each vertebra; NaN with fewer than three corners."""
    points = landmarks.points
    enough = (~np.isnan(points[..., 0])).sum(axis=1) >= 3
    low = np.where(np.isnan(points), np.inf, points).min(axis=1, initial=np.inf)
    high = np.where(np.isnan(points), -np.inf, points).max(axis=1, initial=-np.inf)
    return np.where(enough[:, None], np.concatenate([low, high], axis=1), np.nan)


def box_overlaps(
    first: Float64[np.ndarray, "p 4"], second: Float64[np.ndarray, "a 4"]
) -> Float64[np.ndarray, "p a"]:
    """Intersection over union of boxes x0, y0, x1, y1; 0 where one is NaN or both are empty."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=-1)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=-1) for boxes in (first, second)]
    union = area[0][:, None] + area[1][None] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0)


def named_residuals(predicted: Landmarks, annotated: Landmarks) -> Residuals:
    """Each annotated vertebra with a name against the prediction of the same name.

    No prediction of that name is a miss; vertebrae annotated without a name are not judged.
    """
    index = {name: i for i, name in enumerate(predicted.names) if name is not None}
    names = annotated.names
    partner = np.array([-1 if n is None else index.get(n, -1) for n in names], dtype=np.int64)
    every = residuals(predicted, annotated, partner)
    judged = np.array([name is not None for name in names], dtype=np.bool_)
    return Residuals(every.displacement, every.counted & judged[:, None])


def summarise(
    pairs: Sequence[tuple[Landmarks, Landmarks]],
    *,
    scales: Sequence[float],
    thresholds: Sequence[float],
) -> dict[str, float]:
    """The ``all`` protocol over many films in px at 512, cheap enough for every epoch.

    ``mre`` and ``median`` are over the corners found, NaN where none was; ``sdr@T`` (%) over all
    annotated corners; ``recall`` and ``precision`` in %. Choose checkpoints by ``penalised_mre``,
    the mean in which a missed corner costs ``MISSED_COST`` px: the error of the found alone would
    reward a network that finds one easy vertebra.

    Args:
        pairs: (predicted, annotated) of each film, image px.
        scales: 512 / long side of each film.
        thresholds: in px at 512.
    """
    matchings = [match(predicted, annotated) for predicted, annotated in pairs]
    errors = [np.zeros(0)]
    for (predicted, annotated), matching, scale in zip(pairs, matchings, scales, strict=True):
        radial = residuals(predicted, annotated, matching.partner).radial(scale)
        errors.append(radial[~np.isnan(radial)])
    summary = _summary(np.concatenate(errors), thresholds)
    found = sum(m.found for m in matchings)
    summary["recall"] = _percent(found, found + sum(m.missed for m in matchings))
    summary["precision"] = _percent(found, found + sum(m.false for m in matchings))
    return summary


def charged(errors: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """Radial errors (px at 512, inf = missed) with ``MISSED_COST`` for every corner missed."""
    return np.where(np.isinf(errors), MISSED_COST, errors)


def _summary(errors: Float64[np.ndarray, " n"], thresholds: Sequence[float]) -> dict[str, float]:
    found = errors[np.isfinite(errors)]
    summary = {
        "mre": float(found.mean()) if len(found) else np.nan,
        "median": float(np.median(found)) if len(found) else np.nan,
        "penalised_mre": float(charged(errors).mean()) if len(errors) else np.nan,
    }
    for threshold in thresholds:
        within = int((errors <= threshold).sum())
        summary[f"sdr@{threshold:g}"] = _percent(within, len(errors))
    return summary


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else np.nan
