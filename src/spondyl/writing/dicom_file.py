"""What do the DICOM files we write share: the film they belong to, their frame, their identity?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float64
from pydicom import Dataset, dcmread
from pydicom.misc import is_dicom
from pydicom.uid import generate_uid
from pydicom.valuerep import DA, TM

from spondyl import atomic
from spondyl.errors import UsageError
from spondyl.film.guarding import check_file, one_line, shown, silence
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement

MAKER: Final = "spondyl"

UTF_8: Final = "ISO_IR 192"

_NEEDED: Final = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns",
)  # fmt: skip

_MAY_BE_EMPTY: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""Type 2 in every file: there, with or without a value."""


def film_header(source: Path, frame: int | None) -> Dataset:
    """The header of a film's own DICOM file, fit to be reported on.

    What must be there and may be empty is added empty; a date, time or sex that DICOM does not
    allow is emptied. Nothing else is changed: the patient and the study stay who they are.

    Raises:
        UsageError: not a DICOM file, or without the UIDs or the size that a reference needs, or
            ``frame`` (from 1) is not one of its frames.
        FilmError: the file cannot be read.
    """
    name = shown(source)
    check_file(source)
    with silence(), one_line(name, "damaged header", tell=False):
        if not is_dicom(source):
            header = None
        else:
            header = dcmread(source, stop_before_pixels=True)
            _complete(header)
    if header is None:
        raise UsageError(f"{name}: not a DICOM file, so it has no study to report into")
    for keyword in _NEEDED:
        if not header.get(keyword):
            raise UsageError(f"{name}: no {keyword}, need one to refer to the film")
    _check_frame(name, header, frame)
    return header


def to_dicom(points: Float64[np.ndarray, "*n 2"], film: Dataset) -> Float64[np.ndarray, "*n 2"]:
    """Image px to DICOM's (column, row), where the first pixel reaches from 0 to 1.

    Its centre, our (0, 0), is (0.5, 0.5) there. DICOM allows no point off the film: one beyond the
    edge is moved to it. NaN stays NaN.
    """
    return np.clip(points + 0.5, 0.0, [float(film.Columns), float(film.Rows)])


def from_dicom(points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
    """DICOM's (column, row) to image px."""
    return points - 0.5


def derived_uid(*parts: Any) -> str:
    """The same UID for the same parts (plain JSON values), so that a second run replaces the first.

    No part of it can be read back.
    """
    text = json.dumps(parts, sort_keys=True)
    return str(generate_uid(entropy_srcs=[hashlib.sha256(text.encode()).hexdigest()]))


def content_of(
    landmarks: Landmarks, measured: Sequence[Measurement], frame: int | None
) -> list[Any]:
    """What a file is made from, for :func:`derived_uid`."""
    return [landmarks.to_json(), [each.to_json() for each in measured], frame]


def facts(made_by: Mapping[str, str]) -> list[str]:
    """What made the numbers, one fact a line."""
    return [f"{key}: {value}" for key, value in made_by.items()]


def version_of(made_by: Mapping[str, str]) -> str:
    """The version of the software; the one that writes where the maker names none."""
    from spondyl.version import __version__

    return made_by.get("version", __version__)


def write_dicom(path: Path, dataset: Dataset) -> None:
    """Writes a DICOM file, whole or not at all."""
    atomic.write_with(path, lambda temporary: dataset.save_as(temporary, enforce_file_format=True))


def _complete(header: Dataset) -> None:
    for keyword in _MAY_BE_EMPTY:
        if not _is_allowed(keyword, header.get(keyword)):
            setattr(header, keyword, "")


def _is_allowed(keyword: str, value: Any) -> bool:
    if keyword == "PatientSex":
        return value in ("M", "F", "O")
    try:
        if keyword.endswith("Date"):
            DA(value)
        elif keyword.endswith("Time"):
            TM(value)
    except ValueError:
        return False
    return value is not None


def _check_frame(name: str, header: Dataset, frame: int | None) -> None:
    frames = int(header.get("NumberOfFrames") or 1)
    if frame is None and frames > 1:
        raise UsageError(f"{name}: {frames} frames, need to know which one was measured")
    if frame is not None and not 1 <= frame <= frames:
        raise UsageError(f"{name}: no frame {frame}, need 1 to {frames}")
