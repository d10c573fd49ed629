"""What does the page of one film show: its overlay, every number with its interval, or why none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Final

from spondyl.spine.chain import level_note
from spondyl.spine.measurement import Measurement
from spondyl.writing.measured import (
    MeasuredFilm,
    key_numbers,
    shown_interval,
    shown_levels,
    shown_value,
)
from spondyl.writing.page import Cell, Page, Picture, Row, Section, Table, Tile

_CURVES: Final = frozenset(
    {"lordosis", "sacral slope", "Cobb angle", "maximal Cobb angle", "endplate angle"}
)
_VIEWS: Final = {"lateral": "Lateral film", "ap": "AP film", None: "Film of unknown view"}
_PLANES: Final = {
    "patient": "in the patient",
    "detector": "at the detector: magnified",
    "stated": "stated by the user",
    "unknown": "in an unknown plane",
}
_LABELS: Final = {
    "weights": "Weights",
    "weights_digest": "Digest of the weights",
    "recipe_digest": "Digest of the recipe",
    "network": "Network",
    "codec": "Encoding",
    "version": "Trained with spondyl",
    "measured_with": "Measured with spondyl",
    "calibration_films": "Films of the calibration",
    "coverage": "Coverage of the intervals",
    "date": "Date (UTC)",
    "landmarks": "Landmarks",
}


def film_page(
    film: MeasuredFilm,
    *,
    made_by: Mapping[str, str],
    picture: Picture | None,
    back: tuple[str, str] | None = None,
) -> Page:
    """The page of one film; without a ``picture`` it says why, where that is known."""
    return Page(
        title=film.key,
        subtitle=_subtitle(film),
        tiles=tuple(
            _tile(each, _grade_of(each, film.measurements))
            for each in key_numbers(film.measurements)
        ),
        sections=tuple(_sections(film, made_by)),
        plate=picture,
        back=back,
    )


def provenance_section(made_by: Mapping[str, str]) -> Section:
    """What made the numbers of a page."""
    facts = {_LABELS.get(name, name): value for name, value in made_by.items() if value}
    return Section("Made by", facts=facts)


def levels_of(film: MeasuredFilm) -> str:
    """``L1 to S1``, or how many vertebrae there are where an end has no name."""
    names = film.sample.landmarks.names
    if not names:
        return "none"
    if names[0] is None or names[-1] is None:
        return f"{len(names)} vertebrae"
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _subtitle(film: MeasuredFilm) -> str:
    sample = film.sample
    facing = f", anterior on the {sample.landmarks.facing}" if sample.landmarks.facing else ""
    parts = [
        f"{_VIEWS[film.view]}{facing}",
        f"{sample.width} x {sample.height} px",
        levels if (levels := levels_of(film)).endswith(" vertebrae") else f"vertebrae: {levels}",
    ]
    return " · ".join(parts)


def _tile(measured: Measurement, grade: Measurement | None) -> Tile:
    said = [f"{measured.name} {shown_levels(measured)}", shown_interval(measured)]
    words = " ".join(word for word in said if word)
    return Tile(shown_value(measured), words if grade is None else f"{words}, {_graded(grade)}")


def _sections(film: MeasuredFilm, made_by: Mapping[str, str]) -> Iterator[Section]:
    if film.reason:
        yield Section("Not measured", film.reason)
    notes = [note for note in (level_note(film.sample.landmarks), *film.notes, film.hidden) if note]
    if notes:
        yield Section("Remarks", text="; ".join(notes))
    if not film.sample.landmarks.refusal:
        yield from _tables(film)
    yield Section("Film", facts=_facts(film))
    yield provenance_section(made_by)


def _tables(film: MeasuredFilm) -> Iterator[Section]:
    neighbours = set(pairwise(_names(film)))
    parts: dict[str, list[Measurement]] = {"Curvature": [], "Segments": [], "Vertebrae": []}
    for each in film.measurements:
        if each.name in _CURVES:
            parts["Curvature"].append(each)
        elif len(each.levels) == 1:
            parts["Vertebrae"].append(each)
        else:
            known = each.levels in neighbours
            parts["Segments" if known else "Curvature"].append(each)
    for title, measured in parts.items():
        if measured:
            yield _table(title, measured)


def _names(film: MeasuredFilm) -> list[str]:
    names = film.sample.landmarks.names
    return [name or f"V{place}" for place, name in enumerate(names, start=1)]


@dataclass(slots=True)
class _Remarks:
    """Counts different remarks, so that each is written once."""

    told: dict[str, int] = field(default_factory=dict)

    def mark(self, notes: Sequence[str]) -> str:
        """The numbers that stand for some notes."""
        return ", ".join(str(self.told.setdefault(each, len(self.told) + 1)) for each in notes)


def _table(title: str, measured: Sequence[Measurement]) -> Section:
    """By level; a grade stands in the line of what it grades."""
    remarks = _Remarks()
    plain = [each for each in measured if each.unit != "grade"]
    rows: list[Row] = []
    if title == "Curvature":
        rows += _rows(plain, measured, remarks, named=True)
    else:
        for levels, own in groupby(sorted(plain, key=_Ranks.of(plain)), key=shown_levels):
            rows += [Row(levels), *_rows(list(own), measured, remarks, named=False)]
    coverage = next((each.coverage for each in plain if each.coverage), None)
    interval = f"value [{100 * coverage:.0f} % interval]" if coverage else "value"
    columns = ("", interval, "grade, z score", "remark")
    return Section(title, table=Table(columns, tuple(rows)), remarks=tuple(remarks.told))


def _rows(
    plain: Sequence[Measurement],
    every: Sequence[Measurement],
    remarks: _Remarks,
    *,
    named: bool,
) -> Iterator[Row]:
    """A line each; what is missing for one reason shares a line."""
    missing: dict[str, list[str]] = defaultdict(list)
    for each in plain:
        label = f"{each.name} {shown_levels(each)}".strip() if named else each.name
        if each.value is None:
            missing[each.note or ""].append(label)
        else:
            yield _row(each, _grade_of(each, every), remarks, label=label)
    for reason, labels in missing.items():
        cells = (Cell("-"), Cell(""), Cell(reason, prose=True))
        yield Row(", ".join(dict.fromkeys(labels)), cells)


def _grade_of(measured: Measurement, every: Sequence[Measurement]) -> Measurement | None:
    """The grade of a share, which was measured on the same lines."""
    if measured.unit != "%":
        return None
    same = measured.levels, measured.lines
    return next((g for g in every if g.unit == "grade" and (g.levels, g.lines) == same), None)


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Sorts measurements by their level, in the order of the levels' first appearance."""

    places: Mapping[tuple[str, ...], int]

    @classmethod
    def of(cls, measured: Sequence[Measurement]) -> _Ranks:
        levels = dict.fromkeys(each.levels for each in measured)
        return cls({each: place for place, each in enumerate(levels)})

    def __call__(self, measured: Measurement) -> int:
        return self.places[measured.levels]


def _row(measured: Measurement, grade: Measurement | None, remarks: _Remarks, *, label: str) -> Row:
    said = [each.note for each in (measured, grade) if each is not None and each.note]
    notes = [part for note in said for part in note.split("; ")]
    if (known := measured.reference) is not None:
        notes.append(f"z against {known.group} ({known.source})")
    cells = (
        Cell(shown_value(measured), shown_interval(measured)),
        Cell(_compared(measured, grade)),
        Cell(remarks.mark(notes), prose=True),
    )
    return Row(label, cells, note=measured.definition)


def _compared(measured: Measurement, grade: Measurement | None) -> str:
    """``grade I, 83 %`` and ``z +1.2``, as far as they are known."""
    words = []
    if grade is not None:
        words.append(
            ", ".join(part for part in (shown_value(grade), shown_interval(grade)) if part)
        )
    if measured.reference is not None:
        words.append(f"z {measured.reference.z:+.1f}")
    return "; ".join(words)


def _graded(grade: Measurement) -> str:
    return ", ".join(part for part in (shown_value(grade), shown_interval(grade)) if part)


def _facts(film: MeasuredFilm) -> dict[str, str]:
    sample = film.sample
    spacing, found = sample.spacing, sample.landmarks
    facts = {"Size": f"{sample.width} x {sample.height} px"}
    if spacing is None:
        facts["Size of a pixel"] = "not known: lengths are in px"
    else:
        size = f"{spacing.column_mm:.4g} x {spacing.row_mm:.4g} mm"
        facts["Size of a pixel"] = f"{size}, {_PLANES[spacing.plane]}"
    facts["Doubt"] = (
        "not known" if found.doubt is None else f"{found.doubt:.2f} (above 1: too unlike)"
    )
    return facts
