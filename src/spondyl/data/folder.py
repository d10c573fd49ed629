"""Which annotation format does a folder hold, and what do its files say?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from spondyl.data import label_studio, labelme, slicer
from spondyl.data.aasce import is_aasce, read_aasce
from spondyl.data.buu import is_buu, read_buu
from spondyl.data.coco import read_coco
from spondyl.data.cvat import is_cvat, read_cvat
from spondyl.data.films import Films
from spondyl.data.keypoint_rcnn import is_keypoint_rcnn, read_keypoint_rcnn
from spondyl.data.labels import load_bytes, load_json, load_text
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.data.yolo_pose import is_yolo_pose, read_yolo_pose
from spondyl.errors import AnnotationError, FilmError, UsageError

FORMATS: Final = (
    "coco", "keypoint-rcnn", "yolo-pose", "buu", "aasce", "labelme", "cvat", "label-studio",
    "slicer",
)  # fmt: skip

_WHOLE: Final[dict[str, Callable[[Path], AnnotationSet]]] = {
    "coco": read_coco,
    "cvat": read_cvat,
    "label-studio": label_studio.read_label_studio,
}
_READERS: Final[dict[str, Callable[..., Sample]]] = {
    "keypoint-rcnn": read_keypoint_rcnn,
    "labelme": labelme.read_labelme,
    "slicer": slicer.read_slicer,
    "yolo-pose": read_yolo_pose,
    "buu": read_buu,
}
_BY_SUFFIX: Final = {".json": "keypoint-rcnn", ".txt": "yolo-pose", ".csv": "buu"}
"""What a file is read as that lies with a film of its name and holds no known format."""

_OTHERS: Final = frozenset({"classes.txt", "filenames.csv", "landmarks.csv", "angles.csv"})


def read_annotations(path: Path, *, format: str | None = None) -> AnnotationSet:
    """Reads a folder of annotations, or a single COCO, CVAT or Label Studio file.

    ``format`` is one of ``FORMATS``; None recognises it by content: AASCE's tables, else files
    that hold many films, else one label file a film, each by its own content (the Mendeley release
    mixes two). In a folder, COCO files that hold predictions are passed over. What cannot be used
    becomes a problem, and the rest goes on.

    Raises:
        UsageError: the format is unknown, or there is no annotation at all.
        AnnotationError: a file of many films or a table as a whole cannot be read.
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
    known = _format_of(path)
    if known not in _WHOLE and path.suffix.lower() == ".json":
        known = "coco"  # whose reader says what is wrong
    if known not in _WHOLE or format not in (None, known):
        raise UsageError(
            f"{path}: one file, need a COCO .json file, one of CVAT or Label Studio, or a folder"
        )
    return _with_unique_keys(_WHOLE[known](path))


def _read_folder(folder: Path, format: str | None) -> AnnotationSet:
    if format == "aasce" or (format is None and is_aasce(folder)):
        return read_aasce(folder)
    whole = {path: each for path, each in _whole_files(folder) if format in (None, each)}
    if whole or format in _WHOLE:
        return _joined([_WHOLE[each](path) for path, each in whole.items()], list(whole), folder)
    return _read_film_by_film(folder, format)


def _whole_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files of many films, each with its format; predictions are left out."""
    for suffix in (".json", ".xml"):
        for path in _files(folder, suffix):
            known = _format_of(path)
            if known in _WHOLE and not (known == "coco" and _is_predicted(_peek(path))):
                yield path, known


def _format_of(path: Path) -> str | None:
    """The format that a file's content is in; None where it is no known one, or damaged."""
    try:
        return _RECOGNISED_BY[path.suffix.lower()](path)
    except (AnnotationError, KeyError):
        return None


def _format_of_json(path: Path) -> str | None:
    data = load_json(path)
    if isinstance(data, dict) and "images" in data and "annotations" in data:
        return "coco"
    tests = {
        "labelme": labelme.is_labelme,
        "slicer": slicer.is_slicer,
        "label-studio": label_studio.is_label_studio,
        "keypoint-rcnn": is_keypoint_rcnn,
    }
    return next((name for name, test in tests.items() if test(data)), None)


_RECOGNISED_BY: Final[dict[str, Callable[[Path], str | None]]] = {
    ".json": _format_of_json,
    ".xml": lambda path: "cvat" if is_cvat(load_bytes(path)) else None,
    ".txt": lambda path: "yolo-pose" if is_yolo_pose(load_text(path)) else None,
    ".csv": lambda path: "buu" if is_buu(load_text(path)) else None,
}


def _is_predicted(data: object) -> bool:
    info = data.get("info") if isinstance(data, dict) else None
    return bool(isinstance(info, dict) and info.get("made_by"))


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
    for label, known in _labels(folder, format, films):
        try:
            film = _film(label, known, films)
            samples.append(_READERS[known](label, film, key=films.key(film)))
        except (AnnotationError, FilmError) as error:
            problems.append(Problem.of(label, error))
    return AnnotationSet(tuple(samples), tuple(problems))


def _labels(folder: Path, format: str | None, films: Films) -> Iterator[tuple[Path, str]]:
    """Label files with their format: those that hold a known one or lie with their film."""
    for suffix, default in _BY_SUFFIX.items():
        for path in _files(folder, suffix):
            if path.name in _OTHERS:
                continue
            known = _format_of(path)
            if known is None and films.has(path.stem):
                known = format if suffix == ".json" and format in _READERS else default
            if known in _READERS and format in (None, known):
                yield path, known


def _film(label: Path, format: str, films: Films) -> Path:
    """The film of a label file: the one that it names, else the one of the same name."""
    if format == "labelme":
        name = labelme.film_name(_peek(label))
        return films.linked(label, name) if name else films.of(label)
    if format == "slicer":
        name = slicer.film_name(_peek(label))
        stem = slicer.film_stem(label)
        return films.linked(label, name) if name else films.of(label.with_name(f"{stem}.json"))
    return films.of(label)


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
