"""The figures of angles and listhesis show what the package measures today."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """``docs/curvature_figures.py``, which is a script and no part of the package."""
    sys.path.insert(0, str(DOCS))
    try:
        return importlib.import_module("curvature_figures")
    finally:
        sys.path.remove(str(DOCS))


def test_the_figures_of_curves_are_up_to_date_and_on_the_page(drawing: ModuleType) -> None:
    page = (DOCS / "measurements.md").read_text(encoding="utf-8")
    for figure in drawing.FIGURES:
        path = DOCS / "figures" / f"{figure.stem}.svg"
        drawn = path.read_text(encoding="utf-8")
        assert drawn == drawing.svg(figure), "run python docs/curvature_figures.py"
        assert f"![{figure.about}](figures/{figure.stem}.svg)" in page
