"""Does the fingerprint find copies, and nothing else? Copies against different films, measured.

Each film is changed in every way that copies are (compressed, resized, re-exposed, mirrored,
inverted, cropped) and compared with itself and with all others, phantoms and, where the folder is
given, AASCE 2019. Writes ``duplicates.json``: numbers and counts only, no film and no name of one.

    python benchmarks/duplicates.py --aasce PATH/aasce2019-train
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from PIL import Image

import spondyl
from spondyl.atomic import write_json
from spondyl.data import duplicates
from spondyl.data.duplicates import (
    SAME,
    Duplicate,
    Fingerprint,
    fingerprint,
    fingerprint_all,
    near_duplicates,
)
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import phantom
from spondyl.data.sample import Sample
from spondyl.film.radiograph import Radiograph
from spondyl.spine.landmarks import Landmarks

HERE = Path(__file__).parent
SEED = 0
Pixels = Float32[np.ndarray, "h w"]


def main() -> None:
    asked = arguments()
    found = {"phantoms": measure(phantoms(asked.films))}
    if asked.aasce:
        samples = read_annotations(asked.aasce).samples
        films = {s.key: s.radiograph() for s in samples}
        found["aasce"] = measure(films, {s.key: s.group for s in samples})
    setting = {"version": spondyl.__version__, "seed": SEED, "same": SAME}
    write_json(asked.json, {"made_by": setting, "sets": found, "seconds": times(asked.timed)})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aasce", type=Path, help="folder with labels.json and images/")
    parser.add_argument("--films", type=int, default=300, help="number of phantoms")
    parser.add_argument("--timed", type=int, default=20, help="films of 2,500 px to time")
    parser.add_argument("--json", type=Path, default=HERE / "duplicates.json")
    return parser.parse_args()


def phantoms(count: int) -> dict[str, Radiograph]:
    """Different films of one series, all of one size, exposure and anatomy drawn anew."""
    return {f"{k:04}": phantom(SEED, k, long_side=512).radiograph for k in range(count)}


def measure(films: Mapping[str, Radiograph], groups: Mapping[str, str] | None = None) -> Any:
    """Pairs of different films that are taken for one, and copies that are found, per change."""
    known = {name: fingerprint(film) for name, film in films.items()}
    alike = near_duplicates(known)
    return {
        "films": len(films),
        "pairs": len(films) * (len(films) - 1) // 2,
        "taken_for_one": told(alike, groups),
        "nearest_of_the_others": nearest_of_the_others(list(known.values())),
        "copies": {name: copies(films, known, change) for name, change in CHANGES.items()},
    }


def nearest_of_the_others(known: list[Fingerprint]) -> list[float]:
    """The least distances above the threshold, of the pairs that were laid over each other."""
    distances = sorted(distance for *_, distance in duplicates._duplicates(known))
    return [round(distance, 2) for distance in distances if distance > SAME][:10]


def told(alike: list[Duplicate], groups: Mapping[str, str] | None) -> dict[str, Any]:
    """How many pairs, and how many of them the set files under two groups."""
    across = [d for d in alike if groups and groups[d.one] != groups[d.other]]
    return {
        "pairs": len(alike),
        "mirrored_or_inverted": sum(d.kind.endswith("copy") for d in alike),
        "in_two_groups": len(across),
        "pairs_of_groups": len({frozenset((groups[d.one], groups[d.other])) for d in across})
        if groups
        else 0,
        "distances": sorted(round(d.distance, 2) for d in alike),
    }


def copies(
    films: Mapping[str, Radiograph],
    known: Mapping[str, Fingerprint],
    change: Callable[[Pixels], Pixels],
) -> dict[str, Any]:
    """The share of copies that are found, and how far apart the found ones are."""
    distances = []
    for name, film in films.items():
        pixels = np.ascontiguousarray(change(film.pixels), dtype=np.float32)
        pair = {"film": known[name], "copy": fingerprint(Radiograph(pixels))}
        distances += [each.distance for each in near_duplicates(pair)]
    quantiles = np.quantile(distances, (0.5, 1)) if distances else (None, None)
    median, greatest = (None if q is None else round(float(q), 3) for q in quantiles)
    return {
        "found_percent": round(100 * len(distances) / len(films), 1),
        "median_distance": median,
        "greatest_distance": greatest,
    }


def jpeg(pixels: Pixels, quality: int = 60) -> Pixels:
    buffer = io.BytesIO()
    grey = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float32) / 255


def resized(pixels: Pixels, rows: float, columns: float) -> Pixels:
    size = (round(columns), round(rows))
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image).clip(0, 1)


def scaled(pixels: Pixels, scale: float) -> Pixels:
    return resized(pixels, scale * pixels.shape[0], scale * pixels.shape[1])


def cropped(pixels: Pixels, share: float) -> Pixels:
    rows, columns = (round(share * side) for side in pixels.shape)
    return pixels[rows:-rows, columns:-columns]


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG, quality 60": jpeg,
    "half the size, JPEG 60": lambda p: jpeg(scaled(p, 0.5)),
    "twice the size": lambda p: scaled(p, 2),
    "stretched to 640 x 640, JPEG 75": lambda p: jpeg(resized(p, 640, 640), 75),
    "brightness 0.15 + 0.8 x": lambda p: 0.15 + 0.8 * p,
    "contrast x 1.3, clipped": lambda p: ((p - 0.5) * 1.3 + 0.5).clip(0, 1),
    "gamma 0.7": lambda p: p**0.7,
    "gamma 1.4": lambda p: p**1.4,
    "half the size, gamma 0.75, JPEG 60": lambda p: jpeg(scaled(p, 0.5) ** 0.75 * 0.85 + 0.1),
    "mirrored, JPEG 60": lambda p: jpeg(p[:, ::-1]),
    "inverted, JPEG 60": lambda p: jpeg(1 - p),
    "1 % cut off each side": lambda p: cropped(p, 0.01),
    "2 % cut off each side": lambda p: cropped(p, 0.02),
    "4 % cut off each side": lambda p: cropped(p, 0.04),
}


def times(count: int) -> dict[str, float]:
    """Seconds for a film of 2,500 px, as JPEG and as PNG, and for all pairs of 1,000 films."""
    made = phantom(SEED, 0, long_side=2500).radiograph
    grey = Image.fromarray(np.rint(made.pixels * 255).astype(np.uint8))
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("jpg", "png"):
            path = Path(folder) / f"film.{suffix}"
            grey.save(path)
            samples = list(same_film(path, made, count))
            started = time.perf_counter()
            fingerprint_all(samples)
            seconds[f"film_of_2500_px_{suffix}"] = since(started) / count
    rng = np.random.default_rng(SEED)
    many = {str(k): Fingerprint(str(k), rng.bytes(64 * 64)) for k in range(1000)}
    started = time.perf_counter()
    near_duplicates(many)
    seconds["pairs_of_1000_films"] = since(started)
    return {name: round(value, 3) for name, value in seconds.items()}


def same_film(path: Path, film: Radiograph, count: int) -> Iterator[Sample]:
    for k in range(count):
        landmarks = Landmarks(np.empty((0, 4, 2)))
        yield Sample(str(k), path, film.height, film.width, landmarks, str(k), "timed")


def since(started: float) -> float:
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
