"""Which commands judge predictions and trainings?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spondyl.cli.arguments import Format, OutFolder, Overwrite, Part, Seed, SplitFile
from spondyl.errors import AnnotationError, UsageError

if TYPE_CHECKING:
    from spondyl.cli.batch import Pair
    from spondyl.data.sample import AnnotationSet, Sample
    from spondyl.judging.evaluation import Evaluation
    from spondyl.judging.statistics import Estimate

_SHOWN: Final = ("slip", "lordosis", "mean disc height", "Cobb angle")  # in the printed table


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Predictions file.")],
    data: Annotated[Path, typer.Argument(help="Folder of annotated films.")],
    *,
    out: OutFolder,
    format: Format = None,
    split: SplitFile = None,
    part: Part = None,
    overlays: Annotated[
        int, typer.Option(min=0, help="Number of worst films to draw, over their annotation.")
    ] = 0,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Judge predictions against annotations.

    Prints the four protocols side by side, and how measurements agree; writes a page, figures, CSV
    and JSON. An annotated film without a prediction counts as missed; how many there are is said.
    """
    from spondyl.cli.batch import Batch
    from spondyl.cli.console import say
    from spondyl.cli.inputs import check_free, read_samples, select_part
    from spondyl.judging.evaluate import evaluate as judge
    from spondyl.judging.page import left_out
    from spondyl.judging.pairing import measured_pairs
    from spondyl.judging.report import write_evaluation
    from spondyl.recipe import EvaluationRecipe

    check_free(out / "evaluation.json", overwrite=overwrite)
    predicted = _read_predictions(predictions)
    batch = Batch()
    samples = read_samples(data, format=format, skip_bad=True, batch=batch)
    annotated = select_part(samples, split, part, refused=batch.refused)
    batch.expect(len(annotated))
    measured = measured_pairs(predicted.samples, annotated, intervals=predicted.intervals)
    judged = judge(
        predicted.samples,
        annotated,
        thresholds=EvaluationRecipe().sdr_thresholds,
        seed=seed,
        made_by=predicted.made_by,
        measured=measured,
    )
    pairs = _pairs(judged.worst[:overlays], predicted.samples, annotated)
    overlaid = batch.draw(pairs, out / "overlays")
    write_evaluation(judged, out, overlays=overlaid, measured=measured)
    _print_table(judged)
    _print_agreement(judged)
    if (told := left_out(judged)) is not None:
        say(told)
    batch.finish()


def history(
    runs: Annotated[list[Path], typer.Argument(help="Folder of a run; several make one picture.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="SVG file to write.")],
) -> None:
    """Draw the losses, radial errors and learning rates of trainings.

    Prints the file.
    """
    from spondyl.atomic import write_text
    from spondyl.cli.inputs import name_folders, read_history
    from spondyl.judging.report import history_figure

    if out.suffix.lower() != ".svg":
        raise UsageError(f"{out}: the figure is an SVG; need a name that ends in .svg")
    histories = {name: read_history(run) for name, run in name_folders(runs).items()}
    write_text(out, history_figure(histories))
    print(out)


def _read_predictions(path: Path) -> AnnotationSet:
    from spondyl.cli.console import say
    from spondyl.data.coco import read_coco

    predicted = read_coco(path)
    for problem in predicted.problems:
        say(str(problem))
    if not predicted.made_by:
        raise UsageError(
            f"{path}: holds annotations; need a predictions file, as predict writes it"
        )
    if not predicted.samples:
        raise AnnotationError(f"{path}: holds no predicted film")
    return predicted


def _pairs(
    keys: Sequence[str], predicted: Sequence[Sample], annotated: Sequence[Sample]
) -> list[Pair]:
    """The predictions of some films, each over its annotation; a missed film shows that alone."""
    import numpy as np

    from spondyl.spine.landmarks import Landmarks

    found = {sample.key: sample.landmarks for sample in predicted}
    known = {sample.key: sample for sample in annotated}
    nothing = Landmarks(np.zeros((0, 4, 2)))
    return [(replace(known[k], landmarks=found.get(k, nothing)), known[k]) for k in keys]


def _print_table(judged: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    metrics = {
        "MRE, px": "mre_px",
        "MRE, px at 512": "mre_512",
        "MRE, % of the diagonal": "mre_diagonal",
        "MRE, % of the height": "mre_height",
        "MRE, mm": "mre_mm",
        **{f"SDR@{limit:g}, %": f"sdr@{limit:g}" for limit in judged.thresholds},
    }
    table = Table(f"{judged.films} films", *(score.protocol for score in judged.protocols))
    table.add_row("corners found", *(f"{s.found} / {s.corners}" for s in judged.protocols))
    for label, key in metrics.items():
        table.add_row(label, *(_shown(score.metrics[key]) for score in judged.protocols))
    Console().print(table)
    detection, naming = judged.detection, judged.naming
    print(
        f"vertebrae: recall {_shown(detection.recall)} %, precision {_shown(detection.precision)} %"
        f" of {detection.vertebrae}; named right {_shown(naming.share)} % of {naming.vertebrae}"
    )


def _print_agreement(judged: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from spondyl.judging.agreement import labels

    scores = judged.agreement.measurements if judged.agreement else ()
    shown = [score for name in _SHOWN for score in scores if score.name == name]
    table = Table("measurement", "measured", "MAE", "bias", "limits of agreement", "ICC(2,1)")
    for label, score in zip(labels(shown), shown, strict=True):
        table.add_row(
            label,
            f"{score.measured} / {score.annotated}",
            _shown(score.mae),
            _shown(score.bias),
            f"{_shown(score.lower)} to {_shown(score.upper)}",
            _shown(score.icc),
        )
    if table.rows:
        Console().print(table)


def _shown(estimate: Estimate) -> str:
    return "-" if estimate.value is None else f"{estimate.value:.2f}"
