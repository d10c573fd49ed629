"""Are a film's vertebrae shaped and spaced as vertebrae are, next to their neighbours?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64

from spondyl.anatomy import CORNERS
from spondyl.checking.faults import Fault
from spondyl.checking.order import Chain
from spondyl.spine.landmarks import corner_mean
from spondyl.spine.ordering import overlap


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a vertebra may differ from up to three neighbours a side.

    In vertebral heights: ``coincide``, the distance of two corners; ``dent``, the depth of a
    concave one; ``same_centre``, the distance of two centres that are one vertebra's; ``wedge``,
    the difference of the walls; ``corner``, the distance of a corner from where the neighbours
    have theirs in their own frames, and at least ``spread`` times the neighbours' own median
    distance. Intersection over union: ``same_area`` makes two outlines one
    vertebra, ``overlap`` makes them overlap. In shares of the distance of centres: ``shifted`` and
    ``gap``, the space between facing endplates. Natural logarithms of a ratio: ``size``,
    ``height``, ``width``. In widths: ``slip``, a step sideways out and back; ``slip_alone``, one
    way only.
    """

    coincide: float = 0.08
    dent: float = 0.05
    same_centre: float = 1 / 3
    same_area: float = 0.4
    overlap: float = 0.08
    shifted: float = 0.6
    gap: float = 0.9
    size: float = 0.35
    height: float = 0.5
    width: float = 0.35
    wedge: float = 0.5
    corner: float = 0.45
    spread: float = 6.0
    slip: float = 0.3
    slip_alone: float = 0.55


LIMITS: Final = Limits()

_EDGE: Final = 1.0  # px: as near to the film's edge, a corner was cut off by it
_NARROW: Final = 2 / 3  # of a limit: as wide at least is a space at its narrow end
_REACH: Final = 3  # neighbours a side that a vertebra is compared with
_SPREAD: Final = 4.0  # robust standard deviations that a difference must have, too
_MAD: Final = 1.4826  # of a normal distribution: standard deviation / median absolute deviation


def check_shape(chain: Chain, *, limits: Limits = LIMITS) -> list[Fault]:
    """Faults in the shape and the spacing of a film's vertebrae, corners put right beforehand.

    What is certain (crossing, coinciding corners, duplicates, overlaps, gaps) blocks; differences
    from the neighbours are only ranked, and only where nothing certain was found. The sacrum has no
    body: S1, or on a lateral film without names the last vertebra, is spared those.
    """
    if not len(chain):
        return []
    view = _Column.of(chain, limits)
    certain = [*_outlines(view), *_pairs(view), *_spaces(view)]
    blamed = {fault.vertebra for fault in certain}
    shapes = [f for f in _shapes(view) if f.vertebra not in blamed]
    return [*certain, *shapes, *_slips(view, blamed)]


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """The vertebrae of a chain and their sizes in image px.

    Those ``cut`` by the film's edge have corners on it that are nobody's; duplicates are
    ``spared``.
    """

    chain: Chain
    limits: Limits
    points: Float64[np.ndarray, "v 4 2"]
    centres: Float64[np.ndarray, "v 2"]
    heights: Float64[np.ndarray, " v"]
    widths: Float64[np.ndarray, " v"]
    height: float
    cut: Bool[np.ndarray, " v"]
    spared: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, chain: Chain, limits: Limits) -> _Column:
        points = chain.points
        heights = _mean(np.linalg.norm(points[:, 2:] - points[:, :2], axis=-1))
        widths = _mean(np.linalg.norm(points[:, 1::2] - points[:, ::2], axis=-1))
        usual = _median(heights) if np.isfinite(heights).any() else 0.7 * _median(widths)
        cut = _at_the_edge(points, (chain.sample.height, chain.sample.width))
        return cls(chain, limits, points, corner_mean(points), heights, widths, usual, cut)

    def bodies(self) -> list[int]:
        """The places of the whole bodies: no sacrum, no duplicate, none cut by the film's edge."""
        whole = ~np.isnan(self.points).any(axis=(1, 2)) & ~self.cut
        last = len(self.points) - 1
        sacrum = {i for i, name in enumerate(self.chain.levels) if name in ("S1", "S2")}
        if self.chain.sample.view != "ap" and self.chain.levels[last] is None:
            sacrum.add(last)
        return [i for i in np.flatnonzero(whole).tolist() if i not in sacrum | self.spared]


def _at_the_edge(
    points: Float64[np.ndarray, "v 4 2"], size: tuple[int, int]
) -> Bool[np.ndarray, " v"]:
    """Which vertebrae have a corner where the film ends."""
    far = np.array([size[1], size[0]]) - 1 - _EDGE
    return np.any((points < _EDGE) | (points > far), axis=(1, 2))


def _outlines(view: _Column) -> Iterator[Fault]:
    for at, corners in enumerate(view.points):
        if view.cut[at]:
            continue
        pair, distance = _nearest_corners(corners)
        if distance <= view.limits.coincide * view.height:
            names = " and ".join(CORNERS[k] for k in pair)
            evidence = (
                f"{names} lie {distance:.1f} px apart, the vertebra is {view.height:.0f} high"
            )
            yield view.chain.fault("corners coincide", evidence, at)
        elif (dent := _dent(corners)) > view.limits.dent * view.height:
            evidence = f"one corner lies {dent:.1f} px inside the line of its neighbours"
            yield view.chain.fault("non-convex quadrilateral", evidence, at)


def _nearest_corners(corners: Float64[np.ndarray, "4 2"]) -> tuple[tuple[int, int], float]:
    """The two corners that are nearest to each other; infinitely far where fewer were seen."""
    distances = {
        (a, b): float(np.linalg.norm(corners[a] - corners[b])) for a, b in combinations(range(4), 2)
    }
    seen = {pair: d for pair, d in distances.items() if np.isfinite(d)}
    nearest = min(seen, key=lambda pair: seen[pair], default=(0, 1))
    return nearest, seen.get(nearest, np.inf)


def _dent(corners: Float64[np.ndarray, "4 2"]) -> float:
    """How deep the deepest corner lies within the line of its neighbours, px; below 0: outside."""
    outline = corners[[0, 1, 3, 2]]
    before, after = np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0)
    chord, spoke = after - before, outline - before
    turn = chord[:, 0] * spoke[:, 1] - chord[:, 1] * spoke[:, 0]
    length = np.maximum(np.linalg.norm(chord, axis=1), 1e-9)
    depth = turn / length
    return -np.inf if np.isnan(depth).any() else float(depth.max())


def _pairs(view: _Column) -> Iterator[Fault]:
    """Vertebrae outlined twice, and those that reach into each other."""
    limits, chain = view.limits, view.chain
    for i, j in combinations(range(len(chain)), 2):
        distance = float(np.linalg.norm(view.centres[i] - view.centres[j]))
        if distance > 2 * max(view.height, _median(view.widths)):
            continue
        shared = overlap(view.points[i], view.points[j])
        first, second = sorted((i, j), key=lambda k: int(chain.indices[k]))
        other = chain.levels[first] or f"V{first + 1}"
        if distance < limits.same_centre * view.height or shared > limits.same_area:
            view.spared.add(second)
            same = _are_equal(view.points[i], view.points[j], 0.01 * view.height)
            evidence = f"centre {distance:.1f} px from that of {other}, overlap {shared:.2f}"
            yield chain.fault(
                "duplicate vertebra", evidence, second, repair="leave it out" if same else None
            )
        elif shared > limits.overlap:
            evidence = f"overlaps {other} by {shared:.2f} (intersection over union)"
            yield chain.fault(
                "overlapping vertebrae", evidence, second, size=shared / limits.overlap
            )


def _are_equal(
    a: Float64[np.ndarray, "4 2"], b: Float64[np.ndarray, "4 2"], tolerance: float
) -> bool:
    return bool(np.allclose(a, b, rtol=0, atol=tolerance, equal_nan=True))


def _spaces(view: _Column) -> Iterator[Fault]:
    """Spaces between facing endplates that are too wide for a disc, at both of their ends."""
    kept = [k for k in range(len(view.chain)) if k not in view.spared]
    if len(kept) < 3:
        return
    spaces, narrowest = _between(view.points[kept])
    steps = np.linalg.norm(np.diff(view.centres[kept], axis=0), axis=1)
    sacrum = None if view.chain.sample.view == "ap" else len(view.chain) - 1
    for k, (space, narrow) in enumerate(zip(spaces, narrowest, strict=True)):
        pitch, at = _pitch(steps, k), kept[k + 1]
        left_out = space > view.limits.gap * pitch
        limit = view.limits.gap if left_out or at == sacrum else view.limits.shifted
        if not (space > limit * pitch and narrow > _NARROW * limit * pitch):
            continue
        above = view.chain.levels[kept[k]] or f"V{kept[k] + 1}"
        evidence = (
            f"{space:.0f} px to the endplate of {above}, vertebrae follow every {pitch:.0f} px: "
            + ("room for a vertebra" if left_out else "more than a disc")
        )
        kind = "gap" if left_out else "endplates shifted"
        yield view.chain.fault(kind, evidence, at, size=space / pitch)


def _between(
    points: Float64[np.ndarray, "v 4 2"],
) -> tuple[Float64[np.ndarray, " w"], Float64[np.ndarray, " w"]]:
    """The distance of facing endplates, in the middle and at their nearer ends, px."""
    across = points[:, 1::2] - points[:, ::2]
    level = _unit(_unit(across[:-1, 1]) + _unit(across[1:, 0]))
    ends = ((points[1:, :2] - points[:-1, 2:]) * (level[:, None, ::-1] * [-1, 1])).sum(axis=-1)
    return ends.mean(axis=1), ends.min(axis=1)


def _pitch(steps: Float64[np.ndarray, " n"], k: int) -> float:
    """The usual distance of centres around step ``k``."""
    return _median(steps[max(0, k - _REACH) : k + _REACH + 1])


def _shapes(view: _Column) -> Iterator[Fault]:
    """The one difference from its neighbours that is largest for its limit, for each body."""
    bodies = view.bodies()
    if len(bodies) < 4:
        return
    forms = np.array([_form(view.points[k]) for k in bodies])
    measures = np.array([_measures(view.points[k]) for k in bodies])
    for n, at in enumerate(bodies):
        others = _neighbours(len(bodies), n)
        excess = _Excess.of(measures[n], measures[others], view.limits)
        misplaced = _misplaced(forms[n], forms[others], view.limits)
        found = max(excess, misplaced, key=lambda each: each.share)
        if found.share > 1:
            yield view.chain.fault(found.kind, found.evidence, at, size=found.share)


def _neighbours(count: int, n: int) -> list[int]:
    """The nearest others: up to three a side, and as many more on the other side at an end."""
    order = sorted((k for k in range(count) if k != n), key=lambda k: (abs(k - n), k))
    return order[: 2 * _REACH]


@dataclass(frozen=True, slots=True)
class _Excess:
    """A difference: its kind, what was measured in words, and its share of what is allowed."""

    kind: str
    evidence: str
    share: float

    @classmethod
    def of(
        cls,
        own: Float64[np.ndarray, " 4"],
        others: Float64[np.ndarray, "n 4"],
        limits: Limits,
    ) -> _Excess:
        usual = np.median(others, axis=0)
        spread = _SPREAD * _MAD * np.median(np.abs(others - usual), axis=0)
        allowed = np.maximum([limits.size, limits.height, limits.width, limits.wedge], spread)
        differences = own - usual
        shares = np.abs(differences) / allowed
        which = int(shares.argmax())
        kind = ("size", "height", "size", "wedge")[which]
        what = ("size", "height", "width", "walls")[which]
        told = (
            f"walls differ by {own[3]:+.2f} of the height, neighbours' by {usual[3]:+.2f}"
            if which == 3
            else f"{what} is {np.exp(differences[which]):.2f} of its neighbours'"
        )
        return cls(f"implausible {kind}", told, float(shares[which]))


def _measures(corners: Float64[np.ndarray, "4 2"]) -> Float64[np.ndarray, " 4"]:
    """Logarithms of size, height and width; difference of the left and right wall in heights."""
    walls = np.linalg.norm(corners[2:] - corners[:2], axis=1)
    plates = np.linalg.norm(corners[1::2] - corners[::2], axis=1)
    height, width = max(walls.mean(), 1e-9), max(plates.mean(), 1e-9)
    size = np.log(height * width) / 2
    return np.array([size, np.log(height), np.log(width), (walls[0] - walls[1]) / height])


def _form(corners: Float64[np.ndarray, "4 2"]) -> Float64[np.ndarray, "4 2"]:
    """The corners from the centre, turned so that the body's endplates lie level, px."""
    across = (corners[1::2] - corners[::2]).sum(axis=0)
    x, y = across / max(float(np.linalg.norm(across)), 1e-9)
    return (corners - corners.mean(axis=0)) @ np.array([[x, -y], [y, x]])


def _misplaced(
    own: Float64[np.ndarray, "4 2"], others: Float64[np.ndarray, "n 4 2"], limits: Limits
) -> _Excess:
    """The corner that lies furthest from where the neighbours have theirs."""
    usual = np.median(others, axis=0)
    height = max(float(np.abs(usual[2:] - usual[:2])[:, 1].mean()), 1e-9)
    distances = np.linalg.norm(own - usual, axis=1) * 4 / 3 / height  # it moves its centre, too
    spread = np.median(np.linalg.norm(others - usual, axis=2)) * 4 / 3 / height
    which = int(distances.argmax())
    told = f"{CORNERS[which]} lies {distances[which]:.2f} heights from where its neighbours have it"
    allowed = max(limits.corner, limits.spread * float(spread))
    return _Excess("corner out of place", told, float(distances[which]) / allowed)


def _slips(view: _Column, blamed: set[int | None]) -> Iterator[Fault]:
    """Steps sideways from one vertebra to the next: out and back, or one that is very large."""
    points = view.points
    across = points[:, 1::2] - points[:, ::2]
    middles = points[1:, :2].mean(axis=1) - points[:-1, 2:].mean(axis=1)
    facing = _unit(across[1:, 0] + across[:-1, 1])
    steps = (middles * facing).sum(axis=1) / np.maximum(_local(view.widths), 1e-9)
    steps = steps - _usual_step(steps)
    for k, step in enumerate(steps):
        back = steps[k + 1] if k + 1 < len(steps) else np.nan
        returned = -back if step > 0 else back
        evidence = f"steps {step:+.2f} widths sideways from the vertebra above"
        if blamed & {k + 1, k + 2}:
            continue
        if min(abs(step), abs(returned)) > view.limits.slip and step * back < 0:
            told = f"{evidence} and {back:+.2f} back below"
            yield view.chain.fault(
                "implausible slip", told, k + 1, size=abs(step) / view.limits.slip
            )
        elif abs(step) > view.limits.slip_alone:
            share = abs(step) / view.limits.slip_alone
            yield view.chain.fault("implausible slip", evidence, k + 1, size=share)


def _usual_step(steps: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The median step of the film, which a curve or an oblique film gives every vertebra."""
    known = steps[~np.isnan(steps)]
    return np.full(len(steps), np.median(known) if len(known) > 3 else 0.0)


def _local(sizes: Float64[np.ndarray, " v"]) -> Float64[np.ndarray, " w"]:
    return (sizes[1:] + sizes[:-1]) / 2


def _mean(values: Float64[np.ndarray, "v 2"]) -> Float64[np.ndarray, " v"]:
    """The mean of what was seen; NaN where nothing was."""
    seen: Bool[np.ndarray, "v 2"] = ~np.isnan(values)
    total = np.where(seen, values, 0.0).sum(axis=1)
    return np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)


def _median(values: Float64[np.ndarray, " n"]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def _unit(vectors: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
