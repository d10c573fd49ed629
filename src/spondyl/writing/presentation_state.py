"""How does a PACS draw what was found on the film itself: as a grey-scale presentation state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from highdicom import ModalityLUTTransformation, PresentationLUTTransformation, pr
from jaxtyping import Float64
from pydicom import Dataset

from spondyl.anatomy import IL, IR, SL, SR
from spondyl.errors import UsageError
from spondyl.film.dicom import is_negative
from spondyl.film.guarding import shown, silence
from spondyl.film.header import pixel_aspect, pixel_spacing
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement
from spondyl.writing.dicom_file import (
    MAKER,
    UTF_8,
    content_of,
    derived_uid,
    film_header,
    to_dicom,
    version_of,
)
from spondyl.writing.measured import key_numbers, shown_interval, shown_levels, shown_value

SERIES_NUMBER: Final = 9302
"""Above what a modality numbers by itself."""

WORDS: Final = "spondyl, unverified; research use only; not a medical device"

_LAYERS: Final = (
    pr.GraphicLayer("LANDMARKS", 1, "corners that were found, and their outlines"),
    pr.GraphicLayer("LEVELS", 2, "names of the vertebrae"),
    pr.GraphicLayer("MEASUREMENTS", 3, "the key numbers and the lines they are measured on"),
)
_SHUTTER: Final = (
    "ShutterShape",
    "ShutterLeftVerticalEdge",
    "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge",
    "CenterOfCircularShutter",
    "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
    "ShutterPresentationValue",
)
_ENDPLATES: Final = ((SL, SR), (IL, IR))
_WALLS: Final = ((SL, IL), (SR, IR))
_FOOT: Final = (0.01, 0.96, 0.8, 0.99)  # of the displayed area: left, top, right, bottom


def presentation_state(
    source: Path,
    landmarks: Landmarks,
    measured: Sequence[Measurement],
    *,
    made_by: Mapping[str, str],
    frame: int | None = None,
) -> Dataset:
    """A grey-scale softcopy presentation state that draws the landmarks over their film.

    Three layers: outlines and corners; the vertebrae's names; the lines of the key numbers with
    their values and intervals. The whole film is shown, with its own window or tables and its own
    polarity: a presentation state overrules what the film says of both (PS3.4 N.2.1.4). Identity,
    UIDs and errors are as those of
    :func:`spondyl.writing.structured_report.structured_report`.

    Args:
        source: the film's own DICOM file.
        landmarks: image px; points beyond the film are moved to its edge.
        measured: as :func:`spondyl.spine.measurements.measure` gives them.
        made_by: what made the numbers; the version and the digest of the weights among them.
        frame: which one (from 1) of a file with several.
    """
    film = film_header(source, frame)
    if not len(landmarks):
        raise UsageError(f"{shown(source)}: no vertebra was found, so there is nothing to draw")
    content = content_of(landmarks, measured, frame)
    with silence():  # the film's header may be odd in ways that are not ours to tell
        state = _state(film, made_by, content, _drawn(film, landmarks, measured, frame))
        _show_as(state, film)
    state.BodyPartExamined = "SPINE"
    if frame is not None:
        for image in state.ReferencedSeriesSequence[0].ReferencedImageSequence:
            image.ReferencedFrameNumber = frame
    return state


def _state(
    film: Dataset,
    made_by: Mapping[str, str],
    content: Sequence[Any],
    drawn: Sequence[pr.GraphicAnnotation],
) -> Dataset:
    """The whole file; its grey values are those of no film yet."""
    origin = [str(film.SOPInstanceUID), dict(made_by)]
    return pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[film],
        series_instance_uid=derived_uid("PR series", *origin),
        series_number=SERIES_NUMBER,
        series_description="spondyl drawing (research use only)",
        sop_instance_uid=derived_uid("PR", *origin, content),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=version_of(made_by),
        device_serial_number=derived_uid("device", dict(made_by))[-16:],
        content_label="SPONDYL",
        content_description="spondyl landmarks and measurements, unverified",
        graphic_layers=_LAYERS,
        graphic_annotations=drawn,
        modality_lut_transformation=ModalityLUTTransformation(0.0, 1.0, "US"),
        voi_lut_transformations=[pr.SoftcopyVOILUTTransformation(0.5, 1.0)],
        presentation_lut_transformation=PresentationLUTTransformation(
            "INVERSE" if is_negative(film) else "IDENTITY"
        ),
        specific_character_set=UTF_8,
    )


def _drawn(
    film: Dataset, landmarks: Landmarks, measured: Sequence[Measurement], frame: int | None
) -> list[pr.GraphicAnnotation]:
    """What is on each of the layers."""
    objects: tuple[list[pr.GraphicObject | pr.TextObject], ...] = (
        list(_outlines(landmarks, film)),
        list(_names(landmarks, film)),
        [*_measured(measured, film), _words(WORDS, _FOOT)],
    )
    return [
        _annotation(film, layer, each, frame) for layer, each in zip(_LAYERS, objects, strict=True)
    ]


def _annotation(
    film: Dataset,
    layer: pr.GraphicLayer,
    objects: Sequence[pr.GraphicObject | pr.TextObject],
    frame: int | None,
) -> pr.GraphicAnnotation:
    return pr.GraphicAnnotation(
        [film],
        layer,
        referenced_frame_number=frame,
        graphic_objects=[each for each in objects if isinstance(each, pr.GraphicObject)],
        text_objects=[each for each in objects if isinstance(each, pr.TextObject)],
    )


def _outlines(landmarks: Landmarks, film: Dataset) -> Iterator[pr.GraphicObject]:
    """Endplates and walls of which both ends were seen, and a point for each corner."""
    for corners in to_dicom(landmarks.points, film):
        for start, end in (*_ENDPLATES, *_WALLS):
            if not np.isnan(corners[[start, end]]).any():
                yield _path(corners[[start, end]])
        for corner in corners[~np.isnan(corners[:, 0])]:
            yield pr.GraphicObject("POINT", corner[None], "PIXEL")


def _names(landmarks: Landmarks, film: Dataset) -> Iterator[pr.TextObject]:
    centres = to_dicom(landmarks.centres, film)
    for place, (name, centre) in enumerate(zip(landmarks.names, centres, strict=True), start=1):
        yield _label(name or f"V{place}", centre)


def _measured(
    measured: Sequence[Measurement], film: Dataset
) -> Iterator[pr.GraphicObject | pr.TextObject]:
    """The lines of the key numbers, and at the first of them the value with its interval."""
    for each in key_numbers(measured):
        lines = [to_dicom(np.array(line), film) for line in each.lines]
        yield from (_path(line) for line in lines)
        if lines:
            said = (shown_levels(each), each.name, shown_value(each), shown_interval(each))
            yield _label(" ".join(word for word in said if word), lines[0].mean(axis=0))


def _path(points: Float64[np.ndarray, "n 2"]) -> pr.GraphicObject:
    return pr.GraphicObject("POLYLINE", points, "PIXEL")


def _label(text: str, anchor: Float64[np.ndarray, " 2"]) -> pr.TextObject:
    """Text near a point; a viewer chooses the side and the size."""
    x, y = (float(value) for value in anchor)
    return pr.TextObject(text, "PIXEL", anchor_point=(x, y), anchor_point_visible=False)


def _words(text: str, box: tuple[float, float, float, float]) -> pr.TextObject:
    return pr.TextObject(text, "DISPLAY", bounding_box=box, text_justification="LEFT")


def _show_as(state: Dataset, film: Dataset) -> None:
    """Lets ``state`` show the film's grey values, shutter and proportions as its header asks.

    highdicom reads them itself, but refuses a film with both a window and a table, and one of
    several frames without functional groups. As where the film is read, a table goes before a
    window, and a window that is not above 0 wide is none.
    """
    del state.SoftcopyVOILUTSequence
    voi = Dataset()
    if film.get("VOILUTSequence"):
        voi.VOILUTSequence = [_table(item) for item in film.VOILUTSequence]
    elif _has_window(film):
        for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
            _copy(film, voi, keyword)
    if len(voi):
        state.SoftcopyVOILUTSequence = [voi]
    if film.get("ModalityLUTSequence"):
        for keyword in ("RescaleIntercept", "RescaleSlope", "RescaleType"):
            delattr(state, keyword)
        state.ModalityLUTSequence = [_table(item) for item in film.ModalityLUTSequence]
    else:
        for keyword in ("RescaleIntercept", "RescaleSlope"):
            _copy(film, state, keyword)
    if film.get("ShutterShape"):
        state.ShutterPresentationValue = 0
        for keyword in _SHUTTER:
            _copy(film, state, keyword)
    aspect = pixel_aspect(film, pixel_spacing(film))
    area = state.DisplayedAreaSelectionSequence[0]
    area.PresentationPixelAspectRatio = [1, 1] if aspect == 1 else [round(1e4 * aspect), 10_000]


def _has_window(film: Dataset) -> bool:
    widths = np.atleast_1d(film.get("WindowWidth") or 0.0)
    centres = np.atleast_1d(film.get("WindowCenter") if "WindowCenter" in film else np.nan)
    return bool((widths > 0).all() and len(widths) == len(centres))


def _copy(film: Dataset, target: Dataset, keyword: str) -> None:
    if film.get(keyword) not in (None, ""):
        setattr(target, keyword, film[keyword].value)


def _table(item: Dataset) -> Dataset:
    """A look-up table with entries of 16 bits: a presentation state takes no 10, 12 or 14.

    Those of a VOI table are grey values and are spread over all 16 (PS3.3 C.11.8), those of a
    modality table have a meaning of their own and stay (C.11.1).
    """
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    values = _entries(item.LUTData, entries or 65536)
    if "ModalityLUTType" not in item:
        values = np.rint(values * (65535 / (2**bits - 1))).clip(0, 65535)
    table = Dataset()
    table.add_new("LUTDescriptor", "SS" if first < 0 else "US", [entries, first, 16])
    table.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    for keyword in ("LUTExplanation", "ModalityLUTType"):
        _copy(item, table, keyword)
    return table


def _entries(data: Any, count: int) -> Float64[np.ndarray, " n"]:
    """The entries of a table, whether its file holds numbers, words or single bytes."""
    if not isinstance(data, bytes):
        return np.array(data, dtype=np.float64)
    return np.frombuffer(data, "<u2" if len(data) >= 2 * count else "u1").astype(np.float64)
