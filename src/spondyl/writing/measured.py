"""What was measured on films, as rows of tables, as JSON, and the few numbers to see first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import LEVELS, VARIANT_LEVELS, View
from spondyl.data.sample import Sample
from spondyl.spine.chain import has_gap, level_note
from spondyl.spine.drawing import MarkedLine
from spondyl.spine.measurement import Intervals, Measurement
from spondyl.spine.slip import LISTHESIS, MEYERDING

COLUMNS: Final = (
    "film", "name", "levels", "value", "low", "high", "coverage", "unit", "definition",
    "probability", "z", "group", "source", "note",
)  # fmt: skip
"""Of the table with one row a measurement."""

_UNITS: Final = {"%": "pct", "": "ratio"}
_FOUND_LEVELS: Final = frozenset({"Cobb angle", "maximal Cobb angle"})
_SHORT: Final = {"maximal Cobb angle": "Cobb"}
_ORDER: Final = {name: place for place, name in enumerate((*LEVELS, *VARIANT_LEVELS))}


@dataclass(frozen=True, slots=True)
class MeasuredFilm:
    """One film with its landmarks (in ``sample``) and what was measured on them.

    ``notes`` are remarks that belong beside every result. ``hidden`` says why the film's pixels
    are shown nowhere; None where they may be.
    """

    sample: Sample
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()
    hidden: str | None = None

    @property
    def key(self) -> str:
        """The film's name in every result."""
        return self.sample.key

    @property
    def view(self) -> View | None:
        """As stated; a film on which a side is anterior is lateral."""
        return self.sample.view or ("lateral" if self.sample.landmarks.facing else None)

    @property
    def reason(self) -> str | None:
        """Why nothing is measured on the film; None where something is."""
        if self.sample.landmarks.refusal:
            return self.sample.landmarks.refusal
        if not len(self.sample.landmarks):
            return "no vertebra found"
        if any(each.value is not None for each in self.measurements):
            return None
        return next((each.note for each in self.measurements if each.note), "nothing to measure")


def long_rows(films: Sequence[MeasuredFilm]) -> Iterator[dict[str, object]]:
    """One row a measurement, with ``COLUMNS``; numbers to four decimals."""
    for film in films:
        for each in film.measurements:
            known = each.reference
            yield {
                "film": film.key,
                "name": each.name,
                "levels": "-".join(each.levels),
                "value": rounded(each.value),
                "low": rounded(each.low),
                "high": rounded(each.high),
                "coverage": each.coverage,
                "unit": each.unit,
                "definition": each.definition,
                "probability": rounded(each.probability),
                "z": rounded(known.z) if known else None,
                "group": known.group if known else None,
                "source": known.source if known else None,
                "note": each.note,
            }


def wide_table(films: Sequence[MeasuredFilm]) -> tuple[list[str], list[dict[str, object]]]:
    """The columns and rows of a table with one row a film and one column a measurement.

    A column is called by name, unit and levels, such as ``slip_pct_L4-L5``; where two definitions
    would share it, by the definition, too. Columns are in the order of the alphabet, and of the
    spine. Where a film has no value, the table has none.
    """
    names = _columns(films)
    rows: list[dict[str, object]] = []
    for film in films:
        values = {names[_identity(each)]: rounded(each.value) for each in film.measurements}
        rows.append({"film": film.key, **values})
    return ["film", *dict.fromkeys(names.values())], rows


def measurements_json(
    films: Sequence[MeasuredFilm], *, made_by: Mapping[str, str], intervals: Intervals | None
) -> dict[str, Any]:
    """Everything that was measured, lines included, as plain JSON values."""
    return {
        "made_by": dict(made_by),
        "intervals": None if intervals is None else intervals.to_json(),
        "films": [_film_json(film) for film in films],
    }


def _film_json(film: MeasuredFilm) -> dict[str, Any]:
    sample = film.sample
    return {
        "film": film.key,
        "view": film.view,
        "facing": sample.landmarks.facing,
        "levels": list(sample.landmarks.names),
        "width": sample.width,
        "height": sample.height,
        "aspect": sample.aspect,
        "spacing": None if sample.spacing is None else asdict(sample.spacing),
        "doubt": sample.landmarks.doubt,
        "refusal": sample.landmarks.refusal,
        "reason": film.reason,
        "notes": list(film.notes),
        "measurements": [each.to_json() for each in film.measurements],
    }


def summary_row(sample: Sample, *, notes: Sequence[str] = ()) -> dict[str, object]:
    """One film of the summary; ``?`` stands for a vertebra without a name, nothing for no figure.

    Confidence is over the corners that were found, level probability over the named vertebrae.
    """
    found, spacing = sample.landmarks, sample.spacing
    confidence = found.confidence[~np.isnan(found.points[..., 0])]
    return {
        "film": sample.key,
        "vertebrae": len(found),
        "levels": " ".join(name or "?" for name in found.names),
        "facing": found.facing,
        "mean_confidence": _figure(np.mean, confidence),
        "lowest_confidence": _figure(np.min, confidence),
        "mean_level_probability": _figure(np.mean, found.level_probability),
        "gap": ("yes" if has_gap(found) else "no") if len(found) else None,
        "note": level_note(found) or "no vertebra found",
        "doubt": rounded(found.doubt),
        "refusal": found.refusal,
        "film_notes": "; ".join(notes) or None,
        "width": sample.width,
        "height": sample.height,
        "row_mm": spacing.row_mm if spacing else None,
        "column_mm": spacing.column_mm if spacing else None,
        "spacing_plane": spacing.plane if spacing else None,
    }


def key_numbers(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The few measurements to see first, with a value: slips, lordosis, the largest Cobb angle.

    Of the slips in % those that have a grade above 0, else the largest; of the lordoses the first,
    which spans most.
    """
    known = [each for each in measurements if each.value is not None]
    slips = sorted(
        (each for each in known if each.name == "slip" and each.unit == "%"),
        key=lambda each: -abs(each.value or 0.0),
    )
    large = [each for each in slips if abs(each.value or 0.0) > LISTHESIS] or slips[:1]
    lordoses = [each for each in known if each.name == "lordosis"][:1]
    curves = [each for each in known if each.name == "maximal Cobb angle"][:1]
    return (*large, *lordoses, *curves)


def marked_lines(measurements: Sequence[Measurement]) -> tuple[MarkedLine, ...]:
    """The lines of the key numbers, each with the number beside it."""
    return tuple(
        MarkedLine(each.lines, f"{_SHORT.get(each.name, each.name)} {shown_value(each)}")
        for each in key_numbers(measurements)
        if each.lines
    )


def shown_value(measured: Measurement) -> str:
    """A value as people read it, such as ``12.3 %``, ``45.1°`` or ``grade II``; ``-`` for none."""
    if measured.value is None:
        return "-"
    if measured.unit == "grade":
        grade = int(measured.value)
        return f"grade {MEYERDING.words[grade] if measured.name == MEYERDING.name else grade}"
    digits = 2 if measured.unit == "" else 1
    unit = {"deg": "°", "": ""}.get(measured.unit, f" {measured.unit}")
    return f"{_signed_zero(measured.value, digits)}{unit}"


def shown_interval(measured: Measurement) -> str:
    """``[10.1, 14.5]`` for an interval, ``83 %`` for a grade's probability, else nothing."""
    if measured.probability is not None:
        return f"{100 * measured.probability:.0f} %"
    if measured.low is None or measured.high is None:
        return ""
    digits = 2 if measured.unit == "" else 1
    return f"[{_signed_zero(measured.low, digits)}, {_signed_zero(measured.high, digits)}]"


def shown_levels(measured: Measurement) -> str:
    """``L4-L5``; empty for none."""
    return "-".join(measured.levels)


def rounded(value: float | None) -> float | None:
    """To four decimals; None stays."""
    return None if value is None else round(float(value), 4)


def _signed_zero(value: float, digits: int) -> str:
    """Without ``-0.0``."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


_Identity = tuple[str, str, tuple[str, ...], str]


def _identity(measured: Measurement) -> _Identity:
    levels = () if measured.name in _FOUND_LEVELS else measured.levels
    return measured.name, measured.unit, levels, measured.definition


def _columns(films: Sequence[MeasuredFilm]) -> dict[_Identity, str]:
    """A name for each measurement that any film has, in the order of the columns."""
    known = {_identity(each) for film in films for each in film.measurements}
    shared: dict[str, list[_Identity]] = defaultdict(list)
    for each in sorted(known, key=_place):
        shared[_column(each)].append(each)
    return {
        each: base if len(group) == 1 else f"{base}_{_slug(each[3])}"
        for base, group in shared.items()
        for each in group
    }


def _place(identity: _Identity) -> tuple[object, ...]:
    name, unit, levels, definition = identity
    numbers = [(_ORDER.get(level, len(_ORDER)), level.rjust(4)) for level in levels]
    return name.lower(), unit, numbers, definition


def _column(identity: _Identity) -> str:
    name, unit, levels, _ = identity
    parts = [_slug(name), _UNITS.get(unit, unit)]
    if unit == "grade" and parts[0].endswith("grade"):
        parts.pop()
    return "_".join([*parts, *(["-".join(levels)] if levels else [])])


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _figure(
    statistic: Callable[[np.ndarray], float], values: Float64[np.ndarray, "*n"]
) -> float | None:
    """Of the values that are known, to four decimals; None where there is none."""
    known = values[~np.isnan(values)]
    return rounded(float(statistic(known))) if len(known) else None
