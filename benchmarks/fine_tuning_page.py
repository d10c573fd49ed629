"""What did fine-tuning bring? Puts the results of ``fine_tuning.py`` into docs/fine-tuning.md.

The table between the page's markers, and ``docs/images/fine-tuning.svg``.

    python benchmarks/fine_tuning_page.py
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spondyl.atomic import write_text
from spondyl.judging.figures import COLOURS, INK
from spondyl.judging.statistics import Estimate

HERE = Path(__file__).parent
RESULTS = HERE / "fine_tuning.json"
PAGE = HERE.parent / "docs" / "fine-tuning.md"
FIGURE = HERE.parent / "docs" / "images" / "fine-tuning.svg"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"
FIGURES = {
    "recall": ("recall, %", 1),
    "precision": ("precision, %", 1),
    "sdr_1_diagonal": ("corners within 1 % of the diagonal, %", 1),
    "mre_512": ("MRE, px at 512", 2),
    "cobb_smape": ("Cobb SMAPE, %", 1),
}
"""What is told of each run, its heading, and its decimals."""

Row = Mapping[str, Any]


def main() -> None:
    write_text(PAGE, page(PAGE.read_text()))
    write_text(FIGURE, figure(results()["runs"]))


def results() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(RESULTS.read_text())
    order = list(dict.fromkeys(row["start"] for row in told["runs"]))
    runs = sorted(told["runs"], key=lambda row: (row["films"], order.index(row["start"])))
    return {**told, "runs": runs}


def page(text: str) -> str:
    """The page with the results in the place of those between its markers."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    told = results()
    return before + BEGIN + "".join(table(told["runs"])) + "\n" + setting(told) + END + after


def table(runs: list[Row]) -> Iterator[str]:
    yield "| films | start | " + " | ".join(head for head, _ in FIGURES.values()) + " |\n"
    yield "| ---: | :--- |" + " ---: |" * len(FIGURES) + "\n"
    for row in runs:
        cells = [shown(row[name], places) for name, (_, places) in FIGURES.items()]
        yield f"| {row['films']} | {row['start']} | " + " | ".join(cells) + " |\n"


def shown(figure: Mapping[str, float | None], places: int) -> str:
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None:
        return "-"
    if low is None or high is None:
        return f"{value:.{places}f}"
    return f"{value:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def setting(told: Mapping[str, Any]) -> str:
    """How it was measured, from what the runs say of themselves."""
    runs = [row for row in told["runs"] if row["films"]]
    minutes = max(row["seconds"] for row in runs) / 60
    machines = ", ".join(sorted({row["device_name"] for row in runs}))
    first = runs[0]
    return (
        f"{told['network']} at {told['input']} px, {told['steps']} steps of {told['batch']} films "
        f"each, bf16-mixed; judged on {first['test_films']} films of {first['test_studies']} "
        f"studies; {machines}, {first['threads']} thread, shared with much other work: a run took "
        f"up to {minutes:.0f} min.\n"
    )


def figure(runs: list[Row]) -> str:
    """Share of corners within 1 % of the diagonal, and SMAPE, over the number of films, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "svg.hashsalt": "spondyl",
        "svg.fonttype": "none",
        "font.size": 9,
        "text.color": INK,
    }
    edges: dict[Any, Any] = dict.fromkeys(
        ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
    )
    with mpl.rc_context({**style, **edges}):
        drawing = Figure(figsize=(7, 2.8), layout="constrained")
        panels = drawing.subplots(1, 2)
        for axes, name in zip(panels, ("sdr_1_diagonal", "mre_512"), strict=True):
            draw(axes, runs, name)
        panels[0].legend(frameon=False)
        data = io.StringIO()
        drawing.savefig(data, format="svg", transparent=True, metadata={"Date": None})
    return "\n".join(line.rstrip() for line in data.getvalue().splitlines()) + "\n"


def draw(axes: Any, runs: list[Row], name: str) -> None:
    starts = list(dict.fromkeys(row["start"] for row in runs))
    for start, colour in zip(starts, COLOURS, strict=False):
        rows = [row for row in runs if row["start"] == start and row[name]["value"] is not None]
        estimates = [Estimate(**row[name]) for row in rows]
        values = [each.value or 0.0 for each in estimates]
        below = [v - (each.low or v) for v, each in zip(values, estimates, strict=True)]
        above = [(each.high or v) - v for v, each in zip(values, estimates, strict=True)]
        films = [row["films"] for row in rows]
        axes.errorbar(films, values, (below, above), color=colour, marker="o", ms=3, capsize=2,
                      lw=1.2, label=start)  # fmt: skip
    axes.set_xscale("symlog", linthresh=10)
    sizes = sorted({row["films"] for row in runs})
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("labelled films")
    axes.set_title(FIGURES[name][0], color=INK)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
