"""Films as DICOM files for the tests of what is written about them, and who may check it."""

import importlib.util
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.dataset import FileMetaDataset

from spondyl.anatomy import View
from spondyl.data.phantom import Phantom, phantom
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals, Measurement
from spondyl.spine.measurements import measure

MADE_BY = {"version": "0.1.0", "weights sha256": "5f" * 32}

KINDS = {
    "CR": uid.ComputedRadiographyImageStorage,
    "DX": uid.DigitalXRayImageStorageForPresentation,
    "XRF": uid.XRayRadiofluoroscopicImageStorage,
}

IDENTITY = {
    "PatientName": "Sakura^Hanako", "PatientID": "4711", "PatientBirthDate": "19510203",
    "PatientSex": "F", "AccessionNumber": "A17", "StudyID": "S3", "StudyDate": "20250304",
    "StudyTime": "112233", "ReferringPhysicianName": "Ward^Ada",
}  # fmt: skip

INTERVALS = Intervals(
    0.9, 50, dict.fromkeys(("slip", "lordosis", "mean disc height", "lateral listhesis"), 1.5)
)


@cache
def film() -> Phantom:
    return phantom(7, 0, long_side=512)


def write_film(path: Path, kind: str = "CR", *, frames: int = 1, **tags: Any) -> Path:
    """A phantom as a DICOM file; a tag given as None is left out."""
    shown = film()
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = KINDS[kind]
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(data, keyword, uid.generate_uid(entropy_srcs=[keyword, kind]))
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.Modality = "RF" if kind == "XRF" else kind
    stored = np.rint(shown.radiograph.pixels * 4095).astype("<u2")
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    if frames > 1:
        data.NumberOfFrames = frames
    data.add_new("PixelData", "OW", stored.tobytes() * frames)
    for name, value in {**IDENTITY, **tags}.items():
        if value is not None:
            setattr(data, name, value)
        elif name in data:
            delattr(data, name)
    data.save_as(path, enforce_file_format=True)
    return path


def real_film(folder: Path) -> Path:
    """A chest as CR, MONOCHROME1, in ``folder``; the test is skipped where it is not installed."""
    where = importlib.util.find_spec("data_store")
    if where is None or where.origin is None:
        pytest.skip("the package pydicom-data, which holds real films, is not installed")
    return Path(shutil.copy(Path(where.origin).parent / "data" / "RG1_UNCI.dcm", folder))


def found(view: View = "lateral") -> Landmarks:
    """The corners of a phantom as a network finds them: with errors, and S1 by one endplate."""
    landmarks = film().truth
    points = landmarks.points.copy()
    points[-1, 2:] = np.nan
    return replace(
        landmarks,
        points=points,
        facing=landmarks.facing if view == "lateral" else None,
        confidence=np.linspace(0.5, 1, points[..., 0].size).reshape(-1, 4),
        level_probability=np.linspace(0.9, 0.99, len(points)),
        covariance=np.broadcast_to(0.3 * np.eye(2), (*points.shape, 2)).copy(),
    )


@cache
def everything(view: View) -> tuple[Measurement, ...]:
    """All that is measured on it, with intervals for some."""
    geometry = replace(film().radiograph.geometry, view=view)
    return measure(found(view), geometry, intervals=INTERVALS)


def a_few() -> tuple[Measurement, ...]:
    """Slips with their grades, and lordoses."""
    names = ("slip", "Meyerding grade", "lordosis")
    return tuple(each for each in everything("lateral") if each.name in names)


def run(tool: str, *arguments: str | Path) -> str:
    """What a checker of the system says; the test is skipped where it is not installed."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed (Debian: dicom3tools, dcmtk)")
    done = subprocess.run(
        [found, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def complaints(path: Path) -> list[str]:
    """The lines of dciodvfy that are an error or a warning."""
    said = run("dciodvfy", "-new", path)
    assert dcmread(path).file_meta.MediaStorageSOPClassUID
    return [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]
