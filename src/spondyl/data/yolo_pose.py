"""What does a YOLO-pose label file, as mixed into Mendeley 5jdfdgp762, say of a film?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.labels import group_of, labelled, load_text, number, true_aspect
from spondyl.data.ordering import CornerOrder, corner_order
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film import reading

ORDER: Final[CornerOrder] = corner_order("SL", "IL", "IR", "SR")
"""How the release's YOLO-pose files list corners."""

_LISTED: Final = (0, 2, 3, 1)  # the same, as places among SL, SR, IL, IR

_BOX: Final = 5  # class, centre x, centre y, width, height
_LENGTHS: Final = {_BOX + 4 * 2: 2, _BOX + 4 * 3: 3}  # numbers in a line: numbers in a corner


def is_yolo_pose(text: str) -> bool:
    """Whether every line holds the count of numbers that a vertebra with four corners takes."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return bool(lines) and all(len(line) in _LENGTHS and _is_number(line[0]) for line in lines)


def read_yolo_pose(label: Path, film: Path, *, key: str) -> Sample:
    """One film: a line ``class cx cy w h`` and four corners ``x y`` or ``x y v`` a vertebra.

    Numbers are fractions of the film's width and height, measured from its outer edges: a
    fraction f of the width W is the image px f W - 0.5. v = 0 is a corner not seen.

    Raises:
        AnnotationError: the file says something impossible (the message has no path).
        FilmError: the film cannot be read.
    """
    lines = [line.split() for line in load_text(label).splitlines() if line.strip()]
    fractions = [_fractions(line, f"line {k}") for k, line in enumerate(lines, start=1)]
    height, width = reading.film_size(film)
    quads = [each * (width, height) - 0.5 for each in fractions]
    edges = np.array([_box(line) for line in lines]).reshape(-1, 4)
    boxes = edges * ([width, height] * 2) - 0.5
    found = labelled(quads, order=ORDER, size=(height, width), boxes=boxes)
    return Sample(
        key, film, height, width, found.landmarks, group_of(label.stem), "yolo-pose",
        aspect=true_aspect(label.stem, (height, width)), flags=found.flags,
        listed=found.listed,
    )  # fmt: skip


def to_yolo_pose(sample: Sample) -> str:
    """One film's lines with class 0, a tight box and ``x y v``; v is 2 for seen, 0 for not."""
    fractions = (sample.landmarks.points[:, _LISTED] + 0.5) / (sample.width, sample.height)
    return "".join(f"{_line(corners)}\n" for corners in fractions)


def _line(corners: Float64[np.ndarray, "4 2"]) -> str:
    low, high = np.nanmin(corners, axis=0), np.nanmax(corners, axis=0)
    box = [*((low + high) / 2).tolist(), *(high - low).tolist()]
    words = ["0", *map(repr, box)]
    for x, y in corners.tolist():
        words += ["0", "0", "0"] if math.isnan(x) else [repr(x), repr(y), "2"]
    return " ".join(words)


def _fractions(line: list[str], what: str) -> Float64[np.ndarray, "4 2"]:
    if len(line) not in _LENGTHS:
        counted = f"{what} has {len(line)} numbers"
        raise AnnotationError(f"{counted}, need 13 or 17 (class, box, 4 corners x y or x y v)")
    values = np.array([_parsed(word, what) for word in line])
    if (values[3:_BOX] < 0).any():
        raise AnnotationError(f"{what}: box is {values[3]:g} x {values[4]:g}, need sizes above 0")
    corners = values[_BOX:].reshape(4, _LENGTHS[len(line)])
    unseen = (corners[:, 2:] == 0).any(axis=1)
    if (np.abs(corners[~unseen, :2]) > _TOO_LARGE).any():
        raise AnnotationError(f"{what}: corners are px, need fractions of the film")
    return np.where(unseen[:, None], np.nan, corners[:, :2])


def _box(line: list[str]) -> list[float]:
    """x1, y1, x2, y2 as fractions."""
    x, y, width, height = (float(word) for word in line[1:_BOX])
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


_TOO_LARGE: Final = 2.0  # of the film: a fraction above it is a coordinate in px


def _parsed(word: str, what: str) -> float:
    if not _is_number(word):
        raise AnnotationError(f"{what} has {word!r}, need numbers")
    return number(float(word), what)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
