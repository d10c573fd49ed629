"""Where is the front, and how long is a pixel: corners as every formula wants them, and back."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import Facing
from spondyl.spine.measurement import Placed


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


def _scale(facing: Facing | None, aspect: float) -> Float64[np.ndarray, " 2"]:
    return np.array([-1.0 if facing == "left" else 1.0, aspect])
