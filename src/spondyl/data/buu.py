"""What does a BUU-LSPINE label file say of a lateral film?"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.labels import group_of, labelled, load_text, number
from spondyl.data.ordering import CANONICAL
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film import reading

LEVELS: Final = ("L1", "L2", "L3", "L4", "L5", "S1")

_ROWS: Final = 11  # two endplates of L1 to L5, and the superior one of S1
_LISTHESIS: Final = {3: "anterolisthesis", 4: "retrolisthesis"}


def is_buu(text: str) -> bool:
    """Whether the text is the release's: eleven rows of five numbers."""
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    return len(rows) == _ROWS and all(len(row) == 5 for row in rows)


def read_buu(label: Path, film: Path, *, key: str) -> Sample:
    """One film: rows ``x1,y1,x2,y2,label``, L1 superior, L1 inferior, ... S1 superior endplate.

    Native px; x1, y1 is the left end in the image. S1 has no inferior corners: they are NaN. The
    label of an inferior endplate, 3 anterolisthesis or 4 retrolisthesis, becomes a flag such as
    ``anterolisthesis L4``; the side of the film that is anterior is not stated. Vertebrae above
    L1 are never labelled, so the annotation is complete below (the sacrum) and not above.

    Raises:
        AnnotationError: the file says something impossible (the message has no path).
        FilmError: the film cannot be read.
    """
    rows = [row for row in csv.reader(load_text(label).splitlines()) if row]
    if len(rows) != _ROWS:
        raise AnnotationError(f"{len(rows)} rows, need {_ROWS} (two endplates of L1 to L5, S1)")
    values = np.array([_numbers(row, f"row {k}") for k, row in enumerate(rows, start=1)])
    size = reading.film_size(film)
    found = labelled(_quads(values), order=CANONICAL, size=size, levels=LEVELS)
    return Sample(
        key, film, *size, found.landmarks, group_of(label.stem), "buu",
        complete_below=True, view="lateral", flags=found.flags | _slipped(values),
        listed=found.listed,
    )  # fmt: skip


def to_buu(sample: Sample) -> str:
    """One film's eleven rows; slips that its flags name become labels.

    Raises:
        AnnotationError: the film is not lateral, or an endplate of L1 to L5 or the superior one of
            S1 was not seen whole: the release has no way to say so.
    """
    if sample.view == "ap":
        raise AnnotationError("an AP film, need a lateral one")
    found = sample.landmarks
    rows: list[str] = []
    for level in LEVELS:
        if level not in found.names:
            raise AnnotationError(f"{level} is not annotated, need L1 to L5 and S1")
        for k, endplate in enumerate(found.points[found.names.index(level)].reshape(2, 2, 2)):
            if len(rows) < _ROWS:
                rows.append(_row(endplate, level, _label(sample.flags, level, k)))
    return "".join(f"{row}\n" for row in rows)


def _row(endplate: Float64[np.ndarray, "2 2"], level: str, label: int) -> str:
    if np.isnan(endplate).any():
        raise AnnotationError(f"{level} has an end of an endplate that was not seen, need all")
    return ",".join([*map(repr, endplate.ravel().tolist()), str(label)])


def _label(flags: frozenset[str], level: str, endplate: int) -> int:
    """The slip at an inferior endplate, or at the only one of S1."""
    if endplate == 0 and level != LEVELS[-1]:
        return 0
    return next((label for label, name in _LISTHESIS.items() if f"{name} {level}" in flags), 0)


def _numbers(row: list[str], what: str) -> list[float]:
    if len(row) != 5:
        raise AnnotationError(f"{what} has {len(row)} values, need x1, y1, x2, y2, label")
    try:
        return [number(float(value), what) for value in row]
    except ValueError as error:
        raise AnnotationError(f"{what} is {','.join(row)!r}, need five numbers") from error


def _quads(values: Float64[np.ndarray, "11 5"]) -> list[Float64[np.ndarray, "4 2"]]:
    """Two rows a vertebra; S1's second one is not annotated."""
    endplates = np.vstack([values[:, :4], np.full((1, 4), np.nan)])
    return list(endplates.reshape(len(LEVELS), 4, 2))


def _slipped(values: Float64[np.ndarray, "11 5"]) -> frozenset[str]:
    labels = values[:, 4].astype(int)
    return frozenset(
        f"{_LISTHESIS[label]} {LEVELS[row // 2]}"
        for row, label in enumerate(labels)
        if label in _LISTHESIS
    )
