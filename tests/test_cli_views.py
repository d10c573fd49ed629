"""A film whose header names a view, and a user who names the other one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from command_line import Run
from film.dx import values, write
from spondyl.anatomy import LEVELS
from spondyl.predict import Predictor
from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections
from spondyl.spine.traits import TRAITS
from spondyl.spine.trust import Trust

COUNT = 6  # L1 to S1


class Column:
    """Sees the same six vertebrae, with their front on the right, on every film."""

    input_size = 64
    ordered = False

    def __call__(self, inputs: np.ndarray) -> list[Detections]:
        centres = np.stack([np.full(COUNT, 31.0), 8.0 + 9.0 * np.arange(COUNT)], axis=-1)
        corners = centres[:, None] + [[-5, -3.5], [5, -3.5], [-5, 3.5], [5, 3.5]]
        logits = np.zeros((COUNT, len(LEVELS) + 1))
        logits[np.arange(COUNT), 12 + np.arange(COUNT)] = 8.0
        unknown = np.full((COUNT, 4, 2, 2), np.nan)
        sure, facing = np.full(COUNT, 0.9), np.full(COUNT, 4.0)
        found = Detections(sure, corners, np.full((COUNT, 4), 0.8), unknown, logits, facing)
        return [found for _ in inputs]


def everything() -> Trust:
    """A trust that refuses nothing."""
    rows = tuple(map(tuple, np.eye(len(TRAITS)).tolist()))
    return Trust((0.0,) * len(rows), (1.0,) * len(rows), rows, 1e6, 60)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Predictor(Column(), Calibration(), {"weights": "column", "weights_digest": "ab" * 32})
    monkeypatch.setattr("spondyl.learning.detector.load_predictor", lambda *a, **k: known)


@pytest.fixture
def network_of_both_views(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Calibration(trust=everything(), frontal=everything())
    known = Predictor(Column(), both, {"weights": "column", "weights_digest": "ab" * 32})
    monkeypatch.setattr("spondyl.learning.detector.load_predictor", lambda *a, **k: known)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A DICOM film whose header says AP."""
    write(tmp_path / "film.dcm", values(height=120, width=120), ViewPosition="AP")
    return tmp_path / "film.dcm"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(out: Path) -> set[str]:
    """The names of everything that has a value."""
    return {row["name"] for row in rows(out / "measurements.csv") if row["value"]}


@pytest.mark.usefixtures("network")
def test_a_view_of_the_user_overrules_the_header_and_every_page_says_so(
    run: Run, film: Path, tmp_path: Path
) -> None:
    by_header, by_user = tmp_path / "header", tmp_path / "user"
    weights = ("--weights", "w.safetensors", "--no-overlays")
    assert run("predict", film, *weights, "--out", by_header).code == 0
    assert run("predict", film, *weights, "--out", by_user, "--view", "lateral").code == 0
    assert "maximal Cobb angle" in numbers(by_header) - numbers(by_user)
    assert "slip" in numbers(by_user) - numbers(by_header)
    said = "view by the user: lateral (the file says AP)"
    [summary] = rows(by_user / "summary.csv")
    assert said in summary["film_notes"]
    [page] = (by_user / "reports").iterdir()
    assert said in page.read_text(encoding="utf-8")
    assert "by the user" not in rows(by_header / "summary.csv")[0]["film_notes"]


@pytest.mark.usefixtures("network_of_both_views")
def test_nothing_is_measured_where_header_and_network_disagree_until_a_user_says_which(
    run: Run, film: Path, tmp_path: Path
) -> None:
    weights = ("--weights", "w.safetensors", "--no-overlays")
    reason = "said to be an AP film, but the network sees a lateral one: predict with --view"
    by_header, again = tmp_path / "header", tmp_path / "again"
    assert run("predict", film, *weights, "--out", by_header).code == 0
    assert run("measure", by_header / "predictions.json", "--out", again).code == 0
    for out in (by_header, again):
        assert numbers(out) == set()
        assert all(row["note"].startswith(reason) for row in rows(out / "measurements.csv"))
        assert rows(out / "summary.csv")[0]["refusal"].startswith(reason)
        [page] = (out / "reports").iterdir()
        assert reason in page.read_text(encoding="utf-8")
    for view, name in (("ap", "maximal Cobb angle"), ("lateral", "slip")):
        out = tmp_path / view
        assert run("predict", film, *weights, "--out", out, "--view", view).code == 0
        assert name in numbers(out)
        assert rows(out / "summary.csv")[0]["refusal"] == ""
