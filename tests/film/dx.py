"""DICOM files of a digital radiograph, made for a test: pixels, encoding and any tag."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate

ENCODINGS = {
    "implicit": uid.ImplicitVRLittleEndian,
    "explicit": uid.ExplicitVRLittleEndian,
    "big endian": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG 2000": uid.JPEG2000Lossless,
    "JPEG-LS": uid.JPEGLSLossless,
}
OTHER_LAYOUTS = {"implicit", "big endian", "deflated"}


def values(bits=12, *, signed=False, height=80, width=96):
    """Noise over a ramp that spans every value of ``bits`` bits."""
    low = -(2 ** (bits - 1)) if signed else 0
    ramp = np.linspace(0, 2**bits - 1, height * width).reshape(height, width)
    noise = np.random.default_rng(0).normal(0, 2**bits / 50, ramp.shape)
    return (np.rint(ramp + noise).clip(0, 2**bits - 1) + low).astype(np.int64)


def make_dx(stored, *, bits=12, signed=False, encoding="explicit", **tags: Any) -> Dataset:
    """A DX film whose stored values are ``stored``; a tag given as None is left out.

    ``stored`` is (rows, columns), or (frames, rows, columns).
    """
    syntax = ENCODINGS[encoding]
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid.generate_uid()
    data.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    data.Modality, data.PhotometricInterpretation = "DX", "MONOCHROME2"
    data.Rows, data.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        data.NumberOfFrames = len(stored)
    data.SamplesPerPixel = 1
    data.BitsAllocated = 8 if bits <= 8 else 16
    data.BitsStored, data.HighBit, data.PixelRepresentation = bits, bits - 1, int(signed)
    kind = np.dtype(f"{'i' if signed else 'u'}{data.BitsAllocated // 8}")
    order = ">" if encoding == "big endian" else "<"
    raw = stored.astype(kind).astype(kind.newbyteorder(order))
    data.add_new("PixelData", "OB" if bits <= 8 else "OW", raw.tobytes())
    for name, value in tags.items():
        setattr(data, name, value)
    for name in [name for name, value in tags.items() if value is None]:
        delattr(data, name)
    if encoding == "JPEG 2000":
        openjpeg = pytest.importorskip("openjpeg.utils", reason="needs a JPEG 2000 encoder")
        data.PixelData = encapsulate([openjpeg.encode_array(stored.astype(kind), bits)])
        data["PixelData"].VR = "OB"
    elif encoding in ("RLE", "JPEG-LS"):
        data.compress(syntax, generate_instance_uid=False)
    data.file_meta.TransferSyntaxUID = syntax
    return data


def write(path: Path, stored, *, encoding="explicit", **more: Any) -> Path:
    """Writes what :func:`make_dx` makes."""
    data = make_dx(stored, encoding=encoding, **more)
    layout = {"implicit_vr": encoding == "implicit", "little_endian": encoding != "big endian"}
    data.save_as(path, enforce_file_format=True, **(layout if encoding in OTHER_LAYOUTS else {}))
    return path
