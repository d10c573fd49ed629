"""Which command finds the faults in labels, and writes a repaired copy?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spondyl.cli.arguments import Format

if TYPE_CHECKING:
    from spondyl.checking.check import Checked
    from spondyl.checking.faults import Fault
    from spondyl.data.sample import AnnotationSet

_FILMS = 10  # in the table of the worst ones


def check(
    data: Annotated[Path, typer.Argument(help="Folder of annotated films, or one file.")],
    *,
    format: Format = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the page of faults.", show_default=False),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="JSON file of faults to write.", show_default=False)
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Folder for a repaired copy of the labels.", show_default=False),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Checkpoint to compare the labels with.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Films read at a time.")] = 2,
) -> None:
    """Find the faults in labels, and repair a copy.

    Prints what was found; --out writes a page with pictures, --json every fault. --fix writes a
    repaired copy in COCO keypoints with changes.json and changes.csv; only what is certain is
    changed, and DATA is never touched. Exit code 1 where there are errors in DATA.
    """
    from spondyl.atomic import write_json
    from spondyl.checking.check import check_annotations, films_to_read
    from spondyl.checking.repairing import check_target
    from spondyl.cli.console import progress
    from spondyl.data.folder import read_annotations

    for target in (fix, json):
        if target is not None:
            check_target(target, data)
    found = read_annotations(data, format=format)
    more = [] if weights is None else _disagreements(weights, found)
    with progress("checking", films_to_read(data, found)) as done:
        checked = check_annotations(data, found, more=more, workers=workers, on_done=done)
    _print(checked)
    if json is not None:
        write_json(json, checked.to_json())
    if out is not None:
        print(_write_page(checked, found, out))
    if fix is not None:
        print(_write_repaired(found, fix))
    if checked.errors:
        raise typer.Exit(1)


def _disagreements(weights: Path, found: AnnotationSet) -> list[Fault]:
    """What a network sees otherwise; a film that cannot be read is told elsewhere."""
    from spondyl.checking.network import check_network
    from spondyl.cli.console import progress
    from spondyl.learning.detector import load_predictor
    from spondyl.predict import FoundFilm, predict_films

    known = {sample.path: sample for sample in found.samples}
    predictor = load_predictor(weights)
    with progress("predicting", len(known)) as done:
        films = []
        answers = predict_films(predictor, list(known), read=lambda path: known[path].radiograph())
        for number, film in enumerate(answers, start=1):
            films += [film] if isinstance(film, FoundFilm) else []
            done(number)
    return [fault for f in films for fault in check_network(known[f.path], f.landmarks)]


def _print(checked: Checked) -> None:
    from rich.console import Console
    from rich.table import Table

    from spondyl.checking.faults import counts

    console = Console()
    table = Table("severity", "kind", "faults")
    for severity, kinds in counts(checked.faults).items():
        for kind, count in kinds.items():
            table.add_row(severity, kind, str(count))
    worst = Table("film", "errors", "warnings")
    for film, errors, warnings in checked.worst_films[:_FILMS]:
        worst.add_row(film, str(errors), str(warnings))
    for each in (table, worst):
        if each.row_count:
            console.print(each)
    for fault in checked.faults:
        if not fault.film:
            console.print(str(fault), markup=False, highlight=False)
    print(
        f"{checked.films} films, {checked.vertebrae} vertebrae; errors: {len(checked.errors)},"
        f" warnings and notes: {len(checked.faults) - len(checked.errors)}"
    )


def _write_page(checked: Checked, found: AnnotationSet, out: Path) -> Path:
    from spondyl.atomic import write_text
    from spondyl.cli.console import progress
    from spondyl.judging.check_page import MOST_PICTURES, check_page, draw_faults

    with progress("drawing", min(MOST_PICTURES, len(checked.worst_films))) as done:
        pictures, left_out = draw_faults(checked, found.samples, on_done=done)
    path = out / "faults.html"
    write_text(path, check_page(checked, pictures, left_out=left_out))
    return path


def _write_repaired(found: AnnotationSet, folder: Path) -> Path:
    """Writes the copy and the list of its changes; the films stay where they are."""
    import json

    from spondyl.atomic import write_json, write_text
    from spondyl.checking.repairing import repair
    from spondyl.data.coco import write_coco
    from spondyl.writing.table import to_csv

    samples, changes = repair(found)
    path = folder / "annotations.json"
    write_coco(path, samples)
    rows = [change.to_json() for change in changes]
    write_json(folder / "changes.json", rows)
    flat = [row | {key: json.dumps(row[key]) for key in ("before", "after")} for row in rows]
    write_text(folder / "changes.csv", to_csv(flat))
    return path
