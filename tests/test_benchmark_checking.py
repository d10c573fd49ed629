"""The page about checking says what the benchmark measured, and its faults are what they say."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from spondyl.checking.check import check_sample
from spondyl.checking.faults import KINDS
from spondyl.checking.network import check_network
from spondyl.data.sample import Sample
from spondyl.spine.landmarks import Landmarks, reference_heights

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def checking() -> ModuleType:
    spec = importlib.util.spec_from_file_location("label_faults", BENCHMARKS / "checking.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(BENCHMARKS))  # for the script beside it
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


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


def thoracolumbar() -> Sample:
    """T1 to L5 as equal squares, 30 px apart."""
    square = np.array([[40.0, 0.0], [60.0, 0.0], [40.0, 20.0], [60.0, 20.0]])
    points = square + np.stack([np.zeros(17), 40 + 30.0 * np.arange(17)], axis=1)[:, None]
    levels = (*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)))
    landmarks = Landmarks(points, levels=levels)
    return Sample("a", Path("a.png"), 620, 100, landmarks, "a", "aasce", view="ap")


@pytest.mark.parametrize("n", [0, 1])
def test_a_flawless_network_shows_labels_that_are_a_level_off(checking: ModuleType, n: int) -> None:
    sample = thoracolumbar()
    spoilt, right = checking.level_shifted(sample, np.random.default_rng(0), n)
    assert right(check_network(spoilt, sample.landmarks))
    assert not right(check_network(sample, sample.landmarks))
    assert not [f for f in check_sample(spoilt) if f.severity != "note"]  # geometry cannot


def test_a_corner_is_moved_by_the_share_of_a_height_that_is_asked_for(checking: ModuleType) -> None:
    sample = thoracolumbar()
    spoilt, right = checking.one_corner_moved(0.5)(sample, np.random.default_rng(3), 0)
    away = np.linalg.norm(spoilt.landmarks.points - sample.landmarks.points, axis=-1)
    heights = reference_heights(sample.landmarks)
    assert (away > 0).sum() == 1
    assert (away / heights[:, None]).max() == pytest.approx(0.5)
    assert right(check_network(spoilt, sample.landmarks))
    assert not right(check_network(sample, sample.landmarks))


def test_the_chosen_limits_flag_a_twentieth_of_the_films(checking: ModuleType) -> None:
    sample = thoracolumbar()
    pairs = []
    for k in range(20):  # the network's first corner lies 0.02 k heights off
        points = sample.landmarks.points.copy()
        points[0, 0, 0] += 0.02 * k * 20
        pairs.append((sample, sample.landmarks.moved(points)))
    far, lone = checking.chosen_limits(pairs)
    assert far == pytest.approx(0.02 * 19, abs=0.011)  # of 40, one is allowed beyond it
    assert lone == 0
    assert not any(checking.beyond(own, found, (far, lone)) for own, found in pairs[:-1])
    assert checking.beyond(*pairs[-1], (far - 0.02, lone))


def test_an_enlarged_film_keeps_its_label_on_the_bone(checking: ModuleType, tmp_path: Path) -> None:
    pixels = np.zeros((50, 40), dtype=np.uint8)
    pixels[20:30, 10:20] = 200
    Image.fromarray(pixels).save(tmp_path / "small.png")
    corners = np.array([[[10.0, 20.0], [19.0, 20.0], [10.0, 29.0], [19.0, 29.0]]])
    sample = Sample("s", tmp_path / "small.png", 50, 40, Landmarks(corners), "s", "coco")
    noise = np.zeros((400, 400), dtype=np.float32)
    large = checking.enlarged(sample, tmp_path, (200, 160), noise, 0)
    with Image.open(large.path) as image:
        bright = np.argwhere(np.asarray(image) > 150)
    x, y = large.landmarks.points[0, 0]
    assert (large.height, large.width) == (200, 160)
    assert np.abs(bright.min(axis=0) - (y, x)).max() <= 2


def test_every_folder_fault_is_found_and_no_other(checking: ModuleType) -> None:
    for row in checking.of_sources(2).values():
        assert row == {"films": 2, "found": 2, "false": 0}
