"""The vector overlay shows what the picture shows, and stands alone."""

import base64
import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from spondyl.spine.drawing import Dot, MarkedLine, Stroke, Words, canvas, describe
from spondyl.writing.measured import marked_lines
from spondyl.writing.svg import overlay_svg
from writing.measured_films import HOSTILE, MADE_BY, film

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn():
    measured, pixels = film(2)
    lines = marked_lines(measured.measurements)
    drawing = describe(pixels.geometry, measured.sample.landmarks, lines=lines)
    return drawing, ElementTree.fromstring(overlay_svg(pixels, drawing, made_by=MADE_BY)), pixels


def test_every_shape_is_there_once_with_its_kind_its_place_and_its_title(drawn) -> None:
    drawing, root, _ = drawn
    shapes = [shape for shape in drawing.shapes if not isinstance(shape, Words)]
    groups = root.findall(f"{SVG}g/{SVG}g")
    assert [group.get("class") for group in groups] == [shape.kind for shape in shapes]
    assert {"endplate", "wall", "corner", "measured"} == {shape.kind for shape in shapes}
    for group, shape in zip(groups, shapes, strict=True):
        assert group.findtext(f"{SVG}title") == shape.title
        rim, own = list(group)[1:]
        if isinstance(shape, Dot):
            where = [float(own.get("cx")), float(own.get("cy"))]
            np.testing.assert_allclose(where, shape.at, atol=0.006)
            assert float(rim.get("r")) > float(own.get("r"))
        else:
            path = [[float(n) for n in pair.split(",")] for pair in own.get("points").split()]
            np.testing.assert_allclose(path, shape.path, atol=0.006)
            assert float(rim.get("stroke-width")) > float(own.get("stroke-width"))


def test_the_words_of_the_picture_are_text(drawn) -> None:
    drawing, root, _ = drawn
    words = [shape.text for shape in drawing.shapes if isinstance(shape, Words)]
    assert [text.text for text in root.iter(f"{SVG}text")] == words
    assert any(word.startswith("slip ") for word in words)
    assert "research use only" in words


def test_the_film_is_in_the_file_and_nothing_is_outside(drawn) -> None:
    drawing, root, pixels = drawn
    [image] = root.iter(f"{SVG}image")
    kind, _, data = image.get("href").partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert np.array_equal(shown, np.asarray(canvas(pixels, drawing))[..., 0])
    references = [v for each in root.iter() for k, v in each.attrib.items() if "href" in k]
    assert references == [image.get("href")]


def test_what_made_it_is_in_its_metadata(drawn) -> None:
    _, root, _ = drawn
    assert json.loads(root.findtext(f"{SVG}metadata")) == MADE_BY


def test_hostile_words_stay_words() -> None:
    measured, pixels = film(2)
    line = MarkedLine((((9.0, 9.0), (50.0, 9.0)),), HOSTILE)
    drawing = describe(pixels.geometry, measured.sample.landmarks, lines=[line])
    text = overlay_svg(pixels, drawing, made_by={"weights": HOSTILE})
    root = ElementTree.fromstring(text)
    assert not list(root.iter(f"{SVG}script"))
    assert HOSTILE in [each.text for each in root.iter(f"{SVG}text")]
    assert json.loads(root.findtext(f"{SVG}metadata")) == {"weights": HOSTILE}


def test_the_ellipse_of_a_corner_holds_nine_tenths_of_its_errors() -> None:
    """Normal errors of a known covariance, counted in the drawn ellipse."""
    measured, pixels = film(2)
    found = measured.sample.landmarks
    covariance = np.full((len(found), 4, 2, 2), np.nan)
    covariance[0, 0] = [[9.0, 3.0], [3.0, 4.0]]
    told = replace(found, covariance=covariance)
    drawing = describe(pixels.geometry, told, ellipses=True, long_side=400)
    [ellipse] = [
        shape
        for shape in drawing.shapes
        if isinstance(shape, Stroke) and shape.kind == "uncertainty"
    ]
    centre = found.points[0, 0]
    errors = np.random.default_rng(0).multivariate_normal([0, 0], covariance[0, 0], 20_000)
    path = np.array(ellipse.path) - centre
    angles = np.arctan2(path[:, 1], path[:, 0])
    order = np.argsort(angles)
    reach = np.interp(
        np.arctan2(errors[:, 1], errors[:, 0]), angles[order],
        np.linalg.norm(path, axis=1)[order], period=2 * np.pi,
    )  # fmt: skip
    assert (np.linalg.norm(errors, axis=1) < reach).mean() == pytest.approx(0.9, abs=0.01)
