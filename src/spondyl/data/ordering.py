"""Which vertebra comes first and which corner is which, whatever a source's habit was?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int

from spondyl.anatomy import CORNERS
from spondyl.spine.landmarks import corner_mean

CornerOrder = tuple[int, int, int, int]
"""For SL, SR, IL, IR in turn, the place of that corner in the source's list."""

CANONICAL: Final[CornerOrder] = (0, 1, 2, 3)

_ALL_ORDERS: Final = tuple(permutations(range(4)))
_DETOUR: Final = 0.5  # steps: how much longer than the shortest path a list in order may be
_LEVEL_CHAIN: Final = 0.2  # sine: a chain flatter than this does not show where the head is
_TILT: Final = 0.5  # cosine: a body further from the chain than 60 deg has its corners rotated
_LAST_TILT: Final = 0.17  # the sacrum may be tilted by up to 80 deg against the chain


@dataclass(frozen=True, slots=True, eq=False)
class Canonical:
    """Vertebrae from superior to inferior, with the corners SL, SR, IL, IR.

    ``points`` (V, 4, 2) image px, NaN = not seen; ``indices`` (V,) the place of each one in the
    source's list; ``notes`` V reasons why the corners are not those of the source, None = they
    are. ``reversed_list`` / ``reordered_list``: the source began at the sacrum / had no order.
    ``contradicted``: most vertebrae were at odds with the source's corner order.
    """

    points: Float64[np.ndarray, "v 4 2"]
    indices: Int[np.ndarray, " v"]
    notes: tuple[str | None, ...]
    reversed_list: bool
    reordered_list: bool
    contradicted: bool

    @property
    def flags(self) -> frozenset[str]:
        """What was unusual, as flags of a sample."""
        states = {
            "corners repaired": any(note is not None for note in self.notes),
            "list reversed": self.reversed_list,
            "list reordered": self.reordered_list,
            "corner order contradicted": self.contradicted,
        }
        return frozenset(name for name, holds in states.items() if holds)


def corner_order(*listed: str) -> CornerOrder:
    """The order of a source that lists its corners as ``listed``, such as IL, IR, SL, SR."""
    sl, sr, il, ir = (listed.index(name) for name in CORNERS)
    return sl, sr, il, ir


def canonical(quads: Float64[np.ndarray, "v 4 2"], *, order: CornerOrder | None) -> Canonical:
    """Sorts vertebrae along the spine and names their corners by the direction of the chain.

    ``quads`` is in image px and in the source's order, NaN = not seen; ``order`` is the source's
    corner order, None = unknown. The list is put along the shortest path through the centres, with
    the head up as on any film. The source's corner order is kept for a vertebra that it
    makes an uncrossed quadrilateral pointing down the chain; where most contradict it, or none is
    known, the order that fits the whole film best is taken instead, so that a steep sacrum follows
    the other vertebrae. What still contradicts is put in cyclic order around its centroid, and
    the rotation nearest to the chain is taken. A vertebra with missing corners keeps its names
    unless its ends are exchanged.
    """
    quads = np.asarray(quads, dtype=np.float64).reshape(-1, 4, 2)
    indices = along_chain(corner_mean(quads))
    listed, steps = np.arange(len(quads)), quads[indices]
    axes = _chain_axes(corner_mean(steps))
    chosen, contradicted = _choose_order(steps, axes, order)
    points = steps[:, chosen]
    notes = [_settle(points, i, axes[i], last=i == len(points) - 1) for i in range(len(points))]
    reversed_list = len(quads) > 1 and bool((indices == listed[::-1]).all())
    reordered = not reversed_list and bool((indices != listed).any())
    return Canonical(points, indices, tuple(notes), reversed_list, reordered, contradicted)


def along_chain(centres: Float64[np.ndarray, "v 2"]) -> Int[np.ndarray, " v"]:
    """Indices of ``centres`` along the spine, superior first.

    The given order, or its reverse, is kept where its path is at most half a step longer than the
    shortest one. Superior is the end nearer to the top of the film; in a chain that lies level,
    the end listed first.
    """
    indices = np.arange(len(centres))
    if len(centres) < 2:
        return indices
    shortest = _shortest_path(centres)
    step = float(np.median(_steps(centres[shortest])))
    if _steps(centres).sum() > _steps(centres[shortest]).sum() + _DETOUR * step:
        indices = shortest
    chord = centres[indices[-1]] - centres[indices[0]]
    if abs(chord[1]) < _LEVEL_CHAIN * np.linalg.norm(chord):
        return indices if indices[0] < indices[-1] else indices[::-1]
    return indices if chord[1] > 0 else indices[::-1]


def _shortest_path(centres: Float64[np.ndarray, "v 2"]) -> Int[np.ndarray, " v"]:
    """The shortest of the paths that go to the nearest centre left, from each start."""
    distances = np.linalg.norm(centres[None] - centres[:, None], axis=-1)
    paths = [_nearest_path(distances, start) for start in range(len(centres))]
    return min(paths, key=lambda path: float(_steps(centres[path]).sum()))


def _nearest_path(distances: Float64[np.ndarray, "v v"], start: int) -> Int[np.ndarray, " v"]:
    left = distances.copy()
    path = [start]
    while len(path) < len(left):
        left[:, path[-1]] = np.inf
        path.append(int(left[path[-1]].argmin()))
    return np.array(path)


def _steps(centres: Float64[np.ndarray, "v 2"]) -> Float64[np.ndarray, " w"]:
    return np.linalg.norm(np.diff(centres, axis=0), axis=1)


def _chain_axes(centres: Float64[np.ndarray, "v 2"]) -> Float64[np.ndarray, "v 2"]:
    """Directions of length 1 down the spine; straight down where there is one vertebra.

    They run from neighbour to neighbour, or one further where a body is outlined twice.
    """
    if len(centres) < 2:
        return np.tile([0.0, 1.0], (len(centres), 1))
    near, far = _chords(centres, 1), _chords(centres, 2)
    short = np.linalg.norm(near, axis=1) < _DETOUR * np.median(_steps(centres))
    return _unit(np.where(short[:, None], far, near))


def _chords(centres: Float64[np.ndarray, "v 2"], reach: int) -> Float64[np.ndarray, "v 2"]:
    """From ``reach`` vertebrae above to as many below, as far as the chain goes."""
    places = np.arange(len(centres))
    below = np.minimum(places + reach, len(centres) - 1)
    return centres[below] - centres[np.maximum(places - reach, 0)]


def _choose_order(
    quads: Float64[np.ndarray, "v 4 2"],
    axes: Float64[np.ndarray, "v 2"],
    order: CornerOrder | None,
) -> tuple[list[int], bool]:
    """The corner order for the whole film, and whether it is another than the source's."""
    whole = ~np.isnan(quads).any(axis=(1, 2))
    if order is not None and 2 * _fits(quads[:, order], axes)[whole].sum() >= whole.sum():
        return list(order), False
    fits = [float(_fit(quads[whole][:, each], axes[whole]).sum()) for each in _ALL_ORDERS]
    best = _ALL_ORDERS[int(np.argmax(fits))]
    return list(best), order is not None and best != tuple(order)


def _fit(
    points: Float64[np.ndarray, "v 4 2"], axes: Float64[np.ndarray, "v 2"]
) -> Float64[np.ndarray, " v"]:
    """How well corners agree with the chain, -4 to 4: cosines of both walls and both endplates."""
    walls = _unit(points[:, 2:] - points[:, :2])
    endplates = _unit(points[:, 1::2] - points[:, ::2])
    down = (walls * axes[:, None]).sum(axis=(1, 2))
    return down + (endplates * _rightwards(axes)[:, None]).sum(axis=(1, 2))


def _fits(
    points: Float64[np.ndarray, "v 4 2"], axes: Float64[np.ndarray, "v 2"]
) -> Bool[np.ndarray, " v"]:
    """Which vertebrae are uncrossed and point down the chain."""
    limits = np.full(len(points), _TILT)
    limits[-1:] = _LAST_TILT
    down = (_unit(points[:, 2:].sum(axis=1) - points[:, :2].sum(axis=1)) * axes).sum(axis=1)
    return _uncrossed(points) & (down > limits)


def _uncrossed(points: Float64[np.ndarray, "v 4 2"]) -> Bool[np.ndarray, " v"]:
    """Whether SL, SR, IR, IL runs once around the body, clockwise as seen on the film.

    Such an outline turns left at no more than one of its corners; a crossed one at two, an
    anticlockwise one at three or four.
    """
    outline = points[:, [0, 1, 3, 2]]
    before = outline - np.roll(outline, 1, axis=1)
    after = np.roll(before, -1, axis=1)
    turns = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    return (turns < 0).sum(axis=1) <= 1


def _settle(
    points: Float64[np.ndarray, "v 4 2"], i: int, axis: Float64[np.ndarray, " 2"], *, last: bool
) -> str | None:
    """Repairs vertebra ``i`` in place where it contradicts the chain; says why."""
    if np.isnan(points[i]).any():
        return _settle_partial(points, i, axis)
    limit = _LAST_TILT if last else _TILT
    down = _unit(points[i, 2:].sum(axis=0) - points[i, :2].sum(axis=0)) @ axis
    crossed = not _uncrossed(points[i : i + 1])[0]
    if not crossed and down > limit:
        return None
    repaired = _nearest_rotation(points[i], axis)
    if (repaired == points[i]).all():
        return None
    points[i] = repaired
    return "corners were crossed or mirrored" if crossed else "corners did not point down the spine"


def _nearest_rotation(
    corners: Float64[np.ndarray, "4 2"], axis: Float64[np.ndarray, " 2"]
) -> Float64[np.ndarray, "4 2"]:
    """The corners in cyclic order, started where they agree with the chain best."""
    spokes = corners - corners.mean(axis=0)
    cycle = corners[np.argsort(np.arctan2(spokes[:, 1], spokes[:, 0]), kind="stable")]
    starts = np.stack([np.roll(cycle, -k, axis=0)[[0, 1, 3, 2]] for k in range(4)])
    return starts[int(_fit(starts, np.tile(axis, (4, 1))).argmax())]


def _settle_partial(
    points: Float64[np.ndarray, "v 4 2"], i: int, axis: Float64[np.ndarray, " 2"]
) -> str | None:
    """Exchanges left and right, or superior and inferior, where what was seen says so."""
    swaps: list[str] = []
    if np.nansum((points[i, 1::2] - points[i, ::2]) @ _rightwards(axis)) < 0:
        points[i] = points[i, [1, 0, 3, 2]]
        swaps.append("left and right were exchanged")
    if np.nansum((points[i, 2:] - points[i, :2]) @ axis) < 0:
        points[i] = points[i, [2, 3, 0, 1]]
        swaps.append("superior and inferior were exchanged")
    return ", ".join(swaps) or None


def _rightwards(axes: Float64[np.ndarray, "*v 2"]) -> Float64[np.ndarray, "*v 2"]:
    """The side that is right on the film when the spine points down."""
    return axes[..., ::-1] * np.array([1.0, -1.0])


def _unit(vectors: Float64[np.ndarray, "*v 2"]) -> Float64[np.ndarray, "*v 2"]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
