"""What real films say of a network: ratios by study, signs without labels, rows that differ."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from spondyl.film.radiograph import Radiograph
from spondyl.spine.landmarks import Landmarks

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def counting() -> ModuleType:
    return load("counting")


@pytest.fixture(scope="module")
def real_films() -> ModuleType:
    return load("real_films")


def column(heights: list[float], gaps: list[float]) -> Landmarks:
    """Bodies of these heights, one below the other."""
    bodies, top = [], 0.0
    for height, gap in zip(heights, [*gaps, 0.0], strict=True):
        bodies.append([[0, top], [40, top], [0, top + height], [40, top + height]])
        top += height + gap
    return Landmarks(np.array(bodies, dtype=np.float64))


def test_figures_are_ratios_of_sums_over_groups(counting: ModuleType) -> None:
    films = [("a", {"recall": (100, 2)}), ("b", {"recall": (300, 3)}), ("a", {"recall": (0, 5)})]
    summed = counting.by_group(films)
    assert summed == {"a": {"recall": [100, 7]}, "b": {"recall": [300, 3]}}
    assert counting.estimates(summed, seed=0)["recall"].value == pytest.approx(40)


def test_a_paired_difference_is_sure_of_what_every_study_shows(counting: ModuleType) -> None:
    """Studies differ much more than two networks that differ by 1 % on each of them."""
    shares = np.linspace(10, 90, 40)
    one = {f"{k}": {"recall": [100 * (share + 1), 100]} for k, share in enumerate(shares)}
    other = {f"{k}": {"recall": [100 * share, 100]} for k, share in enumerate(shares)}
    less = counting.differences(one, other, seed=0)["recall"]
    assert [less.value, less.low, less.high] == pytest.approx([1, 1, 1])
    own = counting.estimates(one, seed=0)["recall"]
    assert own.high - own.low > 10


def test_nothing_of_nothing_has_no_figure(counting: ModuleType) -> None:
    summed = {k: {"precision": [0.0, 0.0]} for k in "ab"}
    assert counting.rounded(counting.estimates(summed, seed=0)) == {"precision": [None, None, None]}


def test_a_vertebra_out_of_line_is_uneven(real_films: ModuleType) -> None:
    assert not real_films.uneven(column([25, 26, 27, 28, 29, 30], [8] * 5)).any()
    tall = real_films.uneven(column([25, 26, 50, 28, 29, 30], [8] * 5))
    assert tall[2]
    assert not tall[[0, 5]].any()
    missed = real_films.uneven(column([25] * 6, [8, 8, 41, 8, 8]))
    assert np.flatnonzero(missed).tolist() == [3]
    assert real_films.uneven(column([25], [])).tolist() == [False]


def test_a_film_that_changed_a_little_is_led_back_to_where_it_was(real_films: ModuleType) -> None:
    rows, columns = np.mgrid[:200, :140]
    dot = np.exp(-((columns - 40) ** 2 + (rows - 120) ** 2) / 18).astype(np.float32)
    changes = list(real_films._changed(Radiograph(dot, view="lateral")))
    moved = set()
    for film, back in changes:
        weight = film.pixels.astype(np.float64) ** 2
        seen = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        np.testing.assert_allclose(back[:2, :2] @ seen + back[:2, 2], [40, 120], atol=0.05)
        moved.add(tuple(np.round(seen, 1)))
    assert len(moved) == len(changes) - 1  # two of them change the greys alone


class Steadfast:
    """Finds the same spine whatever it is shown, or nothing at all."""

    def __init__(self, found: Landmarks, calm: bool) -> None:
        self.found, self.calm = found, calm

    def __call__(self, film: Radiograph) -> Landmarks:
        return self.found if self.calm else self.found.select([])


@pytest.mark.parametrize(("calm", "share"), [(True, 1.0), (False, 0.0)])
def test_corners_that_stay_are_steady(real_films: ModuleType, calm: bool, share: float) -> None:
    film = Radiograph(np.zeros((200, 140), dtype=np.float32), view="lateral")
    found = column([25, 25, 25], [8, 8])
    same = replace(film, pixels=film.pixels), np.eye(3)
    kept, corners = real_films._kept(Steadfast(found, calm), found, same)
    assert corners == 12
    assert kept / corners == share


def test_a_row_is_told_apart_only_where_its_interval_leaves_0_out() -> None:
    tables = load("tables")
    row = {"figures": {"recall": [60.0, 50.0, 70.0]}, "less everything": {}}
    assert tables.difference(row, "recall") == "60.0 [50.0, 70.0]"
    row["less everything"] = {"recall": [-2.0, -4.0, 0.5]}
    assert tables.difference(row, "recall") == "60.0 (-2.0 [-4.0, 0.5])"
    row["less everything"] = {"recall": [-2.0, -3.0, -1.0]}
    assert tables.difference(row, "recall") == "60.0 (**-2.0 [-3.0, -1.0]**)"


def test_every_effect_is_left_out_once_and_all_of_them_at_the_end() -> None:
    rows = load("phantom_to_real").all_rows("ap", 900)
    assert [len(row.without) for row in rows] == [0, 0, *[1] * 9, 9]
    assert frozenset().union(*(row.without for row in rows[2:-1])) == rows[-1].without
    assert rows[0].seed != rows[1].seed
    assert {row.seed for row in rows[2:]} == {rows[0].seed}
