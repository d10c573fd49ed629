"""Is what should not be measured refused, and what should be, measured? Refusals, counted.

A network is calibrated on films that it was not trained on (``learning.calibrating``), then it is
shown unseen films of the same kind and everything else that can be had: procedural radiographs of
other parts of the body (``others.py``), real films of the other view, phantoms turned over, real
pictures and radiographs that come with scikit-image and pydicom (left out where these are not
installed), grey, noise and gradients. Everything is said to be of the view that the network knows,
so that only the pixels can tell. Writes ``abstention.json``: counts and shares, no film.

    spondyl phantom calibration --films 400 --seed 12 --long-side 640
    spondyl phantom test --films 400 --seed 13 --long-side 640
    python benchmarks/abstention.py lateral --weights W --calibration calibration --good test \
        --other-view AASCE --real LATERAL
    python benchmarks/abstention.py ap --weights W --calibration AASCE --good AASCE \
        --split split.json --other-view test
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import others
from jaxtyping import Float64
from PIL import Image

import spondyl
from spondyl.anatomy import View
from spondyl.atomic import write_json
from spondyl.data.folder import read_annotations
from spondyl.data.phantom_canvas import cloud
from spondyl.data.sample import Sample
from spondyl.data.splitting import read_split
from spondyl.errors import FilmError
from spondyl.film.radiograph import Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.judging.evaluate import evaluate
from spondyl.learning.batches import cache_films
from spondyl.learning.calibrating import calibrate
from spondyl.learning.checkpoint import load_model
from spondyl.learning.detector import device_name, load_predictor, pick_device, predict_samples
from spondyl.predict import Predictor
from spondyl.spine.landmarks import Landmarks

HERE = Path(__file__).parent
OTHERS = 40  # films of each part of the body
TURNED = 100  # phantoms or films turned over
SEED = 1
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff")


@dataclass(frozen=True)
class Kind:
    """Films of a kind: how many, their doubts, the doubts that confidence alone would give."""

    name: str
    doubts: Float64[np.ndarray, " n"]
    unsure: Float64[np.ndarray, " n"]
    reasons: Counter[str]

    def row(self, good: Kind, limit: float) -> dict[str, Any]:
        """What is refused, and how well doubt parts these films from the good ones."""
        refused, unsure = int((self.doubts > 1).sum()), int((self.unsure > limit).sum())
        return {
            "films": len(self.doubts),
            "refused": refused,
            "refused_by_confidence": unsure,
            "auroc": auroc(self.doubts, good.doubts),
            "auroc_of_confidence": auroc(self.unsure, good.unsure),
            "median_doubt": round(float(np.median(self.doubts)), 2),
            "interval": share_interval(refused, len(self.doubts)),
            "reasons": dict(self.reasons.most_common(4)),
        }


def main() -> None:
    asked = arguments()
    device = pick_device(asked.device)
    model = load_model(asked.weights, device=device)
    fit = samples_of(asked.calibration, asked.split, "val")
    good = samples_of(asked.good, asked.split, "test")
    known = calibrate(model, cache_films(fit, model.recipe.data.image_size), device=device)
    if known.trust is None:
        raise SystemExit(f"{asked.calibration}: {len(fit)} films are too few, or show no spine")
    predictor = load_predictor(asked.weights, device=device)
    predictor = replace(predictor, calibration=known)
    view: View = asked.network
    seen = judged(predictor, "good", (sample.radiograph() for sample in good), view)
    own = judged(predictor, "calibration", (sample.radiograph() for sample in fit), view)
    limit = float(np.sort(own.unsure)[-max(int(0.02 * len(fit)), 1)])
    kinds = [judged(predictor, *each, view) for each in everything_else(asked, good)]
    result = {
        "made_by": made_by(predictor, asked, device),
        "calibration": {"films": len(fit), "limit": round(known.trust.limit, 3)},
        "good": seen.row(seen, limit),
        "kinds": {kind.name: kind.row(seen, limit) for kind in kinds},
        "risk": risk(predictor, good),
    }
    before = json.loads(asked.json.read_text()) if asked.json.exists() else {}
    write_json(asked.json, {**before, asked.network: result})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=("lateral", "ap"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True, help="annotated folder")
    parser.add_argument("--good", type=Path, required=True, help="annotated folder of unseen films")
    parser.add_argument("--split", type=Path, help="whose val part calibrates, whose test part is")
    parser.add_argument("--other-view", type=Path, help="annotated folder of films of the other")
    parser.add_argument("--real", type=Path, help="folder of real films that should be measured")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, default=HERE / "abstention.json")
    return parser.parse_args()


def samples_of(folder: Path, split: Path | None, part: str) -> Sequence[Sample]:
    """All films of an annotated folder, or one part of its split."""
    samples = read_annotations(folder).samples
    if split is None:
        return samples
    keys = set(read_split(split).keys(part))
    return [sample for sample in samples if sample.key in keys]


def judged(predictor: Predictor, name: str, films: Iterable[Radiograph], view: View) -> Kind:
    """The doubts about every film of a kind."""
    found = list(predictor.many(replace(film, view=view) for film in films))
    reasons = Counter(plain(each.refusal) for each in found if each.refusal)
    doubts = np.array([np.nan if each.doubt is None else each.doubt for each in found])
    print(f"{name}: {(doubts > 1).sum()} of {len(doubts)} refused", flush=True)
    return Kind(name, doubts, np.array([1 - confidence(each) for each in found]), reasons)


def plain(reason: str) -> str:
    """A reason without its numbers."""
    return re.sub(r"( is \S+.*)|(: \d.*)", "", reason).removeprefix("unlike the films known: ")


def confidence(found: Landmarks) -> float:
    return float(np.nanmean(found.confidence)) if len(found) else 0.0


def everything_else(
    asked: argparse.Namespace, good: Sequence[Sample]
) -> Iterator[tuple[str, Iterable[Radiograph]]]:
    """What should be refused, and last the real films that should not."""
    for kind in others.KINDS:
        yield kind, (others.other(kind, seed=SEED, index=k) for k in range(OTHERS))
    yield "grey, noise, gradients", artificial()
    if pictures := list(skimage_pictures()):
        yield "pictures of scikit-image", pictures
    if films := list(pydicom_films()):
        yield "radiographs of pydicom", films
    if asked.other_view:
        others_view = read_annotations(asked.other_view).samples
        yield (
            "real films, other view" if asked.network == "lateral" else "phantoms, lateral",
            (sample.radiograph() for sample in others_view),
        )
    some = good[:TURNED]
    yield "sideways", (turned(sample, 1) for sample in some)
    yield "upside down", (turned(sample, 2) for sample in some)
    if asked.real:
        yield "real films, same view", map(read_radiograph, sorted(asked.real.glob("*.png")))


def turned(sample: Sample, quarters: int) -> Radiograph:
    return film(np.rot90(sample.radiograph().pixels, quarters))


def film(pixels: np.ndarray) -> Radiograph:
    return Radiograph(np.ascontiguousarray(pixels, dtype=np.float32))


def artificial() -> Iterator[Radiograph]:
    """Forty films without anything: grey, white noise, coloured noise, gradients."""
    rng, shape = np.random.default_rng(SEED), (800, 500)
    for grey in (0.0, 0.5, 1.0):
        yield film(np.full(shape, grey))
    for _ in range(12):
        yield film(rng.random(shape))
    for _ in range(13):
        yield film(spanned(cloud(rng, shape, rng.uniform(20, 200), 4)))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for angle in rng.uniform(0, 2 * np.pi, 12):
        yield film(spanned(np.cos(angle) * columns + np.sin(angle) * rows))


def spanned(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / np.ptp(values)


def skimage_pictures() -> Iterator[Radiograph]:
    """Those in the package itself; nothing is downloaded."""
    place = importlib.util.find_spec("skimage")
    if place is None or place.origin is None:
        print("scikit-image is not installed: its pictures are left out")
        return
    for path in sorted((Path(place.origin).parent / "data").iterdir()):
        if path.suffix in PICTURES:
            try:
                with Image.open(path) as image:
                    yield film(np.asarray(image.convert("L"), dtype=np.float32) / 255)
            except OSError as error:
                print(f"{path.name}: left out ({error})")


def pydicom_films() -> Iterator[Radiograph]:
    """A chest and an extremity, computed radiography, where pydicom-data is installed."""
    from pydicom.data import get_testdata_file

    for name in ("RG1_UNCI.dcm", "RG3_UNCI.dcm"):
        path = get_testdata_file(name, download=False)
        try:
            if path:
                yield read_radiograph(Path(str(path)))
        except FilmError as error:
            print(f"{name}: left out ({error})")


def auroc(bad: Float64[np.ndarray, " n"], good: Float64[np.ndarray, " m"]) -> float:
    """The chance that a bad film is more doubtful than a good one; ties count half."""
    above = (bad[:, None] > good[None]).mean() + 0.5 * (bad[:, None] == good[None]).mean()
    return round(float(above), 4)


def share_interval(count: int, total: int) -> list[float]:
    """95 %, in %, exact (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci()
    return [round(100 * float(end), 1) for end in (found.low, found.high)]


def risk(predictor: Predictor, good: Sequence[Sample]) -> dict[str, Any] | None:
    """What leaving the doubtful films out gains on the good ones."""
    found = evaluate(predict_samples(predictor, good), good, thresholds=[6]).risk
    if found is None:
        return None
    names = ("films", "refused", "area", "oracle_area", "random_area", "kept_error",
             "refused_error")  # fmt: skip
    return {name: getattr(found, name) for name in names}


def made_by(predictor: Predictor, asked: argparse.Namespace, device: str) -> dict[str, Any]:
    told = {k: v for k, v in predictor.made_by.items() if k != "weights"}
    return {**told, "version": spondyl.__version__, "device": device_name(device), "seed": SEED}


if __name__ == "__main__":
    main()
