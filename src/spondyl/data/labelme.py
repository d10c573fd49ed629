"""What does a LabelMe file say of a film, and how is a film written for LabelMe?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import CORNERS
from spondyl.data.coco import order_of
from spondyl.data.facts import FIELD, facts_of, text, with_facts
from spondyl.data.labels import entry, group_of, items, load_json, mapping, number, true_aspect
from spondyl.data.ordering import CornerOrder
from spondyl.data.sample import Sample
from spondyl.data.shapes import Mark, Outline, Point, Shape, check_size, vertebrae
from spondyl.film import reading

_AROUND: Final = (0, 1, 3, 2)  # SL, SR, IR, IL: a polygon runs round the body
_EDGE: Final = 0.5  # px: LabelMe measures from the film's edge, here the first px's centre is 0
_VERSION: Final = "5.5.0"  # the fields below are those of LabelMe 5 and 6


def is_labelme(data: object) -> bool:
    """Whether JSON values look like a LabelMe file: ``shapes`` on an ``imagePath``."""
    return isinstance(data, dict) and "shapes" in data and "imagePath" in data


def read_labelme(label: Path, film: Path, *, key: str) -> Sample:
    """One film: a polygon of four points a vertebra, or a point a corner.

    LabelMe's coordinates are px from the film's edge: image px = LabelMe's - 0.5. A polygon is
    labelled with the level, if any; a ``description`` such as ``SL SR IR IL`` says which corner is
    which, else the chain does. Points are labelled such as ``L5 SL``, or ``SL`` with a
    ``group_id`` for each vertebra. Shapes of other kinds are passed over.

    Raises:
        AnnotationError: the file says something impossible (the message has no path).
        FilmError: the film cannot be read.
    """
    data = mapping(load_json(label), "the file")
    drawn: list[Shape] = []
    for k, each in enumerate(items(entry(data, "shapes", "the file"), "shapes"), start=1):
        shape = mapping(each, f"shape {k}")
        kind = shape.get("shape_type", "polygon")
        if kind == "polygon":
            drawn.append(Outline(_label(shape, k), _points(shape, k), _stated_order(shape)))
        elif kind == "point":
            drawn.append(_mark(shape, k))
    size = reading.film_size(film)
    check_size([_side(data, "imageHeight"), _side(data, "imageWidth")], size)
    found = vertebrae(drawn, size=size)
    sample = Sample(
        key, film, *size, found.landmarks, group_of(label.stem), "labelme",
        aspect=true_aspect(label.stem, size), flags=found.flags, listed=found.listed,
    )  # fmt: skip
    return with_facts(sample, mapping(data.get(FIELD) or {}, FIELD))


def film_name(data: object) -> str | None:
    """The film that a LabelMe file names, as it names it; None where it names none."""
    name = data.get("imagePath") if isinstance(data, dict) else None
    return name.replace("\\", "/") if isinstance(name, str) else None


def to_labelme(sample: Sample, film: str) -> dict[str, Any]:
    """A LabelMe file's JSON values for a film that is called ``film`` as seen from the file.

    A vertebra with four corners becomes a polygon, another one a point for each corner seen. What
    LabelMe does not know is kept in the field ``spondyl``, which LabelMe keeps when it saves.
    """
    found = sample.landmarks
    shapes = [
        shape
        for k, (level, corners) in enumerate(zip(found.names, found.points, strict=True), start=1)
        for shape in _shapes(level or "vertebra", corners + _EDGE, k)
    ]
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": film,
        "imageData": None,
        "imageHeight": sample.height,
        "imageWidth": sample.width,
        FIELD: facts_of(sample),
    }


def _shapes(label: str, corners: Float64[np.ndarray, "4 2"], group: int) -> list[dict[str, Any]]:
    if not np.isnan(corners).any():
        order = " ".join(CORNERS[k] for k in _AROUND)
        points = corners[list(_AROUND)].tolist()
        return [_shape(label, points, "polygon", group=group, description=order)]
    return [
        _shape(f"{label} {name}", [corner.tolist()], "point", group=group)
        for name, corner in zip(CORNERS, corners, strict=True)
        if not np.isnan(corner).any()
    ]


def _shape(
    label: str, points: list[list[float]], kind: str, *, group: int, description: str = ""
) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": description,
        "shape_type": kind,
        "flags": {},
        "mask": None,
    }


def _label(shape: dict[str, Any], k: int) -> str:
    return text(entry(shape, "label", f"shape {k}"), f"shape {k} label") or ""


def _points(shape: dict[str, Any], k: int) -> list[Point]:
    what = f"shape {k}"
    points = items(entry(shape, "points", what), f"{what} points")
    return [_point(items(each, f"{what} point"), what) for each in points]


def _point(values: list[Any], what: str) -> Point:
    x, y = (number(value, what) - _EDGE for value in (*values, None, None)[:2])
    return x, y


def _mark(shape: dict[str, Any], k: int) -> Mark:
    group = shape.get("group_id")
    points = _points(shape, k)
    point = points[0] if points else _point([], f"shape {k}")
    return Mark(_label(shape, k), point, None if group is None else str(group))


def _stated_order(shape: dict[str, Any]) -> CornerOrder | None:
    description = shape.get("description")
    return order_of(description.split()) if isinstance(description, str) else None


def _side(data: dict[str, Any], side: str) -> float | None:
    value = data.get(side)
    return None if value is None else number(value, side)
