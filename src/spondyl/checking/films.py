"""Do films and labels of a folder belong together, one to one, and from how many sources?"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from spondyl.checking.faults import Fault
from spondyl.data.labels import group_of
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.errors import UsageError
from spondyl.film.reading import find_films

_COPY: Final = re.compile(r"\.rf\.[^/]*$", re.IGNORECASE)
_SQUARES: Final = 5  # films of one square size that make one wonder
_PROBLEMS: Final[tuple[tuple[str, str], ...]] = (
    ("no film named", "label without film"),
    ("the film is missing", "label without film"),
    ("annotated twice", "labelled twice"),
    ("two films fit", "labelled twice"),
    ("a level is named twice", "level names"),
    ("unknown level", "level names"),
    ("is far outside the", "point outside the film"),
    ("within 2 px", "wrong units"),
    ("need fractions of the film", "wrong units"),
    ("px, the annotation says", "wrong size"),
)


def check_folder(folder: Path, found: AnnotationSet) -> list[Fault]:
    """Faults of a folder as a whole; no film is opened.

    ``found`` is what was read from it: its problems become faults, too.
    """
    return [
        *(_of_problem(problem, folder) for problem in found.problems),
        *_without_label(folder, found),
        *_copies(found.samples),
        *_aspects(found.samples),
        *_encodings(found.samples),
    ]


def sources(samples: Sequence[Sample]) -> Mapping[str, Sequence[str]]:
    """The keys of the films of each source."""
    keys: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        keys[sample.origin].append(sample.key)
    return keys


def within(path: Path, folder: Path) -> str:
    """A path as a fault names it: within the folder, else as it is."""
    inside = path.is_relative_to(folder) and path != folder
    return (path.relative_to(folder) if inside else path).as_posix()


def _of_problem(problem: Problem, folder: Path) -> Fault:
    """What a reader could not use; it blocks, whatever it is."""
    kind = next((kind for words, kind in _PROBLEMS if words in problem.message), "unusable label")
    return Fault(kind, within(problem.path, folder), problem.message, severity="error")


def _without_label(folder: Path, found: AnnotationSet) -> Iterator[Fault]:
    if not folder.is_dir():
        return
    try:
        films = find_films([folder])
    except UsageError:
        return
    used = {sample.path.resolve() for sample in found.samples}
    named = {sample.path.stem for sample in found.samples}
    refused = {name for each in found.problems for name in (each.path.stem, each.path.name)}
    for film in films:
        if film.resolve() in used or film.stem in refused or film.name in refused:
            continue
        hint = "another film of this name has one" if film.stem in named else "no label names it"
        yield Fault("film without label", within(film, folder), hint)


def _copies(samples: Sequence[Sample]) -> Iterator[Fault]:
    """Augmented copies by Roboflow: several films whose names before ``.rf.`` are one."""
    copies: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if _COPY.search(sample.path.stem):
            copies[_COPY.sub("", sample.path.stem)].append(sample)
    for name, same in copies.items():
        if len(same) > 1:
            evidence = f"{len(same)} films are copies of {name}, all of group {group_of(name)}"
            yield Fault("augmented copy", same[0].key, evidence)


def _aspects(samples: Sequence[Sample]) -> Iterator[Fault]:
    """Films that are known to be stretched, and sources that look like it."""
    for source, own in _by_origin(samples).items():
        unknown = [sample for sample in own if sample.aspect is None]
        if unknown:
            evidence = f"{source}: the true aspect of {len(unknown)} of {len(own)} films is unknown"
            yield Fault("stretched aspect", "", f"{evidence}, such as {unknown[0].key}")
        odd = [sample for sample in own if sample.aspect not in (None, 1.0)]
        if odd:
            evidence = f"{source}: the pixels of {len(odd)} of {len(own)} films are not square"
            yield Fault("stretched aspect", "", f"{evidence}, such as {odd[0].key}")
        yield from _all_square(source, [sample for sample in own if sample.aspect == 1.0])


def _all_square(source: str, own: Sequence[Sample]) -> Iterator[Fault]:
    sizes = Counter((sample.height, sample.width) for sample in own)
    if len(own) < _SQUARES or len(sizes) > 1:
        return
    ((height, width),) = sizes
    if height == width:
        evidence = f"{source}: all {len(own)} films are {width} x {height} px, as if stretched"
        yield Fault("stretched aspect", "", evidence)


def _encodings(samples: Sequence[Sample]) -> Iterator[Fault]:
    own = _by_origin(samples)
    if len(own) > 1:
        told = ", ".join(f"{len(films)} {source}" for source, films in own.items())
        yield Fault("mixed encodings", "", f"the folder holds several sources: {told}")


def _by_origin(samples: Sequence[Sample]) -> Mapping[str, list[Sample]]:
    own: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        own[sample.origin].append(sample)
    return own
