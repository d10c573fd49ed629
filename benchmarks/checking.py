"""Which faults in labels does ``spondyl check`` find, which not, and how often is it wrong?

Faults of known kind and grade are put into the labels of healthy phantoms (``faults.py``), one a
film, and into a folder of films; then AASCE 2019, where the folder is there: the films whose labels
others found wrong, and how many of the rest are flagged. Writes ``checking.json`` and the table in
``docs/checking.md``; no film, label or name of AASCE is written. With ``--folds`` each half of
AASCE is predicted by a network that was trained on the other half, its labels as they are, and
label and prediction are compared.

    python benchmarks/checking.py
    python benchmarks/checking.py --only-aasce --aasce PATH/aasce2019-train --folds /tmp/folds
    python benchmarks/checking.py --only-time    # how long 300 large films take
    python benchmarks/checking.py --page    # only the table, from the JSON
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from faults import FAULTS, Spoilt, films, level_shifted, one_corner_moved
from PIL import Image

from spondyl.atomic import write_json, write_text
from spondyl.checking.check import check_annotations, check_sample
from spondyl.checking.faults import Fault
from spondyl.checking.films import check_folder
from spondyl.checking.network import FAR, check_network
from spondyl.checking.repairing import repair_sample
from spondyl.data.aasce import read_aasce
from spondyl.data.coco import write_coco
from spondyl.data.duplicates import fingerprint_all
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms
from spondyl.data.sample import AnnotationSet, Sample
from spondyl.data.splitting import split_by_group, write_split
from spondyl.spine.landmarks import Landmarks

HERE = Path(__file__).parent
JSON = HERE / "checking.json"
PAGE = HERE.parent / "docs" / "checking.md"
START, END = "<!-- figures: python benchmarks/checking.py -->", "<!-- end of figures -->"
SEED, FILMS, CLEAN = 417_203, 60, 300
FOLDS, LIMIT = 2026, 480  # seed of the two halves of AASCE; s that their trainings may take
TRUE_ANYWAY = frozenset({"level variant", "more vertebrae than slots", "unlabelled above"})

# Rows of the release's filenames.csv, from 1, that fixLandmarkErrors.py of
# darraghmaguire/automatic-scoliosis-assessment edits (as kept by others): 32 as a whole, of these
# 16 because the last vertebra is listed first, and 10 in single corners or endplates.
LAST_FIRST = {78, 104, 106, 108, 111, 123, 125, 145, 180, 181, 182, 183, 186, 222, 343, 369}
STRUCTURE = LAST_FIRST | {4, 11, 15, 29, 32, 34, 73, 85, 144, 194, 219, 395, 446, 475, 477, 481}
CORNERS = {41, 92, 243, 262, 266, 269, 270, 314, 440, 472}

LOOKED_AT = {
    "films": 30,
    "chosen": "at random among the flagged films of the unseen half that are on nobody's list",
    "with an error": {"looked at": 10, "label is wrong": 7, "unclear": 3, "label is right": 0},
    "with a warning": {"looked at": 20, "label is wrong": 5, "unclear": 3, "label is right": 12},
    "kinds": {
        "L5 outlined twice": 3, "another body outlined twice": 1, "body outlined at half height": 3,
        "corner off": 3, "whole outlines off": 2, "space above a body too wide, unclear": 3,
        "T1 lower than its neighbours, label right": 9,
        "L5 wider than its neighbours, label right": 3, "corner or wedge, unclear": 3,
    },
}  # fmt: skip
"""What one reader saw in flagged films; kinds and counts only."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aasce", type=Path, help="folder with labels.json and native-labels/")
    parser.add_argument("--only-aasce", action="store_true")
    parser.add_argument("--folds", type=Path, help="folder for two trainings on AASCE")
    parser.add_argument("--only-time", action="store_true")
    parser.add_argument("--page", action="store_true", help="only write the table")
    asked = parser.parse_args()
    results = json.loads(JSON.read_text()) if JSON.exists() else {}
    if not asked.page:
        if not asked.only_aasce and not asked.only_time:
            results |= {"phantoms": on_phantoms(), "folder": on_a_folder()}
        if asked.aasce:
            results["aasce"] = on_aasce(asked.aasce) | {"looked at": LOOKED_AT}
        if asked.aasce and asked.folds:
            results["out of fold"] = out_of_fold(asked.aasce, asked.folds)
        if not asked.only_aasce:
            results["time"] = of_large_films()
        write_json(JSON, results)
    write_text(PAGE, with_figures(PAGE.read_text(), results))


def on_phantoms() -> dict[str, Any]:
    """Recall by kind and grade, precision by kind, and how many repairs are right."""
    supply = films(SEED, ill=False)
    right, wrong, kinds = Counter[str](), Counter[str](), {}
    repairs = Counter[str]()
    for kind, (spoil, grades) in FAULTS.items():
        kinds[kind] = {}
        for grade in grades:
            rows = [judged(spoil, film, n, grade) for n, film in enumerate(islice(supply, FILMS))]
            found = sum(bool(good) for good, _, _ in rows)
            own = sum(any(f.kind == kind for f in good) for good, _, _ in rows)
            kinds[kind][grade] = {"films": FILMS, "found": found, "by_its_own_kind": own}
            for good, bad, mended in rows:
                right.update(fault.kind for fault in good)
                wrong.update(fault.kind for fault in bad)
                repairs[mended] += 1
    clean = [check_sample(film.listing(film.points)) for film in islice(supply, CLEAN)]
    wrong.update(f.kind for faults in clean for f in faults if f.kind not in TRUE_ANYWAY)
    flagged = sum(any(f.kind not in TRUE_ANYWAY for f in faults) for faults in clean)
    return {
        "seed": SEED, "kinds": kinds, "right": dict(right), "wrong": dict(wrong),
        "clean": {"films": CLEAN, "flagged": flagged}, "ill": of_ill_films(),
        "repairs": {name: repairs[name] for name in ("right", "wrong", "left", "none needed")},
    }  # fmt: skip


def judged(
    spoil: Callable[..., Spoilt], film: Any, n: int, grade: str
) -> tuple[list[Fault], list[Fault], str]:
    """The right reports and the wrong ones on one spoilt film, and what became of its repair."""
    spoilt = spoil(film, np.random.default_rng([SEED, n]), grade)
    faults = check_sample(spoilt.sample)
    good = [f for f in faults if is_right(f, spoilt)]
    bad = [f for f in faults if f not in good and f.kind not in TRUE_ANYWAY]
    if spoilt.truth is None:
        return good, bad, "none needed"
    mended, changes = repair_sample(spoilt.sample)
    same = len(mended.landmarks) == len(spoilt.truth) and bool(
        np.allclose(mended.landmarks.points, spoilt.truth)
    )
    return good, bad, "right" if same else "wrong" if changes else "left"


def is_right(fault: Fault, spoilt: Spoilt) -> bool:
    near = not spoilt.touched or fault.vertebra is None or fault.vertebra in spoilt.touched
    return near and fault.kind in spoilt.accepted


def of_ill_films() -> dict[str, Any]:
    """What is flagged on phantoms with slips, wedges and fractures and no fault in the label."""
    faults = [check_sample(f.listing(f.points)) for f in islice(films(SEED + 1, ill=True), CLEAN)]
    found = {
        name: sum(any(f.severity == name for f in each) for each in faults)
        for name in ("error", "warning")
    }
    return {"films": CLEAN, "flagged": found}


def on_a_folder() -> dict[str, Any]:
    """One folder of films and label files with 50 faults of each kind that needs files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        planted = plant(folder, np.random.default_rng(SEED))
        start = time.perf_counter()
        outcome = check_annotations(folder, read_annotations(folder))
        seconds = time.perf_counter() - start
    table = {}
    for kind, names in planted.items():
        own = [f for f in outcome.faults if f.kind == kind and f.film]
        found = {name for name in names if any(names_it(f, name) for f in own)}
        false = sum(not any(names_it(f, name) for name in names) for f in own)
        table[kind] = {"films": len(names), "found": len(found), "false": false}
    table |= of_sources(50)
    return {"kinds": table, "films": outcome.films, "seconds": round(seconds, 1)}


def of_sources(folders: int) -> dict[str, dict[str, int]]:
    """Faults of a folder as a whole, each put into so many folders of eight films."""
    supply = films(SEED + 2, ill=False)
    table = {kind: Counter(films=folders) for kind in ("mixed encodings", "stretched aspect")}
    for n in range(folders):
        own = [film.listing(film.points) for film in islice(supply, 8)]
        mixed = [replace(s, origin="labelme") if k % 2 else s for k, s in enumerate(own)]
        square = [replace(s, height=640, width=640) for s in own]
        stretched = square if n % 2 else [replace(s, aspect=None) for s in own]
        for spoilt, fault in (
            (own, ""),
            (mixed, "mixed encodings"),
            (stretched, "stretched aspect"),
        ):
            told = {f.kind for f in check_folder(HERE, AnnotationSet(tuple(spoilt)))}
            for kind, row in table.items():
                row["found" if kind == fault else "false"] += kind in told
    return {kind: dict(row) for kind, row in table.items()}


def names_it(fault: Fault, name: str) -> bool:
    """Whether a fault is of this film; a fault of two films names the other as evidence."""
    in_evidence = re.search(rf"\b{re.escape(name)}\b", fault.evidence)
    return stem(fault.film) == name or in_evidence is not None


def stem(name: str) -> str:
    """A film's or label's name without its suffix; a sample's key has none."""
    last = name.rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[0] if last.endswith((".png", ".jpg", ".json", ".txt")) else last


def plant(folder: Path, rng: np.random.Generator) -> dict[str, set[str]]:
    """Writes the folder; the names, without suffix, of the films or labels with each fault."""
    write_phantoms(folder, films=100, seed=SEED, long_side=256, habits=True)
    images, labels = folder / "images", folder / "labels"
    drawn = sorted(images.glob("*.png"))
    planted: dict[str, set[str]] = {}

    def film(name: str) -> Path:
        grey = Image.fromarray(rng.integers(0, 255, (24, 16), dtype=np.uint8))
        grey.resize((160, 240), Image.Resampling.BICUBIC).save(images / f"{name}.png")
        return images / f"{name}.png"

    def label(name: str, scale: float = 1.0) -> None:
        row = [[[x * scale, y * scale, 2] for x, y in ((60, 20), (90, 20), (60, 0), (90, 0))]]
        keypoints = [[[x, y + 24 * k * scale, v] for x, y, v in row[0]] for k in range(1, 7)]
        (labels / f"{name}.json").write_text(json.dumps({"keypoints": keypoints}))

    def every(kind: str, make: Callable[[str, int], object]) -> None:
        planted[kind] = {f"{kind.replace(' ', '-')}-{n:02d}" for n in range(50)}
        for n, name in enumerate(sorted(planted[kind])):
            make(name, n)

    def copy(name: str, n: int) -> None:
        (images / f"{name}.png").write_bytes(drawn[n].read_bytes())
        label(name)

    def compressed(name: str, n: int) -> None:
        with Image.open(drawn[50 + n]) as image:
            small = image.resize((image.width * 3 // 4, image.height * 3 // 4))
            small.save(images / f"{name}.jpg", quality=50)
        label(name)

    def cut(name: str, n: int) -> None:
        (images / f"{name}.png").write_bytes(film(name).read_bytes()[:3000])

    def dark(name: str, n: int) -> None:
        Image.new("L", (160, 240), n).save(images / f"{name}.png")

    def twice(name: str, n: int) -> None:
        for copy_name in (f"{name}_jpg.rf.a", f"{name}_jpg.rf.b"):
            film(copy_name)
            label(copy_name)

    every("exact duplicate", copy)
    every("near duplicate", compressed)
    every("unreadable film", cut)
    every("empty film", dark)
    every("film without label", lambda name, n: film(name))
    every("label without film", lambda name, n: label(name))
    every("wrong units", lambda name, n: (film(name), label(name, 1 / 160)))
    every("augmented copy", twice)
    planted["patient under several names"] = planted["exact duplicate"] | planted["near duplicate"]
    planted["augmented copy"] = {f"{name}_jpg.rf.a" for name in planted["augmented copy"]}
    planted["film without label"] |= planted["unreadable film"] | planted["empty film"]
    return planted


def on_aasce(folder: Path) -> dict[str, Any]:
    """Films whose labels are known to be wrong that are flagged, and others that are."""
    row, suspect = rows_of(folder)
    told = {row[Path(s.key).name]: check_sample(s) for s in read_aasce(folder).samples}
    halves = {"tuned on": 0, "unseen": 1}
    parts = {
        part: {k: v for k, v in told.items() if k % 2 == rest} for part, rest in halves.items()
    }
    return {part: of_rows(own, suspect) for part, own in (parts | {"all": told}).items()}


def rows_of(folder: Path) -> tuple[dict[str, int], set[int]]:
    """The row of each film by its stem, from 1, and the rows on the list of suspects."""
    names = (folder / "native-labels" / "filenames.csv").read_text().splitlines()
    row = {Path(name.strip()).stem: k for k, name in enumerate(names, start=1)}
    listed = json.loads((folder / "suspect_labels.json").read_text())["suspect"]
    stems = {Path(name).stem for group in listed.values() for name in group}
    return row, {row[stem] for stem in stems & set(row)}


def of_rows(told: dict[int, list[Fault]], suspect: set[int]) -> dict[str, Any]:
    known = STRUCTURE | CORNERS
    groups = {
        "structure": STRUCTURE, "single corners": CORNERS, "suspect list": suspect,
        "others": set(told) - known, "others, not suspect": set(told) - known - suspect,
    }  # fmt: skip
    return {name: counted({k: told[k] for k in rows & set(told)}) for name, rows in groups.items()}


def counted(told: dict[int, list[Fault]]) -> dict[str, Any]:
    worth = {k: [f for f in v if f.severity != "note"] for k, v in told.items()}
    return {
        "films": len(told),
        "flagged": sum(bool(faults) for faults in worth.values()),
        "errors": sum(any(f.severity == "error" for f in faults) for faults in worth.values()),
        "kinds": dict(Counter(f.kind for faults in worth.values() for f in faults).most_common()),
    }


Pair = tuple[Sample, Landmarks]
"""A film with its label, and what a network that has not seen it predicts."""


def out_of_fold(folder: Path, work: Path) -> dict[str, Any]:
    """What label and network disagree on, each half predicted by the other half's network.

    The stricter limits are chosen on one half and used on the other, both ways.
    """
    row, suspect = rows_of(folder)
    known = STRUCTURE | CORNERS
    folds = [
        [(row[Path(sample.key).name], sample, found) for sample, found in fold]
        for fold in trained_on_the_other(folder, work)
    ]
    sound = [[(s, f) for k, s, f in fold if k not in known | suspect] for fold in folds]
    limits = [chosen_limits(pairs) for pairs in reversed(sound)]
    told: dict[str, dict[int, list[Fault]]] = {"default": {}, "chosen": {}, "geometry": {}}
    for fold, limit in zip(folds, limits, strict=True):
        told["default"] |= {k: check_network(s, f) for k, s, f in fold}
        told["chosen"] |= {k: beyond(s, f, limit) for k, s, f in fold}
        told["geometry"] |= {k: check_sample(s) for k, s, _ in fold}
    told["either"] = {k: told["chosen"][k] + told["geometry"][k] for k in told["chosen"]}
    histories = [json.loads((work / f"run{n}" / "history.json").read_text()) for n in (0, 1)]
    return {
        "films": [len(fold) for fold in folds], "default_limit": FAR, "limits": limits,
        "listed": {way: of_rows(found, suspect) for way, found in told.items()},
        "injected": of_injected(sound, limits), "network": TRAINED,
        "seconds": [round(sum(row["seconds"] for row in rows)) for rows in histories],
        "epoch_of_weights": [best_epoch(rows) for rows in histories], "hardware": hardware(),
        "worst_corner": worst_corners(sound),
    }  # fmt: skip


def best_epoch(history: list[dict[str, float]]) -> int:
    judged_ = [row for row in history if "val_penalised_mre" in row]
    return int(min(judged_, key=lambda row: row["val_penalised_mre"])["epoch"])


TRAINED = {
    "model.name": "unet_small", "data.image_size": 256, "codec.centre_sigma": 0.75,
    "codec.corner_sigma": 0.75, "training.epochs": 40, "training.batch_size": 4,
    "training.ema_decay": 0.98, "training.validate_every": 10, "training.precision": "bf16-mixed",
}  # fmt: skip
"""How the two networks differ from ``recipes/aasce-cpu.yaml``: minutes instead of an hour."""


def trained_on_the_other(folder: Path, work: Path) -> list[list[Pair]]:
    """Trains both at the same time, a core each, for ``LIMIT`` s; what is trained stays."""
    from spondyl.learning.detector import load_predictor

    samples = read_aasce(folder).samples
    prints = fingerprint_all(samples)
    halves = split_by_group(samples, val=0, test=0.5, seed=FOLDS, fingerprints=prints)
    begun, others = [], []
    for n, (own, other) in enumerate([("train", "test"), ("test", "train")]):
        mine = halves.select(samples, own)
        parts = split_by_group(mine, val=0.1, test=0, seed=FOLDS, fingerprints=prints)
        write_split(replace(halves, train=parts.train, val=parts.val, test=halves.keys(other)),
                    work / f"{n}.json")  # fmt: skip
        if not (work / f"run{n}" / "last.ckpt").exists():
            begun.append(training(folder, work, n))
        others.append(halves.select(samples, other))
    end = time.monotonic() + LIMIT
    for process in begun:
        try:
            process.wait(timeout=max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
    pairs = []
    for n, films_ in enumerate(others):
        predictor = load_predictor(work / f"run{n}" / "best_mre.safetensors", device="cpu")
        found = predictor.many(sample.radiograph() for sample in films_)
        pairs.append(list(zip(films_, found, strict=True)))
    return pairs


def training(folder: Path, work: Path, n: int) -> subprocess.Popen[bytes]:
    run, recipe = work / f"run{n}", HERE.parent / "recipes" / "aasce-cpu.yaml"
    settings = [each for k, v in TRAINED.items() for each in ("--set", f"{k}={v}")]
    told = ["--recipe", recipe, "--split", work / f"{n}.json", "--out", run, "--device", "cpu"]
    command = [sys.executable, "-m", "spondyl", "train", folder, *told, *settings]
    return subprocess.Popen(list(map(str, command)), env=os.environ | {"OMP_NUM_THREADS": "1"})


Limits = tuple[float, int]
"""How far a corner may be from the network's, in heights, and how many vertebrae only one sees."""

LONE = frozenset({"seen by the label only", "seen by the network only"})


def chosen_limits(pairs: list[Pair], most: float = 0.05) -> Limits:
    """The smallest limits each of which is exceeded in at most this share of the films."""
    corners = [worst_corner(*pair) for pair in pairs]
    lone = [len(unshared(check_network(*pair))) for pair in pairs]
    far, count = (np.quantile(v, 1 - most, method="higher") for v in (corners, lone))
    return round(float(far) + 0.005, 2), int(count)


def beyond(sample: Sample, found: Landmarks, limits: Limits) -> list[Fault]:
    """What label and network disagree on beyond the limits."""
    far, most = limits
    faults = check_network(sample, found, far=far)
    few = len(unshared(faults)) <= most
    return [f for f in faults if not (few and f.kind in LONE)]


def unshared(faults: list[Fault]) -> list[Fault]:
    return [f for f in faults if f.kind in LONE and f.severity != "note"]


def worst_corner(sample: Sample, found: Landmarks) -> float:
    """How far the worst corner lies from the network's, in heights."""
    faults = check_network(sample, found, far=1e-6)
    return max((f.size * 1e-6 for f in faults if f.kind == "corner disagrees"), default=0.0)


def worst_corners(folds: list[list[Pair]]) -> list[float]:
    """Of each fold's films on nobody's list: the median film's worst corner, in heights."""
    return [round(float(np.median([worst_corner(*pair) for pair in fold])), 3) for fold in folds]


def of_injected(folds: list[list[Pair]], limits: list[Limits]) -> dict[str, dict[str, int]]:
    """Faults that geometry cannot see, put into 20 films of each fold: how many are found."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in INJECTED}
    for n, (pairs, limit) in enumerate(zip(folds, limits, strict=True)):
        order = np.random.default_rng([SEED, n]).permutation(len(pairs))
        for name, (start, inject) in INJECTED.items():
            for k, i in enumerate(order[start : start + 20]):
                sample, found = pairs[i]
                spoilt, right = inject(sample, np.random.default_rng([SEED, int(i)]), k)
                counts[name].update(
                    films=1,
                    default=right(check_network(spoilt, found)),
                    chosen=right(beyond(spoilt, found, limit)),
                    before=right(beyond(sample, found, limit)),
                    geometry=is_new(check_sample(spoilt), check_sample(sample)),
                )
    return {name: dict(count) for name, count in counts.items()}


def is_new(faults: list[Fault], before: list[Fault]) -> bool:
    """Whether some kind is told more often than before."""
    now, old = (Counter(f.kind for f in each if f.severity != "note") for each in (faults, before))
    return bool(now - old)


INJECTED: dict[str, tuple[int, Callable[..., Any]]] = {
    "all labels one level off": (0, level_shifted),
    "corner a quarter of a height away": (20, one_corner_moved(0.25)),
    "corner half a height away": (20, one_corner_moved(0.5)),
    "corner a height away": (20, one_corner_moved(1.0)),
}
"""The first film of each fold that the fault is put into, and how."""


def of_large_films(count: int = 300, height: int = 2500, width: int = 1900) -> dict[str, Any]:
    """How long the command takes for large films, half of them JPEG and half PNG."""
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        large.mkdir()
        write_phantoms(small, films=count, seed=SEED, long_side=256)
        rng = np.random.default_rng(SEED)
        noise = rng.normal(0, 4, (2 * height, 2 * width)).astype(np.float32)
        drawn = read_annotations(small).samples
        samples = [enlarged(s, large, (height, width), noise, n) for n, s in enumerate(drawn)]
        write_coco(large / "annotations.json", samples)
        size = sum(sample.path.stat().st_size for sample in samples)
        start = time.perf_counter()
        command = [sys.executable, "-m", "spondyl", "check", str(large), "--workers", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if not done.stdout.rstrip().split("\n")[-1].startswith(f"{count} films"):
        raise SystemExit(done.stdout + done.stderr)
    return {
        "films": count, "height": height, "width": width, "seconds": round(seconds, 1),
        "megabytes": round(size / 1e6), "hardware": hardware(),
    }  # fmt: skip


def enlarged(
    sample: Sample, folder: Path, size: tuple[int, int], noise: np.ndarray, n: int
) -> Sample:
    """The film with another piece of the noise, in its own file, and its label to match."""
    height, width = size
    path = folder / f"film-{n:03d}.{'jpg' if n % 2 else 'png'}"
    with Image.open(sample.path) as image:
        grey = np.asarray(image.convert("L").resize((width, height)), dtype=np.float32)
    top, left = 7 * n % height, 11 * n % width
    film = (grey + noise[top : top + height, left : left + width]).clip(0, 255).astype(np.uint8)
    Image.fromarray(film).save(path, **({"quality": 90} if n % 2 else {"compress_level": 1}))
    scale = (width / sample.width, height / sample.height)
    landmarks = sample.landmarks.moved(sample.landmarks.points * scale)
    return replace(sample, key=path.stem, path=path, height=height, width=width,
                   landmarks=landmarks)  # fmt: skip


def hardware() -> str:
    """Processor and the cores that this process may use."""
    listed = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", listed.read_text()) if listed.exists() else None
    return f"{found.group(1) if found else platform.machine()}, {os.cpu_count()} cores"


def with_figures(page: str, results: dict[str, Any]) -> str:
    """The page with its figures written anew between the two marks."""
    before, _, rest = page.partition(START)
    return f"{before}{START}\n{figures(results)}{END}{rest.partition(END)[2]}"


def figures(results: dict[str, Any]) -> str:
    parts = [phantom_figures(results["phantoms"]), folder_figures(results["folder"])]
    if "aasce" in results:
        parts.append(aasce_figures(results["aasce"]))
    if "out of fold" in results:
        parts.append(network_figures(results["out of fold"]))
    if "time" in results:
        parts.append(time_figures(results["time"]))
    return "\n".join(parts)


def phantom_figures(found: dict[str, Any]) -> str:
    lines = ["| kind of fault | hidden | small | gross | under its own kind | precision |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for kind, grades in found["kinds"].items():
        cells = [share(grades[g]["found"], grades[g]["films"]) if g in grades else "-"
                 for g in ("hidden", "small", "gross")]  # fmt: skip
        seen = [each for name, each in grades.items() if name != "hidden"]
        own = share(sum(e["by_its_own_kind"] for e in seen), sum(e["films"] for e in seen))
        right, wrong = found["right"].get(kind, 0), found["wrong"].get(kind, 0)
        lines.append(f"| {kind} | {' | '.join(cells)} | {own} | {share(right, right + wrong)} |")
    clean, ill, repairs = found["clean"], found["ill"], found["repairs"]
    mended = repairs["right"] + repairs["wrong"]
    lines += [
        "",
        f"Healthy phantoms with a faultless label that are flagged: {clean['flagged']} of"
        f" {clean['films']}. Phantoms with slips, wedges or fractures and a faultless label:"
        f" {ill['flagged']['error']} of {ill['films']} have an error,"
        f" {ill['flagged']['warning']} a warning. Repairs: {repairs['right']} of {mended} right;"
        f" {repairs['left']} films left as they were.",
        "",
    ]
    return "\n".join(lines)


def folder_figures(found: dict[str, Any]) -> str:
    lines = ["| kind of fault | planted | found | reported elsewhere |", "|---|---|---|---|"]
    lines += [
        f"| {kind} | {row['films']} | {row['found']} | {row['false']} |"
        for kind, row in found["kinds"].items()
    ]
    return "\n".join([*lines, ""])


def aasce_figures(found: dict[str, Any]) -> str:
    lines = [
        "| AASCE training films | half the rules were tuned on | unseen half |",
        "|---|---|---|",
    ]
    for name in ("structure", "single corners", "suspect list", "others", "others, not suspect"):
        cells = [flagged(part[name]) for part in (found["tuned on"], found["unseen"])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", looked_at(found["looked at"]), ""]
    return "\n".join(lines)


def network_figures(found: dict[str, Any]) -> str:
    limits = " and ".join(f"{far:.2f} heights ({lone})" for far, lone in found["limits"])
    settings = ", ".join(f"{name} {value}" for name, value in found["network"].items())
    errors = " and ".join(f"{error:.2f}" for error in found["worst_corner"])
    lines = [
        f"AASCE out of fold, two halves by study ({' and '.join(map(str, found['films']))} films):"
        f" {settings}, else as `recipes/aasce-cpu.yaml`; labels as they are; trained at the same"
        f" time, at most a core each and shared, for {max(found['seconds']):.0f} s"
        f" ({found['hardware']}); the weights are of epochs"
        f" {' and '.join(map(str, found['epoch_of_weights']))}."
        f" On the films on nobody's list the median film's worst corner lies"
        f" {errors} heights from the network's."
        f" The *stricter* limits for a corner (and for how many vertebrae only one of the two sees)"
        f" are {limits}: each chosen on the other half, so that 5 % of these films exceed it.", "",
        f"| films | network, {found['default_limit']} heights (default) | network, stricter |"
        " labels alone | stricter or labels alone |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name in ("structure", "single corners", "others", "others, not suspect"):
        cells = [of_films(found["listed"][way][name]) for way in WAYS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| put into films on nobody's list | network, default | network, stricter |"
              " the same before | labels alone |", "|---|---|---|---|---|"]  # fmt: skip
    for name, row in found["injected"].items():
        cells = [f"{row.get(w, 0)} of {row['films']}" for w in ("default", "chosen", "before")]
        lines.append(f"| {name} | {' | '.join(cells)} | {row['geometry']} of {row['films']} |")
    return "\n".join([*lines, ""])


WAYS = ("default", "chosen", "geometry", "either")


def of_films(group: dict[str, Any]) -> str:
    rate = 100 * group["flagged"] / group["films"]
    return f"{group['flagged']} of {group['films']} ({rate:.0f} %)"


def time_figures(found: dict[str, Any]) -> str:
    return (
        f"{found['films']} films of {found['height']} x {found['width']} px, half JPEG and half PNG"
        f" ({found['megabytes']} MB), are checked in {found['seconds']:.0f} s with two workers"
        f" ({found['hardware']}).\n"
    )


def looked_at(seen: dict[str, Any]) -> str:
    kinds = "; ".join(f"{kind} ({count})" for kind, count in seen["kinds"].items())
    rows = [told(name, seen[name]) for name in ("with an error", "with a warning")]
    return f"{seen['films']} films, {seen['chosen']}, were looked at: {'; '.join(rows)}. {kinds}."


def told(name: str, seen: dict[str, int]) -> str:
    return (
        f"of {seen['looked at']} {name}, the label is wrong in {seen['label is wrong']},"
        f" right in {seen['label is right']} and unclear in {seen['unclear']}"
    )


def flagged(group: dict[str, Any]) -> str:
    return f"{group['flagged']} of {group['films']} flagged, {group['errors']} with an error"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


if __name__ == "__main__":
    main()
