"""How do many films go through one command, when some of them are bad?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import typer
from jaxtyping import Float64

from spondyl.atomic import write_text, write_with
from spondyl.cli.console import progress, say
from spondyl.cli.inputs import check_free
from spondyl.data.coco import write_coco
from spondyl.data.sample import Sample
from spondyl.errors import FilmError, UsageError
from spondyl.film.radiograph import Radiograph
from spondyl.film.reading import read_radiograph
from spondyl.predict import FoundFilm, Predictor, predict_films
from spondyl.spine.chain import Anchor, has_gap, level_note
from spondyl.spine.drawing import draw_overlay
from spondyl.writing.table import to_csv

Pair = tuple[Sample, Sample | None]
"""What is drawn on a film, and the annotation that it is drawn over."""


@dataclass
class Batch:
    """The films of one command: how many there are, and how many had to be left out.

    ``refused`` are the names of those whose annotation could not be used.
    """

    total: int = 0
    failed: int = 0
    refused: set[str] = field(default_factory=set)

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


def check_place(out: Path, prefix: str, *, overwrite: bool) -> None:
    """Refuses a prefix that is no part of a name, and a place that is taken.

    Raises:
        UsageError: the prefix has other characters than letters, digits, dashes and underscores,
            or ``out`` holds predictions of that name and ``overwrite`` was not asked for.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]*", prefix):
        raise UsageError(f"--prefix {prefix}: need letters, digits, dashes and underscores only")
    check_free(_predictions(out, prefix), overwrite=overwrite)


def write_predictions(
    samples: Sequence[Sample], out: Path, *, made_by: Mapping[str, str], prefix: str = ""
) -> Path:
    """Writes ``predictions.json`` and ``summary.csv`` after a prefix; returns the former.

    Of predictions that are replaced the overlays go too: they show what no longer holds.
    """
    path = _predictions(out, prefix)
    for key in _keys(path):
        (out / "overlays" / overlay_name(key)).unlink(missing_ok=True)
    write_coco(path, samples, made_by=made_by)
    write_text(out / f"{prefix}summary.csv", to_csv([_row(sample) for sample in samples]))
    return path


def _predictions(out: Path, prefix: str) -> Path:
    return out / f"{prefix}predictions.json"


def _keys(path: Path) -> list[str]:
    """The films that a predictions file names; none where there is none that can be read."""
    try:
        return [str(image["key"]) for image in json.loads(path.read_bytes())["images"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def overlay_name(key: str) -> str:
    """The name of a film's picture."""
    return f"{key.strip('/').replace('/', '_')}.png"


def _predicted(film: FoundFilm, known: str | Sample) -> Sample:
    if isinstance(known, Sample):
        return replace(
            known,
            landmarks=film.landmarks,
            spacing=film.spacing,
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
        spacing=film.spacing,
        aspect=film.spacing.aspect if film.spacing else 1.0,
    )


def _draw(sample: Sample, reference: Sample | None, folder: Path) -> Path:
    under = reference.landmarks if reference else None
    picture = draw_overlay(sample.radiograph(), sample.landmarks, reference=under)
    path = folder / overlay_name(sample.key)
    write_with(path, lambda temporary: picture.save(temporary, format="PNG"))
    return path


def _row(sample: Sample) -> dict[str, object]:
    """One film of the summary; ``?`` stands for a vertebra without a name, nothing for no figure.

    Confidence is over the corners that were found, level probability over the named vertebrae.
    """
    found, spacing = sample.landmarks, sample.spacing
    confidence = found.confidence[~np.isnan(found.points[..., 0])]
    return {
        "film": sample.key,
        "vertebrae": len(found),
        "levels": " ".join(name or "?" for name in found.names),
        "facing": found.facing,
        "mean_confidence": _figure(np.mean, confidence),
        "lowest_confidence": _figure(np.min, confidence),
        "mean_level_probability": _figure(np.mean, found.level_probability),
        "gap": ("yes" if has_gap(found) else "no") if len(found) else None,
        "note": level_note(found) or "no vertebra found",
        "width": sample.width,
        "height": sample.height,
        "row_mm": spacing.row_mm if spacing else None,
        "column_mm": spacing.column_mm if spacing else None,
        "spacing_plane": spacing.plane if spacing else None,
    }


def _figure(
    statistic: Callable[[np.ndarray], float], values: Float64[np.ndarray, "*n"]
) -> float | None:
    """Of the values that are known, to four decimals; None where there is none."""
    known = values[~np.isnan(values)]
    return round(float(statistic(known)), 4) if len(known) else None
