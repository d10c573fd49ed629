"""What evaluate says of predictions that leave films out."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Run
from spondyl.data.coco import read_coco, write_coco
from spondyl.data.phantom import write_phantoms


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    write_phantoms(tmp_path / "annotated", films=3, seed=5, long_side=200)
    return tmp_path / "annotated"


@pytest.mark.parametrize("predicted", [2, 3])
def test_how_many_films_have_no_prediction_is_said_and_stands_on_the_page(
    run: Run, annotated: Path, tmp_path: Path, predicted: int
) -> None:
    samples = read_coco(annotated / "annotations.json").samples[:predicted]
    made = annotated / "predictions.json"
    write_coco(made, samples, made_by={"weights": "a"})
    said = run("evaluate", made, annotated / "annotations.json", "--out", tmp_path / "judged")
    assert said.code == 0
    page = (tmp_path / "judged/report.html").read_text(encoding="utf-8")
    told = "1 of 3 annotated films has no prediction" if predicted == 2 else None
    if told is None:
        assert said.lines == []
        assert "no prediction" not in page
    else:
        [line] = said.lines
        assert line.startswith(f"{told}: every vertebra on it counts as missed")
        assert line in page
