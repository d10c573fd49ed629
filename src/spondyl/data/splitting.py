"""Which films train, which choose the checkpoint and which judge, so that no patient does two?"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from spondyl.atomic import write_json
from spondyl.data.duplicates import Fingerprint, near_duplicates
from spondyl.data.labels import group_of
from spondyl.data.sample import Sample
from spondyl.errors import UsageError

Part = Literal["train", "val", "test"]
Stratum = tuple[str, str, str]
"""Source, count of labelled vertebrae, facing."""

PARTS: Final[tuple[Part, ...]] = ("train", "val", "test")

_VERSION: Final = 2
_COUNTS: Final = ((5, "up to 5"), (7, "6 or 7"), (11, "8 to 11"))  # a lumbar spine, with S1 or T12


@dataclass(frozen=True, slots=True)
class Link:
    """Two films, by key, that belong on one side though their groups differ, and why."""

    one: str
    other: str
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """The keys of the samples in each part; ``groups`` maps every key to its group.

    ``links`` tie groups together. ``pixels`` are the digests of the films that were compared, by
    key; empty where none was. ``leaks_allowed`` says that somebody chose to go on with a split
    whose parts share a patient. Whether they do is for ``spondyl.data.leaks`` to find.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    seed: int
    groups: Mapping[str, str]
    links: tuple[Link, ...] = ()
    pixels: Mapping[str, str] = field(default_factory=dict)
    leaks_allowed: bool = False

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

    def without(self, groups: Sequence[str]) -> Split:
        """The same split less the films of these groups."""
        kept = {key: group for key, group in self.groups.items() if group not in groups}
        train, val, test = (tuple(k for k in self.keys(part) if k in kept) for part in PARTS)
        links = tuple(link for link in self.links if link.one in kept and link.other in kept)
        pixels = {key: digest for key, digest in self.pixels.items() if key in kept}
        return replace(
            self, train=train, val=val, test=test, groups=kept, links=links, pixels=pixels
        )

    @property
    def digest(self) -> str:
        """SHA-256 of what the split was made from: films, their groups and pixels."""
        films = [[key, self.groups[key], self.pixels.get(key)] for key in sorted(self.groups)]
        return hashlib.sha256(json.dumps(films).encode()).hexdigest()


def split_by_group(
    samples: Sequence[Sample],
    *,
    val: float,
    test: float,
    seed: int,
    fingerprints: Mapping[str, Fingerprint] | None = None,
) -> Split:
    """Splits at random by group, so that a patient's films are never on two sides.

    Groups that share a film's name (augmented copies, ``name.rf.<hash>``) go together, and those
    that share an exposure, where ``fingerprints`` has the films by key. ``val`` and ``test`` are
    fractions of the films, in [0, 1); 0 leaves the part empty on purpose. A part takes groups in a
    random order while they fit into its share of every stratum (source, count of vertebrae,
    facing), then those that upset the strata least, and at least one group. The same samples in
    any order, fractions and seed give the same split.

    Raises:
        UsageError: a part that was asked for would be empty, or two samples have one key.
    """
    links = _links(_by_key(samples), fingerprints)
    units = _units(samples, links)
    counted = f"{len(samples)} films in {len(units)} groups"
    waiting = [units[i] for i in np.random.default_rng(seed).permutation(len(units))]
    chosen: dict[Part, list[_Unit]] = {}
    shares: tuple[tuple[Part, float], ...] = (("test", test), ("val", val))
    for part, fraction in shares:
        chosen[part] = _take(waiting, _quotas(samples, fraction), fraction * len(samples))
        taken = {unit.keys for unit in chosen[part]}
        waiting = [unit for unit in waiting if unit.keys not in taken]
        if fraction > 0 and not chosen[part]:
            raise UsageError(f"{counted} leave none for {part}")
    if not waiting:
        raise UsageError(f"{counted} leave none for train")
    keys = [_keys(units) for units in (waiting, chosen["val"], chosen["test"])]
    groups = {sample.key: sample.group for sample in sorted(samples, key=lambda s: s.key)}
    pixels = {key: each.pixels for key, each in (fingerprints or {}).items() if key in groups}
    return Split(keys[0], keys[1], keys[2], seed, groups, links, pixels)


def stratum_of(sample: Sample) -> Stratum:
    """What the parts of a split should hold in equal shares."""
    count = len(sample.landmarks.points)
    named = next((name for most, name in _COUNTS if count <= most), "12 or more")
    return sample.origin, named, sample.landmarks.facing or "not known"


def shared_names(keys: Iterable[str]) -> dict[str, str]:
    """For each key, a name that it shares with the other copies of its film.

    Folders and upper or lower case do not count where one of the names is that of an augmented
    copy (``x_jpg.rf.<hash>``) or of a BUU-LSPINE patient; else the whole key does, in either case.
    """
    bases = {key: group_of(_stem(key)).casefold() for key in keys}
    copied = {base for key, base in bases.items() if base != _stem(key).casefold()}
    return {key: base if base in copied else key.casefold() for key, base in bases.items()}


def write_split(split: Split, path: Path) -> None:
    """Writes the split as JSON: for each part, its groups and their keys; then what ties groups."""
    parts: dict[str, dict[str, list[str]]] = {}
    for part in PARTS:
        grouped: dict[str, list[str]] = defaultdict(list)
        for key in split.keys(part):
            grouped[split.groups[key]].append(key)
        parts[part] = dict(grouped)
    told: dict[str, Any] = {"version": _VERSION, "seed": split.seed, "digest": split.digest}
    if split.leaks_allowed:
        told["leaks_allowed"] = True
    links = [{"films": [link.one, link.other], "why": link.why} for link in split.links]
    write_json(path, {**told, "parts": parts, "links": links, "pixels": dict(split.pixels)})


def read_split(path: Path, *, strict: bool = True) -> Split:
    """Reads what ``write_split`` wrote, by this version or the first.

    Where ``strict``, a group on two sides is refused, unless the file says that it is allowed.

    Raises:
        UsageError: the file cannot be read, is no split, was edited, or has a group on two sides.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] not in (1, _VERSION):
            raise UsageError(f"{path}: split version {data['version']!r}, need 1 or {_VERSION}")
        split, stated = _parsed(data), data.get("digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: cannot be read as a split ({error!r})") from error
    if stated not in (None, split.digest):
        raise UsageError(
            f"{path}: films, groups or pixels were edited; make it again, or take its digest out"
        )
    if strict and not split.leaks_allowed:
        _refuse_divided_groups(split, path)
    return split


def _parsed(data: Mapping[str, Any]) -> Split:
    members: list[dict[str, list[str]]] = [data["parts"][part] for part in PARTS]
    train, val, test = (tuple(key for keys in m.values() for key in keys) for m in members)
    groups = {key: name for m in members for name, keys in m.items() for key in keys}
    tied = [(*link["films"], link["why"]) for link in data.get("links", ())]
    links = tuple(Link(one, other, why) for one, other, why in tied)
    allowed = bool(data.get("leaks_allowed"))
    pixels = dict(data.get("pixels", {}))
    return Split(train, val, test, int(data["seed"]), groups, links, pixels, allowed)


def _refuse_divided_groups(split: Split, path: Path) -> None:
    owner: dict[str, Part] = {}
    for part in PARTS:
        for group in {split.groups[key]: None for key in split.keys(part)}:
            if owner.setdefault(group, part) != part:
                raise UsageError(f"{path}: group {group} is in {owner[group]} and in {part}")


@dataclass(frozen=True, slots=True)
class _Unit:
    """Films that stay together: the groups that links tie."""

    keys: tuple[str, ...]
    strata: Mapping[Stratum, int]

    def excess(self, quotas: Mapping[Stratum, int]) -> int:
        """How many films of it no stratum has room for."""
        return sum(max(0, count - quotas.get(each, 0)) for each, count in self.strata.items())


def _by_key(samples: Sequence[Sample]) -> dict[str, Sample]:
    known: dict[str, Sample] = {}
    for sample in sorted(samples, key=lambda sample: sample.key):
        if sample.key in known:
            raise UsageError(f"{sample.key}: two films have this key")
        known[sample.key] = sample
    return known


def _links(
    samples: Mapping[str, Sample], fingerprints: Mapping[str, Fingerprint] | None
) -> tuple[Link, ...]:
    """What ties films of different groups, by name and by pixels."""
    compared = {key: each for key, each in (fingerprints or {}).items() if key in samples}
    copies = (Link(d.one, d.other, d.reason) for d in near_duplicates(compared))
    links = (*_named_alike(samples), *copies)
    return tuple(x for x in links if samples[x.one].group != samples[x.other].group)


def _named_alike(keys: Iterable[str]) -> Iterator[Link]:
    """Each copy of a film with the first one of that name."""
    first: dict[str, str] = {}
    for key, name in shared_names(keys).items():
        if first.setdefault(name, key) != key:
            yield Link(first[name], key, f"both {name} by name")


def _units(samples: Sequence[Sample], links: Sequence[Link]) -> list[_Unit]:
    """What is split, in an order that does not depend on that of the samples."""
    group = {sample.key: sample.group for sample in samples}
    leader = {name: name for name in group.values()}
    for link in links:
        ends = sorted(_leader(leader, group[key]) for key in (link.one, link.other))
        leader[ends[1]] = ends[0]
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda sample: sample.key):
        members[_leader(leader, sample.group)].append(sample)
    return [
        _Unit(tuple(s.key for s in films), Counter(stratum_of(s) for s in films))
        for _, films in sorted(members.items())
    ]


def _leader(leader: Mapping[str, str], name: str) -> str:
    """The first by name of the groups that are tied to this one."""
    while leader[name] != name:
        name = leader[name]
    return name


def _quotas(samples: Sequence[Sample], fraction: float) -> Counter[Stratum]:
    """The films of each stratum that a part should hold.

    The running total is rounded, so that each stratum, each source, and each source's count of
    vertebrae is met to within one film.
    """
    quotas: Counter[Stratum] = Counter()
    films = Counter(stratum_of(sample) for sample in samples)
    passed = 0
    for stratum in sorted(films):
        before, passed = passed, passed + films[stratum]
        quotas[stratum] = round(fraction * passed) - round(fraction * before)
    return quotas


def _take(waiting: Sequence[_Unit], quotas: Counter[Stratum], share: float) -> list[_Unit]:
    """Units whose films fill ``share`` films, none above it unless the smallest already is."""
    if share <= 0 or not waiting:
        return []
    left, room, taken = Counter(quotas), max(1, round(share)), []
    for unit in _in_turn(waiting, left):
        if not room:
            break
        if len(unit.keys) <= room:
            taken.append(unit)
            left.subtract(unit.strata)
            room -= len(unit.keys)
    return taken or [min(waiting, key=lambda unit: len(unit.keys))]


def _in_turn(waiting: Sequence[_Unit], left: Mapping[Stratum, int]) -> Iterator[_Unit]:
    """First the units that fit into what is ``left`` at their turn, then the others, best first."""
    others: list[_Unit] = []
    for unit in waiting:
        if unit.excess(left):
            others.append(unit)
        else:
            yield unit
    while others:
        yield others.pop(min(range(len(others)), key=lambda k: others[k].excess(left)))


def _keys(units: Sequence[_Unit]) -> tuple[str, ...]:
    return tuple(sorted(key for unit in units for key in unit.keys))


def _stem(key: str) -> str:
    return key.rpartition("/")[2]
