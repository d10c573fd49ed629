import numpy as np
import pytest

from spondyl.data.phantom_canvas import (
    Body,
    Box,
    cloud,
    coverage,
    curve,
    ellipse,
    enlarged,
    lay_line,
    lay_polygon,
)

SHAPE = (90, 100)
WHOLE = Box(0, 0, 100, 90)
CORNERS = np.array([[20.3, 25.8], [71.6, 14.45], [27.2, 66.9], [76.15, 61.3]])


def polygon_moments(corners):
    """Area, centroid and second moments about it, by Green's theorem."""
    p = corners[[0, 1, 3, 2]]
    p = p - p.mean(axis=0)
    (x, y), (u, v) = p.T, np.roll(p, -1, axis=0).T
    cross = x * v - u * y
    area = cross.sum() / 2
    centre = np.array([((x + u) * cross).sum(), ((y + v) * cross).sum()]) / (6 * area)
    xx = ((x * x + x * u + u * u) * cross).sum() / (12 * area) - centre[0] ** 2
    yy = ((y * y + y * v + v * v) * cross).sum() / (12 * area) - centre[1] ** 2
    return area, centre + corners.mean(axis=0), xx, yy


def drawn_moments(mask):
    y, x = np.indices(mask.shape)
    area = mask.sum()
    cx, cy = (x * mask).sum() / area, (y * mask).sum() / area
    xx, yy = ((x - cx) ** 2 * mask).sum() / area, ((y - cy) ** 2 * mask).sum() / area
    return area, np.array([cx, cy]), xx, yy


def test_a_body_has_the_area_and_the_moments_of_its_quadrilateral():
    mask = coverage(Body(CORNERS).distance(WHOLE)).astype(np.float64)
    area, centre, xx, yy = polygon_moments(CORNERS)
    found = drawn_moments(mask)
    assert found[0] == pytest.approx(area, rel=5e-4)
    np.testing.assert_allclose(found[1], centre, atol=0.01)
    assert found[2] == pytest.approx(xx, rel=2e-3)
    assert found[3] == pytest.approx(yy, rel=2e-3)


def sampled(image, points):
    from scipy.ndimage import map_coordinates

    return map_coordinates(image, points.T[::-1], order=1)


def crossing(image, start, end):
    """How far from ``start`` towards ``end`` the image falls through a half, px."""
    steps = np.linspace(0, 1, 2001)
    values = sampled(image, start + steps[:, None] * (end - start))
    return np.interp(0.5, values[::-1], steps[::-1]) * np.linalg.norm(end - start)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 3), (3, 2), (2, 0)])
def test_an_edge_stands_where_the_corners_say(first, second):
    mask = coverage(Body(CORNERS).distance(WHOLE))
    along = CORNERS[second] - CORNERS[first]
    outward = np.array([along[1], -along[0]]) / np.linalg.norm(along)
    share, across = np.linspace(0.3, 0.7, 101), np.linspace(-4, 4, 801)
    at = (CORNERS[first] + share[:, None] * along)[:, None] + across[:, None] * outward
    inside = 8 * sampled(mask, at.reshape(-1, 2)).mean()  # px, the mean over places on the edge
    assert inside == pytest.approx(4, abs=0.02)


@pytest.mark.parametrize("rounding", [0.0, 2.0, 6.0])
def test_a_rounded_outline_passes_through_the_four_corners(rounding):
    corners = np.round(CORNERS)  # so that the corners are pixels of the grid
    body = Body(corners, (3.0, 2.0, 3.0, 2.0), rounding)
    distance = body.distance(WHOLE)
    columns, rows = corners.astype(int).T
    np.testing.assert_allclose(distance[rows, columns], 0, atol=1e-4)


@pytest.mark.parametrize("rounding", [3.0, 4.0, 5.0])
def test_the_half_intensity_at_a_corner_is_within_a_tenth_of_a_pixel(rounding):
    mask = coverage(Body(CORNERS, rounding=rounding).distance(WHOLE))
    centre = CORNERS.mean(axis=0)
    for corner in CORNERS:
        outward = (corner - centre) / np.linalg.norm(corner - centre)
        found = crossing(mask, corner - 3 * outward, corner + 3 * outward)
        assert found == pytest.approx(3, abs=0.1)


def test_a_hollow_side_is_sunk_by_what_was_asked_in_its_middle():
    corners = np.array([[20.0, 30], [60, 30], [20, 70], [60, 70]])
    mask = coverage(Body(corners, (4.0, 0.0, 0.0, 0.0)).distance(WHOLE))
    middle = np.array([40.0, 30.0])
    found = crossing(mask, middle + [0, 10], middle - [0, 10])
    assert found == pytest.approx(10 - 4, abs=0.02)


def test_a_body_beyond_the_border_is_drawn_as_far_as_the_film_goes():
    box = Box.around(CORNERS - [60, 0], 2, SHAPE)
    assert box.left == 0
    inside = coverage(Body(CORNERS - [60, 0]).distance(box))
    whole = coverage(Body(CORNERS).distance(WHOLE))
    np.testing.assert_allclose(inside, whole[box.top : box.bottom, 60 : 60 + box.right], atol=1e-4)


@pytest.mark.parametrize("softness", [0.5, 1.0, 4.0])
def test_a_soft_polygon_adds_its_area_times_its_strength(softness):
    canvas = np.zeros(SHAPE, dtype=np.float32)
    lay_polygon(canvas, np.array([[30.0, 30], [60, 30], [60, 60], [30, 60]]), 0.25, softness)
    assert canvas.sum() == pytest.approx(0.25 * 900, rel=0.15)
    assert canvas.max() == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("width", [0.25, 1.0, 5.0])
def test_a_line_adds_its_length_times_its_width(width):
    canvas = np.zeros(SHAPE, dtype=np.float32)
    lay_line(canvas, np.array([[20.0, 45.0], [70.0, 45.0]]), width, 1.0, 0.6)
    assert canvas.sum() == pytest.approx(50 * width, rel=0.25)
    y, _ = np.indices(SHAPE)
    assert (y * canvas).sum() / canvas.sum() == pytest.approx(45, abs=0.5)


def test_shapes_outside_the_canvas_change_nothing():
    canvas = np.zeros(SHAPE, dtype=np.float32)
    lay_polygon(canvas, CORNERS + 500, 1.0, 1.0)
    lay_line(canvas, CORNERS - 500, 2.0, 1.0, 1.0)
    assert not canvas.any()


def test_a_curve_passes_through_its_points():
    points = np.array([[0.0, 0.0], [10.0, 5.0], [20.0, -3.0], [25.0, 12.0]])
    smooth = curve(points, 8)
    np.testing.assert_allclose(smooth[::8], points, atol=1e-12)


def test_clouds_have_no_mean_and_about_unit_deviation():
    found = cloud(np.random.default_rng(0), (300, 300), 8.0, 3)
    assert abs(found.mean()) < 0.15
    assert 0.6 < found.std() < 1.6


def test_enlarging_keeps_a_constant():
    np.testing.assert_allclose(enlarged(np.full((5, 7), 0.3, np.float32), (11, 13)), 0.3, atol=1e-6)


@pytest.mark.parametrize(
    ("points", "margin", "expected"),
    [
        ([[10.2, 20.7], [30.9, 40.1]], 0, (10, 20, 32, 42)),
        ([[10.2, 20.7], [30.9, 40.1]], 2, (8, 18, 34, 44)),
        ([[-50.0, -50], [200, 200]], 5, (0, 0, 100, 90)),
    ],
)
def test_a_box_holds_its_points_and_no_pixel_outside_the_film(points, margin, expected):
    box = Box.around(np.array(points), margin, SHAPE)
    assert (box.left, box.top, box.right, box.bottom) == expected
    x, y = box.grid()
    assert (x.shape, y.shape) == ((1, expected[2] - expected[0]), (expected[3] - expected[1], 1))
    assert np.zeros(SHAPE)[box.rows_columns].shape == (y.size, x.size)
    assert not box.empty


@pytest.mark.parametrize("move", [[500, 0], [-500, 0], [0, 500], [0, -500]])
def test_a_box_off_the_film_is_empty(move):
    assert Box.around(CORNERS + move, 3, SHAPE).empty


def test_the_distance_is_signed_and_in_pixels():
    corners = np.array([[20.0, 30], [60, 30], [20, 70], [60, 70]])
    distance = Body(corners).distance(WHOLE)
    assert distance[50, 40] == pytest.approx(-20)
    assert distance[50, 25] == pytest.approx(-5)
    assert distance[50, 70] == pytest.approx(10)
    assert distance[20, 40] == pytest.approx(10)


@pytest.mark.parametrize(
    ("distance", "softness", "expected"),
    [(0, 1, 0.5), (0.25, 1, 0.25), (-0.25, 1, 0.75), (1, 4, 0.25), (-9, 1, 1), (9, 1, 0)],
)
def test_coverage_is_a_ramp_of_the_softness(distance, softness, expected):
    found = coverage(np.full((1, 1), distance, np.float32), softness)
    assert found[0, 0] == pytest.approx(expected)


def test_hollow_sides_take_two_thirds_of_their_depth_times_their_length():
    """A parabola's area: the four sides of a 40 px square, 3 px deep each."""
    corners = np.array([[20.0, 30], [60, 30], [20, 70], [60, 70]])
    full = coverage(Body(corners).distance(WHOLE)).sum()
    sunk = coverage(Body(corners, (3.0, 0.0, 3.0, 0.0)).distance(WHOLE)).sum()
    assert full - sunk == pytest.approx(2 * 2 / 3 * 3 * 40, rel=0.01)


@pytest.mark.parametrize("degrees", [0, 30, 90])
def test_an_ellipse_has_its_radii_along_its_axes(degrees):
    tilt = np.deg2rad(degrees)
    points = ellipse((50.0, 40.0), (20.0, 8.0), tilt) - [50, 40]
    axis = np.array([np.cos(tilt), np.sin(tilt)])
    along, across = points @ axis, points @ [-axis[1], axis[0]]
    np.testing.assert_allclose((along / 20) ** 2 + (across / 8) ** 2, 1, atol=1e-12)
    np.testing.assert_allclose(points[0], points[-1], atol=1e-12)


def test_a_curve_through_a_line_is_the_line_at_even_steps():
    points = np.stack([np.linspace(0, 30, 4), np.linspace(5, 65, 4)], axis=1)
    smooth = curve(points, 10)
    assert smooth.shape == (31, 2)
    np.testing.assert_allclose(smooth, np.stack([np.linspace(0, 30, 31),
                               np.linspace(5, 65, 31)], axis=1), atol=1e-9)  # fmt: skip


@pytest.mark.parametrize("softness", [0.6, 2.0])
def test_shapes_that_overlap_add_up_and_can_be_taken_away(softness):
    square = np.array([[30.0, 30], [60, 30], [60, 60], [30, 60]])
    canvas = np.zeros(SHAPE, dtype=np.float32)
    lay_polygon(canvas, square, 0.5, softness)
    once = canvas.copy()
    lay_polygon(canvas, square, 0.5, softness)
    np.testing.assert_allclose(canvas, 2 * once, atol=1e-6)
    lay_polygon(canvas, square, -1.0, softness)
    np.testing.assert_allclose(canvas, 0, atol=1e-6)


def test_a_polygon_lies_where_its_points_are():
    canvas = np.zeros(SHAPE, dtype=np.float32)
    lay_polygon(canvas, np.array([[20.0, 30], [50, 30], [50, 70], [20, 70]]), 1.0, 0.6)
    y, x = np.indices(SHAPE)
    middle = (x * canvas).sum() / canvas.sum(), (y * canvas).sum() / canvas.sum()
    assert middle == pytest.approx((35, 50), abs=0.3)


def test_a_larger_cell_makes_a_smoother_cloud():
    rough, smooth = (cloud(np.random.default_rng(1), (200, 200), cell) for cell in (3.0, 24.0))
    steps = [np.abs(np.diff(c, axis=1)).mean() / c.std() for c in (rough, smooth)]
    assert steps[0] > 4 * steps[1]
