import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.data.sample import Sample
from spondyl.data.splitting import PARTS, read_split, split_by_group, write_split
from spondyl.errors import UsageError
from spondyl.spine.landmarks import Landmarks


def films(*sizes):
    """Samples of groups with these numbers of films."""
    nothing = Landmarks(np.empty((0, 4, 2)))
    return [
        Sample(f"{g}-{k}", Path(f"{g}-{k}.png"), 9, 9, nothing, f"group {g}", "test")
        for g, size in enumerate(sizes)
        for k in range(size)
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 16), min_size=12, max_size=40), st.integers(0, 99))
def test_no_group_is_on_two_sides_and_no_film_is_lost(sizes, seed):
    samples = films(*sizes)
    split = split_by_group(samples, val=0.2, test=0.1, seed=seed)
    keys = [key for part in PARTS for key in split.keys(part)]
    assert sorted(keys) == sorted(s.key for s in samples)
    sides = {split.groups[key]: part for part in PARTS for key in split.keys(part)}
    for part in PARTS:
        assert split.keys(part)
        assert all(sides[s.group] == part for s in split.select(samples, part))


def test_the_fractions_are_met_in_films():
    samples = films(*np.random.default_rng(0).integers(1, 6, 200))
    split = split_by_group(samples, val=0.15, test=0.1, seed=1)
    assert len(split.val) / len(samples) == pytest.approx(0.15, abs=0.01)
    assert len(split.test) / len(samples) == pytest.approx(0.1, abs=0.01)


def test_one_large_group_does_not_swell_a_part():
    split = split_by_group(films(60, *[1] * 40), val=0.1, test=0.1, seed=3)
    assert Counter(len(split.keys(part)) for part in ("val", "test")) == {10: 2}


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_the_films():
    samples = films(*range(1, 20))
    one = split_by_group(samples, val=0.2, test=0.1, seed=5)
    assert one == split_by_group(samples[::-1], val=0.2, test=0.1, seed=5)
    assert one != split_by_group(samples, val=0.2, test=0.1, seed=6)


def test_no_test_part_is_made_where_none_is_asked_for():
    assert split_by_group(films(1, 1, 1), val=0.3, test=0, seed=0).test == ()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((), "0 films in 0 groups leave none for test"),
        ((5,), "5 films in 1 groups leave none for val"),
        ((3, 3), "6 films in 2 groups leave none for train"),
    ],
)
def test_a_part_that_would_be_empty_is_refused(sizes, message):
    with pytest.raises(UsageError, match=message):
        split_by_group(films(*sizes), val=0.2, test=0.2, seed=0)


def test_two_films_with_one_key_are_refused():
    samples = films(2, 2)
    with pytest.raises(UsageError, match="0-1: two films have this key"):
        split_by_group([*samples, samples[1]], val=0.2, test=0, seed=0)


def test_a_written_split_comes_back(tmp_path):
    split = split_by_group(films(3, 1, 4, 1, 5), val=0.3, test=0.1, seed=2)
    write_split(split, tmp_path / "split.json")
    found = read_split(tmp_path / "split.json")
    assert {p: set(found.keys(p)) for p in PARTS} == {p: set(split.keys(p)) for p in PARTS}
    assert (found.groups, found.seed) == (split.groups, 2)
    stored = json.loads((tmp_path / "split.json").read_text())
    assert sorted(stored) == ["parts", "seed", "version"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a split"),
        ("[]", "cannot be read as a split"),
        ('{"version": 9}', "split version 9, need 1"),
        ('{"version": 1, "seed": 0, "parts": {"train": {"g": ["a"]}, "val": {"g": ["b"]}, '
         '"test": {}}}', "group g is in train and in val"),
    ],
)  # fmt: skip
def test_a_damaged_or_leaking_split_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_split(path)
    assert str(refused.value).startswith(f"{path}: {message}")


def test_a_split_of_other_films_is_refused():
    samples = films(1, 1, 1)
    split = split_by_group(samples, val=0.3, test=0, seed=0)
    with pytest.raises(UsageError, match="in the split, but not among the films"):
        split.select([replace(s, key="other") for s in samples[:1]], "train")
