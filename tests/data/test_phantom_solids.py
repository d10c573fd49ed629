from dataclasses import replace

import numpy as np
import pytest

from spondyl.data.phantom_solids import Dent, Solid, lay_solid

CORNERS = np.array([[40.0, 40.3], [100.0, 40.3], [40.0, 88.6], [100.0, 88.6]])
BLOCK = Solid(CORNERS, (0, 0), (0, 0), 0.0, (0, 0), (1.5, 1.5), 1.0, marrow=1.0, cortex=1.0)


def drawn(solid):
    canvas = np.zeros((130, 150), dtype=np.float32)
    lay_solid(canvas, np.random.default_rng(0), solid)
    return canvas


def crossing(profile, level):
    """Where a rising profile passes the level, between pixel centres."""
    k = int(np.argmax(profile > level))
    return k - 1 + (level - profile[k - 1]) / (profile[k] - profile[k - 1])


def test_a_ray_through_the_middle_passes_the_whole_body():
    assert drawn(BLOCK)[64, 75] == pytest.approx(1.0, abs=1e-4)
    assert drawn(BLOCK)[20, 75] == 0.0


def test_the_edge_of_an_endplate_lies_at_the_line_of_its_corners():
    canvas = drawn(BLOCK)
    for column in (60, 75, 90):
        whole = canvas[64, column]
        assert crossing(canvas[:64, column], whole / 2) == pytest.approx(40.3, abs=0.1)
        assert 129 - crossing(canvas[:64:-1, column], whole / 2) == pytest.approx(88.6, abs=0.1)


def test_an_oblique_beam_doubles_an_endplate_about_the_line_of_its_corners():
    """Two contours, of the near and the far rim, and the line in their middle."""
    thin = replace(BLOCK, lean=(0.0, 6.0), marrow=0.0, hollow=(3.0, 3.0))
    profile = drawn(thin)[25:60, 75]
    straight = drawn(replace(BLOCK, lean=(0.0, 6.0)))[:64, 75]
    assert crossing(straight, straight[-1] / 2) == pytest.approx(40.3, abs=0.1)
    assert (profile > 0.02).sum() > 2 * (drawn(replace(thin, lean=(0, 0)))[25:60, 75] > 0.02).sum()


@pytest.mark.parametrize("tilt", [-0.4, 0.0, 0.7])
def test_a_tilted_endplate_is_drawn_at_its_corners_too(tilt):
    cos, sin = np.cos(tilt), np.sin(tilt)
    middle = CORNERS.mean(axis=0)
    turned = (CORNERS - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle
    canvas = drawn(replace(BLOCK, corners=turned))
    upper = turned[:2].mean(axis=0)
    out = (upper - middle) / np.linalg.norm(upper - middle)
    from scipy.ndimage import map_coordinates

    along = np.arange(-8, 8, 0.05)
    values = map_coordinates(canvas, (upper + along[:, None] * -out).T[::-1], order=1)
    assert along[int(np.argmax(values > 0.5 * values[-1]))] == pytest.approx(0, abs=0.25)


def test_the_cortex_is_brightest_where_the_beam_is_tangent():
    bright = drawn(replace(BLOCK, cortex=5.0))
    assert bright[41, 75] > 3 * bright[64, 75]
    assert bright[64, 99] > 1.5 * bright[64, 75]  # the flat posterior wall
    assert bright[64, 99] > bright[64, 41]  # more than the rounded anterior one


def test_the_front_thins_out_as_an_axial_section_does():
    row = drawn(replace(BLOCK, wall=0.0))[64]
    assert row[41] < 0.6 * row[75]
    assert (np.diff(row[41:60]) >= -1e-5).all()


def test_a_node_dents_an_endplate_where_it_is_and_nowhere_else():
    node = replace(BLOCK, dents=(Dent(False, 0.0, 0.2, 7.0),))
    difference = drawn(BLOCK) - drawn(node)
    assert difference[44, 70] > 0.2
    assert np.abs(difference[:, :55]).max() < 0.01
    assert np.abs(difference[70:]).max() < 0.01


def test_sclerosis_is_dense_beside_its_endplate():
    change = drawn(replace(BLOCK, sclerosis=(0.8, 0.0))) / np.maximum(drawn(BLOCK), 1e-6)
    assert change[45, 75] > 1.4
    assert change[80, 75] < 1.05


def test_texture_has_no_mean_and_a_body_off_the_film_adds_nothing():
    grained = drawn(replace(BLOCK, grain=0.2))[48:80, 55:90]
    assert grained.std() > 0.05
    assert grained.mean() == pytest.approx(drawn(BLOCK)[48:80, 55:90].mean(), rel=0.15)
    assert not drawn(replace(BLOCK, corners=CORNERS + 500)).any()
