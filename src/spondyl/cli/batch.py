"""How do many films go through one command, when some of them are bad?"""

from __future__ import annotations

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
from spondyl.judging.report import to_csv
from spondyl.predict import FoundFilm, Predictor, predict_films
from spondyl.spine.chain import Anchor, level_note
from spondyl.spine.drawing import draw_overlay

Pair = tuple[Sample, Sample | None]
"""What is drawn on a film, and the annotation that it is drawn over."""


@dataclass
class Batch:
    """The films of one command: how many there are, and how many had to be left out."""

    total: int = 0
    failed: int = 0

    def expect(self, films: int) -> None:
        """Adds the films still to come to those that were refused already."""
        self.total = self.failed + films

    def refuse(self, line: str) -> None:
        """Says why one film is left out, and counts it."""
        say(line)
        self.failed += 1

    def draw(self, pairs: Sequence[Pair], folder: Path) -> list[tuple[str, Path]]:
        """Writes an overlay for each film, and returns the captions and pictures."""
        drawn: list[tuple[str, Path]] = []
        with progress("drawing", len(pairs)) as done:
            for number, (sample, reference) in enumerate(pairs, start=1):
                try:
                    drawn.append((sample.key, _draw(sample, reference, folder)))
                except FilmError as error:
                    self.refuse(str(error))
                done(number)
        return drawn

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
    write_text(out / "summary.csv", to_csv([_row(sample) for sample in samples]))
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


def _draw(sample: Sample, reference: Sample | None, folder: Path) -> Path:
    under = reference.landmarks if reference else None
    picture = draw_overlay(sample.radiograph(), sample.landmarks, reference=under)
    path = folder / f"{sample.key.strip('/').replace('/', '_')}.png"
    write_with(path, lambda temporary: picture.save(temporary, format="PNG"))
    return path


def _row(sample: Sample) -> dict[str, object]:
    """One film of the summary; ``?`` stands for a vertebra without a name."""
    found = sample.landmarks
    return {
        "film": sample.key,
        "vertebrae": len(found),
        "levels": " ".join(name or "?" for name in found.names),
        "facing": found.facing,
        "note": level_note(found) or "no vertebra found",
    }
