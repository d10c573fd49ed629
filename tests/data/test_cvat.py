from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.data.drawing import LEVELS, QUADS, ROUND, SIZE

from spondyl.data.cvat import is_cvat, parse_xml, read_cvat, write_cvat
from spondyl.data.folder import read_annotations
from spondyl.data.sample import Sample
from spondyl.errors import AnnotationError
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks

META = """<version>1.1</version>
  <meta><task><id>4</id><name>spines</name><size>1</size><mode>annotation</mode>
    <labels><label><name>vertebra</name><color>#8c78f0</color><type>skeleton</type>
      <attributes/></label></labels></task>
    <dumped>2026-03-01 11:38:28.799808+00:00</dumped></meta>"""


def places(corners):
    """Points as CVAT dumps them: from the film's edge, with two decimals."""
    return ";".join(f"{x + 0.5:.2f},{y + 0.5:.2f}" for x, y in corners)


def skeleton(level, quad, *, unseen=()):
    elements = "".join(
        f'<points label="{name}" source="manual" outside="{int(name in unseen)}" occluded="0" '
        f'points="{places([at])}"></points>'
        for name, at in zip(("superior_left", "superior_right", "IL", "IR"), quad, strict=True)
    )
    level = f'<attribute name="level">{level}</attribute>'
    return f'<skeleton label="vertebra" source="manual" z_order="0">{elements}{level}</skeleton>'


def outline(tag, level, quad):
    return (
        f'<{tag} label="{level}" source="manual" occluded="0" points="{places(quad[ROUND])}" '
        f'z_order="0"></{tag}>'
    )


def document(*shapes, name="film.png", width=480, before=""):
    """A file as CVAT 2 dumps it."""
    image = f'<image id="0" name="{name}" width="{width}" height="640">{"".join(shapes)}</image>'
    start = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{start}{before}\n<annotations>{META}{image}</annotations>"


def each(make):
    return [make(level, quad) for level, quad in zip(LEVELS, QUADS, strict=True)]


def read(tmp_path, make_film, text):
    make_film(tmp_path / "images" / "film.png")
    path = tmp_path / "annotations.xml"
    path.write_text(text)
    return read_cvat(path)


DRAWN = {
    "skeletons": each(skeleton),
    "polygons": each(lambda level, quad: outline("polygon", level, quad)),
    "points": each(lambda level, quad: outline("points", level, quad)),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_vertebra_is_a_skeleton_a_polygon_or_four_points(tmp_path, make_film, kind):
    found = read(tmp_path, make_film, document(*DRAWN[kind]))
    assert not found.problems
    (sample,) = found.samples
    np.testing.assert_allclose(sample.landmarks.points, QUADS, atol=0.0051)
    assert sample.landmarks.levels == LEVELS
    assert (sample.key, sample.origin) == ("images/film", "cvat")
    assert sample.flags == frozenset()


def test_single_points_are_corners_by_their_labels(tmp_path, make_film):
    marks = [
        f'<points label="{corner}" points="{places([at])}" group_id="{k}"></points>'
        for k, quad in enumerate(QUADS)
        for corner, at in zip(("SL", "SR", "IL", "IR"), quad, strict=True)
    ]
    found = read(tmp_path, make_film, document(*marks)).samples[0].landmarks
    np.testing.assert_allclose(found.points, QUADS, atol=0.0051)
    assert found.levels is None


def test_a_point_outside_was_not_seen(tmp_path, make_film):
    shapes = [*each(skeleton)[:2], skeleton("S1", QUADS[2], unseen=("IL", "IR"))]
    found = read(tmp_path, make_film, document(*shapes)).samples[0].landmarks
    assert np.argwhere(np.isnan(found.points[..., 0])).tolist() == [[2, 2], [2, 3]]


def test_boxes_and_tags_are_passed_over(tmp_path, make_film):
    others = '<box label="marker" xtl="1" ytl="1" xbr="9" ybr="9"></box><tag label="ok"></tag>'
    found = read(tmp_path, make_film, document(others, *DRAWN["polygons"]))
    assert len(found.samples[0].landmarks) == 3


def test_a_folder_is_recognised_by_content(tmp_path, make_film):
    (tmp_path / "other.xml").write_text("<note/>")
    read(tmp_path, make_film, document(*DRAWN["skeletons"]))
    for format in (None, "cvat"):
        assert [s.origin for s in read_annotations(tmp_path, format=format).samples] == ["cvat"]
    assert read_annotations(tmp_path / "annotations.xml").samples


def test_what_is_written_comes_back(tmp_path, make_film):
    seen = QUADS.copy()
    seen[2, 2:] = np.nan
    truth = Sample(
        "a/b", make_film(tmp_path / 'f"<ö>.png'), **SIZE,
        landmarks=Landmarks(seen, levels=("L4", None, "S1"), facing="left"), group="patient <7>",
        origin="phantom", complete_below=True, view="lateral", aspect=2.0,
        spacing=PixelSpacing(0.2, 0.1, "detector"), flags=frozenset({"L6", 'odd \x01 "'}),
    )  # fmt: skip
    write_cvat(tmp_path / "annotations.xml", [truth])
    found = read_cvat(tmp_path / "annotations.xml")
    assert not found.problems
    (sample,) = found.samples
    np.testing.assert_allclose(sample.landmarks.points, seen, atol=1e-12)
    kept = replace(sample, landmarks=truth.landmarks, listed=None)
    for name in Sample.__slots__:
        assert getattr(kept, name) == getattr(truth, name), name
    assert (sample.landmarks.names, sample.landmarks.facing) == (("L4", None, "S1"), "left")


def test_the_file_that_is_written_declares_its_labels(tmp_path):
    film = Sample("a", Path("a.png"), **SIZE, landmarks=Landmarks(QUADS), group="a", origin="t")
    write_cvat(tmp_path / "a.xml", [film])
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    labels = {each.findtext("name"): each.findtext("type") for each in root.iter("label")}
    assert labels == {
        "vertebra": "skeleton", "film": "tag", **dict.fromkeys(["SL", "SR", "IL", "IR"], "points"),
    }  # fmt: skip
    assert {each.findtext("parent") for each in root.iter("label")} == {None, "vertebra"}
    assert is_cvat((tmp_path / "a.xml").read_bytes())


LAUGHS = (
    '<!DOCTYPE annotations [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE annotations [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(before=LAUGHS), "has a document type, which may define entities"),
        (document("&a;", before=OUTSIDE), "has a document type, which may define entities"),
        ("<annotations>" + "<a>" * 100_000, "nested too deeply, need an annotation"),
        ("<annotations>", "not XML (no element found"),
        ('<?xml version="1.0" encoding="klingon"?><annotations/>', "not XML (unknown encoding"),
        ("<annotations>&#0;</annotations>", "not XML (reference to invalid character number"),
        ("<html/>", "the XML holds 'html', need CVAT's 'annotations'"),
        ('<annotations><track id="0"/></annotations>', "annotations of a video, need 'CVAT for"),
    ],
)
def test_a_hostile_file_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "x.xml").write_text(text)
    with pytest.raises(AnnotationError) as refused:
        read_cvat(tmp_path / "x.xml")
    assert str(refused.value).startswith(f"{tmp_path / 'x.xml'}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(), "no vertebra is annotated"),
        (document(*DRAWN["polygons"], width=99), "the film is 480 x 640 px, the annotation says"),
        (document(*DRAWN["polygons"], width="x"), "width is 'x', need a number"),
        (document(*DRAWN["polygons"], name="gone.png"), "no film named gone.png was found"),
        (document('<polygon points="1,2"/>'), "'polygon' has no 'label'"),
        (document('<polygon label="L5"/>'), "'polygon' has no 'points'"),
        (document('<polygon label="L5" points="1,2;3"/>'), "polygon 1: points are not 'x,y;x,y'"),
        (document('<polygon label="L5" points="1,nan"/>'), "polygon 1 is NaN, need a finite"),
        (document('<polygon label="L5" points="1,1e999"/>'), "polygon 1 is Infinity, need a fin"),
        (document('<polygon label="L5" points="1,2;3,4"/>'), "'L5' has 2 points, need the 4"),
        (document('<skeleton label="v"><points label="toe" points="1,2"/></skeleton>'),
         "skeleton 1 has the point 'toe', need SL, SR, IL and IR"),
        (document('<skeleton label="v">' + '<points label="SL" points="1,2"/>' * 2 + "</skeleton>"),
         "skeleton 1 has the corner SL twice"),
        (document('<tag label="film"><attribute name="spondyl">{</attribute></tag>',
                  *DRAWN["polygons"]), "the attribute 'spondyl' is not JSON"),
    ],
)  # fmt: skip
def test_an_impossible_film_is_a_problem_of_one_line(tmp_path, make_film, text, message):
    found = read(tmp_path, make_film, text)
    assert not found.samples
    assert [p.message.startswith(message) for p in found.problems] == [True], found.problems


def test_entities_of_xml_itself_are_understood():
    assert parse_xml(b'<a b="&lt;&quot;">&amp;</a>').text == "&"
