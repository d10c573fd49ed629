"""How do polygons and points drawn in an annotation tool become vertebrae?"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import CORNERS, is_level
from spondyl.data.coco import corner_named
from spondyl.data.films import Films
from spondyl.data.labels import Labelled, labelled
from spondyl.data.ordering import CANONICAL, CornerOrder, canonical
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.errors import AnnotationError, FilmError

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """One vertebra drawn as one shape: its label, and four corners in image px, NaN = not seen.

    ``order`` says which of them is which; None where the tool does not.
    """

    label: str
    points: Sequence[Point]
    order: CornerOrder | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """One corner drawn as a point: in image px, labelled such as ``L5 SL``, ``L5`` or ``SL``.

    Marks of one ``group`` belong to one vertebra; where there is none, marks whose labels name
    the same vertebra.
    """

    label: str
    point: Point
    group: str | None = None


@dataclass(slots=True)
class _Cluster:
    """The marks of one vertebra so far: those with a corner's name, and those without."""

    level: str | None = None
    named: dict[str, Point] = field(default_factory=dict)
    unnamed: list[Point] = field(default_factory=list)


Shape = Outline | Mark


def vertebrae(shapes: Sequence[Shape], *, size: tuple[int, int]) -> Labelled:
    """Landmarks of a film of ``size`` (height, width) from what was drawn on it, in that order.

    The level is the one that a label begins with (``L5``, ``L5_SL``), None where it begins with
    none. Corners that no name tells apart are named by the direction of the chain.

    Raises:
        AnnotationError: an outline has not four points, a vertebra has a corner twice or fewer
            than four corners without names, or the landmarks are impossible.
    """
    drawn = [
        _from_outline(each) if isinstance(each, Outline) else _from_cluster(name, each)
        for name, each in _gathered(shapes).items()
    ]
    levels = [level for level, _, _ in drawn]
    quads = [quad for _, quad, _ in drawn]
    stated = [order is not None for _, _, order in drawn]
    if any(stated) and not all(stated):
        _name_corners(quads, [k for k, known in enumerate(stated) if not known])
    return labelled(
        quads,
        order=CANONICAL if any(stated) else None,
        size=size,
        levels=levels if any(levels) else None,
    )


def level_named(label: str) -> str | None:
    """The level that a label begins with, in either case; None where it begins with none."""
    words = _words(label)
    return words[0].upper() if words and is_level(words[0].upper()) else None


def split_label(label: str) -> tuple[str, str]:
    """A label such as ``L5_superior_left`` as the vertebra's name and the corner SL.

    Either is empty where the label does not say it.
    """
    words = _words(label)
    for place in range(len(words)):
        ending = " ".join(words[place:])
        if not any(letter.isdigit() for letter in ending) and (corner := corner_named(ending)):
            return " ".join(words[:place]), corner
    return " ".join(words), ""


def read_each(
    path: Path,
    stored: Iterable[Any],
    read: Callable[[Any, Films], Sample],
    name_of: Callable[[Any], str | None],
) -> AnnotationSet:
    """The samples of a file ``path`` that holds many films; what one of them lacks is a problem."""
    films = Films(path.parent)
    samples: list[Sample] = []
    problems: list[Problem] = []
    for each in stored:
        try:
            samples.append(read(each, films))
        except (AnnotationError, FilmError) as error:
            place = path.parent / name if (name := name_of(each)) else path
            problems.append(Problem.of(place, error))
    return AnnotationSet(tuple(samples), tuple(problems))


def check_size(stated: Sequence[float | None], size: tuple[int, int]) -> None:
    """Compares the height and width that an annotation states, None = not, with the film's.

    Raises:
        AnnotationError: they differ.
    """
    if any(said is not None and said != true for said, true in zip(stated, size, strict=True)):
        said = " x ".join("?" if side is None else f"{side:g}" for side in reversed(stated))
        raise AnnotationError(f"the film is {size[1]} x {size[0]} px, the annotation says {said}")


def _words(label: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", label) if word]


def _from_outline(
    outline: Outline,
) -> tuple[str | None, Float64[np.ndarray, "4 2"], CornerOrder | None]:
    if len(outline.points) != len(CORNERS):
        count = len(outline.points)
        raise AnnotationError(f"{outline.label!r} has {count} points, need the 4 corners")
    points = np.array(outline.points, dtype=np.float64)
    if outline.order is not None:
        points = points[list(outline.order)]
    return level_named(outline.label), points, outline.order


def _gathered(shapes: Sequence[Shape]) -> dict[str | int, Outline | _Cluster]:
    """Outlines by their place, and the marks of each vertebra by what they have in common."""
    found: dict[str | int, Outline | _Cluster] = {}
    clusters: dict[str, _Cluster] = {}
    for k, shape in enumerate(shapes):
        if isinstance(shape, Outline):
            found[k] = shape
            continue
        name, corner = split_label(shape.label)
        identity = name if shape.group is None else f"group {shape.group}"
        found[identity] = cluster = clusters.setdefault(identity, _Cluster())
        _add(cluster, shape, name or identity, corner)
    return found


def _add(cluster: _Cluster, mark: Mark, name: str, corner: str) -> None:
    cluster.level = cluster.level or level_named(name)
    if not corner:
        cluster.unnamed.append(mark.point)
    elif corner in cluster.named:
        raise AnnotationError(f"{name} has the corner {corner} twice")
    else:
        cluster.named[corner] = mark.point


def _from_cluster(
    identity: str | int, cluster: _Cluster
) -> tuple[str | None, Float64[np.ndarray, "4 2"], CornerOrder | None]:
    name = cluster.level or identity or "a vertebra"
    if cluster.named and cluster.unnamed:
        raise AnnotationError(f"{name} has corners with a name and without, need one or the other")
    if cluster.named:
        missing = (math.nan, math.nan)
        points = np.array([cluster.named.get(corner, missing) for corner in CORNERS])
        return cluster.level, points, CANONICAL
    if len(cluster.unnamed) != len(CORNERS):
        counted = f"{len(cluster.unnamed)} points without a corner's name"
        raise AnnotationError(f"{name} has {counted}, need 4, or names such as L5 SL")
    return cluster.level, np.array(cluster.unnamed), None


def _name_corners(quads: list[Float64[np.ndarray, "4 2"]], unnamed: Sequence[int]) -> None:
    """Puts the corners of the ``unnamed`` quads into the order SL, SR, IL, IR, in place."""
    result = canonical(np.array([quads[k] for k in unnamed]), order=None)
    for place, points in zip(result.indices, result.points, strict=True):
        quads[unnamed[place]] = points
