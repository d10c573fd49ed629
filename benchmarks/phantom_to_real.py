"""Which part of a phantom carries over to films of people? Each group of effects left out in turn.

Trains one small network on phantoms with everything, one without each group of effects, and one on
bones alone; all else is the same. AP networks are judged on the AASCE 2019 training split, whose
labels train, choose and calibrate nothing; lateral ones on films without labels, by the signs that
``real_films.py`` knows. A row "everything" with another seed says how much training alone makes of
a difference: intervals are over studies of films, and do not know of it. Writes
``phantom_to_real.json``, from which ``tables.py`` makes the tables in docs/benchmarks.md. A row
that was judged is not made again, one that was stopped goes on, and several processes can share
the rows.

    python benchmarks/phantom_to_real.py PATH/aasce2019-train --out /tmp/carrying
    python benchmarks/phantom_to_real.py PATH/lateral-films --view lateral --out /tmp/carrying
    python benchmarks/phantom_to_real.py PATH --out /tmp/carrying --rows "without ribs"   # alone

``--earlier NAME=FILE`` adds what an earlier version of the drawing was worth: the ``judged.json``
of its row "everything", made by that version with the same settings.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from counting import Summed, by_group, differences, estimates, rounded
from real_films import (
    compared,
    labelled_counts,
    labelled_films,
    unlabelled_counts,
    unlabelled_films,
)

from spondyl.atomic import write_json
from spondyl.data.phantom import phantom
from spondyl.data.phantom_effects import RICH_EFFECTS
from spondyl.data.phantom_frontal import FRONTAL_EFFECTS, frontal_phantom
from spondyl.data.phantom_made import Phantom
from spondyl.data.sample import Sample
from spondyl.film.radiograph import Radiograph
from spondyl.learning.detector import load_predictor
from spondyl.learning.train import fit
from spondyl.predict import Predictor
from spondyl.recipe import Recipe, override, read_recipe

HERE = Path(__file__).parent
EFFECTS: Final = {"ap": tuple(sorted(FRONTAL_EFFECTS)), "lateral": tuple(sorted(RICH_EFFECTS))}
"""By view, the groups of effects that a phantom can be drawn without."""

WHOLE, AGAIN, BARE = "everything", "everything, another seed", "bones alone"
LIKE_ALL = (
    *("model.name=unet_small", "data.image_size=256", "data.val_split=0.1"),
    *("codec.centre_sigma=1.0", "codec.corner_sigma=1.0"),
    *("training.batch_size=8", "training.precision=bf16-mixed"),
    *("codec.facing_weight=0.5", "training.augmentation.horizontal_flip=0"),
)
"""What all rows share beside the recipe."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one network is trained on: phantoms without some effects, drawn from a seed."""

    name: str
    without: frozenset[str]
    seed: int

    @property
    def folder(self) -> str:
        """Its name as that of a folder."""
        return self.name.replace(",", "").replace(" ", "-")


@dataclass(frozen=True, slots=True, eq=False)
class Drawn(Sample):
    """An annotated film that is no file."""

    film: Radiograph = field(kw_only=True)

    def radiograph(self) -> Radiograph:
        """The film as it was drawn."""
        return self.film


def main() -> None:
    asked = arguments()
    rows = all_rows(asked.view, asked.seed)
    judge = judging(asked)
    chosen = [row for row in rows if row.name in (asked.rows or [each.name for each in rows])]
    for row in chosen:
        if not (asked.out / asked.view / row.folder / "judged.json").exists():
            print(row.name, flush=True)
            told = made(asked, row, judge)
            write_json(asked.out / asked.view / row.folder / "judged.json", told)
    done = json.loads(asked.json.read_text("utf-8")) if asked.json.exists() else {}
    write_json(asked.json, {**done, asked.view: summary(asked, rows)})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="films to judge on: AASCE, or a folder of films")
    parser.add_argument("--view", choices=tuple(EFFECTS), default="ap")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and counts")
    parser.add_argument("--json", type=Path, default=HERE / "phantom_to_real.json")
    parser.add_argument("--rows", nargs="+", help="names of rows; all where not given")
    parser.add_argument("--films", type=int, default=1000, help="phantoms of a row")
    parser.add_argument("--long-side", type=int, default=384, help="of a phantom, px")
    parser.add_argument("--film-steps", type=int, default=10_000, help="films seen in training")
    parser.add_argument("--judge", type=int, help="real films to judge on; all where not given")
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--recipe", type=Path, default=HERE.parent / "recipes/spondyl-small.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--earlier", action="append", default=[], metavar="NAME=FILE")
    return parser.parse_args()


def all_rows(view: str, seed: int) -> list[Row]:
    """Everything twice, each group of effects left out, and all of them."""
    groups = EFFECTS[view]
    return [
        Row(WHOLE, frozenset(), seed),
        Row(AGAIN, frozenset(), seed + 1),
        *(Row(f"without {name}", frozenset({name}), seed) for name in groups),
        Row(BARE, frozenset(groups), seed),
    ]


def made(
    asked: argparse.Namespace, row: Row, judge: Callable[[Predictor], Summed]
) -> dict[str, Any]:
    """Trains a row's network and judges it: its counts by group, and what it took."""
    folder, marks = asked.out / asked.view / row.folder, [time.process_time()]
    samples = list(drawn(asked, row))
    marks.append(time.process_time())
    result = fit(samples, recipe_of(asked, row.seed), folder, device=asked.device, resume=True)
    marks.append(time.process_time())
    counts = judge(load_predictor(result.best, device=asked.device))
    marks.append(time.process_time())
    return {**about(asked), **cost(result.folder, marks), "groups": counts}


def drawn(asked: argparse.Namespace, row: Row) -> Iterator[Sample]:
    """The phantoms of a row, labelled as an annotator would."""
    for index in range(asked.films):
        film = one(asked, row, index)
        shown, key = film.radiograph, f"{row.folder}-{index:05d}"
        yield Drawn(
            key, Path(key), shown.height, shown.width, film.landmarks, key, "phantom",
            film.complete_above, film.complete_below, shown.spacing, shown.aspect, shown.view,
            film.flags, film=shown,
        )  # fmt: skip


def one(asked: argparse.Namespace, row: Row, index: int) -> Phantom:
    size, without = asked.long_side, row.without
    if asked.view == "ap":
        return frontal_phantom(row.seed, index, long_side=size, without=without)
    return phantom(row.seed, index, long_side=size, style="rich", without=without)


def recipe_of(asked: argparse.Namespace, seed: int) -> Recipe:
    epochs = max(1, round(asked.film_steps / asked.films))
    pace = (f"training.epochs={epochs}", f"training.validate_every={max(1, epochs // 3)}")
    return override(read_recipe(asked.recipe), [f"seed={seed}", *LIKE_ALL, *pace, *asked.set])


def judging(asked: argparse.Namespace) -> Callable[[Predictor], Summed]:
    """What a network is judged on: labels of AP films, or signs on lateral ones without any."""
    if asked.view == "ap":
        samples = labelled_films(asked.data, asked.judge)

        def by_study(predictor: Predictor) -> Summed:
            films = compared(predictor, samples)
            return by_group([(each.annotated.group, labelled_counts(each)) for each in films])

        return by_study
    films = unlabelled_films(asked.data, asked.judge)

    def by_film(predictor: Predictor) -> Summed:
        return by_group([(key, unlabelled_counts(predictor, film)) for key, film in films.items()])

    return by_film


def about(asked: argparse.Namespace) -> dict[str, Any]:
    """What must be the same of two rows that are compared."""
    keys = ("films", "long_side", "film_steps", "set", "judge")
    return {key: getattr(asked, key) for key in keys} | {"recipe": asked.recipe.name}


def cost(run: Path, marks: Sequence[float]) -> dict[str, Any]:
    """The machine, and the CPU time between the marks: of this process, whatever ran beside it."""
    told = json.loads((run / "run.json").read_text("utf-8"))
    seconds = zip(("drawing", "training", "judging"), np.diff(marks), strict=True)
    return {
        "cpu_seconds": {name: round(value) for name, value in seconds},
        "device": f"{told['device_name']}, {told['threads']} thread(s)",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def summary(asked: argparse.Namespace, rows: Sequence[Row]) -> dict[str, Any]:
    """Every judged row, and its paired difference to "everything"; no film or study is named."""
    earlier = dict(text.split("=", 1) for text in asked.earlier)
    rows = [*rows, *(Row(name, frozenset(), asked.seed) for name in earlier)]
    read = {}
    for row in rows:
        own = asked.out / asked.view / row.folder / "judged.json"
        path = Path(earlier.get(row.name, own))
        if path.exists():
            read[row.name] = json.loads(path.read_text("utf-8"))
    settings = about(asked)
    for name, told in read.items():
        if {key: told[key] for key in settings} != settings:
            raise SystemExit(f"{name}: was made with other settings; need another --out")
    told_rows = {
        row.name: _row(row, read[row.name], read.get(WHOLE)) for row in rows if row.name in read
    }
    return {**settings, "seed": asked.seed, "rows": told_rows}


def _row(row: Row, told: dict[str, Any], whole: dict[str, Any] | None) -> dict[str, Any]:
    known = estimates(told["groups"], seed=0)
    less = differences(told["groups"], whole["groups"], seed=0) if whole else {}
    return {
        "without": sorted(row.without),
        "groups": len(told["groups"]),
        "figures": rounded(known),
        "less everything": rounded(less) if row.name != WHOLE else {},
        **{key: told[key] for key in ("cpu_seconds", "device", "date")},
    }


if __name__ == "__main__":
    main()
