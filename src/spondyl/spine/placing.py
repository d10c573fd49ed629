"""Where is the front, and how long is a pixel: corners as every formula wants them, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import Facing
from spondyl.spine.measurement import Placed

_Result = TypeVar("_Result")


def placed(
    points: Float64[np.ndarray, "*n v 4 2"], *, facing: Facing | None, aspect: float
) -> Placed:
    """Corners SL, SR, IL, IR in image px to (vertebra, endplate, end, axis) in true px.

    A true px is as wide as a pixel of the image; ``aspect`` stretches the rows to it. On a lateral
    film the ends are posterior, anterior and the first axis grows towards the front, whichever way
    the film faces, so that a mirrored film gives the same numbers. Without a ``facing`` (AP) the
    ends are left, right as seen and the first axis grows to the right. The second grows downwards.
    """
    ends = points.reshape(*points.shape[:-2], 2, 2, 2)
    if facing == "left":
        ends = ends[..., ::-1, :]
    return ends * _scale(facing, aspect)


def image_lines(
    lines: Float64[np.ndarray, "k 2 2"], *, facing: Facing | None, aspect: float
) -> Float64[np.ndarray, "k 2 2"]:
    """Lines between placed points, in image px."""
    return lines / _scale(facing, aspect)


def on(
    needs: int | Sequence[int], formula: Callable[[Any], _Result]
) -> Callable[[Placed], _Result]:
    """A formula on one vertebra, or on a few, as one on all of the film.

    With one index the formula gets (*n, 2, 2, 2), with several (*n, k, 2, 2, 2).
    """
    chosen = needs if isinstance(needs, int) else list(needs)
    return lambda at: formula(at[..., chosen, :, :, :])


def length(line: Float64[np.ndarray, "*n 2 2"]) -> Any:
    """The distance between the ends of each line, (*n)."""
    return np.linalg.norm(line[..., 1, :] - line[..., 0, :], axis=-1)


def direction(line: Float64[np.ndarray, "*n 2 2"]) -> Float64[np.ndarray, "*n 2"]:
    """The unit vector from the first end of each line to the second; NaN where they coincide."""
    return quotient(line[..., 1, :] - line[..., 0, :], length(line)[..., None])


def along(vector: Float64[np.ndarray, "*n 2"], unit: Float64[np.ndarray, "*n 2"]) -> Any:
    """How far each vector reaches in the direction of a unit vector, (*n)."""
    return (vector * unit).sum(axis=-1)


def across(vector: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
    """Each vector a quarter turn on: down from forward, back from down."""
    return np.stack([-vector[..., 1], vector[..., 0]], axis=-1)


def turn(first: Float64[np.ndarray, "*n 2 2"], second: Float64[np.ndarray, "*n 2 2"]) -> Any:
    """The angle in deg from each first line to the second, (*n), in (-180, 180].

    Positive where the second points further down at its front (AP: right) end, so that two
    endplates, the upper one first, open to the front: lordotic. By the arctangent of cross and dot
    product, which is exact near 0 and beyond 90 deg. NaN where a line's ends coincide.
    """
    one, two = (line[..., 1, :] - line[..., 0, :] for line in (first, second))
    angle = np.degrees(np.arctan2(along(two, across(one)), along(two, one)))
    return np.where((length(first) > 0) & (length(second) > 0), angle, np.nan)


def quotient(part: Any, whole: Any) -> Any:
    """``part / whole``, broadcast; NaN where the whole is 0 or NaN."""
    return part / np.where(np.asarray(whole) == 0, np.nan, whole)


def _scale(facing: Facing | None, aspect: float) -> Float64[np.ndarray, " 2"]:
    return np.array([-1.0 if facing == "left" else 1.0, aspect])
