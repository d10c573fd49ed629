"""What stands on a page about evaluations: its sections, tables and words, without any markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from spondyl.judging.evaluation import (
    CobbScore,
    Evaluation,
    NamingScore,
    PartScore,
    ProtocolName,
    ProtocolScore,
)
from spondyl.judging.measures import rounded
from spondyl.judging.statistics import Estimate
from spondyl.writing.page import Cell, Figure, Picture, Row, Section, Table, Tile

Evaluations = Mapping[str, Evaluation]

PROTOCOL_TITLES: Final[Mapping[ProtocolName, str]] = {
    "all": "All: every annotated corner counts, a missed vertebra fails",
    "ordinal": "Ordinal: k-th predicted against k-th annotated vertebra",
    "matched": "Matched: only corners inside boxes that match at IoU 0.5",
    "named": "Named: the prediction of the same level, every named corner counts",
}

UNIT_LABELS: Final[Mapping[str, str]] = {
    "px": "image px",
    "512": "px at 512",
    "diagonal": "% of the diagonal",
    "height": "% of the vertebra's height",
    "mm": "mm",
}

_ONLY_IN_FILES: Final = ("median_px", "median_diagonal", "median_height", "median_mm")

_LISTED: Final = 8  # films that are named where there may be many

_CLASSES_TEXT: Final = (
    "Fine: within a quarter of the vertebra's height. Level shift, corner swap, both: that close to"
    " the same corner of another vertebra, another corner of the same one, another corner of"
    " another one. Coarse: else, within half a height. Far: beyond that. Missed: nothing predicted."
)


def subtitle(evaluation: Evaluation) -> str:
    """What was judged, in a line."""
    return (
        f"{evaluation.films} films of {evaluation.groups} groups,"
        f" {evaluation.detection.vertebrae} annotated vertebrae. Brackets are 95 % intervals by"
        " bootstrap over groups."
    )


def tiles(evaluation: Evaluation) -> tuple[Tile, ...]:
    """The headline of one evaluation."""
    score, limit = evaluation.protocol("all").metrics, max(evaluation.thresholds)
    shown = [
        (evaluation.detection.recall, " %", "of the annotated vertebrae found"),
        (evaluation.detection.precision, " %", "of the predictions are vertebrae"),
        (score["mre_512"], " px", "mean radial error of the found, px at 512"),
        (score[f"sdr@{limit:g}"], " %", f"of all annotated corners within {limit:g} px at 512"),
        (evaluation.naming.share, " %", "of the named vertebrae get their name"),
    ]
    known = [(e.value, unit, text) for e, unit, text in shown if e.value is not None]
    return tuple(Tile(_number(value, 1) + unit, text) for value, unit, text in known)


def protocol_table(evaluation: Evaluation) -> Table:
    """Radial errors with a column a protocol; one without a corner is left out."""
    scores = {score.protocol: score for score in evaluation.protocols if score.corners}
    return Table(("", *scores), tuple(_score_rows(list(scores.values()))))


def _score_rows(scores: Sequence[ProtocolScore]) -> list[Row]:
    rows = [_counts("corners found / judged", [f"{s.found} / {s.corners}" for s in scores])]
    for metric in scores[0].metrics if scores else ():
        estimates = [score.metrics.get(metric, Estimate(None)) for score in scores]
        known = any(estimate.value is not None for estimate in estimates)
        if known and metric not in _ONLY_IN_FILES:
            rows.append(_estimates(_metric_label(metric), estimates))
    return rows


def _metric_label(metric: str) -> str:
    """``sdr@6`` in words."""
    if metric.startswith("sdr@"):
        return f"SDR within {metric.removeprefix('sdr@')} px at 512, %"
    if metric == "penalised_mre_512":
        return "MRE with 48 px a missed corner, px at 512"
    kind, unit = metric.split("_", 1)
    return f"{'MRE' if kind == 'mre' else 'median error'}, {UNIT_LABELS[unit]}"


def detection_table(evaluations: Evaluations) -> Table:
    """Vertebrae found and named."""
    scores = [evaluation.detection for evaluation in evaluations.values()]
    rows = [
        _counts("found / annotated", [f"{s.found} / {s.vertebrae}" for s in scores]),
        _counts("false / ignored", [f"{s.false} / {s.ignored}" for s in scores]),
        _estimates("recall, %", [s.recall for s in scores]),
        _estimates("precision, %", [s.precision for s in scores]),
        _estimates("F1, %", [s.f1 for s in scores]),
    ]
    rows += _naming_rows("Names", [e.naming for e in evaluations.values()])
    rows += _naming_rows(
        "Names where S1 is annotated", [e.naming_with_s1 for e in evaluations.values()]
    )
    rows += _naming_rows(
        "Names where S1 is annotated and no lumbar vertebra is missing or extra",
        [e.naming_five_lumbar for e in evaluations.values()],
    )
    return Table(("", *evaluations), tuple(rows))


def _naming_rows(title: str, scores: Sequence[NamingScore]) -> list[Row]:
    if not any(score.vertebrae for score in scores):
        return []
    tallies = [f"{s.right} / {s.wrong} / {s.unnamed} / {s.missed}" for s in scores]
    return [
        Row(title),
        _estimates("right, %", [score.share for score in scores]),
        _counts("right / wrong / without a name / missed", tallies),
    ]


def cobb_sections(evaluations: Evaluations) -> Iterator[Section]:
    """Errors of the Cobb angles, where one was measured."""
    scores = {name: e.cobb for name, e in evaluations.items() if e.cobb is not None}
    if scores:
        yield Section("Cobb angles", "From predicted and annotated corners.", _cobb_table(scores))


def _cobb_table(scores: Mapping[str, CobbScore]) -> Table:
    some = list(scores.values())
    rows = [_counts("films measured / not", [f"{s.films} / {s.unmeasured}" for s in some])]
    rows += [_estimates(f"{n}, MAE in deg", [s.mae[n] for s in some]) for n in some[0].mae]
    rows += [
        _estimates(f"{n}, ICC(2,1)", [s.icc.get(n, Estimate(None)) for s in some])
        for n in some[0].icc
    ]
    rows.append(_estimates("SMAPE, %", [score.smape for score in some]))
    return Table(("", *scores), tuple(rows))


def part_table(evaluation: Evaluation) -> Table:
    """Levels and corners of one evaluation."""
    limits = tuple(f"within {limit:g} px, %" for limit in evaluation.thresholds)
    columns = ("px at 512, all protocol", "found / annotated", "MRE", "median", *limits)
    levels = [Row("Level"), *(_part_row(part) for part in evaluation.per_level)]
    corners = [Row("Corner"), *(_part_row(part) for part in evaluation.per_corner)]
    return Table(columns, (*levels, *corners))


def _part_row(part: PartScore) -> Row:
    figures = [_number(part.mre), _number(part.median), *(_number(s, 1) for s in part.sdr)]
    cells = (Cell(f"{part.found} / {part.corners}"), *(Cell(figure) for figure in figures))
    return Row(part.name, cells)


def worst_table(evaluation: Evaluation) -> Table:
    """The films to look at first."""
    by_key = {film.key: film for film in evaluation.per_film}
    rows = []
    for film in (by_key[key] for key in evaluation.worst):
        found = Cell(f"{film.found} / {film.vertebrae}")
        errors = (Cell(_number(v)) for v in (film.mre, film.worst, film.penalised))
        rows.append(Row(film.key, (found, Cell(str(film.false)), *errors)))
    columns = ("film", "found / annotated", "false", "MRE", "worst corner", "MRE, misses charged")
    return Table(columns, tuple(rows))


def protocol_section(evaluation: Evaluation) -> Section:
    """Radial errors by protocol, with what each protocol counts."""
    text = "; ".join(title[0].lower() + title[1:] for title in PROTOCOL_TITLES.values())
    return Section("Radial errors", f"{text[0].upper()}{text[1:]}.", protocol_table(evaluation))


def curve_section(figure: Figure) -> Section:
    """The success curves."""
    text = "The share of corners within each distance of the annotation, by protocol."
    return Section("Success detection rate", text, figures=(figure,))


def picture_sections(pictures: tuple[Picture, ...]) -> Iterator[Section]:
    """The overlays, where there are any."""
    if pictures:
        yield Section("Films", "Predicted in amber, annotated in blue.", pictures=pictures)


def taxonomy_section(figure: Figure) -> Section:
    """The classes of error, with their definitions."""
    return Section("Kinds of error", _CLASSES_TEXT, figures=(figure,))


def left_out(evaluation: Evaluation) -> str | None:
    """How many annotated films have no prediction, and what that means; None where all have one."""
    if not (missing := len(evaluation.unpredicted)):
        return None
    which = "has" if missing == 1 else "have"
    return (
        f"{missing} of {evaluation.films} annotated films {which} no prediction: every vertebra on"
        f" {'it' if missing == 1 else 'them'} counts as missed, and under matched for nothing"
    )


def coverage_sections(evaluation: Evaluation) -> Iterator[Section]:
    """What the predictions leave out, where they do."""
    if (told := left_out(evaluation)) is not None:
        some = f": {', '.join(evaluation.unpredicted[:_LISTED])}"
        rest = len(evaluation.unpredicted) - _LISTED
        more = f" and {rest} more" if rest > 0 else ""
        yield Section("Films without a prediction", f"{told}{some}{more}.")


def provenance(evaluation: Evaluation) -> Section:
    """Where the predictions come from, and what could not be paired."""
    facts = {**evaluation.made_by, "ordinal counts from": evaluation.ordinal_anchor}
    for what in ("unpredicted", "unannotated"):
        if keys := getattr(evaluation, what):
            facts[f"{what} films"] = f"{len(keys)}: {', '.join(keys[:_LISTED])}"
    return Section("Made by", facts=facts)


def estimate_cell(estimate: Estimate) -> Cell:
    """A figure with its interval."""
    return Cell(*rounded(estimate))


def _estimates(label: str, estimates: Sequence[Estimate]) -> Row:
    return Row(label, tuple(map(estimate_cell, estimates)))


def _counts(label: str, cells: Sequence[str]) -> Row:
    return Row(label, tuple(map(Cell, cells)))


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
