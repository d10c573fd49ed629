"""Which files of a study are films of a spine, and what is each one called in the results?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spondyl.errors import FilmError, UsageError
from spondyl.film.guarding import alias, check_file, shown
from spondyl.film.reading import SUFFIXES, has_signature, is_dicom

if TYPE_CHECKING:
    from spondyl.film.dicom import Facts


@dataclass(frozen=True, slots=True)
class Chosen:
    """A film to look at; ``frame`` (from 1) where the file holds several."""

    path: Path
    key: str
    frame: int | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no film of a spine, by its header; not a failure."""

    path: Path
    reason: str


def choose_films(
    paths: Sequence[Path],
    *,
    deidentify: bool = True,
    frame: int | None = None,
    any_body_part: bool = False,
) -> tuple[tuple[Chosen, ...], tuple[Skipped, ...]]:
    """The films among files and folders, by path, and what was skipped in the folders and why.

    A file that is named by itself is chosen whatever it is, unless it is a second copy of a film;
    so is one that cannot be read: reading it gives the line that says why. ``frame`` (from 1)
    counts for files of several frames only; without it they are skipped.

    A picture is called by its name without suffix, or by its whole path where that is not unique.
    With ``deidentify`` a DICOM film is called ``film-`` and 12 digits of the SHA-256 of its SOP
    Instance UID, or of its bytes where it has none: its name and its UID may identify a person.

    Raises:
        UsageError: a path does not exist, a folder holds no film, or the frame is below 1.
    """
    if frame is not None and frame < 1:
        raise UsageError(f"--frame {frame}: need a number from 1")
    kept: list[_File] = []
    skipped: list[Skipped] = []
    for path, named in sorted(_files(paths).items()):
        file = _File.of(path)
        reason = None if named else _why_not(file, frame, any_body_part=any_body_part)
        if reason is None:
            kept.append(file)
        else:
            skipped.append(Skipped(path, reason))
    films, copies = _without_copies(kept, deidentify=deidentify)
    keys = _keys(films, deidentify=deidentify)
    skipped = sorted([*skipped, *copies], key=lambda file: file.path)
    return tuple(_chosen(file, frame, keys[file.path]) for file in films), tuple(skipped)


@dataclass(frozen=True, slots=True)
class _File:
    """What its first look says of a file; ``facts`` None where it is not DICOM, or not readable."""

    path: Path
    picture: bool
    facts: Facts | None = None

    @classmethod
    def of(cls, path: Path) -> _File:
        try:
            if not is_dicom(path):
                return cls(path, picture=True)
            from spondyl.film.dicom import dicom_facts  # pydicom takes a second to import

            return cls(path, picture=False, facts=dicom_facts(path))
        except FilmError:
            return cls(path, picture=False)

    @property
    def alias(self) -> str:
        return alias(self.facts.identity if self.facts else str(self.path.absolute()))


def _chosen(file: _File, frame: int | None, key: str) -> Chosen:
    if frame is None or file.facts is None or file.facts.frames == 1:
        return Chosen(file.path, key, None)
    return Chosen(file.path, f"{key}-frame{frame}", frame)


def _why_not(file: _File, frame: int | None, *, any_body_part: bool) -> str | None:
    """Why a file found in a folder is skipped; None where it is a film, or cannot be read."""
    if file.path.name.upper() == "DICOMDIR":
        return "the index of a folder, no film"
    if file.facts is None:
        return None if file.picture or _was_film(file.path) else "neither DICOM nor a picture"
    if file.facts.no_film:
        return file.facts.no_film
    if file.facts.other_part and not any_body_part:
        return f"body part {file.facts.other_part}, need a spine (--any-body-part takes it)"
    if file.facts.frames > 1 and frame is None:
        return f"{file.facts.frames} frames, need 1; choose one with --frame"
    return None


def _was_film(path: Path) -> bool:
    """Whether what cannot be read was meant as a film: by suffix, by its start, or being empty."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        check_file(path)
    except FilmError:
        return True
    return has_signature(path)


def _files(paths: Iterable[Path]) -> dict[Path, bool]:
    """Every file to look at, and whether it was named by itself."""
    found: dict[Path, bool] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"{shown(path)}: no such film or folder")
        if not path.is_dir():
            found[path] = True
            continue
        inside = list(_inside(path))
        if not inside:
            raise UsageError(f"{shown(path)}: no films in this folder, need {_suffixes()} files")
        for file in inside:
            found.setdefault(file, False)
    return found


def _inside(folder: Path) -> Iterator[Path]:
    """The files below a folder that could be films: by suffix, without one, or by their start.

    A DICOM file is often named by its UID, whose last number looks like a suffix.
    """
    for path in folder.rglob("*"):
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        bare = not path.suffix or path.suffix[1:].isdigit()
        if bare or path.suffix.lower() in SUFFIXES or _is_dicom(path):
            yield path


def _is_dicom(path: Path) -> bool:
    try:
        return is_dicom(path)
    except FilmError:
        return False


def _keys(files: Sequence[_File], *, deidentify: bool) -> dict[Path, str]:
    hidden = [file for file in files if deidentify and not file.picture]
    keys = {file.path: file.alias for file in hidden}
    return _stems([file.path for file in files if file.path not in keys]) | keys


def _stems(paths: Sequence[Path]) -> dict[Path, str]:
    """A film's name without suffix, or its whole path where that is not unique."""
    counts = Counter(path.stem for path in paths)
    return {path: path.stem if counts[path.stem] == 1 else path.as_posix() for path in paths}


def _without_copies(
    files: Sequence[_File], *, deidentify: bool
) -> tuple[list[_File], list[Skipped]]:
    """Each film once: of copies the largest, because a smaller one may be cut short."""
    best: dict[str, _File] = {}
    for file in files:
        if file.facts:
            other = best.setdefault(file.facts.identity, file)
            if other.facts and file.facts.size > other.facts.size:
                best[file.facts.identity] = file
    films: list[_File] = []
    copies: list[Skipped] = []
    for file in files:
        original = best[file.facts.identity] if file.facts else file
        if original is file:
            films.append(file)
        else:
            told = original.alias if deidentify else shown(original.path)
            copies.append(Skipped(file.path, f"same film as {told}"))
    return films, copies


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
