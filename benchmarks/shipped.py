"""What do the networks of the package do on unseen films, and how do they fail as films worsen?

Draws phantoms of both views from a seed that no training uses, shows them to every packaged network
(no torch) as they are, degraded step by step (``degrading.py``) and drawn beyond the ranges of
training (``shifting.py``), and counts; given the AASCE 2019 training split, on its films, too.
Writes ``shipped.json`` and, by ``shipped_page.py``, the curves and the sheet of failures in
docs/images, and the tables in docs/model-card.md.

    python benchmarks/shipped.py                             # every network of the package
    python benchmarks/shipped.py --run spondyl-small=RUN     # and what its training run says
    python benchmarks/shipped.py --aasce PATH/aasce2019-train   # and what it finds on real films
    python benchmarks/shipped.py --aasce PATH/aasce2019-train --only-real   # and nothing else
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
from counting import Counts, by_group, estimates, rounded
from degrading import CONDITIONS, Condition
from measuring import Shown
from real_films import compared, labelled_counts, labelled_films
from shifting import CONDITIONS as SHIFTS
from shifting import LONG_SIDE, shown_as
from shipped_page import IMAGES, PAGE, WORST, curves, filled, write_sheet

from spondyl.atomic import write_bytes, write_json, write_text
from spondyl.data.aasce import LEVELS
from spondyl.data.phantom import phantom
from spondyl.data.phantom_frontal import frontal_phantom
from spondyl.data.phantom_made import Phantom
from spondyl.data.sample import Sample
from spondyl.judging.films import ComparedFilm, compare_films
from spondyl.judging.statistics import clustered_interval
from spondyl.predict import Predictor
from spondyl.session import load_session
from spondyl.spine.chain import seen_view
from spondyl.spine.landmarks import Landmarks
from spondyl.weights import packaged, packaged_names

HERE = Path(__file__).parent
RESULTS = HERE / "shipped.json"

SEED, FILMS, SHIFTED = 771, 40, 20  # of each set; of those, as many are shifted
NEAR = 1.0  # % of the film's diagonal
SETS = ("lateral, plain", "lateral, rich", "AP")
DEGRADED = ("lateral, rich", "AP")
REAL = "AP films, AASCE 2019, training split"


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
    def counts(self) -> Counts:
        """What it adds to recall, precision, MRE (px at 512), SDR, and to films in %.

        ``unnoticed`` are films with fewer than half of their corners near that were not refused.
        """
        errors = self.compared.errors("all", "512")
        found, (corners, near) = errors[np.isfinite(errors)], self.near
        matching, refused = self.compared.matching, self.found.refusal is not None
        return {
            "recall": (100 * matching.found, matching.found + matching.missed),
            "precision": (100 * matching.found, matching.found + matching.false),
            "mre": (float(found.sum()), len(found)),
            "sdr": (100 * near, corners),
            "refused": (100 * refused, 1),
            "unnoticed": (100 * (not refused and 2 * near < corners), 1),
        }


def main() -> None:
    asked = arguments()
    told = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    started, networks = time.time(), asked.network or packaged_names()
    if not (asked.table or asked.only_real):
        runs = dict(each.split("=", 1) for each in asked.run)
        sets = {name: drawn(name, asked.films) for name in SETS}
        for network in networks:
            kept = {k: v for k, v in told.get(network, {}).items() if k in ("training", "real")}
            told[network] = {**judged(network, sets), **kept}
            if network in runs:
                told[network]["training"] = training(Path(runs[network]))
    if asked.aasce:
        samples = labelled_films(asked.aasce)
        for network in networks:
            told[network]["real"] = {REAL: on_real_films(network, samples)}
    print(f"{time.time() - started:.0f} s")
    write_json(RESULTS, told)
    for network, own in told.items():
        for kind, conditions in (("degraded", CONDITIONS), ("shifted", SHIFTS)):
            if kind in own:
                write_bytes(IMAGES / f"{network}-{kind}.svg", curves(own[kind], conditions))
    write_text(PAGE, filled(PAGE.read_text("utf-8"), told))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", action="append", help="packaged; all by default")
    parser.add_argument("--films", type=int, default=FILMS, help="of each set")
    parser.add_argument("--run", action="append", default=[], metavar="NETWORK=FOLDER")
    parser.add_argument("--aasce", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--only-real", action="store_true", help="draw no phantoms")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    return parser.parse_args()


def drawn(name: str, films: int) -> list[Shown]:
    """Unseen phantoms with every vertebra that is in them."""
    made = [(f"{name} {index}", _made(name, index)) for index in range(films)]
    return [shown_as(key, each.radiograph, each.truth) for key, each in made]


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
    degraded: dict[str, Any] = {name: {} for name in DEGRADED}
    for name in DEGRADED:
        for condition, steps in worsened(predictor, name, sets[name], CONDITIONS):
            degraded[name][condition.name] = series(condition, whole[name], steps)
            failures.append((condition.name, _worst(steps[len(steps) // 2], failures)))
        print(network, name, flush=True)
    write_sheet(IMAGES / f"{network}-failures.png", failures)
    return {
        "made_by": {**predictor.made_by, **machine()},
        "bytes": packaged(network).stat().st_size,
        "films": {name: len(shown) for name, shown in sets.items()},
        "drawn": {name: intervals(known) for name, known in whole.items()},
        "degraded": degraded,
        "shifted": {name: shifted(predictor, name, whole[name][:SHIFTED]) for name in DEGRADED},
    }


def _worst(films: Sequence[Judged], others: Sequence[tuple[str, Judged]]) -> Judged:
    """The worst film, if possible one that is not among the others."""
    shown = {each.shown[0].key for _, each in others}
    return min(films, key=lambda film: (film.shown[0].key in shown, _share(film)))


def shifted(predictor: Predictor, name: str, whole: Sequence[Judged]) -> dict[str, Any]:
    """The same patients drawn beyond each range of training."""
    worse = worsened(predictor, name, [film.shown for film in whole], SHIFTS)
    return {condition.name: series(condition, whole, steps) for condition, steps in worse}


def worsened(
    predictor: Predictor, name: str, films: Sequence[Shown], conditions: Sequence[Condition]
) -> Iterator[tuple[Condition, list[list[Judged]]]]:
    """The films of a set at every severity of each condition that is for them."""
    for condition in conditions:
        if films[0][1].view in condition.views:
            yield condition, list(_steps(predictor, name, films, condition))


def _steps(
    predictor: Predictor, name: str, films: Sequence[Shown], condition: Condition
) -> Iterator[list[Judged]]:
    for severity in condition.severities:
        changed = [
            condition.way(shown, own_generator(name, index), severity)
            for index, shown in enumerate(films)
        ]
        resized = [(replace(s, height=film.height, width=film.width), film) for s, film in changed]
        yield look(predictor, resized)


def own_generator(name: str, index: int) -> np.random.Generator:
    """That a phantom was drawn from, so that the same patient can be drawn anew."""
    return np.random.default_rng([SEED, index, 2] if name == "AP" else [SEED, index])


def series(
    condition: Condition, whole: Sequence[Judged], steps: Sequence[Sequence[Judged]]
) -> dict[str, Any]:
    """Each figure of the films as drawn, then at each severity."""
    rows = [figures(whole), *map(figures, steps)]
    known = {name: [row[name] for row in rows] for name in rows[0]}
    return {"severity": list(condition.severities), "unit": condition.unit, **known}


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
    """Each figure over the films."""
    return {name: value for name, (value, _, _) in intervals(films).items()}


def intervals(films: Sequence[Judged]) -> dict[str, list[float | None]]:
    """Each figure with its 95 % interval by bootstrap over films."""
    counted = by_group([(film.shown[0].key, film.counts) for film in films])
    return rounded(estimates(counted, seed=SEED))


def on_real_films(network: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """What a network does on labelled AP films whose view nobody states; no film is named."""
    predictor = load_session(packaged(network))
    films = compared(predictor, samples)
    known = by_group([(film.annotated.group, _real_counts(predictor, film)) for film in films])
    told = rounded(estimates(known, seed=SEED))
    levels = {name: told.pop(name)[0] for name in LEVELS}
    return {
        "films": len(films),
        "groups": len(known),
        "figures": {**told, "median error of the found, % of the diagonal": _median(films)},
        "levels": levels,
        **{key: machine()[key] for key in ("device", "date")},
    }


def _real_counts(predictor: Predictor, film: ComparedFilm) -> Counts:
    """The figures under the names that the page shows, and recall by level."""
    partners = dict(zip(film.annotated.landmarks.names, film.matching.partner, strict=True))
    seen = seen_view(film.predicted, predictor.calibration) == "ap"
    return {
        **{name if "%" in name else f"{name}, %": v for name, v in labelled_counts(film).items()},
        "refused, %": (100 * (film.predicted.refusal is not None), 1),
        "seen to be AP, %": (100 * seen, 1),
        **{name: (100 * (partners.get(name, -1) >= 0), name in partners) for name in LEVELS},
    }


def _median(films: Sequence[ComparedFilm]) -> list[float | None]:
    errors = [film.errors("all", "diagonal") for film in films]
    found = [each[np.isfinite(each)] for each in errors]
    groups = [film.annotated.group for film, own in zip(films, found, strict=True) for _ in own]
    rng = np.random.default_rng(SEED)
    known = clustered_interval(np.concatenate(found), groups, rng=rng, statistic="median")
    return rounded({"median": known})["median"]


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


if __name__ == "__main__":
    main()
