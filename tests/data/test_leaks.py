"""What crosses a split is found, whatever it crosses by; a clean split is proved."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spondyl.data.duplicates import Fingerprint
from spondyl.data.leaks import CERTAIN, Leak, find_leaks, permit
from spondyl.data.sample import Sample
from spondyl.data.splitting import Link, Split
from spondyl.errors import TrainingError
from spondyl.spine.landmarks import Landmarks


def split_of(train: dict[str, str], val: dict[str, str], **others: object) -> Split:
    """A split of two parts, each a map from key to group."""
    return Split(tuple(train), tuple(val), (), 0, {**train, **val}, **others)


def film(key: str, group: str) -> Sample:
    return Sample(key, Path(key), 9, 9, Landmarks(np.empty((0, 4, 2))), group, "test")


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64), dtype=np.uint8)


def seen(pixels: np.ndarray, name: str = "") -> Fingerprint:
    return Fingerprint(name or str(pixels.tobytes()[:16]), pixels.tobytes())


def test_a_clean_split_has_no_leak() -> None:
    split = split_of({"a": "1", "b": "1"}, {"c": "2"})
    samples = [film("a", "1"), film("b", "1"), film("c", "2"), film("d", "1")]
    known = {key: seen(noise(k)) for k, key in enumerate("abcd")}
    assert find_leaks(split, samples, known) == []
    assert permit(split, samples, known) == []


@pytest.mark.parametrize(
    ("split", "told"),
    [
        (split_of({"a": "1"}, {"a": "1"}), "a: in train and in val"),
        (split_of({"a": "1"}, {"b": "1"}), "a (train) and b (val): both of group 1"),
        (
            split_of({"x/f_jpg.rf.9a": "1"}, {"y/F.rf.b7": "2"}),
            "x/f_jpg.rf.9a (train) and y/F.rf.b7 (val): both f by name",
        ),
        (
            split_of({"x/f.rf.9a": "1"}, {"y/f": "2"}),
            "x/f.rf.9a (train) and y/f (val): both f by name",
        ),
        (split_of({"x/f": "1"}, {"X/F": "2"}), "x/f (train) and X/F (val): both x/f by name"),
        (
            split_of({"0003-F-061Y0": "1"}, {"0003-F-061Y1_jpg.rf.77": "2"}),
            "0003-F-061Y0 (train) and 0003-F-061Y1_jpg.rf.77 (val): both buu-0003 by name",
        ),
        (
            split_of({"a": "1"}, {"b": "2"}, links=(Link("b", "a", "near-duplicate"),)),
            "a (train) and b (val): near-duplicate",
        ),
    ],
)
def test_what_the_split_alone_gives_away_is_found(split: Split, told: str) -> None:
    assert [str(leak) for leak in find_leaks(split)] == [told]


def test_films_of_one_name_in_two_folders_are_two_films() -> None:
    assert find_leaks(split_of({"one/0001": "1"}, {"two/0001": "2"})) == []


def test_the_groups_of_the_films_count_where_the_split_says_otherwise() -> None:
    split = split_of({"a": "a"}, {"b": "b"})
    assert find_leaks(split, [film("a", "patient 7"), film("b", "patient 7")]) == [
        Leak("a", "train", "b", "val", "both of group patient 7")
    ]


def test_a_mirrored_film_on_the_other_side_is_found() -> None:
    split = split_of({"a": "1", "c": "3"}, {"b": "2"})
    known = {"a": seen(noise(0)), "b": seen(noise(0)[:, ::-1]), "c": seen(noise(0))}
    found = [str(leak) for leak in find_leaks(split, fingerprints=known)]
    assert found == [
        "a (train) and b (val): mirrored copy (distance 0.00)",
        "c (train) and b (val): mirrored copy (distance 0.00)",
    ]


def test_a_pair_of_films_is_told_once() -> None:
    split = split_of({"a.rf.1": "1"}, {"a.rf.2": "1"}, links=(Link("a.rf.1", "a.rf.2", "x"),))
    known = {"a.rf.1": seen(noise(0)), "a.rf.2": seen(noise(0))}
    assert [leak.why for leak in find_leaks(split, (), known)] == ["both of group 1"]


@pytest.mark.parametrize(("share", "refused"), [(0.7, True), (0.45, False)])
def test_training_takes_only_what_is_certain(share: float, refused: bool) -> None:
    """Thumbnails that correlate by share / hypot(share, 1 - share): 0.92 and 0.63."""
    other = np.rint(share * noise(0) + (1 - share) * noise(1)).astype(np.uint8)
    split = split_of({"a": "1"}, {"b": "2"})
    known = {"a": seen(noise(0)), "b": seen(other)}
    assert len(find_leaks(split, (), known)) == 1
    assert len(find_leaks(split, (), known, within=CERTAIN)) == int(refused)
    with pytest.raises(TrainingError) if refused else nullcontext():
        assert permit(split, (), known) == []


def test_a_refusal_names_the_first_leak_and_their_number() -> None:
    split = split_of({"a": "1", "b": "2"}, {"c": "1", "d": "2"})
    with pytest.raises(TrainingError) as refused:
        permit(split)
    assert str(refused.value) == (
        "a (train) and c (val): both of group 1; the first of 2 leaks of this split, need none: "
        "make another with spondyl split, or give --allow-leak"
    )
    allowed = permit(replace(split, leaks_allowed=True))
    assert [leak.other for leak in allowed] == ["c", "d"]


def test_the_shared_studies_of_aasce_are_leaks(shared_data: Path) -> None:
    """A split by image leaks the study; one by study, the exposures filed under two numbers."""
    from spondyl.data.duplicates import fingerprint_all
    from spondyl.data.folder import read_annotations

    samples = read_annotations(shared_data / "aasce2019-train").samples
    pair = {s.key: s.group for s in samples if s.group in ("238", "239")}
    by_study = Split(
        tuple(key for key in pair if pair[key] == "238"),
        tuple(key for key in pair if pair[key] == "239"),
        (), 0, pair,
    )  # fmt: skip
    assert find_leaks(by_study, samples) == []
    chosen = [sample for sample in samples if sample.key in pair]
    found = find_leaks(by_study, samples, fingerprint_all(chosen))
    assert {(leak.one[-8:], leak.other[-8:]) for leak in found} == {
        ("238 A AP", "239 A AP"), ("238 C AP", "239 C AP"),
    }  # fmt: skip
