"""A comparison as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.errors import UsageError
from spondyl.judging.compare import compare
from spondyl.judging.comparison import Comparison, Cost, Difference
from spondyl.judging.statistics import Estimate

from .spines import film, shifted, spine
from .test_evaluate import judge

COST = Cost("unet", "set", 512, 834_993, 7.1, 12, 649.5, 2**40, "a GPU", 1 / 3, "AMD EPYC, 2 cores")


@cache
def one() -> Comparison:
    annotations = [film(k, spine(4), group=k) for k in "ab"]
    moved = [film(k, shifted(spine(n), 0.1, 1 / 3)) for k, n in zip("ab", (4, 3), strict=True)]
    pair = {"whole": judge(annotations, annotations), "ein Ärgernis": judge(moved, annotations)}
    return compare(pair, baseline="whole", seed=3, costs={"whole": COST}, made_by={"version": "0"})


def test_the_round_trip_through_json_is_exact() -> None:
    text = json.dumps(one().to_json(), allow_nan=False)
    again = Comparison.from_json(json.loads(text))
    assert again == one()
    assert json.dumps(again.to_json()) == text
    assert list(again.evaluations) == ["whole", "ein Ärgernis"]


def test_the_round_trip_through_a_file_is_exact(tmp_path: Path) -> None:
    one().write(tmp_path / "comparison.json")
    assert Comparison.read(tmp_path / "comparison.json") == one()


def test_what_is_unknown_stays_unknown() -> None:
    single = {name: replace(e, groups=1) for name, e in one().evaluations.items()}
    unsure = Difference("ein Ärgernis", "all", "recall", Estimate(2.0), None, None)
    comparison = replace(one(), evaluations=single, differences=(unsure,))
    data = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert data["differences"][0]["p_holm"] is None
    assert data["costs"]["ein Ärgernis"] == dict.fromkeys(data["costs"]["whole"])
    assert Comparison.from_json(data) == comparison


exact = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=50, deadline=None)
@given(names, names, exact, st.none() | exact, st.none() | st.integers(0, 2**53))
def test_any_name_and_any_figure_survives(
    model: str, metric: str, value: float, other: float | None, number: int | None
) -> None:
    difference = Difference(model, "ordinal", metric, Estimate(value, other, value), other, value)
    cost = Cost(network=model, parameters=number, gmacs=other)
    comparison = replace(
        one(),
        baseline=model,
        differences=(difference,),
        costs={model: cost},
        made_by={model: model},
    )
    text = json.dumps(comparison.to_json(), allow_nan=False)
    assert Comparison.from_json(json.loads(text)) == comparison


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.pop("baseline"), "^baseline: field required; need a comparison$"),
        (lambda d: d["differences"][1].update(protocol="mine"), "^differences.1.protocol: "),
        (lambda d: d["differences"][0]["difference"].update(low="?"), "^differences.0.difference"),
        (lambda d: d["costs"]["whole"].update(gmacs="many"), "^costs.whole.gmacs: "),
        (lambda d: d["evaluations"]["whole"].pop("films"), "^evaluations.whole.films: field requ"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused_where_it_is_wrong(
    spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    data = json.loads(json.dumps(one().to_json()))
    spoil(data)
    with pytest.raises(UsageError, match=message) as caught:
        Comparison.from_json(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read"), ("[]", "comparison: ")])
def test_what_is_no_comparison_is_refused_with_its_path(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        Comparison.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("need a comparison")
