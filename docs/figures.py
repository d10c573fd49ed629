"""What do the protocols say of one small example: the tables and the figure of ``evaluation.md``.

Run ``python docs/figures.py`` to write ``images/protocols.svg`` and to print the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from spondyl.atomic import write_text
from spondyl.data.sample import Sample
from spondyl.film.radiograph import PixelSpacing
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.taxonomy import CLASSES
from spondyl.spine.landmarks import Landmarks

HEIGHT, WIDTH = 1024, 768  # px of the film: its diagonal is 1,280 px
STEP = 92.0  # px from one vertebra to the next
NAMES = ("L4", "L5", "S1")
OFF = (6.0, 8.0)  # px by which every predicted corner is wrong

_BLUE, _AMBER, _INK = "#0072b2", "#e69f00", "#767676"
_PANELS = {
    "all, matched, named: nearest, and of the same name": ((1, 0), (2, 1), (3, 2)),
    "ordinal: first with first, second with second": ((0, 0), (1, 1), (2, 2)),
}
"""Title, and which predicted vertebra is held against which annotated one."""


@dataclass(frozen=True, slots=True)
class Case:
    """One prediction of the example film, and whether its annotator labelled all that is there."""

    title: str
    predicted: Landmarks
    complete_above: bool = False


def vertebrae(first: int, names: Sequence[str], *, off: tuple[float, float] = (0, 0)) -> Landmarks:
    """Upright bodies of 88 x 64 px, the first in place ``first``: the annotation begins at 0."""
    top = 420.0 + STEP * (first + np.arange(len(names)))
    points = np.empty((len(names), 4, 2))
    points[:, ::2, 0], points[:, 1::2, 0] = 340.0, 428.0
    points[:, :2, 1], points[:, 2:, 1] = top[:, None], top[:, None] + 64.0
    return Landmarks(points + off, levels=tuple(names))


def cases() -> list[Case]:
    """What may be predicted on a film with L4, L5 and S1 annotated."""
    three, four = vertebrae(0, NAMES, off=OFF), vertebrae(-1, ("L3", *NAMES), off=OFF)
    ends = three.points[[0, 2]]
    return [
        Case("the three", three),
        Case("the three, and one more on top", four),
        Case("the same, where the annotator labelled all", four, complete_above=True),
        Case("all but the middle one", Landmarks(ends, levels=(NAMES[0], NAMES[2]))),
        Case("the three, named one level too high", replace(three, levels=("L3", "L4", "L5"))),
    ]


def judge(case: Case) -> Evaluation:
    """The case as ``spondyl evaluate`` judges it."""
    annotated = Sample(
        key="film", path=Path("film.png"), height=HEIGHT, width=WIDTH,
        landmarks=vertebrae(0, NAMES), group="film", origin="example",
        complete_above=case.complete_above, spacing=PixelSpacing(row_mm=0.3, column_mm=0.3),
    )  # fmt: skip
    predicted = replace(annotated, landmarks=case.predicted)
    return evaluate([predicted], [annotated], thresholds=[6, 24])


def protocols_table() -> str:
    """MRE and SDR of every case under every protocol."""
    lines = [
        "| predicted | found, false, ignored | `all` | `ordinal` | `matched` | `named` |",
        "|---|---|---|---|---|---|",
    ]
    for case in cases():
        judged = judge(case)
        counts = f"{judged.detection.found}, {judged.detection.false}, {judged.detection.ignored}"
        shown = [_shown(score.metrics) for score in judged.protocols]
        lines.append(f"| {' | '.join([case.title, counts, *shown])} |")
    return "\n".join(lines)


def penalised_table() -> str:
    """What the mean error says of a network that misses, with and without a price for it."""
    lines = ["| predicted | MRE of the found | SDR@6 | penalised MRE |", "|---|---|---|---|"]
    exact = vertebrae(0, NAMES).points[:1]
    for case in (*cases()[::3], Case("only L4, without any error", Landmarks(exact))):
        metrics = judge(case).protocol("all").metrics
        shown = [f"{metrics[k].value:.1f}" for k in ("mre_512", "sdr@6", "penalised_mre_512")]
        lines.append(f"| {case.title} | {shown[0]} px | {shown[1]} % | {shown[2]} px |")
    return "\n".join(lines)


def taxonomy_table() -> str:
    """The classes of the twelve corners where one more vertebra was predicted on top."""
    counted = judge(cases()[1]).taxonomy
    lines = [f"| | {' | '.join(CLASSES)} |", "|---" * (1 + len(CLASSES)) + "|"]
    for protocol in ("all", "ordinal"):
        numbers = " | ".join(str(counted[protocol][kind]) for kind in CLASSES)
        lines.append(f"| `{protocol}` | {numbers} |")
    return "\n".join(lines)


def units_table() -> str:
    """One error in every unit."""
    metrics = judge(cases()[0]).protocol("all").metrics
    px, at_512, diagonal, height, mm = (
        metrics[f"mre_{unit}"].value for unit in ("px", "512", "diagonal", "height", "mm")
    )
    return "\n".join(
        [
            "| px | px at 512 | % of the diagonal | % of the vertebra's height | mm |",
            "|---|---|---|---|---|",
            f"| {px:.1f} | {at_512:.1f} | {diagonal:.2f} | {height:.1f} | {mm:.1f} |",
        ]
    )


def figure() -> str:
    """The second case: which prediction is held against which annotation."""
    body = [line for i, title in enumerate(_PANELS) for line in _panel(title, 340 * i)]
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 330" role="img"'
        ' aria-label="which prediction is held against which annotation"'
        ' font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, *body, "</svg>", ""])


def _panel(title: str, left: int) -> Iterator[str]:
    annotated, predicted = vertebrae(0, NAMES), cases()[1].predicted
    yield f'<text x="{left + 10}" y="16" fill="{_INK}">{title}</text>'
    for landmarks, colour, side in ((annotated, _BLUE, 75), (predicted, _AMBER, 205)):
        for name, corners in zip(landmarks.names, landmarks.points, strict=True):
            yield _body(corners, left + side, colour)
            x, y = _place(corners.mean(axis=0), left + side)
            yield (
                f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" fill="{colour}">'
                f"{name}</text>"
            )
    for from_predicted, to_annotated in _PANELS[title]:
        start = _place(predicted.points[from_predicted][[0, 2]].mean(axis=0), left + 205)
        end = _place(annotated.points[to_annotated][[1, 3]].mean(axis=0), left + 75)
        yield (
            f'<path d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"'
            f' stroke="{_INK}" stroke-width="1.5"/>'
        )


def _body(corners: Float64[np.ndarray, "4 2"], left: float, colour: str) -> str:
    x, y = zip(*(_place(corner, left) for corner in corners[[0, 1, 3, 2]]), strict=True)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polygon points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _place(point: Float64[np.ndarray, " 2"], left: float) -> tuple[float, float]:
    """Image px to px of the figure."""
    return left + 0.75 * (point[0] - 384.0), 40.0 + 0.75 * (point[1] - 328.0)


def _shown(metrics: Mapping[str, object]) -> str:
    mre, sdr = (getattr(metrics[key], "value", None) for key in ("mre_512", "sdr@6"))
    return "-" if mre is None else f"{mre:.1f} px, {sdr:.0f} %"


if __name__ == "__main__":
    write_text(Path(__file__).parent / "images" / "protocols.svg", figure())
    print(protocols_table(), penalised_table(), taxonomy_table(), units_table(), sep="\n\n")
