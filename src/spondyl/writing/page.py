"""What is a page: titles, tables and pictures without markup, and how it becomes HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

Overlay = tuple[str, Path | bytes]
"""Caption and picture: a file or the bytes of one."""

_PICTURE_SIDE: Final = 900  # px of an embedded picture: sharp on a page, and small


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as it is shown, its interval, a word that makes it stand out, and remarks.

    ``prose`` is for words: they begin at the left and may take several lines.
    """

    value: str
    interval: str = ""
    verdict: str = ""
    notes: tuple[str, ...] = ()
    prose: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table, with a remark on its label; without cells it heads the lines below it.

    ``href`` is a page beside this one that the label leads to, ``picture`` a small one before it.
    """

    label: str
    cells: tuple[Cell, ...] = ()
    note: str = ""
    href: str = ""
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, the first for the labels, and rows."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """An SVG element of our own drawing and what it shows."""

    svg: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An embedded picture: a data URI and its caption."""

    uri: str
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; whatever is empty is left out. ``remarks`` are counted from 1."""

    title: str
    text: str = ""
    table: Table | None = None
    figures: tuple[Figure, ...] = ()
    pictures: tuple[Picture, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure that everybody should see first."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page, in order.

    With ``across``, the number of pictures side by side, the page is wide and its tables dense. A
    ``plate`` stands beside the sections and stays in view. ``back`` is a page and what it is
    called.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    tiles: tuple[Tile, ...] = ()
    across: int = 0
    plate: Picture | None = None
    back: tuple[str, str] | None = None


def embedded(overlays: Sequence[Overlay], *, side: int = _PICTURE_SIDE) -> tuple[Picture, ...]:
    """The pictures as a page holds them, without any other file, at most ``side`` px long."""
    return tuple(Picture(_data_uri(picture, side), caption) for caption, picture in overlays)


def _data_uri(picture: Path | bytes, side: int) -> str:
    """A data URI of the picture, reduced to what a page shows."""
    from PIL import Image

    source = io.BytesIO(picture if isinstance(picture, bytes) else picture.read_bytes())
    with Image.open(source) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88, subsampling=0)  # thin coloured lines stay bright
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def render(content: Page) -> str:
    """The page as HTML; every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("spondyl.writing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=content)
