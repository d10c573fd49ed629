"""What does a torchvision Keypoint R-CNN label file, as in Mendeley 5jdfdgp762, say of a film?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.labels import (
    entry,
    group_of,
    items,
    labelled,
    load_json,
    mapping,
    number,
    quad,
    true_aspect,
)
from spondyl.data.ordering import CornerOrder, corner_order
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film import reading

ORDER: Final[CornerOrder] = corner_order("IL", "IR", "SL", "SR")
"""How the release's Keypoint R-CNN files list corners."""

_LISTED: Final = (2, 3, 0, 1)  # the same, as places among SL, SR, IL, IR


def is_keypoint_rcnn(data: object) -> bool:
    """Whether JSON values look like one film's Keypoint R-CNN targets."""
    return isinstance(data, dict) and "keypoints" in data and "images" not in data


def read_keypoint_rcnn(label: Path, film: Path, *, key: str) -> Sample:
    """One film: ``boxes`` (V, 4) x1 y1 x2 y2, ``labels`` (V,), ``keypoints`` (V, 4, 3) x y v.

    Coordinates are image px with the centre of the first pixel at (0, 0). The pixel aspect of a
    square Roboflow export is unknown, since the release stretched its films to 640 x 640.

    Raises:
        AnnotationError: the file says something impossible (the message has no path).
        FilmError: the film cannot be read.
    """
    data = mapping(load_json(label), "the file")
    vertebrae = items(entry(data, "keypoints", "the file"), "keypoints")
    boxes = _boxes(data, len(vertebrae))
    quads = [quad(each, f"vertebra {k}") for k, each in enumerate(vertebrae, start=1)]
    size = reading.film_size(film)
    found = labelled(quads, order=ORDER, size=size, boxes=boxes)
    return Sample(
        key, film, *size, found.landmarks, group_of(label.stem), "keypoint-rcnn",
        aspect=true_aspect(label.stem, size), flags=found.flags, listed=found.listed,
    )  # fmt: skip


def to_keypoint_rcnn(sample: Sample) -> dict[str, Any]:
    """One film's JSON values, with the release's corner order; v is 2 for seen, 0 for not."""
    corners = sample.landmarks.points[:, _LISTED]
    boxes = np.concatenate([np.nanmin(corners, axis=1), np.nanmax(corners, axis=1)], axis=1)
    stored = np.concatenate([corners, np.full((len(corners), 4, 1), 2.0)], axis=2)
    stored[np.isnan(corners).any(axis=2)] = 0.0
    return {
        "boxes": boxes.tolist(),
        "labels": [1] * len(corners),
        "keypoints": stored.tolist(),
    }


def _boxes(data: dict[str, Any], count: int) -> Float64[np.ndarray, "v 4"]:
    boxes = items(data.get("boxes", [None] * count), "boxes")
    if len(boxes) != count:
        raise AnnotationError(f"{len(boxes)} boxes for {count} vertebrae, need one each")
    listed = [
        [np.nan] * 4 if box is None else _box(items(box, f"box {k}"), f"box {k}")
        for k, box in enumerate(boxes, start=1)
    ]
    return np.array(listed, dtype=np.float64).reshape(-1, 4)


def _box(box: list[Any], what: str) -> list[float]:
    if len(box) != 4:
        raise AnnotationError(f"{what} has {len(box)} numbers, need x1, y1, x2, y2")
    x1, y1, x2, y2 = (number(value, what) for value in box)
    if x2 < x1 or y2 < y1:
        raise AnnotationError(
            f"{what} is [{x1:g}, {y1:g}, {x2:g}, {y2:g}], need x1 <= x2, y1 <= y2"
        )
    return [x1, y1, x2, y2]
