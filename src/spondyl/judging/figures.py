"""How do the figures look: success curves, error classes and training histories, as SVG or PNG."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from spondyl.judging.evaluation import Evaluation, ProtocolName
from spondyl.judging.taxonomy import CLASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "png"]

COLOURS: Final[tuple[str, ...]] = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito (2008): told apart by the colour-blind, on white and on black."""

_CLASS_COLOURS: Final[Mapping[str, str]] = {
    "fine": "#009e73",
    "coarse": "#56b4e9",
    "level shift": "#d55e00",
    "corner swap": "#e69f00",
    "both": "#cc79a7",
    "far": "#7f6a55",
    "missed": "#8c8c8c",
}

_DASHES: Final = ("-", "--", ":", "-.")
_LONGEST: Final = 40  # letters of a name

INK: Final = "#767676"  # legible on white and on black: 4.5 to 1 on both

History = Sequence[Mapping[str, float | None]]
"""One row an epoch, as training writes them."""

_STYLE: Final[Any] = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "spondyl",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.2,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one line is told from the others."""

    colour: str
    dash: str = "-"
    width: float = 1.5

    @property
    def settings(self) -> dict[str, Any]:
        """For matplotlib."""
        return {"color": self.colour, "linestyle": self.dash, "linewidth": self.width}


def line_styles(names: Sequence[str]) -> dict[str, LineStyle]:
    """A colour for each name, or where they are too many a colour and a dash.

    Then the colour is by the first part of the name and the dash by the rest: nine names
    ``unet-set``, ``unet-slots-top`` ... of three networks have three of each. They are parted where
    the fewest are needed, all at the first of the same mark or all at the last. Names without such
    parts get colours, then dashes, by turns.
    """
    fitting = [parts for parts in _partings(names) if _tells_apart(parts)]
    if not fitting or len(names) <= len(COLOURS):
        return {name: _by_turns(i) for i, name in enumerate(names)}
    parts = min(fitting, key=lambda parts: sum(len(set(side)) for side in zip(*parts, strict=True)))
    heads, tails = (list(dict.fromkeys(side)) for side in zip(*parts, strict=True))
    pairs = [(COLOURS[heads.index(head)], _DASHES[tails.index(tail)]) for head, tail in parts]
    return {name: LineStyle(*pair) for name, pair in zip(names, pairs, strict=True)}


def _partings(names: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    for mark in (", ", " ", "-", "_", "/"):
        for parted in (str.partition, str.rpartition):
            yield [((p := parted(name, mark))[0] or p[2], p[2] if p[0] else "") for name in names]


def _tells_apart(parts: Sequence[tuple[str, str]]) -> bool:
    heads, tails = (set(side) for side in zip(*parts, strict=True))
    return (
        len(heads) <= len(COLOURS) and len(tails) <= len(_DASHES) and len(set(parts)) == len(parts)
    )


def _short(name: str) -> str:
    """The name, or both its ends: a legend must leave room for the panels."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[1 - _LONGEST // 2 :]}"


def _by_turns(index: int) -> LineStyle:
    turn, colour = divmod(index, len(COLOURS))
    return LineStyle(COLOURS[colour], _DASHES[turn % len(_DASHES)])


def sdr_curves(
    evaluations: Mapping[str, Evaluation],
    protocols: Sequence[ProtocolName] = ("all", "ordinal", "matched"),
    *,
    format: Format = "svg",
) -> bytes:
    """The share of corners within each radius: a panel a protocol, a line an evaluation.

    One evaluation has one panel, in which the colours tell the protocols apart.
    """
    if len(evaluations) == 1:
        (evaluation,) = evaluations.values()
        return _figure(
            lambda axes: _draw_protocols(axes, evaluation, protocols), (7.2, 3.4), format
        )
    styles = line_styles(list(evaluations))

    def draw(axes: Axes, protocol: ProtocolName) -> None:
        for name, evaluation in evaluations.items():
            _draw_curve(axes, evaluation, protocol, name, styles[name])
        axes.set_title(protocol)
        _label_curves(axes)

    draws = [partial(draw, protocol=protocol) for protocol in protocols]
    return draw_panels(draws, (9.6, max(3.4, 0.5 + 0.2 * len(styles))), format, legend=styles)


def _draw_protocols(axes: Axes, evaluation: Evaluation, protocols: Sequence[ProtocolName]) -> None:
    for k, protocol in enumerate(protocols):
        _draw_curve(axes, evaluation, protocol, protocol, _by_turns(k))
    _label_curves(axes)
    if axes.lines:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def _draw_curve(
    axes: Axes, evaluation: Evaluation, protocol: ProtocolName, label: str, style: LineStyle
) -> None:
    if evaluation.protocol(protocol).corners:
        curve = evaluation.curve
        axes.plot(curve.radii, curve.shares[protocol], label=label, **style.settings)


def _label_curves(axes: Axes) -> None:
    axes.set(xlabel="radial error, px at 512", ylabel="corners within, %", ylim=(0, 101))
    axes.margins(x=0)


def taxonomy_bars(evaluations: Mapping[str, Evaluation], *, format: Format = "svg") -> bytes:
    """Which share of the corners is of each class: a panel a protocol, a bar an evaluation.

    One evaluation has one panel with a bar a protocol.
    """
    if len(evaluations) == 1:
        (evaluation,) = evaluations.values()
        return _bar_figure({"": evaluation.taxonomy}, 7.2, format)
    protocols = next(iter(evaluations.values())).taxonomy
    panels = {p: {name: e.taxonomy[p] for name, e in evaluations.items()} for p in protocols}
    return _bar_figure(panels, 9.6, format)


Bars = Mapping[str, Mapping[str, int]]


def _bar_figure(panels: Mapping[str, Bars], width: float, format: Format) -> bytes:
    """Bars by panel; only the first panel names them."""

    def draw(axes: Axes, title: str, bars: Bars) -> None:
        _draw_bars(axes, bars)
        axes.set_title(title)
        axes.tick_params(labelleft=title == next(iter(panels)))

    draws = [partial(draw, title=title, bars=bars) for title, bars in panels.items()]
    rows = max(map(len, panels.values()))
    kinds = {kind: LineStyle(colour, width=7.0) for kind, colour in _CLASS_COLOURS.items()}
    return draw_panels(draws, (width, 1.5 + 0.32 * rows), format, legend=kinds, beside=False)


def _draw_bars(axes: Axes, bars: Bars) -> None:
    rows = range(len(bars))  # names may be alike to matplotlib, rows are not
    left = [0.0] * len(bars)
    for kind in CLASSES:
        shares = [100 * counts[kind] / max(sum(counts.values()), 1) for counts in bars.values()]
        axes.barh(rows, shares, left=left, color=_CLASS_COLOURS[kind], height=0.7)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    axes.set_yticks(rows, list(map(_short, bars)))
    axes.invert_yaxis()
    axes.set(xlabel="annotated corners, %", xlim=(0, 100))
    axes.grid(visible=False, axis="y")


def history_curves(
    histories: Mapping[str, History], *, among: Sequence[str] = (), format: Format = "svg"
) -> bytes:
    """Losses, validation errors and learning rates over the epochs; a gap where one is missing.

    Args:
        histories: rows of epochs, by the name of the run. A single run shows every series that it
            has; of several, each is one line a panel.
        among: all names that the colours tell apart, where other figures show more than these.
        format: of the file.
    """
    if len(histories) == 1:
        (rows,) = histories.values()
        draws = [partial(draw, rows=rows) for draw in (_losses, _errors, _rates)]
        return draw_panels(draws, (9.6, 2.8), format)
    styles = line_styles(among or list(histories))
    shown = {name: styles[name] for name in histories}

    def draw(axes: Axes, key: str, label: str) -> None:
        for name, rows in histories.items():
            _plot(axes, rows, key, name, shown[name])
        axes.set(xlabel="epoch", ylabel=label)
        _scale(axes, decades=key.endswith("loss"))

    draws = [partial(draw, key=key, label=label) for key, label in _COMPARED.items()]
    return draw_panels(draws, (9.6, max(5.2, 0.5 + 0.2 * len(shown))), format, legend=shown, rows=2)


_COMPARED: Final[Mapping[str, str]] = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_penalised_mre": "validation MRE,\nmisses charged, px at 512",
    "learning_rate": "learning rate",
}


def _losses(axes: Axes, rows: History) -> None:
    _plot_series(axes, rows, {"train_loss": "training", "val_loss": "validation"})
    axes.set(ylabel="loss")
    _scale(axes, decades=True)


def _errors(axes: Axes, rows: History) -> None:
    _plot_series(axes, rows, {"val_mre": "of the found", "val_penalised_mre": "misses charged"})
    axes.set(ylabel="validation MRE, px at 512")
    _scale(axes, decades=False)


def _rates(axes: Axes, rows: History) -> None:
    _plot_series(axes, rows, {"learning_rate": "head", "backbone_learning_rate": "backbone"})
    axes.set(ylabel="learning rate")
    _scale(axes, decades=False)


def _plot_series(axes: Axes, rows: History, series: Mapping[str, str]) -> None:
    for colour, (key, label) in zip(COLOURS, series.items(), strict=False):
        _plot(axes, rows, key, label, LineStyle(colour))
    axes.set_xlabel("epoch")
    if axes.lines:
        axes.legend(fontsize=8)


def _plot(axes: Axes, rows: History, key: str, label: str, style: LineStyle) -> None:
    known = [(n, row.get(key)) for n, row in enumerate(rows, start=1)]
    points = [(n, v) for n, v in known if v is not None and math.isfinite(v)]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, marker=_mark(points), **style.settings)


def _scale(axes: Axes, *, decades: bool) -> None:
    if not decades:
        axes.set_ylim(0, None)
    elif axes.lines:
        _count_in_decades(axes)


def _count_in_decades(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5 (mathematical type is off)."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mark(points: Sequence[object]) -> str:
    return "o" if len(points) < 3 else ""  # a line needs two points to be seen


def _figure(draw: Callable[[Axes], None], size: tuple[float, float], format: Format) -> bytes:
    return draw_panels([draw], size, format)


def draw_panels(
    draws: Sequence[Callable[[Axes], None]],
    size: tuple[float, float],
    format: Format,
    *,
    rows: int = 1,
    legend: Mapping[str, LineStyle] | None = None,
    beside: bool = True,
) -> bytes:
    """Panels in rows, without pyplot: no display, no state left behind.

    A legend for all panels stands right of them, or with ``beside`` false above them, so that it
    covers nothing.
    """
    from matplotlib.figure import Figure

    with _styled():
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, len(draws) // rows, squeeze=False)
        for axes, draw in zip(panels.flat, draws, strict=True):
            draw(axes)
        if legend:
            _explain(figure, legend, beside=beside)
        return _saved(figure, format)


def _explain(figure: Figure, legend: Mapping[str, LineStyle], *, beside: bool) -> None:
    """A legend for all panels; names that begin with _ are shown, too."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], **style.settings) for style in legend.values()]
    around: Any = {"loc": "outside right center", "handlelength": 2.6}
    if not beside:
        around = {"loc": "outside upper center", "handlelength": 0.8, "ncols": len(legend)}
    figure.legend(lines, list(map(_short, legend)), fontsize=8, columnspacing=1.2, **around)


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)  # a browser has it
        yield


def _saved(figure: Figure, format: Format) -> bytes:
    """The file's bytes, the same for the same data: no date, no version."""
    buffer = io.BytesIO()
    if format == "png":
        figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    else:
        unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=unsaid)
    return buffer.getvalue()


def inline_svg(svg: bytes, title: str) -> str:
    """An SVG file as an element of an HTML page: scalable, described, its ids its own.

    Args:
        svg: a file that this module drew.
        title: what the figure shows, for screen readers; unique on its page.
    """
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    prefix = re.sub(r"\W+", "-", title.lower())
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}-", text)
    text = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)
