import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.data.duplicates import Fingerprint, fingerprint_all
from spondyl.data.folder import read_annotations
from spondyl.data.sample import Sample
from spondyl.data.splitting import (
    PARTS,
    Link,
    Split,
    read_split,
    split_by_group,
    stratum_of,
    write_split,
)
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
    assert sorted(stored) == ["digest", "links", "parts", "pixels", "seed", "version"]
    assert found == read_split(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a split"),
        ("[]", "cannot be read as a split"),
        ('{"version": 9}', "split version 9, need 1 or 2"),
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


def varied(count, seed=0):
    """Samples of two sources, three counts of vertebrae and three facings, some in groups."""
    rng = np.random.default_rng(seed)
    made = []
    while len(made) < count:
        group, origin = f"g{len(made)}", str(rng.choice(["clinic", "public"], p=[0.3, 0.7]))
        for _ in range(rng.integers(1, 4)):
            bodies = int(rng.choice([5, 6, 9], p=[0.5, 0.3, 0.2]))
            facing = [None, "left", "right"][rng.integers(3)]
            landmarks = Landmarks(np.full((bodies, 4, 2), 1.0), facing=facing)
            key = f"{len(made):04}"
            made.append(Sample(key, Path(key), 9, 9, landmarks, group, origin))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_each_part_holds_the_shares_of_all_films(seed):
    samples = varied(600, seed)
    split = split_by_group(samples, val=0.15, test=0.1, seed=seed)
    for place in range(3):
        whole = Counter(stratum_of(sample)[place] for sample in samples)
        for part in ("val", "test"):
            counts = Counter(stratum_of(s)[place] for s in split.select(samples, part))
            for name, count in whole.items():
                expected = count * len(split.keys(part)) / len(samples)
                assert abs(counts[name] - expected) <= 4  # films, of 60 and 90


def test_films_without_groups_meet_their_shares_to_within_a_film():
    samples = [replace(sample, group=sample.key) for sample in varied(400)]
    split = split_by_group(samples, val=0.15, test=0.1, seed=0)
    whole = Counter(stratum_of(sample) for sample in samples)
    for part, share in (("val", 0.15), ("test", 0.1)):
        counts = Counter(stratum_of(s) for s in split.select(samples, part))
        assert all(abs(counts[each] - share * count) <= 1 for each, count in whole.items())
        sources = Counter(stratum_of(s)[0] for s in split.select(samples, part))
        assert abs(sources["clinic"] - share * sum(s.origin == "clinic" for s in samples)) <= 1


@pytest.mark.parametrize(
    ("bodies", "named"),
    [
        (0, "up to 5"),
        (5, "up to 5"),
        (6, "6 or 7"),
        (7, "6 or 7"),
        (8, "8 to 11"),
        (12, "12 or more"),
    ],
)
def test_the_count_of_vertebrae_is_taken_in_bins(bodies, named):
    sample = replace(films(1)[0], landmarks=Landmarks(np.ones((bodies, 4, 2))))
    assert stratum_of(sample) == ("test", named, "not known")


def test_augmented_copies_and_copied_pixels_stay_together_and_it_is_written_why(tmp_path):
    samples = films(*[1] * 30)
    samples += [
        replace(samples[0], key="x/Film_jpg.rf.1a", group="one"),
        replace(samples[0], key="y/film_jpg.rf.2b", group="two"),
    ]
    known = {
        sample.key: Fingerprint(f"{k:032}", np.random.default_rng(k).bytes(64 * 64))
        for k, sample in enumerate(samples)
    }
    known["3-0"] = replace(known["17-0"], pixels="other")
    known["5-0"] = known["6-0"]
    for seed in range(5):
        split = split_by_group(samples, val=0.3, test=0.2, seed=seed, fingerprints=known)
        side = {key: part for part in PARTS for key in split.keys(part)}
        assert side["x/Film_jpg.rf.1a"] == side["y/film_jpg.rf.2b"]
        assert side["3-0"] == side["17-0"]
        assert side["5-0"] == side["6-0"]
        assert split.links == (
            Link("x/Film_jpg.rf.1a", "y/film_jpg.rf.2b", "both film by name"),
            Link("17-0", "3-0", "near-duplicate (distance 0.00)"),
            Link("5-0", "6-0", "identical pixels (distance 0.00)"),
        )
    write_split(split, tmp_path / "split.json")
    assert read_split(tmp_path / "split.json") == split
    assert read_split(tmp_path / "split.json").pixels["7-0"] == f"{7:032}"


def test_groups_tied_in_a_chain_are_one():
    """One exposure in three groups, which bind a fourth by name."""
    samples = [*films(*[1] * 12), replace(films(1)[0], key="7-0.rf.1", group="far")]
    rng = np.random.default_rng(0)
    known = {s.key: Fingerprint(str(k), rng.bytes(4096)) for k, s in enumerate(samples)}
    known["2-0"] = known["4-0"] = known["7-0"]
    tied = ("2-0", "4-0", "7-0", "7-0.rf.1")
    for seed in range(8):
        split = split_by_group(samples, val=0.3, test=0, seed=seed, fingerprints=known)
        assert len({part for part in PARTS for key in split.keys(part) if key in tied}) == 1


def test_a_split_less_some_groups_keeps_the_rest():
    samples = films(2, 1, 3, 1, 1, 1)
    split = replace(
        split_by_group(samples, val=0.3, test=0, seed=0),
        links=(Link("1-0", "3-0", "why"), Link("3-0", "4-0", "why")),
        pixels={"1-0": "a", "3-0": "b"},
    )
    left = split.without(["group 1"])
    assert sorted((*left.train, *left.val)) == sorted(left.groups)
    assert "1-0" not in left.groups
    assert left.links == (Link("3-0", "4-0", "why"),)
    assert left.pixels == {"3-0": "b"}
    assert split.without([]) == split


def test_a_split_of_the_first_version_is_still_read(tmp_path):
    path = tmp_path / "split.json"
    parts = {"train": {"g": ["a", "b"]}, "val": {"h": ["c"]}, "test": {}}
    path.write_text(json.dumps({"version": 1, "seed": 4, "parts": parts}))
    expected = Split(("a", "b"), ("c",), (), 4, {"a": "g", "b": "g", "c": "h"})
    assert read_split(path) == expected


def test_a_split_whose_groups_were_edited_is_refused(tmp_path):
    path = tmp_path / "split.json"
    write_split(split_by_group(films(3, 1, 4), val=0.3, test=0, seed=2), path)
    path.write_text(path.read_text().replace("group 0", "group 9"))
    with pytest.raises(UsageError, match="were edited; make it again, or take its digest out"):
        read_split(path)


def test_a_leak_is_read_where_it_is_asked_for_or_allowed(tmp_path):
    path = tmp_path / "split.json"
    leaking = Split(("a",), ("b",), (), 0, {"a": "g", "b": "g"})
    write_split(leaking, path)
    with pytest.raises(UsageError, match="group g is in train and in val"):
        read_split(path)
    assert read_split(path, strict=False) == leaking
    write_split(replace(leaking, leaks_allowed=True), path)
    assert read_split(path).leaks_allowed


def test_the_studies_of_aasce_are_split_with_those_that_share_a_film(shared_data):
    samples = read_annotations(shared_data / "aasce2019-train").samples
    tied = {"238": "239", "153": "78"}
    few = [s for s in samples if s.group in {*tied, *tied.values(), "163", "165", "167"}]
    split = split_by_group(few, val=0.3, test=0, seed=0, fingerprints=fingerprint_all(few))
    side = {split.groups[key]: part for part in PARTS for key in split.keys(part)}
    assert all(side[one] == side[other] for one, other in tied.items())
