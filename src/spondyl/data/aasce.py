"""What do the label files of the AASCE 2019 challenge (SpineWeb 16) say of its AP films?"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import LEVELS as ALL_LEVELS
from spondyl.data.films import Films
from spondyl.data.labels import (
    corner,
    entry,
    items,
    labelled,
    load_json,
    load_text,
    mapping,
    named,
    number,
)
from spondyl.data.ordering import CANONICAL
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.errors import AnnotationError, FilmError
from spondyl.film import reading

LEVELS: Final = ALL_LEVELS[: ALL_LEVELS.index("S1")]

_CORNERS: Final = 4 * len(LEVELS)
_STUDY: Final = re.compile(r"-(\d+)(?: [A-Z]+)*$")


def is_aasce(folder: Path) -> bool:
    """Whether the folder holds the challenge's labels: a corner list, its CSV or ``.mat`` files."""
    return bool(_tables(folder))


def read_aasce(folder: Path) -> AnnotationSet:
    """Reads ``labels.json``, else ``filenames.csv`` with ``landmarks.csv``, else ``.mat`` files.

    17 vertebrae T1 to L5, image px. ``landmarks.csv`` holds 68 x, then 68 y, as fractions of the
    native width and height: a fraction f is the px f W, without a half pixel, since the ``.mat``
    files (key ``p2``, 68 x 2) hold f W as a whole number. The CSV and ``.mat`` files need the
    native films. C7 and the sacrum are in view and never labelled, so neither end counts as
    complete. The group is the study number in the film's name.

    Raises:
        AnnotationError: a table as a whole cannot be read.
    """
    films = Films(folder)
    samples: list[Sample] = []
    problems: list[Problem] = []
    for label in _tables(folder):
        for name, corners in _read_table(label):
            try:
                samples.append(_sample(films.of(label, name=name), corners, films))
            except (AnnotationError, FilmError) as error:
                problems.append(Problem.of(label.parent / name, error))
    return AnnotationSet(tuple(samples), tuple(problems))


def study_of(stem: str) -> str:
    """The study number in a film's name (``254`` in ``...-254 C AP``).

    Films without one are grouped by their name less its last number.
    """
    found = _STUDY.search(stem)
    return found.group(1) if found else re.sub(r"\d+$", "", stem)


_Corners = Callable[[int, int], Float64[np.ndarray, "k 2"]]
"""Image px of the K corners, 68 where all is well, on a film of the height and width given."""


def _tables(folder: Path) -> list[Path]:
    """The label files of the kind that is read: all there are of the first kind found."""
    for pattern in ("labels.json", "landmarks.csv", "*.mat"):
        found = sorted(path for path in folder.rglob(pattern) if _is_ours(path))
        if found:
            return found
    return []


def _is_ours(path: Path) -> bool:
    if path.suffix == ".csv":
        return path.with_name("filenames.csv").is_file()
    if path.suffix == ".mat":
        return True
    try:
        data = load_json(path)
    except AnnotationError:
        return False
    return isinstance(data, list) and any(isinstance(d, dict) and "corners" in d for d in data)


def _read_table(path: Path) -> Iterator[tuple[str, _Corners]]:
    """The names of the films in one label file, and where their corners are."""
    if path.suffix == ".mat":
        yield path.stem, partial(_matrix, path)
    elif path.suffix == ".csv":
        yield from _rows(path)
    else:
        for k, each in enumerate(load_json(path), start=1):
            name = each.get("image") if isinstance(each, dict) else None
            yield (name if isinstance(name, str) else f"entry {k}"), partial(_listed, each)


def _rows(path: Path) -> Iterator[tuple[str, _Corners]]:
    with named(path):
        names = _csv(path.with_name("filenames.csv"))
        rows = _csv(path)
        if len(names) != len(rows):
            raise AnnotationError(f"{len(rows)} rows for {len(names)} names in filenames.csv")
    for name, row in zip(names, rows, strict=True):
        yield name[0], partial(_fractions, row)


def _csv(path: Path) -> list[list[str]]:
    return [row for row in csv.reader(load_text(path).splitlines()) if row]


def _listed(stored: object, height: int, width: int) -> Float64[np.ndarray, "k 2"]:
    data = mapping(stored, "entry")
    stated = [number(entry(data, side, "entry"), side) for side in ("width", "height")]
    if stated != [width, height]:
        said = f"{stated[0]:g} x {stated[1]:g}"
        raise AnnotationError(f"the film is {width} x {height} px, the annotation says {said}")
    corners = items(entry(data, "corners", "entry"), "corners")
    return np.array([corner(c, f"corner {k}") for k, c in enumerate(corners, start=1)])


def _fractions(row: list[str], height: int, width: int) -> Float64[np.ndarray, "k 2"]:
    if len(row) != 2 * _CORNERS:
        raise AnnotationError(f"{len(row)} numbers, need {2 * _CORNERS} (68 x, then 68 y)")
    try:
        values = [number(float(value), f"number {k}") for k, value in enumerate(row, start=1)]
    except ValueError as error:
        raise AnnotationError(f"not all values are numbers ({error})") from error
    return np.array(values).reshape(2, _CORNERS).T * (width, height)


def _matrix(path: Path, height: int, width: int) -> Float64[np.ndarray, "k 2"]:
    from scipy.io import loadmat

    try:
        stored = loadmat(path)["p2"]
        return np.asarray(stored, dtype=np.float64)  # uint16: differences would wrap round
    except Exception as error:  # scipy names no common exception for a damaged file
        raise AnnotationError(f"cannot be read as a .mat file with p2 ({error!r})") from error


def _sample(film: Path, corners: _Corners, films: Films) -> Sample:
    size = reading.film_size(film)
    points = corners(*size)
    if points.shape != (_CORNERS, 2):
        raise AnnotationError(f"corners are {points.shape}, need {_CORNERS} x, y pairs")
    quads = list(points.reshape(len(LEVELS), 4, 2))
    if any(np.isnan(each).all() for each in quads):
        raise AnnotationError(f"a vertebra has no corner, need all {len(LEVELS)} to name them")
    found = labelled(quads, order=CANONICAL, size=size)
    landmarks = replace(found.landmarks, levels=LEVELS)  # named by place, not by list position
    return Sample(
        films.key(film), film, *size, landmarks, study_of(film.stem), "aasce",
        view="ap", flags=found.flags, listed=found.listed,
    )  # fmt: skip
