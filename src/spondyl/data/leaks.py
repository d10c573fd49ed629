"""Does anything cross a split: a film, a patient, a name, an exposure?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

from spondyl.data.duplicates import SAME, Fingerprint, near_duplicates
from spondyl.data.sample import Sample
from spondyl.data.splitting import PARTS, Part, Split, shared_names
from spondyl.errors import TrainingError

CERTAIN: Final = 0.3
"""The distance of two films up to which a network's inputs show that they are one exposure.

Inputs differ a little from the films they were made from, so a split that was proved on the films
is not refused for a pair that lies on the border.
"""

_Place = tuple[str, Part]


@dataclass(frozen=True, slots=True)
class Leak:
    """Two films in two parts that should be in one, by key, and why; a film may be both."""

    one: str
    part: Part
    other: str
    other_part: Part
    why: str

    def __str__(self) -> str:
        if self.one == self.other:
            return f"{self.one}: in {self.part} and in {self.other_part}"
        return f"{self.one} ({self.part}) and {self.other} ({self.other_part}): {self.why}"


def find_leaks(
    split: Split,
    samples: Sequence[Sample] = (),
    fingerprints: Mapping[str, Fingerprint] | None = None,
    *,
    within: float = SAME,
) -> list[Leak]:
    """Everything that crosses the split; each pair of films once, for the first reason.

    Keys, groups, names and what the split itself has tied are always looked at; the groups of
    ``samples`` and the pixels of ``fingerprints``, by key, where they are given. Of a group or a
    name that is in two parts, the first film of each is told. Two films count as one exposure
    up to the distance ``within``.
    """
    found: dict[tuple[_Place, _Place], Leak] = {}
    for leak in _leaks(split, samples, fingerprints or {}, within):
        found.setdefault(((leak.one, leak.part), (leak.other, leak.other_part)), leak)
    return list(found.values())


def permit(
    split: Split,
    samples: Sequence[Sample] = (),
    fingerprints: Mapping[str, Fingerprint] | None = None,
) -> list[Leak]:
    """The leaks of a split that may be trained on: none, or those that somebody allowed.

    Raises:
        TrainingError: the split leaks, and nobody allowed it.
    """
    leaks = find_leaks(split, samples, fingerprints, within=CERTAIN)
    if leaks and not split.leaks_allowed:
        raise TrainingError(
            f"{leaks[0]}; the first of {len(leaks)} leaks of this split, need none: "
            "make another with spondyl split, or give --allow-leak"
        )
    return leaks


def _leaks(
    split: Split,
    samples: Sequence[Sample],
    fingerprints: Mapping[str, Fingerprint],
    within: float,
) -> Iterator[Leak]:
    places = [(key, part) for part in PARTS for key in split.keys(part)]
    sides: dict[str, list[Part]] = defaultdict(list)
    for key, part in places:
        sides[key].append(part)
    yield from _crossing(places, {key: key for key, _ in places}, "one film")
    yield from _crossing(places, split.groups, "both of group {}")
    groups = {sample.key: sample.group for sample in samples}
    yield from _crossing(places, groups, "both of group {}")
    yield from _crossing(places, shared_names(key for key, _ in places), "both {} by name")
    for link in split.links:
        yield from _apart(sides, link.one, link.other, link.why)
    known = {key: each for key, each in fingerprints.items() if key in sides}
    for pair in near_duplicates(known):
        if pair.distance <= within:
            yield from _apart(sides, pair.one, pair.other, pair.reason)


def _crossing(places: Sequence[_Place], labels: Mapping[str, str], why: str) -> Iterator[Leak]:
    """The labels that films of two parts carry; the first film of each part stands for it."""
    first: dict[str, dict[Part, str]] = {}
    for key, part in places:
        if key in labels:
            first.setdefault(labels[key], {}).setdefault(part, key)
    for label, parts in first.items():
        for (part, one), (other_part, other) in combinations(parts.items(), 2):
            yield Leak(one, part, other, other_part, why.format(label))


def _apart(sides: Mapping[str, list[Part]], one: str, other: str, why: str) -> Iterator[Leak]:
    """Whether two films are in two parts."""
    for part, other_part in product(sides.get(one, ()), sides.get(other, ())):
        if PARTS.index(part) < PARTS.index(other_part):
            yield Leak(one, part, other, other_part, why)
        elif part != other_part:
            yield Leak(other, other_part, one, part, why)
