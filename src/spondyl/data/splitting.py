"""Which films train, which choose the checkpoint and which judge, so that no patient does two?"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from spondyl.atomic import write_json
from spondyl.data.sample import Sample
from spondyl.errors import UsageError

Part = Literal["train", "val", "test"]

PARTS: Final[tuple[Part, ...]] = ("train", "val", "test")

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Split:
    """The keys of the samples in each part; ``groups`` maps every key to its group.

    Raises:
        UsageError: a key is in two parts, or a group is.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    seed: int
    groups: Mapping[str, str]

    def __post_init__(self) -> None:
        owner: dict[str, Part] = {}
        for part in PARTS:
            for key in self.keys(part):
                group = self.groups[key]
                if owner.setdefault(group, part) != part:
                    raise UsageError(f"group {group} is in {owner[group]} and in {part}")

    def keys(self, part: Part) -> tuple[str, ...]:
        """The keys of one part."""
        return {"train": self.train, "val": self.val, "test": self.test}[part]

    def select(self, samples: Sequence[Sample], part: Part) -> list[Sample]:
        """The samples of one part, in the order of the split.

        Raises:
            UsageError: a key of the split has no sample, or two.
        """
        known = {sample.key: sample for sample in samples}
        if len(known) != len(samples):
            raise UsageError(f"{len(samples)} films have only {len(known)} different keys")
        if missing := [key for key in self.keys(part) if key not in known]:
            raise UsageError(f"{missing[0]}: in the split, but not among the films")
        return [known[key] for key in self.keys(part)]


def split_by_group(samples: Sequence[Sample], *, val: float, test: float, seed: int) -> Split:
    """Splits at random by group, so that a patient's films are never on two sides.

    ``val`` and ``test`` are fractions of the films, in [0, 1); 0 leaves the part empty on purpose.
    A part takes groups in a random order while they fit into its share, and at least one group. The
    same samples in any order, fractions and seed give the same split.

    Raises:
        UsageError: a part that was asked for would be empty, or two samples have one key.
    """
    members = _by_group(samples)
    names = sorted(members)
    waiting = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    chosen: dict[Part, list[str]] = {}
    shares: tuple[tuple[Part, float], ...] = (("test", test), ("val", val))
    for part, fraction in shares:
        chosen[part] = _take(waiting, members, fraction * len(samples))
        waiting = [name for name in waiting if name not in set(chosen[part])]
        if fraction > 0 and not chosen[part]:
            raise UsageError(f"{_counted(samples, members)} leave none for {part}")
    if not waiting:
        raise UsageError(f"{_counted(samples, members)} leave none for train")
    parts = {part: _keys(members, groups) for part, groups in chosen.items()}
    groups = {key: name for name in names for key in members[name]}
    return Split(_keys(members, waiting), parts["val"], parts["test"], seed, groups)


def write_split(split: Split, path: Path) -> None:
    """Writes the split as JSON: for each part, its groups and their keys."""
    parts: dict[str, dict[str, list[str]]] = {}
    for part in PARTS:
        grouped: dict[str, list[str]] = defaultdict(list)
        for key in split.keys(part):
            grouped[split.groups[key]].append(key)
        parts[part] = dict(grouped)
    write_json(path, {"version": _VERSION, "seed": split.seed, "parts": parts})


def read_split(path: Path) -> Split:
    """Reads what ``write_split`` wrote.

    Raises:
        UsageError: the file cannot be read, is no split, or has a group on two sides.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            raise UsageError(f"{path}: split version {data['version']!r}, need {_VERSION}")
        members = [data["parts"][part] for part in PARTS]
        train, val, test = (tuple(key for keys in m.values() for key in keys) for m in members)
        groups = {key: name for m in members for name, keys in m.items() for key in keys}
        seed = int(data["seed"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: cannot be read as a split ({error!r})") from error
    try:
        return Split(train, val, test, seed, groups)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _by_group(samples: Sequence[Sample]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for sample in samples:
        if sample.key in seen:
            raise UsageError(f"{sample.key}: two films have this key")
        seen.add(sample.key)
        members[sample.group].append(sample.key)
    return {name: sorted(keys) for name, keys in members.items()}


def _take(waiting: Sequence[str], members: Mapping[str, list[str]], share: float) -> list[str]:
    """Groups whose films fill ``share`` films, none above it unless the smallest already is."""
    if share <= 0 or not waiting:
        return []
    room = max(1, round(share))
    taken: list[str] = []
    for name in waiting:
        if len(members[name]) <= room:
            taken.append(name)
            room -= len(members[name])
    return taken or [min(waiting, key=lambda name: len(members[name]))]


def _keys(members: Mapping[str, list[str]], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(key for name in names for key in members[name]))


def _counted(samples: Sequence[Sample], members: Mapping[str, list[str]]) -> str:
    return f"{len(samples)} films in {len(members)} groups"
