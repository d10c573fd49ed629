"""The table of DICOM files says what happens to them today."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def dicom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dicom", ROOT / "benchmarks" / "dicom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its named tuple looks for its types
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed(dicom: ModuleType) -> list[tuple[str, ...]]:
    text = (ROOT / "benchmarks" / "dicom.json").read_text(encoding="utf-8")
    return [dicom.Row(**row) for row in json.loads(text)["files"]]


@pytest.mark.filterwarnings("ignore")  # these files have odd headers
@pytest.mark.parametrize("name", ["pydicom", "pydicom-data"])
def test_every_file_that_is_installed_does_what_the_table_says(
    dicom: ModuleType, committed: list[tuple[str, ...]], name: str
) -> None:
    if name not in dicom.sets():
        pytest.skip(f"{name} is not installed")
    today = {row.file: row for row in dicom.walk(name, dicom.sets()[name])}
    known = {row.file: row for row in committed if row.set == name and row.file in today}
    assert len(known) > 60
    assert {file: today[file] for file in known} == known


def test_the_page_shows_the_committed_rows(
    dicom: ModuleType, committed: list[tuple[str, ...]]
) -> None:
    assert dicom.table(committed) in dicom.PAGE.read_text(encoding="utf-8")


def test_every_file_opens_or_is_refused_in_one_short_line(committed: list[tuple[str, ...]]) -> None:
    for row in committed:
        assert row.by_itself in ("opened", "refused")
        assert row.in_folder.split(":")[0] in ("taken", "skipped", "passed over")
        assert "\n" not in row.line
        assert len(row.line) < 300
