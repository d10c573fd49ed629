"""What does the page of many films show: one line a film, and the way to the page of each?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spondyl.spine.measurement import Measurement
from spondyl.writing.film_report import levels_of, provenance_section
from spondyl.writing.measured import (
    MeasuredFilm,
    key_numbers,
    shown_interval,
    shown_levels,
    shown_value,
)
from spondyl.writing.page import Cell, Page, Picture, Row, Section, Table, Tile


@dataclass(frozen=True, slots=True)
class Shown:
    """A film on the page of a batch: the name of its own page and a small picture, if any."""

    film: MeasuredFilm
    href: str = ""
    thumbnail: Picture | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the files of a batch; ``incomplete`` films lack a file asked for."""

    films: int
    skipped: int = 0
    failed: int = 0
    incomplete: int = 0

    def __str__(self) -> str:
        files = self.films + self.skipped + self.failed
        told = f"{files} files: {self.films} films, {self.skipped} skipped, {self.failed} failed"
        lacking = f"; {self.incomplete} of the films without every file asked for"
        return told + (lacking if self.incomplete else "")


def batch_page(shown: Sequence[Shown], counts: Counts, *, made_by: Mapping[str, str]) -> Page:
    """The page of a batch: every film in order, its key numbers or why it has none."""
    measured = sum(each.film.reason is None for each in shown)
    kinds = [kind for kind in _COLUMNS if any(_of_kind(each.film, kind) for each in shown)]
    columns = ("film", "vertebrae", *kinds, "remark")
    table = Table(columns, tuple(_row(each, kinds) for each in shown))
    return Page(
        title="Films measured",
        subtitle=str(counts),
        tiles=tuple(_tiles(shown, counts, measured)),
        sections=(Section("Films", table=table), provenance_section(made_by)),
    )


def _tiles(shown: Sequence[Shown], counts: Counts, measured: int) -> Iterator[Tile]:
    yield Tile(str(measured), f"of {len(shown)} films measured")
    if measured < len(shown):
        yield Tile(str(len(shown) - measured), "films without a number, with the reason")
    if counts.skipped:
        yield Tile(str(counts.skipped), "files skipped: no films of a spine")
    if counts.failed:
        yield Tile(str(counts.failed), "films failed")


_COLUMNS = ("slip", "lordosis", "maximal Cobb angle")


def _of_kind(film: MeasuredFilm, kind: str) -> tuple[Measurement, ...]:
    return tuple(each for each in key_numbers(film.measurements) if each.name == kind)


def _row(shown: Shown, kinds: Sequence[str]) -> Row:
    film = shown.film
    cells = [Cell(levels_of(film)), *(_cell(_of_kind(film, kind)) for kind in kinds)]
    remark = film.reason or "; ".join(film.notes)
    return Row(
        film.key,
        (*cells, Cell(remark, prose=True)),
        href=shown.href,
        picture=shown.thumbnail,
    )


def _cell(measured: Sequence[Measurement]) -> Cell:
    """The first, which is the largest, with its levels; how many more there are."""
    if not measured:
        return Cell("-")
    first, more = measured[0], len(measured) - 1
    levels = shown_levels(first)
    notes = (f"{levels}, {more} more",) if more else (levels,) if levels else ()
    return Cell(shown_value(first), shown_interval(first), notes=notes)
