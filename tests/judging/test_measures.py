"""Figures of a comparison: what they are, which way is better, how they are rounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spondyl.judging import measures
from spondyl.judging.comparison import Cost, Difference
from spondyl.judging.statistics import Estimate

from .models import COST, compared, model

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        (Estimate(None), ("-", "")),
        (Estimate(43.8512), ("43.9", "")),
        (Estimate(43.8512, 41.2, 46.9), ("43.9", "[41.2, 46.9]")),
        (Estimate(43.8512, 43.80, 43.90), ("43.85", "[43.80, 43.90]")),
        (Estimate(43.8512, 10.0, 90.0), ("43.9", "[10.0, 90.0]")),
        (Estimate(0.0, 0.0, 0.0), ("0.0", "[0.0, 0.0]")),
        (Estimate(-0.001, -0.2, 0.2), ("0.00", f"[{MINUS}0.20, 0.20]")),
        (Estimate(-5.0, -9.9, -0.1), (f"{MINUS}5.0", f"[{MINUS}9.9, {MINUS}0.1]")),
    ],
)
def test_a_figure_has_the_digits_that_its_interval_supports(
    estimate: Estimate, shown: tuple[str, str]
) -> None:
    assert measures.rounded(estimate) == shown


def test_a_difference_has_its_sign_but_none_has_nought() -> None:
    assert measures.rounded(Estimate(1.23, -0.5, 3.0), sign=True) == (
        "+1.2",
        f"[{MINUS}0.5, +3.0]",
    )
    assert measures.rounded(Estimate(0.0, -1.0, 1.0), sign=True)[0] == "0.0"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (31.78, "31.8"), (0.03124, "0.0312"), (1029.4, "1029"), (0.0, "0"), (87, "87")],
)
def test_a_figure_without_an_interval_has_three_digits(value: float | None, text: str) -> None:
    assert measures.three_digits(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(None, "= -"), (0.00049, "< 0.001"), (0.0146, "= 0.015"), (0.5, "= 0.50"), (1.0, "= 1.0")],
)
def test_a_probability_is_never_nought(p: float | None, text: str) -> None:
    assert measures.probability(p) == text


@pytest.mark.parametrize(
    ("metric", "value", "p_holm", "said"),
    [
        ("penalised_mre_512", -2.0, 0.01, "better"),
        ("penalised_mre_512", 2.0, 0.01, "worse"),
        ("sdr@6", 2.0, 0.01, "better"),
        ("recall", -2.0, 0.01, "worse"),
        ("level_shift", 2.0, 0.01, "worse"),
        ("level_shift", 2.0, 0.05, ""),
        ("sdr@6", 2.0, None, ""),
        ("something else", 2.0, 0.01, "differs"),
    ],
)
def test_better_is_what_the_metric_wants_and_only_where_it_is_significant(
    metric: str, value: float, p_holm: float | None, said: str
) -> None:
    """The corrected p decides, never the plain one."""
    difference = Difference("a", "all", metric, Estimate(value), 0.001, p_holm)
    assert measures.verdict(difference) == said


def test_without_a_difference_nothing_is_said() -> None:
    assert measures.verdict(None) == ""


def test_the_main_table_has_the_plans_thresholds_where_they_are() -> None:
    names = [each.name for each in measures.shown_measures(compared("a", "b"))]
    assert names == [
        "mre_512", "median_512", "penalised_mre_512",
        "sdr@6", "sdr@12", "sdr@18", "sdr@24", "f1", "level_shift",
    ]  # fmt: skip
    both = compared("a", "b")
    others = {n: replace(e, thresholds=(2.0, 4.0)) for n, e in both.evaluations.items()}
    named = measures.shown_measures(replace(both, evaluations=others))
    assert [each.name for each in named if each.unit == "%"] == [
        "sdr@2", "sdr@4", "f1", "level_shift",
    ]  # fmt: skip


def test_a_figure_is_the_evaluations_own() -> None:
    judged = model(8.0, levels=3)
    assert measures.estimate_of(judged, "all", "f1") == judged.detection.f1
    assert measures.estimate_of(judged, "ordinal", "f1").value is None
    assert measures.estimate_of(judged, "ordinal", "level_shift") == judged.level_shift["ordinal"]
    assert measures.estimate_of(judged, "matched", "level_shift").value is None
    metrics = judged.protocol("matched").metrics
    assert measures.estimate_of(judged, "matched", "sdr@6") == metrics["sdr@6"]
    assert measures.estimate_of(judged, "all", "sdr@999").value is None


def test_every_figure_and_difference_has_its_row() -> None:
    comparison = compared("a", "b")
    rows = {
        (r["model"], r["protocol"], r["metric"]): r for r in measures.comparison_rows(comparison)
    }
    for difference in comparison.differences:
        row = rows[difference.model, difference.protocol, difference.metric]
        assert (row["difference"], row["difference_low"], row["difference_high"]) == (
            difference.difference.value,
            difference.difference.low,
            difference.difference.high,
        )
        assert (row["p"], row["p_holm"]) == (difference.p, difference.p_holm)
    assert rows["a", "all", "penalised_mre_512"]["difference"] is None  # the baseline
    shift = rows["b", "ordinal", "level_shift"]["value"]
    assert shift == comparison.evaluations["b"].level_shift["ordinal"].value
    assert rows["b", "cost", "parameters"]["value"] == 31_780_000
    assert ("b", "cost", "network") not in rows
    assert len({tuple(row) for row in rows.values()}) == 1  # the same columns


def test_costs_are_in_units_that_can_be_read() -> None:
    shown = {each.label: each.texts[0] for each in measures.expenses(compared("a", "b"))}
    assert shown == {
        "Parameters, M": "31.8", "GMACs": "37.2", "Best epoch": "87", "Training, h": "4.71",
        "Peak memory, GiB": "1.50", "CPU latency, ms": "812",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "label", "text"),
    [
        (7200.0, "Training, h", "2.00"),
        (90.0, "Training, min", "1.50"),
        (4.0, "Training, s", "4.00"),
    ],
)
def test_a_training_is_told_in_the_unit_of_the_longest(
    seconds: float, label: str, text: str
) -> None:
    costs = {"a": Cost(training_seconds=seconds), "b": Cost(training_seconds=1.0)}
    shown = measures.expenses(replace(compared("a", "b"), costs=costs))
    assert [(each.label, each.texts[0]) for each in shown] == [(label, text)]


def test_what_is_known_of_no_model_is_left_out_and_of_some_a_dash() -> None:
    assert measures.expenses(compared("a", "b", costs=False)) == ()
    some = replace(compared("a", "b"), costs={"b": COST})
    assert {each.texts[0] for each in measures.expenses(some)} == {"-"}


def test_hardware_is_named_once_or_for_each_model() -> None:
    both = compared("a", "b")
    assert measures.hardware(both) == (
        "Input 512 px. Trained on NVIDIA H200."
        " Latency: one film, network and decoding, median, on one core."
    )
    other = replace(both, costs={"a": COST, "b": replace(COST, training_device="a laptop")})
    assert measures.hardware(other).startswith(
        "Input 512 px. Trained on NVIDIA H200 (a); a laptop (b). "
    )
    assert measures.hardware(replace(both, costs={"b": COST})) == measures.hardware(both)
    assert measures.hardware(replace(both, costs={})) == ""
