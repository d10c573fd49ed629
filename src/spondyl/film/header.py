"""What does a DICOM header say of a film besides its pixels: spacing, view, person, remarks?"""

from __future__ import annotations

import math
import re
from typing import Final, Literal

import numpy as np
from pydicom import Dataset

from spondyl.anatomy import View
from spondyl.film.kind import SECONDARY_CAPTURES, code_of, image_type, other_body_part
from spondyl.film.radiograph import (
    BURNED_IN,
    MM_PER_PX,
    Person,
    PixelSpacing,
    SpacingPlane,
    is_pixel_size,
)

MAX_MAGNIFICATION: Final = 3.0
"""A radiograph magnified further is taken for a fault of its header."""

_SIZES: Final = {
    "PixelSpacing": "Pixel Spacing",
    "ImagerPixelSpacing": "Imager Pixel Spacing",
    "NominalScannedPixelSpacing": "Nominal Scanned Pixel Spacing",
}

_VIEW_POSITIONS: Final[dict[str, View | None]] = {
    "LL": "lateral", "RL": "lateral", "LAT": "lateral", "LATERAL": "lateral",
    "AP": "ap", "PA": "ap",
    **dict.fromkeys(("LLO", "RLO", "LLD", "RLD", "LAO", "RAO", "LPO", "RPO")),
}  # fmt: skip

# CID 4010 of PS3.16, as pydicom calls its codes; every other view of it is neither.
_VIEW_CODES: Final[dict[str, View]] = {
    "LateralProjection": "lateral", "LeftLateral": "lateral", "RightLateral": "lateral",
    "LateralMedial": "lateral", "MedioLateralProjection": "lateral", "Sagittal": "lateral",
    "AnteroPosterior": "ap", "PosteroAnterior": "ap", "Frontal": "ap",
}  # fmt: skip

_LATERAL_WORDS: Final = frozenset({"LAT", "LATERAL", "SEITL", "SEITLICH", "SAGITTAL", "PROFIL"})
_AP_WORDS: Final = frozenset({"AP", "PA", "FRONTAL", "CORONAL"})
_OTHERWISE: Final = re.compile("BEND|OBL|DECUB|NEIG")

_DAYS: Final = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}


def pixel_spacing(data: Dataset) -> PixelSpacing | None:
    """The size of a pixel and the plane where it is true (PS3.3 10.7.1); None where not stated.

    A Pixel Spacing that is calibrated, or differs from the spacing at the detector, holds in the
    patient; one that equals it holds at the detector; one alone, in an unknown plane. Spacing at
    the detector, divided by the Estimated Radiographic Magnification Factor (source to image over
    source to object, PS3.3 C.8.7.5), holds in the patient; a factor of 1 corrects nothing. A
    spacing that is not a number, or of no pixel (``MM_PER_PX``), is not stated.
    """
    stated = _size(data, "PixelSpacing")
    imager = _size(data, "ImagerPixelSpacing")
    detector = imager or _size(data, "NominalScannedPixelSpacing")
    if stated is None:
        return _at_detector(data, detector) if detector else None
    if data.get("PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL"):
        return PixelSpacing(*stated, "patient")
    if detector is None:
        return PixelSpacing(*stated, "unknown")
    if np.allclose(stated, detector, rtol=1e-4):
        return _at_detector(data, stated)
    return PixelSpacing(*stated, "patient")


def pixel_aspect(data: Dataset, spacing: PixelSpacing | None) -> float:
    """True height / width of a pixel: by the spacing, else Pixel Aspect Ratio, else square.

    Two sizes that are of no pixel, such as micrometres, are a ratio all the same.
    """
    if spacing:
        return spacing.aspect
    ratios = (_pair(data, keyword) for keyword in (*_SIZES, "PixelAspectRatio"))
    height, width = next((ratio for ratio in ratios if ratio), (1.0, 1.0))
    return height / width


def view_of(data: Dataset) -> View | None:
    """Lateral or AP (PA counts as AP), by the first of four that says; None where none does.

    View Position, View Code Sequence (CID 4010), Patient Orientation (PS3.3 C.7.6.1.1.1: rows that
    run forwards or backwards are a lateral film's), and the words of Series Description. Films
    that are oblique, lying or bent to the side have neither view.
    """
    position = str(data.get("ViewPosition") or "").strip().upper()
    if position in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[position]
    if (coded := _coded_view(data)) is not None:
        return _VIEW_CODES.get(coded)
    return _view_by_orientation(data) or _view_by_words(str(data.get("SeriesDescription") or ""))


def person_of(data: Dataset) -> Person:
    """Age in years (Patient's Age: days, weeks, months or years) and sex, None where not said."""
    sexes: dict[str, Literal["F", "M"]] = {"F": "F", "M": "M"}
    age = re.fullmatch(r"(\d{1,3})([DWMY])", str(data.get("PatientAge") or "").strip())
    years = None
    if age:
        years = int(age[1]) * (_DAYS[age[2]] / _DAYS["Y"])
    return Person(years, sexes.get(str(data.get("PatientSex") or "").strip()))


def notes_of(data: Dataset, spacing: PixelSpacing | None) -> tuple[str, ...]:
    """What a reader of results should know of a film; words of the header are not repeated."""
    remarks = (
        _burned_in(data),
        _second_hand(data),
        _no_lengths(data) if spacing is None else None,
        _elsewhere(data),
    )
    return tuple(remark for remark in remarks if remark)


def _at_detector(data: Dataset, detector: tuple[float, float]) -> PixelSpacing:
    plane: SpacingPlane = "detector"
    factor = _factor(data)
    if factor is None:
        return PixelSpacing(*detector, plane)
    return PixelSpacing(detector[0] / factor, detector[1] / factor, "patient")


def _factor(data: Dataset) -> float | None:
    """The magnification, where one is stated that can be."""
    try:
        factor = float(data.get("EstimatedRadiographicMagnificationFactor") or 0)
    except (TypeError, ValueError):
        return None
    return factor if 1 < factor <= MAX_MAGNIFICATION else None


def _coded_view(data: Dataset) -> str | None:
    """What pydicom calls the view that View Code Sequence names."""
    items = data.get("ViewCodeSequence")
    if not items:
        return None
    from pydicom.sr.codedict import codes  # takes half a second

    code = code_of(items[0])
    if (code.value, code.scheme_designator) == ("R-10214", "SRT"):  # a former code
        return "PosteroAnterior"
    return next((name for name, known in codes.cid4010.concepts.items() if code == known), None)


def _view_by_orientation(data: Dataset) -> View | None:
    value = data.get("PatientOrientation") or ()
    if isinstance(value, str) or len(value) != 2:
        return None
    along, down = (str(part) for part in value)
    if down not in ("F", "H"):
        return None
    if along in ("A", "P"):
        return "lateral"
    return "ap" if along in ("L", "R") else None


def _view_by_words(text: str) -> View | None:
    if _OTHERWISE.search(text.upper()):
        return None
    words = set(re.findall("[A-Z]+", text.upper()))
    lateral, ap = bool(words & _LATERAL_WORDS), bool(words & _AP_WORDS)
    if lateral == ap:
        return None
    return "lateral" if lateral else "ap"


def _burned_in(data: Dataset) -> str | None:
    stated = str(data.get("BurnedInAnnotation") or "").strip().upper()
    if stated == "YES":
        return BURNED_IN
    if stated != "NO" and _is_capture(data):
        return "a secondary capture that does not say whether text is burned in: it may identify"
    return None


def _is_capture(data: Dataset) -> bool:
    captured = data.get("SOPClassUID") in SECONDARY_CAPTURES or "ConversionType" in data
    return captured or "SECONDARY" in image_type(data)[1:2]


def _second_hand(data: Dataset) -> str | None:
    if "SECONDARY" in image_type(data)[1:2]:
        return "made from another image (Image Type SECONDARY): its pixels may have been resized"
    return None


def _no_lengths(data: Dataset) -> str:
    least, most = MM_PER_PX
    for keyword, name in _SIZES.items():
        if _pair(data, keyword):
            return f"no lengths in mm: {name} is not from {least:g} to {most:g} mm"
        if data.get(keyword):
            return f"no lengths in mm: {name} is not two numbers above 0"
    return "no lengths in mm: the file does not state the size of a pixel"


def _elsewhere(data: Dataset) -> str | None:
    part = other_body_part(data)
    return f"body part {part}, by its header: need the spine from T1 to S1" if part else None


def _size(data: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two sizes that a pixel may have, mm, or nothing."""
    known = _pair(data, keyword)
    return known if known and all(map(is_pixel_size, known)) else None


def _pair(data: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two finite numbers above 0, or nothing."""
    try:
        first, second = (float(value) for value in data.get(keyword) or ())
    except (TypeError, ValueError):
        return None
    usable = all(math.isfinite(value) and value > 0 for value in (first, second))
    return (first, second) if usable else None
