"""How high are discs and vertebrae, and how deep: lengths, ratios, wedges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spondyl.spine.measurement import Quantity


def discs(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> Iterator[Quantity]:
    """Anterior, posterior and mean height of each disc between two neighbours."""
    yield from ()


def bodies(names: Sequence[str]) -> Iterator[Quantity]:
    """Heights, endplates and wedge of each vertebra."""
    yield from ()
