"""What is wrong with the labels in a folder: every check, once over every film."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spondyl.checking.faults import Fault, counts, told_once, worst_first
from spondyl.checking.films import check_folder, sources, within
from spondyl.checking.marks import SLOTS, check_marks
from spondyl.checking.order import Chain, check_order
from spondyl.checking.pixels import check_pixels
from spondyl.checking.shape import LIMITS, Limits, check_shape
from spondyl.data.labels import group_of
from spondyl.data.sample import AnnotationSet, Sample
from spondyl.errors import UsageError
from spondyl.film.reading import find_films

_HABITS: Final[Mapping[str, float]] = {
    "corner order": 0.5,
    "list reversed": 0.9,
    "boxes padded": 0.5,
    "unlabelled above": 0.8,
    "unlabelled below": 0.8,
    "more vertebrae than slots": 0.9,
}
"""Kinds that are told once a source, where this share of its films has them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check; faults with errors first."""

    folder: str
    films: int
    vertebrae: int
    sources: Mapping[str, int]
    faults: tuple[Fault, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that block."""
        return tuple(fault for fault in self.faults if fault.severity == "error")

    @property
    def worst_films(self) -> tuple[tuple[str, int, int], ...]:
        """Films with an error or a warning: name, errors, warnings; the worst first."""
        told = Counter((f.film, f.severity) for f in self.faults if f.film)
        films = dict.fromkeys(film for film, severity in told if severity != "note")
        rows = [(film, told[film, "error"], told[film, "warning"]) for film in films]
        return tuple(sorted(rows, key=lambda row: (-row[1], -row[2], row[0])))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "folder": self.folder,
            "films": self.films,
            "vertebrae": self.vertebrae,
            "sources": dict(self.sources),
            "counts": counts(self.faults),
            "faults": [fault.to_json() for fault in self.faults],
        }


def check_annotations(
    folder: Path,
    found: AnnotationSet,
    *,
    more: Sequence[Fault] = (),
    workers: int = 2,
    on_done: Callable[[int], object] = lambda count: None,
) -> Checked:
    """Checks what was read from a folder: the films, the labels and each against the others.

    ``more`` are faults found elsewhere, say by comparison with a network. ``on_done`` is told how
    many films have been read.
    """
    films, groups = _films(folder, found)
    faults = [
        *check_samples(found.samples),
        *check_folder(folder, found),
        *check_pixels(films, groups, workers=workers, on_done=on_done),
        *more,
    ]
    return Checked(
        str(folder),
        len(found.samples),
        sum(len(sample.landmarks) for sample in found.samples),
        {source: len(keys) for source, keys in sources(found.samples).items()},
        worst_first(_without_repeats(faults)),
    )


def check_samples(
    samples: Sequence[Sample], *, limits: Limits = LIMITS, slots: int = SLOTS
) -> list[Fault]:
    """Faults that the labels show without a pixel; habits of a whole source are told once."""
    faults = [f for sample in samples for f in check_sample(sample, limits=limits, slots=slots)]
    keys = sources(samples)
    for kind, share in _HABITS.items():
        faults = told_once(faults, keys, kind, share=share)
    return faults


def check_sample(sample: Sample, *, limits: Limits = LIMITS, slots: int = SLOTS) -> list[Fault]:
    """Faults of one film's label, as its source listed it."""
    chain = Chain.of(sample)
    return [
        *check_order(chain),
        *check_shape(chain, limits=limits),
        *check_marks(chain, slots=slots),
    ]


def films_to_read(folder: Path, found: AnnotationSet) -> int:
    """How many films a check reads."""
    return len(_films(folder, found)[0])


def _films(folder: Path, found: AnnotationSet) -> tuple[dict[str, Path], dict[str, str]]:
    """The films with a label and without one, and the group of each, by name."""
    films = {sample.key: sample.path for sample in found.samples}
    groups = {sample.key: sample.group for sample in found.samples}
    known = {path.resolve() for path in films.values()}
    for path in _all_films(folder):
        name = within(path, folder)
        if path.resolve() not in known and name not in films:
            films[name], groups[name] = path, group_of(path.stem)
    return films, groups


def _all_films(folder: Path) -> Sequence[Path]:
    try:
        return find_films([folder]) if folder.is_dir() else ()
    except UsageError:
        return ()


def _without_repeats(faults: Sequence[Fault]) -> list[Fault]:
    """A film that cannot be read is told once, not again as a label that has none."""
    unreadable = {Path(f.film).stem for f in faults if f.kind == "unreadable film"}
    return [f for f in faults if f.kind != "unusable label" or Path(f.film).stem not in unreadable]
