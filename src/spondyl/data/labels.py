"""Which values may an annotation file hold, and how do they become the landmarks of a film?"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import Facing
from spondyl.data.ordering import CANONICAL, CornerOrder, canonical
from spondyl.data.sample import Listed
from spondyl.errors import AnnotationError
from spondyl.spine.landmarks import Landmarks

LARGEST: Final = 2**29
"""Bytes of an annotation file: more than any set needs, less than a computer's memory."""

_TINY: Final = 2.0  # px: a whole spine within it means that the coordinates are fractions
_ROBOFLOW: Final = re.compile(r"(_(jpe?g|png|tiff?|bmp))?\.rf\..*$", re.IGNORECASE)
_BUU_NAME: Final = re.compile(r"^(\d{4})-[FM]-\d{3}Y\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The landmarks made from a source's vertebrae, what was unusual, and what it had listed."""

    landmarks: Landmarks
    flags: frozenset[str]
    listed: Listed


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the file's name before the message of an annotation error raised inside."""
    try:
        yield
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def load_json(path: Path) -> Any:
    """The file's JSON values; a byte order mark is allowed.

    Raises:
        AnnotationError: the file cannot be read, or is not JSON (the message has no path).
    """
    try:
        return json.loads(load_bytes(path).decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise AnnotationError(f"not JSON ({error.msg}, line {error.lineno})") from error
    except UnicodeDecodeError as error:
        raise AnnotationError("not text in UTF-8, need JSON") from error
    except ValueError as error:  # Python refuses numbers of thousands of digits
        raise AnnotationError("holds a number too long to read, need px") from error
    except RecursionError as error:
        raise AnnotationError("nested too deeply, need an annotation") from error


def load_text(path: Path) -> str:
    """The file's text; a byte order mark is allowed.

    Raises:
        AnnotationError: the file cannot be read as UTF-8 (the message has no path).
    """
    try:
        return load_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError("not text in UTF-8") from error


def load_bytes(path: Path) -> bytes:
    """What the file holds.

    Raises:
        AnnotationError: it cannot be read, or is too large (the message has no path).
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise AnnotationError(f"{size} bytes, need an annotation of at most {LARGEST}")
        return path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"cannot be read ({error.strerror})") from error


def number(value: object, what: str) -> float:
    """``value`` as a finite number.

    Raises:
        AnnotationError: it is text, null, a boolean, NaN or infinite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnnotationError(f"{what} is {shown(value)}, need a number")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.inf
    if not math.isfinite(converted):
        raise AnnotationError(f"{what} is {shown(converted)}, need a finite number")
    return converted


def items(value: object, what: str) -> list[Any]:
    """``value`` as a list.

    Raises:
        AnnotationError: it is something else.
    """
    if not isinstance(value, list):
        raise AnnotationError(f"{what} is {shown(value)}, need a list")
    return value


def mapping(value: object, what: str) -> dict[str, Any]:
    """``value`` as a JSON object.

    Raises:
        AnnotationError: it is something else.
    """
    if not isinstance(value, dict):
        raise AnnotationError(f"{what} is {shown(value)}, need an object")
    return value


def entry(data: dict[str, Any], key: str, what: str) -> Any:
    """What ``data`` holds under ``key``.

    Raises:
        AnnotationError: it holds nothing.
    """
    if key not in data:
        raise AnnotationError(f"{what} has no {key!r}")
    return data[key]


def corner(value: object, what: str) -> tuple[float, float]:
    """One corner ``[x, y]`` or ``[x, y, v]``; NaN where it is null or v is 0 (not seen).

    Raises:
        AnnotationError: it has another length, or a coordinate is no finite number.
    """
    if value is None:
        return math.nan, math.nan
    values = items(value, what)
    if len(values) not in (2, 3):
        raise AnnotationError(f"{what} has {len(values)} numbers, need x, y or x, y, v")
    if len(values) == 3 and number(values[2], f"{what} v") == 0:
        return math.nan, math.nan
    return number(values[0], f"{what} x"), number(values[1], f"{what} y")


def quad(value: object, what: str) -> Float64[np.ndarray, "4 2"]:
    """The four corners of one vertebra, in the source's order.

    Raises:
        AnnotationError: there are not four, or one is impossible.
    """
    corners = items(value, what)
    if len(corners) != 4:
        counted = f"{len(corners)} corner{'' if len(corners) == 1 else 's'}"
        raise AnnotationError(f"{what} has {counted}, need 4 (null for one not seen)")
    return np.array([corner(c, f"{what} corner {k}") for k, c in enumerate(corners, start=1)])


def labelled(
    quads: Sequence[Float64[np.ndarray, "4 2"]],
    *,
    order: CornerOrder | None,
    size: tuple[int, int],
    levels: Sequence[str | None] | None = None,
    facing: Facing | None = None,
    boxes: Float64[np.ndarray, "v 4"] | None = None,
) -> Labelled:
    """Landmarks from a source's vertebrae, in image px of a film of ``size`` (height, width).

    ``levels`` and ``boxes`` are in the source's list order. A vertebra without any corner is left
    out.

    Raises:
        AnnotationError: there is no vertebra, a corner is far outside the film, all corners lie
            within 2 px (fractions of the film), or a level is impossible.
    """
    seen = [k for k, each in enumerate(quads) if not np.isnan(each).all()]
    if not seen:
        raise AnnotationError("no vertebra is annotated")
    points = np.array([quads[k] for k in seen])
    _check_frame(points, size)
    result = canonical(points, order=order)
    names = None if levels is None else tuple(levels[seen[k]] for k in result.indices)
    listed = Listed(
        points[:, CANONICAL if order is None else order],
        np.full((len(seen), 4), np.nan) if boxes is None else boxes[seen],
        (None,) * len(seen) if levels is None else tuple(levels[k] for k in seen),
        order_stated=order is not None,
    )
    try:
        landmarks = Landmarks(result.points, levels=names, facing=facing)
        return Labelled(landmarks, result.flags, listed)
    except ValueError as error:
        raise AnnotationError(str(error)) from error


def group_of(stem: str) -> str:
    """The unit of splitting for a file of the public releases.

    Augmented copies by Roboflow (``name_jpg.rf.<hash>``) belong to ``name``; BUU-LSPINE's
    ``NNNN-F-AAAYn`` to patient ``BUU-NNNN``, in every release that holds it; any other file is a
    group of its own.
    """
    name = _ROBOFLOW.sub("", stem)
    patient = _BUU_NAME.match(name)
    return f"BUU-{patient.group(1)}" if patient else name


def true_aspect(stem: str, size: tuple[int, int]) -> float | None:
    """The film's pixel aspect: None for a square export by Roboflow, which stretches, else 1."""
    return None if size[0] == size[1] and _ROBOFLOW.search(stem) else 1.0


def _check_frame(points: Float64[np.ndarray, "v 4 2"], size: tuple[int, int]) -> None:
    height, width = size
    extent = np.array([width, height])
    if min(height, width) > 2 * _TINY and np.nanmax(np.abs(points)) <= _TINY:
        raise AnnotationError("all corners lie within 2 px, need px and not fractions of the film")
    outside = (points < -extent) | (points > 2 * extent)
    if outside.any():
        x, y = points[outside.any(axis=-1)][0]
        raise AnnotationError(
            f"corner ({x:g}, {y:g}) is far outside the {width} x {height} px film"
        )


def shown(value: object) -> str:
    """``value`` as JSON for a message, cut where it is long."""
    try:
        text = json.dumps(value, default=str)
    except (RecursionError, ValueError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."
