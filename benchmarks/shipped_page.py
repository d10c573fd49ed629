"""What does the model card show: tables, curves and a sheet of failures, from what was measured.

``shipped.py`` measures and calls this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spondyl.atomic import write_with
from spondyl.spine.drawing import draw_overlay

if TYPE_CHECKING:
    from degrading import Condition
    from shipped import Judged

PAGE = Path(__file__).parents[1] / "docs" / "model-card.md"
IMAGES = PAGE.parent / "images"

WORST, HEIGHT, GAP = 6, 300, 6
HEADS = {
    "recall": "recall %",
    "precision": "precision %",
    "mre": "MRE, px at 512",
    "sdr": "within 1 % of the diagonal, %",
    "refused": "refused %",
    "unnoticed": "far off, not refused %",
}
"""Of the figures on phantoms."""


def write_sheet(path: Path, failures: Sequence[tuple[str, Judged]]) -> None:
    """The worst films: annotated in blue, predicted in amber, with what was said of them."""
    pictures = [_captioned(condition, each) for condition, each in failures]
    rows = [pictures[k : k + WORST] for k in range(0, len(pictures), WORST)]
    width = max(sum(each.width + GAP for each in row) for row in rows) - GAP
    height = max(each.height for each in pictures) + GAP
    canvas = Image.new("RGB", (width, len(rows) * height - GAP), "white")
    for number, row in enumerate(rows):
        x = 0
        for each in row:
            canvas.paste(each, (x, number * height))
            x += each.width + GAP
    sheet = canvas.quantize(128)
    write_with(path, lambda temporary: sheet.save(temporary, format="PNG", optimize=True))


def _captioned(condition: str, film: Judged) -> Image.Image:
    sample, shown = film.shown
    picture = draw_overlay(shown, film.found, reference=sample.landmarks, long_side=2 * HEIGHT)
    picture = picture.resize((max(1, round(picture.width * HEIGHT / picture.height)), HEIGHT))
    corners, near = film.near
    lines = [sample.key, condition, f"{near} of {corners} corners near",
             "refused" if film.found.refusal else "not refused"]  # fmt: skip
    canvas = Image.new("RGB", (max(picture.width, 130), HEIGHT + 13 * len(lines)), "white")
    canvas.paste(picture, (0, 0))
    ImageDraw.Draw(canvas).multiline_text(
        (2, HEIGHT), "\n".join(lines), fill="black", font=ImageFont.load_default(10), spacing=2
    )
    return canvas


def curves(degraded: Mapping[str, Any], conditions: Sequence[Condition]) -> bytes:
    """A panel a condition: recall, SDR and refusals against severity, for each view."""
    from spondyl.judging.figures import LineStyle, draw_panels

    colours = dict(zip(degraded, ("#2a78b5", "#d1731b"), strict=True))
    dashes = {"recall": "-", "sdr": "--", "refused": ":"}
    labels = {"recall": "found", "sdr": "within 1 %", "refused": "films refused"}
    legend = {
        f"{name}: {labels[key]}": LineStyle(colour, dash)
        for name, colour in colours.items()
        for key, dash in dashes.items()
    }

    def panel(condition: Condition) -> Any:
        def draw(axes: Any) -> None:
            steps = range(len(condition.severities) + 1)
            for name, colour in colours.items():
                for key, dash in dashes.items():
                    known = degraded[name].get(condition.name, {}).get(key, [])
                    values = [np.nan if v is None else v for v in known]
                    axes.plot(steps[: len(values)], values, **LineStyle(colour, dash).settings)
            axes.set_title(f"{condition.name}, {condition.unit}".removesuffix(", "), fontsize=9)
            axes.set_xticks(steps, ["-", *(f"{each:g}" for each in condition.severities)])
            axes.set_ylim(-3, 103)
            axes.set_ylabel("%")

        return draw

    rows = 2 if len(conditions) % 3 else 3
    return draw_panels(
        list(map(panel, conditions)), (10, 2.35 * rows), "svg", rows=rows, legend=legend
    )


def filled(page: str, told: Mapping[str, Any]) -> str:
    """The page with what was measured between its marks."""
    parts = {
        "trained": _trained, "real": _real, "measured": _measured, "degraded": _degraded,
        "shifted": _shifted,
    }  # fmt: skip
    for name, write in parts.items():
        text = "".join(
            f"\n**`{network}`**\n\n{write(network, own)}" for network, own in told.items()
        )
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = mark.sub(lambda found, text=text: found[1] + text + found[2], page)
    return page


def _trained(network: str, own: Mapping[str, Any]) -> str:
    made, run = own["made_by"], own.get("training") or {}
    seconds, energy = run.get("seconds"), run.get("energy_kwh")
    size = f"{run['parameters']:,}" if run.get("parameters") else "not stated"
    rows = {
        "network, codec": f"{made['network']}, {made['codec']}",
        "file": f"{own['bytes'] / 1e6:.1f} MB",
        "parameters": size,
        "input, px": run.get("input_size") or "not stated",
        "films trained on, films that chose": _both(run, "training_films", "validation_films"),
        "trained on": run.get("device_name") or "not stated",
        "time": f"{seconds / 60:.0f} min" if seconds else "not stated",
        "energy": f"{energy} kWh" if energy else "not metered",
        "weights, SHA-256": f"`{made['weights_digest']}`",
        "recipe, SHA-256": f"`{made['recipe_digest']}`",
    }
    return "| | |\n|---|---|\n" + "".join(f"| {k} | {v} |\n" for k, v in rows.items())


def _both(run: Mapping[str, Any], first: str, second: str) -> str:
    return f"{run[first]}, {run[second]}" if run.get(first) else "not stated"


def _measured(network: str, own: Mapping[str, Any]) -> str:
    text = _header("phantoms, as drawn", "films", *HEADS.values())
    for name, row in own["drawn"].items():
        cells = " | ".join(_interval(row[key]) for key in HEADS)
        text += f"| {name} | {own['films'][name]} | {cells} |\n"
    return text


def _degraded(network: str, own: Mapping[str, Any]) -> str:
    text = f"![{network}, as films get worse](images/{network}-degraded.svg)\n\n"
    text += _header("degraded", "severity", *HEADS.values())
    text += "".join(_severities(own["degraded"]))
    return f"{text}\n![The worst films](images/{network}-failures.png)\n"


def _shifted(network: str, own: Mapping[str, Any]) -> str:
    if "shifted" not in own:
        return "Not measured.\n"
    text = f"![{network}, beyond the ranges of training](images/{network}-shifted.svg)\n\n"
    text += _header("drawn beyond", "by how much", *HEADS.values())
    return text + "".join(_severities(own["shifted"]))


def _severities(sets: Mapping[str, Any]) -> Iterator[str]:
    """A row a severity."""
    for name, conditions in sets.items():
        for condition, row in conditions.items():
            for step, severity in enumerate(row["severity"], start=1):
                cells = " | ".join(_number(row[key][step]) for key in HEADS)
                how = f"{severity:g} {row['unit']}" if row["unit"] else ""
                yield f"| {name}: {condition} | {how} | {cells} |\n"


def _real(network: str, own: Mapping[str, Any]) -> str:
    """One row a set of films, and the recall of each level below it."""
    text = ""
    for name, known in own.get("real", {}).items():
        figures = known["figures"]
        text += _header(name, *figures)
        size = f"{known['films']} films, {known['groups']} studies"
        cells = [_interval(v, places=1 + ("median" in head)) for head, v in figures.items()]
        text += f"| {size} | {' | '.join(cells)} |\n"
        levels = ", ".join(f"{level} {share:.0f}" for level, share in known["levels"].items())
        text += f"\nRecall by level, %: {levels}. ({known['device']}, {known['date']})\n"
    return text or "Not measured.\n"


def _header(*heads: str) -> str:
    return f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"


def _interval(known: Sequence[float | None], places: int = 1) -> str:
    value, low, high = (_number(each, places) for each in known)
    return value if known[1] is None else f"{value} [{low}, {high}]"


def _number(value: float | None, places: int = 1) -> str:
    return "none" if value is None else f"{value:.{places}f}"
