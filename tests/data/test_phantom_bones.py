import numpy as np
import pytest

from spondyl.data.phantom_bones import (
    BodyLook,
    frame_behind,
    frame_of_pelvis,
    lay_body,
    lay_pelvis,
    lay_posterior,
    lay_ribs,
    lay_sacrum,
)
from spondyl.data.phantom_canvas import Body

CORNERS = np.array([[60.0, 60.0], [130.0, 60.0], [60.0, 120.0], [130.0, 120.0]])  # 2 px a mm
MARROW = BodyLook(marrow=1.0, cortex=0.0, endplate=0.0, grain=0.0, rim=1e-3, double=0.0)
BONE = BodyLook(marrow=0.1, cortex=0.05, endplate=0.1, grain=0.0, rim=1.3, double=4.0)


@pytest.fixture
def canvas():
    return np.zeros((260, 300), dtype=np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_body_of_marrow_alone_fills_its_quadrilateral(canvas, rng):
    lay_body(canvas, rng, Body(CORNERS), MARROW)
    y, x = np.nonzero(canvas > 0.3)
    assert (x.min(), x.max(), y.min(), y.max()) == (60, 130, 60, 120)
    assert (x * 1.0).mean() == pytest.approx(95, abs=0.1)
    assert (y * 1.0).mean() == pytest.approx(90, abs=0.1)
    assert canvas[0:58].max() == canvas[:, 133:].max() == 0


def test_endplates_are_brighter_than_the_marrow(canvas, rng):
    lay_body(canvas, rng, Body(CORNERS), BONE)
    column = canvas[:, 95]
    assert abs(int(np.argmax(column)) - 61) <= 1 or abs(int(np.argmax(column)) - 119) <= 1
    assert column[61] > 1.5 * column[90]
    assert column[119] > 1.5 * column[90]


def test_a_fused_endplate_is_fainter(canvas, rng):
    fused = BodyLook(0.1, 0.0, 0.1, 0.0, 1.3, 4.0, inferior=0.3)
    lay_body(canvas, rng, Body(CORNERS), fused)
    assert canvas[119, 95] < canvas[61, 95]


def test_a_body_outside_the_film_changes_nothing(canvas, rng):
    lay_body(canvas, rng, Body(CORNERS + 1000), BONE)
    assert not canvas.any()


def test_the_frame_behind_a_body_points_backwards_and_down():
    frame = frame_behind(CORNERS, 2.0)
    np.testing.assert_allclose(frame.to_film((10, 0)), [[150, 60]])
    np.testing.assert_allclose(frame.to_film((0, 10)), [[130, 80]])
    np.testing.assert_allclose(frame.shifted(10, 5).origin, [150, 70])


def test_the_posterior_elements_lie_behind_the_body(canvas, rng):
    lay_posterior(canvas, rng, frame_behind(CORNERS, 2.0), 0.1)
    _, x = np.indices(canvas.shape)
    assert canvas.sum() > 0
    assert (x * canvas).sum() / canvas.sum() > 140


def test_the_pelvis_turns_with_the_sacrum():
    flat = frame_of_pelvis(CORNERS, 2.0)
    tilted = CORNERS.copy()
    tilted[1, 1] -= 70 * np.tan(np.deg2rad(40))
    np.testing.assert_allclose(frame_of_pelvis(tilted, 2.0).posterior, [1, 0], atol=1e-9)
    assert flat.posterior[1] > 0.3


@pytest.mark.parametrize(
    "lay",
    [
        lambda canvas, rng: lay_pelvis(canvas, rng, frame_of_pelvis(CORNERS, 1.0)),
        lambda canvas, rng: lay_sacrum(canvas, rng, CORNERS, 1.0, 0.05),
        lambda canvas, rng: lay_ribs(canvas, rng, frame_behind(CORNERS, 1.0), 2, 0.05),
    ],
)
def test_bones_add_attenuation_and_never_take_any(canvas, rng, lay):
    lay(canvas, rng)
    assert canvas.min() >= 0
    assert canvas.sum() > 1


def test_the_sacrum_goes_on_below_s1(canvas, rng):
    lay_sacrum(canvas, rng, CORNERS, 1.0, 0.05)
    y, _ = np.indices(canvas.shape)
    assert (y * canvas).sum() / canvas.sum() > 120
