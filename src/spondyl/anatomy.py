"""Which words name a spine: its levels, the corners of a vertebra, the sides of a film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Facing = Literal["left", "right"]
"""The side of the image that is anterior on a lateral film."""

View = Literal["lateral", "ap"]

LEVELS: Final[tuple[str, ...]] = (
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    "S1",
)
"""The numbered levels, superior to inferior, in a spine with five lumbar vertebrae."""

VARIANT_LEVELS: Final[tuple[str, ...]] = ("C7", "T13", "L6", "S2")
"""Names an annotator may use that lie outside the numbering; kept, never learnt."""

CORNERS: Final[tuple[str, ...]] = ("SL", "SR", "IL", "IR")
"""Superior / inferior endplate x left / right end, as seen in the image along the spine."""

SL, SR, IL, IR = range(4)

MIRRORED_CORNERS: Final[tuple[int, ...]] = (SR, SL, IR, IL)
"""The corner that each corner becomes when the film is mirrored left to right."""


def is_level(name: str) -> bool:
    """Whether ``name`` is a level that an annotation may carry."""
    return name in LEVELS or name in VARIANT_LEVELS


def counts_five_lumbar(names: Sequence[str | None]) -> bool:
    """Whether the named vertebrae, superior to inferior, are numbered without a gap or an extra.

    False where L6 or T13 is named, or where L1 is left out between T12 and L2: such a spine has
    not five lumbar vertebrae, and counting from the sacrum names it otherwise than its annotator.
    Vertebrae without a name keep their place.
    """
    if any(name in VARIANT_LEVELS for name in names):
        return False
    starts = {LEVELS.index(name) - place for place, name in enumerate(names) if name is not None}
    return len(starts) <= 1


def opposite(facing: Facing) -> Facing:
    """The other side of the film."""
    return "right" if facing == "left" else "left"
