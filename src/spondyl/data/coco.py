"""How are landmarks kept in COCO keypoint files, ours and those of other tools?"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, get_args

import numpy as np
from jaxtyping import Bool, Float64

from spondyl.anatomy import CORNERS, Facing, is_level
from spondyl.atomic import write_json
from spondyl.data.facts import facts_of, one_of, text, with_facts
from spondyl.data.labels import (
    Labelled,
    entry,
    group_of,
    items,
    labelled,
    load_json,
    mapping,
    named,
    number,
    quad,
    true_aspect,
)
from spondyl.data.ordering import CornerOrder, corner_order
from spondyl.data.sample import AnnotationSet, Listed, Problem, Sample
from spondyl.errors import AnnotationError, FilmError
from spondyl.film import reading
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals

KEYPOINTS: Final = ("superior_left", "superior_right", "inferior_left", "inferior_right")

_SKELETON: Final = ((1, 2), (2, 4), (4, 3), (3, 1))
_CATEGORY: Final = 1
_EDITED: Final = 0.01  # px: other tools round to two decimals; a larger difference is an edit
_ENDS: Final = {
    "s": "S", "t": "S", "u": "S", "superior": "S", "top": "S", "upper": "S",
    "i": "I", "b": "I", "inferior": "I", "bottom": "I", "lower": "I",
    "l": "L", "left": "L", "r": "R", "right": "R",
}  # fmt: skip


def write_coco(
    path: Path,
    samples: Sequence[Sample],
    *,
    made_by: Mapping[str, str] | None = None,
    intervals: Intervals | None = None,
) -> None:
    """Writes annotations, or predictions where ``made_by`` says what made them.

    ``intervals`` say how wide the intervals of what is measured on predictions must be.

    One annotation a vertebra, superior to inferior, in the category ``vertebra`` with the keypoints
    ``KEYPOINTS``: image px, the centre of the first pixel at (0, 0), v = 2 seen, 0 not seen. Films
    are named relative to the file's folder. Fields that COCO does not know carry the rest;
    ``landmarks`` of an image is exact.
    """
    images = [_image(k, sample, path.parent) for k, sample in enumerate(samples, start=1)]
    vertebrae = [
        _annotation(k, sample.landmarks, i)
        for k, sample in enumerate(samples, start=1)
        for i in range(len(sample.landmarks))
    ]
    info: dict[str, Any] = {"description": "vertebral landmarks", "version": "1"}
    if intervals is not None:
        info["intervals"] = intervals.to_json()
    category = {"id": _CATEGORY, "name": "vertebra", "supercategory": "spine"}
    data = {
        "info": info | ({"made_by": dict(made_by)} if made_by is not None else {}),
        "images": images,
        "categories": [category | {"keypoints": KEYPOINTS, "skeleton": _SKELETON}],
        "annotations": [{"id": n} | each for n, each in enumerate(vertebrae, start=1)],
    }
    write_json(path, data)


def read_coco(path: Path) -> AnnotationSet:
    """Reads COCO keypoints: ours, or any with four keypoints a vertebra.

    Coordinates are taken as image px with the centre of the first pixel at (0, 0), as in
    ``write_coco``. Corners of a known name keep it where it fits the spine; others are named by
    their place along it. Keypoints that were edited count more than ``landmarks``. A film of an
    annotation must be there and have the stated size; a film of a prediction need not.

    Raises:
        AnnotationError: the file as a whole cannot be read.
    """
    with named(path):
        data = mapping(load_json(path), "the file")
        info = mapping(data.get("info") or {}, "info")
        made_by = mapping(info.get("made_by") or {}, "made_by")
        intervals = _intervals(info.get("intervals"))
        categories = _categories(data)
        vertebrae = _by_image(data)
        images = items(entry(data, "images", "the file"), "images")
    samples: list[Sample] = []
    problems: list[Problem] = []
    for each in images:
        try:
            image = mapping(each, "image")
            film = _film(path, image)
            size = _size(film, image, predicted=bool(made_by))
            stored = vertebrae.get(_identity(entry(image, "id", "image")), [])
            samples.append(_sample(film, image, size, _landmarks(image, stored, size, categories)))
        except (AnnotationError, FilmError) as error:
            problems.append(Problem.of(_place(path, each), error))
    return AnnotationSet(tuple(samples), tuple(problems), made_by, intervals)


@dataclass(frozen=True, slots=True)
class _Category:
    """How a category lists corners (None = unknown names), and the level that it stands for."""

    order: CornerOrder | None
    level: str | None


def _image(image_id: int, sample: Sample, folder: Path) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": relative_name(sample.path, folder),
        "width": sample.width,
        "height": sample.height,
        **facts_of(sample),
        "landmarks": sample.landmarks.to_json(),
    }


def relative_name(film: Path, folder: Path) -> str:
    """The film's path as seen from ``folder``, with ``/`` on every system."""
    try:
        return Path(os.path.relpath(film, folder)).as_posix()
    except ValueError:  # another drive on Windows
        return film.resolve().as_posix()


def _annotation(image_id: int, landmarks: Landmarks, i: int) -> dict[str, Any]:
    points, confidence = landmarks.points[i], landmarks.confidence[i]
    seen = ~np.isnan(points[:, 0])
    low, high = points[seen].min(axis=0), points[seen].max(axis=0)
    width, height = high - low
    rated = confidence[~np.isnan(confidence)]
    probability = landmarks.level_probability[i]
    data = {
        "image_id": image_id,
        "category_id": _CATEGORY,
        "bbox": [*low.tolist(), float(width), float(height)],
        "area": float(width * height),
        "iscrowd": 0,
        "num_keypoints": int(seen.sum()),
        "keypoints": _flat(points, seen),
        "level": landmarks.names[i],
        "level_probability": None if np.isnan(probability) else float(probability),
        "confidence": [None if np.isnan(c) else float(c) for c in confidence],
    }
    return data | ({"score": float(rated.mean())} if len(rated) else {})


def _flat(points: Float64[np.ndarray, "4 2"], seen: Bool[np.ndarray, " 4"]) -> list[float]:
    triples = [[*p.tolist(), 2] if s else [0, 0, 0] for p, s in zip(points, seen, strict=True)]
    return [value for triple in triples for value in triple]


def _categories(data: dict[str, Any]) -> dict[str, _Category]:
    """The categories with four keypoints, by identity."""
    found: dict[str, _Category] = {}
    for each in items(entry(data, "categories", "the file"), "categories"):
        category = mapping(each, "category")
        names = [str(name) for name in items(category.get("keypoints", []), "category keypoints")]
        if len(names) == len(KEYPOINTS):
            level = str(category.get("name", ""))
            identity = _identity(entry(category, "id", "category"))
            found[identity] = _Category(order_of(names), level if is_level(level) else None)
    if not found:
        raise AnnotationError("no category has 4 keypoints, need the corners of a vertebra")
    return found


def order_of(names: Sequence[str]) -> CornerOrder | None:
    """The corner order of four keypoint names, such as ``top_left`` or ``IR``; None if unknown."""
    corners = [corner_named(name) for name in names]
    if sorted(corners) != sorted(CORNERS):
        return None
    return corner_order(*corners)


def corner_named(name: str) -> str:
    """SL, SR, IL or IR for a name that says so, else an empty text."""
    words = re.split(r"[^a-z]+", name.lower())
    ends = {_ENDS.get(word, "") for word in (words if len(words) > 1 else words[0])}
    return next((corner for corner in CORNERS if set(corner) == ends), "")


def _intervals(stored: object) -> Intervals | None:
    if stored is None:
        return None
    try:
        return Intervals.from_json(mapping(stored, "intervals"))
    except ValueError as error:
        raise AnnotationError(f"intervals: {error}") from error


def _by_image(data: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in items(entry(data, "annotations", "the file"), "annotations"):
        annotation = mapping(each, "annotation")
        found[_identity(entry(annotation, "image_id", "annotation"))].append(annotation)
    return found


def _identity(value: object) -> str:
    return json.dumps(value)


def _sample(film: Path, image: dict[str, Any], size: tuple[int, int], found: Labelled) -> Sample:
    stem = PurePosixPath(film.name).stem
    key = PurePosixPath(image["file_name"]).with_suffix("").as_posix()
    plain = Sample(
        key, film, *size, found.landmarks, group_of(stem), "coco",
        aspect=true_aspect(stem, size), flags=found.flags, listed=found.listed,
    )  # fmt: skip
    return with_facts(plain, image)


def _film(path: Path, image: dict[str, Any]) -> Path:
    """The film: beside the file, or in a folder ``images`` beside or above it."""
    name = text(entry(image, "file_name", "image"), "file_name")
    if not name:
        raise AnnotationError("file_name is empty, need the film's name")
    folders = (path.parent, path.parent / "images", path.parent.parent / "images")
    films = [Path(os.path.normpath(folder / name)) for folder in folders]
    return next((film for film in films if film.is_file()), films[0])


def _size(film: Path, image: dict[str, Any], *, predicted: bool) -> tuple[int, int]:
    """Height and width as stated; those of the film where it must be there."""
    stated = tuple(
        int(number(image[side], side)) if predicted or side in image else None
        for side in ("height", "width")
    )
    if predicted:
        return stated[0] or 0, stated[1] or 0
    if not film.is_file():
        raise AnnotationError("the film is missing")
    height, width = reading.film_size(film)
    if stated[0] not in (None, height) or stated[1] not in (None, width):
        said = f"{stated[1]} x {stated[0]}"
        raise AnnotationError(f"the film is {width} x {height} px, the annotation says {said}")
    return height, width


def _landmarks(
    image: dict[str, Any],
    annotations: Sequence[dict[str, Any]],
    size: tuple[int, int],
    categories: Mapping[str, _Category],
) -> Labelled:
    exact = _exact(image.get("landmarks"))
    kept = [each for each in annotations if _identity(each.get("category_id")) in categories]
    whats = [str(each.get("level") or f"vertebra {k}") for k, each in enumerate(kept, start=1)]
    quads = [_quad(each, what) for each, what in zip(kept, whats, strict=True)]
    boxes = np.array([_box(each) for each in kept]).reshape(-1, 4)
    if exact is not None and _same(exact.points, quads):
        stated = zip(kept, exact.names, strict=True)  # other tools may leave the level away
        exact = _renamed(exact, [text(each.get("level", own), "level") for each, own in stated])
        return Labelled(exact, frozenset(), Listed(exact.points, boxes, exact.names))
    of = [categories[_identity(each["category_id"])] for each in kept]
    orders = {each.order for each in of}
    levels = [text(a.get("level"), "level") or c.level for a, c in zip(kept, of, strict=True)]
    return labelled(
        quads,
        order=orders.pop() if len(orders) == 1 else None,
        size=size,
        levels=levels if any(levels) else None,
        facing=one_of(image.get("facing"), get_args(Facing), "facing"),
        boxes=boxes,
    )


def _renamed(exact: Landmarks, levels: Sequence[str | None]) -> Landmarks:
    """The landmarks with the names that were edited; how probable those are, nobody has said.

    Raises:
        AnnotationError: a name is unknown, or given twice.
    """
    if tuple(levels) == exact.names:
        return exact
    kept = [new == old for new, old in zip(levels, exact.names, strict=True)]
    probability = np.where(kept, exact.level_probability, np.nan)
    try:
        return replace(exact, levels=tuple(levels), level_probability=probability)
    except ValueError as error:
        raise AnnotationError(str(error)) from error


def _box(annotation: dict[str, Any]) -> list[float]:
    """x1, y1, x2, y2; NaN where there is no box of four numbers, which nothing here needs."""
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        return [np.nan] * 4
    if not all(isinstance(value, int | float) for value in box):
        return [np.nan] * 4
    x, y, width, height = map(float, box)
    return [x, y, x + width, y + height]


def _exact(stored: object) -> Landmarks | None:
    if stored is None:
        return None
    try:
        landmarks = Landmarks.from_json(mapping(stored, "landmarks"))
    except ValueError as error:
        raise AnnotationError(f"landmarks: {error}") from error
    one_of(landmarks.facing, get_args(Facing), "facing")
    return landmarks


def _same(points: Float64[np.ndarray, "v 4 2"], quads: list[Float64[np.ndarray, "4 2"]]) -> bool:
    """Whether the keypoints are ``points`` up to rounding."""
    if len(points) != len(quads):
        return False
    others = np.array(quads).reshape(-1, 4, 2)
    return bool(np.allclose(points, others, rtol=0, atol=_EDITED, equal_nan=True))


def _quad(annotation: dict[str, Any], what: str) -> Float64[np.ndarray, "4 2"]:
    flat = items(entry(annotation, "keypoints", what), f"{what} keypoints")
    if len(flat) % 3:
        raise AnnotationError(
            f"{what} has {len(flat)} keypoint numbers, need x, y, v for 4 corners"
        )
    return quad([flat[k : k + 3] for k in range(0, len(flat), 3)], what)


def _place(path: Path, image: object) -> Path:
    """The film's path for a message, or the file's where the image has no name."""
    name = image.get("file_name") if isinstance(image, dict) else None
    return Path(os.path.normpath(path.parent / name)) if isinstance(name, str) else path
