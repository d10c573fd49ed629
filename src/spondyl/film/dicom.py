"""How does a DICOM file become a grey film?"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Shaped
from pydicom import Dataset, dcmread, uid
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from spondyl.errors import FilmError
from spondyl.film.guarding import alias, check_size, one_line, shown, silence, stretch
from spondyl.film.header import notes_of, person_of, pixel_aspect, pixel_spacing, view_of
from spondyl.film.kind import MODALITIES, colour_kind, no_film, not_a_radiograph, other_body_part
from spondyl.film.lossless import decode_apart
from spondyl.film.radiograph import Radiograph
from spondyl.film.shutter import unshuttered

MAX_INFLATED: Final = 256 * 2**20

_LOSSLESS_JPEG: Final = (uid.JPEGLossless, uid.JPEGLosslessSV1)

# Not gdcm where there is another: some damaged streams make it end the process.
_DECODERS: Final = {
    uid.JPEGBaseline8Bit: "pillow", uid.JPEGExtended12Bit: "pillow",
    uid.JPEGLSLossless: "pyjpegls", uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg", uid.JPEG2000: "pylibjpeg",
    uid.RLELossless: "pydicom",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What a header says of a file before its pixels are looked at.

    ``identity`` is what two copies share: the SOP Instance UID, or a digest of the bytes where
    there is none; ``size`` is in bytes. ``no_film`` and ``other_part`` say why it may be none of
    the films wanted.
    """

    identity: str
    size: int
    frames: int
    no_film: str | None
    other_part: str | None


def dicom_facts(path: Path) -> Facts:
    """What the header of a file says, film or not.

    Raises:
        FilmError: the header is damaged.
    """
    with one_line(shown(path), "damaged header", tell=False), silence():
        header = _read(path, pixels=False)
        copy = _identity(path, header), path.stat().st_size
        if reason := no_film(header):
            return Facts(*copy, 1, reason, None)
        return Facts(*copy, _frames(header), None, other_body_part(header))


def dicom_size(path: Path, frame: int | None = None) -> tuple[int, int]:
    """(height, width) in px, from the header alone.

    Raises:
        FilmError: not a single grey radiograph of a usable size.
    """
    name = shown(path)
    with one_line(name, "damaged header", tell=False), silence():
        header = _read(path, pixels=False)
        return _checked_size(name, header, frame)


def read_dicom(path: Path, frame: int | None = None) -> Radiograph:
    """Reads a DICOM file as its maker meant it to be shown, bone bright.

    Modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1, C.11.2), then from the least to
    the greatest value; padding and what lies beyond shutter and collimator are black. MONOCHROME1
    and an INVERSE presentation are turned. ``frame`` (from 1) chooses one of several.

    Raises:
        FilmError: not a single grey radiograph, damaged, blank or of an unusable size, or it has
            no such frame.
    """
    name = shown(path)
    with silence():
        with one_line(name, "damaged header", tell=False):
            data = _read(path, pixels=True)
            _checked_size(name, data, frame)
            spacing = pixel_spacing(data)
            aspect, view, person = pixel_aspect(data, spacing), view_of(data), person_of(data)
            notes, source = notes_of(data, spacing), alias(_identity(path, data))
        if "PixelData" not in data:
            raise FilmError(f"{name}: no pixel data")
        with one_line(name, "cannot be decoded"):
            stored = _decoded(path, data, frame)
        with one_line(name, "cannot be decoded", tell=False):
            pixels = _pixels(name, data, stored, aspect=aspect)
    return Radiograph(pixels, spacing, aspect, view, source, person, notes)


def _read(path: Path, *, pixels: bool) -> Dataset:
    meta = read_file_meta_info(path)
    deflated = meta.get("TransferSyntaxUID") == uid.DeflatedExplicitVRLittleEndian
    source: Any = _inflated(path, meta) if deflated else path
    return dcmread(source, stop_before_pixels=not pixels)


def _inflated(path: Path, meta: FileMetaDataset) -> DicomBytesIO:
    """The file with its data set inflated up to a limit: pydicom itself would have none."""
    start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(path.read_bytes()[start:], MAX_INFLATED)
    if inflater.unconsumed_tail:
        raise FilmError(f"{shown(path)}: inflates to more than {MAX_INFLATED} bytes")
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    plain = DicomBytesIO()
    plain.write(bytes(128) + b"DICM")
    write_file_meta_info(plain, meta, enforce_standard=False)
    plain.write(data)
    plain.seek(0)
    return plain


def _identity(path: Path, data: Dataset) -> str:
    name = data.get("SOPInstanceUID") or data.file_meta.get("MediaStorageSOPInstanceUID")
    return str(name) if name else hashlib.sha256(path.read_bytes()).hexdigest()


def _frames(data: Dataset) -> int:
    return int(data.get("NumberOfFrames") or 1)


def _checked_size(name: str, data: Dataset, frame: int | None) -> tuple[int, int]:
    if reason := not_a_radiograph(data):
        raise FilmError(f"{name}: {reason}, need a radiograph ({', '.join(MODALITIES)})")
    if "Rows" not in data or "Columns" not in data:
        raise FilmError(f"{name}: no rows and columns: not an image")
    frames = _frames(data)
    if frame is None and frames != 1:
        raise FilmError(f"{name}: {frames} frames, need 1; choose one with --frame")
    if frame is not None and not 1 <= frame <= frames:
        raise FilmError(f"{name}: no frame {frame}, has 1 to {frames}")
    _check_pixel_kind(name, data)
    height, width = int(data.Rows), int(data.Columns)
    check_size(name, height, width, aspect=pixel_aspect(data, pixel_spacing(data)))
    return height, width


def _check_pixel_kind(name: str, data: Dataset) -> None:
    kind = colour_kind(data)
    if kind not in ("MONOCHROME1", "MONOCHROME2") or data.get("SamplesPerPixel", 1) != 1:
        message = f"photometric interpretation {kind!r}, need MONOCHROME1 or MONOCHROME2"
        raise FilmError(f"{name}: {message}")
    allocated, stored = data.get("BitsAllocated"), data.get("BitsStored")
    if allocated not in (8, 16) or not 1 < int(stored or allocated) <= allocated:
        raise FilmError(f"{name}: {allocated} bits a pixel, {stored} used, need 8 or 16")


def _decoded(path: Path, data: Dataset, frame: int | None) -> Shaped[np.ndarray, "h w"]:
    index = frame - 1 if frame and _frames(data) > 1 else None
    syntax = data.file_meta.TransferSyntaxUID
    if syntax in _LOSSLESS_JPEG:
        stored = decode_apart(path, index)
    else:
        stored = pixel_array(data, index=index, decoding_plugin=_DECODERS.get(syntax, ""))
    if stored.shape != (data.Rows, data.Columns):
        raise FilmError(f"{shown(path)}: decodes to {stored.shape}, the header says otherwise")
    return stored


def _pixels(
    name: str, data: Dataset, stored: Shaped[np.ndarray, "h w"], *, aspect: float
) -> Float32[np.ndarray, "h w"]:
    seen = ~_padding(data, stored)
    if not seen.any():
        raise FilmError(f"{name}: blank, every pixel is padding")
    seen &= unshuttered(data, stored.shape, aspect)
    if not seen.any():
        raise FilmError(f"{name}: blank, every pixel lies beyond the shutter")
    values = _presented(data, stored)
    low, high = float(values[seen].min()), float(values[seen].max())
    pixels = stretch(name, values, low, high)
    if is_negative(data):
        np.subtract(1.0, pixels, out=pixels)
    pixels[~seen] = 0.0
    return pixels


def _presented(data: Dataset, stored: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w"]:
    """Grey values as meant to be shown; without a usable window, as measured."""
    values = apply_modality_lut(stored, data)
    try:
        windowed = apply_voi_lut(values, data)
    except ValueError:  # a window of width 0
        return values
    return windowed if windowed.min() < windowed.max() else values


def is_negative(data: Dataset) -> bool:
    """Either word turns the film, both together once: INVERSE belongs to MONOCHROME1 (C.8.11.3)."""
    return (
        data.PhotometricInterpretation == "MONOCHROME1"
        or data.get("PresentationLUTShape") == "INVERSE"
    )


def _padding(data: Dataset, stored: Shaped[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels outside the film (PS3.3 C.7.5.1.1.2)."""
    first = data.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    low, high = sorted((int(first), int(data.get("PixelPaddingRangeLimit", first))))
    return (stored >= low) & (stored <= high)
