"""What do several passes over a film gain? Views, thinned networks and an ensemble against one.

Draws phantoms, trains one recipe with three seeds, and judges every way to look more than once on
films that were seen by neither training nor selection: as they are drawn, and blurred and noisy.
Writes ``consensus.json`` and, from it, the table in docs/prediction.md. A run that was stopped goes
on where it was; one that is finished is not repeated.

    OMP_NUM_THREADS=1 python benchmarks/consensus.py --out /tmp/consensus    # one CPU core
    python benchmarks/consensus.py --table                # only writes the table again
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from spondyl.data.sample import Sample
    from spondyl.film.radiograph import Radiograph
    from spondyl.judging.evaluation import Evaluation, FilmScore
    from spondyl.learning.detector import TorchDetector
    from spondyl.predict import Predictor
    from spondyl.recipe import Recipe
    from spondyl.spine.detections import Detections

HERE = Path(__file__).parent
RESULTS = HERE / "consensus.json"
PAGE = HERE.parent / "docs" / "prediction.md"
TABLES = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)

COUNTS = (500, 60, 150)  # training, validation, unseen
SEEDS = (0, 1, 2)
SETTINGS = (
    "model.dropout=0.15",
    "training.epochs=15",
    "training.precision=bf16-mixed",
    "training.validate_every=5",
)
BLUR, NOISE = 2.0, 0.12  # px of a film of 512 px; share of the grey range
THRESHOLDS = (4.0, 8.0)


class Way(NamedTuple):
    """How films are looked at: by the networks of which seeds, and how often by each."""

    seeds: tuple[int, ...] = (0,)
    tta: int = 1
    mc_dropout: int = 0
    smoothed: bool = False  # one pass half a pixel off: what the interpolation of views does alone


WAYS: Mapping[str, Way] = {
    "one network": Way(),
    "another seed": Way((1,)),
    "a third seed": Way((2,)),
    "smoothed, one pass": Way(smoothed=True),
    "`--tta 4`": Way(tta=4),
    "`--tta 8`": Way(tta=8),
    "`--mc-dropout 8`": Way(mc_dropout=8),
    "three networks": Way(SEEDS),
    "three networks, `--tta 4`": Way(SEEDS, tta=4),
}
BASELINE = "one network"
MEASURES: Mapping[str, tuple[str, Callable[[FilmScore], tuple[float, float]]]] = {
    "recall": ("recall %", lambda row: (100 * row.found, row.vertebrae)),
    "precision": ("precision %", lambda row: (100 * row.found, row.found + row.false)),
    "mre": ("MRE", lambda row: (row.tallies["all"].error_sum, row.tallies["all"].found)),
    "sdr4": ("SDR@4 %", lambda row: (100 * row.tallies["all"].within[0], _judged(row))),
    "sdr8": ("SDR@8 %", lambda row: (100 * row.tallies["all"].within[1], _judged(row))),
}  # a label, and the numerator and denominator of one film


def main() -> None:
    asked = arguments()
    if not asked.table:
        write_results(asked)
    write_page(asked.json)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for films and runs")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--recipe", type=Path, default=HERE.parent / "recipes/phantom-cpu.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0, help="of the films")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    if not (asked.table or asked.out):
        parser.error("need --out or --table")
    return asked


def write_results(asked: argparse.Namespace) -> None:
    from encoding import films

    from spondyl.atomic import write_json
    from spondyl.learning.train import fit
    from spondyl.recipe import override, read_recipe

    base = override(read_recipe(asked.recipe), [*SETTINGS, *asked.set])
    folder = asked.out / f"phantoms-{asked.seed}"
    samples, split = films(folder, 512, seed=asked.seed, counts=COUNTS)
    runs = {}
    for seed in SEEDS:
        recipe = base.model_copy(update={"seed": seed})
        run = asked.out / f"seed-{seed}"
        runs[seed] = fit(samples, recipe, run, split=split, device=asked.device, resume=True).best
    unseen = split.select(samples, "test")
    drawn = [sample.radiograph() for sample in unseen]
    shown = {"as drawn": drawn, "degraded": [degraded(f, n) for n, f in enumerate(drawn)]}
    judged = {name: judge(unseen, films, runs, asked) for name, films in shown.items()}
    write_json(asked.json, {"made_by": made_by(base, asked), "films": judged})


def degraded(film: Radiograph, number: int) -> Radiograph:
    """The film out of focus and underexposed: blurred, then noisy."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(number)
    blurred = gaussian_filter(film.pixels, BLUR)
    noisy = blurred + NOISE * rng.standard_normal(blurred.shape)
    return replace(film, pixels=noisy.clip(0, 1).astype(np.float32))


def judge(
    unseen: Sequence[Sample],
    films: Sequence[Radiograph],
    runs: Mapping[int, Path],
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """Every way on the same films, with its differences from one network and one pass."""
    from spondyl.judging.evaluate import evaluate
    from spondyl.learning.detector import load_predictor

    rows: dict[str, Any] = {}
    reference: Evaluation | None = None
    for name, way in WAYS.items():
        weights = [runs[seed] for seed in way.seeds]
        predictor = load_predictor(
            *weights, device=asked.device, tta=way.tta, mc_dropout=way.mc_dropout
        )
        if way.smoothed:
            predictor = replace(predictor, detector=Smoothed(predictor.detector))
        found, milliseconds = look(predictor, unseen, films)
        evaluation = evaluate(found, unseen, thresholds=THRESHOLDS, seed=asked.seed)
        reference = reference or evaluation
        rows[name] = row(evaluation, reference) | {"cpu_ms": milliseconds}
        print(name, json.dumps(rows[name]), flush=True)
    return rows


class Smoothed:
    """A detector that sees films half a pixel off, and so every pixel as the mean of four."""

    def __init__(self, detector: TorchDetector) -> None:
        from spondyl.learning.passes import View

        self.detector = detector
        self.input_size, self.ordered = detector.input_size, detector.ordered
        self.view = View(shift=(0.5 / detector.input_size,) * 2)

    def __call__(self, inputs: np.ndarray) -> list[Detections]:
        """The candidates of each film, in input px."""
        found = self.detector.find(self.view.show(self.detector.load(inputs)))
        return [self.view.back(each, self.input_size) for each in found]


def look(
    predictor: Predictor, unseen: Sequence[Sample], films: Sequence[Radiograph]
) -> tuple[list[Sample], float]:
    """Predictions, and milliseconds of processor time for each film."""
    list(predictor.many(films[:8]))  # the first batch pays for what is built once
    started = time.process_time()
    found = list(predictor.many(films))
    milliseconds = round(1000 * (time.process_time() - started) / len(films), 1)
    return [replace(s, landmarks=own) for s, own in zip(unseen, found, strict=True)], milliseconds


def row(evaluation: Evaluation, reference: Evaluation) -> dict[str, Any]:
    """Every measure as a figure, and as a paired difference with a 95 % interval over films."""
    told: dict[str, Any] = {"named": round(evaluation.naming.share.value or 0.0, 2)}
    for measure, (_, parts) in MEASURES.items():
        own, other = (
            np.array([parts(film) for film in each.per_film], dtype=np.float64)
            for each in (evaluation, reference)
        )
        drawn = np.random.default_rng(0).multinomial(
            len(own), np.full(len(own), 1 / len(own)), size=2000
        )
        difference = _ratio(drawn, own) - _ratio(drawn, other)
        low, high = np.percentile(difference, [2.5, 97.5])
        whole = np.ones((1, len(own)))
        value = _ratio(whole, own)[0]
        told[measure] = {
            "value": round(value, 3),
            "difference": round(value - _ratio(whole, other)[0], 3),
            "low": round(low, 3),
            "high": round(high, 3),
        }
    return told


def _ratio(drawn: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Of the sums over films, in each resample."""
    sums = drawn @ parts
    return sums[:, 0] / sums[:, 1]


def _judged(film: FilmScore) -> int:
    return film.tallies["all"].judged


def made_by(recipe: Recipe, asked: argparse.Namespace) -> dict[str, Any]:
    import spondyl
    from spondyl.learning.detector import device_name

    return {
        "version": spondyl.__version__,
        "recipe": asked.recipe.name,
        "settings": [*SETTINGS, *asked.set],
        "recipe_digest": recipe.digest,
        "network": recipe.model.name,
        "image_size": recipe.data.image_size,
        "seed": asked.seed,
        "seeds": SEEDS,
        "films": dict(zip(("train", "val", "unseen"), COUNTS, strict=True)),
        "degraded": {"blur_px": BLUR, "noise": NOISE},
        "device": device_name(asked.device),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or os.cpu_count(),
        "ways": {name: way._asdict() for name, way in WAYS.items()},
    }


def write_page(results: Path) -> None:
    from spondyl.atomic import write_text

    text = PAGE.read_text(encoding="utf-8")
    write_text(PAGE, TABLES.sub(lambda found: found[1] + tables(results) + found[2], text))


def tables(results: Path = RESULTS) -> str:
    """Both tables of the page, from the results."""
    told = json.loads(results.read_text(encoding="utf-8"))
    return "".join(f"\n**Films {name}**\n\n{_table(rows)}" for name, rows in told["films"].items())


def _table(rows: Mapping[str, Any]) -> str:
    heads = [label for label, _ in MEASURES.values()]
    text = f"| | {' | '.join(heads)} | ms a film |\n|---|{'---|' * (len(heads) + 1)}\n"
    for name, each in rows.items():
        cells = [_cell(each[measure], is_baseline=name == BASELINE) for measure in MEASURES]
        text += f"| {name} | {' | '.join(cells)} | {each['cpu_ms']:.0f} |\n"
    return text


def _cell(figure: Mapping[str, float], *, is_baseline: bool) -> str:
    """The baseline as it is, the others as differences with their intervals."""
    if is_baseline:
        return f"{figure['value']:.2f}"
    middle, low, high = (_signed(figure[part]) for part in ("difference", "low", "high"))
    cell = f"{middle} [{low}, {high}]"
    return f"**{cell}**" if figure["low"] * figure["high"] > 0 else cell


def _signed(value: float) -> str:
    """Two decimals; what rounds to nothing has no sign."""
    text = f"{value:+.2f}"
    return text if float(text) else text[1:]


if __name__ == "__main__":
    main()
