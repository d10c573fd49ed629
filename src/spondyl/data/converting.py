"""How do annotations become those of another format, and what is lost on the way?"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from spondyl.atomic import write_json, write_text, write_with
from spondyl.data.buu import read_buu, to_buu
from spondyl.data.coco import read_coco, relative_name, write_coco
from spondyl.data.cvat import read_cvat, write_cvat
from spondyl.data.differences import TOLERANCE, differences
from spondyl.data.keypoint_rcnn import read_keypoint_rcnn, to_keypoint_rcnn
from spondyl.data.labelme import read_labelme, to_labelme
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.data.slicer import read_slicer, to_slicer
from spondyl.data.yolo_pose import read_yolo_pose, to_yolo_pose
from spondyl.errors import AnnotationError, FilmError, UsageError
from spondyl.film.reading import SUFFIXES

TARGETS: Final = ("coco", "yolo-pose", "keypoint-rcnn", "buu", "labelme", "cvat", "slicer")

LOSSES: Final = "losses.json"
"""The file beside the annotations that lists what they do not say any more."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of content that a format does not keep: how often, on how many films, and why."""

    kind: str
    count: int
    films: int
    reason: str


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a set: films written, what was lost of them, and films left out."""

    written: int
    losses: tuple[Loss, ...]
    refused: tuple[Problem, ...]


def convert(
    annotated: AnnotationSet, out: Path, *, to: str, copy_films: bool = False
) -> Conversion:
    """Writes a set in the format ``to``, one of ``TARGETS``, into the new or empty folder ``out``.

    Films are referred to where they are, or copied beside the labels. Everything that is written
    is read again: what is not the same is lost, and listed in ``losses.json``; a film that the
    format cannot hold is left out and listed there too. A corner is the same within
    ``TOLERANCE`` px.

    Raises:
        UsageError: the format is unknown, or ``out`` is in use.
    """
    if to not in TARGETS:
        raise UsageError(f"unknown format {to!r}, need {', '.join(TARGETS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: is in use; need a new folder, or an empty one")
    job = _Job(out, to, copy_films, annotated.made_by)
    pairs, refused = job.run(annotated.samples)
    losses = tuple(_losses(pairs, job))
    write_json(out / LOSSES, _listed(job, len(pairs), losses, (*annotated.problems, *refused)))
    return Conversion(len(pairs), losses, tuple(refused))


Pair = tuple[Sample, Sample]
"""A sample, and what is read from the file that was written for it."""


@dataclass(frozen=True, slots=True)
class _Job:
    out: Path
    to: str
    copy_films: bool
    made_by: Mapping[str, str]

    def run(self, samples: Sequence[Sample]) -> tuple[list[Pair], list[Problem]]:
        """What was written, and what could not be."""
        places = _places([sample.key for sample in samples])
        refused: list[Problem] = []
        placed: list[tuple[Sample, str]] = []
        for sample, place in zip(samples, places, strict=True):
            try:
                placed.append((self._with_film(sample, place), place))
            except FilmError as error:
                refused.append(Problem.of(sample.path, error))
        write = self._write_whole if self.to in _WHOLE else self._write_each
        pairs, problems = write(placed)
        return pairs, [*refused, *problems]

    def _with_film(self, sample: Sample, place: str) -> Sample:
        """``sample`` with its film where the labels will look for it."""
        if not sample.path.is_file():
            if self.made_by and self.to == "coco" and not self.copy_films:
                return sample  # a prediction may outlive its film
            raise FilmError(f"{sample.path}: the film is missing")
        if not self.copy_films:
            return sample
        suffix = sample.path.suffix if sample.path.suffix.lower() in SUFFIXES else ".dcm"
        film = self.out / f"{place}{suffix}"
        write_with(film, lambda temporary: _copy(sample.path, temporary))
        return replace(sample, path=film)

    def _write_each(self, placed: Sequence[tuple[Sample, str]]) -> tuple[list[Pair], list[Problem]]:
        """One label file a film."""
        kind = _EACH[self.to]
        pairs: list[Pair] = []
        problems: list[Problem] = []
        for sample, place in placed:
            label = self.out / f"{place}{kind.suffix}"
            try:
                _store(label, kind.make(sample, relative_name(sample.path, label.parent)))
                pairs.append((sample, kind.read(label, sample.path, key=place)))
            except (AnnotationError, FilmError) as error:
                self._drop(sample, label)
                problems.append(Problem.of(sample.path, error))
        return pairs, problems

    def _write_whole(
        self, placed: Sequence[tuple[Sample, str]]
    ) -> tuple[list[Pair], list[Problem]]:
        """One file for all films; it is written again without those that it cannot hold."""
        samples = [sample for sample, _ in placed]
        label = self.out / _WHOLE[self.to]
        found = self._write_file(label, samples)
        held = {sample.key: sample for sample in found.samples}
        kept = [sample for sample in samples if sample.key in held]
        for sample in samples:
            if sample.key not in held:
                self._drop(sample)
        if len(kept) < len(samples):
            self._write_file(label, kept)
        return [(sample, held[sample.key]) for sample in kept], list(found.problems)

    def _write_file(self, label: Path, samples: Sequence[Sample]) -> AnnotationSet:
        if self.to == "cvat":
            write_cvat(label, samples)
            return read_cvat(label)
        write_coco(label, samples, made_by=self.made_by or None)
        return read_coco(label)

    def _drop(self, sample: Sample, label: Path | None = None) -> None:
        """Takes away what was written for a film that the format cannot hold."""
        if label is not None:
            label.unlink(missing_ok=True)
        if self.copy_films:
            sample.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A format with one label file a film: how it is made of a sample and its film's name."""

    suffix: str
    make: Callable[[Sample, str], Any]
    read: Callable[..., Sample]


_WHOLE: Final = {"coco": "annotations.json", "cvat": "annotations.xml"}
_EACH: Final = {
    "keypoint-rcnn": _Kind(".json", lambda sample, _: to_keypoint_rcnn(sample), read_keypoint_rcnn),
    "yolo-pose": _Kind(".txt", lambda sample, _: to_yolo_pose(sample), read_yolo_pose),
    "buu": _Kind(".csv", lambda sample, _: to_buu(sample), read_buu),
    "labelme": _Kind(".json", to_labelme, read_labelme),
    "slicer": _Kind(".mrk.json", to_slicer, read_slicer),
}
_BY_NAME: Final = frozenset({"keypoint-rcnn", "yolo-pose", "buu"})
"""Formats whose files do not say which film they belong to."""

_REASONS: Final = {
    ("buu", "vertebra"): "buu holds L1 to L5 and S1",
    ("buu", "corner"): "buu holds the superior endplate of S1 only",
    ("buu", "view"): "every film of buu counts as lateral",
    ("buu", "complete_below"): "every film of buu counts as complete below",
    ("buu", "flag"): "buu holds one slip of each level",
}
_DERIVED: Final = {
    "key": "it is the path of the label file",
    "group": "it is taken from the film's name",
    "origin": "it is the format",
    "aspect": "it is 1, or unknown for a square export of Roboflow",
}
_REPAIRED: Final = frozenset({"vertebra added", "corner added", "order"})


def _reason(to: str, kind: str) -> str:
    if (to, kind) in _REASONS:
        return _REASONS[to, kind]
    if kind in _REPAIRED or (to not in _BY_NAME and kind in ("flag", "vertebra", "corner")):
        return "the reader puts the corners or the vertebrae in another order"
    if kind in _DERIVED:
        return f"{to} has no place for it: {_DERIVED[kind]}"
    return f"{to} has no place for it"


def _losses(pairs: Sequence[Pair], job: _Job) -> list[Loss]:
    counts: Counter[str] = Counter()
    films: Counter[str] = Counter()
    for before, after in pairs:
        found = differences(before, after)
        counts += found
        films.update(found.keys())
    losses = [
        Loss(kind, counts[kind], films[kind], _reason(job.to, kind)) for kind in sorted(counts)
    ]
    if job.made_by and job.to != "coco" and pairs:
        reason = f"{job.to} cannot say that these are predictions, nor of what network"
        losses.append(Loss("made_by", 1, len(pairs), reason))
    if job.to in _BY_NAME and not job.copy_films and pairs:
        reason = "a label belongs to the film of its name: put them together, or give --copy-films"
        losses.append(Loss("film's place", len(pairs), len(pairs), reason))
    return losses


def _listed(
    job: _Job, written: int, losses: Sequence[Loss], refused: Sequence[Problem]
) -> dict[str, Any]:
    return {
        "format": job.to,
        "films_written": written,
        "tolerance_px": TOLERANCE,
        "losses": [asdict(loss) for loss in losses],
        "films_left_out": [
            {"film": relative_name(problem.path, job.out), "reason": problem.message}
            for problem in refused
        ],
    }


def _store(label: Path, content: str | dict[str, Any]) -> None:
    if isinstance(content, str):
        write_text(label, content)
    else:
        write_json(label, content)


def _copy(film: Path, target: Path) -> None:
    try:
        shutil.copyfile(film, target)
    except OSError as error:
        raise FilmError(f"{film}: cannot be copied ({error.strerror})") from error


_IMPOSSIBLE: Final = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*\ud800-\udfff]')
_LONGEST: Final = 180  # bytes of one part of a path, with room for suffixes
_TAKEN: Final = frozenset(
    {"losses", "annotations", "classes", "labels", "filenames", "landmarks", "angles"}
)
"""Names that files of the formats have."""


def _places(keys: Sequence[str]) -> list[str]:
    """For each key, the path within the folder of its label and film, without suffix.

    It is the key, unless that leads out of the folder, cannot be a file's name on some system, or
    differs from another one by case only.
    """
    places: list[str] = []
    used: set[str] = set()
    for k, key in enumerate(keys):
        place = key if _is_place(key) and key.lower() not in used else f"film-{k:05d}"
        while place.lower() in used:
            place += "-again"
        used.add(place.lower())
        places.append(place)
    return places


def _is_place(key: str) -> bool:
    parts = key.split("/")
    if _IMPOSSIBLE.search(key) or parts[-1].lower() in _TAKEN:
        return False
    return all(
        part and not part.startswith(".") and not part.endswith((".", " "))
        and len(part.encode()) <= _LONGEST
        for part in parts
    )  # fmt: skip
