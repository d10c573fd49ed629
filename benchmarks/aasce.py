"""How well does the main job do on real films? AASCE 2019, AP, 17 vertebrae, held out by study.

Runs the command line as a user would: train on 80 % of the studies (a tenth of all films chooses
the checkpoint), predict the other 20 %, evaluate. Studies that also occur in the official test
split are left out. Writes ``aasce.json``; no film, crop or label of the set is written.

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


def main() -> None:
    asked = arguments()
    run, found, judged = (asked.out / name for name in ("run", "predictions", "evaluation"))
    resume = ["--resume"] if (run / "last.ckpt").exists() else []  # finished: nothing is repeated
    shared = studies_in_the_official_test_split(asked.data)
    spondyl(
        *("train", asked.data, "--recipe", asked.recipe, "--out", run, "--device", asked.device),
        *("--set", f"data.exclude_groups={json.dumps(shared)}", *resume),
    )
    weights, split = run / "best_mre.safetensors", ["--split", run / "split.json", "--part", "test"]
    spondyl(
        *("predict", "--data", asked.data, "--weights", weights, "--out", found, *split),
        *("--device", asked.device, "--no-overlays", "--overwrite"),
    )
    again = ["--overwrite"]
    spondyl("evaluate", found / "predictions.json", asked.data, "--out", judged, *split, *again)
    evaluation = Evaluation.read(judged / "evaluation.json")
    native = native_mre(evaluation, asked.data)
    write_json(asked.json, {**summary(run, evaluation, shared), "mre_native_px": native})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=HERE / "aasce.json")
    parser.add_argument("--recipe", type=Path, default=HERE.parent / "recipes/aasce-cpu.yaml")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def spondyl(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "spondyl", *map(str, arguments)], check=True)


def studies_in_the_official_test_split(data: Path) -> list[str]:
    """The study numbers that occur on both sides of the official split."""
    listed = json.loads((data / "overlap_with_official_test.json").read_text())
    return sorted(listed["study_numbers"])


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


def summary(run: Path, evaluation: Evaluation, excluded: list[str]) -> dict[str, Any]:
    manifest = json.loads((run / "run.json").read_text())
    split = read_split(run / "split.json")
    told = evaluation.to_json()
    for films in ("per_film", "worst", "unpredicted", "unannotated"):
        told[films] = []  # they name films of a set that may not be passed on
    return {
        "films": {part: len(split.keys(part)) for part in PARTS},
        "excluded_studies": excluded,
        "manifest": {k: v for k, v in manifest.items() if not k.endswith("_digest")},
        "evaluation": told,
    }


if __name__ == "__main__":
    main()
