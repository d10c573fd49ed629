"""What lies beyond a shutter is black, and does not count when a film is stretched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from film.dx import write
from spondyl.errors import FilmError
from spondyl.film.reading import read_radiograph
from spondyl.film.shutter import unshuttered

RECTANGLE = {"LeftVerticalEdge": 11, "RightVerticalEdge": 30, "UpperHorizontalEdge": 6,
             "LowerHorizontalEdge": 65}  # fmt: skip


def header(kind: str, shapes: object, **more: object) -> Dataset:
    """``more`` names tags without the kind, which stands before or after: LeftVerticalEdge=1."""
    data = Dataset()
    setattr(data, f"{kind}Shape", shapes)
    for name, value in more.items():
        whole = f"{kind}{name}" if name.endswith("Edge") else f"{name}{kind}"
        setattr(data, whole, value)
    return data


def seen(data: Dataset, *, height: int = 80, width: int = 96, aspect: float = 1.0) -> np.ndarray:
    return unshuttered(data, (height, width), aspect)


class TestShapes:
    """Pixels are counted by hand: rows and columns begin at 1, and the edges are seen."""

    def test_a_rectangle(self):
        mask = seen(header("Shutter", "RECTANGULAR", **RECTANGLE))
        assert mask.sum() == 20 * 60  # columns 11 to 30, rows 6 to 65
        assert mask[5:65, 10:30].all()

    def test_a_circle(self):
        found = seen(header("Shutter", "CIRCULAR", CenterOfCircular=[21, 41], RadiusOfCircular=5))
        assert found.sum() == 81  # points with whole x, y in a circle of radius 5 (OEIS A000328)
        rows, columns = np.nonzero(found)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 25, 35, 45)

    def test_a_circle_is_round_in_mm(self):
        """Pixels twice as high as wide: the radius is in columns, so half as many rows."""
        data = header("Shutter", "CIRCULAR", CenterOfCircular=[41, 41], RadiusOfCircular=20)
        rows, columns = np.nonzero(seen(data, aspect=2.0))
        assert (np.ptp(rows), np.ptp(columns)) == (20, 40)

    def test_a_polygon(self):
        # row, column of each vertex: a right angle with legs of 10
        data = header("Shutter", "POLYGONAL", VerticesOfThePolygonal=[11, 11, 11, 21, 21, 11])
        assert seen(data).sum() == 66  # whole points in it, edges included: 11 + 10 + ... + 1

    def test_a_polygon_that_is_a_rectangle_is_the_rectangle(self):
        corners = [6, 11, 6, 30, 65, 30, 65, 11]
        polygon = seen(header("Shutter", "POLYGONAL", VerticesOfThePolygonal=corners))
        np.testing.assert_array_equal(polygon, seen(header("Shutter", "RECTANGULAR", **RECTANGLE)))

    def test_shapes_together_leave_the_least(self):
        rectangle = header("Shutter", "RECTANGULAR", **RECTANGLE)
        circle = {"CenterOfCircular": [36, 21], "RadiusOfCircular": 12}
        both = header("Shutter", ["RECTANGULAR", "CIRCULAR"], **RECTANGLE, **circle)
        expected = seen(rectangle) & seen(header("Shutter", "CIRCULAR", **circle))
        np.testing.assert_array_equal(seen(both), expected)
        assert expected.sum() < min(seen(rectangle).sum(), 441)

    @pytest.mark.parametrize(
        ("shapes", "more"),
        [
            ("RECTANGULAR", {"LeftVerticalEdge": 30, "RightVerticalEdge": 11,
                             "UpperHorizontalEdge": 6, "LowerHorizontalEdge": 65}),
            ("RECTANGULAR", {"LeftVerticalEdge": 5}),
            ("RECTANGULAR", {"LeftVerticalEdge": 1, "RightVerticalEdge": 96,
                             "UpperHorizontalEdge": 1, "LowerHorizontalEdge": 80}),
            ("RECTANGULAR", {"LeftVerticalEdge": -5, "RightVerticalEdge": 900,
                             "UpperHorizontalEdge": 0, "LowerHorizontalEdge": 81}),
            ("CIRCULAR", {"CenterOfCircular": [20, 20], "RadiusOfCircular": 0}),
            ("CIRCULAR", {"RadiusOfCircular": 9}),
            ("POLYGONAL", {"VerticesOfThePolygonal": [1, 1, 5, 5]}),
            ("POLYGONAL", {"VerticesOfThePolygonal": [1, 1, 1, 2_000_000_000, 80, 96]}),
            ("BITMAP", {}),
            ("", {}),
        ],
    )  # fmt: skip
    def test_a_shape_that_says_nothing_hides_nothing(self, shapes, more):
        assert seen(header("Shutter", shapes, **more)).all()


def test_shutter_and_collimator_count_together():
    data = header("Shutter", "RECTANGULAR", **RECTANGLE)
    wide = RECTANGLE | {"LeftVerticalEdge": 21, "RightVerticalEdge": 96}
    data.update(header("Collimator", "RECTANGULAR", **wide))
    assert seen(data).sum() == 10 * 60


def test_a_round_collimator_counts_like_a_shutter_where_it_leaves_enough():
    data = {"CenterOfCircular": [41, 49], "RadiusOfCircular": 30}
    beam, shutter = (seen(header(kind, "CIRCULAR", **data)) for kind in ("Collimator", "Shutter"))
    np.testing.assert_array_equal(beam, shutter)
    assert not beam.all()


def test_a_collimator_in_another_frame_than_the_film_hides_nothing():
    edges = {"LeftVerticalEdge": -184, "RightVerticalEdge": 9}  # as a real header has them
    beam = header("Collimator", "RECTANGULAR", **(RECTANGLE | edges))
    assert seen(beam).all()


@given(
    st.tuples(st.integers(-9, 99), st.integers(-9, 99)),
    st.tuples(st.integers(-9, 99), st.integers(-9, 99)),
)
@settings(deadline=None)
def test_a_rectangle_shows_the_pixels_between_its_edges(columns, rows):
    (left, right), (upper, lower) = columns, rows
    data = header("Shutter", "RECTANGULAR", LeftVerticalEdge=left, RightVerticalEdge=right,
                  UpperHorizontalEdge=upper, LowerHorizontalEdge=lower)  # fmt: skip
    row, column = np.mgrid[1:81, 1:97]
    inside = (column >= left) & (column <= right) & (row >= upper) & (row <= lower)
    expected = inside if left < right and upper < lower else np.ones_like(inside)
    np.testing.assert_array_equal(seen(data), expected)


class TestFilm:
    """A film with a shutter, as it is read."""

    STORED = 1000 + np.arange(80 * 96).reshape(80, 96) % 1000

    def read(self, tmp_path, **tags: object):
        stored = self.STORED.copy()
        stored[:, :10] = 4095  # the bare plate beyond the shutter, brighter than any bone
        data = header("Shutter", "RECTANGULAR", **(RECTANGLE | {"RightVerticalEdge": 90}))
        shutter = {element.keyword: element.value for element in data} | tags
        return read_radiograph(write(tmp_path / "film.dcm", stored, **shutter)).pixels

    @pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
    def test_what_lies_beyond_is_black_and_does_not_stretch_the_film(self, tmp_path, kind):
        pixels = self.read(tmp_path, PhotometricInterpretation=kind)
        shown = self.STORED[5:65, 10:90]
        bright = (shown - shown.min()) / np.ptp(shown)
        expected = 1 - bright if kind == "MONOCHROME1" else bright
        np.testing.assert_allclose(pixels[5:65, 10:90], expected, atol=1e-6)
        assert np.count_nonzero(pixels) == np.count_nonzero(expected)
        assert (pixels[:5] == 0).all()

    def test_padding_within_the_shutter_stays_black(self, tmp_path):
        pixels = self.read(tmp_path, PixelPaddingValue=1000, PixelPaddingRangeLimit=1099)
        shown = self.STORED[5:65, 10:90]
        padding = shown < 1100
        assert not pixels[5:65, 10:90][padding].any()
        assert np.count_nonzero(pixels == 1) == np.count_nonzero(shown == shown.max())

    def test_a_film_that_lies_wholly_beyond_is_blank(self, tmp_path):
        with pytest.raises(FilmError, match="blank, every pixel lies beyond the shutter"):
            self.read(tmp_path, ShutterShape="CIRCULAR", CenterOfCircularShutter=[500, 500],
                      RadiusOfCircularShutter=9)  # fmt: skip
