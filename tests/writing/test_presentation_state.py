"""Presentation states: valid, drawn at the right pixels, and the film looks as it should."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_films import (
    IDENTITY,
    KINDS,
    MADE_BY,
    a_few,
    complaints,
    film,
    found,
    real_film,
    run,
    write_film,
)
from PIL import Image
from pydicom import Dataset, dcmread

from spondyl.errors import UsageError
from spondyl.film.reading import read_radiograph
from spondyl.spine.landmarks import Landmarks
from spondyl.writing.dicom_file import write_dicom
from spondyl.writing.presentation_state import presentation_state


def written(source: Path, landmarks=None, **options) -> Path:
    """The path of a presentation state for ``source``."""
    state = presentation_state(source, landmarks or found(), a_few(), made_by=MADE_BY, **options)
    path = source.with_suffix(".pr.dcm")
    write_dicom(path, state)
    return path


def objects(state: Dataset, layer: str, kind: str) -> list[Dataset]:
    return [
        each
        for annotation in state.GraphicAnnotationSequence
        if annotation.GraphicLayer == layer
        for each in annotation.get(f"{kind}ObjectSequence", ())
    ]


def points_of(drawn: list[Dataset]) -> np.ndarray:
    return np.array([each.GraphicData for each in drawn]).reshape(len(drawn), -1, 2)


def test_every_corner_and_endplate_is_drawn_where_it_is(tmp_path):
    """A pixel's centre is half a pixel from its corner, where DICOM counts from (PS3.3 C.10.5)."""
    state = dcmread(written(write_film(tmp_path / "film.dcm")))
    drawn = objects(state, "LANDMARKS", "Graphic")
    corners = points_of([each for each in drawn if each.GraphicType == "POINT"])[:, 0]
    seen = found().points[~np.isnan(found().points[..., 0])]
    np.testing.assert_allclose(corners, seen + 0.5, atol=3e-5)
    lines = points_of([each for each in drawn if each.GraphicType == "POLYLINE"])
    plates = found().points.reshape(-1, 2, 2)
    plates = plates[~np.isnan(plates[:, 0, 0])]
    for plate in plates:
        assert np.isclose(lines, plate + 0.5, atol=3e-5).all(axis=(1, 2)).sum() == 1
    assert {each.GraphicAnnotationUnits for each in drawn} == {"PIXEL"}


def test_names_and_key_numbers_stand_beside_what_they_say(tmp_path):
    state = dcmread(written(write_film(tmp_path / "film.dcm")))
    names = objects(state, "LEVELS", "Text")
    assert [each.UnformattedTextValue for each in names] == list(found().levels)
    np.testing.assert_allclose(
        [each.AnchorPoint for each in names], found().centres + 0.5, atol=3e-5
    )
    said = [each.UnformattedTextValue for each in objects(state, "MEASUREMENTS", "Text")]
    assert any(text.startswith("L1-S1 lordosis") and text.endswith("]") for text in said)
    assert sum("not a medical device" in text for text in said) == 1
    slip = max(
        (m for m in a_few() if m.name == "slip" and m.unit == "%"), key=lambda m: abs(m.value)
    )
    assert any(f"slip {slip.value:.1f} %" in text for text in said)
    assert len(objects(state, "MEASUREMENTS", "Graphic")) >= len(slip.lines)


def test_without_names_the_vertebrae_are_numbered_and_nothing_measured_is_nothing_drawn(tmp_path):
    source = write_film(tmp_path / "film.dcm")
    state = presentation_state(source, replace(found(), levels=None), (), made_by=MADE_BY)
    names = [each.UnformattedTextValue for each in objects(state, "LEVELS", "Text")]
    assert names == [f"V{k}" for k in range(1, len(found()) + 1)]
    assert objects(state, "MEASUREMENTS", "Graphic") == []


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("CR", {}),
        ("CR", {"Laterality": "L", "BodyPartExamined": "HIP"}),
        ("CR", dict.fromkeys(IDENTITY)),
        ("CR", {"PixelSpacing": [0.2, 0.1], "WindowCenter": [900, 2000], "WindowWidth": [800, 0]}),
        ("DX", {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}),
        ("DX", {"WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": 1}),
        ("XRF", {}),
    ],
    ids=["CR", "CR of a side", "bare CR", "CR not square", "DX negative", "DX", "XRF"],
)
def test_dciodvfy_finds_no_error_and_dcmtk_takes_it(tmp_path, kind, tags):
    path = written(write_film(tmp_path / "film.dcm", kind, **tags))
    expected = "would be needed to build DICOMDIR"  # the film has none either
    assert [line for line in complaints(path) if not line.endswith(expected)] == []
    if dcmread(path).PatientName:  # may be empty, but not to dcmpschk
        assert "Test passed" in run("dcmpschk", path)


def render(folder: Path, source: Path, *options: str | Path) -> bytes:
    """The film as dcmtk shows it, as a PGM."""
    run("dcmp2pgm", *options, source, folder / "shown.pgm")
    return (folder / "shown.pgm").read_bytes()


WINDOW = {"WindowCenter": 1500, "WindowWidth": 2000}


@pytest.mark.parametrize(
    "tags",
    [
        {},
        WINDOW,
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "MONOCHROME1", **WINDOW},
        {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 3000, "WindowWidth": 4000},
    ],
    ids=["plain", "window", "negative", "negative with a window", "rescaled"],
)
def test_dcmtk_shows_the_film_through_it_as_we_read_the_film(tmp_path, tags):
    """Another implementation of the grey-scale pipeline agrees, polarity included."""
    source = write_film(tmp_path / "film.dcm", **tags)
    shown = np.asarray(Image.open(io.BytesIO(render(tmp_path, source, "-p", written(source)))))
    ours = read_radiograph(source).pixels
    assert shown.shape == ours.shape
    assert np.corrcoef(shown.ravel(), ours.ravel())[0, 1] > 0.99


def table(values: np.ndarray, *, first: int = 0) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first, 12])
    item.add_new("LUTData", "US", [int(value) for value in values])
    return item


def test_a_table_goes_before_a_window_and_spans_sixteen_bits(tmp_path):
    lut = table(np.arange(4096) ** 2 // 4095)
    source = write_film(tmp_path / "film.dcm", VOILUTSequence=[lut], **WINDOW)
    (voi,) = dcmread(written(source)).SoftcopyVOILUTSequence
    assert "WindowCenter" not in voi
    assert voi.VOILUTSequence[0].LUTDescriptor == [4096, 0, 16]
    stored = np.frombuffer(voi.VOILUTSequence[0].LUTData, "<u2")
    np.testing.assert_allclose(stored, np.arange(4096.0) ** 2 / 4095 * 65535 / 4095, atol=17)
    assert complaints(source.with_suffix(".pr.dcm")) == []
    drawn = render(tmp_path, source, "-p", source.with_suffix(".pr.dcm"))
    shown = np.asarray(Image.open(io.BytesIO(drawn)))
    ours = read_radiograph(source).pixels
    assert np.corrcoef(shown.ravel(), ours.ravel())[0, 1] > 0.99


def test_a_modality_table_takes_the_place_of_the_slope(tmp_path):
    lut = table(np.arange(4096)[::-1])
    lut.ModalityLUTType = "US"
    state = dcmread(written(write_film(tmp_path / "film.dcm", ModalityLUTSequence=[lut])))
    assert "RescaleSlope" not in state
    assert state.ModalityLUTSequence[0].ModalityLUTType == "US"


def test_the_whole_film_is_shown_in_its_true_proportions(tmp_path):
    source = write_film(tmp_path / "film.dcm", PixelSpacing=[0.15, 0.1])
    (area,) = dcmread(written(source)).DisplayedAreaSelectionSequence
    height, width = film().radiograph.pixels.shape
    assert area.DisplayedAreaTopLeftHandCorner == [1, 1]
    assert area.DisplayedAreaBottomRightHandCorner == [width, height]
    assert area.PresentationSizeMode == "SCALE TO FIT"
    tall, wide = area.PresentationPixelAspectRatio
    assert tall / wide == pytest.approx(1.5)


def test_one_frame_of_several_is_what_is_drawn_on(tmp_path):
    source = write_film(tmp_path / "film.dcm", "XRF", frames=3)
    path = written(source, frame=2)
    state = dcmread(path)
    (image,) = state.ReferencedSeriesSequence[0].ReferencedImageSequence
    assert image.ReferencedSOPClassUID == KINDS["XRF"]
    frames = [image.ReferencedFrameNumber] + [
        each.ReferencedImageSequence[0].ReferencedFrameNumber
        for each in state.GraphicAnnotationSequence
    ]
    assert frames == [2, 2, 2, 2]
    assert complaints(path) == []


def test_it_belongs_to_the_study_and_a_second_run_replaces_it(tmp_path):
    source = write_film(tmp_path / "film.dcm")
    state, again = (presentation_state(source, found(), a_few(), made_by=MADE_BY) for _ in range(2))
    original = dcmread(source)
    for keyword in (*IDENTITY, "StudyInstanceUID"):
        assert state[keyword].value == original[keyword].value
    assert state.SOPInstanceUID == again.SOPInstanceUID != original.SOPInstanceUID
    assert state.SeriesInstanceUID == again.SeriesInstanceUID != original.SeriesInstanceUID


def test_a_real_negative_film_is_drawn_on_without_an_error_and_shown_as_it_asks_to_be(tmp_path):
    source = real_film(tmp_path)
    path = written(source)
    assert [line for line in complaints(path) if line.startswith("Error")] == []
    assert dcmread(path).PresentationLUTShape == "INVERSE"
    shown = [
        Image.open(io.BytesIO(render(tmp_path, source, *options))) for options in ((), ("-p", path))
    ]
    np.testing.assert_array_equal(*map(np.asarray, shown))


def test_a_shutter_stays_closed(tmp_path):
    edges = dict(zip(("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal"),
                     (11, 200, 21, 400), strict=True))  # fmt: skip
    shutter = {f"Shutter{side}Edge": edge for side, edge in edges.items()}
    source = write_film(tmp_path / "film.dcm", ShutterShape="RECTANGULAR", **shutter)
    state = dcmread(written(source))
    assert {keyword: state[keyword].value for keyword in shutter} == shutter
    assert (state.ShutterShape, state.ShutterPresentationValue) == ("RECTANGULAR", 0)
    assert complaints(source.with_suffix(".pr.dcm")) == []


def test_a_film_that_is_not_dicom_or_without_a_spine_has_none(tmp_path, make_film):
    with pytest.raises(UsageError, match="not a DICOM file"):
        written(make_film(tmp_path / "film.png"))
    nothing = Landmarks(np.empty((0, 4, 2)))
    with pytest.raises(UsageError, match="no vertebra was found"):
        presentation_state(write_film(tmp_path / "a.dcm"), nothing, (), made_by=MADE_BY)
