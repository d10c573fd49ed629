"""How do differences between predicted and annotated measurements look against their size?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from spondyl.judging.agreement import Agreement, MeasurementScore, labels
from spondyl.judging.figures import COLOURS, INK, Format, draw_panels
from spondyl.judging.pairing import MeasuredPair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS: Final = 6

_SHOWN: Final = ("slip", "lordosis", "mean disc height", "sacral slope", "Cobb angle")
_MOST_POINTS: Final = 500  # a panel: more are a cloud, and make the page slow
_LEAST: Final = 2  # pairs that have a spread


def shown_scores(agreement: Agreement | None) -> list[MeasurementScore]:
    """The pooled measurements that have a panel: one a unit, then further definitions."""
    if agreement is None:
        return []
    usable = [
        score
        for name in _SHOWN
        for score in agreement.measurements
        if score.name == name and score.measured >= _LEAST
    ]
    first = {(score.name, score.unit): score for score in reversed(usable)}.values()
    kept = [*(s for s in usable if s in first), *(s for s in usable if s not in first)]
    return sorted(kept[:MOST_PANELS], key=usable.index)


def bland_altman(
    scores: Sequence[MeasurementScore], pairs: Sequence[MeasuredPair], *, format: Format = "svg"
) -> bytes:
    """A panel a measurement: difference against mean (Bland and Altman 1986), with its limits.

    The human error is a grey band. Of more than 500 pairs, evenly chosen ones are drawn.
    """
    draws = [
        partial(_draw, title=title, score=score, pairs=pairs)
        for title, score in zip(labels(scores), scores, strict=True)
    ]
    rows = 1 if len(draws) < 4 else 2
    across = -(-len(draws) // rows)
    empty = [_leave_empty] * (rows * across - len(draws))
    return draw_panels([*draws, *empty], (9.6, 0.3 + 2.7 * rows), format, rows=rows)


def _draw(axes: Axes, title: str, score: MeasurementScore, pairs: Sequence[MeasuredPair]) -> None:
    what = score.name, score.unit, score.definition
    points = [
        ((pair.predicted + pair.annotated) / 2, pair.predicted - pair.annotated)
        for pair in pairs
        if pair.predicted is not None and (pair.name, pair.unit, pair.definition) == what
    ]
    drawn = points[:: -(-len(points) // _MOST_POINTS)]
    if score.human is not None:
        axes.axhspan(-score.human, score.human, color=INK, alpha=0.15, linewidth=0)
    axes.plot(*zip(*drawn, strict=True), linestyle="", marker=".", markersize=4, alpha=0.6,
              color=COLOURS[0], markeredgewidth=0)  # fmt: skip
    for estimate, dash in ((score.bias, "-"), (score.lower, "--"), (score.upper, "--")):
        if estimate.value is not None:
            axes.axhline(estimate.value, color=COLOURS[1], linestyle=dash, linewidth=1.2)
    axes.set_title(title)
    axes.set(xlabel=f"mean, {score.unit}", ylabel=f"difference, {score.unit}")


def _leave_empty(axes: Axes) -> None:
    axes.set_axis_off()
