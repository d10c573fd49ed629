"""How do many films go through one command, when some of them are bad?"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from spondyl.atomic import write_text, write_with
from spondyl.cli.console import progress, say
from spondyl.data.coco import write_coco
from spondyl.data.sample import Sample
from spondyl.errors import FilmError
from spondyl.film.radiograph import Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.predict import FoundFilm, Predictor, predict_films
from spondyl.spine.chain import Anchor, level_note
from spondyl.spine.drawing import draw_overlay

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Batch:
    """The films of one command: how many there are, and how many had to be left out."""

    total: int
    failed: int = 0

    def refuse(self, line: str) -> None:
        """Says why one film is left out, and counts it."""
        say(line)
        self.failed += 1

    def draw(self, pairs: Sequence[tuple[Sample, Sample | None]], folder: Path) -> None:
        """Writes an overlay for each film, over the annotation where there is one."""
        with progress("drawing", len(pairs)) as done:
            for number, (sample, reference) in enumerate(pairs, start=1):
                try:
                    _draw(sample, reference, folder)
                except FilmError as error:
                    self.refuse(str(error))
                done(number)

    def finish(self) -> None:
        """Sums up.

        Raises:
            typer.Exit: with code 2, where a film had to be left out.
        """
        if self.failed:
            say(f"{self.failed} of {self.total} films failed")
            raise typer.Exit(2)


def predict_batch(
    predictor: Predictor,
    wanted: Mapping[Path, str | Sample],
    batch: Batch,
    *,
    anchor: Anchor | None,
) -> list[Sample]:
    """The predictions of the films that can be read; the others are refused.

    ``wanted`` gives for each film its key, or its annotation: the film is then read, and called,
    as in training.
    """
    count = 0
    with progress("predicting", len(wanted)) as done:

        def advance(path: Path) -> None:
            nonlocal count
            count += 1
            done(count)

        def read(path: Path) -> Radiograph:
            known = wanted[path]
            return known.radiograph() if isinstance(known, Sample) else read_radiograph(path)

        found, refused = predict_films(
            predictor, list(wanted), anchor=anchor, on_done=advance, read=read
        )
    for _, line in refused:
        batch.refuse(line)
    return [_predicted(film, wanted[film.path]) for film in found]


def write_predictions(samples: Sequence[Sample], out: Path, *, made_by: Mapping[str, str]) -> Path:
    """Writes ``predictions.json`` and ``summary.csv``; returns the former."""
    path = out / "predictions.json"
    write_coco(path, samples, made_by=made_by)
    write_text(out / "summary.csv", _summary(samples))
    return path


def _predicted(film: FoundFilm, known: str | Sample) -> Sample:
    if isinstance(known, Sample):
        return replace(
            known,
            landmarks=film.landmarks,
            origin="prediction",
            complete_above=False,
            complete_below=False,
            flags=frozenset(),
        )
    return Sample(
        key=known,
        path=film.path,
        height=film.height,
        width=film.width,
        landmarks=film.landmarks,
        group=known,
        origin="prediction",
    )


def _draw(sample: Sample, reference: Sample | None, folder: Path) -> None:
    under = reference.landmarks if reference else None
    picture = draw_overlay(sample.radiograph(), sample.landmarks, reference=under)
    name = sample.key.strip("/").replace("/", "_")
    write_with(folder / f"{name}.png", lambda path: picture.save(path, format="PNG"))


def _summary(samples: Sequence[Sample]) -> str:
    """One line a film; ``?`` stands for a vertebra without a name."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["film", "vertebrae", "levels", "facing", "note"])
    for sample in samples:
        found = sample.landmarks
        levels = " ".join(name or "?" for name in found.names)
        note = level_note(found) or "no vertebra found"
        rows.writerow([_cell(sample.key), len(found), levels, found.facing or "", note])
    return text.getvalue()


def _cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
