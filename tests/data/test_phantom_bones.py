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


def laid(lay, *, seed=0, shape=(260, 300)):
    """What one call adds to an empty canvas."""
    canvas = np.zeros(shape, dtype=np.float32)
    lay(canvas, np.random.default_rng(seed))
    return canvas


def weighted_middle(canvas):
    y, x = np.indices(canvas.shape)
    return np.array([(x * canvas).sum(), (y * canvas).sum()]) / canvas.sum()


def test_bodies_add_up_where_they_overlap(rng):
    both = np.zeros((260, 300), dtype=np.float32)
    lay_body(both, rng, Body(CORNERS), BONE)
    lay_body(both, rng, Body(CORNERS + [20, 30]), BONE)
    alone = [laid(lambda c, r, s=s: lay_body(c, r, Body(CORNERS + s), BONE)) for s in (0, [20, 30])]
    np.testing.assert_allclose(both, alone[0] + alone[1], atol=1e-5)


@pytest.mark.parametrize("move", [(40, 0), (0, 55), (-50, -40)])
def test_a_body_moves_with_its_corners(move):
    still = laid(lambda c, r: lay_body(c, r, Body(CORNERS), BONE))
    moved = laid(lambda c, r: lay_body(c, r, Body(CORNERS + move), BONE))
    back = np.roll(moved, (-move[1], -move[0]), axis=(0, 1))
    np.testing.assert_allclose(back, still, atol=1e-4)


def test_a_body_is_laid_alike_from_the_left_and_from_the_right():
    """The canvas mirrored is the body of the mirrored corners: SL becomes SR."""
    skewed = CORNERS + [[3, 0], [-4, 6], [0, 2], [8, -5]]
    mirrored = skewed[[1, 0, 3, 2]] * [-1, 1] + [299, 0]
    straight = laid(lambda c, r: lay_body(c, r, Body(skewed), BONE))
    other = laid(lambda c, r: lay_body(c, r, Body(mirrored), BONE))
    np.testing.assert_allclose(other[:, ::-1], straight, atol=2e-3)  # of 0.2: float32 at an edge


def test_a_body_is_as_bright_as_its_bone_is_dense():
    thin = BodyLook(0.05, 0.025, 0.05, 0.0, 1.3, 4.0)
    dense = laid(lambda c, r: lay_body(c, r, Body(CORNERS), BONE))
    porous = laid(lambda c, r: lay_body(c, r, Body(CORNERS), thin))
    np.testing.assert_allclose(2 * porous, dense, atol=1e-5)


def test_trabeculae_make_the_marrow_uneven_and_not_brighter():
    smooth = BodyLook(1.0, 0.0, 0.0, 0.0, 1.3, 4.0)
    grainy = BodyLook(1.0, 0.0, 0.0, 0.1, 1.3, 4.0)
    inner = np.s_[75:105, 75:115]
    flat = laid(lambda c, r: lay_body(c, r, Body(CORNERS), smooth))[inner]
    rough = [laid(lambda c, r: lay_body(c, r, Body(CORNERS), grainy), seed=s)[inner]
             for s in range(6)]  # fmt: skip
    assert np.mean(rough) == pytest.approx(flat.mean(), rel=0.08)
    assert np.mean([np.std(r - flat) for r in rough]) == pytest.approx(0.1, rel=0.5)


def test_walls_of_cortex_are_brighter_than_the_marrow_between_them(canvas, rng):
    lay_body(canvas, rng, Body(CORNERS), BodyLook(0.1, 0.1, 0.0, 0.0, 1.3, 4.0))
    row = canvas[90]
    assert row[61] > 1.3 * row[95]
    assert row[129] > 1.3 * row[95]


@pytest.mark.parametrize("degrees", [-35.0, 0.0, 20.0])
def test_the_frame_behind_a_body_turns_and_grows_with_it(degrees):
    """At 2 px a mm a body 70 px deep is one of 35 mm; the frame's axes stay square."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame = frame_behind(CORNERS @ turn.T, 2.0)
    np.testing.assert_allclose(frame.posterior, turn @ [1, 0], atol=1e-9)
    np.testing.assert_allclose(frame.down, turn @ [0, 1], atol=1e-9)
    np.testing.assert_allclose(frame.origin, turn @ CORNERS[1])
    assert frame.scale == pytest.approx(2.0)
    larger = frame_behind(2 * CORNERS, 2.0)
    assert larger.scale == pytest.approx(3.0)  # halfway between the body's and the film's


def test_shifting_a_frame_twice_is_shifting_it_once():
    frame = frame_behind(CORNERS, 1.5)
    twice, once = frame.shifted(3, 4).shifted(-1, 6), frame.shifted(2, 10)
    np.testing.assert_allclose(twice.origin, once.origin)
    np.testing.assert_allclose(twice.to_film([(1, 2), (3, 4)]), once.to_film([(1, 2), (3, 4)]))


def test_ribs_become_longer_towards_the_head_and_run_forward():
    """Facing left, a rib leaves the spine backwards and then sweeps forward and down."""
    corners = np.array([[400.0, 60], [470, 60], [400, 120], [470, 120]])
    found = [
        laid(lambda c, r, o=o: lay_ribs(c, r, frame_behind(corners, 2.0), o, 0.05),
             shape=(500, 700)) for o in range(5)
    ]  # fmt: skip
    reach = [np.nonzero(rib.max(axis=1) > 0.005)[0].max() for rib in found]
    assert reach == sorted(reach)
    assert reach[-1] > reach[0] + 60
    front = [np.nonzero(rib.max(axis=0) > 0.005)[0].min() for rib in found]
    assert front[-1] < front[0] - 60


def test_the_pelvis_is_below_the_sacral_plate_for_the_most_part():
    corners = np.array([[300.0, 200], [350, 160], [310, 240], [350, 210]])
    canvas = laid(lambda c, r: lay_pelvis(c, r, frame_of_pelvis(corners, 1.5)), shape=(600, 600))
    x, y = weighted_middle(canvas)
    assert y > 230
    assert abs(x - 325) < 80


def test_the_sacrum_is_drawn_stronger_as_it_is_denser():
    faint, strong = (
        laid(lambda c, r, s=s: lay_sacrum(c, r, CORNERS, 1.0, s)) for s in (0.02, 0.06)
    )
    np.testing.assert_allclose(strong, 3 * faint, atol=1e-5)


def test_left_and_right_halves_of_the_posterior_elements_are_not_the_same_twice():
    first, second = (
        laid(lambda c, r: lay_posterior(c, r, frame_behind(CORNERS, 2.0), 0.1), seed=s)
        for s in (1, 2)
    )
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.6
    assert not np.array_equal(first, second)
