"""How does a DICOM file become a grey film, and what does it say of the size of a pixel."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float32, Shaped
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from spondyl.anatomy import View
from spondyl.errors import FilmError
from spondyl.film.guarding import check_size, one_line, shown, silence, stretch
from spondyl.film.radiograph import PixelSpacing, Radiograph, SpacingPlane

MODALITIES: Final = ("CR", "DX", "RF", "XA", "RG", "OT", "SC")
"""Projection radiography, and what scanned or converted films are filed as."""

MAX_INFLATED: Final = 256 * 2**20

_VIEWS: Final[dict[str, View]] = {
    "LL": "lateral", "RL": "lateral", "LAT": "lateral", "LATERAL": "lateral",
    "AP": "ap", "PA": "ap",
}  # fmt: skip


def dicom_size(path: Path) -> tuple[int, int]:
    """(height, width) in px, from the header alone.

    Raises:
        FilmError: not a single grey radiograph of a usable size.
    """
    name = shown(path)
    with one_line(name, "damaged header", tell=False), silence():
        header = _read(path, pixels=False)
        return _checked_size(name, header)


def read_dicom(path: Path) -> Radiograph:
    """Reads a DICOM file as its maker meant it to be shown, bone bright.

    Modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1, C.11.2), then from the least to
    the greatest value; padding is black. MONOCHROME1 and an INVERSE presentation are turned.

    Raises:
        FilmError: not a single grey radiograph, damaged, blank or of an unusable size.
    """
    name = shown(path)
    with silence():
        with one_line(name, "damaged header", tell=False):
            data = _read(path, pixels=True)
            _checked_size(name, data)
            spacing = pixel_spacing(data)
            aspect, view = _aspect(data, spacing), _view(data)
        if "PixelData" not in data:
            raise FilmError(f"{name}: no pixel data")
        with one_line(name, "cannot be decoded"):
            pixels = _pixels(name, data)
    return Radiograph(pixels, spacing, aspect, view, shown(Path(path.name)))


def pixel_spacing(data: Dataset) -> PixelSpacing | None:
    """The size of a pixel and the plane where it is true (PS3.3 10.7.1.1); None where not stated.

    A Pixel Spacing that is calibrated, or differs from the spacing at the detector, holds in the
    patient; one that equals it holds at the detector; one alone, in an unknown plane. A spacing
    that is zero, negative or not a number is not stated.
    """
    stated = _pair(data, "PixelSpacing")
    detector = _pair(data, "ImagerPixelSpacing") or _pair(data, "NominalScannedPixelSpacing")
    if stated is None:
        return PixelSpacing(*detector, "detector") if detector else None
    if data.get("PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL"):
        return PixelSpacing(*stated, "patient")
    if detector is None:
        return PixelSpacing(*stated, "unknown")
    plane: SpacingPlane = "detector" if np.allclose(stated, detector, rtol=1e-4) else "patient"
    return PixelSpacing(*stated, plane)


def _read(path: Path, *, pixels: bool) -> Dataset:
    meta = read_file_meta_info(path)
    deflated = meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
    source: Any = _inflated(path, meta) if deflated else path
    return dcmread(source, stop_before_pixels=not pixels)


def _inflated(path: Path, meta: FileMetaDataset) -> DicomBytesIO:
    """The file with its data set inflated up to a limit: pydicom itself would have none."""
    start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(path.read_bytes()[start:], MAX_INFLATED)
    if inflater.unconsumed_tail:
        raise FilmError(f"{shown(path)}: inflates to more than {MAX_INFLATED} bytes")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = DicomBytesIO()
    plain.write(bytes(128) + b"DICM")
    write_file_meta_info(plain, meta, enforce_standard=False)
    plain.write(data)
    plain.seek(0)
    return plain


def _checked_size(name: str, data: Dataset) -> tuple[int, int]:
    modality = data.get("Modality") or ""
    if modality and modality not in MODALITIES:
        raise FilmError(
            f"{name}: modality {_word(modality)}, need a radiograph ({', '.join(MODALITIES)})"
        )
    if "Rows" not in data or "Columns" not in data:
        raise FilmError(f"{name}: no rows and columns: not an image")
    if (frames := int(data.get("NumberOfFrames") or 1)) != 1:
        raise FilmError(f"{name}: {frames} frames, need 1")
    _check_pixel_kind(name, data)
    height, width = int(data.Rows), int(data.Columns)
    check_size(name, height, width, aspect=_aspect(data, pixel_spacing(data)))
    return height, width


def _check_pixel_kind(name: str, data: Dataset) -> None:
    kind = data.get("PhotometricInterpretation")
    if kind not in ("MONOCHROME1", "MONOCHROME2") or data.get("SamplesPerPixel", 1) != 1:
        message = f"photometric interpretation {_word(kind)}, need MONOCHROME1 or MONOCHROME2"
        raise FilmError(f"{name}: {message}")
    allocated, stored = data.get("BitsAllocated"), data.get("BitsStored")
    if allocated not in (8, 16) or not 1 < int(stored or allocated) <= allocated:
        raise FilmError(f"{name}: {allocated} bits a pixel, {stored} used, need 8 or 16")


def _pixels(name: str, data: Dataset) -> Float32[np.ndarray, "h w"]:
    stored = data.pixel_array
    if stored.shape != (data.Rows, data.Columns):
        raise FilmError(f"{name}: decodes to {stored.shape}, the header says otherwise")
    seen = ~_padding(data, stored)
    if not seen.any():
        raise FilmError(f"{name}: blank, every pixel is padding")
    values = _presented(data, stored)
    low, high = float(values[seen].min()), float(values[seen].max())
    pixels = stretch(name, values, low, high)
    if _is_negative(data):
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


def _is_negative(data: Dataset) -> bool:
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


def _aspect(data: Dataset, spacing: PixelSpacing | None) -> float:
    """True height / width of a pixel: by the spacing, else Pixel Aspect Ratio, else square."""
    if spacing:
        return spacing.aspect
    ratio = _pair(data, "PixelAspectRatio")
    return ratio[0] / ratio[1] if ratio else 1.0


def _view(data: Dataset) -> View | None:
    return _VIEWS.get(str(data.get("ViewPosition") or "").strip().upper())


def _pair(data: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two finite numbers above 0, or nothing."""
    try:
        first, second = (float(value) for value in data.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    usable = all(math.isfinite(value) and value > 0 for value in (first, second))
    return (first, second) if usable else None


def _word(value: object) -> str:
    return repr(str(value)[:16])
