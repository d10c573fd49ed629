"""The words and figures of a comparison's page, without any markup."""

from __future__ import annotations

from dataclasses import replace

from spondyl.judging import comparison_page
from spondyl.judging.compare import compare
from spondyl.judging.comparison import Comparison
from spondyl.writing.page import Cell, Section, Table

from .models import COST, FILMS, compared, model

MINUS = "\N{MINUS SIGN}"


def lines(table: Table | None) -> dict[str, tuple[Cell, ...]]:
    """The cells of every line, by its label; the first of the same label."""
    assert table is not None
    found: dict[str, tuple[Cell, ...]] = {}
    for row in table.rows:
        found.setdefault(row.label, row.cells)
    return found


def values(table: Table | None) -> dict[str, list[str]]:
    return {label: [cell.value for cell in cells] for label, cells in lines(table).items()}


def one(sections: object) -> Section:
    [section] = sections  # type: ignore[misc]
    return section


def with_evaluation(comparison: Comparison, name: str, **changes: object) -> Comparison:
    changed = replace(comparison.evaluations[name], **changes)
    return replace(comparison, evaluations={**comparison.evaluations, name: changed})


def test_the_page_begins_with_what_was_compared() -> None:
    section = comparison_page.compared(compared("a", "b", "c"))
    assert section.facts["models"].startswith("3,")
    assert section.facts["baseline"] == "a"
    assert section.facts["all"] == "every annotated corner counts, a missed vertebra fails"
    assert "from the top" in section.text


def test_it_says_from_where_each_model_counts() -> None:
    both = compare({"a": model(0.0), "b": model(0.0, anchor="bottom")}, baseline="a")
    text = comparison_page.compared(both).text
    assert "of b from the bottom and of the others from the top" in text
    alone = with_evaluation(both, "a", ordinal_anchor="bottom")
    assert "of a, b from the bottom." in comparison_page.compared(alone).text


def test_few_models_are_columns_and_many_rows_with_the_same_figures() -> None:
    few = comparison_page.results(compared("a", "b"), "all").table
    many = comparison_page.results(compared(*"abcdef"), "all").table
    assert few.columns == ("", "a", "b")
    assert many.columns == ("", *(row.label for row in few.rows))
    assert values(few)["MRE, misses charged, px at 512"] == ["0.25", "4.25"]
    assert [row.label for row in many.rows] == list("abcdef")
    assert [row.note for row in many.rows] == ["baseline", *[""] * 5]
    assert many.rows[1].cells == tuple(row.cells[1] for row in few.rows)


def test_a_figure_that_a_protocol_lacks_has_no_column() -> None:
    both = compared("a", "b")
    everything = values(comparison_page.results(both, "all").table)
    ordinal = values(comparison_page.results(both, "ordinal").table)
    matched = values(comparison_page.results(both, "matched").table)
    assert everything.keys() - ordinal.keys() == {"detection F1, %"}
    assert ordinal.keys() - matched.keys() == {"level shifts, %"}


def test_a_model_that_finds_nothing_is_named_beside_its_dash() -> None:
    both = compare({"a": model(0.0), "blind": model(0.0, levels=0)}, baseline="a")
    section = comparison_page.results(both, "all")
    assert values(section.table)["MRE of the found, px at 512"] == ["0.25", "-"]
    assert values(section.table)["SDR@6, %"] == ["100.0", "0.0"]
    assert "nothing counts as found: blind" in section.text


def test_costs_are_those_of_the_runs_and_a_model_without_one_is_named() -> None:
    section = one(comparison_page.costs(compared("a", "b")))
    assert values(section.table)["Network"] == ["hrnet_w32"] * 2
    assert values(section.table)["Input, px"] == ["512"] * 2
    assert values(section.table)["CPU latency, ms"] == ["812"] * 2
    assert "only the evaluation" not in section.text
    some = one(comparison_page.costs(replace(compared("a", "b"), costs={"a": COST})))
    assert values(some.table)["Parameters, M"] == ["31.8", "-"]
    assert some.text.endswith("Of b only the evaluation was given.")
    assert not list(comparison_page.costs(compared("a", "b", costs=False)))


def test_a_difference_has_interval_and_both_p_and_says_which_is_better() -> None:
    section = one(comparison_page.differences(compared("a", "b", "c")))
    charged, sdr_6, *_ = lines(section.table)["c"]
    assert (charged.value, charged.interval, charged.verdict) == (
        "+8.00",
        "[+8.00, +8.00]",
        "worse",
    )
    assert charged.notes == ("p < 0.001", "Holm p = 0.015")
    assert (sdr_6.value, sdr_6.verdict) == (f"{MINUS}100.0", "worse")
    assert lines(section.table)["b"][1].verdict == ""
    assert [row.label for row in section.table.rows] == ["All", "b", "c", "Ordinal", "b", "c"]
    assert "Not tested: MRE of the found, median error, detection F1." in section.text
    assert "all 30 tests" in section.text


def test_better_is_a_difference_to_the_good_side() -> None:
    models = {"a": model(16.0), "b": model(0.0)}
    section = one(comparison_page.differences(compare(models, baseline="a")))
    charged, sdr_6, *_ = lines(section.table)["b"]
    assert (charged.value, charged.verdict) == (f"{MINUS}8.00", "better")
    assert (sdr_6.value, sdr_6.verdict) == ("+100.0", "better")


def test_every_threshold_is_in_the_files_but_the_plans_are_on_the_page() -> None:
    columns = one(comparison_page.differences(compared("a", "b"))).table.columns
    assert columns == (
        "", "MRE, misses charged, px at 512", "SDR@6, %", "SDR@12, %", "SDR@18, %", "SDR@24, %",
        "level shifts, %", "recall, %",
    )  # fmt: skip


def test_a_comparison_without_differences_has_no_such_section() -> None:
    assert not list(comparison_page.differences(replace(compared("a", "b"), differences=())))


def test_every_part_has_its_error_and_the_share_that_was_found() -> None:
    both = compare({"a": model(0.0), "half": model(8.0, levels=3)}, baseline="a")
    table = one(comparison_page.parts(both)).table
    headings = [row.label for row in table.rows if not row.cells]
    assert headings == [
        "Level", "Corner", "Source", "Facing", "Annotated vertebrae on the film"
    ]  # fmt: skip
    rows = lines(table)
    assert rows["L1"] == (Cell("0.250", "100 %"), Cell("4.25", "100 %"))
    assert rows["S1"] == (Cell("0.250", "100 %"), Cell("-", "0 %"))
    assert rows["SL"][1] == Cell("4.25", "50.0 %")
    assert rows["ours"] == (Cell("0", "100 %"), Cell("4.00", "50.0 %"))
    assert rows["theirs"] == (Cell("0.500", "100 %"), Cell("4.50", "50.0 %"))
    assert {"left", "right", "unknown", "6"} <= rows.keys()
    [level] = [row for row in table.rows if row.label == "L1"]
    assert level.note == "48 corners"


def test_a_part_that_one_model_lacks_is_a_dash() -> None:
    both = compared("a", "b")
    lacking = with_evaluation(both, "a", per_source=both.evaluations["a"].per_source[1:])
    rows = values(one(comparison_page.parts(lacking)).table)
    assert rows["ours"] == ["-", "4.00"]


def test_more_models_than_fit_side_by_side_go_on_below() -> None:
    names = [f"m{i}" for i in range(11)]
    both = compared("a", "b")
    many = replace(both, evaluations=dict.fromkeys(names, both.evaluations["a"]))
    first, second = comparison_page.parts(many)
    assert first.table.columns[1:] + second.table.columns[1:] == tuple(names)
    assert second.title == f"{first.title}, continued"


def test_the_worst_films_are_those_of_all_models_together() -> None:
    both = compared("a", "b")
    section = one(comparison_page.worst(both))
    odd = [key for i, key in enumerate(FILMS) if i % 2]  # a px worse
    assert [row.label for row in section.table.rows][:6] == odd
    assert len(section.table.rows) == 10
    assert lines(section.table)[odd[0]] == (Cell("0.500", "6 / 6"), Cell("4.50", "6 / 6"))


def test_where_predictions_come_from_is_said_model_by_model() -> None:
    both = with_evaluation(compared("a", "version"), "a", unpredicted=("film-03",))
    models, made = comparison_page.provenance(both)
    assert models.facts == {
        "a": "weights 0.safetensors; 1 unpredicted films (film-03)",
        "version": "weights 8.safetensors",
    }
    assert made.facts == {"version": "1.2", "seed of the resamples": "0"}


def test_the_training_is_shown_where_it_is_known() -> None:
    assert not list(comparison_page.training(None))
