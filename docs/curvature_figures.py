"""How curves are measured, drawn: the figures of angles and listhesis in ``measurements.md``.

Run ``python docs/curvature_figures.py`` to write them to ``figures``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float64
from measurement_figures import FOLDER, Figure, Panel, Shown, body, svg

from spondyl.atomic import write_text
from spondyl.spine.landmarks import Landmarks

LUMBAR: Final = ("L1", "L2", "L3", "L4", "L5", "S1")
FRONTAL: Final = (*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))


def stack(
    tilts: Sequence[float],
    names: Sequence[str],
    *,
    size: tuple[float, float],
    disc: float,
    wedge: float = 0.0,
) -> Landmarks:
    """Tilted vertebrae of a depth and height one below the other, with discs along the bend.

    By ``wedge`` px the front of each is higher, and its back lower, than its ``size`` says.
    """
    depth, height = size
    centre, walls = np.zeros(2), (height + wedge, height - wedge)
    bodies = [_placed(centre, tilts[0], depth, walls)]
    for above, below in pairwise(np.radians(tilts)):
        for angle, step in ((above, height / 2), ((above + below) / 2, disc), (below, height / 2)):
            centre = centre + step * np.array([-np.sin(angle), np.cos(angle)])
        bodies.append(_placed(centre, np.degrees(below), depth, walls))
    return Landmarks(np.stack(bodies), levels=tuple(names), facing="right")


def _placed(
    centre: Float64[np.ndarray, " 2"], tilt: float, depth: float, walls: tuple[float, float]
) -> Float64[np.ndarray, "4 2"]:
    x, y = centre
    return body(float(x), float(y), tilt=tilt, depth=depth, front=walls[0], back=walls[1])


_LUMBAR: Final = stack((-20, -15, -8, 2, 17, 38), LUMBAR, size=(58, 38), disc=18,
                       wedge=1.5)  # fmt: skip
_PAIR: Final = stack((4, 20), ("L4", "L5"), size=(84, 58), disc=26, wedge=4)
_JUNCTION: Final = stack((8, 32), ("L5", "S1"), size=(84, 58), disc=26, wedge=4)
_CURVED: Final = stack(
    np.interp(np.arange(17), [0, 3, 8, 13, 16], [-12, 16, -24, 14, 4]).tolist(),
    FRONTAL, size=(40, 20), disc=9,
)  # fmt: skip


def _lordosis(upper: str, lower: str) -> Panel:
    return Panel(_LUMBAR, (Shown("lordosis", (upper, lower), ("", "")),),
                 f"{upper}-{lower}: {{0:.0f}} deg")  # fmt: skip


def _segment(name: str, landmarks: Landmarks) -> Panel:
    upper, lower = (str(level) for level in landmarks.names)
    return Panel(landmarks, (Shown(name, (upper, lower), ("", "")),),
                 f"{name} {upper}-{lower}: {{0:.0f}} deg")  # fmt: skip


def _cobb(name: str, upper: str, lower: str, title: str) -> Panel:
    shown = Shown(name, (upper, lower), ("", ""))
    return Panel(_CURVED, (shown,), f"{title}: {{0:.0f}} deg", view="ap")


def _listhesis(shift: float) -> Panel:
    """Two upright bodies, the upper one moved sideways by ``shift`` px."""
    lower = body(0, 100, depth=96, front=58, back=58)
    upper = body(shift, 22, depth=96, front=58, back=58)
    pair = Landmarks(np.stack([upper, lower]), levels=("L3", "L4"))
    shown = Shown("lateral listhesis", ("L3", "L4"), ("", None), "%")
    return Panel(pair, (shown,), "{0:+.0f} %", view="ap")


FIGURES: Final = (
    Figure(
        "lordosis",
        "Lordosis between three pairs of endplates, and the sacral slope, on one spine",
        (
            _lordosis("L1", "S1"), _lordosis("L1", "L5"), _lordosis("L4", "S1"),
            Panel(_LUMBAR, (Shown("sacral slope", ("S1",), ("", None)),),
                  "sacral slope: {0:.0f} deg"),
        ),
    ),
    Figure(
        "segments",
        "The disc angle and the segmental lordosis of L4-L5, and the segmental lordosis of L5-S1",
        (
            _segment("disc angle", _PAIR), _segment("segmental lordosis", _PAIR),
            _segment("segmental lordosis", _JUNCTION),
        ),
    ),
    Figure(
        "cobb",
        "The angles PT, MT and TL of the AASCE challenge and the largest Cobb angle of one spine",
        (
            _cobb("Cobb angle", "T1", "T4", "PT"), _cobb("Cobb angle", "T4", "T9", "MT"),
            _cobb("Cobb angle", "T9", "L2", "TL"),
            _cobb("maximal Cobb angle", "T4", "T9", "largest"),
        ),
    ),
    Figure(
        "listhesis",
        "Lateral listhesis of L3 on L4 to the left and to the right of the image",
        (_listhesis(-14), _listhesis(20)),
    ),
)  # fmt: skip


def main() -> None:
    """Writes every figure."""
    for figure in FIGURES:
        write_text(FOLDER / f"{figure.stem}.svg", svg(figure))


if __name__ == "__main__":
    main()
