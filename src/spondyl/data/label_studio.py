"""What does a JSON export of Label Studio say of its films?"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from spondyl.data.facts import text
from spondyl.data.films import Films
from spondyl.data.labels import (
    entry,
    group_of,
    items,
    load_json,
    mapping,
    named,
    number,
    true_aspect,
)
from spondyl.data.sample import AnnotationSet, Sample
from spondyl.data.shapes import Mark, Outline, Point, Shape, check_size, read_each, vertebrae
from spondyl.errors import AnnotationError
from spondyl.film import reading

_UPLOADED: Final = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what an upload puts before a file's name


def is_label_studio(data: object) -> bool:
    """Whether JSON values look like an export: a list of tasks with ``data`` and annotations."""
    if not (isinstance(data, list) and data and isinstance(data[0], dict)):
        return False
    return "data" in data[0] and ("annotations" in data[0] or "completions" in data[0])


def read_label_studio(path: Path) -> AnnotationSet:
    """Reads ``keypointlabels`` and ``polygonlabels`` of the format JSON (not JSON-MIN).

    Coordinates are percentages of ``original_width`` and ``original_height``, from the film's
    edge: image px = percentage / 100 x side - 0.5. Keypoints are labelled such as ``L5 SL``; where
    they only say ``SL``, the region that they are part of (``parentID``) holds those of one
    vertebra together and names its level. A polygon has four points and the level as label, if
    any; the chain says which corner is which. A task without an annotation, or with two, is a
    problem; predictions are passed over. Films are found by their name, without the eight digits
    that an upload puts before it.

    Raises:
        AnnotationError: the file as a whole cannot be read.
    """
    with named(path):
        tasks = items(load_json(path), "the file")
    return read_each(path, tasks, lambda task, films: _sample(path, task, films), _name_or_none)


def _sample(path: Path, stored: Any, films: Films) -> Sample:
    task = mapping(stored, "task")
    film = _film(path, task, films)
    size = reading.film_size(film)
    regions = [mapping(each, "result") for each in _results(task)]
    labels = {str(r["id"]): _label(r) for r in regions if "id" in r}
    drawn = [
        _shape(region, size, labels)
        for region in regions
        if region.get("type") in ("keypointlabels", "polygonlabels")
    ]
    found = vertebrae(drawn, size=size)
    return Sample(
        films.key(film), film, *size, found.landmarks, group_of(film.stem), "label-studio",
        aspect=true_aspect(film.stem, size), flags=found.flags, listed=found.listed,
    )  # fmt: skip


def _shape(region: dict[str, Any], size: tuple[int, int], labels: dict[str, str]) -> Shape:
    _check_frame(region, size)
    value = mapping(entry(region, "value", "result"), "value")
    if region["type"] == "polygonlabels":
        points = [items(each, "point") for each in items(value.get("points"), "points")]
        return Outline(_label(region), [_place(each, size) for each in points])
    parent = region.get("parentID")
    label = f"{labels.get(str(parent), '')} {_label(region)}".strip()
    place = _place([value.get("x"), value.get("y")], size)
    return Mark(label, place, None if parent is None else str(parent))


def _place(point: list[Any], size: tuple[int, int]) -> Point:
    if len(point) != 2:
        raise AnnotationError(f"a point has {len(point)} numbers, need x, y")
    height, width = size
    x, y = number(point[0], "x"), number(point[1], "y")
    return x / 100 * width - 0.5, y / 100 * height - 0.5


def _label(region: dict[str, Any]) -> str:
    """The label of a region; empty where it has none."""
    value = region.get("value")
    labels = value.get(str(region.get("type"))) if isinstance(value, dict) else None
    if not isinstance(labels, list) or not labels:
        return ""
    return text(labels[0], "label") or ""


def _results(task: dict[str, Any]) -> list[Any]:
    """The results of a task's one annotation."""
    stored = items(task.get("annotations", task.get("completions")), "annotations")
    done = [mapping(each, "annotation") for each in stored]
    done = [each for each in done if not each.get("was_cancelled")]
    if len(done) != 1:
        raise AnnotationError(f"{len(done)} annotations, need 1")
    return items(entry(done[0], "result", "annotation"), "result")


def _check_frame(region: dict[str, Any], size: tuple[int, int]) -> None:
    if number(region.get("image_rotation", 0), "image_rotation") != 0:
        raise AnnotationError("the film was turned while it was annotated, need it upright")
    sides = [region.get(f"original_{side}") for side in ("height", "width")]
    check_size([None if s is None else number(s, "original size") for s in sides], size)


def _film(path: Path, task: dict[str, Any], films: Films) -> Path:
    name = _name_or_none(task)
    if name is None:
        raise AnnotationError("task names no film in its data, need 'image'")
    plain = _UPLOADED.sub("", name)
    return films.linked(path, name if films.has(Path(name).stem) else plain)


def _name_or_none(task: Any) -> str | None:
    """The name of the film in a task's ``data``: the end of a path, an address or a query."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        return None
    values = [data.get("image"), *data.values()]
    address = next((each for each in values if isinstance(each, str)), None)
    return None if address is None else _end_of(address)


def _end_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:  # a broken address is taken as a path
        return PurePosixPath(address).name
    local = parse_qs(parts.query).get("d")  # /data/local-files/?d=folder/film.png
    return PurePosixPath(local[0] if local else unquote(parts.path)).name
