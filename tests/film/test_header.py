"""What a header says of a film: the size of a pixel, the view, the person, and what to know."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, uid

from film.dx import values, write
from spondyl.film.header import (
    MAX_MAGNIFICATION,
    notes_of,
    person_of,
    pixel_aspect,
    pixel_spacing,
    view_of,
)
from spondyl.film.radiograph import BURNED_IN, Person
from spondyl.film.reading import read_radiograph


def header(**tags: object) -> Dataset:
    data = Dataset()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


SPACINGS = [
    ({"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"},
     (0.2, 0.1, "patient")),
    ({"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "GEOMETRY",
      "ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1, "patient")),
    ({"PixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "unknown")),
    ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "detector")),
    ({"PixelSpacing": [0.17, 0.17], "ImagerPixelSpacing": [0.2, 0.2]}, (0.17, 0.17, "patient")),
    ({"ImagerPixelSpacing": [0.143, 0.143]}, (0.143, 0.143, "detector")),
    ({"NominalScannedPixelSpacing": [0.1, 0.1]}, (0.1, 0.1, "detector")),
    ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "detector")),
    ({"PixelSpacing": [0, 0]}, None),
    ({"PixelSpacing": [-0.1, 0.1]}, None),
    ({"PixelSpacing": [143, 143]}, None),  # micrometres
    ({"PixelSpacing": [0.2, 11]}, None),
    ({"PixelSpacing": [1e-3, 1e-3], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2, "detector")),
    ({"PixelSpacing": ""}, None),
    ({"PixelSpacing": "0.2"}, None),
    ({"PixelSpacing": [1, 1, 1]}, None),
    ({}, None),
]  # fmt: skip
MAGNIFIED = [
    # source to image 1,800 mm, source to object 1,500 mm: 1.2
    ({"ImagerPixelSpacing": [0.18, 0.12]}, 1.2, (0.15, 0.10, "patient")),
    ({"PixelSpacing": [0.18, 0.18], "ImagerPixelSpacing": [0.18, 0.18]}, 1.2,
     (0.15, 0.15, "patient")),
    ({"ImagerPixelSpacing": [0.18, 0.18]}, 1.0, (0.18, 0.18, "detector")),
    ({"ImagerPixelSpacing": [0.18, 0.18]}, 0.0, (0.18, 0.18, "detector")),
    ({"ImagerPixelSpacing": [0.18, 0.18]}, -1.2, (0.18, 0.18, "detector")),
    ({"ImagerPixelSpacing": [0.18, 0.18]}, 0.8, (0.18, 0.18, "detector")),
    ({"ImagerPixelSpacing": [0.18, 0.18]}, 120.0, (0.18, 0.18, "detector")),
    # what is calibrated already is not corrected again
    ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.18, 0.18]}, 1.2,
     (0.15, 0.15, "patient")),
    ({"PixelSpacing": [0.15, 0.15]}, 1.2, (0.15, 0.15, "unknown")),
    ({}, 1.2, None),
]  # fmt: skip


def test_sizes_of_no_pixel_are_told_and_still_tell_its_proportions():
    data = header(PixelSpacing=[300, 150], PixelAspectRatio=[1, 1])
    assert pixel_spacing(data) is None
    assert pixel_aspect(data, None) == 2.0
    assert "no lengths in mm: Pixel Spacing is not from 0.01 to 10 mm" in notes_of(data, None)


def told(data: Dataset) -> tuple[float, float, str] | None:
    spacing = pixel_spacing(data)
    return spacing and (spacing.row_mm, spacing.column_mm, spacing.plane)


@pytest.mark.parametrize(("tags", "expected"), SPACINGS)
def test_spacing_names_the_plane_where_it_is_true(tags, expected):
    assert told(header(**tags)) == expected


@pytest.mark.parametrize(("tags", "factor", "expected"), MAGNIFIED)
def test_the_magnification_carries_the_detector_to_the_patient(tags, factor, expected):
    found = told(header(**tags, EstimatedRadiographicMagnificationFactor=factor))
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found[:2] == pytest.approx(expected[:2])
    assert found[2] == expected[2]


@given(st.floats(1, MAX_MAGNIFICATION, exclude_min=True), st.floats(0.05, 0.5))
@settings(deadline=None)
def test_a_length_in_the_patient_is_the_shadow_divided_by_the_magnification(factor, pitch):
    """A rod of 100 mm at the magnification f casts a shadow of 100 f mm: it measures 100 again."""
    data = header(
        ImagerPixelSpacing=[f"{pitch:.6f}"] * 2,
        EstimatedRadiographicMagnificationFactor=f"{factor:.9f}",
    )
    stated = float(data.EstimatedRadiographicMagnificationFactor)
    spacing = pixel_spacing(data)
    assert spacing is not None
    shadow_px = 100 * stated / float(data.ImagerPixelSpacing[0])
    if stated > 1:
        assert shadow_px * spacing.row_mm == pytest.approx(100)


@given(st.binary(max_size=12))
@settings(max_examples=200, deadline=None)
def test_a_spacing_of_any_bytes_is_a_spacing_or_none(raw):
    """Header text is whatever a file holds: `inf`, `nan`, `1e999`, letters."""
    data = header(PixelSpacing="", EstimatedRadiographicMagnificationFactor="")
    data["PixelSpacing"]._value = [raw.decode("latin-1"), "0.1"]
    data["EstimatedRadiographicMagnificationFactor"]._value = raw.decode("latin-1")
    spacing = pixel_spacing(data)
    assert spacing is None or (spacing.row_mm > 0 and np.isfinite(spacing.row_mm))
    data.ImagerPixelSpacing = [0.1, 0.1]
    assert pixel_spacing(data) is not None


@pytest.mark.parametrize("text", ["inf", "nan", "1e999", "-0.0"])
def test_a_spacing_that_is_no_length_is_not_stated(text):
    data = header(PixelSpacing="")
    data["PixelSpacing"]._value = ["0.1", text]
    assert pixel_spacing(data) is None


@pytest.mark.parametrize(
    ("tags", "aspect"),
    [
        ({"PixelSpacing": [0.3, 0.2]}, 1.5),
        ({"PixelAspectRatio": [3, 2]}, 1.5),
        ({"PixelAspectRatio": [3, 2], "PixelSpacing": [0.1, 0.1]}, 1.0),
        ({"PixelAspectRatio": [0, 2]}, 1.0),
        ({}, 1.0),
    ],
)
def test_the_shape_of_a_pixel_follows_from_the_header(tmp_path, tags, aspect):
    film = read_radiograph(write(tmp_path / "film.dcm", values(), **tags))
    assert film.aspect == pytest.approx(aspect)


def coded(value: str, scheme: str = "SCT") -> list[Dataset]:
    return [header(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="Canary")]


VIEWS = [
    *(({"ViewPosition": text}, "lateral") for text in ("LL", "RL", "LAT", "LATERAL", "ll ")),
    *(({"ViewPosition": text}, "ap") for text in ("AP", "PA")),
    *(({"ViewPosition": text}, None) for text in ("LLO", "RLD", "", None, "Canary")),
    ({"ViewCodeSequence": coded("399173006")}, "lateral"),  # left lateral
    ({"ViewCodeSequence": coded("R-10236", "SRT")}, "lateral"),
    ({"ViewCodeSequence": coded("R-10236", "SNM3")}, "lateral"),
    ({"ViewCodeSequence": coded("399067008")}, "lateral"),
    ({"ViewCodeSequence": coded("272479007")}, "ap"),  # postero-anterior
    ({"ViewCodeSequence": coded("R-10214", "SNM3")}, "ap"),
    ({"ViewCodeSequence": coded("399348003")}, "ap"),
    ({"ViewCodeSequence": coded("399135007"), "SeriesDescription": "LAT"}, None),  # oblique
    ({"ViewCodeSequence": coded("399173006", "99JANE")}, None),
    ({"ViewCodeSequence": []}, None),
    ({"PatientOrientation": ["A", "F"]}, "lateral"),
    ({"PatientOrientation": ["P", "F"]}, "lateral"),
    ({"PatientOrientation": ["L", "F"]}, "ap"),
    ({"PatientOrientation": ["R", "F"]}, "ap"),
    ({"PatientOrientation": ["LA", "F"]}, None),
    ({"PatientOrientation": ["A", "L"]}, None),  # from above
    ({"PatientOrientation": "A"}, None),
    *(({"SeriesDescription": text}, "lateral")
      for text in ("LWS seitl.", "L-Spine LAT", "Lumbar lateral standing", "lspine-lat")),
    *(({"SeriesDescription": text}, "ap") for text in ("L-Spine AP", "LWS a.p. PA", "Spine PA")),
    *(({"SeriesDescription": text}, None)
      for text in ("AP/LAT", "lateral bending", "LAT DECUBITUS", "lat oblique", "platform", "Doe")),
    # the first that says something decides
    ({"ViewPosition": "AP", "SeriesDescription": "LAT"}, "ap"),
    ({"ViewPosition": "LLD", "PatientOrientation": ["L", "F"]}, None),
    ({"ViewPosition": "?", "PatientOrientation": ["A", "F"], "SeriesDescription": "AP"}, "lateral"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # some words are no code strings
@pytest.mark.parametrize(("tags", "view"), VIEWS)
def test_the_view_is_what_the_first_of_four_tags_says(tags, view):
    tags = {name: value for name, value in tags.items() if value is not None}
    assert view_of(header(**tags)) == view


AGES = [
    ("045Y", 45.0), ("45Y", 45.0), ("018M", 1.5), ("006M", 0.5), ("052W", 52 * 7 / 365.25),
    ("010D", 10 / 365.25), ("000D", 0.0), ("090Y", 90.0),
    ("", None), ("45", None), ("Y045", None), ("045y", None), ("-45Y", None), ("4.5Y", None),
    ("Canary", None),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("text", "years"), AGES)
def test_an_age_is_in_years_whatever_its_unit(text, years):
    found = person_of(header(PatientAge=text)).age
    assert found is years is None or math.isclose(found, years)


@pytest.mark.parametrize(
    ("text", "sex"), [("F", "F"), ("M", "M"), ("O", None), ("", None), ("FEMALE", None)]
)
def test_a_sex_is_one_that_a_norm_asks_for(text, sex):
    assert person_of(header(PatientSex=text)) == Person(None, sex)


UNKNOWN_TEXT = "a secondary capture that does not say whether text is burned in: it may identify"
RESIZED = "made from another image (Image Type SECONDARY): its pixels may have been resized"
NO_SIZE = "no lengths in mm: the file does not state the size of a pixel"
SPACED = {"PixelSpacing": [0.2, 0.2]}
NOTES = [
    (SPACED, []),
    (SPACED | {"BurnedInAnnotation": "YES"}, [BURNED_IN]),
    (SPACED | {"BurnedInAnnotation": "NO"}, []),
    (SPACED | {"ImageType": ["DERIVED", "PRIMARY"]}, []),
    (SPACED | {"ImageType": ["DERIVED", "SECONDARY"]}, [UNKNOWN_TEXT, RESIZED]),
    (SPACED | {"ImageType": ["DERIVED", "SECONDARY"], "BurnedInAnnotation": "NO"}, [RESIZED]),
    (SPACED | {"ConversionType": "WSD"}, [UNKNOWN_TEXT]),
    (SPACED | {"ConversionType": "WSD", "BurnedInAnnotation": "NO"}, []),
    (SPACED | {"ConversionType": "WSD", "BurnedInAnnotation": "YES"}, [BURNED_IN]),
    (SPACED | {"SOPClassUID": uid.SecondaryCaptureImageStorage}, [UNKNOWN_TEXT]),
    ({}, [NO_SIZE]),
    ({"PixelSpacing": [0, 0]}, ["no lengths in mm: Pixel Spacing is not two numbers above 0"]),
    ({"PixelSpacing": "0.2"}, ["no lengths in mm: Pixel Spacing is not two numbers above 0"]),
    ({"ImagerPixelSpacing": [-1, 1]},
     ["no lengths in mm: Imager Pixel Spacing is not two numbers above 0"]),
    (SPACED | {"BodyPartExamined": "CHEST"},
     ["body part chest, by its header: need the spine from T1 to S1"]),
    (SPACED | {"BodyPartExamined": "LSPINE"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("tags", "notes"), NOTES)
def test_a_film_comes_with_what_to_know_of_it(tags, notes):
    data = header(**tags)
    assert list(notes_of(data, pixel_spacing(data))) == notes


def test_the_film_carries_what_the_header_says(tmp_path):
    path = write(
        tmp_path / "film.dcm", values(), PatientAge="018M", PatientSex="F", ViewPosition="LL",
        BurnedInAnnotation="YES", ImagerPixelSpacing=[0.18, 0.18],
        EstimatedRadiographicMagnificationFactor=1.2,
    )  # fmt: skip
    film = read_radiograph(path)
    assert film.person == Person(1.5, "F")
    assert film.notes == (BURNED_IN,)
    assert film.view == "lateral"
    assert film.spacing is not None
    assert (film.spacing.plane, film.spacing.row_mm) == ("patient", pytest.approx(0.15))
    assert film.geometry.person == film.person
