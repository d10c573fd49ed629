import json
from dataclasses import replace

import numpy as np
import pytest
from tests.data.drawing import LEVELS, QUADS, SIZE

from spondyl.data import slicer
from spondyl.data.folder import read_annotations
from spondyl.data.sample import Sample
from spondyl.data.slicer import film_stem, is_slicer, read_slicer, to_slicer
from spondyl.errors import AnnotationError
from spondyl.film.radiograph import PixelSpacing, Radiograph
from spondyl.spine.landmarks import Landmarks

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)


def point(label, position, **fields):
    """A control point as Slicer 5 saves it."""
    return {
        "id": "1", "label": label, "description": "", "associatedNodeID": "",
        "position": list(position), "orientation": [-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0],
        "selected": True, "locked": False, "visibility": True, "positionStatus": "defined",
    } | fields  # fmt: skip


def named(scale=(1.0, 1.0)):
    return [
        point(f"{level} {name}", [*(at * scale), 0.0])
        for level, quad in zip(LEVELS, QUADS, strict=True)
        for name, at in zip(("SL", "SR", "IL", "IR"), quad, strict=True)
    ]


def document(points, **changes):
    markup = {
        "type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "locked": False,
        "fixedNumberOfControlPoints": False, "labelFormat": "%N-%d", "controlPoints": points,
        "measurements": [], "display": {"visibility": True},
    } | changes  # fmt: skip
    return {"@schema": SCHEMA, "markups": [markup]}


def read(tmp_path, make_film, data, *, film="film.png"):
    path = make_film(tmp_path / "film.png").rename(tmp_path / film)
    label = tmp_path / "film.mrk.json"
    label.write_text(data if isinstance(data, str) else json.dumps(data))
    return read_slicer(label, path, key="k")


def test_positions_are_pixels_where_no_spacing_is_known(tmp_path, make_film):
    found = read(tmp_path, make_film, document(named()))
    np.testing.assert_array_equal(found.landmarks.points, QUADS)
    assert found.landmarks.levels == LEVELS
    assert (found.origin, found.group, found.spacing) == ("slicer", "film", None)


def test_ras_is_turned_into_lps(tmp_path, make_film):
    data = document(named((-1.0, -1.0)), coordinateSystem="RAS")
    np.testing.assert_array_equal(read(tmp_path, make_film, data).landmarks.points, QUADS)


def test_millimetres_become_pixels_by_the_spacing_of_a_dicom_film(tmp_path, make_film, monkeypatch):
    spacing = PixelSpacing(0.2, 0.1, "detector")
    film = Radiograph(np.zeros((640, 480), dtype=np.float32), spacing)
    monkeypatch.setattr(slicer.reading, "read_radiograph", lambda _: film)
    found = read(tmp_path, make_film, document(named((0.1, 0.2))), film="film.dcm")
    np.testing.assert_allclose(found.landmarks.points, QUADS, atol=1e-9)
    assert found.spacing == spacing


@pytest.mark.parametrize("status", ["undefined", "preview"])
def test_a_point_that_is_not_defined_was_not_seen(tmp_path, make_film, status):
    points = named()
    points[5] = point("L5 SR", [0, 0, 0], positionStatus=status)
    found = read(tmp_path, make_film, document(points)).landmarks
    assert np.argwhere(np.isnan(found.points[..., 0])).tolist() == [[1, 1]]


def test_the_example_of_slicers_manual_is_recognised_and_says_why_it_is_no_spine(
    tmp_path, make_film
):
    """As in https://slicer.readthedocs.io/en/latest/developer_guide/modules/markups.html."""
    text = """{"@schema": "https://raw.githubusercontent.com/Slicer/Slicer/main/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.0.json#",
    "markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [
        { "label": "F-1", "position": [-53.388409961685827, -73.33572796934868, 0.0] },
        { "label": "F-2", "position": [49.8682950191571, -88.58955938697324, 0.0] },
        { "label": "F-3", "position": [-25.22749042145594, 59.255268199233729, 0.0] }
    ]}]}"""
    assert is_slicer(json.loads(text))
    with pytest.raises(AnnotationError, match="F 1 has 1 points without a corner's name"):
        read(tmp_path, make_film, text)


@pytest.mark.parametrize(
    ("name", "stem"), [("a.mrk.json", "a"), ("a.b.MRK.JSON", "a.b"), ("a.json", "a")]
)
def test_the_film_has_the_name_of_the_markups(tmp_path, make_film, name, stem):
    assert film_stem(tmp_path / name) == stem
    make_film(tmp_path / f"{stem}.png")
    (tmp_path / name).write_text(json.dumps(document(named())))
    for format in (None, "slicer"):
        found = read_annotations(tmp_path, format=format)
        assert not found.problems
        assert [s.key for s in found.samples] == [stem]


def test_what_is_written_comes_back(tmp_path, make_film):
    seen = QUADS.copy()
    seen[2, 2:] = np.nan
    truth = Sample(
        "a/b", tmp_path / "film.png", **SIZE,
        landmarks=Landmarks(seen, levels=("L4", None, "S1"), facing="left"), group="patient 7",
        origin="phantom", complete_below=True, view="lateral", aspect=2.0,
        spacing=PixelSpacing(0.2, 0.1, "detector"), flags=frozenset({"L6"}),
    )  # fmt: skip
    stored = to_slicer(truth, "film.png")
    position = stored["markups"][0]["controlPoints"][0]["position"]
    np.testing.assert_allclose(position, [QUADS[0, 0, 0] * 0.1, QUADS[0, 0, 1] * 0.2, 0])
    found = read(tmp_path, make_film, stored)
    np.testing.assert_allclose(found.landmarks.points, seen, atol=1e-9)
    kept = replace(found, landmarks=truth.landmarks, listed=None)
    for name in Sample.__slots__:
        assert getattr(kept, name) == getattr(truth, name), name
    assert (found.landmarks.names, found.landmarks.facing) == (("L4", None, "S1"), "left")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("[]", "the file is [], need an object"),
        ("{" * 99_999, "not JSON"),
        ("[" * 99_999, "nested too deeply"),
        ({}, "the file has no 'markups'"),
        ({"markups": [3]}, "markup is 3, need an object"),
        (document([]), "no vertebra is annotated"),
        (document(named(), type="Curve"), "no vertebra is annotated"),
        (document(named(), coordinateSystem="IJK"), "coordinateSystem is 'IJK', need 'LPS' or"),
        (document(named(), coordinateSystem=[]), "coordinateSystem is [], need 'LPS' or 'RAS'"),
        (document(named(), coordinateUnits="um"), "coordinateUnits is 'um', need 'mm'"),
        (document([point("L5 SL", [1, 2])]), "'L5 SL' has 2 coordinates, need 3"),
        (document([point("L5 SL", [1, float("nan"), 0])]), "'L5 SL' position is NaN, need a fin"),
        (document([point(5, [1, 2, 0])]), "label is 5, need text"),
        (document([*named(), point("L3 SL", [1, 2, 7.0])]), "the points do not lie on one plane"),
        (document(named()) | {"spondyl": 5}, "spondyl is 5, need an object"),
        (document(named()) | {"spondyl": {"width": 9}}, "the film is 480 x 640 px, the annotation"),
        (document(named()) | {"spondyl": {"spacing": {"row_mm": 0, "column_mm": 1}}},
         "spacing: row_mm is 0.0, need a finite number above 0"),
    ],
)  # fmt: skip
def test_an_impossible_file_is_refused_in_one_line(tmp_path, make_film, data, message):
    with pytest.raises(AnnotationError) as refused:
        read(tmp_path, make_film, data)
    assert str(refused.value).startswith(message)
