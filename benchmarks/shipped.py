"""What do the networks of the package do on unseen phantoms, and how do they fail as films worsen?

Draws phantoms of both views from a seed that no training uses, shows them to every packaged network
(no torch) as they are and degraded step by step (``degrading.py``), and counts. Writes
``shipped.json``, the curves and the sheet of failures in docs/images, and the tables in
docs/model-card.md.

    python benchmarks/shipped.py                             # every network of the package
    python benchmarks/shipped.py --run spondyl-small=RUN     # and what its training run says
    python benchmarks/shipped.py --table                     # measures nothing
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from degrading import CONDITIONS, Condition
from measuring import Shown
from PIL import Image, ImageDraw, ImageFont

from spondyl.atomic import write_bytes, write_json, write_text, write_with
from spondyl.data.phantom import phantom
from spondyl.data.phantom_frontal import frontal_phantom
from spondyl.data.phantom_made import Phantom
from spondyl.data.sample import Sample
from spondyl.judging.films import ComparedFilm, compare_films
from spondyl.judging.statistics import sums_intervals
from spondyl.predict import Predictor
from spondyl.session import load_session
from spondyl.spine.drawing import draw_overlay
from spondyl.spine.landmarks import Landmarks
from spondyl.weights import packaged, packaged_names

HERE = Path(__file__).parent
RESULTS = HERE / "shipped.json"
PAGE = HERE.parent / "docs" / "model-card.md"
IMAGES = HERE.parent / "docs" / "images"

SEED, FILMS, LONG_SIDE = 771, 40, 640
NEAR = 1.0  # % of the film's diagonal
SETS = ("lateral, plain", "lateral, rich", "AP")
DEGRADED = ("lateral, rich", "AP")
FIGURES = ("recall", "precision", "mre", "sdr", "refused", "unnoticed")
WORST, HEIGHT, GAP = 6, 300, 6


@dataclass(frozen=True)
class Judged:
    """One film that was shown: what is true, what was found, and how it compares."""

    shown: Shown
    found: Landmarks
    compared: ComparedFilm

    @property
    def near(self) -> tuple[int, int]:
        """True corners, and how many of them were found within 1 % of the diagonal."""
        errors = self.compared.errors("all", "diagonal")
        return int((~np.isnan(errors)).sum()), int((errors <= NEAR).sum())

    @property
    def sums(self) -> list[float]:
        """What the figures of many films are made of."""
        errors = self.compared.errors("all", "512")
        found, (corners, near) = errors[np.isfinite(errors)], self.near
        refused = self.found.refusal is not None
        lost = not refused and 2 * near < corners
        matching = self.compared.matching
        return [matching.found, matching.missed, matching.false, corners, near, len(found),
                float(found.sum()), refused, lost, 1]  # fmt: skip


def main() -> None:
    asked = arguments()
    if not asked.table:
        before = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        runs = dict(each.split("=", 1) for each in asked.run)
        started, sets = time.time(), {name: drawn(name, asked.films) for name in SETS}
        for network in asked.network or packaged_names():
            told = judged(network, sets)
            known = before.get(network, {}).get("training")
            told["training"] = training(Path(runs[network])) if network in runs else known
            before[network] = told
        print(f"{time.time() - started:.0f} s")
        write_json(RESULTS, before)
    told = json.loads(RESULTS.read_text("utf-8"))
    for network, own in told.items():
        write_bytes(IMAGES / f"{network}-degraded.svg", curves(own["degraded"]))
    write_text(PAGE, filled(PAGE.read_text("utf-8"), told))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", action="append", help="packaged; all by default")
    parser.add_argument("--films", type=int, default=FILMS, help="of each set")
    parser.add_argument("--run", action="append", default=[], metavar="NETWORK=FOLDER")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    return parser.parse_args()


def drawn(name: str, films: int) -> list[Shown]:
    """Unseen phantoms with every vertebra that is in them."""
    return [_shown(name, index) for index in range(films)]


def _shown(name: str, index: int) -> Shown:
    made = _made(name, index)
    film, key = made.radiograph, f"{name} {index}"
    sample = Sample(
        key, Path(key), film.height, film.width, made.truth, key, "phantom",
        complete_above=True, complete_below=True, spacing=film.spacing, aspect=film.aspect,
        view=film.view, flags=made.flags,
    )  # fmt: skip
    return sample, film


def _made(name: str, index: int) -> Phantom:
    if name == "AP":
        return frontal_phantom(SEED, index, long_side=LONG_SIDE)
    style = "rich" if name.endswith("rich") else "plain"
    return phantom(SEED, index, long_side=LONG_SIDE, style=style)


def judged(network: str, sets: Mapping[str, Sequence[Shown]]) -> dict[str, Any]:
    """All that is counted of one network; writes its failures on the way."""
    predictor = load_session(packaged(network))
    whole = {name: look(predictor, shown) for name, shown in sets.items()}
    every = sorted((each for known in whole.values() for each in known), key=_share)
    failures = [("as drawn", each) for each in every[:WORST]]
    degraded: dict[str, Any] = {}
    for name in DEGRADED:
        degraded[name] = {}
        for condition in CONDITIONS:
            steps = list(worse(predictor, sets[name], condition))
            degraded[name][condition.name] = {
                "severity": list(condition.severities),
                "unit": condition.unit,
                **_series([figures(whole[name]), *map(figures, steps)]),
            }
            failures.append((condition.name, _worst(steps[len(steps) // 2], failures)))
        print(network, name, flush=True)
    write_sheet(IMAGES / f"{network}-failures.png", failures)
    return {
        "made_by": {**predictor.made_by, **machine()},
        "bytes": packaged(network).stat().st_size,
        "films": {name: len(shown) for name, shown in sets.items()},
        "drawn": {name: intervals(known) for name, known in whole.items()},
        "degraded": degraded,
    }


def _worst(films: Sequence[Judged], others: Sequence[tuple[str, Judged]]) -> Judged:
    """The worst film, if possible one that is not among the others."""
    shown = {each.shown[0].key for _, each in others}
    return min(films, key=lambda film: (film.shown[0].key in shown, _share(film)))


def worse(
    predictor: Predictor, films: Sequence[Shown], condition: Condition
) -> Iterator[list[Judged]]:
    """The films at every severity of a condition."""
    for severity in condition.severities:
        changed = [
            condition.way(shown, np.random.default_rng([SEED, index]), severity)
            for index, shown in enumerate(films)
        ]
        resized = [(replace(s, height=film.height, width=film.width), film) for s, film in changed]
        yield look(predictor, resized)


def look(predictor: Predictor, films: Sequence[Shown]) -> list[Judged]:
    found = list(predictor.many(film for _, film in films))
    truth = [sample for sample, _ in films]
    predicted = [replace(s, landmarks=own) for s, own in zip(truth, found, strict=True)]
    compared = compare_films(predicted, truth, "top")
    return [Judged(*each) for each in zip(films, found, compared, strict=True)]


def _share(film: Judged) -> float:
    corners, near = film.near
    return near / max(corners, 1)


def figures(films: Sequence[Judged]) -> dict[str, float | None]:
    """Recall, precision, MRE (px at 512), SDR, films refused, films far off and not refused."""
    values = _ratios(np.array([film.sums for film in films]).sum(axis=0))
    return {
        k: None if np.isnan(v) else round(float(v), 2) for k, v in zip(FIGURES, values, strict=True)
    }


def intervals(films: Sequence[Judged]) -> dict[str, list[float | None]]:
    """The same, each with its 95 % interval by bootstrap over films."""
    sums = np.array([film.sums for film in films])
    known = sums_intervals(sums, _ratios, rng=np.random.default_rng(SEED))
    return {
        name: [None if v is None else round(v, 2) for v in (each.value, each.low, each.high)]
        for name, each in zip(FIGURES, known, strict=True)
    }


def _ratios(sums: np.ndarray) -> np.ndarray:
    found, missed, false, corners, near, measured, error, refused, lost, films = np.moveaxis(
        sums, -1, 0
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [
                100 * found / (found + missed), 100 * found / (found + false), error / measured,
                100 * near / corners, 100 * refused / films, 100 * lost / films,
            ],
            axis=-1,
        )  # fmt: skip


def _series(rows: Sequence[Mapping[str, float | None]]) -> dict[str, list[float | None]]:
    return {name: [row[name] for row in rows] for name in FIGURES}


def machine() -> dict[str, Any]:
    listed = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", listed.read_text()) if listed.exists() else None
    name = model[1] if model else platform.processor() or platform.machine()
    return {
        "device": f"{name}, {os.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seed": SEED,
    }


def training(run: Path) -> dict[str, Any]:
    """What a training run says of its cost; energy only where somebody metered it."""
    told = json.loads((run / "run.json").read_text("utf-8"))
    names = ("training_films", "validation_films", "seconds", "device_name", "threads", "cores",
             "parameters", "input_size", "gmacs", "peak_memory_bytes", "energy_kwh")  # fmt: skip
    return {name: told.get(name) for name in names}


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


def curves(degraded: Mapping[str, Any]) -> bytes:
    """A panel a condition: recall, SDR and refusals against severity, for each view."""
    from spondyl.judging.figures import LineStyle, draw_panels

    colours = dict(zip(degraded, ("#2a78b5", "#d1731b"), strict=True))
    dashes = {"recall": "-", "sdr": "--", "refused": ":"}
    labels = {"recall": "found", "sdr": f"within {NEAR:g} %", "refused": "films refused"}
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
                    values = [
                        np.nan if v is None else v for v in degraded[name][condition.name][key]
                    ]
                    axes.plot(steps, values, **LineStyle(colour, dash).settings)
            axes.set_title(f"{condition.name}, {condition.unit}".removesuffix(", "), fontsize=9)
            axes.set_xticks(steps, ["-", *(f"{each:g}" for each in condition.severities)])
            axes.set_ylim(-3, 103)
            axes.set_ylabel("%")

        return draw

    return draw_panels(list(map(panel, CONDITIONS)), (10, 7), "svg", rows=3, legend=legend)


def filled(page: str, told: Mapping[str, Any]) -> str:
    """The page with what was measured between its marks."""
    parts = {"trained": _trained, "measured": _measured, "degraded": _degraded}
    for name, write in parts.items():
        text = "".join(
            f"\n**`{network}`**\n\n{write(network, own)}" for network, own in told.items()
        )
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = mark.sub(lambda found, text=text: found[1] + text + found[2], page)
    return page


def _trained(network: str, own: Mapping[str, Any]) -> str:
    made, run = own["made_by"], own["training"] or {}
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


HEADS = "recall % | precision % | MRE, px at 512 | within 1 % of the diagonal, % | refused % | far off, not refused %"  # noqa: E501


def _measured(network: str, own: Mapping[str, Any]) -> str:
    text = f"| phantoms, as drawn | films | {HEADS} |\n|---|---|{'---|' * len(FIGURES)}\n"
    for name, row in own["drawn"].items():
        cells = " | ".join(_interval(row[key]) for key in FIGURES)
        text += f"| {name} | {own['films'][name]} | {cells} |\n"
    return text


def _degraded(network: str, own: Mapping[str, Any]) -> str:
    text = f"![{network}, as films get worse](images/{network}-degraded.svg)\n\n"
    text += f"| degraded | severity | {HEADS} |\n|---|---|{'---|' * len(FIGURES)}\n"
    for name, conditions in own["degraded"].items():
        for condition, row in conditions.items():
            for step, severity in enumerate(row["severity"], start=1):
                cells = " | ".join(_number(row[key][step]) for key in FIGURES)
                how = f"{severity:g} {row['unit']}" if row["unit"] else ""
                text += f"| {name}: {condition} | {how} | {cells} |\n"
    return f"{text}\n![The worst films](images/{network}-failures.png)\n"


def _interval(known: Sequence[float | None]) -> str:
    value, low, high = known
    return _number(value) if low is None else f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    main()
