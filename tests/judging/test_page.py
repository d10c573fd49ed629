"""The words and figures of a page, without any markup."""

from __future__ import annotations

import pytest

from spondyl.film.radiograph import PixelSpacing
from spondyl.judging import page
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.statistics import Estimate
from spondyl.writing.page import Cell, Figure, Table

from .spines import film, nobody, shifted, spine
from .test_evaluate import bent

SPACING = PixelSpacing(0.5, 0.5)


def judged(dx: float, *, vertebrae: int = 6, **more) -> Evaluation:
    """Three films of six vertebrae, ``vertebrae`` of them found ``dx`` image px off."""
    annotations = [film(k, spine(6), group=k, **more) for k in "abc"]
    found = shifted(spine(6).select(range(vertebrae)), dx, 0)
    return evaluate([film(k, found) for k in "abc"], annotations, thresholds=[2, 4])


def lines(table: Table) -> dict[str, tuple[str, ...]]:
    """The values of every line, by its label."""
    return {row.label: tuple(cell.value for cell in row.cells) for row in table.rows if row.cells}


def test_the_headline_is_the_all_protocol_at_the_largest_threshold() -> None:
    tiles = page.tiles(judged(6, vertebrae=3))
    assert [tile.value for tile in tiles] == ["50.0 %", "100.0 %", "3.0 px", "50.0 %", "50.0 %"]
    assert tiles[3].label == "of all annotated corners within 4 px at 512"


def test_a_headline_of_nought_is_shown_and_one_that_nobody_knows_is_not() -> None:
    """A model that finds nothing must not look as if nobody had counted."""
    annotations = [film("a", spine(6, named=False))]
    tiles = page.tiles(evaluate([film("a", nobody())], annotations, thresholds=[4]))
    assert [(tile.value, tile.label) for tile in tiles] == [
        ("0.0 %", "of the annotated vertebrae found"),
        ("0.0 %", "of all annotated corners within 4 px at 512"),
    ]
    perfect = page.tiles(judged(0))
    assert [tile.value for tile in perfect] == [
        "100.0 %",
        "100.0 %",
        "0.0 px",
        "100.0 %",
        "100.0 %",
    ]


def test_the_subtitle_says_what_was_judged() -> None:
    text = page.subtitle(judged(1))
    assert text.startswith("3 films of 3 groups, 18 annotated vertebrae.")


def test_one_evaluation_has_a_column_a_protocol() -> None:
    table = page.protocol_table(judged(6, vertebrae=3, spacing=SPACING))
    assert table.columns == ("", "all", "ordinal", "matched", "named")
    rows = lines(table)
    assert rows["corners found / judged"] == ("36 / 72", "36 / 72", "36 / 36", "36 / 72")
    assert rows["MRE, image px"] == ("6.00",) * 4
    assert rows["MRE, px at 512"] == ("3.00",) * 4
    assert rows["MRE, % of the vertebra's height"] == ("15.0",) * 4
    assert rows["MRE, mm"] == ("3.00",) * 4
    assert rows["MRE with 48 px a missed corner, px at 512"] == ("25.5", "25.5", "3.00", "25.5")
    assert rows["SDR within 4 px at 512, %"] == ("50.0", "50.0", "100.0", "50.0")
    assert rows["SDR within 2 px at 512, %"] == ("0.0",) * 4


def test_what_nobody_knows_has_no_line_and_no_column() -> None:
    annotations = [film("a", spine(4, named=False))]
    result = evaluate([film("a", spine(4))], annotations, thresholds=[4])
    table = page.protocol_table(result)
    assert table.columns == ("", "all", "ordinal", "matched")
    assert "MRE, mm" not in lines(table)
    assert not any(label.startswith("median error, mm") for label in lines(table))
    detection = lines(page.detection_table({"predictions": result}))
    assert "right, %" not in detection


def test_vertebrae_are_counted_and_named() -> None:
    rows = lines(page.detection_table({"predictions": judged(0, vertebrae=3)}))
    assert rows["found / annotated"] == ("9 / 18",)
    assert rows["false / ignored"] == ("0 / 0",)
    assert (rows["recall, %"], rows["precision, %"]) == (("50.0",), ("100.0",))
    assert rows["F1, %"] == ("66.7",)
    assert rows["right / wrong / without a name / missed"] == ("9 / 0 / 0 / 9",)


def test_levels_and_corners_have_a_line_each() -> None:
    table = page.part_table(judged(6, vertebrae=3))
    assert table.columns[1:] == (
        "found / annotated", "MRE", "median", "within 2 px, %", "within 4 px, %"
    )  # fmt: skip
    assert [row.label for row in table.rows] == [
        "Level", "L1", "L2", "L3", "L4", "L5", "S1", "Corner", "SL", "SR", "IL", "IR"
    ]  # fmt: skip
    rows = lines(table)
    assert rows["L1"] == ("12 / 12", "3.00", "3.00", "0.0", "100.0")
    assert rows["S1"] == ("0 / 12", "-", "-", "0.0", "0.0")
    assert rows["SL"] == ("9 / 18", "3.00", "3.00", "0.0", "50.0")


def test_the_worst_film_heads_its_table() -> None:
    annotations = [film(k, spine(2), group=k) for k in "abc"]
    predictions = [film("a", shifted(spine(2), 4, 0)), film("b", nobody()), film("c", spine(2))]
    table = page.worst_table(evaluate(predictions, annotations, thresholds=[4]))
    assert [row.label for row in table.rows] == ["b", "a", "c"]
    rows = lines(table)
    assert rows["b"] == ("0 / 2", "0", "-", "-", "48.00")
    assert rows["a"] == ("2 / 2", "0", "2.00", "2.00", "2.00")
    assert len(table.columns) == 1 + len(rows["a"])


def test_angles_have_a_table_where_one_was_measured() -> None:
    annotations = [film("a", bent(), view="ap"), film("b", bent(), group="h", view="ap")]
    predictions = [film("a", bent(amplitude=22)), film("b", nobody())]
    frontal = evaluate(predictions, annotations, thresholds=[4])
    assert not list(page.cobb_sections({"lateral": judged(1)}))
    [section] = page.cobb_sections({"lateral": judged(1), "frontal": frontal})
    table = section.table
    assert table.columns == ("", "frontal")
    rows = lines(table)
    assert rows["films measured / not"] == ("1 / 1",)
    assert rows["MT, MAE in deg"] == ("4.00",)
    assert float(rows["SMAPE, %"][0]) == pytest.approx(frontal.cobb.smape.value, rel=5e-3)


def test_provenance_names_the_model_and_the_films_that_could_not_be_paired() -> None:
    annotations = [film(f"f{i:02d}", spine(2), group=str(i)) for i in range(12)]
    predictions = [film("f00", spine(2)), film("x", spine(2))]
    result = evaluate(
        predictions,
        annotations,
        thresholds=[4],
        made_by={"weights": "abc"},
        ordinal_anchor="bottom",
    )
    alone = page.provenance(result).facts
    assert alone["weights"] == "abc"
    assert alone["ordinal counts from"] == "bottom"
    assert alone["unpredicted films"] == "11: f01, f02, f03, f04, f05, f06, f07, f08"
    assert alone["unannotated films"] == "1: x"


def test_films_without_a_prediction_are_counted_before_any_figure() -> None:
    annotations = [film(f"f{i:02d}", spine(2), group=str(i)) for i in range(12)]
    every = evaluate(annotations, annotations, thresholds=[4])
    assert page.left_out(every) is None
    assert not list(page.coverage_sections(every))
    some = evaluate(annotations[:2], annotations, thresholds=[4])
    [section] = page.coverage_sections(some)
    assert section.text is not None
    assert section.text.startswith("10 of 12 annotated films have no prediction: every vertebra on")
    assert section.text.endswith("nothing: f02, f03, f04, f05, f06, f07, f08, f09 and 2 more.")
    one = evaluate(annotations[1:], annotations, thresholds=[4])
    assert str(page.left_out(one)).startswith("1 of 12 annotated films has no prediction: every")


@pytest.mark.parametrize(
    ("estimate", "value", "interval"),
    [
        (Estimate(None), "-", ""),
        (Estimate(2.346), "2.35", ""),
        (Estimate(0.0, 0.0, 0.0), "0.0", "[0.0, 0.0]"),
        (Estimate(99.999, 12.344, 100.0), "100.0", "[12.3, 100.0]"),
    ],
)
def test_a_figure_is_shown_with_its_interval(estimate: Estimate, value: str, interval: str) -> None:
    assert page.estimate_cell(estimate) == Cell(value, interval)


def test_every_class_of_error_is_explained_and_every_protocol_too() -> None:
    from spondyl.judging.evaluate import PROTOCOLS
    from spondyl.judging.taxonomy import CLASSES

    text = page.taxonomy_section(Figure("")).text.lower()
    assert all(name in text for name in CLASSES)
    assert tuple(page.PROTOCOL_TITLES) == PROTOCOLS
    words = page.protocol_section(judged(1)).text.lower()
    assert all(title.lower() in words for title in page.PROTOCOL_TITLES.values())
