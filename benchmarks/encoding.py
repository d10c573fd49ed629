"""Does the encoding or the network limit the plan's result? One network, one budget.

Draws phantoms, trains the recipe with codec ``set`` and with ``slots`` anchored at the top and at
the bottom (``--codec`` chooses), judges all on films seen by neither training nor selection, and
writes ``encoding.json``, from which the table in docs/benchmarks.md is made. A run that was
stopped goes on where it was; one that is judged is not repeated.

    python benchmarks/encoding.py --out /tmp/encoding            # two CPU cores
    python benchmarks/encoding.py --out /tmp/encoding --recipe recipes/phantom-gpu.yaml \
        --set model.name=resnet50 --device cuda --json benchmarks/gpu/encoding-resnet50.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import spondyl
from spondyl.atomic import write_json
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms
from spondyl.data.sample import Sample
from spondyl.data.splitting import Split
from spondyl.demo import train_and_judge, with_codec
from spondyl.judging.evaluation import Evaluation
from spondyl.recipe import Recipe, override, read_recipe

HERE = Path(__file__).parent
TRAIN, VAL, TEST = 800, 80, 200
SIGMA = 5.0  # input px of both codecs' corner Gaussians: 1.25 map px at stride 4


def main() -> None:
    asked = arguments()
    console = Console(stderr=True)
    folder = asked.out / f"phantoms-{asked.seed}-{asked.long_side}"
    samples, split = films(folder, asked.long_side, seed=asked.seed)
    base = override(read_recipe(asked.recipe), asked.set)
    known = codecs(base.data.image_size)
    for name in asked.codec or known:
        recipe = with_codec(base, known[name])
        run = asked.out / f"{base.model.name}-{name}"
        if not judged(run, recipe):
            train_and_judge(samples, split, recipe, run, device=asked.device, console=console)
        enter(asked.json, name, row(run, split.select(samples, "test")), made_by(base, asked))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for films and runs")
    parser.add_argument("--json", type=Path, default=HERE / "encoding.json")
    parser.add_argument("--recipe", type=Path, default=HERE.parent / "recipes/phantom-cpu.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long-side", type=int, default=512)
    parser.add_argument("--codec", action="append", choices=["set", "slots-top", "slots-bottom"])
    return parser.parse_args()


def films(
    folder: Path, long_side: int, *, seed: int, counts: tuple[int, int, int] = (TRAIN, VAL, TEST)
) -> tuple[Sequence[Sample], Split]:
    """The phantoms in the order they were drawn: training, validation, unseen."""
    if not folder.exists():
        write_phantoms(folder, films=sum(counts), seed=seed, long_side=long_side)
    samples = sorted(read_annotations(folder).samples, key=lambda sample: sample.key)
    keys = [sample.key for sample in samples]
    train, val, _ = counts
    split = Split(
        train=tuple(keys[:train]),
        val=tuple(keys[train : train + val]),
        test=tuple(keys[train + val :]),
        seed=seed,
        groups={sample.key: sample.group for sample in samples},
    )
    return samples, split


def codecs(image_size: int) -> dict[str, dict[str, Any]]:
    """The encodings with the same Gaussian, in input px, on maps of the same size."""
    slots = {"name": "slots", "sigma": SIGMA * 512 / image_size}
    anchors = {f"slots-{anchor}": {**slots, "anchor": anchor} for anchor in ("top", "bottom")}
    return {"set": {"name": "set"}, **anchors}


def enter(path: Path, name: str, row: dict[str, Any], origin: dict[str, Any]) -> None:
    """Adds one encoding to the results, or starts them anew where they are of another recipe."""
    results = json.loads(path.read_text()) if path.exists() else {}
    if results.get("made_by") != origin:
        results = {"made_by": origin, "codecs": {}}
    results["codecs"][name] = row
    write_json(path, results)


def judged(run: Path, recipe: Recipe) -> bool:
    """Whether this very recipe was trained and judged in a folder."""
    done = (run / "evaluation" / "evaluation.json").exists()
    return done and read_recipe(run / "recipe.yaml").digest == recipe.digest


def row(run: Path, unseen: Sequence[Sample]) -> dict[str, Any]:
    """What the table shows of one encoding."""
    evaluation = Evaluation.read(run / "evaluation" / "evaluation.json")
    manifest = json.loads((run / "run.json").read_text())
    variants = sum(bool(sample.flags & {"L6", "four lumbar"}) for sample in unseen)
    return {
        "network": evaluation.made_by["network"],
        "training_seconds": round(manifest["seconds"]),
        "epochs": len(json.loads((run / "history.json").read_text())),
        "device": manifest["device_name"],
        "threads": manifest["threads"],
        "parameters": manifest["parameters"],
        "films_with_other_lumbar_counts": variants,
        "evaluation": {**evaluation.to_json(), "per_film": []},
    }


def made_by(recipe: Recipe, asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "version": spondyl.__version__,
        "recipe": asked.recipe.name,
        "settings": asked.set,
        "recipe_digest": recipe.digest,
        "seed": asked.seed,
        "long_side": asked.long_side,
        "films": {"train": TRAIN, "val": VAL, "unseen": TEST},
    }


if __name__ == "__main__":
    main()
