"""An evaluation as JSON."""

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
from pydantic_core import PydanticSerializationError

from spondyl.errors import UsageError
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation, PartScore, ProtocolScore
from spondyl.judging.statistics import Estimate

from .spines import film, nobody, shifted, spine
from .test_evaluate import bent


def one() -> Evaluation:
    annotations = [
        film("a", spine(6)),
        film("b", nobody(), group="h"),
        film("c", bent(), view="ap"),
    ]
    predictions = [film("a", shifted(spine(5), 0.1, 1 / 3)), film("c", shifted(bent(), 1, 2))]
    return evaluate(predictions, annotations, thresholds=[2, 4.5], made_by={"version": "0.1"})


def test_the_round_trip_through_json_is_exact() -> None:
    evaluation = one()
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    again = Evaluation.from_json(json.loads(text))
    assert again == evaluation
    assert json.dumps(again.to_json()) == text


def test_the_round_trip_through_a_file_is_exact(tmp_path: Path) -> None:
    evaluation = one()
    evaluation.write(tmp_path / "evaluation.json")
    assert Evaluation.read(tmp_path / "evaluation.json") == evaluation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("{}", "films: field required"),
        ("[]", "evaluation: "),
        ("\udcff", "cannot be read"),
    ],
)
def test_what_is_no_evaluation_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message) as caught:
        Evaluation.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: cannot be read"):
        Evaluation.read(tmp_path / "none.json")


def test_missing_figures_stay_missing() -> None:
    """No name, no spacing, nothing found: null in the file, None again when it is read."""
    data = json.loads(json.dumps(one().to_json(), allow_nan=False))
    by_name = {score["protocol"]: score["metrics"] for score in data["protocols"]}
    assert by_name["all"]["mre_mm"] == {"value": None, "low": None, "high": None}
    again = Evaluation.from_json(data)
    assert again.protocol("all").metrics["mre_mm"] == Estimate(None)
    films = {row.key: row for row in again.per_film}
    assert (films["b"].mre, films["b"].worst, films["b"].penalised) == (None, None, None)
    assert (films["a"].cobb_predicted, len(films["c"].cobb_predicted)) == (None, 3)


exact = st.floats(allow_nan=False, allow_infinity=False)
estimates = st.builds(Estimate, st.none() | exact, st.none() | exact, st.none() | exact)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=8), estimates, max_size=4), st.text(max_size=12), exact)
def test_any_figure_and_any_name_survives(
    metrics: dict[str, Estimate], name: str, figure: float
) -> None:
    first = ProtocolScore("all", 3, 2, metrics)
    part = PartScore(name, 3, 2, figure, None, (figure, 0.1 + 0.2))
    evaluation = replace(
        one_and_only(), protocols=(first,), per_level=(part,), worst=(name,), made_by={name: name}
    )
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == evaluation


@cache
def one_and_only() -> Evaluation:
    return one()


def test_an_evaluation_without_cobb_angles_says_null() -> None:
    evaluation = evaluate([film("a", spine(3))], [film("a", spine(3))], thresholds=[4])
    data = evaluation.to_json()
    assert data["cobb"] is None
    assert Evaluation.from_json(data).cobb is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.pop("detection"), "^detection: field required"),
        (lambda d: d["naming"].update(right="many"), "^naming.right: "),
        (lambda d: d["protocols"][1].update(protocol="mine"), "^protocols.1.protocol: "),
        (lambda d: d["per_film"][0].update(found=None), "^per_film.0.found: "),
        (lambda d: d["per_film"][0].update(facing="up"), "^per_film.0.facing: "),
        (lambda d: d["per_film"][0]["tallies"]["all"].pop("within"), "^per_film.0.tallies.all.wit"),
        (lambda d: d.pop("per_count"), "^per_count: field required"),
        (lambda d: d["curve"]["shares"].update(all=3), "^curve.shares.all"),
        (lambda d: d.update(ordinal_anchor="middle"), "^ordinal_anchor: "),
    ],
)
def test_a_file_that_was_tampered_with_is_refused_where_it_is_wrong(
    spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    data = json.loads(json.dumps(one_and_only().to_json()))
    spoil(data)
    with pytest.raises(UsageError, match=message) as caught:
        Evaluation.from_json(data)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("need an evaluation")


def test_a_failed_write_leaves_the_evaluation_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    one_and_only().write(path)
    before = path.read_bytes()
    spoiled = replace(one_and_only(), worst=("\udcff",))
    with pytest.raises((UnicodeEncodeError, PydanticSerializationError)):
        spoiled.write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
