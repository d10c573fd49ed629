import numpy as np
import pytest

from spondyl.data.phantom_canvas import (
    Body,
    Box,
    cloud,
    coverage,
    curve,
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
