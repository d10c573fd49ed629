"""The page on measurements: it explains every definition, and its figures are what is measured."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import numpy as np
import pytest

from spondyl.anatomy import LEVELS
from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement
from spondyl.spine.measurements import measure
from spondyl.spine.slip import LISTHESIS, MEYERDING, SlipDefinition

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "measurements.md").read_text(encoding="utf-8")
SCRIPTS = ("measurement_figures", "curvature_figures")


def upright(levels: tuple[str, ...]) -> Landmarks:
    tops = 60.0 * np.arange(len(levels))
    points = np.zeros((len(levels), 4, 2))
    points[:, 1::2, 0] = 60.0
    points[:, :2, 1], points[:, 2:, 1] = tops[:, None], tops[:, None] + 45
    return Landmarks(points, levels=levels, facing="left")


@pytest.fixture(scope="module")
def everything() -> list[Measurement]:
    """What can be measured: lateral films by every definition of slip, and an AP film."""
    lumbar, spine = upright(LEVELS[-6:]), upright(LEVELS[:-1])
    lateral, frontal = FilmGeometry(1200, 600, view="lateral"), FilmGeometry(1200, 600, view="ap")
    found = [m for d in get_args(SlipDefinition) for m in measure(lumbar, lateral, slip=d)]
    return [*found, *measure(spine, frontal)]


def test_every_definition_is_explained(everything: list[Measurement]) -> None:
    listed = set(re.findall(r"`([^`]+)`", PAGE.split("## Definitions")[1]))
    said = {each.definition for each in everything}
    assert said - listed == set()
    assert listed - said == {"definition", "Cobb,"}  # the last with the endplates asked for


def test_every_measurement_and_grade_is_named_in_prose(everything: list[Measurement]) -> None:
    text = " ".join(PAGE.lower().split())
    for name in {each.name for each in everything}:
        assert name.lower() in text, name


def test_the_bounds_of_the_grades_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"Up to {LISTHESIS:g} % it is 0" in text
    for word, bound in zip(MEYERDING.words[1:-1], MEYERDING.bounds[1:], strict=True):
        assert f"{word} to {bound:g} %" in text
    assert "0 up to 20 %, 1 up to 25 %, 2 up to 40 %, 3 above" in text


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_every_figure_of_the_page_is_drawn_and_every_drawn_one_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = {f"{f.stem}.svg" for name in SCRIPTS for f in script(name, monkeypatch).FIGURES}
    assert set(re.findall(r"\]\(figures/([^)]+)\)", PAGE)) == drawn
    assert {path.name for path in (DOCS / "figures").iterdir()} == drawn


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_figures_are_what_is_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script(name, monkeypatch)
    for figure in module.FIGURES:
        written = (DOCS / "figures" / f"{figure.stem}.svg").read_text(encoding="utf-8")
        assert written == module.svg(figure), f"run python docs/{name}.py"


def test_the_grades_of_the_figure_are_those_of_its_slips(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("measurement_figures", monkeypatch)
    (figure,) = (figure for figure in module.FIGURES if figure.stem == "meyerding")
    for panel, word in zip(figure.panels, MEYERDING.words, strict=True):
        value = module.measured(panel, panel.shown[0]).value
        assert MEYERDING.words[MEYERDING.grade(value)] == word
        assert panel.title.startswith(f"{word}:")
