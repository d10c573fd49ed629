"""Agreement as it is shown: tables, plots and files."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from spondyl.judging import figures
from spondyl.judging.agreement import agreement
from spondyl.judging.agreement_page import agreement_sections
from spondyl.judging.bland_altman import bland_altman, shown_scores
from spondyl.judging.evaluate import evaluate
from spondyl.judging.pairing import MeasuredPair, measured_pairs
from spondyl.judging.report import write_evaluation
from spondyl.writing.page import Section, Table

from .test_agreement import lateral, pair
from .test_figures import coloured, texts


def measured() -> tuple[MeasuredPair, ...]:
    found, annotated = lateral()
    found[0] = replace(found[0], landmarks=replace(found[0].landmarks, refusal="not a spine"))
    return measured_pairs(found, annotated)


def sections() -> dict[str, Section]:
    return {section.title: section for section in agreement_sections(agreement(measured()))}


def lines(table: Table) -> dict[str, tuple[str, ...]]:
    return {row.label: tuple(cell.value for cell in row.cells) for row in table.rows}


def test_a_measurement_has_a_line_with_what_is_missing() -> None:
    shown = sections()["Agreement"]
    assert lines(shown.table)["slip, mm"] == (
        "55 / 60", "0.50", "0.50", "0.50 to 0.50", "0.0", "100.0", "-",
    )  # fmt: skip
    slip = next(row for row in shown.table.rows if row.label == "slip, mm")
    assert slip.note == "posterior corner"
    assert slip.cells[0].notes == ("film refused 5",)
    assert "1994" in shown.facts["human error, slip"]
    assert lines(sections()["Agreement by level"].table)["slip L4-L5, mm"][0] == "11 / 12"


def test_grades_have_the_table_of_their_confusion() -> None:
    shown = sections()["Meyerding grade"]
    assert shown.table.columns == ("annotated \\ predicted", "0", "I", "II", "III", "IV", "V")
    assert lines(shown.table)["0"] == ("55", "0", "0", "0", "0", "0")
    assert shown.facts["exact agreement, %"].startswith("100.00")
    assert shown.facts["weighted kappa, linear"] == "-"  # one grade only


def test_nothing_measured_has_no_section() -> None:
    assert list(agreement_sections(None)) == []


def test_only_what_was_measured_twice_is_drawn_and_at_most_six() -> None:
    shown = shown_scores(agreement(measured()))
    assert [score.title for score in shown] == [
        "slip, mm", "slip, %", "lordosis L1-S1, deg", "lordosis L1-L5, deg",
        "mean disc height, mm", "sacral slope S1, deg",
    ]  # fmt: skip
    assert shown_scores(agreement([pair(1.0, 2.0)])) == []
    assert shown_scores(None) == []


def test_a_plot_has_every_pair_its_limits_and_the_band_of_people() -> None:
    """Differences -1, 0 and 1 mm: the limits 1.96 mm off the bias stand that far apart."""
    pairs = [pair(float(i), i + d, str(i)) for i, d in enumerate((-1.0, 0.0, 1.0))]
    scores = shown_scores(agreement(pairs))
    svg = bland_altman(scores, pairs)
    assert "slip L4-L5, mm" in texts(svg)
    assert "difference, mm" in texts(svg)
    upper, bias, lower = sorted(path[0, 1] for path in coloured(svg, figures.COLOURS[1]))
    assert bias - upper == pytest.approx(lower - bias, abs=1e-3)
    (band,) = coloured(svg, "opacity: 0.15")
    height = band[:, 1].max() - band[:, 1].min()
    assert height / (lower - upper) == pytest.approx(2 * 1.3 / (2 * 1.96), rel=1e-3)
    points = svg.decode().count("<use ") - bland_altman(scores, pairs[:1]).decode().count("<use ")
    assert points >= 2
    assert svg == bland_altman(scores, pairs)


def test_many_pairs_make_no_heavy_plot() -> None:
    pairs = [pair(float(i), i + i % 3, f"f{i % 50}") for i in range(2000)]
    svg = bland_altman(shown_scores(agreement(pairs)), pairs)
    assert len(svg) < 100_000


def test_the_folder_has_every_pair_and_the_page_every_section(tmp_path: Path) -> None:
    found, annotated = lateral()
    pairs = measured()
    judged = evaluate(found, annotated, thresholds=[4], measured=pairs)
    page = write_evaluation(judged, tmp_path, measured=pairs).read_text(encoding="utf-8")
    for title in ("Agreement", "Bland-Altman plots", "Agreement by level", "Meyerding grade"):
        assert f"<h2>{title}</h2>" in page
    assert (tmp_path / "bland_altman.png").is_file()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "measurements.csv").read_text("utf-8"))))
    assert len(rows) == len(pairs)
    assert [float(row["annotated"]) for row in rows] == [each.annotated for each in pairs]
    assert {row["reason"] for row in rows} == {"", "film refused"}
    metrics = csv.DictReader(io.StringIO((tmp_path / "metrics.csv").read_text("utf-8")))
    known = {(row["protocol"], row["metric"]): row["value"] for row in metrics}
    assert float(known["slip, mm; posterior corner", "bias"]) == pytest.approx(0.5)
    assert float(known["Meyerding grade", "exact"]) == 100.0


def test_an_evaluation_without_measurements_writes_none(tmp_path: Path) -> None:
    found, annotated = lateral()
    write_evaluation(evaluate(found, annotated, thresholds=[4]), tmp_path)
    assert not (tmp_path / "measurements.csv").exists()
    assert not (tmp_path / "bland_altman.svg").exists()
