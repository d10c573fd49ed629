"""How high are discs and vertebrae, and how deep: lengths, ratios, wedges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.spine.measurement import Grading, Lines, Placed, Quantity
from spondyl.spine.placing import across, along, direction, length, on, quotient, turn

DISC: Final = "disc axis"
"""Disc heights: at right angles to the line that halves the angle of the disc."""

DEPTH: Final = "disc axis, upper depth"
"""Relative disc height: to the mean length of the upper vertebra's endplates."""

CORNERS: Final = "corner to corner"
"""Heights of walls, lengths of endplates and their ratio."""

LOSS: Final = "lower wall to higher wall"
"""Height loss."""

WEDGE: Final = "superior to inferior endplate"
"""The angle between the endplates of one vertebra."""

GENANT: Final = Grading(
    "Genant grade",
    "Genant 1993, walls only",
    (20.0, 25.0, 40.0),
    ("0", "1", "2", "3"),
    ("the posterior wall is the lower one", "the anterior wall is the lower one"),
    "four corners do not show the middle height",
)

_Corners = Float64[np.ndarray, "*n 2 2 2"]
_Side = Float64[np.ndarray, "*n 2 2"]
_Edge = Callable[[_Corners], _Side]

_POSTERIOR, _ANTERIOR = 0, 1
_SACRUM: Final = ("S1", "S2")  # one endplate, no walls that a film shows whole
_UNGRADED: Final = ("L5", "L6")  # lower behind by nature


def discs(pairs: Sequence[tuple[int, int]], names: Sequence[str]) -> Iterator[Quantity]:
    """Anterior, posterior and mean height of each disc, and the mean relative to the depth above.

    A height is the distance of two opposite corners (mean: of the endplates' centres) at right
    angles to the line that halves the angle between the two endplates, so that a slip alone does
    not change it. Negative where the corners have passed each other. The mean of both ends is the
    two-point method that is named after Dabbs; the depth of the vertebra above takes the
    magnification out. ``docs/measurements.md`` has the sources.
    """
    for pair in pairs:
        levels = names[pair[0]], names[pair[1]]
        for name, ends in (
            ("anterior disc height", (_ANTERIOR,)),
            ("posterior disc height", (_POSTERIOR,)),
            ("mean disc height", (_POSTERIOR, _ANTERIOR)),
        ):
            rule = _DiscHeight(ends)
            of, lines = on(pair, rule.height), on(pair, rule.lines)
            yield Quantity(name, levels, "length", DISC, pair, of, lines)
        of, lines = on(pair, rule.share), on(pair, rule.share_lines)
        yield Quantity("relative disc height", levels, "share", DEPTH, pair, of, lines)


@dataclass(frozen=True, slots=True)
class _DiscHeight:
    """The height of the disc between two vertebrae at the mean of some ends of its endplates."""

    ends: tuple[int, ...]

    def height(self, pair: Placed) -> Any:
        above, below = self._sides(pair)
        return along(below - above, _axis(pair))

    def share(self, pair: Placed) -> Any:
        upper = pair[..., 0, :, :, :]
        return 100.0 * quotient(self.height(pair), length(upper).mean(axis=-1))

    def lines(self, pair: Placed) -> Lines:
        """To the level of the lower side; then what is measured."""
        above, below = self._sides(pair)
        foot = above + self.height(pair) * _axis(pair)
        return np.stack([np.stack([below, foot]), np.stack([above, foot])])

    def share_lines(self, pair: Placed) -> Lines:
        """The two endplates whose mean length is the depth, and the height."""
        return np.concatenate([pair[0], self.lines(pair)])

    def _sides(self, pair: Placed) -> tuple[Any, Any]:
        above, below = pair[..., 0, 1, :, :], pair[..., 1, 0, :, :]
        ends = list(self.ends)
        return above[..., ends, :].mean(axis=-2), below[..., ends, :].mean(axis=-2)


def _axis(pair: Placed) -> Float64[np.ndarray, "*n 2"]:
    """Down through the disc, at right angles to the line that halves its angle."""
    halving = direction(pair[..., 0, 1, :, :]) + direction(pair[..., 1, 0, :, :])
    return across(quotient(halving, np.linalg.norm(halving, axis=-1, keepdims=True)))


def bodies(names: Sequence[str]) -> Iterator[Quantity]:
    """Endplates, walls, their ratio and loss with a grade, and the wedge of each vertebra.

    The ratio is anterior / posterior. The loss is that of the lower wall in % of the higher one:
    positive where the anterior wall is the lower one, negative where the posterior one is. Its
    grade has the bounds of Genant et al. (J Bone Miner Res 1993) for the walls alone; L5, which is
    lower behind by nature, has none. The wedge is in deg, positive where the anterior wall is
    higher (lordotic). Of the sacrum there is only the superior endplate.
    """
    for place, name in enumerate(names):
        if name in _SACRUM:
            yield _edge(place, name, "superior endplate", _superior)
            continue
        for what, edge in _EDGES.items():
            yield _edge(place, name, what, edge)
        where, needs, walls = (name,), (place,), on(place, _walls)
        grading = None if name in _UNGRADED else GENANT
        of = on(place, _ratio), on(place, _loss), on(place, _wedge)
        yield Quantity("height ratio", where, "ratio", CORNERS, needs, of[0], walls)
        yield Quantity("height loss", where, "share", LOSS, needs, of[1], walls, grading)
        yield Quantity("wedge", where, "angle", WEDGE, needs, of[2], on(place, _endplates))


def _edge(place: int, name: str, what: str, edge: _Edge) -> Quantity:
    """The length of one side of a vertebra."""
    of, lines = on(place, lambda body: length(edge(body))), on(place, lambda body: edge(body)[None])
    return Quantity(what, (name,), "length", CORNERS, (place,), of, lines)


def _superior(body: _Corners) -> _Side:
    return body[..., 0, :, :]


def _inferior(body: _Corners) -> _Side:
    return body[..., 1, :, :]


def _anterior(body: _Corners) -> _Side:
    return body[..., :, _ANTERIOR, :]


def _posterior(body: _Corners) -> _Side:
    return body[..., :, _POSTERIOR, :]


_EDGES: Final[Mapping[str, _Edge]] = {
    "superior endplate": _superior,
    "inferior endplate": _inferior,
    "anterior height": _anterior,
    "posterior height": _posterior,
}


def _ratio(body: _Corners) -> Any:
    return quotient(length(_anterior(body)), length(_posterior(body)))


def _loss(body: _Corners) -> Any:
    ratio = _ratio(body)
    return 100.0 * np.where(ratio <= 1, 1 - ratio, quotient(1.0, ratio) - 1)


def _wedge(body: _Corners) -> Any:
    return turn(_superior(body), _inferior(body))


def _walls(body: _Corners) -> Lines:
    return np.stack([_anterior(body), _posterior(body)])


def _endplates(body: _Corners) -> Lines:
    return np.stack([_superior(body), _inferior(body)])
