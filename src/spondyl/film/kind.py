"""Is a DICOM file a radiograph, and of the spine, by its header alone?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pydicom import Dataset, uid
from pydicom.uid import UID

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

MODALITIES: Final = ("CR", "DX", "RF", "XA", "RG", "OT", "SC")
"""Projection radiography, and what scanned or converted films are filed as."""

SECONDARY_CAPTURES: Final = (
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

_RADIOGRAPHS: Final = (
    uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
    uid.XRayAngiographicImageStorage,
    uid.XRayRadiofluoroscopicImageStorage,
    uid.EnhancedXAImageStorage,
    uid.EnhancedXRFImageStorage,
    *SECONDARY_CAPTURES,
)

# Defined terms of Modality (PS3.3 C.7.3.1.1.1): only these are repeated in a message.
_MODALITY_NAMES: Final = {
    "AR": "autorefraction", "AU": "audio", "BDUS": "bone densitometry", "BI": "biomagnetic image",
    "BMD": "bone densitometry", "CT": "computed tomography", "DG": "diaphanography",
    "DOC": "document", "ECG": "electrocardiogram", "EEG": "electroencephalogram",
    "EPS": "electrophysiology", "ES": "endoscopy", "FID": "fiducials", "GM": "microscopy",
    "HC": "hard copy", "HD": "haemodynamic waveform", "IO": "intra-oral radiograph",
    "IVOCT": "intravascular tomography", "IVUS": "intravascular ultrasound",
    "KO": "key object selection", "LS": "surface scan", "MG": "mammogram",
    "MR": "magnetic resonance", "NM": "nuclear medicine", "OP": "ophthalmic photograph",
    "OPT": "ophthalmic tomography", "PLAN": "plan", "PR": "presentation state",
    "PT": "positron emission tomography", "PX": "panoramic radiograph", "REG": "registration",
    "RESP": "respiration", "RTDOSE": "radiotherapy dose", "RTIMAGE": "radiotherapy image",
    "RTPLAN": "radiotherapy plan", "RTRECORD": "radiotherapy record",
    "RTSTRUCT": "radiotherapy structures", "RWV": "real world value map", "SEG": "segmentation",
    "SM": "slide microscopy", "SR": "structured report", "TG": "thermogram", "US": "ultrasound",
    "XC": "photograph",
}  # fmt: skip

_COLOURS: Final = (
    "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422",
    "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB",
)  # fmt: skip

_SNOMED_RT: Final = ("SRT", "SNM3", "99SDM")  # PS3.16 section 8

_PAPER: Final = {"SD": "a scanned document", "DRW": "a drawing"}

_SPINE: Final = re.compile(
    "SPIN|LUMB|SACR|THORACO|DORSO|VERTEB|COCCY|SCOLIO|RACHIS|COLUMN|WIRBEL|WHOLEBODY|ENTIREBODY"
    "|^(LS|TL|LWS|BWS)$|^BACK"
)
_CERVICAL: Final = re.compile("CERV(ICAL?)?|^C(?=SP)|^HWS$")
_BELOW_NECK: Final = re.compile("THORA|LUMB|SACR|DORS|WHOLE|ENTIRE|FULL|VERTEBRALCOLUMN|[TL]SPIN")

# Codes of regions that CID 4 of PS3.16 held before it took up others for them.
_FORMER_REGIONS: Final = {
    ("51185008", "SCT"): "Thorax", ("T-D3000", "SRT"): "Thorax",
    ("113345001", "SCT"): "Abdomen", ("T-D4000", "SRT"): "Abdomen",
    ("12921003", "SCT"): "Pelvis", ("T-D6000", "SRT"): "Pelvis",
}  # fmt: skip

# Defined terms of Body Part Examined (PS3.16 Annex L) and the everyday words for them.
_OTHER_PARTS: Final = (
    "abdomen", "ankle", "arm", "bladder", "brain", "breast", "calcaneus", "chest", "clavicle",
    "elbow", "extremity", "face", "facial", "femur", "fibula", "finger", "foot", "forearm", "hand",
    "head", "heart", "heel", "hip", "humerus", "jaw", "knee", "leg", "limb", "lung", "mandible",
    "maxilla", "nasal", "neck", "nose", "orbit", "patella", "pelvis", "rib", "scapula", "shoulder",
    "sinus", "skull", "sternum", "teeth", "thigh", "thorax", "thumb", "tibia", "toe", "tooth",
    "ulna", "upperarm", "lowerleg", "upperleg", "wrist",
)  # fmt: skip


def not_a_radiograph(data: Dataset) -> str | None:
    """Why a file is no radiograph; None where it may be one. No other text of the header is told.

    Only the modality decides, because films are converted and filed under many classes.
    """
    modality = str(data.get("Modality") or "").strip()
    if not modality or modality in MODALITIES:
        return None
    name = _MODALITY_NAMES.get(modality)
    return f"modality {modality!r} ({name})" if name else "a modality that DICOM does not define"


def no_film(data: Dataset) -> str | None:
    """Why a file found beside films is none; None where it is one, or a damaged one."""
    if reason := not_a_radiograph(data):
        return f"{reason}, no radiograph"
    kind = UID(str(data.get("SOPClassUID") or data.file_meta.get("MediaStorageSOPClassUID") or ""))
    if kind not in _RADIOGRAPHS and kind.name != kind:
        return f"{kind.name}, no radiograph"
    if "LOCALIZER" in image_type(data):
        return "a localizer, no radiograph"
    if paper := _PAPER.get(str(data.get("ConversionType"))):
        return f"{paper}, no radiograph"
    if (colour := colour_kind(data)) in _COLOURS:
        return f"colour ({colour}), no grey radiograph"
    if kind not in _RADIOGRAPHS and "Modality" not in data and "Rows" not in data:
        return "not an image"
    return None


def other_body_part(data: Dataset) -> str | None:
    """The part of the body that a film shows, where that is not the spine from T1 to S1.

    None where it is, or where the header does not say. Body Part Examined and Anatomic Region
    Sequence are read, and View Position, where some machines put the part. A word of the spine
    outweighs any other. Only words of a fixed list are told, never the header's own.
    """
    texts = [str(data.get(name) or "") for name in ("BodyPartExamined", "ViewPosition")]
    regions = list(_regions(data))
    joined = [re.sub("[^A-Z]", "", text.upper()) for text in (*texts, *regions)]
    spines = [text for text in joined if _SPINE.search(text) or _CERVICAL.search(text)]
    if spines:
        return "cervical spine" if all(map(_is_cervical, spines)) else None
    for text in texts:
        if part := _known_part(text):
            return part
    return next((_spaced(region) for region in regions if region != "Phantom"), None)


def colour_kind(data: Dataset) -> str:
    """Photometric Interpretation where it is one of DICOM's terms, else ``unknown``."""
    kind = str(data.get("PhotometricInterpretation"))
    return kind if kind in (*_COLOURS, "MONOCHROME1", "MONOCHROME2") else "unknown"


def image_type(data: Dataset) -> tuple[str, ...]:
    """The values of Image Type (PS3.3 C.7.6.1.1.2)."""
    value = data.get("ImageType") or ()
    return (value,) if isinstance(value, str) else tuple(str(part) for part in value)


def _is_cervical(text: str) -> bool:
    rest, found = _CERVICAL.subn("", text)
    return bool(found) and not _BELOW_NECK.search(rest)


def _known_part(text: str) -> str | None:
    """The other body part that a text names, as a word of ours."""
    for word in re.findall("[A-Z]+", text.upper()):
        for part in _OTHER_PARTS:
            known = part.upper()
            if word in (known, f"{known}S") or (len(known) > 4 and known in word):
                return part
    return None


def _regions(data: Dataset) -> Iterator[str]:
    """The regions imaged (CID 4 of PS3.16), as pydicom calls them: ``LumbarSpine``."""
    items = data.get("AnatomicRegionSequence") or ()
    if not items:
        return
    from pydicom.sr.codedict import codes  # takes half a second

    for code in map(code_of, items):
        if former := _FORMER_REGIONS.get((code.value, code.scheme_designator)):
            yield former
        yield from (name for name, known in codes.cid4.concepts.items() if code == known)


def code_of(item: Dataset) -> Code:
    """The code of a sequence's item; equal to pydicom's of SNOMED CT where it is of SNOMED RT."""
    from pydicom.sr.coding import Code

    scheme = str(item.get("CodingSchemeDesignator"))
    return Code(str(item.get("CodeValue")), "SRT" if scheme in _SNOMED_RT else scheme, "")


def _spaced(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower()
