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


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Predictor(Column(), Calibration(), {"weights": "column", "weights_digest": "ab" * 32})
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
