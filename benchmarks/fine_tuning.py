"""How many films does it take? Fine-tuning against training from scratch, on 10, 30 and 100 films.

Runs the command line as a user would, on AASCE 2019 (AP, 17 vertebrae). The films are drawn by
study from the training part of a split, the smaller sets within the larger; a fifth of them chooses
the checkpoint, and the split's test part judges every network. Every run has the same network and
the same number of optimiser steps, whatever it starts from; what a start finds before it has seen
any film of the set is told, too. Writes ``fine_tuning.json``, from which
``fine_tuning_page.py`` makes the table and the figure of docs/fine-tuning.md. A run that is there
is not made again. No film, crop or label of the set is written.

    spondyl split PATH/aasce2019-train --val 0.12 --test 0.2 --seed 0 --skip-bad --out split.json
    python benchmarks/fine_tuning.py PATH/aasce2019-train --split split.json --out /tmp/fine \
        --init spondyl-small=SPONDYL_SMALL.safetensors
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spondyl.atomic import write_json
from spondyl.data.coco import read_coco
from spondyl.data.folder import read_annotations
from spondyl.data.splitting import Split, read_split, write_split
from spondyl.judging.films import compare_films
from spondyl.judging.statistics import clustered_interval

Figure = dict[str, float | None]

HERE = Path(__file__).parent
SIZES = (10, 30, 100)
CHOOSING = 0.2  # share of the films that chooses the checkpoint
STEPS, BATCH, VALIDATIONS = 300, 4, 10
SCRATCH = {"scratch": 1, "scratch, four times the steps": 4}
NETWORK, INPUT = "unet_medium", 384
"""What starts at random, and how many times ``STEPS`` it is trained."""
ALIKE = (
    *("data.labels_complete=true", f"data.image_size={INPUT}", "training.precision=bf16-mixed"),
    *("codec.centre_sigma=1.25", "codec.corner_sigma=1.1", f"training.batch_size={BATCH}"),
    f"model.name={NETWORK}",
)
"""What all runs share beside the recipe ``fine-tune``."""
FAST = ("training.learning_rate=0.002",)
"""What a network that knows nothing needs: the rate of recipes/aasce-cpu.yaml."""


def main() -> None:
    asked = arguments()
    starts = {**dict.fromkeys(SCRATCH), **dict(text.split("=", 1) for text in asked.init)}
    starts = {name: starts[name] for name in asked.starts or starts}
    whole = read_split(asked.split)
    for name, checkpoint in starts.items():
        if checkpoint:
            untrained(asked, name, checkpoint)
    for films in asked.films:
        path = asked.out / f"split-{films}.json"
        write_split(drawn(whole, films), path)
        for name, checkpoint in starts.items():
            run = asked.out / f"{name.replace(',', '').replace(' ', '-')}-{films}"
            if not (run / "evaluation" / "evaluation.json").exists():
                train(asked, run, path, paced(path, STEPS * SCRATCH.get(name, 1)), checkpoint)
                judge(asked, run, path, run / "best_mre.safetensors")
            told = {**cost(run), **measured(asked, run, path)}
            add(asked.json, {"start": name, "films": films, **told})


def untrained(asked: argparse.Namespace, name: str, checkpoint: str) -> None:
    """What a start finds on the test part as it is."""
    run = asked.out / f"{name.replace(' ', '-')}-0"
    if not (run / "evaluation" / "evaluation.json").exists():
        judge(asked, run, asked.split, Path(checkpoint))
    add(asked.json, {"start": name, "films": 0, **measured(asked, run, asked.split)})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--split", type=Path, required=True, help="split file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", action="append", default=[], help="NAME=CHECKPOINT; repeatable")
    parser.add_argument("--starts", nargs="+", help="only these; all where not given")
    parser.add_argument("--films", type=int, nargs="+", default=SIZES)
    parser.add_argument("--set", action="append", default=[], help="setting of the recipe")
    parser.add_argument("--json", type=Path, default=HERE / "fine_tuning.json")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def drawn(whole: Split, films: int) -> Split:
    """So many films by study; those drawn for fewer films come first, in the same parts.

    Studies that are tied to others are left out: the draw takes a study at a time.
    """
    tied = {whole.groups[key] for link in whole.links for key in (link.one, link.other)}
    studies: dict[str, list[str]] = {}
    for key in whole.train:
        if whole.groups[key] not in tied:
            studies.setdefault(whole.groups[key], []).append(key)
    waiting = [studies[name] for name in np.random.default_rng(0).permutation(sorted(studies))]
    val: list[str] = []
    train: list[str] = []
    for size in (*(size for size in SIZES if size < films), films):
        fill(val, waiting, round(size * CHOOSING))
        fill(train, waiting, size - round(size * CHOOSING))
    kept = {*train, *val, *whole.test}
    rest = {group for key, group in whole.groups.items() if key not in kept}
    return replace(whole, train=tuple(train), val=tuple(val)).without(sorted(rest))


def fill(part: list[str], waiting: list[list[str]], size: int) -> None:
    """Moves the first studies that fit into a part until it has ``size`` films."""
    while len(part) < size:
        study = next(study for study in waiting if len(study) <= size - len(part))
        waiting.remove(study)
        part.extend(study)


def paced(split: Path, steps: int) -> tuple[str, ...]:
    """The settings that make a training on these films take so many steps."""
    epochs = steps // -(-len(read_split(split).train) // BATCH)
    return (
        f"training.epochs={epochs}",
        f"training.warmup_epochs={max(1, epochs // 30)}",
        f"training.validate_every={max(1, epochs // VALIDATIONS)}",
    )


def train(
    asked: argparse.Namespace,
    run: Path,
    split: Path,
    pace: Sequence[str],
    checkpoint: str | None,
) -> None:
    start = ("--init", checkpoint) if checkpoint else ("--recipe", "fine-tune")
    chosen = (*ALIKE, *pace, *(() if checkpoint else FAST), *asked.set)
    settings = [part for setting in chosen for part in ("--set", setting)]
    resume = ["--resume"] if (run / "last.ckpt").exists() else []
    spondyl(
        *("train", asked.data, *start, "--out", run, "--split", split, "--skip-bad"),
        *("--device", asked.device, *settings, *resume),
    )


def judge(asked: argparse.Namespace, run: Path, split: Path, weights: Path) -> None:
    """Predicts the test part and evaluates it."""
    found, test = run / "predictions", ("--split", split, "--part", "test")
    spondyl(
        *("predict", "--data", asked.data, "--weights", weights, *test),
        *("--out", found, "--device", asked.device, "--no-overlays", "--overwrite"),
    )
    spondyl(
        *("evaluate", found / "predictions.json", asked.data, *test),
        *("--out", run / "evaluation", "--overwrite"),
    )


def measured(asked: argparse.Namespace, run: Path, split: Path) -> dict[str, Any]:
    within = share_within(run / "predictions" / "predictions.json", asked.data, split)
    return {**summary(run / "evaluation" / "evaluation.json"), "sdr_1_diagonal": within}


def spondyl(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "spondyl", *map(str, arguments)], check=True)


def share_within(predictions: Path, data: Path, split: Path, percent: float = 1.0) -> Figure:
    """The share of all annotated corners within so many % of the film's diagonal, in %."""
    annotated = read_split(split).select(read_annotations(data).samples, "test")
    films = compare_films(read_coco(predictions).samples, annotated, "top")
    errors = [film.errors("all", "diagonal").ravel() for film in films]
    known = [each[~np.isnan(each)] for each in errors]
    estimate = clustered_interval(
        100.0 * (np.concatenate(known) <= percent),
        [film.annotated.group for film, each in zip(films, known, strict=True) for _ in each],
        rng=np.random.default_rng(0),
    )
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def cost(run: Path) -> dict[str, Any]:
    """What a run says of itself."""
    manifest = json.loads((run / "run.json").read_text())
    names = ("training_films", "validation_films", "seconds", "device_name", "threads")
    epochs = len(json.loads((run / "history.json").read_text()))
    return {**{n: manifest[n] for n in names}, "epochs": epochs, "init": manifest.get("init")}


def summary(evaluation: Path) -> dict[str, Any]:
    """What is told of the judged: no film is named."""
    told = json.loads(evaluation.read_text())
    metrics = next(p for p in told["protocols"] if p["protocol"] == "all")["metrics"]
    return {
        "test_films": told["films"],
        "test_studies": told["groups"],
        "recall": told["detection"]["recall"],
        "precision": told["detection"]["precision"],
        "mre_512": metrics["mre_512"],
        "mre_diagonal": metrics["mre_diagonal"],
        "cobb_smape": told["cobb"]["smape"],
        "cobb_films": told["cobb"]["films"],
        "cobb_unmeasured": told["cobb"]["unmeasured"],
    }


def add(path: Path, row: dict[str, Any]) -> None:
    """Adds a row to the results, in the place of an older one of the same start and films."""
    rows: Sequence[dict[str, Any]] = json.loads(path.read_text())["runs"] if path.exists() else []
    others = [old for old in rows if (old["start"], old["films"]) != (row["start"], row["films"])]
    about = {"network": NETWORK, "input": INPUT, "steps": STEPS, "batch": BATCH}
    write_json(path, {**about, "runs": [*others, row]})


if __name__ == "__main__":
    main()
