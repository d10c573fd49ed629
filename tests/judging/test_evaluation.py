"""An evaluation as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spondyl.errors import UsageError
from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation

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
