"""How does a comparison go into a paper: one Markdown table and its footnote."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from spondyl.judging.comparison import Comparison
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.measures import (
    MOST_COLUMNS,
    SIGNIFICANT,
    Measure,
    differences_of,
    estimate_of,
    expenses,
    hardware,
    rounded,
    shown_measures,
    untested,
    verdict,
)

_MARK: Final = "\N{DAGGER}"
_SIZE: Final = ("Parameters, M", "GMACs")  # stand first


def paper_table(comparison: Comparison) -> str:
    """A Markdown table under the protocol ``all``, and a footnote that says how to read it.

    Up to four models stand in columns, more in rows. A dagger marks a figure that differs
    significantly from the baseline's.
    """
    names = [_plain(name) for name in comparison.evaluations]
    columns = _columns(comparison)
    if len(names) <= MOST_COLUMNS:
        lines = [["", *names], *([label, *texts] for label, texts in columns.items())]
    else:
        models = zip(names, *columns.values(), strict=True)
        lines = [["Model", *columns], *(list(model) for model in models)]
    return f"{_table(lines)}\n{_footnote(comparison)}\n"


def _columns(comparison: Comparison) -> Mapping[str, Sequence[str]]:
    """A text for every model, by the label of the figure."""
    costs = {each.label: each.texts for each in expenses(comparison)}
    size = {label: texts for label, texts in costs.items() if label in _SIZE}
    rest = {label: texts for label, texts in costs.items() if label not in _SIZE}
    judged = {
        each.title: [_figure(comparison, name, each) for name in comparison.evaluations]
        for each in shown_measures(comparison)
    }
    return {**size, **judged, **rest}


def _figure(comparison: Comparison, model: str, of: Measure) -> str:
    value, interval = rounded(estimate_of(comparison.evaluations[model], "all", of.name))
    difference = differences_of(comparison).get((model, "all", of.name))
    mark = _MARK if verdict(difference) else ""
    return f"{value}{mark} {interval}".rstrip()


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *rows = (f"| {' | '.join(line)} |" for line in lines)
    rule = "|".join([":---", *["---:"] * (len(lines[0]) - 1)])
    return "\n".join([head, f"|{rule}|", *rows]) + "\n"


def _footnote(comparison: Comparison) -> str:
    first = next(iter(comparison.evaluations.values()))
    said = [
        f"{first.films} films of {first.groups} groups, {first.detection.vertebrae} annotated"
        " vertebrae. Brackets: 95 % intervals by bootstrap over groups. Protocol *all*: every"
        " annotated corner counts, matched to the vertebra predicted nearest to it; SDR@t is the"
        " share of the annotated corners within t px at 512 px long side, so that a missed one"
        " fails; where misses are charged, each costs 48 px.",
        f"{_MARK} differs from {_plain(comparison.baseline)}, the baseline: two-sided permutation"
        f" of both models within groups, p < {SIGNIFICANT:g} after Holm's correction for"
        f" {len(comparison.differences)} tests. {untested(comparison)}",
        _plain(hardware(comparison)),
        _unpaired(comparison.evaluations),
    ]
    return " ".join(text for text in said if text)


def _unpaired(evaluations: Mapping[str, Evaluation]) -> str:
    missing = {_plain(n): len(e.unpredicted) for n, e in evaluations.items() if e.unpredicted}
    if not missing:
        return ""
    told = ", ".join(f"{count} of {name}" for name, count in missing.items())
    return f"Films without a prediction, all of whose corners count as missed: {told}."


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|~&$])", r"\\\1", " ".join(text.split()))
