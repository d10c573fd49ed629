"""What was measured, as tables and JSON: nothing is lost, and both tables agree."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement, Reference
from spondyl.writing.measured import (
    COLUMNS,
    MeasuredFilm,
    key_numbers,
    long_rows,
    marked_lines,
    measurements_json,
    shown_interval,
    shown_value,
    wide_table,
)
from spondyl.writing.table import to_csv
from writing.measured_films import INTERVALS, MADE_BY, film, film_of, grade, slip


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def both(films: list[MeasuredFilm]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    columns, rows = wide_table(films)
    return read(to_csv(list(long_rows(films)), columns=COLUMNS)), read(
        to_csv(rows, columns=columns)
    )


def test_the_long_table_holds_every_measurement_as_it_was_measured() -> None:
    measured, _ = film(3)
    rows, _ = both([measured])
    assert len(rows) == len(measured.measurements) > 50
    for row, each in zip(rows, measured.measurements, strict=True):
        assert (row["name"], row["levels"]) == (each.name, "-".join(each.levels))
        assert (row["unit"], row["definition"]) == (each.unit, each.definition)
        assert row["note"] == (each.note or "")
        if each.value is None:
            assert row["value"] == ""
        else:
            assert float(row["value"]) == pytest.approx(each.value, abs=5.1e-5)


@pytest.mark.parametrize("view", ["lateral", "ap"])
def test_the_wide_table_says_what_the_long_one_says(view) -> None:
    films = [film(seed, view=view)[0] for seed in (1, 2)]
    films.append(film(3, view=view, mm=None)[0])
    rows, wide = both(films)
    for name, table in zip(("film-1", "film-2", "film-3"), wide, strict=True):
        assert table["film"] == name
        told = sorted(row["value"] for row in rows if row["film"] == name and row["value"])
        assert (
            sorted(value for column, value in table.items() if value and column != "film") == told
        )


def test_columns_are_called_by_name_unit_and_levels_in_the_order_of_the_spine() -> None:
    columns, _ = wide_table([film(4)[0]])
    assert {"slip_pct_L4-L5", "slip_mm_L5-S1", "lordosis_deg_L1-S1"} <= set(columns)
    assert {"meyerding_grade_L4-L5", "anterior_disc_height_mm_L3-L4"} <= set(columns)
    slips = [name for name in columns if name.startswith("slip_pct")]
    assert slips[-3:] == ["slip_pct_L3-L4", "slip_pct_L4-L5", "slip_pct_L5-S1"]


def test_columns_do_not_depend_on_the_order_of_the_films() -> None:
    films = [film(seed)[0] for seed in (1, 2, 3)]
    assert wide_table(films)[0] == wide_table(films[::-1])[0]


def test_curves_whose_ends_are_found_share_a_column_between_films() -> None:
    """The Cobb angle of one film is T3-T9, of the next T4-T10: it is one quantity all the same."""
    films = [film(seed, view="ap")[0] for seed in (1, 2, 3)]
    columns, rows = wide_table(films)
    cobb = [name for name in columns if "cobb" in name]
    assert cobb == [
        "cobb_angle_deg_aasce_2019_mt", "cobb_angle_deg_aasce_2019_pt",
        "cobb_angle_deg_aasce_2019_tl", "maximal_cobb_angle_deg",
    ]  # fmt: skip
    assert all(row[name] is not None for row in rows for name in cobb)


def test_two_definitions_of_one_name_have_two_columns() -> None:
    angles = [
        Measurement("endplate angle", ("T5", "T12"), value, "deg", f"Cobb, T5.{end}:T12.inferior")
        for value, end in ((10.0, "superior"), (12.0, "inferior"))
    ]
    columns, [row] = wide_table([film_of(*angles)])
    assert columns[1:] == [
        "endplate_angle_deg_T5-T12_cobb_t5_inferior_t12_inferior",
        "endplate_angle_deg_T5-T12_cobb_t5_superior_t12_inferior",
    ]
    assert [row[name] for name in columns[1:]] == [12.0, 10.0]


def test_a_film_without_measurements_has_a_row_and_tables_without_films_a_head() -> None:
    columns, rows = wide_table([film_of(key="none"), film_of(slip(), key="one")])
    assert rows[0] == {"film": "none"}
    assert read(to_csv(rows, columns=columns))[0]["slip_pct_L4-L5"] == ""
    assert to_csv([], columns=COLUMNS) == ",".join(COLUMNS) + "\r\n"


def test_no_cell_is_a_formula() -> None:
    rows, wide = both([film_of(slip(note="=1+1"), key="=cmd|' /C calc'!A0")])
    assert rows[0]["film"] == wide[0]["film"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["note"] == "'=1+1"


def test_the_json_is_exact_lines_included() -> None:
    measured, _ = film(5)
    data = json.loads(
        json.dumps(
            measurements_json([measured], made_by=MADE_BY, intervals=INTERVALS), allow_nan=False
        )
    )
    assert (data["made_by"], data["intervals"]["films"]) == (MADE_BY, 40)
    [told] = data["films"]
    assert (told["film"], told["view"]) == ("film-5", "lateral")
    for stored, each in zip(told["measurements"], measured.measurements, strict=True):
        assert stored["value"] == each.value
        assert tuple(tuple(map(tuple, line)) for line in stored["lines"]) == each.lines


def test_a_refused_film_says_why_and_an_empty_one_does_too() -> None:
    refused = film_of(slip(None, note="no spine"), refusal="no spine", doubt=1.7)
    assert refused.reason == "no spine"
    empty = replace(
        refused, sample=replace(refused.sample, landmarks=Landmarks(np.zeros((0, 4, 2))))
    )
    assert empty.reason == "no vertebra found"
    assert film_of(slip()).reason is None
    assert film_of(slip(None, note="a corner was not seen")).reason == "a corner was not seen"
    data = measurements_json([refused], made_by={}, intervals=None)["films"][0]
    assert (data["doubt"], data["refusal"], data["reason"]) == (1.7, "no spine", "no spine")


def test_numbers_are_shown_as_people_read_them() -> None:
    one = slip(12.34, low=10.06, high=14.5, coverage=0.9)
    assert (shown_value(one), shown_interval(one)) == ("12.3 %", "[10.1, 14.5]")
    sure = grade(1.0, probability=0.826)
    assert (shown_value(sure), shown_interval(sure)) == ("grade I", "83 %")
    assert shown_value(slip(-0.04)) == "0.0 %"
    assert (shown_value(slip(None)), shown_interval(slip())) == ("-", "")
    assert shown_value(Measurement("lordosis", ("L1", "S1"), 45.06, "deg", "")) == "45.1°"
    assert shown_value(Measurement("height ratio", ("L1",), 0.956, "", "")) == "0.96"
    assert shown_value(Measurement("Genant grade", ("L1",), 2.0, "grade", "")) == "grade 2"


def test_the_first_numbers_are_graded_slips_or_else_the_largest() -> None:
    def at(upper: str, lower: str, value: float) -> Measurement:
        return replace(slip(value), levels=(upper, lower))

    small = [at("L3", "L4", 1.0), at("L4", "L5", -3.0)]
    assert [each.value for each in key_numbers(small)] == [-3.0]
    large = [*small, at("L5", "S1", 30.0), at("L2", "L3", -6.0)]
    assert [each.value for each in key_numbers(large)] == [30.0, -6.0]
    assert key_numbers([slip(None, note="?")]) == ()


def test_the_lines_of_the_first_numbers_are_marked_with_the_number() -> None:
    measured, _ = film(6)
    marked = marked_lines(measured.measurements)
    assert {line.label.split()[0] for line in marked} == {"slip", "lordosis"}
    assert all(line.lines for line in marked)


def test_a_z_score_goes_with_its_group_and_source() -> None:
    norm = Reference(45.0, 10.0, -1.5, "adults", "Somebody 1999")
    [row], _ = both([film_of(replace(slip(), reference=norm))])
    assert (row["z"], row["group"], row["source"]) == ("-1.5", "adults", "Somebody 1999")
