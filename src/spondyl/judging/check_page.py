"""What stands on the page about the faults of a folder of labels?"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from spondyl.checking.check import Checked
from spondyl.checking.faults import SEVERITIES, Fault, counts
from spondyl.checking.order import Chain
from spondyl.data.sample import Sample
from spondyl.errors import FilmError
from spondyl.spine.drawing import draw_overlay
from spondyl.spine.landmarks import Landmarks
from spondyl.writing.page import (
    Cell,
    Overlay,
    Page,
    Picture,
    Row,
    Section,
    Table,
    Tile,
    embedded,
    render,
)  # fmt: skip

MOST_PICTURES: Final = 60
"""Films that are drawn on the page; the faults of all are listed."""

_LISTED: Final = 2000  # faults in the page's table: JSON holds them all
_WORST: Final = 20
_SIDE: Final = 640  # px of a picture
_SEVERITY_TEXT: Final = (
    "Errors are wrong whatever the anatomy, and block. Warnings are unlike their neighbours:"
    " pathology looks the same, so they have to be looked at. Notes are worth knowing."
)


def check_page(checked: Checked, pictures: Sequence[Picture] = (), *, left_out: int = 0) -> str:
    """The page as HTML: counts, films to look at first, overlays, and every fault.

    ``left_out`` is how many films with faults have no picture.
    """
    sections = (
        Section("Kinds of fault", _SEVERITY_TEXT, _kind_table(checked)),
        *_worst(checked),
        *_gallery(pictures, left_out),
        Section("Every fault", _listed_text(checked), _fault_table(checked.faults[:_LISTED])),
    )
    subtitle = f"{checked.films} films, {checked.vertebrae} vertebrae: " + ", ".join(
        f"{count} {source}" for source, count in checked.sources.items()
    )
    return render(Page(f"Labels in {checked.folder}", subtitle, sections, _tiles(checked)))


def draw_faults(
    checked: Checked,
    samples: Sequence[Sample],
    *,
    most: int = MOST_PICTURES,
    on_done: Callable[[int], object] = lambda count: None,
) -> tuple[tuple[Picture, ...], int]:
    """A picture of each film with an error or a warning, the worst first; how many are left out.

    The label is drawn as it is listed, in amber, over what a repair would make of it, in blue. A
    film that cannot be read has no picture.
    """
    known = {sample.key: sample for sample in samples}
    faults = _by_film(checked.faults)
    wanted = [film for film, _, _ in checked.worst_films if film in known]
    overlays: list[Overlay] = []
    for count, film in enumerate(wanted[:most], start=1):
        overlays += _overlay(known[film], faults[film])
        on_done(count)
    return embedded(overlays), max(0, len(wanted) - most)


def _by_film(faults: Sequence[Fault]) -> Mapping[str, list[Fault]]:
    ordered = sorted(faults, key=lambda fault: fault.film)
    return {film: list(own) for film, own in groupby(ordered, key=lambda fault: fault.film)}


def _overlay(sample: Sample, faults: Sequence[Fault]) -> Iterator[Overlay]:
    try:
        film = sample.radiograph()
    except FilmError:
        return
    chain = Chain.of(sample)
    names = [name for name in chain.levels if name is not None]
    levels = chain.levels if len(set(names)) == len(names) else None
    listed = Landmarks(chain.listed, levels=levels)
    picture = draw_overlay(film, listed, reference=Landmarks(chain.points), long_side=_SIDE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    yield _caption(sample.key, faults), buffer.getvalue()


def _caption(film: str, faults: Sequence[Fault]) -> str:
    told = [
        " ".join(part for part in (fault.place, fault.kind) if part)
        for fault in faults
        if fault.severity != "note"
    ]
    return f"{film}: {', '.join(dict.fromkeys(told))}"


def _tiles(checked: Checked) -> tuple[Tile, ...]:
    found = {name: sum(f.severity == name for f in checked.faults) for name in SEVERITIES}
    films = sum(errors > 0 for _, errors, _ in checked.worst_films)
    return (
        Tile(str(found["error"]), f"errors, on {films} of {checked.films} films"),
        Tile(str(found["warning"]), "warnings to look at"),
        Tile(str(found["note"]), "notes"),
    )


def _kind_table(checked: Checked) -> Table:
    rows: list[Row] = []
    for severity, kinds in counts(checked.faults).items():
        if kinds:
            rows.append(Row(f"{severity}s"))
        rows += [Row(kind, (Cell(str(count)),)) for kind, count in kinds.items()]
    return Table(("kind", "faults"), tuple(rows))


def _worst(checked: Checked) -> Iterator[Section]:
    if checked.worst_films:
        rows = tuple(
            Row(film, (Cell(str(errors)), Cell(str(warnings))))
            for film, errors, warnings in checked.worst_films[:_WORST]
        )
        yield Section("Films to look at first", table=Table(("film", "errors", "warnings"), rows))


def _gallery(pictures: Sequence[Picture], left_out: int) -> Iterator[Section]:
    if pictures:
        more = f" {left_out} more films with faults are not drawn." if left_out else ""
        text = f"As listed in amber, over what a repair would make of it in blue.{more}"
        yield Section("Pictures", text, pictures=tuple(pictures))


def _listed_text(checked: Checked) -> str:
    left = len(checked.faults) - _LISTED
    return f"{left} more are in the JSON file only." if left > 0 else ""


def _fault_table(faults: Sequence[Fault]) -> Table:
    rows = tuple(
        Row(
            fault.film or "whole source",
            tuple(map(Cell, (fault.place, fault.kind, fault.evidence, fault.repair or ""))),
        )
        for fault in faults
    )
    return Table(("film", "vertebra", "kind", "evidence", "repair"), rows)
