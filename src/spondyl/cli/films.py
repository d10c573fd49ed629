"""Which commands look at films?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spondyl.cli.arguments import Device, Format, OutFolder, Overwrite, Part, SplitFile
from spondyl.cli.measuring import (
    Age,
    AlsoFiles,
    Angles,
    MmPerPx,
    Overlays,
    Reports,
    RulerText,
    Sex,
    Slip,
    StatedView,
)
from spondyl.errors import FilmError, UsageError
from spondyl.weights import example_film

if TYPE_CHECKING:
    from spondyl.cli.batch import Batch, Pair, Wanted
    from spondyl.data.sample import Sample

_RESULTS: Final = Path("spondyl-results")

Predictions = Annotated[
    Path | None,
    typer.Option(
        help="Predictions to draw, over the annotation if there is one.", show_default=False
    ),
]


def predict(
    films: Annotated[
        list[Path] | None,
        typer.Argument(help="Films, or folders of them, such as a study.", show_default=False),
    ] = None,
    *,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Checkpoint, exported network (.onnx), or network of the package; checkpoints "
            "given several times vote.  [default: spondyl-small]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the results.  [default: spondyl-results]",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of annotated films, instead of FILMS.", show_default=False),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="A phantom of the package, instead of FILMS.")
    ] = False,
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
    view: StatedView = None,
    mm_per_px: MmPerPx = None,
    ruler: RulerText = None,
    age: Age = None,
    sex: Sex = None,
    slip: Slip = None,
    angle: Angles = None,
    frame: Annotated[
        int | None,
        typer.Option(min=1, help="Frame of DICOM files with several, from 1.", show_default=False),
    ] = None,
    any_body_part: Annotated[
        bool, typer.Option("--any-body-part", help="Take films of a study that are of no spine.")
    ] = False,
    deidentify: Annotated[
        bool, typer.Option(help="Name DICOM films by a number, show none with burned-in text.")
    ] = True,
    key_file: Annotated[
        Path | None,
        typer.Option(help="CSV to write: which film has which name.", show_default=False),
    ] = None,
    overlays: Overlays = True,
    reports: Reports = True,
    also: AlsoFiles = None,
    prefix: Annotated[
        str, typer.Option(help="Begins the names of all tables, such as test_.", show_default=False)
    ] = "",
    overwrite: Overwrite = False,
) -> None:
    """Find, name and measure the vertebrae of films.

    Writes predictions.json (COCO keypoints), tables of measurements, overlays and pages, and prints
    the first. A film that cannot be read is named, and the others go on. Checkpoints, views and
    passes multiply.
    """
    from spondyl.cli.batch import (
        Batch,
        check_place,
        predict_batch,
        provenance,
        write_key_file,
        write_results,
    )  # fmt: skip
    from spondyl.cli.console import say
    from spondyl.cli.inputs import check_free, parse_anchor
    from spondyl.cli.measuring import check_also, check_measuring, check_person, measured, stated_of
    from spondyl.cli.networks import find_networks, load_networks
    from spondyl.writing.results import Results

    place, folder = parse_anchor(anchor), out or _RESULTS
    check_place(folder, prefix, overwrite=overwrite)
    if key_file is not None:
        check_free(key_file, overwrite=overwrite)
    asked, kinds = check_measuring(slip, angle), check_also(also)
    stated = stated_of(view, mm_per_px, ruler, age, sex)
    batch = Batch()
    chosen = _Choice(folder, frame, any_body_part=any_body_part, deidentify=deidentify)
    films = _films(films or [], data, example=example)
    networks = find_networks(weights)
    wanted = _wanted(films, data, batch, chosen, format=format, split=split, part=part)
    check_person(stated, len(wanted))
    batch.expect(len(wanted))
    predictor = load_networks(networks, device=device, tta=tta, mc_dropout=mc_dropout)
    if out is None:
        say(f"results go to {folder}")
    found = predict_batch(predictor, wanted, batch, anchor=place, stated=stated)
    made_by = provenance(predictor.made_by, predictor.intervals)
    results = Results(folder, made_by, predictor.intervals, prefix, overlays, reports, kinds)
    done = [measured(each, predictor.intervals, asked, deidentify=deidentify) for each in found]
    sources = {each.key: each.source for each in wanted}
    print(write_results(results, done, sources, batch))
    if key_file is not None:
        write_key_file(key_file, wanted)
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


@dataclass(frozen=True, slots=True)
class _Choice:
    """How the films of a study are chosen and named."""

    out: Path
    frame: int | None
    any_body_part: bool
    deidentify: bool

    def films(self, paths: list[Path], batch: Batch) -> list[Wanted]:
        """The films among files and folders; what else is there is skipped."""
        from spondyl.cli.batch import Wanted
        from spondyl.film.study import choose_films
        from spondyl.writing.results import film_name

        chosen, skipped = choose_films(
            paths,
            deidentify=self.deidentify,
            frame=self.frame,
            any_body_part=self.any_body_part,
        )
        for each in skipped:
            batch.skip(f"{each.path}: skipped: {each.reason}")
        unnamed = self.out / "film.dcm"
        return [
            Wanted(
                film.key,
                film.path,
                unnamed.with_stem(film_name(film.key)) if self._hides(film.path) else film.path,
                film.frame,
            )
            for film in chosen
        ]

    def _hides(self, path: Path) -> bool:
        """Whether the name of a file may be a person's; a picture is called by its own."""
        from spondyl.film.reading import is_dicom

        try:
            return self.deidentify and is_dicom(path)
        except FilmError:
            return True


def _films(films: list[Path], data: Path | None, *, example: bool) -> list[Path]:
    """The films named, or the one of the package.

    Raises:
        UsageError: not just one of films, annotated films and the example is asked for.
        FilmError: the package has no example.
    """
    if bool(films) + (data is not None) + example != 1:
        raise UsageError("FILMS, --data and --example: need one of the three")
    return [example_film()] if example else films


def _wanted(
    films: list[Path],
    data: Path | None,
    batch: Batch,
    choice: _Choice,
    *,
    format: str | None,
    split: Path | None,
    part: Part,
) -> list[Wanted]:
    """The films to predict, each with its key, or with the annotation that knows more."""
    from spondyl.cli.batch import Wanted
    from spondyl.cli.inputs import read_samples, select_part

    if data is None:
        if split or part or format:
            raise UsageError("--split, --part and --format: only with --data")
        return choice.films(films, batch)
    samples = read_samples(data, format=format, skip_bad=True, batch=batch)
    return [Wanted.of(each) for each in select_part(samples, split, part, refused=batch.refused)]


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
        return [(sample, None) for sample in _of_film(films, found)]
    annotated = read_samples(films, format=format, skip_bad=True, batch=batch)
    if found is None:
        return [(sample, None) for sample in annotated]
    known = {sample.key: sample for sample in annotated}
    pairs: list[Pair] = [(sample, known[sample.key]) for sample in found if sample.key in known]
    if not pairs:
        raise UsageError(f"{predictions}: none of its films is in {films}; need the same data")
    return pairs


def _of_film(film: Path, found: Sequence[Sample]) -> list[Sample]:
    """The predictions of one file, by its path or, where they do not name it, by its key.

    Raises:
        UsageError: there are none.
    """
    from spondyl.film.study import choose_films

    named = [sample for sample in found if sample.path.resolve() == film.resolve()]
    keys = {chosen.key for chosen in choose_films([film])[0]} - {film.stem}
    keyed = [replace(sample, path=film) for sample in found if sample.key in keys]
    if not (named or keyed):
        raise UsageError(f"{film}: is not among the films of the predictions")
    return named or keyed
