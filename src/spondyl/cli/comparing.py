"""Which command sets trained networks side by side?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spondyl.cli.arguments import Device, Format, OutFolder, Overwrite, Part, Seed, SplitFile
from spondyl.errors import AnnotationError, UsageError
from spondyl.version import __version__

if TYPE_CHECKING:
    from spondyl.cli.batch import Batch
    from spondyl.data.sample import Sample
    from spondyl.data.splitting import Part as PartName
    from spondyl.data.splitting import Split
    from spondyl.judging.comparison import Comparison, Cost
    from spondyl.judging.evaluation import Evaluation
    from spondyl.predict import Predictor


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Two or more runs of train, or folders that evaluate wrote."),
    ],
    *,
    out: OutFolder,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of annotated films; runs need one.", show_default=False),
    ] = None,
    format: Format = None,
    split: SplitFile = None,
    part: Part = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Run that the others are held against; the first.", show_default=False),
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Number of worst films to draw.")] = 10,
    device: Device = "auto",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Compare trained networks on the same films.

    Every run predicts the films of its split's test part (or validation part, where there is no
    other) and is judged. Writes a page, figures, CSV, JSON and a table for a paper; prints the
    page. A run that was trained on a film that is to be judged is refused.
    """
    from spondyl.cli.batch import Batch
    from spondyl.cli.inputs import read_history
    from spondyl.judging.compare import compare as judge
    from spondyl.judging.report import write_comparison

    named = name_runs(runs)
    if baseline is not None and baseline not in named:
        raise UsageError(f"--baseline {baseline}: is none of {', '.join(named)}")
    trained = [name for name, folder in named.items() if _is_run(folder)]
    if not trained and (data or format or split or part):
        raise UsageError("--data, --format, --split, --part: are for runs; evaluations have judged")
    if (out / "comparison.json").exists():
        _clear(out, runs, overwrite=overwrite)
    batch = Batch()
    films = _Films([], {})
    if trained:
        samples = _judged_films({n: named[n] for n in trained}, data, format, split, part, batch)
        batch.expect(len(samples))
        films = _predict(samples, {n: named[n] for n in trained}, out, batch, device=device)
    evaluations = {
        name: films.evaluate(name, out, seed=seed) if name in trained else _evaluation(folder)
        for name, folder in named.items()
    }
    compared = judge(
        evaluations,
        baseline=baseline or next(iter(named)),
        seed=seed,
        costs=_costs({name: named[name] for name in trained}),
        made_by={"version": __version__},
    )
    page = write_comparison(
        compared,
        out,
        overlays=_overlays(compared, films, out, worst),
        histories={name: read_history(named[name]) for name in trained},
    )
    print(page)
    batch.finish()


def name_runs(runs: Sequence[Path]) -> dict[str, Path]:
    """A name for each run: its folder's, with those above it as far as they are needed.

    Raises:
        UsageError: there are fewer than two, one is given twice, one is no folder of results, or
            its training is not finished.
    """
    from spondyl.cli.inputs import name_folders

    if len(runs) < 2:
        raise UsageError(f"{runs[0]}: one run was given; need two or more")
    for run in runs:
        if _is_run(run) and not _is_finished(run):
            raise UsageError(
                f"{run}: the training is not finished; go on with it by train --resume"
            )
        if not (_is_run(run) or (run / "evaluation.json").is_file()):
            raise UsageError(f"{run}: holds neither a run nor an evaluation.json")
    return name_folders(runs)


@dataclass(frozen=True)
class _Films:
    """The films that are judged, and what every trained network found on them."""

    annotated: list[Sample]
    found: Mapping[str, tuple[Predictor, list[Sample]]]

    def evaluate(self, name: str, out: Path, *, seed: int) -> Evaluation:
        """Judges one network, and leaves its evaluation beside its predictions."""
        from spondyl.judging.evaluate import evaluate
        from spondyl.judging.report import write_evaluation
        from spondyl.recipe import EvaluationRecipe

        predictor, predicted = self.found[name]
        judged = evaluate(
            predicted,
            self.annotated,
            thresholds=EvaluationRecipe().sdr_thresholds,
            seed=seed,
            made_by=predictor.made_by,
        )
        write_evaluation(judged, _folder(out, name))
        return judged


def _is_run(folder: Path) -> bool:
    return (folder / "run.json").is_file()


def _is_finished(run: Path) -> bool:
    try:
        return bool(json.loads((run / "run.json").read_bytes()).get("finished"))
    except (OSError, ValueError, AttributeError):
        return False


def _folder(out: Path, name: str) -> Path:
    return out / "models" / name


def _clear(out: Path, runs: Sequence[Path], *, overwrite: bool) -> None:
    """Takes away what belongs to an earlier comparison and might not be written again.

    Raises:
        UsageError: nobody allowed it, or a part of it is to be compared.
    """
    from spondyl.cli.inputs import check_free
    from spondyl.judging.comparison import Comparison

    check_free(out / "comparison.json", overwrite=overwrite)
    if inside := [run for run in runs if run.resolve().is_relative_to(out.resolve())]:
        raise UsageError(f"{inside[0]}: lies in {out}, which would be replaced; need another --out")
    for name in Comparison.read(out / "comparison.json").evaluations:
        shutil.rmtree(_folder(out, name), ignore_errors=True)
    for figure in out.glob("history.*"):
        figure.unlink()


def _judged_films(
    runs: Mapping[str, Path],
    data: Path | None,
    format: str | None,
    split: Path | None,
    part: Part,
    batch: Batch,
) -> list[Sample]:
    """The films on which every run is judged; none of them trained one.

    Raises:
        UsageError: no data are given, the runs have other films set aside, or one was trained on
            them.
    """
    from spondyl.cli.inputs import films_of, read_samples
    from spondyl.data.splitting import read_split

    if data is None:
        raise UsageError(f"{next(iter(runs.values()))}: is a training run; need --data as well")
    splits = {name: read_split(folder / "split.json") for name, folder in runs.items()}
    chosen = read_split(split) if split else next(iter(splits.values()))
    taken = part or ("test" if chosen.test else "val")
    if split is None:
        _refuse_other_films(splits, taken)
    _refuse_trained_on(splits, chosen, taken)
    samples = read_samples(data, format=format, skip_bad=True, batch=batch)
    where = str(split or next(iter(runs.values())))
    return films_of(chosen, taken, samples, name=where, refused=batch.refused)


def _refuse_trained_on(splits: Mapping[str, Split], chosen: Split, part: PartName) -> None:
    """Refuses films of which a run has seen the like; says where they chose its weights.

    The like is the film itself, one of its group or of its name, one that either split has tied to
    it, or one with the same pixels.
    """
    from spondyl.cli.console import say
    from spondyl.data.leaks import find_leaks

    count = len(chosen.keys(part))
    for name, own in splits.items():
        seen = _seen(own, chosen, part)
        leaks = [leak for leak in find_leaks(seen) if leak.other_part == "test"]
        if known := [leak for leak in leaks if leak.part == "train"]:
            raise UsageError(
                f"{name}: has trained on films like {len(known)} of the {count} to be judged,"
                f" such as {known[0]}; need films that no run has seen"
            )
        if leaks:
            say(f"{name}: films like {len(leaks)} of the {count} to be judged chose its weights")


def _seen(own: Split, chosen: Split, part: PartName) -> Split:
    """What a run has seen, and the films that are to be judged as its test part."""
    from spondyl.data.splitting import Link, Split

    judged = chosen.keys(part)
    groups = {**own.groups, **{key: chosen.groups[key] for key in judged}}
    mine = {digest: key for key, digest in own.pixels.items() if key not in own.test}
    same = (
        Link(mine[digest], key, "the same pixels")
        for key in judged
        if (digest := chosen.pixels.get(key)) in mine
    )
    links = (*own.links, *chosen.links, *same)
    return Split(own.train, own.val, judged, own.seed, groups, links)


def _refuse_other_films(splits: Mapping[str, Split], part: PartName) -> None:
    first, *others = ((name, set(s.keys(part))) for name, s in splits.items())
    for name, keys in others:
        if keys != first[1]:
            raise UsageError(
                f"{first[0]} and {name}: have other films in part {part!r};"
                " need --split with films for both"
            )


def _predict(
    samples: list[Sample], runs: Mapping[str, Path], out: Path, batch: Batch, *, device: str
) -> _Films:
    """What each network finds; a film that cannot be read is left out for all of them."""
    from spondyl.cli.batch import Wanted, predict_batch, write_predictions
    from spondyl.learning.detector import load_predictor
    from spondyl.learning.keeping import best_weights

    found: dict[str, tuple[Predictor, list[Sample]]] = {}
    for name, folder in runs.items():
        predictor = load_predictor(best_weights(folder), device=device)
        wanted = [Wanted.of(sample) for sample in samples]
        predicted = [each.sample for each in predict_batch(predictor, wanted, batch, anchor=None)]
        readable = {sample.key for sample in predicted}
        samples = [sample for sample in samples if sample.key in readable]
        write_predictions(predicted, _folder(out, name), made_by=predictor.made_by)
        found[name] = predictor, predicted
    if not samples:
        raise AnnotationError("none of the films to be judged can be read")
    return _Films(samples, found)


def _costs(runs: Mapping[str, Path]) -> dict[str, Cost]:
    """What each network costs; latencies are taken on the CPU, all in one go."""
    from spondyl.learning.cost import cost_of, latencies
    from spondyl.learning.detector import device_name, load_predictor
    from spondyl.learning.keeping import best_weights

    loaded = {name: load_predictor(best_weights(run), device="cpu") for name, run in runs.items()}
    times = latencies(loaded)
    return {
        name: replace(cost_of(run), latency_ms=times[name], latency_device=device_name("cpu"))
        for name, run in runs.items()
    }


def _evaluation(folder: Path) -> Evaluation:
    from spondyl.judging.evaluation import Evaluation

    return Evaluation.read(folder / "evaluation.json")


def _overlays(compared: Comparison, films: _Films, out: Path, count: int) -> list[tuple[str, Path]]:
    """The films with the largest error, as every network sees them, over their annotation."""
    from spondyl.atomic import write_with
    from spondyl.judging.compare import worst_films
    from spondyl.spine.drawing import draw_overlay
    from spondyl.writing.results import film_names

    known = {sample.key: sample for sample in films.annotated}
    drawn = []
    keys = worst_films(compared, count) if known else []
    names = film_names(keys)
    for key in keys:
        film = known[key].radiograph()
        for name, (_, predicted) in films.found.items():
            own = next(sample.landmarks for sample in predicted if sample.key == key)
            picture = draw_overlay(film, own, reference=known[key].landmarks, long_side=_SIDE)
            path = _folder(out, name) / "overlays" / f"{names[key]}.png"
            write_with(path, partial(picture.save, format="PNG"))
            drawn.append((f"{key}: {name}", path))
    return drawn


_SIDE = 480  # px: ten films of nine networks still make one page
