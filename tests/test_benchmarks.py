"""The page of results says what the results say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_generated_from_the_results(tables: ModuleType) -> None:
    assert tables.page() == tables.PAGE.read_text()


def test_no_result_names_a_film(tables: ModuleType) -> None:
    for path in (ROOT / "benchmarks").rglob("*.json"):
        assert ".jpg" not in path.read_text(), path.name
