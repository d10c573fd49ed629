"""The page about checking says what the benchmark measured, and its faults are what they say."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spondyl.data.checking import check_sample
from spondyl.data.faults import KINDS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def checking() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("checking")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_the_table_on_the_page_is_generated_from_the_results(checking: ModuleType) -> None:
    page = checking.PAGE.read_text()
    assert checking.with_figures(page, json.loads(checking.JSON.read_text())) == page


def test_no_result_names_a_film(checking: ModuleType) -> None:
    assert "sunhl" not in checking.JSON.read_text()
    assert "AP.jpg" not in Path(checking.__file__).read_text()


def test_every_fault_put_into_a_label_is_of_a_known_kind(checking: ModuleType) -> None:
    assert set(checking.FAULTS) <= set(KINDS)
    assert len(checking.FAULTS) >= 20


def test_a_faultless_label_and_one_fault_of_each_kind(checking: ModuleType) -> None:
    """The gross fault of each kind is found on the first film it is put into."""
    film = next(checking.films(77, ill=False))
    assert not [f for f in check_sample(film.listing(film.points)) if f.severity == "error"]
    for kind, (spoil, _) in checking.FAULTS.items():
        spoilt = spoil(film, np.random.default_rng(5), "gross")
        faults = check_sample(spoilt.sample)
        assert any(checking.is_right(fault, spoilt) for fault in faults), kind
