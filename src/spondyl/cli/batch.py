"""How do many films go through one command, when some of them are bad?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import typer

from spondyl.atomic import write_text, write_with
from spondyl.cli.console import progress, say
from spondyl.cli.inputs import check_free
from spondyl.data.coco import write_coco
from spondyl.data.sample import Sample
from spondyl.errors import FilmError, UsageError
from spondyl.film.radiograph import FilmGeometry, Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.film.stating import NOTHING_STATED, Stated
from spondyl.predict import FoundFilm, Predictor, predict_films
from spondyl.spine.chain import Anchor
from spondyl.spine.drawing import draw_overlay
from spondyl.spine.measurement import Intervals
from spondyl.version import __version__
from spondyl.writing.batch_report import Counts
from spondyl.writing.measured import MeasuredFilm, summary_row
from spondyl.writing.results import (
    PREDICTIONS,
    Results,
    Source,
    film_names,
    remove_films,
)
from spondyl.writing.table import to_csv

Pair = tuple[Sample, Sample | None]
"""What is drawn on a film, and the annotation that it is drawn over."""


@dataclass
class Batch:
    """The files of one command: how many there are, and how many had to be left out.

    ``skipped`` were no films at all. ``refused`` are the names of those whose annotation could not
    be used. ``incomplete`` are films that lack a file that was asked for.
    """

    total: int = 0
    failed: int = 0
    skipped: int = 0
    incomplete: int = 0
    refused: set[str] = field(default_factory=set)

    def expect(self, films: int) -> None:
        """Adds the films still to come to those that were refused already."""
        self.total = self.failed + films

    def refuse(self, line: str) -> None:
        """Says why one film is left out, and counts it."""
        say(line)
        self.failed += 1

    def skip(self, line: str) -> None:
        """Says why one file is no film to look at, and counts it."""
        say(line)
        self.skipped += 1

    def lack(self, line: str) -> None:
        """Says which file of a film could not be written, and counts the film."""
        say(line)
        self.incomplete += 1

    @property
    def counts(self) -> Counts:
        """What became of the files."""
        return Counts(self.total - self.failed, self.skipped, self.failed, self.incomplete)

    def draw(self, pairs: Sequence[Pair], folder: Path) -> list[tuple[str, Path]]:
        """Writes an overlay for each film, and returns the captions and pictures."""
        drawn: list[tuple[str, Path]] = []
        names = film_names([sample.key for sample, _ in pairs])
        with progress("drawing", len(pairs)) as done:
            for number, (sample, reference) in enumerate(pairs, start=1):
                path = folder / f"{names[sample.key]}.png"
                try:
                    _draw(sample, reference, path)
                    drawn.append((sample.key, path))
                except FilmError as error:
                    self.refuse(str(error))
                done(number)
        return drawn

    def finish(self) -> None:
        """Sums up.

        Raises:
            typer.Exit: with code 2, where a film had to be left out, or lacks a file.
        """
        if self.failed or self.skipped or self.incomplete:
            say(str(self.counts))
        if self.failed or self.incomplete:
            raise typer.Exit(2)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A film to look at: what it is called, where it lies, and what an annotation knows of it.

    ``named`` is the path that files may name; ``frame`` (from 1) where the file holds several.
    """

    key: str
    path: Path
    named: Path
    frame: int | None = None
    annotation: Sample | None = None

    @classmethod
    def of(cls, sample: Sample) -> Wanted:
        """An annotated film."""
        return cls(sample.key, sample.path, sample.path, annotation=sample)

    @property
    def source(self) -> Source:
        """Where the film is read again for pictures."""
        return Source(self.path, self.read, self.frame)

    def read(self) -> Radiograph:
        """The film as its annotation has it, if there is one.

        Raises:
            FilmError: it cannot be read.
        """
        if self.annotation is not None:
            return self.annotation.radiograph()
        return read_radiograph(self.path, self.frame)


class Predicted(NamedTuple):
    """A film with the landmarks that were found, and what was known of it when it was read."""

    sample: Sample
    geometry: FilmGeometry
    notes: tuple[str, ...]


def predict_batch(
    predictor: Predictor,
    wanted: Sequence[Wanted],
    batch: Batch,
    *,
    anchor: Anchor | None,
    stated: Stated = NOTHING_STATED,
) -> list[Predicted]:
    """The predictions of the films that can be read; the others are refused."""
    by_path = {each.path: each for each in wanted}
    found: list[Predicted] = []

    def read(path: Path) -> Radiograph:
        return stated.radiograph(by_path[path].read())

    with progress("predicting", len(wanted)) as done:
        answers = predict_films(predictor, list(by_path), anchor=anchor, read=read)
        for count, film in enumerate(answers, start=1):
            if isinstance(film, FoundFilm):
                sample = _predicted(film, by_path[film.path])
                found.append(Predicted(sample, film.geometry, film.notes))
            else:
                batch.refuse(film.reason)
            done(count)
    return found


def check_place(out: Path, prefix: str, *, overwrite: bool, name: str = PREDICTIONS) -> None:
    """Refuses a prefix that is no part of a name, and a place that is taken.

    Raises:
        UsageError: the prefix has other characters than letters, digits, dashes and underscores,
            or ``out`` holds a file of that ``name`` and ``overwrite`` was not asked for.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]*", prefix):
        raise UsageError(f"--prefix {prefix}: need letters, digits, dashes and underscores only")
    check_free(out / f"{prefix}{name}", overwrite=overwrite)


def write_results(
    results: Results,
    films: Sequence[MeasuredFilm],
    sources: Mapping[str, Source],
    batch: Batch,
    *,
    landmarks: bool = True,
) -> Path:
    """Writes every file of a call and returns the first; says which film lacks one, and why.

    ``sources`` are by key.
    """
    written = results.write_tables(films, landmarks=landmarks)
    with progress("writing", len(films)) as done:
        for count, film in enumerate(films, start=1):
            if failures := results.write_film(film, sources[film.key]):
                batch.lack("; ".join(failures))
            done(count)
    results.write_page(batch.counts)
    return written


def provenance(made_by: Mapping[str, str], intervals: Intervals | None) -> dict[str, str]:
    """What made the numbers: the network, its calibration, this version, and the day (UTC)."""
    known = {"measured_with": __version__, "date": datetime.now(UTC).date().isoformat()}
    if intervals is not None:
        known["calibration_films"] = str(intervals.films)
        known["coverage"] = f"{intervals.coverage:g}"
    return dict(made_by) | known


def write_key_file(path: Path, wanted: Sequence[Wanted]) -> None:
    """Writes which key stands for which file: the only place where both meet."""
    rows = [{"key": each.key, "path": str(each.path.resolve())} for each in wanted]
    write_text(path, to_csv(rows, columns=("key", "path")))


def write_predictions(samples: Sequence[Sample], out: Path, *, made_by: Mapping[str, str]) -> Path:
    """Writes ``predictions.json`` and ``summary.csv``; returns the former.

    Of predictions that are replaced the overlays go too: they show what no longer holds.
    """
    path = out / PREDICTIONS
    remove_films(out, "")
    write_coco(path, samples, made_by=made_by)
    write_text(out / "summary.csv", to_csv([summary_row(sample) for sample in samples]))
    return path


def _predicted(film: FoundFilm, wanted: Wanted) -> Sample:
    known = film.geometry
    if wanted.annotation is not None:
        return replace(
            wanted.annotation,
            landmarks=film.landmarks,
            spacing=known.spacing,
            view=known.view,
            origin="prediction",
            complete_above=False,
            complete_below=False,
            flags=frozenset(),
        )
    return Sample(
        key=wanted.key,
        path=wanted.named,
        height=known.height,
        width=known.width,
        landmarks=film.landmarks,
        group=wanted.key,
        origin="prediction",
        spacing=known.spacing,
        aspect=known.aspect,
        view=known.view,
    )


def _draw(sample: Sample, reference: Sample | None, path: Path) -> None:
    under = reference.landmarks if reference else None
    picture = draw_overlay(sample.radiograph(), sample.landmarks, reference=under)
    write_with(path, lambda temporary: picture.save(temporary, format="PNG"))
