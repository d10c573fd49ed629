"""What stands on a page about films that are left out because they are doubtful?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from spondyl.judging.figures import COLOURS, INK, Format, LineStyle, draw_panels
from spondyl.judging.risk import RiskCurve
from spondyl.writing.page import Cell, Figure, Row, Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TEXT: Final = (
    "Films are left out from the most doubtful on; the line is the mean error of those kept, px at"
    " 512 with 48 px a missed corner. The lower, the better the doubt tells which films went wrong:"
    " it lies between leaving films out by their true error and by lot."
)
_LINES: Final = {
    "by doubt": LineStyle(COLOURS[0]),
    "by true error": LineStyle(COLOURS[2], "--"),
    "by lot": LineStyle(INK, ":"),
}


def risk_sections(risk: RiskCurve | None, figure: Figure | None = None) -> Iterator[Section]:
    """The curve, its area and what was refused; nothing where no prediction states a doubt."""
    if risk is None:
        return
    yield Section("Films left out", _TEXT, risk_table(risk), figures=(figure,) if figure else ())


def risk_table(risk: RiskCurve) -> Table:
    """The area under the curve and its bounds, and the errors of films kept and refused."""
    values = {
        "area under the curve": risk.area,
        "by true error": risk.oracle_area,
        "by lot": risk.random_area,
        f"mean error, films kept ({risk.films - risk.refused})": risk.kept_error,
        f"mean error, films refused ({risk.refused})": risk.refused_error,
    }
    rows = (
        Row(label, (Cell("-" if value is None else f"{value:.2f}"),))
        for label, value in values.items()
    )
    return Table(("", "px at 512"), tuple(rows))


def risk_figure(risk: RiskCurve, *, format: Format = "svg") -> bytes:
    """The error of the films kept against the share kept, by doubt, by true error and by lot."""
    return draw_panels([partial(_draw, risk=risk)], (7.2, 3.4), format, legend=_LINES)


def _draw(axes: Axes, risk: RiskCurve) -> None:
    series = (risk.risk, risk.oracle, (risk.random_area,) * risk.films)
    for values, style in zip(series, _LINES.values(), strict=True):
        marker = "o" if risk.films == 1 else ""  # a line needs two points to be seen
        axes.plot(risk.coverage, values, marker=marker, **style.settings)
    if 0 < risk.refused < risk.films:
        kept = 100 * (risk.films - risk.refused) / risk.films
        axes.axvline(kept, color=COLOURS[1], linewidth=1.0, linestyle="--")
        axes.annotate("refused", (kept, 0.02), xycoords=("data", "axes fraction"), fontsize=8,
                      color=COLOURS[1], ha="right", va="bottom", rotation=90)  # fmt: skip
    axes.set(xlabel="films kept, %", ylabel="mean error of the kept,\npx at 512", xlim=(0, 100))
    axes.set_ylim(0, None)
