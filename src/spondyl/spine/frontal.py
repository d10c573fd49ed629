"""How far has a vertebra moved sideways on the one below, on an AP film?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spondyl.spine.measurement import Quantity


def listheses(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> Iterator[Quantity]:
    """The lateral listhesis of each upper vertebra on its lower neighbour."""
    yield from ()
