"""What stands on a page about measurements that were held against the annotation's?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from spondyl.judging.agreement import (
    HUMAN_ERROR,
    MIN_LEVEL,
    Agreement,
    GradeScore,
    MeasurementScore,
)
from spondyl.judging.page import estimate_cell
from spondyl.writing.page import Cell, Figure, Row, Section, Table

_TEXT: Final = (
    "Predicted minus annotated. Pairs of vertebrae and single vertebrae are compared on the same"
    " bodies, whatever they are called; lordosis, sacral slope and Cobb angles by their names."
    " Limits: 95 % limits of agreement, between and within groups. ICC(2,1): absolute agreement."
)
_PLOT_TEXT: Final = (
    "A point is one pair: its mean and its difference, predicted minus annotated. Line: bias;"
    " dashed: 95 % limits of agreement; grey: how far people differ, where that is published."
)
_COLUMNS: Final = (
    "measured / annotated", "MAE", "bias", "limits of agreement", "ICC(2,1)",
    "within human error, %", "intervals that hold, %",
)  # fmt: skip


def agreement_sections(
    agreement: Agreement | None, figure: Figure | None = None
) -> Iterator[Section]:
    """Tables of all levels and of each, plots and grades; nothing where nothing was measured."""
    if agreement is None:
        return
    scores = agreement.measurements
    if scores:
        yield Section("Agreement", _TEXT, agreement_table(scores), facts=_human_errors(scores))
    if figure:
        yield Section("Bland-Altman plots", _PLOT_TEXT, figures=(figure,))
    if agreement.by_level:
        text = f"Levels with at least {MIN_LEVEL} pairs."
        yield Section("Agreement by level", text, agreement_table(agreement.by_level))
    for grade in agreement.grades:
        yield _grade_section(grade)


def agreement_table(scores: Sequence[MeasurementScore]) -> Table:
    """A line a measurement."""
    rows = tuple(Row(score.title, _cells(score), score.definition) for score in scores)
    return Table(("", *_COLUMNS), rows)


def _cells(score: MeasurementScore) -> tuple[Cell, ...]:
    lower, upper = estimate_cell(score.lower), estimate_cell(score.upper)
    limits = f"{lower.value} to {upper.value}" if score.lower.value is not None else lower.value
    around = tuple(f"{end.value} {end.interval}" for end in (lower, upper) if end.interval)
    return (
        _counts(score),
        estimate_cell(score.mae),
        estimate_cell(score.bias),
        Cell(limits, notes=around),
        estimate_cell(score.icc),
        estimate_cell(score.within_human),
        _coverage(score),
    )


def _counts(score: MeasurementScore | GradeScore) -> Cell:
    notes = [f"{reason} {count}" for reason, count in score.unmeasured.items()]
    if score.misnamed:
        notes.append(f"under another level's name {score.misnamed}")
    return Cell(f"{score.measured} / {score.annotated}", notes=tuple(notes))


def _coverage(score: MeasurementScore) -> Cell:
    held = estimate_cell(score.coverage)
    if score.stated is None or score.width.value is None:
        return held
    told = f"of {score.intervals}; stated {score.stated:.0f} %, mean width {score.width.value:.1f}"
    return Cell(held.value, held.interval, notes=(told,))


def _human_errors(scores: Sequence[MeasurementScore]) -> dict[str, str]:
    """Where the human errors of these measurements come from."""
    found = {}
    for score in scores:
        if human := HUMAN_ERROR.get((score.name, score.unit)):
            found[f"human error, {score.name}"] = (
                f"{human.limit:g} {score.unit}: {human.what} ({human.source})"
            )
    return found


def _grade_section(score: GradeScore) -> Section:
    rows = [
        Row(grade, tuple(Cell(str(count)) for count in counts))
        for grade, counts in zip(score.grades, score.confusion, strict=True)
    ]
    counts = _counts(score)
    facts = {
        "measured / annotated": ", ".join((counts.value, *counts.notes)),
        "exact agreement, %": str(score.exact),
        "weighted kappa, quadratic": str(score.quadratic),
        "weighted kappa, linear": str(score.linear),
    }
    if score.probabilities:
        facts["mean stated probability, %"] = f"{score.stated} of {score.probabilities}"
        facts["of these right, %"] = str(score.right)
    columns = ("annotated \\ predicted", *score.grades)
    return Section(score.name, f"{score.definition}.", Table(columns, tuple(rows)), facts=facts)
