"""Which commands look at films?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spondyl.cli.arguments import Device, Format, OutFolder, Overwrite, Part, SplitFile
from spondyl.errors import UsageError

if TYPE_CHECKING:
    from spondyl.cli.batch import Batch, Pair
    from spondyl.data.sample import Sample

Predictions = Annotated[
    Path | None,
    typer.Option(
        help="Predictions to draw, over the annotation if there is one.", show_default=False
    ),
]


def predict(
    films: Annotated[
        list[Path] | None, typer.Argument(help="Films, or folders of them.", show_default=False)
    ] = None,
    *,
    weights: Annotated[
        list[Path],
        typer.Option(help="Checkpoint that training wrote; given several times, they vote."),
    ],
    out: OutFolder,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of annotated films, instead of FILMS.", show_default=False),
    ] = None,
    format: Format = None,
    split: SplitFile = None,
    part: Part = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL=PLACE",
            help="Name each spine from one vertebra: L5=3 says the third from the top is L5.",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        int,
        typer.Option(min=1, help="Views of each film, slightly varied, never mirrored; 1: as is."),
    ] = 1,
    mc_dropout: Annotated[
        int, typer.Option(min=0, help="Passes with the dropout of training at work; 0: none.")
    ] = 0,
    device: Device = "auto",
    overlays: Annotated[bool, typer.Option(help="Draw each film.")] = True,
    prefix: Annotated[
        str, typer.Option(help="Begins the names of both files, such as test_.", show_default=False)
    ] = "",
    overwrite: Overwrite = False,
) -> None:
    """Find and name the vertebrae of films.

    Writes predictions.json (COCO keypoints), summary.csv and overlays/, and prints the first. A
    film that cannot be read is named, and the others go on. Checkpoints, views and passes multiply.
    """
    from spondyl.cli.batch import Batch, check_place, predict_batch, write_predictions
    from spondyl.cli.inputs import parse_anchor

    place = parse_anchor(anchor)
    check_place(out, prefix, overwrite=overwrite)
    batch = Batch()
    wanted = _wanted(films or [], data, batch, format=format, split=split, part=part)
    batch.expect(len(wanted))
    from spondyl.learning.detector import load_predictor  # after all that needs no torch

    predictor = load_predictor(*weights, device=device, tta=tta, mc_dropout=mc_dropout)
    samples = predict_batch(predictor, wanted, batch, anchor=place)
    written = write_predictions(samples, out, made_by=predictor.made_by, prefix=prefix)
    if overlays:
        batch.draw([(sample, None) for sample in samples], out / "overlays")
    print(written)
    batch.finish()


def draw(
    films: Annotated[Path, typer.Argument(help="Folder of annotated films, or one film.")],
    *,
    out: OutFolder,
    predictions: Predictions = None,
    format: Format = None,
) -> None:
    """Draw annotations and predictions on films.

    Predictions are drawn over the annotation where there is one; prints the folder.
    """
    from spondyl.cli.batch import Batch

    batch = Batch()
    pairs = _pairs(films, predictions, format, batch)
    batch.expect(len(pairs))
    batch.draw(pairs, out)
    print(out)
    batch.finish()


def _wanted(
    films: list[Path],
    data: Path | None,
    batch: Batch,
    *,
    format: str | None,
    split: Path | None,
    part: Part,
) -> dict[Path, str | Sample]:
    """The films to predict, each with its key, or with the annotation that knows more."""
    from spondyl.cli.inputs import name_films, read_samples, select_part
    from spondyl.film.reading import find_films

    if bool(films) == (data is not None):
        raise UsageError("FILMS and --data: need one of the two")
    if data is None:
        if split or part or format:
            raise UsageError("--split, --part and --format: only with --data")
        return dict(name_films(find_films(films)))
    samples = read_samples(data, format=format, skip_bad=True, batch=batch)
    return {
        sample.path: sample for sample in select_part(samples, split, part, refused=batch.refused)
    }


def _pairs(films: Path, predictions: Path | None, format: str | None, batch: Batch) -> list[Pair]:
    """What to draw on each film, and what to draw it over.

    Raises:
        UsageError: there is nothing to draw.
    """
    from spondyl.cli.inputs import read_samples
    from spondyl.data.coco import read_coco

    found = None if predictions is None else read_coco(predictions).samples
    if films.is_file():
        if found is None:
            raise UsageError(f"{films}: one film has no annotation; need --predictions")
        return [(sample, None) for sample in found if sample.path.resolve() == films.resolve()]
    annotated = read_samples(films, format=format, skip_bad=True, batch=batch)
    if found is None:
        return [(sample, None) for sample in annotated]
    known = {sample.key: sample for sample in annotated}
    pairs: list[Pair] = [(sample, known[sample.key]) for sample in found if sample.key in known]
    if not pairs:
        raise UsageError(f"{predictions}: none of its films is in {films}; need the same data")
    return pairs
