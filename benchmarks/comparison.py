"""Is it the network or the encoding? Three networks, three encodings, one budget, the same films.

Draws phantoms in the plan's numbers (496 to train, 204 to choose the checkpoint) and 200 more that
neither has seen, trains every pair of network and encoding with one recipe, and hands all runs to
``spondyl compare``. A run that was stopped goes on where it was; one that is finished is not
repeated, so that several processes can share the work with ``--network`` and ``--codec``, and the
last call, without them, compares.

    python benchmarks/comparison.py --out /tmp/comparison            # two CPU cores
    python benchmarks/comparison.py --out /tmp/comparison --recipe recipes/phantom-gpu.yaml \
        --device cuda --json benchmarks/gpu/comparison.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from encoding import codecs, films
from rich.console import Console

import spondyl
from spondyl import cli
from spondyl.atomic import write_json
from spondyl.data.folder import read_annotations
from spondyl.data.splitting import write_split
from spondyl.demo import with_codec
from spondyl.learning.train import fit
from spondyl.recipe import Recipe, override, read_recipe

HERE = Path(__file__).parent
COUNTS = (496, 204, 200)  # the plan's training and validation films, and unseen ones
NETWORKS = ("hrnet_w32", "resnet50", "unet")
CODECS = ("slots-top", "slots-bottom", "set")
BASELINE = "hrnet_w32-slots-top"  # the plan's choice


def main() -> None:
    asked = arguments()
    base = override(read_recipe(asked.recipe), asked.set)
    folder = asked.out / f"phantoms-{asked.seed}-{asked.long_side}"
    samples, split = films(folder, asked.long_side, seed=asked.seed, counts=COUNTS)
    write_split(split, asked.out / "split.json")
    for network, codec in pairs(asked):
        recipe = recipe_of(base, network, codec)
        Console(stderr=True).print(f"{network}, {codec}", highlight=False)
        run = asked.out / f"{network}-{codec}"
        fit(samples, recipe, run, split=split, device=asked.device, resume=True)
    if not (asked.network or asked.codec):
        write_json(asked.json, compared(asked, folder))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for films and runs")
    parser.add_argument("--json", type=Path, default=HERE / "comparison.json")
    parser.add_argument("--recipe", type=Path, default=HERE.parent / "recipes/comparison-cpu.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long-side", type=int, default=512)
    parser.add_argument("--note", default="", help="what a reader must know of the machine")
    parser.add_argument("--network", action="append", choices=NETWORKS)
    parser.add_argument("--codec", action="append", choices=CODECS)
    return parser.parse_args()


def pairs(asked: argparse.Namespace) -> list[tuple[str, str]]:
    networks, chosen = asked.network or NETWORKS, asked.codec or CODECS
    return [(network, codec) for network in networks for codec in chosen]


def recipe_of(base: Recipe, network: str, codec: str) -> Recipe:
    recipe = override(base, [f"model.name={network}"])
    return with_codec(recipe, codecs(recipe.data.image_size)[codec])


def compared(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What ``spondyl compare`` says of all runs, without what is said film by film."""
    runs = [str(asked.out / f"{network}-{codec}") for network in NETWORKS for codec in CODECS]
    out = asked.out / "comparison"
    options = ["--data", str(folder), "--out", str(out), "--baseline", BASELINE]
    if code := cli.main(["compare", *runs, *options, "--device", asked.device, "--overwrite"]):
        sys.exit(code)
    said = json.loads((out / "comparison.json").read_text())
    sacrum = by_sacrum(said, folder)
    for evaluation in said["evaluations"].values():
        evaluation |= {"per_film": [], "curve": {"radii": [], "shares": {}}, "worst": []}
    recipe = {"recipe": asked.recipe.name, "settings": asked.set, "seed": asked.seed}
    counts = dict(zip(("train", "val", "unseen"), COUNTS, strict=True))
    manifest = json.loads((Path(runs[0]) / "run.json").read_text())
    origin = {
        "version": spondyl.__version__,
        **recipe,
        "films": counts,
        "epochs": read_recipe(Path(runs[0]) / "recipe.yaml").training.epochs,
        "device": f"{manifest['device_name']}, {manifest['threads']} thread(s) a run",
        "note": asked.note,
    }
    return {"origin": origin, "sacrum": sacrum, "comparison": said}


def by_sacrum(said: dict[str, Any], folder: Path) -> dict[str, dict[str, list[float]]]:
    """Films, and % of their corners within 24 px (``all``), by model and with S1 or without."""
    seen = {s.key: "S1" in s.landmarks.names for s in read_annotations(folder).samples}
    shares: dict[str, dict[str, list[float]]] = {}
    for name, evaluation in said["evaluations"].items():
        limit, shares[name] = evaluation["thresholds"].index(24.0), {}
        for there, label in ((True, "with S1"), (False, "without S1")):
            films = [row for row in evaluation["per_film"] if seen[row["key"]] is there]
            tallies = [row["tallies"]["all"] for row in films]
            within, judged = (
                sum(n)
                for n in zip(*((t["within"][limit], t["judged"]) for t in tallies), strict=True)
            )
            shares[name][label] = [len(films), 100 * within / judged]
    return shares


if __name__ == "__main__":
    main()
