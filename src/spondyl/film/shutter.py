"""Which pixels of a film lie beyond its shutter or collimator?"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw
from pydicom import Dataset

Size = tuple[int, int]
Kind = Literal["Shutter", "Collimator"]

_LEAST_BEAM: Final = 0.25  # of the film: a collimator that leaves less is not believed
_FARTHEST: Final = 1_000_000  # px; a vertex beyond it is a fault of the header


def unshuttered(data: Dataset, size: Size, aspect: float) -> Bool[np.ndarray, "h w"]:
    """True where a film of (height, width) px is to be seen, by its header.

    All shapes of the display shutter (PS3.3 C.7.6.11) count together, so that the least remains;
    so do those of the collimator (C.8.7.3). A collimator says where the beam was, not what to show,
    and some headers have its edges in another frame: it counts only where it leaves at least a
    quarter of the film. Rows and columns count from 1, and the edges are to be seen. The radius of
    a circle is in px along a row, so ``aspect`` (true height / width of a pixel) makes it an
    ellipse in px. A shape that lacks a number, or is inside out, is left out.
    """
    beam = _within(data, size, aspect, "Collimator")
    shown = _within(data, size, aspect, "Shutter")
    return shown & beam if beam.mean() >= _LEAST_BEAM else shown


def _within(data: Dataset, size: Size, aspect: float, kind: Kind) -> Bool[np.ndarray, "h w"]:
    seen = np.ones(size, dtype=np.bool_)
    shapes = _values(data, f"{kind}Shape")
    if "RECTANGULAR" in shapes:
        _keep_rectangle(seen, data, kind)
    if "CIRCULAR" in shapes:
        _keep_circle(seen, data, kind, aspect=aspect)
    if "POLYGONAL" in shapes:
        _keep_polygon(seen, data, kind)
    return seen


def _keep_rectangle(seen: Bool[np.ndarray, "h w"], data: Dataset, kind: Kind) -> None:
    sides = ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    edges = [_numbers(data, f"{kind}{side}Edge", 1) for side in sides]
    if not all(edges):
        return
    left, right, upper, lower = (edge[0] for edge in edges)
    if left >= right or upper >= lower:
        return
    seen[: max(upper - 1, 0)] = False
    seen[max(lower, 0) :] = False
    seen[:, : max(left - 1, 0)] = False
    seen[:, max(right, 0) :] = False


def _keep_circle(
    seen: Bool[np.ndarray, "h w"], data: Dataset, kind: Kind, *, aspect: float
) -> None:
    centre = _numbers(data, f"CenterOfCircular{kind}", 2)
    radius = _numbers(data, f"RadiusOfCircular{kind}", 1)
    if not centre or not radius or radius[0] <= 0:
        return
    height, width = seen.shape
    down = (np.arange(1.0, height + 1) - centre[0]) * aspect
    along = np.arange(1.0, width + 1) - centre[1]
    seen &= down[:, None] ** 2 + along**2 <= radius[0] ** 2


def _keep_polygon(seen: Bool[np.ndarray, "h w"], data: Dataset, kind: Kind) -> None:
    numbers = _numbers(data, f"VerticesOfThePolygonal{kind}", None)
    if len(numbers) < 6 or len(numbers) % 2 or max(map(abs, numbers)) > _FARTHEST:
        return
    height, width = seen.shape
    inside = Image.new("1", (width, height))
    rows, columns = numbers[::2], numbers[1::2]
    corners = [(column - 1, row - 1) for row, column in zip(rows, columns, strict=True)]
    ImageDraw.Draw(inside).polygon(corners, fill=1, outline=1)
    seen &= np.asarray(inside)


def _numbers(data: Dataset, keyword: str, count: int | None) -> list[int]:
    """Whole numbers, as many as asked for; none where the header has others."""
    try:
        numbers = [int(value) for value in _values(data, keyword)]
    except (TypeError, ValueError):
        return []
    return numbers if count in (None, len(numbers)) else []


def _values(data: Dataset, keyword: str) -> list[Any]:
    """One value or several, as a list."""
    value = data.get(keyword)
    if value is None or value == "":
        return []
    return [value] if isinstance(value, (str, int, float)) else list(value)
