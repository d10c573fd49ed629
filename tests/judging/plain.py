"""Judging once more in plain Python, without arrays: slow, obvious, and written from the words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import permutations

from spondyl.data.sample import Sample
from spondyl.spine.landmarks import Landmarks

Point = tuple[float, float]
Body = list[Point | None]


def bodies(landmarks: Landmarks) -> list[Body]:
    """The corners of each vertebra; None where one was not seen."""
    return [[None if p[0] != p[0] else (p[0], p[1]) for p in v] for v in landmarks.points.tolist()]


def height(body: Body) -> float:
    """Mean of both walls; every corner must be there."""
    sl, sr, il, ir = body
    return (math.dist(sl, il) + math.dist(sr, ir)) / 2


def apart(first: Body, second: Body) -> float:
    """Distance between the centres of the corners that both have."""
    common = [(p, q) for p, q in zip(first, second, strict=True) if p and q]
    if not common:
        return math.inf
    dx = sum(p[0] - q[0] for p, q in common) / len(common)
    dy = sum(p[1] - q[1] for p, q in common) / len(common)
    return math.hypot(dx, dy)


def partners(predicted: Sequence[Body], annotated: Sequence[Body]) -> list[int | None]:
    """The best of all ways to pair: the most pairs, then the least distance; tries every one."""
    places = [*range(len(predicted)), *[None] * len(annotated)]
    best: tuple[tuple[int, float], tuple[int | None, ...]] = ((0, 0.0), (None,) * len(annotated))
    for way in set(permutations(places, len(annotated))):
        used = [(apart(predicted[p], a), height(a)) for p, a in zip(way, annotated, strict=True)
                if p is not None]  # fmt: skip
        if all(far <= tall / 2 for far, tall in used):
            best = min(best, ((-len(used), sum(far for far, _ in used)), way), key=lambda b: b[0])
    return list(best[1])


def ordinal(predicted: Sequence[Body], annotated: Sequence[Body]) -> list[int | None]:
    """The k-th for the k-th, from the top."""
    return [k if k < len(predicted) else None for k in range(len(annotated))]


def named(predicted: Landmarks, annotated: Landmarks) -> list[int | None]:
    """The prediction of the same name."""
    return [predicted.names.index(n) if n in predicted.names else None for n in annotated.names]


def errors(prediction: Sample, annotation: Sample, protocol: str) -> list[tuple[float, float]]:
    """Radial error (px at 512; inf = missed) and image px a height, of every annotated corner."""
    given, known = bodies(prediction.landmarks), bodies(annotation.landmarks)
    choose = {
        "all": lambda: partners(given, known),
        "ordinal": lambda: ordinal(given, known),
        "named": lambda: named(prediction.landmarks, annotation.landmarks),
    }
    scale = 512 / max(annotation.height, annotation.width)
    pairs = zip(choose[protocol](), known, strict=True)
    return [row for partner, body in pairs for row in _corners(given, partner, body, scale)]


def _corners(
    given: Sequence[Body], partner: int | None, body: Body, scale: float
) -> Iterator[tuple[float, float]]:
    for corner, goal in enumerate(body):
        if goal is None:
            continue
        point = None if partner is None else given[partner][corner]
        error = math.inf if point is None else scale * math.dist(point, goal)
        yield error, scale * height(body)


def kind(predicted: Body | None, corner: int, annotated: Sequence[Body], own: int) -> str:
    """The class of error of one annotated corner, in the words of the taxonomy."""
    goal, tall = annotated[own][corner], height(annotated[own])
    point = None if predicted is None else predicted[corner]
    if point is None:
        return "missed"
    if (error := math.dist(point, goal)) < tall / 4:
        return "fine"
    others = [
        (math.dist(point, p), k, c)
        for k, body in enumerate(annotated)
        for c, p in enumerate(body)
        if p is not None and (k, c) != (own, corner)
    ]
    near, k, c = min(others)
    if near < tall / 4:
        return "corner swap" if k == own else "level shift" if c == corner else "both"
    return "coarse" if error < tall / 2 else "far"
