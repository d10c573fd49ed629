"""What is spondyl about, shown in minutes: the same films through two encodings, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from spondyl.data.coco import write_coco
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms
from spondyl.data.sample import Sample
from spondyl.data.splitting import Split, split_by_group
from spondyl.judging.compare import compare
from spondyl.judging.evaluate import Evaluation, evaluate
from spondyl.judging.report import write_comparison, write_evaluation
from spondyl.learning.detector import load_predictor, predict_samples
from spondyl.learning.train import RunResult, fit
from spondyl.recipe import Recipe, parse_recipe, read_recipe, shipped_recipe
from spondyl.spine.drawing import draw_overlay
from spondyl.version import __version__

CODECS: Mapping[str, Mapping[str, object]] = {
    "set": {"name": "set"},
    "slots, k-th from the top": {"name": "slots", "anchor": "top", "sigma": 16},
}
"""Both encodings of the demo; ``sigma`` gives slots a Gaussian as wide as the other's."""

BASELINE: Final = "slots, k-th from the top"
"""The encoding that the other is held against."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One trained encoding: its run, what it predicted on unseen films, and how good that is."""

    run: RunResult
    predictions: tuple[Sample, ...]
    evaluation: Evaluation


def run_demo(out: Path, *, seed: int = 0, films: int = 240) -> Path:
    """Phantoms, two trainings, two evaluations, one page; returns the page's path.

    Raises:
        TrainingError: ``out`` holds another demo.
    """
    console = Console(stderr=True)
    data = out / "phantoms"
    with Progress(console=console) as progress:
        task = progress.add_task("drawing phantoms", total=films)
        write_phantoms(
            data,
            films=films,
            seed=seed,
            long_side=512,
            progress=lambda done: progress.update(task, completed=done),
        )
    samples = read_annotations(data).samples
    base = read_recipe(shipped_recipe("demo")).model_copy(update={"seed": seed})
    share = base.data
    parts = split_by_group(samples, val=share.val_split, test=share.test_split, seed=seed)
    judged = {
        name: train_and_judge(
            samples, parts, with_codec(base, codec), out / codec_folder(name), console=console
        )
        for name, codec in CODECS.items()
    }
    evaluations = {name: each.evaluation for name, each in judged.items()}
    return write_comparison(
        compare(evaluations, baseline=BASELINE, seed=seed, made_by={"version": __version__}),
        out,
        title="The same films, the same network, two encodings",
        overlays=_overlays(parts.select(samples, "test"), judged, out / "overlays"),
        histories={name: each.run.history for name, each in judged.items()},
    )


def with_codec(recipe: Recipe, codec: Mapping[str, object]) -> Recipe:
    """The recipe with another encoding, on maps of a quarter of the input, everything else shared.

    Raises:
        RecipeError: an unknown or impossible setting.
    """
    maps = {"heatmap_size": recipe.data.image_size // 4} if codec["name"] == "slots" else {}
    settings = {**recipe.model_dump(mode="json"), "codec": {**codec, **maps}}
    return parse_recipe(settings, name="codec")


def codec_folder(name: str) -> str:
    """A folder name for an encoding."""
    return name.partition(",")[0]


def train_and_judge(
    samples: Sequence[Sample],
    split: Split,
    recipe: Recipe,
    folder: Path,
    *,
    console: Console,
    device: str = "auto",
) -> Judged:
    """Trains on the split, predicts its test part, and judges that against the annotations.

    A run that was stopped in ``folder`` goes on where it was.
    """
    console.print(f"training {recipe.model.name} with codec {recipe.codec.name}", highlight=False)
    run = fit(samples, recipe, folder, split=split, device=device, resume=True)
    predictor = load_predictor(run.best, device=device)
    unseen = split.select(samples, "test")
    predictions = predict_samples(predictor, unseen)
    write_coco(folder / "predictions.json", predictions, made_by=predictor.made_by)
    evaluation = evaluate(
        predictions,
        unseen,
        thresholds=recipe.evaluation.sdr_thresholds,
        seed=recipe.seed,
        made_by=predictor.made_by,
    )
    write_evaluation(evaluation, folder / "evaluation")
    return Judged(run, tuple(predictions), evaluation)


def _overlays(
    unseen: Sequence[Sample], judged: Mapping[str, Judged], folder: Path, count: int = 4
) -> list[tuple[str, Path]]:
    """Caption and picture of the first unseen films, predicted over annotated."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for index, sample in enumerate(unseen[:count]):
        for name, each in judged.items():
            found = each.predictions[index].landmarks
            picture = draw_overlay(sample.radiograph(), found, reference=sample.landmarks)
            path = folder / f"{sample.key}-{codec_folder(name)}.png"
            picture.save(path)
            pictures.append((f"{sample.key}: {name}", path))
    return pictures
