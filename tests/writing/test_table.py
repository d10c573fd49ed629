"""Tables that a spreadsheet opens and never runs."""

import csv
import io

import pytest

from spondyl.writing.table import to_csv


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_every_start_of_a_formula_is_disarmed_but_numbers_stay(start: str) -> None:
    rows = list(
        csv.reader(io.StringIO(to_csv([{"a": f"{start}x", "b": -1.5, "c": None}]), newline=""))
    )
    assert rows[1] == [f"'{start}x", "-1.5", ""]


def test_nothing_gives_an_empty_table() -> None:
    assert to_csv([]) == ""


@pytest.mark.parametrize(
    "text", ['a,"b"', "two\nlines", "semi;colon", "ä\u2028脊", " lead", "", "'="]
)
def test_any_text_survives_a_table(text: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv([{"name": text, "n": 1}]), newline="")))
    assert rows == [["name", "n"], [text, "1"]]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)"])
def test_a_column_cannot_be_a_formula_either(name: str) -> None:
    assert to_csv([{name: 1}]).startswith(f"'{name}")


def test_columns_that_are_asked_for_are_there_without_rows_and_in_that_order() -> None:
    assert to_csv([], columns=("b", "a")) == "b,a\r\n"
    assert to_csv([{"a": 1}, {"b": 2}], columns=("b", "a")) == "b,a\r\n,1\r\n2,\r\n"
