"""What stands on the page of a comparison: its sections, tables and words, without any markup."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from spondyl.judging import page
from spondyl.judging.compare import worst_films
from spondyl.judging.comparison import Comparison, Cost, Difference
from spondyl.judging.evaluation import Evaluation, FilmScore, PartScore, ProtocolName
from spondyl.judging.measures import (
    MISSING,
    MOST_COLUMNS,
    SIGNIFICANT,
    Measure,
    costs_of,
    differences_of,
    estimate_of,
    expenses,
    hardware,
    measure,
    probability,
    rounded,
    shown_measures,
    three_digits,
    untested,
    verdict,
)
from spondyl.writing.page import Cell, Figure, Row, Section, Table

PROTOCOLS: Final[tuple[ProtocolName, ...]] = ("all", "ordinal", "matched", "named")
"""Shown side by side."""

WORST: Final = 10
"""Films shown of those with the largest error."""

_FEW: Final = 20  # groups: below, a 95 % interval by bootstrap covers 74 % (3) to 90 % (10)
_WIDEST: Final = 9  # models side by side in tables that need them in columns

_PARTS: Final[Mapping[str, Callable[[Evaluation], Sequence[PartScore]]]] = {
    "Level": lambda e: e.per_level,
    "Corner": lambda e: e.per_corner,
    "Source": lambda e: e.per_source,
    "Facing": lambda e: e.per_facing,
    "Annotated vertebrae on the film": lambda e: e.per_count,
}


def compared(comparison: Comparison) -> Section:
    """What was compared, and how to read it."""
    evaluations = comparison.evaluations
    facts: dict[str, str] = {
        "models": f"{len(evaluations)}, all judged on the same films",
        "baseline": comparison.baseline,
        **{name: page.PROTOCOL_TITLES[name].partition(": ")[2] for name in PROTOCOLS},
        "px at 512": "the film scaled to a long side of 512 px",
        "brackets": "95 % intervals by bootstrap over groups",
        MISSING: "not known, or nothing to compute it from",
    }
    text = f"{_anchors(evaluations)} {_few_groups(comparison)}".rstrip()
    return Section("What was compared", text, facts=facts)


def _few_groups(comparison: Comparison) -> str:
    """What few groups cannot show; empty where there are enough."""
    groups = next(iter(comparison.evaluations.values())).groups
    if groups >= _FEW:
        return ""
    said = f"With only {groups} groups the intervals are too narrow."
    if len(comparison.differences) * 2.0 ** (1 - groups) >= SIGNIFICANT:
        said += " After Holm's correction no difference could pass, whatever the models are."
    return said


def _anchors(evaluations: Mapping[str, Evaluation]) -> str:
    bottom = [name for name, e in evaluations.items() if e.ordinal_anchor == "bottom"]
    if not bottom:
        return "The ordinal protocol counts vertebrae from the top."
    others = "" if len(bottom) == len(evaluations) else " and of the others from the top"
    return (
        "The ordinal protocol counts the vertebrae from the end from which the model does:"
        f" of {', '.join(bottom)} from the bottom{others}."
    )


def results(comparison: Comparison, protocol: ProtocolName) -> Section:
    """The figures of every model under one protocol; one that no model has is left out."""
    columns = {
        each.title: [
            Cell(*rounded(estimate_of(evaluation, protocol, each.name)))
            for evaluation in comparison.evaluations.values()
        ]
        for each in shown_measures(comparison)
    }
    known = {t: cells for t, cells in columns.items() if any(c.value != MISSING for c in cells)}
    text = f"{page.PROTOCOL_TITLES[protocol]}."
    nothing = [n for n, e in comparison.evaluations.items() if not e.protocol(protocol).found]
    if nothing:
        text += f" {MISSING} where nothing counts as found: {', '.join(nothing)}."
    return Section(f"Results: {protocol}", text, _oriented(comparison, known))


def costs(comparison: Comparison) -> Iterator[Section]:
    """What every model costs, on which hardware, and of which that is not known."""
    known = costs_of(comparison)
    unknown = [n for n, cost in zip(comparison.evaluations, known, strict=True) if cost == Cost()]
    if len(unknown) == len(known):
        return
    columns = {
        "Network": [Cell(cost.network or MISSING) for cost in known],
        "Encoding": [Cell(cost.codec or MISSING) for cost in known],
        "Input, px": [Cell(three_digits(cost.input_size)) for cost in known],
        **{each.label: [Cell(text) for text in each.texts] for each in expenses(comparison)},
    }
    text = hardware(comparison)
    if unknown:
        text += f" Of {', '.join(unknown)} only the evaluation was given."
    yield Section("Costs", text.strip(), _oriented(comparison, columns))


def _oriented(comparison: Comparison, columns: Mapping[str, Sequence[Cell]]) -> Table:
    """A row a figure and a column a model, or the other way round where models are many."""
    names = list(comparison.evaluations)
    if len(names) <= MOST_COLUMNS:
        return Table(("", *names), tuple(Row(t, tuple(cells)) for t, cells in columns.items()))
    by_model = zip(names, zip(*columns.values(), strict=True), strict=True)
    rows = [
        Row(name, cells, "baseline" if name == comparison.baseline else "")
        for name, cells in by_model
    ]
    return Table(("", *columns), tuple(rows))


def differences(comparison: Comparison) -> Iterator[Section]:
    """Every model against the baseline: the difference, its interval, p and corrected p."""
    found = differences_of(comparison)
    if not found:
        return
    tested = dict.fromkeys(d.metric for d in comparison.differences)
    kept = {each.name for each in shown_measures(comparison)}
    metrics = [measure(n) for n in tested if n in kept or not n.startswith("sdr@")]
    rows: list[Row] = []
    for protocol in dict.fromkeys(d.protocol for d in comparison.differences):
        rows.append(Row(protocol.capitalize()))
        for model in comparison.evaluations:
            if model != comparison.baseline:
                cells = [_difference(found.get((model, protocol, m.name)), m) for m in metrics]
                rows.append(Row(model, tuple(cells)))
    text = (
        f"Model minus {comparison.baseline}, its 95 % interval over the same resamples of groups,"
        " the two-sided p of a permutation of both models within groups, and p after Holm's"
        f" correction for all {len(found)} tests. Better or worse is said where the corrected p is"
        f" below {SIGNIFICANT:g}; where neither is said, no difference is shown. Recall"
        f" is the same under every protocol, and stands with all. {untested(comparison)}"
    )
    title = f"Differences from {comparison.baseline}"
    yield Section(title, text, Table(("", *(m.title for m in metrics)), tuple(rows)))


def _difference(difference: Difference | None, of: Measure) -> Cell:
    if difference is None or difference.difference.value is None:
        return Cell(MISSING)
    value, interval = rounded(difference.difference, sign=True)
    p, p_holm = probability(difference.p), probability(difference.p_holm)
    return Cell(value, interval, verdict(difference), (f"p {p}", f"Holm p {p_holm}"))


def parts(comparison: Comparison) -> Iterator[Section]:
    """Errors by level, corner, source, facing and count of vertebrae, a column a model."""
    text = (
        "Mean radial error of the found corners in px at 512, and the share of the annotated"
        " corners that was found; protocol all."
    )

    def table(evaluations: Mapping[str, Evaluation]) -> Table:
        rows = [row for title, of in _PARTS.items() for row in _part_rows(title, evaluations, of)]
        return Table(("", *evaluations), tuple(rows))

    yield from _side_by_side(comparison, "Levels, corners, sources, facing, counts", text, table)


def _part_rows(
    title: str,
    evaluations: Mapping[str, Evaluation],
    of: Callable[[Evaluation], Sequence[PartScore]],
) -> Iterator[Row]:
    scores = [{part.name: part for part in of(e)} for e in evaluations.values()]
    names = dict.fromkeys(name for by_name in scores for name in by_name)
    if names:
        yield Row(title)
    for name in names:
        known = [by_name.get(name) for by_name in scores]
        corners = max(part.corners for part in known if part is not None)
        yield Row(name, tuple(map(_part_cell, known)), f"{corners} corners")


def _part_cell(part: PartScore | None) -> Cell:
    if part is None or not part.corners:
        return Cell(MISSING)
    return Cell(three_digits(part.mre), f"{three_digits(100 * part.found / part.corners)} %")


def vertebrae(comparison: Comparison) -> Iterator[Section]:
    """Vertebrae found and named, and angles where they were measured."""
    yield from _side_by_side(comparison, "Vertebrae found and named", "", page.detection_table)
    for some in _in_chunks(comparison.evaluations):
        yield from page.cobb_sections(some)


def _side_by_side(
    comparison: Comparison,
    title: str,
    text: str,
    table: Callable[[Mapping[str, Evaluation]], Table],
) -> Iterator[Section]:
    """A section with a column a model; where they are many, several sections."""
    for number, some in enumerate(_in_chunks(comparison.evaluations)):
        yield Section(f"{title}, continued" if number else title, text, table(some))


def _in_chunks(evaluations: Mapping[str, Evaluation]) -> Iterator[dict[str, Evaluation]]:
    items = list(evaluations.items())
    for start in range(0, len(items), _WIDEST):
        yield dict(items[start : start + _WIDEST])


def training(figure: Figure | None) -> Iterator[Section]:
    """The trainings, where they are known."""
    if figure is not None:
        text = "Losses of different encodings are not on the same scale; errors are."
        yield Section("Training", text, figures=(figure,))


def worst(comparison: Comparison) -> Iterator[Section]:
    """The films with the largest error of all models together."""
    keys = worst_films(comparison, WORST)
    text = "Mean error in px at 512 when a missed corner costs 48 px; found / annotated vertebrae."

    def table(evaluations: Mapping[str, Evaluation]) -> Table:
        films = [{film.key: film for film in e.per_film} for e in evaluations.values()]
        rows = [Row(key, tuple(_film_cell(by_key, key) for by_key in films)) for key in keys]
        return Table(("", *evaluations), tuple(rows))

    if keys:
        yield from _side_by_side(comparison, "Films with the largest error", text, table)


def _film_cell(films: Mapping[str, FilmScore], key: str) -> Cell:
    film = films.get(key)
    if film is None:
        return Cell(MISSING)
    return Cell(three_digits(film.penalised), f"{film.found} / {film.vertebrae}")


def provenance(comparison: Comparison) -> Iterator[Section]:
    """What made the comparison, and the predictions of each model."""
    models = {name: _made_by(evaluation) for name, evaluation in comparison.evaluations.items()}
    yield Section("Models", facts=models)
    seed = {"seed of the resamples": str(comparison.seed)}
    yield Section("Made by", facts={**comparison.made_by, **seed})


def _made_by(evaluation: Evaluation) -> str:
    said = [f"{key} {value}" for key, value in evaluation.made_by.items() if value]
    for what in ("unpredicted", "unannotated"):
        if keys := getattr(evaluation, what):
            said.append(f"{len(keys)} {what} films ({', '.join(keys[:8])})")
    return "; ".join(said) or MISSING
