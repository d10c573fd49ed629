"""What is a fault in a label: its kind, how much it matters, the evidence and the repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

Severity = Literal["error", "warning", "note"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")

KINDS: Final[Mapping[str, Severity]] = {
    "corner order": "error",
    "corners mirrored": "error",
    "corners rotated": "error",
    "upside down": "error",
    "crossed quadrilateral": "error",
    "non-convex quadrilateral": "error",
    "corners coincide": "error",
    "list reversed": "error",
    "out of order": "error",
    "duplicate vertebra": "error",
    "overlapping vertebrae": "error",
    "gap": "error",
    "endplates shifted": "error",
    "level names": "error",
    "level variant": "note",
    "implausible size": "warning",
    "implausible height": "warning",
    "implausible wedge": "warning",
    "implausible slip": "warning",
    "corner out of place": "warning",
    "point outside the film": "warning",
    "box does not fit": "warning",
    "boxes padded": "note",
    "more vertebrae than slots": "warning",
    "unlabelled above": "note",
    "unlabelled below": "note",
    "stretched aspect": "warning",
    "mixed encodings": "warning",
    "film without label": "warning",
    "label without film": "error",
    "labelled twice": "error",
    "wrong units": "error",
    "wrong size": "error",
    "unusable label": "error",
    "unreadable film": "error",
    "empty film": "error",
    "augmented copy": "warning",
    "exact duplicate": "warning",
    "near duplicate": "warning",
    "patient under several names": "error",
    "seen by the network only": "warning",
    "seen by the label only": "warning",
    "level shift": "warning",
    "corner disagrees": "warning",
}
"""Every kind of fault, and its severity.

An ``error`` is wrong whatever the anatomy: order, flip, crossing, gap, overlap, what cannot be read
or leaks between patients. A ``warning`` may be pathology or an error and has to be looked at. A
``note`` is worth knowing.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, or may be, in a folder of annotations.

    ``film`` is the key of the sample, the name of a file that has none, or empty where a whole
    source is meant. ``vertebra`` counts from 1 at the top along the spine, and ``level`` is its
    name; None where no single vertebra is meant. ``evidence`` says in words and numbers (image px
    unless a unit is given) what was seen, ``repair`` what would put it right where that is known.
    ``size`` ranks faults of one kind: the measured quantity over its limit, 1 where there is none.

    Raises:
        ValueError: the kind or the severity is unknown.
    """

    kind: str
    film: str
    evidence: str
    vertebra: int | None = None
    level: str | None = None
    repair: str | None = None
    severity: Severity | None = None  # None: that of the kind
    size: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault {self.kind!r}")
        if self.severity is None:
            object.__setattr__(self, "severity", KINDS[self.kind])
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is {self.severity!r}, need {', '.join(SEVERITIES)}")

    @property
    def place(self) -> str:
        """``L4``, ``V3`` for the third vertebra from the top without a name, or empty."""
        if self.vertebra is None:
            return ""
        return self.level or f"V{self.vertebra}"

    def __str__(self) -> str:
        where = " ".join(part for part in (self.film, self.place) if part)
        return (
            f"{where}: {self.kind}: {self.evidence}" if where else f"{self.kind}: {self.evidence}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def worst_first(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Errors first, then warnings, then notes; within these by kind, film and vertebra."""
    kinds = list(KINDS)

    def rank(fault: Fault) -> tuple[int, int, str, int]:
        severity = SEVERITIES.index(fault.severity or "error")
        return severity, kinds.index(fault.kind), fault.film, fault.vertebra or 0

    return tuple(sorted(faults, key=rank))


def counts(faults: Iterable[Fault]) -> dict[str, dict[str, int]]:
    """How many faults there are of each kind and severity, in the order of ``SEVERITIES``."""
    found = Counter((fault.severity, fault.kind) for fault in faults)
    return {
        severity: {kind: found[severity, kind] for kind in KINDS if found[severity, kind]}
        for severity in SEVERITIES
    }


def told_once(
    faults: Sequence[Fault], films: Mapping[str, Sequence[str]], kind: str, *, share: float
) -> list[Fault]:
    """The faults, where a habit of a whole source is told once instead of film by film.

    ``films`` maps each source to the keys of its films. Where at least ``share`` of the films of a
    source, and three of them, have a fault of ``kind`` with one and the same ``repair``, these
    become one fault without a film.
    """
    kept = list(faults)
    for source, keys in films.items():
        own = [fault for fault in kept if fault.kind == kind and fault.film in set(keys)]
        for repair in dict.fromkeys(fault.repair for fault in own):
            same = [fault for fault in own if fault.repair == repair]
            affected = len({fault.film for fault in same})
            if affected >= max(3, share * len(keys)):
                told = f"{source}: {affected} of {len(keys)} films, such as {same[0].film}"
                kept = [fault for fault in kept if fault not in same]
                evidence = f"{told}: {same[0].evidence}"
                kept.append(replace(same[0], film="", evidence=evidence, vertebra=None, level=None))
    return kept
