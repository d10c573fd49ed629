"""How does an overlay become a vector drawing that stands alone and says what each line is?"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree

from PIL import Image

from spondyl.film.radiograph import Radiograph
from spondyl.spine.drawing import HALO, Colour, Dot, Drawing, Stroke, Words, canvas

_SPACE: Final = "http://www.w3.org/2000/svg"
_RIM: Final = 1.2  # units that a black rim is wider than its stroke
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def overlay_svg(radiograph: Radiograph, drawing: Drawing, *, made_by: Mapping[str, str]) -> str:
    """The film as a PNG with its drawing over it, as SVG that refers to nothing outside itself.

    Each shape has its kind as ``class`` (``endplate``, ``wall``, ``corner``, ``uncertainty``,
    ``measured``) and a title that says what it is; ``made_by`` is in ``metadata`` as JSON.
    """
    size = {"width": str(drawing.width), "height": str(drawing.height)}
    root = ElementTree.Element(
        "svg", {"xmlns": _SPACE, "viewBox": f"0 0 {drawing.width} {drawing.height}", **size}
    )
    _add(root, "title").text = "landmarks on a spine radiograph, research use only"
    _add(root, "metadata").text = json.dumps(dict(made_by), ensure_ascii=False)
    _add(root, "image", href=_png(canvas(radiograph, drawing)), **size)
    # a pixel is centred on its coordinates in a picture, and begins there in SVG
    group = _add(root, "g", transform="translate(0.5 0.5)", fill="none")
    for shape in drawing.shapes:
        _put(group, shape, drawing.unit)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _put(parent: ElementTree.Element, shape: Stroke | Dot | Words, unit: float) -> None:
    if isinstance(shape, Words):
        _write(parent, shape, unit)
        return
    group = _add(parent, "g", **{"class": shape.kind})
    _add(group, "title").text = shape.title
    if isinstance(shape, Dot):
        place = {"cx": _figure(shape.at[0]), "cy": _figure(shape.at[1])}
        _add(group, "circle", **place, r=_figure((shape.radius + 0.8) * unit), fill=_rgb(HALO))
        _add(group, "circle", **place, r=_figure(shape.radius * unit), fill=_rgb(shape.colour))
        return
    points = " ".join(f"{_figure(x)},{_figure(y)}" for x, y in shape.path)
    for colour, width in ((HALO, shape.width + _RIM), (shape.colour, shape.width)):
        _add(group, "polyline", points=points, stroke=_rgb(colour),
             **{"stroke-width": _figure(width * unit)})  # fmt: skip


def _write(parent: ElementTree.Element, words: Words, unit: float) -> None:
    look = {
        "font-family": _FONT,
        "font-size": _figure(words.size * unit),
        "text-anchor": words.anchor,
        "dominant-baseline": "central",
        "fill": _rgb(words.colour),
        "stroke": _rgb(HALO),
        "stroke-width": _figure(2 * _RIM * unit),
        "paint-order": "stroke",
    }
    _add(parent, "text", x=_figure(words.at[0]), y=_figure(words.at[1]), **look).text = words.text


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def _figure(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _rgb(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _png(film: Image.Image) -> str:
    buffer = io.BytesIO()
    film.convert("L").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
