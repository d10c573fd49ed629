"""Structured reports: what is written is valid, belongs to the study, and reads back the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_films import (
    IDENTITY,
    MADE_BY,
    a_few,
    complaints,
    everything,
    film,
    found,
    real_film,
    run,
    write_film,
)
from highdicom.sr import srread
from pydicom import dcmread
from pydicom.sr.codedict import codes as dcm

from spondyl.errors import FilmError, UsageError
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement, Reference
from spondyl.writing.structured_report import read_report, structured_report, write_dicom

BARE = dict.fromkeys(IDENTITY)


def written(source: Path, landmarks=None, measurements=None, **options) -> Path:
    """The path of a report on ``source``."""
    report = structured_report(
        source,
        found() if landmarks is None else landmarks,
        a_few() if measurements is None else measurements,
        made_by=MADE_BY,
        **options,
    )
    path = source.with_suffix(".sr.dcm")
    write_dicom(path, report)
    return path


def numbered(measurements):
    """By what identifies a measurement; a report keeps those of the same levels together."""
    return {(m.levels, m.name, m.unit, m.definition): m for m in measurements}


def assert_same(back: Measurement, put: Measurement) -> None:
    """Exact but for coordinates (32-bit floats) and the last digits of the ends of an interval."""
    np.testing.assert_allclose(np.array(back.lines), np.array(put.lines), atol=3e-5)
    for end in ("low", "high"):
        ends = getattr(back, end), getattr(put, end)
        assert ends == (None, None) or ends[0] == pytest.approx(ends[1], rel=1e-12, abs=1e-12)
    unlike = {"lines": (), "low": None, "high": None}
    assert replace(back, **unlike) == replace(put, **unlike)


@pytest.mark.parametrize("view", ["lateral", "ap"])
def test_a_report_reads_back_to_the_same_numbers(tmp_path, view):
    landmarks, put = found(view), everything(view)
    assert {m.unit for m in put} >= {"mm", "deg"}
    assert any(m.low is not None for m in put)
    back, again = read_report(written(write_film(tmp_path / "film.dcm"), landmarks, put))
    assert len(again) == len(put)
    for key, measurement in numbered(put).items():
        assert_same(numbered(again)[key], measurement)
    np.testing.assert_allclose(back.points, landmarks.points, atol=3e-5)
    np.testing.assert_array_equal(back.confidence, landmarks.confidence)
    np.testing.assert_array_equal(back.level_probability, landmarks.level_probability)
    assert (back.levels, back.facing) == (landmarks.levels, landmarks.facing)


def test_measurements_keep_their_order_within_their_levels(tmp_path):
    put = a_few()
    _, again = read_report(written(write_film(tmp_path / "film.dcm"), None, put))
    for levels in {m.levels for m in put}:
        names = [[m.name for m in each if m.levels == levels] for each in (put, again)]
        assert names[0] == names[1]


def test_a_norm_a_refusal_and_a_measurement_without_levels_read_back(tmp_path):
    norm = Reference(44.8, 9.6, -1.2, "160 adults in Ödland", "Somebody 1999")
    line = ((10.25, 20.5), (30.0, 40.75))
    put = (
        Measurement("wedge", ("L1",), 3.25, "deg", "endplates", reference=norm, lines=(line,)),
        Measurement("height ratio", ("L1",), None, "", "walls", note="a corner was not seen"),
        Measurement("maximal Cobb angle", (), None, "deg", "Cobb 1948", note="too few vertebrae"),
        Measurement("Cobb angle", ("T5", "T12"), -0.1 + 0.3, "deg", "Cobb 1948"),
    )
    landmarks = replace(found(), refusal="this looks like no spine", facing=None)
    back, again = read_report(written(write_film(tmp_path / "film.dcm"), landmarks, put))
    assert again == put
    assert back.refusal == landmarks.refusal
    assert back.facing is None


def test_vertebrae_without_a_name_are_numbered_and_coded_as_undetermined(tmp_path):
    landmarks = replace(found(), levels=None)
    put = tuple(replace(m, levels=("V1", "V2")) for m in a_few()[:3])
    path = written(write_film(tmp_path / "film.dcm"), landmarks, put)
    back, again = read_report(path)
    assert back.levels is None
    assert {m.levels for m in again} == {("V1", "V2")}
    site = dcm.SCT.FindingSite
    group = srread(path).content.get_planar_roi_measurement_groups()[0]
    assert [s.value.meaning for s in group.finding_sites if s.name == site] == [
        "Vertebra 1 from the top of the film, level undetermined"
    ]


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_a_vertebra_of_which_some_corners_were_seen_reads_back(tmp_path, seen):
    points = found().points[:1].copy()
    points[0, seen:] = np.nan
    back, _ = read_report(written(write_film(tmp_path / "film.dcm"), Landmarks(points), ()))
    np.testing.assert_allclose(back.points, points, atol=3e-5)


def test_the_centre_of_the_first_pixel_is_a_half_and_no_point_leaves_the_film(tmp_path):
    """PS3.3 C.10.5: (0, 0) is the corner of the first pixel, (Columns, Rows) that of the last."""
    height, width = film().radiograph.pixels.shape
    points = np.array([[[0, 0], [width - 1, 0], [-3, height - 1], [width + 2, height - 1]]], float)
    report = srread(written(write_film(tmp_path / "film.dcm"), Landmarks(points), ()))
    group = report.content.get_planar_roi_measurement_groups()[0]
    np.testing.assert_array_equal(
        group.roi.value,
        [[0.5, 0.5], [width - 0.5, 0.5], [width, height - 0.5], [0, height - 0.5], [0.5, 0.5]],
    )


def test_highdicom_finds_the_groups_by_vertebra_and_the_slip_by_its_code(tmp_path):
    content = srread(written(write_film(tmp_path / "film.dcm"))).content
    code = dcm.SCT.L5Vertebra
    assert len(content.get_planar_roi_measurement_groups(finding_site=code)) == 1
    pairs = content.get_image_measurement_groups(finding_site=code)
    units = [
        m.unit.value
        for group in pairs
        for m in group.get_measurements()
        if m.name.meaning == "slip"
    ]
    assert units == ["mm", "mm"]  # L4-L5, L5-S1
    (observer,) = content.get_observer_contexts()
    assert observer.observer_identifying_attributes.manufacturer_name == "spondyl"


def test_a_report_belongs_to_the_study_and_is_neither_final_nor_verified(tmp_path):
    source = write_film(tmp_path / "film.dcm", SpecificCharacterSet="ISO_IR 100",
                        PatientName="Grün^Änne", StudyDescription="LWS")  # fmt: skip
    report, film_ = dcmread(written(source)), dcmread(source)
    for keyword in (*IDENTITY, "StudyInstanceUID", "StudyDescription"):
        assert report[keyword].value == film_[keyword].value
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert report.SeriesInstanceUID != film_.SeriesInstanceUID
    assert report.SpecificCharacterSet == "ISO_IR 192"
    scheme = report.CodingSchemeIdentificationSequence[0]
    assert scheme.CodingSchemeDesignator == "99SPONDYL"
    assert report.to_json().count("Research use only; not a medical device.") == 1


def test_a_report_is_complete_only_where_nothing_was_withheld(tmp_path):
    source = write_film(tmp_path / "film.dcm")
    whole = [m for m in a_few() if m.value is not None]
    withheld = replace(whole[0], value=None, note="a corner was not seen")
    flags = [
        dcmread(written(source, None, each)).CompletionFlag for each in (whole, [*whole, withheld])
    ]
    assert flags == ["COMPLETE", "PARTIAL"]


def test_the_same_run_gives_the_same_report_and_another_one_does_not(tmp_path):
    source, put = write_film(tmp_path / "film.dcm"), a_few()

    def identity(landmarks=None, made_by=MADE_BY):
        report = structured_report(source, landmarks or found(), put, made_by=made_by)
        return report.SOPInstanceUID, report.SeriesInstanceUID

    assert identity() == identity()
    assert identity()[0] != identity(replace(found(), facing=None))[0]
    assert set(identity()).isdisjoint(identity(made_by={**MADE_BY, "weights sha256": "a"}))


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("CR", {}),
        ("CR", {"Laterality": "L", "BodyPartExamined": "LSPINE"}),
        ("CR", BARE),
        ("CR", {"PatientSex": "X", "StudyDate": "yesterday", "PhotometricInterpretation":
                "MONOCHROME1"}),
        ("DX", {"PatientOrientation": ["A", "F"], "ImagerPixelSpacing": [0.15, 0.15]}),
        ("DX", BARE),
        ("XRF", {}),
    ],
    ids=["CR", "CR of a side", "bare CR", "CR with odd values", "DX", "bare DX", "XRF"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_dciodvfy_finds_no_error_and_dsrdump_no_fault(tmp_path, kind, tags):
    path = written(write_film(tmp_path / "film.dcm", kind, **tags))
    expected = (
        "Unrecognized defined term = <99SPONDYL>",  # dciodvfy knows no private scheme
        "would be needed to build DICOMDIR",  # the film has none either
    )
    assert [line for line in complaints(path) if not line.endswith(expected)] == []
    dumped = run("dsrdump", path)
    assert [line for line in dumped.splitlines() if line.startswith(("E:", "F:"))] == []
    assert "L5 vertebra" in dumped


def test_a_frame_of_several_is_named_in_every_reference(tmp_path):
    source = write_film(tmp_path / "film.dcm", "XRF", frames=3)
    path = written(source, frame=2)
    group = srread(path).content.get_planar_roi_measurement_groups()[0]
    image = group.roi.ContentSequence[0]
    assert image.ReferencedSOPSequence[0].ReferencedFrameNumber == 2
    assert str(dcmread(path)).count("Referenced Frame Number") > len(found())
    for frame, said in ((None, "3 frames, need to know which one"), (4, "no frame 4, need 1 to 3")):
        with pytest.raises(UsageError, match=said):
            structured_report(source, found(), (), made_by=MADE_BY, frame=frame)


def test_a_real_film_is_reported_on_without_an_error(tmp_path):
    source = real_film(tmp_path)
    path = written(source)
    assert dcmread(path).PatientID == dcmread(source, stop_before_pixels=True).PatientID
    assert [line for line in complaints(path) if line.startswith("Error")] == []


def test_what_cannot_be_reported_on_is_said_in_one_line(tmp_path, make_film):
    picture = make_film(tmp_path / "film.png")
    nameless = write_film(tmp_path / "film.dcm", StudyInstanceUID=None)
    nothing = Landmarks(np.empty((0, 4, 2)))
    for source, landmarks, said in (
        (picture, found(), "not a DICOM file, so it has no study"),
        (nameless, found(), "no StudyInstanceUID"),
        (write_film(tmp_path / "good.dcm"), nothing, "no vertebra was found"),
    ):
        with pytest.raises(UsageError, match=said) as raised:
            structured_report(source, landmarks, (), made_by=MADE_BY)
        assert "\n" not in str(raised.value)


def test_only_a_report_of_ours_is_read(tmp_path):
    with pytest.raises(UsageError, match="not a structured report that spondyl wrote"):
        read_report(write_film(tmp_path / "film.dcm"))
    (tmp_path / "damaged.dcm").write_bytes(bytes(200))
    with pytest.raises(FilmError, match="damaged report"):
        read_report(tmp_path / "damaged.dcm")
