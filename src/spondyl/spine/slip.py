"""How far has a vertebra slipped on the one below, by the published definitions, and its grade?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Float64

from spondyl.spine.measurement import Grading, Lines, Placed, Quantity
from spondyl.spine.placing import across, along, direction, length, on, quotient

SlipDefinition = Literal[
    "posterior corner", "McCarty A/C", "McCarty A/D", "McCarty B/C", "McCarty B/D"
]
"""What is called the slip: see ``docs/measurements.md``."""

DEFINITION: Final[SlipDefinition] = "posterior corner"
"""The definition of slip where none is asked for."""

LISTHESIS: Final = 5.0
"""Size of a slip in % up to which it has grade 0 (Denard et al., Spine 2010: forward slips)."""

MEYERDING: Final = Grading(
    "Meyerding grade",
    "Meyerding 1932",
    (LISTHESIS, 25.0, 50.0, 75.0, 100.0),
    ("0", "I", "II", "III", "IV", "V"),
    ("retrolisthesis; many discs step back by 5 to 15 % unremarked", "anterolisthesis"),
)


def slips(
    pairs: Sequence[tuple[int, int]],
    names: Sequence[str],
    definition: SlipDefinition = DEFINITION,
) -> Iterator[Quantity]:
    """The slip of each upper vertebra on its lower neighbour, as a length and in % with a grade.

    Anterolisthesis is positive, retrolisthesis negative. ``definition`` names what is measured and
    what it is a share of:

    - ``posterior corner``: how far the upper's inferior posterior corner lies in front of the
      lower's superior posterior one along the lower superior endplate, in % of that endplate (the
      ratio named after Taillard).
    - ``McCarty A/C`` to ``B/D`` (McCarty et al., J Pediatr Orthop 2009; 29: 755-759): from the line
      along the lower's posterior wall to (A) the line along the upper's, which here is measured
      where they cross the line of the lower superior endplate, or (B) a parallel to it through the
      upper's inferior posterior corner; in % of the upper's (C) inferior or (D) superior endplate.

    A definition with B needs the posterior wall of the lower vertebra, which a sacrum of two
    corners does not show: NaN.
    """
    rule = _RULES[definition]
    for pair in pairs:
        levels = names[pair[0]], names[pair[1]]
        size, share, lines = on(pair, rule.size), on(pair, rule.share), on(pair, rule.lines)
        yield Quantity("slip", levels, "length", definition, pair, size, lines)
        yield Quantity("slip", levels, "share", definition, pair, share, lines, MEYERDING)


@dataclass(frozen=True, slots=True)
class _Shift:
    """A signed length: from ``start`` to ``end`` in the direction of ``forward``.

    ``aid`` is the line that leads there from the vertebrae.
    """

    start: Float64[np.ndarray, "*n 2"]
    end: Float64[np.ndarray, "*n 2"]
    forward: Float64[np.ndarray, "*n 2"]
    aid: Float64[np.ndarray, "*n 2 2"]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is measured on (upper, lower), and the line whose length it is a share of."""

    shift: Callable[[Placed], _Shift]
    whole: Callable[[Placed], Float64[np.ndarray, "*n 2 2"]]

    def size(self, pair: Placed) -> Any:
        shift = self.shift(pair)
        return along(shift.end - shift.start, shift.forward)

    def share(self, pair: Placed) -> Any:
        return 100.0 * quotient(self.size(pair), length(self.whole(pair)))

    def lines(self, pair: Placed) -> Lines:
        """What it is a share of, what leads to it, and the slip itself."""
        shift = self.shift(pair)
        return np.stack([self.whole(pair), shift.aid, np.stack([shift.start, shift.end])])


def _corner(pair: Placed) -> _Shift:
    """Along the lower superior endplate, from its posterior corner to under the upper's."""
    base, corner = _lower_superior(pair), pair[..., 0, 1, 0, :]
    forward = direction(base)
    start = base[..., 0, :]
    end = start + along(corner - start, forward)[..., None] * forward
    return _Shift(start, end, forward, np.stack([corner, end], axis=-2))


def _walls(pair: Placed) -> _Shift:
    """Along the lower superior endplate, from its posterior corner to the upper's posterior wall.

    NaN where that wall runs along the endplate.
    """
    base, wall = _lower_superior(pair), pair[..., 0, :, 0, :]
    forward, normal = direction(base), across(direction(wall))
    start = base[..., 0, :]
    reach = quotient(along(wall[..., 1, :] - start, normal), along(forward, normal))
    end = start + reach[..., None] * forward
    return _Shift(start, end, forward, np.stack([wall[..., 0, :], end], axis=-2))


def _parallels(pair: Placed) -> _Shift:
    """At right angles to the lower posterior wall, from its line to the upper's inferior corner."""
    wall, end = pair[..., 1, :, 0, :], pair[..., 0, 1, 0, :]
    forward = -across(direction(wall))
    start = end - along(end - wall[..., 0, :], forward)[..., None] * forward
    return _Shift(start, end, forward, np.stack([wall[..., 1, :], start], axis=-2))


def _lower_superior(pair: Placed) -> Float64[np.ndarray, "*n 2 2"]:
    return pair[..., 1, 0, :, :]


def _upper_inferior(pair: Placed) -> Float64[np.ndarray, "*n 2 2"]:
    return pair[..., 0, 1, :, :]


def _upper_superior(pair: Placed) -> Float64[np.ndarray, "*n 2 2"]:
    return pair[..., 0, 0, :, :]


_RULES: Final[Mapping[SlipDefinition, _Rule]] = {
    "posterior corner": _Rule(_corner, _lower_superior),
    "McCarty A/C": _Rule(_walls, _upper_inferior),
    "McCarty A/D": _Rule(_walls, _upper_superior),
    "McCarty B/C": _Rule(_parallels, _upper_inferior),
    "McCarty B/D": _Rule(_parallels, _upper_superior),
}
