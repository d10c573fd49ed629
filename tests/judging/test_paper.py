"""The table for a paper, read back from its Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from spondyl.judging.comparison import Comparison
from spondyl.judging.paper import paper_table

from .models import compared

ROWS = [
    "Parameters, M", "GMACs", "MRE of the found, px at 512", "median error, px at 512",
    "MRE, misses charged, px at 512", "SDR@6, %", "SDR@12, %", "SDR@18, %", "SDR@24, %",
    "detection F1, %", "level shifts, %", "Best epoch", "Training, h", "Peak memory, GiB",
    "CPU latency, ms",
]  # fmt: skip


def cells(text: str) -> list[list[str]]:
    """The cells of every line but the rule; a bar that is escaped is no border."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert re.fullmatch(r"\|(:?-+:?\|)+", lines[1])
    split = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line != lines[1]]
    return [[cell.strip() for cell in line] for line in split]


def test_few_models_stand_in_columns() -> None:
    table = cells(paper_table(compared("a", "b", "c")))
    assert table[0] == ["", "a", "b", "c"]
    assert [line[0] for line in table[1:]] == ROWS
    by_label = {line[0]: line[1:] for line in table}
    assert by_label["Parameters, M"] == ["31.8"] * 3
    assert by_label["MRE, misses charged, px at 512"][0] == "0.25 [0.12, 0.38]"
    assert by_label["MRE, misses charged, px at 512"][1] == "4.25† [4.12, 4.38]"
    assert by_label["SDR@6, %"] == ["100.0 [100.0, 100.0]"] * 2 + ["0.0† [0.0, 0.0]"]


def test_many_models_stand_in_rows() -> None:
    table = cells(paper_table(compared(*"abcde")))
    assert table[0] == ["Model", *ROWS]
    assert [line[0] for line in table[1:]] == list("abcde")
    assert {len(line) for line in table} == {1 + len(ROWS)}


def test_only_what_is_significant_after_correction_has_a_mark() -> None:
    both = compared("a", "b")
    assert paper_table(both).count("†") == 2  # the charged MRE, and the footnote
    unsure = tuple(replace(d, p_holm=0.06) for d in both.differences)
    assert paper_table(replace(both, differences=unsure)).count("†") == 1


def test_the_footnote_says_what_the_reader_must_know() -> None:
    text = paper_table(compared("a", "b"))
    note = text.strip().splitlines()[-1]
    for words in (
        "12 films of 12 groups, 72 annotated vertebrae", "95 % intervals", "bootstrap over groups",
        "*all*", "px at 512", "48 px", "† differs from a, the baseline", "p < 0.05", "Holm",
        "15 tests", "Not tested: MRE of the found, median error, detection F1.",
        "Trained on NVIDIA H200.", "on one core.",
    ):  # fmt: skip
        assert words in note
    assert "without a prediction" not in note


def test_films_that_a_model_never_saw_are_told() -> None:
    both = compared("a", "b")
    lacking = replace(both.evaluations["b"], unpredicted=("film-00", "film-01"))
    changed = replace(both, evaluations={**both.evaluations, "b": lacking})
    assert "corners count as missed: 2 of b." in paper_table(changed)


def test_costs_that_nobody_knows_have_no_row() -> None:
    table = cells(paper_table(compared("a", "b", costs=False)))
    assert [line[0] for line in table[1:]] == ROWS[2:-4]


@pytest.mark.parametrize(
    "name", ["a|b", "*bold*", "<script>", "a\nb", "[x](y)", "a`b", "a_b_", "back\\", "&lt;", "$x$"]
)
def test_no_name_breaks_the_table_or_becomes_markup(name: str) -> None:
    text = paper_table(compared(name, "other"))
    table = cells(text)
    assert {len(line) for line in table} == {3}
    plain = re.sub(r"\\([\W_])", r"\1", table[0][1])
    assert plain == " ".join(name.split())
    assert not re.search(r"(?<!\\)[|*_<>`\[\]$]", table[0][1])


def test_the_same_comparison_makes_the_same_text() -> None:
    comparison: Comparison = compared("a", "b")
    assert paper_table(comparison) == paper_table(comparison)
    assert paper_table(Comparison.from_json(comparison.to_json())) == paper_table(comparison)
