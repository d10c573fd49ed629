"""What does a CVAT for images 1.1 file say of its films, and how is one written?"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, indent, tostring
from xml.parsers import expat

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import CORNERS
from spondyl.atomic import write_bytes
from spondyl.data.coco import corner_named, relative_name
from spondyl.data.facts import FIELD, facts_of, with_facts
from spondyl.data.films import Films
from spondyl.data.labels import group_of, load_bytes, mapping, named, number, true_aspect
from spondyl.data.sample import AnnotationSet, Sample
from spondyl.data.shapes import (
    Mark,
    Outline,
    Point,
    Shape,
    check_size,
    level_named,
    read_each,
    vertebrae,
)
from spondyl.errors import AnnotationError
from spondyl.film import reading

_EDGE: Final = 0.5  # px: CVAT measures from the film's edge, here the first px's centre is 0
_DEEPEST: Final = 50  # elements: CVAT itself nests eight
_FILM_TAG: Final = "film"


def is_cvat(content: bytes) -> bool:
    """Whether a file begins like CVAT's XML: with the element ``annotations``."""
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:4096]
    return start.startswith((b"<?xml", b"<annotations")) and b"<annotations" in start


def read_cvat(path: Path) -> AnnotationSet:
    """Reads CVAT for images 1.1: skeletons, polygons and points of four, or single points.

    CVAT's coordinates are px from the film's edge: image px = CVAT's - 0.5. A skeleton's points
    are labelled SL, ``superior_left`` and so on, ``outside`` = not seen; its level is its label or
    its attribute ``level``. A polygon, or four points in one shape, is labelled with the level, if
    any; the chain says which corner is which. Single points are labelled such as ``L5 SL``; a
    ``group_id`` holds those of one vertebra together. Other shapes are passed over. Films are
    looked for beside the file, in ``images`` and by name.

    Raises:
        AnnotationError: the file as a whole cannot be read, or is a video's.
    """
    with named(path):
        root = parse_xml(load_bytes(path))
        if root.tag != "annotations":
            raise AnnotationError(f"the XML holds {root.tag!r}, need CVAT's 'annotations'")
        if root.find("track") is not None:
            raise AnnotationError("annotations of a video, need 'CVAT for images 1.1'")
    return read_each(
        path, root.findall("image"),
        lambda image, films: _sample(path, image, films),
        lambda image: image.get("name"),
    )  # fmt: skip


def parse_xml(content: bytes) -> Element:
    """The root of an XML document without a document type: no entity is ever defined.

    Raises:
        AnnotationError: it is not XML, has a document type, or is nested too deeply.
    """
    builder, parser, depth = TreeBuilder(), expat.ParserCreate(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise AnnotationError("nested too deeply, need an annotation")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise AnnotationError("has a document type, which may define entities; need plain XML")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # an encoding nobody knows
        raise AnnotationError(f"not XML ({error})") from error
    return builder.close()


def write_cvat(path: Path, samples: Sequence[Sample]) -> None:
    """Writes samples; films are named relative to the file's folder.

    A vertebra is a skeleton ``vertebra`` of the points SL, SR, IL, IR with an attribute ``level``;
    a corner not seen is ``outside``. What CVAT does not know is in the attribute ``spondyl`` of a
    tag ``film``.
    """
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    root.append(_meta(len(samples)))
    for k, sample in enumerate(samples):
        root.append(_image(k, relative_name(sample.path, path.parent), sample))
    indent(root)
    write_bytes(path, tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _sample(path: Path, image: Element, films: Films) -> Sample:
    film = films.linked(path, _attribute(image, "name"))
    size = reading.film_size(film)
    check_size([_side(image, "height"), _side(image, "width")], size)
    drawn: list[Shape] = []
    for k, shape in enumerate(image, start=1):
        if shape.tag == "skeleton":
            drawn.append(_skeleton(shape, f"skeleton {k}"))
        elif shape.tag in ("polygon", "points"):
            drawn.append(_shape(shape, f"{shape.tag} {k}"))
    found = vertebrae(drawn, size=size)
    sample = Sample(
        films.key(film), film, *size, found.landmarks, group_of(film.stem), "cvat",
        aspect=true_aspect(film.stem, size), flags=found.flags, listed=found.listed,
    )  # fmt: skip
    return with_facts(sample, _facts(image))


def _skeleton(shape: Element, what: str) -> Outline:
    corners: dict[str, Point] = {}
    for each in shape.findall("points"):
        name = corner_named(_attribute(each, "label"))
        if not name:
            raise AnnotationError(
                f"{what} has the point {each.get('label')!r}, need SL, SR, IL and IR"
            )
        if name in corners:
            raise AnnotationError(f"{what} has the corner {name} twice")
        corners[name] = _place(each, what)
    points = [corners.get(name, (math.nan, math.nan)) for name in CORNERS]
    label = _attribute(shape, "label")
    return Outline(label if level_named(label) else _level(shape), points, (0, 1, 2, 3))


def _place(point: Element, what: str) -> Point:
    if point.get("outside") == "1":
        return math.nan, math.nan
    places = _points(point, what)
    if len(places) != 1:
        raise AnnotationError(f"{what} has {len(places)} places for one point, need 1")
    return places[0]


def _shape(shape: Element, what: str) -> Shape:
    label, points = _attribute(shape, "label"), _points(shape, what)
    if shape.tag == "points" and len(points) == 1:
        return Mark(label, points[0], shape.get("group_id"))
    return Outline(label if level_named(label) else _level(shape) or label, points)


def _points(shape: Element, what: str) -> list[Point]:
    pairs = [pair.split(",") for pair in _attribute(shape, "points").split(";")]
    try:
        numbers = [(float(x), float(y)) for x, y in pairs]
    except ValueError as error:
        raise AnnotationError(f"{what}: points are not 'x,y;x,y' ({error})") from error
    return [(number(x, what) - _EDGE, number(y, what) - _EDGE) for x, y in numbers]


def _level(shape: Element) -> str:
    found = (each.text for each in shape.findall("attribute") if each.get("name") == "level")
    return next(found, None) or ""


def _facts(image: Element) -> dict[str, object]:
    for tag in image.findall("tag"):
        for attribute in tag.findall("attribute"):
            if attribute.get("name") == FIELD:
                return _json(attribute.text or "")
    return {}


def _json(stored: str) -> dict[str, object]:
    try:
        return mapping(json.loads(stored), FIELD)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"the attribute {FIELD!r} is not JSON") from error


def _attribute(element: Element, name: str) -> str:
    value = element.get(name)
    if value is None:
        raise AnnotationError(f"{element.tag!r} has no {name!r}")
    return value


def _side(image: Element, side: str) -> float | None:
    value = image.get(side)
    try:
        return None if value is None else number(float(value), side)
    except ValueError as error:
        raise AnnotationError(f"{side} is {value!r}, need a number") from error


def _meta(count: int) -> Element:
    meta = Element("meta")
    task = SubElement(meta, "task")
    SubElement(task, "name").text = "vertebral landmarks"
    SubElement(task, "size").text = str(count)
    SubElement(task, "mode").text = "annotation"
    labels = SubElement(task, "labels")
    _label(labels, "vertebra", "skeleton", attribute="level")
    for corner in CORNERS:
        _label(labels, corner, "points", parent="vertebra")
    _label(labels, _FILM_TAG, "tag", attribute=FIELD)
    return meta


def _label(
    labels: Element,
    name: str,
    kind: str,
    *,
    attribute: str | None = None,
    parent: str | None = None,
) -> None:
    label = SubElement(labels, "label")
    SubElement(label, "name").text = name
    SubElement(label, "type").text = kind
    attributes = SubElement(label, "attributes")
    if attribute:
        stored = SubElement(attributes, "attribute")
        fields = {"name": attribute, "mutable": "False", "input_type": "text"}
        for field, value in (fields | {"default_value": "", "values": ""}).items():
            SubElement(stored, field).text = value
    if parent:
        SubElement(label, "parent").text = parent


def _image(k: int, name: str, sample: Sample) -> Element:
    size = {"width": str(sample.width), "height": str(sample.height)}
    image = Element("image", {"id": str(k), "name": name} | size)
    found = sample.landmarks
    for level, corners in zip(found.names, found.points, strict=True):
        image.append(_vertebra(level, corners))
    tag = SubElement(image, "tag", {"label": _FILM_TAG, "source": "manual"})
    SubElement(tag, "attribute", {"name": FIELD}).text = json.dumps(facts_of(sample))
    return image


def _vertebra(level: str | None, corners: Float64[np.ndarray, "4 2"]) -> Element:
    skeleton = Element("skeleton", {"label": "vertebra", "source": "manual", "z_order": "0"})
    for name, (x, y) in zip(CORNERS, corners.tolist(), strict=True):
        unseen = math.isnan(x)
        place = "0.00,0.00" if unseen else f"{x + _EDGE!r},{y + _EDGE!r}"
        state = {"source": "manual", "outside": str(int(unseen)), "occluded": "0"}
        SubElement(skeleton, "points", {"label": name} | state | {"points": place})
    SubElement(skeleton, "attribute", {"name": "level"}).text = level or ""
    return skeleton
