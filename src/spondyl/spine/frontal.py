"""How far has a vertebra moved sideways on the one below, on an AP film?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.spine.measurement import Placed, Quantity
from spondyl.spine.placing import along, direction, length, on, quotient

DEFINITION: Final = "endplate centres"
"""Centre of the upper vertebra's inferior endplate against that of the lower's superior one."""


def listheses(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> Iterator[Quantity]:
    """The lateral listhesis of each upper vertebra on its lower neighbour, as a length and in %.

    How far the centre of the upper vertebra's inferior endplate lies beside the centre of the
    lower one's superior endplate, along the latter; in % of the latter's length. Positive towards
    the right of the image, which on a film hung the usual way is the patient's left.

    Args:
        pairs: of neighbours without a gap, by index.
        names: of all vertebrae.
    """
    for pair in pairs:
        levels = names[pair[0]], names[pair[1]]
        lines = on(pair, _lines)
        yield Quantity(
            "lateral listhesis", levels, "length", DEFINITION, pair, on(pair, _shift), lines
        )
        yield Quantity(
            "lateral listhesis", levels, "share", DEFINITION, pair, on(pair, _share), lines
        )


def _shift(pair: Placed) -> Float64[np.ndarray, "*n"]:
    return along(_offset(pair), direction(_base(pair)))


def _share(pair: Placed) -> Float64[np.ndarray, "*n"]:
    return 100.0 * quotient(_shift(pair), length(_base(pair)))


def _lines(pair: Placed) -> Float64[np.ndarray, "k 2 2"]:
    """The shift along the lower endplate, and from there up to the upper endplate's centre."""
    centre = _base(pair).mean(axis=-2)
    foot = centre + _shift(pair) * direction(_base(pair))
    return np.stack([[centre, foot], [foot, centre + _offset(pair)]])


def _base(pair: Placed) -> Float64[np.ndarray, "*n 2 2"]:
    return pair[..., 1, 0, :, :]


def _offset(pair: Placed) -> Float64[np.ndarray, "*n 2"]:
    return pair[..., 0, 1, :, :].mean(axis=-2) - _base(pair).mean(axis=-2)
