"""What do 3D Slicer markups say of a film, and how are they written?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from spondyl.anatomy import CORNERS
from spondyl.data.facts import FIELD, facts_of, spacing_of, text, with_facts
from spondyl.data.labels import entry, group_of, items, load_json, mapping, number, true_aspect
from spondyl.data.sample import Sample
from spondyl.data.shapes import Mark, Point, check_size, vertebrae
from spondyl.errors import AnnotationError
from spondyl.film import reading
from spondyl.film.radiograph import PixelSpacing

SUFFIX: Final = ".mrk.json"

_SCHEMA: Final = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)
_SIGNS: Final = {"LPS": 1.0, "RAS": -1.0}  # x grows to the left and y to the back in LPS
_MILLIMETRES: Final = ("mm", "millimeter")
_FLAT: Final = 1e-3  # mm between the planes of two points
_UNIT: Final = PixelSpacing(1.0, 1.0)
_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})


def is_slicer(data: object) -> bool:
    """Whether JSON values look like markups of 3D Slicer."""
    if not (isinstance(data, dict) and isinstance(data.get("markups"), list)):
        return False
    return "markups" in str(data.get("@schema", ""))


def film_stem(label: Path) -> str:
    """The name, without suffix, of the film that markups called ``label`` belong to."""
    name = label.name
    return name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else label.stem


def film_name(data: object) -> str | None:
    """The film that markups name in the field ``spondyl``; None where they name none."""
    stored = data.get(FIELD) if isinstance(data, dict) else None
    name = stored.get("film") if isinstance(stored, dict) else None
    return name if isinstance(name, str) else None


def read_slicer(label: Path, film: Path, *, key: str) -> Sample:
    """One film: the control points of its point lists, labelled such as ``L5 SL``.

    Slicer places a film without orientation on the plane of L and P, with the centre of its first
    pixel in the origin: image px x = L / column spacing, y = P / row spacing, in mm; RAS is turned
    into LPS. The spacing is the one that the field ``spondyl`` states, else that of a DICOM film,
    else 1. A point whose position is not ``defined`` was not seen. All points lie on one plane.

    Raises:
        AnnotationError: the file says something impossible (the message has no path).
        FilmError: the film cannot be read.
    """
    data = mapping(load_json(label), "the file")
    facts = mapping(data.get(FIELD) or {}, FIELD)
    size = reading.film_size(film)
    check_size([_side(facts, "height"), _side(facts, "width")], size)
    spacing = _spacing(facts, film)
    found = vertebrae(_marks(data, spacing), size=size)
    stem = film_stem(label)
    sample = Sample(
        key, film, *size, found.landmarks, group_of(stem), "slicer",
        spacing=None if spacing == _UNIT else spacing, aspect=true_aspect(stem, size),
        flags=found.flags, listed=found.listed,
    )  # fmt: skip
    return with_facts(sample, facts)


def to_slicer(sample: Sample, film: str) -> dict[str, Any]:
    """The JSON values of markups for a film that is called ``film`` as seen from the file.

    One point list; a corner not seen is left out, and a vertebra without a level is called V1, V2
    and so on from the top. The field ``spondyl`` keeps what markups do not know.
    """
    spacing = sample.spacing or _UNIT
    found = sample.landmarks
    points = [
        _control_point(f"{level or f'V{k}'} {name}", corner * _scale(spacing))
        for k, (level, corners) in enumerate(zip(found.names, found.points, strict=True), start=1)
        for name, corner in zip(CORNERS, corners, strict=True)
        if not np.isnan(corner).any()
    ]
    listed = [{"id": str(k)} | point for k, point in enumerate(points, start=1)]
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "controlPoints": listed,
    }
    size = {"film": film, "height": sample.height, "width": sample.width}
    return {"@schema": _SCHEMA, "markups": [markup], FIELD: size | facts_of(sample)}


def _control_point(label: str, place: Any) -> dict[str, Any]:
    return {
        "label": label,
        "position": [float(place[0]), float(place[1]), 0.0],
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": "defined",
    }


def _scale(spacing: PixelSpacing) -> Any:
    """Mm in x and y for each px."""
    return np.array([spacing.column_mm, spacing.row_mm])


def _spacing(facts: dict[str, Any], film: Path) -> PixelSpacing:
    """Mm a pixel in the markups."""
    if "spacing" in facts:
        return spacing_of(facts["spacing"]) or _UNIT
    if film.suffix.lower() in _PICTURES:
        return _UNIT
    return reading.read_radiograph(film).spacing or _UNIT


def _marks(data: dict[str, Any], spacing: PixelSpacing) -> list[Mark]:
    found: list[tuple[str, list[float]]] = []
    for each in items(entry(data, "markups", "the file"), "markups"):
        markup = mapping(each, "markup")
        if markup.get("type") == "Fiducial":
            sign = _sign(markup)
            points = items(markup.get("controlPoints", []), "controlPoints")
            found += [
                (label, [sign * place[0], sign * place[1], place[2]])
                for label, place in map(_defined, points)
                if place
            ]
    depths = [place[2] for _, place in found]
    if depths and max(depths) - min(depths) > _FLAT:
        raise AnnotationError("the points do not lie on one plane, need a film's")
    return [Mark(label, _pixel(place, spacing)) for label, place in found]


def _sign(markup: dict[str, Any]) -> float:
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("LPS", "RAS"):
        raise AnnotationError(f"coordinateSystem is {system!r}, need 'LPS' or 'RAS'")
    units = markup.get("coordinateUnits", "mm")
    unit = units[0] if isinstance(units, list) and units else units
    if unit not in _MILLIMETRES:
        raise AnnotationError(f"coordinateUnits is {unit!r}, need 'mm'")
    return _SIGNS[system]


def _defined(stored: Any) -> tuple[str, list[float]]:
    """A control point's label and position; the position is empty where it is not defined."""
    point = mapping(stored, "control point")
    label = text(point.get("label"), "label") or ""
    if point.get("positionStatus", "defined") != "defined":
        return label, []
    position = items(entry(point, "position", f"{label!r}"), f"{label!r} position")
    if len(position) != 3:
        raise AnnotationError(f"{label!r} has {len(position)} coordinates, need 3")
    return label, [number(value, f"{label!r} position") for value in position]


def _pixel(place: list[float], spacing: PixelSpacing) -> Point:
    return place[0] / spacing.column_mm, place[1] / spacing.row_mm


def _side(facts: dict[str, Any], side: str) -> float | None:
    value = facts.get(side)
    return None if value is None else number(value, side)
