"""How do the figures look: success curves, error classes and training histories, as SVG or PNG."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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

_INK: Final = "#767676"  # legible on white and on black: 4.5 to 1 on both
_STYLE: Final[Any] = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "spondyl",
    "text.parse_math": False,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 10.0,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.2,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def sdr_curves(
    evaluations: Mapping[str, Evaluation],
    protocols: Sequence[ProtocolName] = ("all", "ordinal", "matched"),
    *,
    format: Format = "svg",
) -> bytes:
    """The share of corners within each radius; a colour an evaluation, a dash a protocol.

    With one evaluation the colours tell the protocols apart.
    """
    dashes = ("-", "--", ":", "-.")

    alone = len(evaluations) == 1

    def draw(axes: Axes) -> None:
        for i, (name, evaluation) in enumerate(evaluations.items()):
            for k, protocol in enumerate(protocols):
                if not evaluation.protocol(protocol).corners:
                    continue
                axes.plot(
                    evaluation.curve.radii,
                    evaluation.curve.shares[protocol],
                    dashes[k % len(dashes)],
                    color=COLOURS[(k if alone else i) % len(COLOURS)],
                    label=protocol if alone else f"{name}: {protocol}",
                )
        axes.set(xlabel="radial error, px at 512", ylabel="corners within, %", ylim=(0, 101))
        axes.set_xlim(left=0)
        names = [str(line.get_label()) for line in axes.lines]  # asked, it leaves out _names
        axes.legend(axes.lines, names, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)

    return _figure(draw, (7.2, 3.4), format)


def taxonomy_bars(evaluations: Mapping[str, Evaluation], *, format: Format = "svg") -> bytes:
    """Which share of the corners is of each class, a bar an evaluation and protocol."""
    bars = [
        (f"{name}: {protocol}" if len(evaluations) > 1 else protocol, counts)
        for name, evaluation in evaluations.items()
        for protocol, counts in evaluation.taxonomy.items()
    ]

    def draw(axes: Axes) -> None:
        labels = [label for label, _ in bars]
        left = [0.0] * len(bars)
        for kind in CLASSES:
            shares = [100 * counts[kind] / max(sum(counts.values()), 1) for _, counts in bars]
            axes.barh(labels, shares, left=left, color=_CLASS_COLOURS[kind], label=kind, height=0.7)
            left = [a + b for a, b in zip(left, shares, strict=True)]
        axes.invert_yaxis()
        axes.set(xlabel="annotated corners, %", xlim=(0, 100))
        axes.grid(visible=False, axis="y")
        axes.legend(ncols=len(CLASSES), loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8,
                    columnspacing=1.0, handlelength=1.0)  # fmt: skip

    return _figure(draw, (7.2, 1.3 + 0.38 * len(bars)), format)


def history_curves(
    history: Sequence[Mapping[str, float | None]], *, format: Format = "svg"
) -> bytes:
    """Losses, validation error and learning rate over the epochs; gaps where a value is missing."""

    def losses(axes: Axes) -> None:
        _plot(axes, history, {"train_loss": "training", "val_loss": "validation"})
        axes.set(ylabel="loss")
        if axes.lines:
            _count_in_decades(axes)

    def error(axes: Axes) -> None:
        _plot(axes, history, {"val_mre": "of the found", "val_penalised_mre": "misses charged"})
        axes.set(ylabel="validation MRE, px at 512", ylim=(0, None))

    def rate(axes: Axes) -> None:
        _plot(axes, history, {"learning_rate": "head", "backbone_learning_rate": "backbone"})
        axes.set(ylabel="learning rate", ylim=(0, None))

    return _figures([losses, error, rate], (9.6, 2.8), format)


def _plot(
    axes: Axes, history: Sequence[Mapping[str, float | None]], series: Mapping[str, str]
) -> None:
    for colour, (key, label) in zip(COLOURS, series.items(), strict=False):
        known = [(n, row.get(key)) for n, row in enumerate(history, start=1)]
        points = [(n, v) for n, v in known if v is not None and math.isfinite(v)]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, label=label, marker=_mark(points))
    axes.set_xlabel("epoch")
    if axes.lines:
        axes.legend(fontsize=8)


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
    return _figures([draw], size, format)


def _figures(
    draws: Sequence[Callable[[Axes], None]], size: tuple[float, float], format: Format
) -> bytes:
    """Panels side by side, without pyplot: no display, no state left behind."""
    from matplotlib.figure import Figure

    with _styled():
        figure = Figure(figsize=size, layout="constrained")
        for axes, draw in zip(figure.subplots(1, len(draws), squeeze=False)[0], draws, strict=True):
            draw(axes)
        return _saved(figure, format)


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
