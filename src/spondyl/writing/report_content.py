"""How is what was found and measured said in the content items of a TID 1500 report?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes as dcm
from pydicom.sr.coding import Code

from spondyl.anatomy import CORNERS, IL, IR, SL, SR
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement, Reference
from spondyl.writing import codes
from spondyl.writing.dicom_file import MAKER, derived_uid, facts, to_dicom, version_of

USE: Final = "Research use only; not a medical device."

OUTLINE: Final = (SL, SR, IR, IL)
"""The corners in the order in which an outline is drawn."""

_CONTAINS: Final = sr.RelationshipTypeValues.CONTAINS
_INFERRED: Final = sr.RelationshipTypeValues.INFERRED_FROM
_MODIFIES: Final = sr.RelationshipTypeValues.HAS_CONCEPT_MOD
_CONTEXT: Final = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
_PROPERTY: Final = sr.RelationshipTypeValues.HAS_PROPERTIES


class Content:
    """What is said of one film: ``frame`` (from 1) where its file holds several."""

    def __init__(self, film: Dataset, made_by: Mapping[str, str], frame: int | None) -> None:
        self.film, self.made_by, self.frame = film, made_by, frame

    def document(self, landmarks: Landmarks, measured: Sequence[Measurement]) -> Dataset:
        """The root of the whole report."""
        names = [name or f"V{place}" for place, name in enumerate(landmarks.names, start=1)]
        outlines = [self._outline(landmarks, index, name) for index, name in enumerate(names)]
        by_levels: dict[tuple[str, ...], list[Measurement]] = {}
        for each in measured:
            by_levels.setdefault(each.levels, []).append(each)
        groups = [self._measured(levels, each) for levels, each in by_levels.items()]
        root = sr.MeasurementReport(
            observation_context=self._observer(),
            procedure_reported=codes.PROCEDURE,
            imaging_measurements=[*outlines, *groups],
            title=codes.TITLE,
        )[0]
        root.ContentSequence.insert(len(root.ContentSequence) - 1, self._library())
        root.ContentSequence.append(_remarks(landmarks))
        return root

    def _observer(self) -> sr.ObservationContext:
        device = sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", dict(self.made_by)),
            name=MAKER,
            manufacturer_name=MAKER,
            model_name=f"{MAKER} {version_of(self.made_by)}",
        )
        return sr.ObservationContext(
            observer_device_context=sr.ObserverContext(dcm.DCM.Device, device)
        )

    def _library(self) -> sr.ContainerContentItem:
        """TID 1600 with what the header says; highdicom's own needs attributes that CR may lack."""
        size = (
            (dcm.DCM.PixelDataRows, self.film.Rows),
            (dcm.DCM.PixelDataColumns, self.film.Columns),
        )
        image = sr.ImageContentItem(
            codes.SOURCE,
            self.film.SOPClassUID,
            self.film.SOPInstanceUID,
            referenced_frame_numbers=self.frame,
            relationship_type=_CONTAINS,
        )
        image.ContentSequence = sr.ContentSequence(
            [sr.NumContentItem(name, int(value), codes.UNITS["px"], relationship_type=_CONTEXT)
             for name, value in size]
        )  # fmt: skip
        return _container(dcm.DCM.ImageLibrary, [_container(dcm.DCM.ImageLibraryGroup, [image])])

    def _outline(
        self, landmarks: Landmarks, index: int, name: str
    ) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
        """TID 1410: the corners seen, joined in the order of ``OUTLINE``; closed where all were."""
        points = to_dicom(landmarks.points[index, OUTLINE], self.film)
        seen = ~np.isnan(points[:, 0])
        drawn = np.concatenate([points, points[:1]]) if seen.all() else points[seen]
        group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(name),
            referenced_region=sr.ImageRegion(
                "POINT" if len(drawn) == 1 else "POLYLINE", drawn, self._source_image()
            ),
            finding_category=dcm.SCT.AnatomicalStructure,
            finding_type=codes.BODY,
            finding_sites=[_finding_site(name)],
            algorithm_id=self._algorithm(),
        )
        order = " ".join(CORNERS[corner] for corner in np.array(OUTLINE)[seen])
        content = group[0].ContentSequence
        content.append(_text(codes.CORNER_ORDER, order, _CONTAINS))
        content.extend(_certainties(landmarks, index))
        return group

    def _measured(
        self, levels: tuple[str, ...], measured: Sequence[Measurement]
    ) -> sr.MeasurementsAndQualitativeEvaluations:
        """TID 1501: everything that was measured on the same vertebrae."""
        group = sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(*levels),
            finding_sites=[_finding_site(level) for level in levels],
            algorithm_id=self._algorithm(),
        )
        for each in measured:
            item = _said(each)
            item.ContentSequence = sr.ContentSequence([*_properties(each), *self._lines(each)])
            group[0].ContentSequence.append(item)
        return group

    def _lines(self, measured: Measurement) -> Iterator[sr.CoordinatesForMeasurement]:
        for line in measured.lines:
            yield sr.CoordinatesForMeasurement(
                "POLYLINE", to_dicom(np.array(line), self.film), self._source_image(), codes.SOURCE
            )

    def _source_image(self) -> sr.SourceImageForRegion:
        return sr.SourceImageForRegion(
            self.film.SOPClassUID,
            self.film.SOPInstanceUID,
            None if self.frame is None else [self.frame],
        )

    def _tracking(self, *levels: str) -> sr.TrackingIdentifier:
        """The same vertebrae of the same film are the same thing, whichever network found them."""
        uid = derived_uid("tracking", str(self.film.SOPInstanceUID), self.frame, levels)
        return sr.TrackingIdentifier(uid, " ".join(levels))

    def _algorithm(self) -> sr.AlgorithmIdentification:
        return sr.AlgorithmIdentification(
            MAKER, version_of(self.made_by), parameters=facts(self.made_by) or None
        )


def _finding_site(name: str) -> sr.FindingSite:
    where = codes.site(name)
    return sr.FindingSite(where.code, topographical_modifier=where.modifier)


def _certainties(landmarks: Landmarks, index: int) -> Iterator[sr.NumContentItem]:
    """How sure the network was of a vertebra's name and corners; nothing where not stated."""
    stated = [(codes.LEVEL_PROBABILITY, landmarks.level_probability[index])] + [
        (codes.CONFIDENCE[corner], landmarks.confidence[index, place])
        for place, corner in enumerate(CORNERS)
    ]
    for name, value in stated:
        if not np.isnan(value):
            yield _num(name, float(value), codes.UNITS[""], _CONTAINS)


def _said(measured: Measurement) -> sr.ContentItem:
    """A number with its unit, the code of a grade, or the code for one that is withheld.

    The standard would take a number without a value; highdicom cannot read that.
    """
    name = codes.measurement_code(measured.name, measured.unit)
    if measured.value is None:
        return sr.CodeContentItem(name, codes.WITHHELD, _CONTAINS)
    if measured.unit == "grade":
        grade = codes.grade_code(measured.name, measured.value)
        return sr.CodeContentItem(name, grade, _CONTAINS)
    return _num(name, measured.value, codes.UNITS[measured.unit], _CONTAINS)


def _properties(measured: Measurement) -> Iterator[sr.ContentItem]:
    """The definition, the interval, the published norm and the note of a measurement."""
    yield sr.CodeContentItem(codes.METHOD, codes.method_code(measured.definition), _MODIFIES)
    if measured.value is None and measured.unit != "grade":
        yield _text(codes.WITHHELD_UNIT, measured.unit or "1", _PROPERTY)
    yield from _interval(measured)
    if measured.probability is not None:
        yield _num(codes.PROBABILITY, measured.probability, codes.UNITS[""], _PROPERTY)
    if measured.reference is not None:
        yield from _norm(measured, measured.reference)
    if measured.note is not None:
        yield _text(codes.NOTE, measured.note, _PROPERTY)


def _interval(measured: Measurement) -> Iterator[sr.NumContentItem]:
    """How far the true value may lie below and above (PS3.16 TID 310, CID 225), and how surely."""
    if measured.value is None or measured.low is None or measured.high is None:
        return
    unit = codes.UNITS[measured.unit] if measured.unit != "grade" else codes.UNITS[""]
    yield _num(codes.UPPER_UNCERTAINTY, measured.high - measured.value, unit, _PROPERTY)
    yield _num(codes.LOWER_UNCERTAINTY, measured.value - measured.low, unit, _PROPERTY)
    if measured.coverage is not None:
        yield _num(codes.COVERAGE, measured.coverage, codes.UNITS[""], _PROPERTY)


def _norm(measured: Measurement, reference: Reference) -> Iterator[sr.ContentItem]:
    """A published group's mean and SD, and the z score (PS3.16 TID 311)."""
    unit = codes.UNITS[measured.unit] if measured.unit != "grade" else codes.UNITS[""]
    yield _num(codes.POPULATION_MEAN, reference.mean, unit, _PROPERTY)
    yield _num(codes.POPULATION_SD, reference.sd, unit, _PROPERTY)
    yield _num(codes.Z_SCORE, reference.z, codes.UNITS[""], _PROPERTY)
    yield _text(codes.POPULATION, reference.group, _PROPERTY)
    yield _text(codes.AUTHORITY, reference.source, _PROPERTY)


def _remarks(landmarks: Landmarks) -> sr.ContainerContentItem:
    """What holds for the whole film: what the report is for, its facing, a refusal."""
    items: list[sr.ContentItem] = [_text(codes.INTENDED_USE, USE, _CONTAINS)]
    if landmarks.facing is not None:
        side = codes.FACINGS[landmarks.facing]
        items.append(sr.CodeContentItem(codes.FACING, side, _CONTAINS))
    if landmarks.refusal is not None:
        items.append(_text(codes.REFUSAL, landmarks.refusal, _CONTAINS))
    return _container(codes.QUALITATIVE_EVALUATIONS, items)


def _container(name: Code, items: Sequence[sr.ContentItem]) -> sr.ContainerContentItem:
    container = sr.ContainerContentItem(name, relationship_type=_CONTAINS)
    container.ContentSequence = sr.ContentSequence(items)
    return container


def _num(
    name: Code, value: float, unit: Code, relation: sr.RelationshipTypeValues
) -> sr.NumContentItem:
    """A number as decimal text of up to 16 characters and, exactly, as a float of 64 bits."""
    return sr.NumContentItem(name, value, unit, relationship_type=relation)


def _text(name: Code, value: str, relation: sr.RelationshipTypeValues) -> sr.TextContentItem:
    return sr.TextContentItem(name, value, relation)
