"""Are a film's vertebrae and corners listed and named in the order of the spine?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from spondyl.anatomy import CORNERS
from spondyl.checking.faults import Fault
from spondyl.data.ordering import CANONICAL, Canonical, canonical
from spondyl.data.sample import Sample

Permutation = tuple[int, ...]
"""For SL, SR, IL, IR in turn, the place in the list of the corner that belongs there."""

ALL_LEVELS: Final = (
    "C7", *(f"T{n}" for n in range(1, 14)), *(f"L{n}" for n in range(1, 7)), "S1", "S2",
)  # fmt: skip
"""Every name that a vertebra may have, superior to inferior."""

_VARIANTS: Final = frozenset({"T13", "L6"})
_LEFT_OUT: Final = {("T12", "L2"): "L1", ("L4", "S1"): "L5"}  # four lumbar vertebrae
_KINDS: Final[dict[Permutation, tuple[str, str]]] = {
    (1, 0, 3, 2): ("corners mirrored", "left and right are exchanged"),
    (0, 2, 1, 3): ("corners mirrored", "SR and IL are exchanged"),
    (3, 1, 2, 0): ("corners mirrored", "SL and IR are exchanged"),
    (2, 3, 0, 1): ("upside down", "superior and inferior are exchanged"),
    (3, 2, 1, 0): ("upside down", "the corners are turned by half a turn"),
    (1, 3, 0, 2): ("corners rotated", "the corners are turned by a quarter turn"),
    (2, 0, 3, 1): ("corners rotated", "the corners are turned by a quarter turn"),
}
_QUARTERS: Final = ((1, 3, 0, 2), (2, 0, 3, 1))
_STANDS: Final = 0.6  # how much nearer the endplate above is to the endplate that it stands on
_PERMUTATIONS: Final[tuple[Permutation, ...]] = (CANONICAL, *_KINDS, *permutations(range(4)))
"""The likely ones first: where corners were not seen, several give the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A film's vertebrae along the spine, superior first: as listed, and as they should be.

    ``listed`` and ``points`` (V, 4, 2) are image px with the corners SL, SR, IL, IR, before and
    after putting right; ``indices`` (V,) is the place of each vertebra in the source's list.
    ``permutations`` say which listed corner belongs where, ``usual`` is that of most vertebrae.
    ``boxes`` (V, 4) are x1, y1, x2, y2, NaN = none; ``levels`` are the names to show.
    """

    sample: Sample
    listed: Float64[np.ndarray, "v 4 2"]
    points: Float64[np.ndarray, "v 4 2"]
    boxes: Float64[np.ndarray, "v 4"]
    levels: tuple[str | None, ...]
    indices: Int[np.ndarray, " v"]
    permutations: tuple[Permutation, ...]
    usual: Permutation
    order_stated: bool

    @classmethod
    def of(cls, sample: Sample) -> Chain:
        """The chain of a sample, as its source listed it before a reader put it in order."""
        source = sample.listed
        points = sample.landmarks.points if source is None else source.points
        stated = source is None or source.order_stated
        found = canonical(points, order=CANONICAL if stated else None)
        listed = np.asarray(points)[found.indices]
        right = _with_last_turned(found.points)
        own = tuple(_permutation(a, b) for a, b in zip(listed, right, strict=True))
        boxes = np.full((len(points), 4), np.nan) if source is None else source.boxes
        return cls(
            sample, listed, right, boxes[found.indices], _names(sample, found),
            found.indices, own, Counter(own).most_common(1)[0][0] if own else CANONICAL, stated,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.points)

    def fault(
        self, kind: str, evidence: str, at: int, *, repair: str | None = None, size: float = 1.0
    ) -> Fault:
        """A fault of the vertebra at place ``at``, 0 at the top."""
        level, key = self.levels[at], self.sample.key
        return Fault(kind, key, evidence, at + 1, level, repair, size=round(size, 3))


def check_order(chain: Chain) -> list[Fault]:
    """Faults in the order of the corners and the vertebrae, and in the names of the levels."""
    return [*_film_order(chain), *_corner_orders(chain), *_list_order(chain), *_level_names(chain)]


def described(permutation: Permutation) -> tuple[str, str]:
    """The kind of fault of a vertebra whose corners have to be exchanged so, and how, in words."""
    crossed = f"listed as {', '.join(_listing(permutation))}, the outline crosses itself"
    return _KINDS.get(permutation, ("crossed quadrilateral", crossed))


def _listing(permutation: Permutation) -> list[str]:
    """What each corner of the list really is."""
    return [CORNERS[permutation.index(place)] for place in range(4)]


def _with_last_turned(points: Float64[np.ndarray, "v 4 2"]) -> Float64[np.ndarray, "v 4 2"]:
    """The last vertebra turned by a quarter where a wall lies over the endplate above it.

    The sacrum may be so steep against the chain that its direction does not tell; but its superior
    endplate is what the vertebra above stands on, and more nearly parallel to it.
    """
    if len(points) < 2:
        return points
    above = points[-2, 2:]
    turned = points[-1][np.array([CANONICAL, *_QUARTERS])]
    away = np.linalg.norm(turned[:, :2].mean(axis=1) - above.mean(axis=0), axis=1)
    plates = turned[:, 1] - turned[:, 0]
    parallel = plates @ (above[1] - above[0]) / np.maximum(np.linalg.norm(plates, axis=1), 1e-9)
    best = int(np.where(parallel >= parallel[0], away, np.inf).argmin())
    if np.isnan(away).any() or away[best] > _STANDS * away[0]:
        return points
    return np.concatenate([points[:-1], turned[best][None]])


def _permutation(
    listed: Float64[np.ndarray, "4 2"], right: Float64[np.ndarray, "4 2"]
) -> Permutation:
    """Which listed corner belongs where."""
    return next(
        each for each in _PERMUTATIONS if np.array_equal(listed[list(each)], right, equal_nan=True)
    )


def _names(sample: Sample, found: Canonical) -> tuple[str | None, ...]:
    """The names as the source lists them, else as the sample has them."""
    source = sample.listed
    if source is not None and any(source.levels):
        return tuple(source.levels[k] for k in found.indices)
    names = sample.landmarks.names
    if source is None:
        return tuple(names[k] for k in found.indices)
    return names if len(names) == len(found.indices) else (None,) * len(found.indices)


def _film_order(chain: Chain) -> Iterator[Fault]:
    if not chain.order_stated or chain.usual == CANONICAL or len(chain) < 2:
        return
    kind, how = described(chain.usual)
    what = {"corners mirrored": "mirrored", "corners rotated": "rotated"}.get(kind, "permuted")
    count = chain.permutations.count(chain.usual)
    order = ", ".join(_listing(chain.usual))
    evidence = f"{what} in {count} of {len(chain)} vertebrae: {how}; listed as {order}"
    repair = f"read the corners as {order}"
    yield Fault("corner order", chain.sample.key, evidence, repair=repair)


def _corner_orders(chain: Chain) -> Iterator[Fault]:
    """Vertebrae whose corners are in another order than those of most others."""
    for at, own in enumerate(chain.permutations):
        if own == chain.usual:
            continue
        kind, how = described(own)
        if own == CANONICAL:
            kind, how = "corners mirrored", "the corners are in another order than in most others"
        repair = f"read the corners as {', '.join(_listing(own))}"
        yield chain.fault(kind, how, at, repair=repair)


def _list_order(chain: Chain) -> Iterator[Fault]:
    places = chain.indices + 1
    if len(places) < 2 or (np.diff(places) > 0).all():
        return
    reverse = bool((np.diff(places) < 0).all())
    shown = " ".join(map(str, places))
    evidence = f"from the top the list's places are {shown}"
    kind = "list reversed" if reverse else "out of order"
    moved = _first_moved(places)
    repair = "list from top to bottom"
    if reverse:
        yield Fault(kind, chain.sample.key, evidence, repair=repair)
    else:
        yield chain.fault(kind, evidence, moved, repair=repair)


def _first_moved(places: Int[np.ndarray, " v"]) -> int:
    """The vertebra that lies furthest from its place in the list."""
    return int(np.abs(places - np.arange(1, len(places) + 1)).argmax())


def _level_names(chain: Chain) -> Iterator[Fault]:
    if chain.sample.listed is not None and not any(chain.sample.listed.levels):
        return  # named by their place, not by an annotator
    named = [(at, name) for at, name in enumerate(chain.levels) if name is not None]
    for (above, upper), (below, lower) in pairwise(named):
        yield from _step(chain, (above, upper), (below, lower))
    for at, name in named:
        if name in _VARIANTS:
            yield chain.fault("level variant", f"{name} is named: not five lumbar vertebrae", at)


def _step(chain: Chain, above: tuple[int, str], below: tuple[int, str]) -> Iterator[Fault]:
    """One step from a named vertebra to the next one."""
    upper, lower = above[1], below[1]
    vertebrae = below[0] - above[0]
    passed = _passed(upper, lower)
    if (upper, lower) in _LEFT_OUT and vertebrae == 1:
        evidence = f"{lower} follows {upper}: {_LEFT_OUT[upper, lower]} is left out"
        yield chain.fault("level variant", evidence, below[0])
    elif passed is None:
        evidence = f"{lower} lies below {upper}, need a lower level"
        yield chain.fault("level names", evidence, below[0])
    elif vertebrae not in passed:
        evidence = f"{lower} follows {upper}: {_missing(upper, lower, vertebrae)}"
        yield chain.fault("level names", evidence, below[0], repair="name the levels one by one")


def _passed(upper: str, lower: str) -> Sequence[int] | None:
    """How many vertebrae further down ``lower`` may lie; None where it lies above."""
    first, last = ALL_LEVELS.index(upper), ALL_LEVELS.index(lower)
    if last <= first:
        return None
    optional = sum(name in _VARIANTS for name in ALL_LEVELS[first + 1 : last])
    return range(last - first - optional, last - first + 1)


def _missing(upper: str, lower: str, vertebrae: int) -> str:
    between = ALL_LEVELS[ALL_LEVELS.index(upper) + 1 : ALL_LEVELS.index(lower)]
    names = [name for name in between if name not in _VARIANTS]
    if vertebrae == 1:
        return f"{', '.join(names)} left out"
    return f"{vertebrae - 1} vertebrae between them, need {len(names)}"
