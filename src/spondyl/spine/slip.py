"""How far has a vertebra slipped on the one below, by the published definitions, and its grade?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.spine.measurement import Grading, Placed, Quantity

DEFINITION: Final = "posterior corner"
"""The definition of slip where none is asked for."""

MEYERDING: Final = Grading(
    "Meyerding grade",
    "Meyerding 1932",
    (5.0, 25.0, 50.0, 75.0, 100.0),
    ("0", "I", "II", "III", "IV", "V"),
)


def slips(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> Iterator[Quantity]:
    """The slip of each upper vertebra on its lower neighbour, as a length and in % with a grade."""
    for upper, lower in pairs:
        levels = names[upper], names[lower]

        def length(at: Placed, upper: int = upper, lower: int = lower) -> Float64[np.ndarray, "*n"]:
            return _shift(at, upper, lower)

        def share(at: Placed, upper: int = upper, lower: int = lower) -> Float64[np.ndarray, "*n"]:
            return 100.0 * _shift(at, upper, lower) / _depth(at[..., lower, 0, :, :])

        def lines(
            at: Placed, upper: int = upper, lower: int = lower
        ) -> Float64[np.ndarray, "k 2 2"]:
            return np.stack([at[lower, 0], np.stack([at[upper, 1, 0], at[lower, 0, 0]])])

        yield Quantity("slip", levels, "length", DEFINITION, (upper, lower), length, lines)
        yield Quantity("slip", levels, "share", DEFINITION, (upper, lower), share, lines, MEYERDING)


def _shift(at: Placed, upper: int, lower: int) -> Float64[np.ndarray, "*n"]:
    """How far the upper one's lower posterior corner lies in front of the lower endplate's."""
    base = at[..., lower, 0, :, :]
    along = base[..., 1, :] - base[..., 0, :]
    offset = at[..., upper, 1, 0, :] - base[..., 0, :]
    return (offset * along).sum(axis=-1) / _depth(base)


def _depth(endplate: Float64[np.ndarray, "*n 2 2"]) -> Float64[np.ndarray, "*n"]:
    return np.linalg.norm(endplate[..., 1, :] - endplate[..., 0, :], axis=-1)
