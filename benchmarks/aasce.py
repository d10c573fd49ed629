"""How well does the main job do on real films? AASCE 2019, AP, 17 vertebrae, held out by study.

Runs the command line as a user would: split (a fifth of the films to judge on, an eighth to choose
the checkpoint; films of one study, and films that show one exposure, stay together), train,
predict, evaluate. The official test split plays no part. Writes ``aasce.json``; no film, crop or
label of the set is written.

    python benchmarks/aasce.py PATH/aasce2019-train --out /tmp/aasce
    python benchmarks/aasce.py PATH/aasce2019-train --out /tmp/aasce --device cuda \
        --recipe recipes/aasce.yaml --json benchmarks/gpu/aasce.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from spondyl.atomic import write_json
from spondyl.data.splitting import PARTS, read_split
from spondyl.judging.evaluation import Evaluation

HERE = Path(__file__).parent
SHARES = ("--val", 0.12, "--test", 0.2, "--seed", 0)


def main() -> None:
    asked = arguments()
    run, found, judged = (asked.out / name for name in ("run", "predictions", "evaluation"))
    split = asked.split or asked.out / "split.json"
    if not split.exists():
        spondyl("split", asked.data, *SHARES, "--skip-bad", "--out", split)
    resume = ["--resume"] if (run / "last.ckpt").exists() else []  # finished: nothing is repeated
    settings = [part for setting in asked.set for part in ("--set", setting)]
    spondyl(
        *("train", asked.data, "--recipe", asked.recipe, "--out", run, "--device", asked.device),
        *("--split", split, "--skip-bad", *settings, *resume),
    )
    weights, test = run / "best_mre.safetensors", ["--split", split, "--part", "test"]
    spondyl(
        *("predict", "--data", asked.data, "--weights", weights, "--out", found, *test),
        *("--device", asked.device, "--no-overlays", "--overwrite"),
    )
    again = ["--overwrite"]
    spondyl("evaluate", found / "predictions.json", asked.data, "--out", judged, *test, *again)
    evaluation = Evaluation.read(judged / "evaluation.json")
    native = native_mre(evaluation, asked.data)
    told = {**summary(run, evaluation), "settings": asked.set, "mre_native_px": native}
    write_json(asked.json, told)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=HERE / "aasce.json")
    parser.add_argument("--recipe", type=Path, default=HERE.parent / "recipes/aasce-cpu.yaml")
    parser.add_argument("--split", type=Path, help="split file; made where there is none")
    parser.add_argument("--set", action="append", default=[], help="setting of the recipe")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def spondyl(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "spondyl", *map(str, arguments)], check=True)


def native_mre(evaluation: Evaluation, data: Path) -> float:
    """MRE of the found corners in px of the films before the set was reduced to 1,024 px."""
    listed = json.loads((data / "labels.json").read_text())
    long_side = {
        Path(film["image"]).stem: max(film["original_width"], film["original_height"])
        for film in listed
    }
    found = [row for row in evaluation.per_film if row.mre is not None]
    total = sum(
        row.mre * long_side[Path(row.key).name] / 512 * row.found for row in found if row.mre
    )
    return round(total / sum(row.found for row in found), 3)


def summary(run: Path, evaluation: Evaluation) -> dict[str, Any]:
    manifest = json.loads((run / "run.json").read_text())
    split = read_split(run / "split.json")
    told = evaluation.to_json()
    for films in ("per_film", "worst", "unpredicted", "unannotated"):
        told[films] = []  # they name films of a set that may not be passed on
    return {
        "films": {part: len(split.keys(part)) for part in PARTS},
        "studies": {part: len({split.groups[key] for key in split.keys(part)}) for part in PARTS},
        "manifest": {k: v for k, v in manifest.items() if not k.endswith("_digest")},
        "evaluation": told,
    }


if __name__ == "__main__":
    main()
