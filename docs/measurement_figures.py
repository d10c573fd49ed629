"""What is measured, drawn: the figures of ``measurements.md``, from the lines that spondyl gives.

Run ``python docs/measurement_figures.py`` to write ``figures/*.svg``. A new figure is one more
entry of ``FIGURES``: panels side by side, each of a few vertebrae and what is measured on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import View
from spondyl.atomic import write_text
from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Line, Measurement
from spondyl.spine.measurements import measure
from spondyl.spine.slip import DEFINITION, MEYERDING, SlipDefinition

FOLDER: Final = Path(__file__).parent / "figures"

BONE, MARK, INK = "#3a86c8", "#d55e00", "#767676"
"""Blue, vermilion and grey: each can be read on white and on black, and told from the others."""

_MARGIN: Final = 16.0  # px about a panel
_TITLE: Final = 22.0  # px above it
_STRONG: Final = f'stroke="{MARK}" stroke-width="3"'
_THIN: Final = f'stroke="{INK}" stroke-width="1.2" stroke-dasharray="4 4"'


@dataclass(frozen=True, slots=True)
class Label:
    """Words beside a line: above it, or in front of an upright one; ``other`` is the other side.

    The words are a format string that gets the measured value.
    """

    words: str
    other: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One measurement of a panel, by name, levels and unit, with a label for each of its lines.

    A line with an empty label is drawn strong and bare, one with None thin: it only leads there.
    """

    name: str
    levels: tuple[str, ...]
    labels: tuple[Label | str | None, ...]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Vertebrae and what is measured on them.

    ``title`` is a format string that gets the values of ``shown`` in their order.
    """

    landmarks: Landmarks
    shown: tuple[Shown, ...]
    title: str = ""
    view: View = "lateral"
    slip: SlipDefinition = DEFINITION


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``stem`` names its file, ``about`` says in words what it shows."""

    stem: str
    about: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class _Text:
    """Words at a point, by the middle or one end of their base line."""

    x: float
    y: float
    words: str
    colour: str
    anchor: str = "middle"

    def drawn(self) -> str:
        return (
            f'<text x="{self.x:.1f}" y="{self.y:.1f}" text-anchor="{self.anchor}" '
            f'fill="{self.colour}">{self.words}</text>'
        )

    def box(self) -> list[tuple[float, float]]:
        """Roughly where it lies."""
        wide = 7.2 * len(self.words)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * wide
        return [(left, self.y - 12), (left + wide, self.y + 4)]


def body(
    x: float,
    y: float,
    *,
    tilt: float = 0.0,
    depth: float = 120.0,
    front: float = 82.0,
    back: float = 82.0,
) -> Float64[np.ndarray, "4 2"]:
    """Corners SL, SR, IL, IR of a body that faces right, about its centre.

    ``tilt`` in deg lowers its front; ``front`` and ``back`` are the heights of its walls, in px.
    """
    angle = np.radians(tilt)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = depth / 2
    flat = np.array([[-half, -back / 2], [half, -front / 2], [-half, back / 2], [half, front / 2]])
    return np.array([x, y]) + flat @ turn.T


def spine(*bodies: Float64[np.ndarray, "4 2"], names: Sequence[str]) -> Landmarks:
    """Named bodies, superior to inferior, of a film that faces right."""
    return Landmarks(np.stack(bodies), levels=tuple(names), facing="right")


def measured(panel: Panel, shown: Shown) -> Measurement:
    """The one measurement of the panel's vertebrae that is meant."""
    film = FilmGeometry(1000, 1000, view=panel.view)
    (found,) = [
        each
        for each in measure(panel.landmarks, film, slip=panel.slip)
        if (each.name, each.levels) == (shown.name, shown.levels)
        and shown.unit in (None, each.unit)
    ]
    return found


def svg(figure: Figure) -> str:
    """The figure as a file: bones with names and corners, and the lines of what is measured."""
    frames = [_frame(panel) for panel in figure.panels]
    lefts = list(accumulate((high[0] - low[0] for low, high in frames), initial=0.0))
    top, bottom = min(low[1] for low, _ in frames), max(high[1] for _, high in frames)
    width, height = lefts[-1], bottom - top
    parts: list[str] = []
    for panel, (low, high), left in zip(figure.panels, frames, lefts[:-1], strict=True):
        title = _Text((low[0] + high[0]) / 2, top + 17, _title(panel), INK)
        parts += [
            f'<g transform="translate({left - low[0]:.1f} {-top:.1f})">',
            title.drawn(), *_bones(panel.landmarks), *_lines(panel),
            *(label.drawn() for label in _labels(panel)), "</g>",
        ]  # fmt: skip
    if figure.panels[0].view == "lateral":
        height += 12
        parts.append(_Text(width - 10, height - 8, "anterior →", INK, "end").drawn())
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{figure.about}" '
        f'font-family="sans-serif" font-size="13" fill="none" stroke-linejoin="round" '
        f'stroke-linecap="round">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _frame(panel: Panel) -> tuple[Float64[np.ndarray, " 2"], Float64[np.ndarray, " 2"]]:
    """The corners of the part of the panel that is drawn."""
    lines = [end for shown in panel.shown for line in measured(panel, shown).lines for end in line]
    words = [corner for label in _labels(panel) for corner in label.box()]
    points = np.concatenate([panel.landmarks.points.reshape(-1, 2), np.array(lines + words)])
    low, high = np.nanmin(points, axis=0) - _MARGIN, np.nanmax(points, axis=0) + _MARGIN
    wanting = max(0.0, 7.2 * len(_title(panel)) - (high[0] - low[0])) / 2
    return low - [wanting, _TITLE if panel.title else 0], high + [wanting, 0]


def _title(panel: Panel) -> str:
    return panel.title.format(*(measured(panel, shown).value for shown in panel.shown))


def _bones(landmarks: Landmarks) -> Iterator[str]:
    for name, corners in zip(landmarks.names, landmarks.points, strict=True):
        yield f'<path d="{_outline(corners)}" fill="{BONE}" fill-opacity="0.13" stroke="{BONE}"/>'
        for x, y in corners:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{BONE}"/>'
        x, y = corners.mean(axis=0)
        yield _Text(x, y + 4.5, str(name), BONE).drawn()


def _outline(corners: Float64[np.ndarray, "4 2"]) -> str:
    """Through the corners, with waisted walls and slightly hollow endplates."""
    ring = corners[[0, 1, 3, 2, 0]]
    centre = corners.mean(axis=0)
    path = f"M{ring[0, 0]:.1f} {ring[0, 1]:.1f}"
    for k, (start, end) in enumerate(pairwise(ring)):
        middle = (start + end) / 2
        bend = middle + (centre - middle) * (0.2 if k % 2 else 0.1)
        path += f"Q{bend[0]:.1f} {bend[1]:.1f} {end[0]:.1f} {end[1]:.1f}"
    return path + "Z"


def _lines(panel: Panel) -> Iterator[str]:
    for shown in panel.shown:
        for line, label in zip(measured(panel, shown).lines, shown.labels, strict=True):
            (ax, ay), (bx, by) = line
            if abs(ax - bx) + abs(ay - by) > 0.5:
                look = _THIN if label is None else _STRONG
                yield f'<path d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}" {look}/>'


def _labels(panel: Panel) -> Iterator[_Text]:
    for shown in panel.shown:
        found = measured(panel, shown)
        for line, label in zip(found.lines, shown.labels, strict=True):
            if label:
                said = label if isinstance(label, Label) else Label(label)
                yield _beside(line, said.words.format(found.value), other=said.other)


def _beside(line: Line, words: str, *, other: bool) -> _Text:
    """The words of a line, off its middle: above a level one, in front of an upright one."""
    start, end = np.array(line)
    x, y = end - start
    normal = np.array([y, -x]) / np.hypot(x, y)
    upright = bool(abs(y) > abs(x))
    if bool(normal[0] < 0 if upright else normal[1] > 0) != other:
        normal = -normal
    x, y = (start + end) / 2 + 9 * normal
    if not upright:
        return _Text(x, y + (10 if normal[1] > 0 else 0), words, MARK)
    return _Text(x, y + 4.5, words, MARK, "start" if normal[0] > 0 else "end")


_PAIR: Final = ("L4", "L5")
_SLIPPED: Final = spine(
    body(162, 90, tilt=3.0), body(130, 192, tilt=9.0, front=86, back=78), names=_PAIR
)
_LEANING: Final = spine(
    body(166, 90, tilt=14.0, depth=116) - [[0, 0], [19, 5], [0, 0], [0, 0]],
    body(130, 196, tilt=-4.0, depth=124),
    names=_PAIR,
)
_LEVEL_DISC: Final = spine(body(140, 82, tilt=-5.0), body(140, 194, tilt=5.0), names=_PAIR)
_SLIPPED_DISC: Final = spine(body(168, 82, tilt=-5.0), body(140, 194, tilt=5.0), names=_PAIR)
_SQUARE: Final = spine(body(140, 90, tilt=4.0, front=84, back=78), names=("L3",))
_LORDOTIC: Final = spine(body(140, 90, front=96, back=72), names=("L5",))
_LOW: Final = spine(body(140, 90, front=58, back=86), names=("L1",))

_NAMES: Final[Mapping[SlipDefinition, tuple[str | None, str]]] = {
    "posterior corner": (None, "slip"),
    "McCarty A/C": ("C", "A"),
    "McCarty A/D": ("D", "A"),
    "McCarty B/C": ("C", "B"),
    "McCarty B/D": ("D", "B"),
}


def _defined(definition: SlipDefinition) -> Panel:
    whole, slip = _NAMES[definition]
    shown = Shown("slip", _PAIR, (whole, None, Label(slip, other=True)), "%")
    return Panel(_LEANING, (shown,), f"{definition}: {{0:.0f}} %", slip=definition)


def _graded(share: float, word: str) -> Panel:
    """Two small bodies, the upper one slipped by a share of the lower endplate."""
    lower = body(60, 96, depth=64, front=46, back=46)
    pair = spine(lower + [64 * share, -58], lower, names=_PAIR)
    return Panel(pair, (Shown("slip", _PAIR, (None, None, ""), "%"),), f"{word}: {{0:.0f}} %")


def _disc(landmarks: Landmarks, title: str) -> Panel:
    shown = (
        Shown("posterior disc height", _PAIR, (None, Label("posterior {:.0f}", other=True))),
        Shown("anterior disc height", _PAIR, (None, "anterior {:.0f}")),
    )
    return Panel(landmarks, shown, title)


def _edges(names: Sequence[str], *, below: str) -> tuple[Shown, ...]:
    return tuple(
        Shown(name, ("L3",), (Label(f"{name.split()[0]} {{:.0f}}", other=name.startswith(below)),))
        for name in names
    )


FIGURES: Final = (
    Figure(
        "slip",
        "The slip of L4 on L5 along the superior endplate of L5",
        (Panel(_SLIPPED, (Shown("slip", _PAIR, (None, None, Label("slip", True)), "%"),),
               "{0:.0f} % of the endplate"),),
    ),
    Figure(
        "slip_definitions",
        "One pair of vertebrae and its slip by five definitions",
        tuple(_defined(definition) for definition in _NAMES),
    ),
    Figure(
        "meyerding",
        "A slip of each Meyerding grade",
        tuple(map(_graded, (0.03, 0.18, 0.4, 0.64, 0.88, 1.12), MEYERDING.words)),
    ),
    Figure(
        "disc",
        "The heights of a disc, without and with a slip, and relative to the depth of the vertebra",
        (
            _disc(_LEVEL_DISC, "without a slip"),
            _disc(_SLIPPED_DISC, "with one"),
            Panel(_LEVEL_DISC, (
                Shown("relative disc height", _PAIR, ("", "", None, "mean")),
            ), "{0:.0f} % of the depth above"),
        ),
    ),
    Figure(
        "vertebra",
        "Walls, endplates, wedge and loss of height of a vertebra",
        (
            Panel(_SQUARE, _edges(("superior endplate", "inferior endplate"), below="inferior"),
                  "endplates"),
            Panel(_SQUARE, _edges(("anterior height", "posterior height"), below="posterior"),
                  "heights"),
            Panel(_LORDOTIC, (Shown("wedge", ("L5",), ("", "")),), "wedge {0:+.0f} deg"),
            Panel(_LOW, (Shown("wedge", ("L1",), ("", "")),), "wedge {0:+.0f} deg"),
            Panel(_LOW, (Shown("height loss", ("L1",), ("", "")),), "height loss {0:+.0f} %"),
        ),
    ),
)  # fmt: skip


def main() -> None:
    """Writes every figure."""
    for figure in FIGURES:
        write_text(FOLDER / f"{figure.stem}.svg", svg(figure))


if __name__ == "__main__":
    main()
