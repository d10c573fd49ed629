"""What is measured, drawn: the figures of ``measurements.md``, from the lines that spondyl gives.

Run ``python docs/measurement_figures.py`` to write ``figures/*.svg``. A new figure is one more
entry of ``FIGURES``: vertebrae, and which measurement of them is shown under which label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

FOLDER: Final = Path(__file__).parent / "figures"

BONE, MARK, INK = "#0072b2", "#d55e00", "#767676"
"""Blue, vermilion (Okabe and Ito 2008) and a grey: readable on light and on dark."""

_MARGIN: Final = 34.0  # px around the bones, for labels


@dataclass(frozen=True, slots=True)
class Shown:
    """A measurement of a figure, by its name, levels and unit, and the label of each of its lines.

    A line with the label None is drawn thin: it is what is measured against. ``words`` is the name
    of a definition where there is a choice.
    """

    name: str
    levels: tuple[str, ...]
    labels: tuple[str | None, ...]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``stem`` names its file, ``about`` says in words what it shows."""

    stem: str
    about: str
    landmarks: Landmarks
    shown: tuple[Shown, ...]
    view: View = "lateral"


def body(
    centre: tuple[float, float],
    *,
    tilt: float = 0.0,
    depth: float = 120.0,
    front: float = 84.0,
    back: float = 84.0,
) -> Float64[np.ndarray, "4 2"]:
    """Corners SL, SR, IL, IR of a body that faces right; ``tilt`` in deg lowers its front.

    ``depth`` of its endplates, ``front`` and ``back`` the heights of its walls, all in px.
    """
    angle = np.radians(tilt)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = depth / 2
    flat = np.array([[-half, -back / 2], [half, -front / 2], [-half, back / 2], [half, front / 2]])
    return np.array(centre) + flat @ turn.T


def spine(*bodies: Float64[np.ndarray, "4 2"], names: Sequence[str]) -> Landmarks:
    """Named bodies, superior to inferior, of a film that faces right."""
    return Landmarks(np.stack(bodies), levels=tuple(names), facing="right")


def svg(figure: Figure) -> str:
    """The figure as a file: bones with names and corners, and the lines of what is measured."""
    points = figure.landmarks.points
    low, high = np.nanmin(points, axis=(0, 1)), np.nanmax(points, axis=(0, 1))
    x, y = low - _MARGIN
    width, height = high - low + 2 * _MARGIN
    parts = [line for shown in figure.shown for line in _marked(figure, shown)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x:.1f} {y:.1f} {width:.1f} '
        f'{height:.1f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{figure.about}" font-family="sans-serif" font-size="13" fill="none" '
        f'stroke-linecap="round" stroke-linejoin="round">'
    )
    return "\n".join([head, *_bones(figure.landmarks), *parts, "</svg>", ""])


def measured(figure: Figure, shown: Shown) -> Measurement:
    """The one measurement of the figure's vertebrae that is shown."""
    film = FilmGeometry(1000, 1000, view=figure.view)
    (found,) = [
        each
        for each in measure(figure.landmarks, film)
        if (each.name, each.levels) == (shown.name, shown.levels)
        and shown.unit in (None, each.unit)
    ]
    return found


def _bones(landmarks: Landmarks) -> Iterator[str]:
    for name, corners in zip(landmarks.names, landmarks.points, strict=True):
        ring = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners[[0, 1, 3, 2]])
        yield f'<polygon points="{ring}" fill="{BONE}" fill-opacity="0.12" stroke="{BONE}"/>'
        x, y = corners.mean(axis=0)
        yield f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" fill="{BONE}">{name}</text>'


def _marked(figure: Figure, shown: Shown) -> Iterator[str]:
    lines = measured(figure, shown).lines
    for line, label in zip(lines, shown.labels, strict=True):
        yield _line(line, strong=label is not None)
        if label:
            (ax, ay), (bx, by) = line
            yield (
                f'<text x="{(ax + bx) / 2:.1f}" y="{(ay + by) / 2 - 7:.1f}" text-anchor="middle" '
                f'fill="{MARK}">{label}</text>'
            )


def _line(line: Line, *, strong: bool) -> str:
    (ax, ay), (bx, by) = line
    look = f'stroke="{MARK}" stroke-width="3"' if strong else f'stroke="{INK}"'
    return f'<path d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}" {look}/>'


_SLIPPED: Final = spine(body((178, 90)), body((150, 200), tilt=6.0), names=("L4", "L5"))

FIGURES: Final = (
    Figure(
        "slip",
        "The slip of L4 on L5",
        _SLIPPED,
        (Shown("slip", ("L4", "L5"), (None, "slip"), "px"),),
    ),
)


def main() -> None:
    """Writes every figure."""
    for figure in FIGURES:
        write_text(FOLDER / f"{figure.stem}.svg", svg(figure))


if __name__ == "__main__":
    main()
