"""Which film can everybody try? Draws the phantom that comes with the package, as a DICOM file.

python docs/example_film.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset

from spondyl.atomic import write_with
from spondyl.data.phantom import phantom
from spondyl.data.phantom_made import Phantom
from spondyl.weights import EXAMPLE

TARGET = Path(__file__).parents[1] / "src" / "spondyl" / "weights" / "example.dcm"
INSTANCE = "2.25.202600000000000000000000000000000001"


def drawn() -> Phantom:
    """The phantom of the example."""
    seed, index, long_side = EXAMPLE
    return phantom(seed, index, long_side=long_side)


def as_dicom(made: Phantom) -> Dataset:
    """A film for presentation, JPEG-LS without loss, of nobody."""
    film = made.radiograph
    assert film.spacing is not None
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = INSTANCE
    data.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{INSTANCE[:-1]}2", f"{INSTANCE[:-1]}3"
    data.PatientName, data.PatientID = "Phantom^Example", "PHANTOM"
    data.PatientIdentityRemoved, data.BurnedInAnnotation = "YES", "NO"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "LSPINE", "LL"
    data.ImageType = ["DERIVED", "PRIMARY"]
    data.SeriesDescription = "Phantom of spondyl, drawn by a computer"
    data.PixelSpacing = [round(film.spacing.row_mm, 6), round(film.spacing.column_mm, 6)]
    data.PixelSpacingCalibrationType = "GEOMETRY"
    data.PixelSpacingCalibrationDescription = "known, as the film was drawn"
    data.PhotometricInterpretation, data.PresentationLUTShape = "MONOCHROME2", "IDENTITY"
    data.Rows, data.Columns, data.SamplesPerPixel = film.height, film.width, 1
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = np.round(film.pixels * 255).astype(np.uint8).tobytes()
    data["PixelData"].VR = "OB"
    data.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    return data


if __name__ == "__main__":
    data = as_dicom(drawn())
    write_with(TARGET, lambda path: data.save_as(path, enforce_file_format=True))
