"""How does a PACS learn what was measured: as a DICOM structured report, written and read back.

PS3.16 TID 1500 "Measurement Report" in a Comprehensive SR: a group (TID 1410) with the outline of
each vertebra, then a group (TID 1501) for each vertebra, pair or span with what was measured on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from jaxtyping import Float64
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes as dcm
from pydicom.sr.coding import Code

from spondyl.anatomy import CORNERS
from spondyl.errors import UsageError
from spondyl.film.guarding import check_file, one_line, shown, silence
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Line, Measurement, Reference
from spondyl.version import __version__
from spondyl.writing import codes
from spondyl.writing.dicom_file import (
    MAKER,
    UTF_8,
    content_of,
    derived_uid,
    film_header,
    from_dicom,
    version_of,
    write_dicom,
)
from spondyl.writing.report_content import Content

__all__ = ["read_report", "structured_report", "write_dicom"]

SERIES_NUMBER: Final = 9301
"""Above what a modality numbers by itself."""


def structured_report(
    source: Path,
    landmarks: Landmarks,
    measured: Sequence[Measurement],
    *,
    made_by: Mapping[str, str],
    frame: int | None = None,
) -> Dataset:
    """The landmarks and measurements of one film as a DICOM structured report of its study.

    It is unverified and preliminary, and complete where nothing was withheld. It carries the
    identity of patient and study as the film does, or no archive could file it. The same film,
    maker and content give the same UIDs; the dates are those of the run.

    Args:
        source: the film's own DICOM file.
        landmarks: image px; points beyond the film are moved to its edge.
        measured: as :func:`spondyl.spine.measurements.measure` gives them.
        made_by: what made the numbers; the version and the digest of the weights among them.
        frame: which one (from 1) of a file with several.

    Raises:
        UsageError: the film is not DICOM, lacks its UIDs, or there is nothing to report.
        FilmError: the file cannot be read.
    """
    film = film_header(source, frame)
    if not len(landmarks):
        raise UsageError(f"{shown(source)}: no vertebra was found, so there is nothing to report")
    origin = [str(film.SOPInstanceUID), dict(made_by)]
    content = content_of(landmarks, measured, frame)
    document = Content(film, made_by, frame).document(landmarks, measured)
    with silence():  # the film's header may be odd in ways that are not ours to tell
        report = sr.ComprehensiveSR(
            evidence=[film],
            content=_first_page(document),
            series_instance_uid=derived_uid("SR series", *origin),
            series_number=SERIES_NUMBER,
            series_description="spondyl measurements (research use only)",
            sop_instance_uid=derived_uid("SR", *origin, content),
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=version_of(made_by),
            is_complete=all(each.value is not None for each in measured),
            coding_schemes=[_scheme()],
            specific_character_set=UTF_8,
        )
    whole = Dataset(report)
    whole.file_meta, whole.ContentSequence = report.file_meta, document.ContentSequence
    return whole


def _first_page(document: Dataset) -> Dataset:
    """The document without what was found and measured: of a long one highdicom copies all thrice.

    What is left still refers to the film, which is all that highdicom asks of it.
    """
    page = Dataset()
    for element in document:
        if element.keyword != "ContentSequence":
            page.add(element)
    page.ContentSequence = sr.ContentSequence(document.ContentSequence[:-2])
    return page


def _scheme() -> CodingSchemeIdentificationItem:
    return CodingSchemeIdentificationItem(
        codes.SCHEME, codes.SCHEME_NAME, __version__, responsible_organization=MAKER
    )


def read_report(path: Path) -> tuple[Landmarks, tuple[Measurement, ...]]:
    """What :func:`structured_report` wrote, group by group.

    Coordinates are stored as 32-bit floats: exact to 0.00013 px on a film of up to 4,096 px.
    Numbers are exact, the ends of intervals to their last digits. The covariance of corners and
    the doubt of a prediction are not in the report.

    Raises:
        FilmError: the file is damaged.
        UsageError: not a report that spondyl wrote.
    """
    check_file(path)
    with silence(), one_line(shown(path), "damaged report", tell=False):
        report = dcmread(path)
        if report.get("Manufacturer") == MAKER and report.get("Modality") == "SR":
            root = sr.ComprehensiveSR.from_dataset(report, copy=False).content[0]
            return _landmarks(root), tuple(_measurements(root))
    raise UsageError(f"{shown(path)}: not a structured report that spondyl wrote")


def _measurements(root: Dataset) -> Iterator[Measurement]:
    for group in _groups(root):
        if not _children(group, codes.CORNER_ORDER):
            levels = tuple(_sites(group))
            for item in group.ContentSequence:
                if _children(item, codes.METHOD):
                    yield _measurement(item, levels)


def _measurement(item: Any, levels: tuple[str, ...]) -> Measurement:
    value, unit = _value(item)
    low, high = _number(item, codes.LOWER_UNCERTAINTY), _number(item, codes.UPPER_UNCERTAINTY)
    return Measurement(
        codes.measurement_name(item.name),
        levels,
        value,
        unit,
        _first(item, codes.METHOD).value.meaning,
        low=None if value is None or low is None else value - low,
        high=None if value is None or high is None else value + high,
        coverage=_number(item, codes.COVERAGE),
        probability=_number(item, codes.PROBABILITY),
        note=_text(item, codes.NOTE),
        lines=tuple(_line(each) for each in _children(item, codes.SOURCE)),
        reference=_reference(item),
    )


def _value(item: Any) -> tuple[float | None, Any]:
    units = {code: unit for unit, code in codes.UNITS.items()}
    if item.ValueType == "NUM":
        return item.value, units[item.unit]
    if item.value != codes.WITHHELD:
        return codes.grade_of(item.value), "grade"
    unit = _text(item, codes.WITHHELD_UNIT) or "grade"
    return None, "" if unit == "1" else unit


def _reference(item: Any) -> Reference | None:
    mean, sd = _number(item, codes.POPULATION_MEAN), _number(item, codes.POPULATION_SD)
    z = _number(item, codes.Z_SCORE)
    if mean is None or sd is None or z is None:
        return None
    group, source = _text(item, codes.POPULATION), _text(item, codes.AUTHORITY)
    return Reference(mean, sd, z, group or "", source or "")


def _line(item: Any) -> Line:
    (x0, y0), (x1, y1) = from_dicom(item.value)
    return (float(x0), float(y0)), (float(x1), float(y1))


def _landmarks(root: Any) -> Landmarks:
    groups = [group for group in _groups(root) if _children(group, codes.CORNER_ORDER)]
    names = [next(iter(_sites(group))) for group in groups]
    levels = tuple(None if name.startswith("V") else name for name in names)
    remarks = _first(root, codes.QUALITATIVE_EVALUATIONS)
    facing = _children(remarks, codes.FACING)
    sides = {code: side for side, code in codes.FACINGS.items()}
    return Landmarks(
        np.array([_corners(group) for group in groups]),
        confidence=np.array(
            [[_or_nan(_number(group, codes.CONFIDENCE[c])) for c in CORNERS] for group in groups]
        ),
        levels=levels if any(levels) else None,
        level_probability=np.array(
            [_or_nan(_number(group, codes.LEVEL_PROBABILITY)) for group in groups]
        ),
        facing=sides[facing[0].value] if facing else None,
        refusal=_text(remarks, codes.REFUSAL),
    )


def _corners(group: Any) -> Float64[np.ndarray, "4 2"]:
    corners = np.full((4, 2), np.nan)
    order = str(_text(group, codes.CORNER_ORDER)).split()
    region = next(item for item in group.ContentSequence if item.ValueType == "SCOORD")
    for corner, point in zip(order, from_dicom(region.value), strict=False):
        corners[CORNERS.index(corner)] = point
    return corners


def _groups(root: Any) -> list[Any]:
    return _children(_first(root, dcm.DCM.ImagingMeasurements), dcm.DCM.MeasurementGroup)


def _sites(group: Any) -> Iterator[str]:
    for item in group.ContentSequence:
        if isinstance(item, sr.FindingSite) or item.name == dcm.SCT.FindingSite:
            modifiers = _children(item, dcm.SCT.TopographicalModifier)
            yield codes.level_of(codes.Site(item.value, modifiers[0].value if modifiers else None))


def _children(item: Any, name: Code) -> list[Any]:
    return [each for each in item.get("ContentSequence") or () if each.name == name]


def _first(item: Any, name: Code) -> Any:
    return _children(item, name)[0]


def _number(item: Any, name: Code) -> float | None:
    return next((float(each.value) for each in _children(item, name)), None)


def _text(item: Any, name: Code) -> str | None:
    return next((str(each.value) for each in _children(item, name)), None)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
