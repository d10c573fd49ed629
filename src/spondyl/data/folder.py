"""Which annotation format does a folder hold, and what do its files say?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from spondyl.data.aasce import is_aasce, read_aasce
from spondyl.data.buu import is_buu, read_buu
from spondyl.data.coco import read_coco
from spondyl.data.films import Films
from spondyl.data.keypoint_rcnn import is_keypoint_rcnn, read_keypoint_rcnn
from spondyl.data.labels import load_json, load_text
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.data.yolo_pose import is_yolo_pose, read_yolo_pose
from spondyl.errors import AnnotationError, FilmError, UsageError

FORMATS: Final = ("coco", "keypoint-rcnn", "yolo-pose", "buu", "aasce")

_SUFFIXES: Final = {"keypoint-rcnn": ".json", "yolo-pose": ".txt", "buu": ".csv"}
_READERS: Final[dict[str, Callable[..., Sample]]] = {
    ".json": read_keypoint_rcnn,
    ".txt": read_yolo_pose,
    ".csv": read_buu,
}
_OTHERS: Final = frozenset({"classes.txt", "filenames.csv", "landmarks.csv", "angles.csv"})


def read_annotations(path: Path, *, format: str | None = None) -> AnnotationSet:
    """Reads a folder of annotations, or a single COCO JSON file.

    ``format`` is one of ``FORMATS``; None recognises it by content: AASCE's tables, else COCO
    files, else one label file a film, each by its own content (the Mendeley release mixes two).
    In a folder, COCO files that hold predictions are passed over. What cannot be used becomes a
    problem, and the rest goes on.

    Raises:
        UsageError: the format is unknown, or there is no annotation at all.
        AnnotationError: a COCO file or a table as a whole cannot be read.
    """
    if format is not None and format not in FORMATS:
        raise UsageError(f"unknown format {format!r}, need {', '.join(FORMATS)}")
    if path.is_file():
        return _read_file(path, format)
    if not path.is_dir():
        raise UsageError(f"{path}: no such folder or file, need annotations")
    found = _read_folder(path, format)
    if not found.samples and not found.problems:
        _refuse_damaged(_files(path, ".json"))
        raise UsageError(f"{path}: no annotations found, need {format or ', '.join(FORMATS)}")
    return _with_unique_keys(found)


def _refuse_damaged(files: list[Path]) -> None:
    """A JSON file that cannot be read may have been the annotations: it says so itself."""
    for file in files:
        try:
            load_json(file)
        except AnnotationError as error:
            raise AnnotationError(f"{file}: {error}") from error


def _read_file(path: Path, format: str | None) -> AnnotationSet:
    if format not in (None, "coco") or path.suffix.lower() != ".json":
        raise UsageError(f"{path}: one file, need a COCO .json file or a folder of annotations")
    return _with_unique_keys(read_coco(path))


def _read_folder(folder: Path, format: str | None) -> AnnotationSet:
    if format == "aasce" or (format is None and is_aasce(folder)):
        return read_aasce(folder)
    coco = _coco_files(folder) if format in (None, "coco") else []
    if coco or format == "coco":
        return _joined([read_coco(path) for path in coco], coco, folder)
    return _read_film_by_film(folder, format)


def _coco_files(folder: Path) -> list[Path]:
    """COCO files with annotations; predictions are left out."""
    return [path for path in _files(folder, ".json") if _is_coco_annotation(_peek(path))]


def _is_coco_annotation(data: object) -> bool:
    if not (isinstance(data, dict) and "images" in data and "annotations" in data):
        return False
    info = data.get("info")
    return not (isinstance(info, dict) and info.get("made_by"))


def _peek(path: Path) -> Any:
    try:
        return load_json(path)
    except AnnotationError:
        return None


def _joined(sets: list[AnnotationSet], paths: list[Path], folder: Path) -> AnnotationSet:
    """All samples; the keys of files in subfolders start with the subfolder."""
    samples: list[Sample] = []
    for each, path in zip(sets, paths, strict=True):
        prefix = path.parent.relative_to(folder)
        samples += [replace(s, key=(prefix / s.key).as_posix()) for s in each.samples]
    return AnnotationSet(tuple(samples), tuple(p for each in sets for p in each.problems))


def _read_film_by_film(folder: Path, format: str | None) -> AnnotationSet:
    films = Films(folder)
    samples: list[Sample] = []
    problems: list[Problem] = []
    for label in _labels(folder, format, films):
        try:
            film = films.of(label)
            samples.append(_READERS[label.suffix.lower()](label, film, key=films.key(film)))
        except (AnnotationError, FilmError) as error:
            problems.append(Problem.of(label, error))
    return AnnotationSet(tuple(samples), tuple(problems))


def _labels(folder: Path, format: str | None, films: Films) -> Iterator[Path]:
    """Label files: those that lie with a film of their name or hold a known format."""
    suffixes = _SUFFIXES.values() if format is None else (_SUFFIXES[format],)
    for suffix in suffixes:
        for path in _files(folder, suffix):
            if path.name not in _OTHERS and (films.has(path.stem) or _is_label(path)):
                yield path


def _is_label(path: Path) -> bool:
    """Whether the content is one of the three formats that have a file a film."""
    try:
        if path.suffix.lower() == ".json":
            return is_keypoint_rcnn(load_json(path))
        text = load_text(path)
    except AnnotationError:
        return False
    return is_yolo_pose(text) if path.suffix.lower() == ".txt" else is_buu(text)


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == suffix and path.is_file() and not path.name.startswith(".")
    )


def _with_unique_keys(found: AnnotationSet) -> AnnotationSet:
    """Two annotations of one film: the first is kept, the other is a problem."""
    kept: dict[str, Sample] = {}
    problems = list(found.problems)
    for sample in found.samples:
        if sample.key in kept:
            problems.append(Problem(sample.path, "annotated twice, need one annotation a film"))
        else:
            kept[sample.key] = sample
    return replace(found, samples=tuple(kept.values()), problems=tuple(problems))
