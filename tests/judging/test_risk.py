"""Films left out because they are doubtful, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spondyl.judging.evaluate import evaluate
from spondyl.judging.evaluation import Evaluation
from spondyl.judging.report import write_evaluation
from spondyl.judging.risk import RiskCurve, risk_curve

from .spines import film, shifted, spine


def curve(doubts: list[float | None], errors: list[float | None]) -> RiskCurve:
    found = risk_curve(doubts, errors)
    assert found is not None
    return found


def test_four_films_by_hand() -> None:
    """Least doubtful first: 1, 5, 3, 7. Means 1, 3, 3, 4: area 2.75; by error 1, 2, 3, 4: 2.5."""
    found = curve([0.9, 0.1, 1.5, 0.4], [3.0, 1.0, 7.0, 5.0])
    assert found.coverage == (25.0, 50.0, 75.0, 100.0)
    assert found.risk == (1.0, 3.0, 3.0, 4.0)
    assert found.oracle == (1.0, 2.0, 3.0, 4.0)
    assert (found.area, found.oracle_area, found.random_area) == (2.75, 2.5, 4.0)
    assert (found.films, found.refused) == (4, 1)
    assert (found.kept_error, found.refused_error) == (3.0, 7.0)


def test_films_of_one_doubt_are_left_out_by_lot() -> None:
    found = curve([0.5, 0.5, 0.5], [0.0, 3.0, 6.0])
    assert found.risk == (3.0, 3.0, 3.0)
    assert found.area == found.random_area
    assert found.refused_error is None


def test_a_film_without_a_doubt_or_an_error_does_not_count() -> None:
    assert curve([0.2, None, 0.3], [1.0, 9.0, None]) == curve([0.2], [1.0])
    assert risk_curve([None, None], [1.0, 2.0]) is None


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 48)), min_size=1, max_size=30))
def test_no_doubt_is_better_than_the_true_error(films: list[tuple[float, float]]) -> None:
    found = curve([d for d, _ in films], [e for _, e in films])
    assert all(a <= b + 1e-9 for a, b in zip(found.oracle, found.risk, strict=True))
    assert found.risk[-1] == pytest.approx(found.random_area, abs=1e-9)
    own = curve([e for _, e in films], [e for _, e in films])
    np.testing.assert_allclose(own.risk, own.oracle, atol=1e-9)


def judged(doubts: tuple[float | None, ...]) -> Evaluation:
    """Films of which each is 2 px (1 px at 512) worse than the last."""
    annotated = [film(str(k), spine(5), group=str(k)) for k in range(len(doubts))]
    found = [
        film(str(k), replace(shifted(spine(5), 2.0 * k, 0), doubt=doubt))
        for k, doubt in enumerate(doubts)
    ]
    return evaluate(found, annotated, thresholds=[6])


def test_an_evaluation_has_the_curve_of_its_films_and_gives_it_back_from_json() -> None:
    evaluation = judged((0.1, 0.2, 1.2))
    assert evaluation.risk is not None
    assert evaluation.risk.risk == pytest.approx((0.0, 0.5, 1.0))
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == evaluation


def test_predictions_without_a_doubt_have_no_curve_and_no_section(tmp_path: Path) -> None:
    evaluation = judged((None, None))
    assert evaluation.risk is None
    assert "Films left out" not in write_evaluation(evaluation, tmp_path).read_text()
    assert not (tmp_path / "risk.svg").exists()
    older = evaluation.to_json()
    del older["risk"]
    assert Evaluation.from_json(older) == evaluation


def test_the_page_shows_the_curve_and_what_was_refused(tmp_path: Path) -> None:
    page = write_evaluation(judged((0.1, 0.2, 1.2)), tmp_path).read_text()
    assert "Films left out" in page
    assert "mean error, films kept (2)" in page
    assert "mean error, films refused (1)" in page
    svg = (tmp_path / "risk.svg").read_text()
    assert all(f">{label}<" in svg for label in ("by doubt", "by true error", "by lot", "refused"))


@pytest.mark.parametrize("doubts", [(0.3,), (2.0, 3.0)])
def test_one_film_and_films_that_are_all_refused_have_a_figure(
    doubts: tuple[float, ...], tmp_path: Path
) -> None:
    write_evaluation(judged(doubts), tmp_path)
    assert (tmp_path / "risk.png").stat().st_size > 1000
