"""How does a file become a film: DICOM, PNG, JPEG and TIFF, known by their first bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from spondyl.errors import FilmError, UsageError
from spondyl.film.guarding import check_file, one_line, shown
from spondyl.film.picture import picture_size, read_picture
from spondyl.film.radiograph import Radiograph

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom"})

_PICTURES: Final = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+",
)  # fmt: skip


def read_radiograph(path: Path, frame: int | None = None) -> Radiograph:
    """Reads one film, bone bright, float32 (H, W) in [0, 1].

    DICOM is shown as its header asks, PNG, JPEG and TIFF as they are, upright by EXIF. The file's
    first bytes say what it is, never its name. ``frame`` (from 1) chooses one of a DICOM file.

    Raises:
        FilmError: not a readable single grey film of 64 px a side to 64 million px in all.
    """
    if is_dicom(path):
        from spondyl.film.dicom import read_dicom  # pydicom takes a second to import

        return read_dicom(path, frame)
    _check_frame(path, frame)
    return read_picture(path)


def film_size(path: Path, frame: int | None = None) -> tuple[int, int]:
    """(height, width) in px as :func:`read_radiograph` gives them, without decoding the pixels.

    Raises:
        FilmError: the header already says that the film cannot be read.
    """
    if is_dicom(path):
        from spondyl.film.dicom import dicom_size

        return dicom_size(path, frame)
    _check_frame(path, frame)
    return picture_size(path)


def find_films(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Files as given, in order, and the films below each folder, sorted; each once.

    In folders, hidden files and those that neither have a film's suffix nor are DICOM files
    without one are passed over.

    Raises:
        UsageError: a folder holds no film.
    """
    found: dict[Path, None] = {}
    for path in paths:
        films = list(_films_below(path)) if path.is_dir() else [path]
        if not films:
            raise UsageError(f"{shown(path)}: no films in this folder, need {_suffixes()} files")
        found.update(dict.fromkeys(films))
    return tuple(found)


def _films_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and _may_be_film(path):
            yield path


def _may_be_film(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    # A DICOM file is often named by its UID, whose last number looks like a suffix.
    bare = not path.suffix or path.suffix[1:].isdigit()
    return bare and path.name != "DICOMDIR" and _is_marked_dicom(_first_bytes(path))


def is_dicom(path: Path) -> bool:
    """Whether the file is DICOM rather than a picture.

    Raises:
        FilmError: it is neither.
    """
    check_file(path)
    with one_line(shown(path), "cannot be read"):
        start = _first_bytes(path)
    if _is_marked_dicom(start):
        return True
    if not start.startswith(_PICTURES):
        raise FilmError(f"{shown(path)}: not a film, need DICOM, PNG, JPEG or TIFF")
    return False


def has_signature(path: Path) -> bool:
    """Whether a file begins as DICOM or a picture does."""
    start = _first_bytes(path)
    return _is_marked_dicom(start) or start.startswith(_PICTURES)


def _is_marked_dicom(start: bytes) -> bool:
    return start[128:132] == b"DICM"


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(132)


def _check_frame(path: Path, frame: int | None) -> None:
    if frame not in (None, 1):
        raise FilmError(f"{shown(path)}: a picture has no frame {frame}; need a DICOM file")


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
