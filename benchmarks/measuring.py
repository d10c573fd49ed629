r"""Do intervals hold what they say? Coverage on films that are like the calibration's, and unlike.

Fits the error of a trained network on phantoms that it has not seen (``spondyl calibrate``), then
predicts and measures other ones, as they are drawn and degraded, and asks how often the true value
lies in its interval. Writes ``measuring.json`` and, from it, the tables in docs/intervals.md.

    spondyl phantom calibration --films 1200 --seed 12 --long-side 640
    spondyl phantom test --films 1000 --seed 13 --long-side 640
    python benchmarks/measuring.py --weights best_mre.safetensors --calibration calibration \
        --test test --out /tmp/measuring
    python benchmarks/measuring.py --table                # only writes the tables again
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spondyl.data.sample import Sample
    from spondyl.film.radiograph import Radiograph
    from spondyl.judging.agreement import GradeScore, MeasurementScore
    from spondyl.judging.pairing import MeasuredPair
    from spondyl.judging.statistics import Estimate
    from spondyl.predict import Predictor

HERE = Path(__file__).parent
RESULTS = HERE / "measuring.json"
PAGE = HERE.parent / "docs" / "intervals.md"
TABLES = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)

COVERAGE = 0.9
NOISE, BLUR, CONTRAST, KEPT = 0.15, 3.0, 0.15, 0.6
SAID = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)  # edges of the probabilities that a grade is said with

SIZES = (0.0, 3.0, 6.0, 10.0, 200.0)  # edges of slips, %

Shown = tuple["Sample", "Radiograph"]


def noisy(shown: Shown, rng: np.random.Generator, noise: float = NOISE) -> Shown:
    """Noise of so much of the grey range."""
    sample, film = shown
    return sample, _grey(film, film.pixels + noise * rng.standard_normal(film.pixels.shape))


def blurred(shown: Shown, rng: np.random.Generator, sigma: float = BLUR) -> Shown:
    """A Gaussian of so many px, on films of 640 px."""
    from scipy.ndimage import gaussian_filter

    sample, film = shown
    return sample, _grey(film, gaussian_filter(film.pixels, sigma))


def flat(shown: Shown, rng: np.random.Generator, contrast: float = CONTRAST) -> Shown:
    """So much of the contrast, in 8 bit, with noise of one of its steps."""
    sample, film = shown
    pixels = (
        0.4 * (1 - contrast) / (1 - CONTRAST)
        + contrast * film.pixels
        + rng.standard_normal(film.pixels.shape) / 255
    )
    return sample, _grey(film, np.round(255 * pixels) / 255)


def cropped(shown: Shown, rng: np.random.Generator, kept: float = KEPT) -> Shown:
    """The lower part of the film alone: a part of the spine, and larger in the input."""
    sample, film = shown
    top = round((1 - kept) * film.height)
    points = sample.landmarks.points - [0.0, top]
    points = np.where(points[..., 1:] < -0.5, np.nan, points)
    seen = np.flatnonzero(~np.isnan(points).all(axis=(1, 2)))
    moved = sample.landmarks.moved(np.where(np.isnan(points), 0.0, points)).select(list(seen))
    own = replace(sample, landmarks=moved.moved(points[seen]), height=film.height - top)
    return own, replace(film, pixels=np.ascontiguousarray(film.pixels[top:]))


WAYS: Mapping[str, Callable[[Shown, np.random.Generator], Shown] | None] = {
    "as drawn": None,
    "noisy": noisy,
    "blurred": blurred,
    "flat": flat,
    "cropped": cropped,
}


def _grey(film: Radiograph, pixels: np.ndarray) -> Radiograph:
    return replace(film, pixels=pixels.clip(0, 1).astype(np.float32))


def main() -> None:
    asked = arguments()
    if not asked.table:
        write_results(asked)
    write_page(asked.json)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="checkpoint of a network")
    parser.add_argument("--calibration", type=Path, help="folder of phantoms to calibrate on")
    parser.add_argument("--test", type=Path, help="folder of other phantoms")
    parser.add_argument("--out", type=Path, help="folder for the calibrated checkpoint")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    if not asked.table and None in (asked.weights, asked.calibration, asked.test, asked.out):
        parser.error("need --weights, --calibration, --test and --out, or --table")
    return asked


def write_results(asked: argparse.Namespace) -> None:
    from spondyl.atomic import write_json
    from spondyl.data.folder import read_annotations
    from spondyl.learning.batches import cache_films
    from spondyl.learning.calibrating import calibrate_checkpoint
    from spondyl.learning.checkpoint import load_model
    from spondyl.learning.detector import load_predictor

    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "calibrated.safetensors"
    model = load_model(asked.weights)
    known = read_annotations(asked.calibration).samples
    films = cache_films(known, model.recipe.data.image_size)
    calibrate_checkpoint(asked.weights, films, out=path, device=asked.device, coverage=COVERAGE)
    predictor = load_predictor(path, device=asked.device)
    samples = read_annotations(asked.test).samples
    judged = {}
    for name in WAYS:
        judged[name] = judge(predictor, samples, name)
        print(name, json.dumps(judged[name]["corners"]), flush=True)
    told = {"made_by": made_by(asked, predictor, len(known), len(samples)), "films": judged}
    write_json(asked.json, told)


def judge(predictor: Predictor, samples: Sequence[Sample], way: str) -> dict[str, Any]:
    """Everything that is measured on the films shown one way."""
    from spondyl.judging.agreement import agreement
    from spondyl.judging.pairing import measured_pairs

    truth, found = look(predictor, samples, way)
    pairs = measured_pairs(found, truth, intervals=predictor.intervals)
    scores = agreement(pairs)
    named = agreement([replace(p, predicted=None) if p.misnamed else p for p in pairs])
    assert scores is not None
    assert named is not None
    return {
        "refused": sum(sample.landmarks.refusal is not None for sample in found),
        "corners": corners(found, truth),
        "measurements": {
            f"{each.name}, {each.unit or 'ratio'}, {each.definition}": _measured(each, right)
            for each, right in zip(scores.measurements, named.measurements, strict=True)
        },
        "grades": {each.name: _graded(each) for each in scores.grades},
        "said": {each.name: reliability(pairs, each.name) for each in scores.grades},
        "slips": slips_by_size(pairs),
    }


def look(
    predictor: Predictor, samples: Sequence[Sample], way: str
) -> tuple[list[Sample], list[Sample]]:
    """The films as they are shown, with their true and with their predicted landmarks."""
    change, truth, found = WAYS[way], [], []
    for number, sample in enumerate(samples):
        shown = sample, sample.radiograph()
        if change:
            shown = change(shown, np.random.default_rng(number))
        truth.append(shown[0])
        found.append(replace(shown[0], landmarks=predictor(shown[1])))
    return truth, found


def corners(found: Sequence[Sample], truth: Sequence[Sample]) -> dict[str, Any]:
    """Of the annotated corners that were found, how many lie within their radius; lengths in px."""
    from spondyl.spine.calibration import match_centres
    from spondyl.spine.uncertainty import corner_radii

    errors, radii, annotated = [], [], 0
    for own, known in zip(found, truth, strict=True):
        mine, true = match_centres(own.landmarks.points, known.landmarks)
        off = own.landmarks.points[mine] - known.landmarks.points[true]
        error = np.linalg.norm(off, axis=-1).ravel()
        radius = corner_radii(own.landmarks.covariance[mine], COVERAGE).ravel()
        seen = ~np.isnan(error) & ~np.isnan(radius)
        errors.append(error[seen])
        radii.append(radius[seen])
        annotated += int((~np.isnan(known.landmarks.points[..., 0])).sum())
    error, radius = np.concatenate(errors), np.concatenate(radii)
    return {
        "annotated": annotated,
        "found": len(error),
        "coverage": _percent(error <= radius),
        "radius": round(float(radius.mean()), 2),
        "error": round(float(error.mean()), 2),
    }


def reliability(pairs: Sequence[MeasuredPair], name: str) -> list[dict[str, float]]:
    """Grades by the probability that was said, and how many of them are right."""
    known = [pair for pair in pairs if pair.name == name and pair.probability is not None]
    said = np.array([pair.probability for pair in known], dtype=np.float64)
    right = np.array([pair.predicted == pair.annotated for pair in known], dtype=bool)
    place = np.clip(np.searchsorted(SAID, said, side="right") - 1, 0, len(SAID) - 2)
    return [
        {
            "from": SAID[k],
            "to": SAID[k + 1],
            "grades": int((place == k).sum()),
            "said": _percent(said[place == k]),
            "right": _percent(right[place == k]),
        }
        for k in range(len(SAID) - 1)
        if (place == k).any()
    ]


def slips_by_size(pairs: Sequence[MeasuredPair]) -> list[dict[str, float]]:
    """Slips in % by the size of the true and of the measured one: how far off, how often inside."""
    known = [p for p in pairs if p.name == "slip" and p.unit == "%" and p.predicted is not None]
    known = [p for p in known if p.annotated is not None and not p.misnamed]
    true, found, low, high = (
        np.array([getattr(p, each) for p in known], dtype=np.float64)
        for each in ("annotated", "predicted", "low", "high")
    )
    inside, held = (low <= true) & (true <= high), ~np.isnan(low)
    rows = []
    for by, size in (("true", np.abs(true)), ("measured", np.abs(found))):
        for least, most in pairwise(SIZES):
            own = (size >= least) & (size < most)
            if (own & held).sum() < 10:
                continue
            rows.append({
                "by": by, "from": least, "to": most, "slips": int(own.sum()),
                "mae": round(float(np.abs(found - true)[own].mean()), 2),
                "short": round(float((np.sign(true) * (true - found))[own].mean()), 2),
                "half_width": round(float((high - low)[own & held].mean() / 2), 2),
                "coverage": _percent(inside[own & held]),
            })  # fmt: skip
    return rows


def _measured(score: MeasurementScore, named: MeasurementScore) -> dict[str, Any]:
    """Of all films, and of those alone whose vertebrae bear their own names."""
    return {
        "annotated": score.annotated,
        "measured": score.measured,
        "intervals": score.intervals,
        "misnamed": score.misnamed,
        "coverage": _estimate(score.coverage),
        "half_width": round((score.width.value or 0.0) / 2, 3),
        "mae": _estimate(score.mae),
        "named_coverage": _estimate(named.coverage),
        "named_mae": _estimate(named.mae),
    }


def _graded(score: GradeScore) -> dict[str, Any]:
    return {
        "annotated": score.annotated,
        "measured": score.measured,
        "exact": _estimate(score.exact),
        "quadratic_kappa": _estimate(score.quadratic),
        "confusion": score.confusion,
    }


def _estimate(known: Estimate) -> list[float | None]:
    """Value, low, high."""
    return [None if v is None else round(v, 3) for v in (known.value, known.low, known.high)]


def _percent(values: np.ndarray) -> float:
    return round(100 * float(np.mean(values)), 2)


def made_by(
    asked: argparse.Namespace, predictor: Predictor, calibration: int, test: int
) -> dict[str, Any]:
    from spondyl.learning.detector import device_name

    known = predictor.calibration.uncertainty
    assert known is not None
    return {
        **predictor.made_by,
        "films": {"calibration": calibration, "test": test},
        "coverage": COVERAGE,
        "uncertainty": known.to_json(),
        "degraded": {"noise": NOISE, "blur_px": BLUR, "contrast": CONTRAST, "kept": KEPT},
        "device": device_name(asked.device),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def write_page(results: Path) -> None:
    from spondyl.atomic import write_text

    text = PAGE.read_text(encoding="utf-8")
    write_text(PAGE, TABLES.sub(lambda found: found[1] + tables(results) + found[2], text))


def tables(results: Path = RESULTS) -> str:
    """The tables of the page, from the results."""
    told = json.loads(results.read_text(encoding="utf-8"))
    return (
        f"\n{_coverage_table(told['films'])}\n{_error_table(told['films']['as drawn'])}\n"
        f"{_grade_table(told['films'])}\n{_said_table(told['films']['as drawn'])}\n"
        f"{_size_table(told['films']['as drawn']['slips'])}"
    )


def _coverage_table(films: Mapping[str, Any]) -> str:
    """How often the truth lies in its interval, %, by what was measured and how films look."""
    text = f"| inside a 90 % interval, % | {' | '.join(films)} |\n|---|{'---|' * len(films)}\n"
    rows = {"corners": [each["corners"]["coverage"] for each in films.values()]}
    for name in films["as drawn"]["measurements"]:
        rows[_label(name)] = [
            each["measurements"].get(name, {"named_coverage": [None]})["named_coverage"][0]
            for each in films.values()
        ]
    for label, cells in rows.items():
        text += f"| {label} | {' | '.join(_number(cell) for cell in cells)} |\n"
    found = [100 * f["corners"]["found"] / f["corners"]["annotated"] for f in films.values()]
    misnamed = [_misnamed(each["measurements"]) for each in films.values()]
    refused = [each["refused"] for each in films.values()]
    text += f"| annotated corners found, % | {' | '.join(_number(v) for v in found)} |\n"
    text += f"| vertebrae with a wrong name, % | {' | '.join(_number(v) for v in misnamed)} |\n"
    return text + f"| films refused | {' | '.join(str(count) for count in refused)} |\n"


def _size_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Slips by their size, films as drawn."""
    text = "| slips, films as drawn | n | mean error, points | too small by | interval +- "
    text += "| inside, % |\n"
    text += "|---|---|---|---|---|---|\n"
    for row in rows:
        most = f"to {row['to']:g} %" if row["to"] < SIZES[-1] else "and more"
        text += f"| {row['by']} {row['from']:g} {most} | {row['slips']} | {row['mae']:.2f} | "
        text += f"{row['short']:.2f} | {row['half_width']:.2f} | {row['coverage']:.1f} |\n"
    return text


def _misnamed(measurements: Mapping[str, Any]) -> float:
    """Of the vertebrae that a superior endplate was measured on, %."""
    own = next(row for name, row in measurements.items() if name.startswith("superior endplate,"))
    return 100 * own["misnamed"] / max(own["measured"], 1)


def _error_table(drawn: Mapping[str, Any]) -> str:
    """On films as drawn: how many, how far off, and how wide the intervals are."""
    text = "| films as drawn | measured | mean error | interval +- | inside, % [95 %] |\n"
    text += "|---|---|---|---|---|\n"
    own = drawn["corners"]
    text += f"| corners, px | {own['found']} | {own['error']:.2f} | {own['radius']:.2f} | "
    text += f"{own['coverage']:.1f} |\n"
    for name, each in drawn["measurements"].items():
        value, low, high = each["named_coverage"]
        inside = "" if value is None else f"{value:.1f} [{low:.1f}, {high:.1f}]"
        text += f"| {_label(name)} | {each['measured']} | {each['named_mae'][0]:.2f} | "
        text += f"{each['half_width']:.2f} | {inside} |\n"
    return text


def _grade_table(films: Mapping[str, Any]) -> str:
    text = f"| grades | {' | '.join(films)} |\n|---|{'---|' * len(films)}\n"
    for name in films["as drawn"]["grades"]:
        known = [each["grades"].get(name) for each in films.values()]
        for key, label in (("exact", "equal, %"), ("quadratic_kappa", "kappa, quadratic")):
            cells = (_number(each[key][0] if each else None, 2) for each in known)
            text += f"| {name}: {label} | {' | '.join(cells)} |\n"
    return text


def _said_table(drawn: Mapping[str, Any]) -> str:
    """What is said of a grade, and how often it is right, on films as drawn."""
    text = "| probability of a grade | grades | said, % | right, % |\n|---|---|---|---|\n"
    for name, rows in drawn["said"].items():
        for row in rows:
            span = f"{name}, {100 * row['from']:.0f} to {100 * row['to']:.0f} %"
            text += f"| {span} | {row['grades']} | {row['said']:.1f} | {row['right']:.1f} |\n"
    return text


def _label(name: str) -> str:
    what, unit, definition = name.split(", ", 2)
    several = what in ("lordosis", "segmental lordosis")
    own = f" ({definition.removeprefix('Cobb, ')})" if several else ""
    return f"{what}{own}, {unit}"


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
