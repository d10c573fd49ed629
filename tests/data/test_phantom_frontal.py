import time
from itertools import pairwise

import numpy as np
import pytest

from spondyl.data.phantom_frontal import (
    FRONTAL_EFFECTS,
    SCOLIOSIS_FLAG,
    frontal_phantom,
    plan_frontal,
)
from spondyl.data.phantom_frontal_spine import FIRST, LAST, LEVELS
from spondyl.spine.curvature import cobb_angles

NAMES = tuple(name for name in LEVELS if name[0] in "TL")
WITH_ALL = 1  # a film of the series below on which every effect shows


@pytest.fixture(scope="module")
def plans():
    return [plan_frontal(np.random.default_rng([3, i]), long_side=1000) for i in range(300)]


@pytest.fixture(scope="module")
def films():
    return [frontal_phantom(11, index, long_side=256) for index in range(24)]


def whole(plans):
    return [p for p in plans if len(p.truth) == 17 and not np.isnan(p.truth.points).any()]


def test_the_same_seed_gives_the_same_film_whatever_came_before(films):
    again = frontal_phantom(11, 7, long_side=256)
    np.testing.assert_array_equal(again.radiograph.pixels, films[7].radiograph.pixels)
    np.testing.assert_array_equal(again.truth.points, films[7].truth.points)
    assert again.flags == films[7].flags
    assert films[6].truth.to_json() != films[7].truth.to_json()


def test_a_film_is_a_frontal_radiograph_without_a_facing(films):
    for film in films:
        radiograph = film.radiograph
        assert radiograph.height == 256
        assert radiograph.view == "ap"
        assert radiograph.pixels.dtype == np.float32
        assert radiograph.pixels.min() >= 0
        assert radiograph.pixels.max() <= 1
        assert radiograph.pixels.std() > 0.02
        assert film.truth.facing is None
        assert film.landmarks is film.truth
        assert film.complete_above
        assert film.complete_below


def test_a_whole_spine_is_t1_to_l5_and_a_part_of_it_a_run_without_a_gap(plans):
    for plan in plans:
        first = NAMES.index(plan.truth.names[0])
        assert plan.truth.names == NAMES[first : first + len(plan.truth)]
    assert len(NAMES) == 17
    assert 0.7 < np.mean([len(plan.truth) == 17 for plan in plans]) < 0.95


def test_the_challenges_cobb_angle_is_that_of_the_planned_curve(plans):
    """The middle lines of the drawn corners are tilted exactly as the column says."""
    for plan in whole(plans):
        tilt = np.degrees(plan.scene.column.tilt[FIRST : LAST + 1])
        largest = cobb_angles(plan.truth, height=plan.scene.height)[1]
        assert largest == pytest.approx(np.ptp(tilt), abs=1e-6)
        assert ("scoliosis" in plan.flags) == (np.ptp(tilt) >= SCOLIOSIS_FLAG)


def test_curves_go_from_straight_to_ninety_degrees_with_the_middle_half_of_real_films(plans):
    sizes = [np.degrees(np.ptp(p.scene.column.tilt[FIRST : LAST + 1])) for p in plans]
    low, quarter, half, upper, high = np.quantile(sizes, [0.02, 0.25, 0.5, 0.75, 0.98])
    assert low < 10
    assert high > 75
    assert (quarter, half, upper) == pytest.approx((22, 35, 51), abs=7)


def test_corners_are_the_right_way_round_and_no_two_bodies_cross(plans):
    for plan in plans:
        for body in plan.scene.column.corners:
            ring = body[[0, 1, 3, 2]]
            edges = np.roll(ring, -1, axis=0) - ring
            following = np.roll(edges, -1, axis=0)
            turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
            assert (turns > 0).all()  # convex, clockwise as seen with y down
            assert body[0, 0] < body[1, 0]
            assert body[2, 0] < body[3, 0]
        for upper, lower in pairwise(plan.scene.column.corners):
            along = upper[3] - upper[2] + lower[1] - lower[0]
            across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
            assert (lower[:2] @ across).min() > (upper[2:] @ across).max()


def test_bodies_grow_downwards_and_discs_are_thinner_than_bodies(plans):
    bodies = np.array([p.scene.column.corners[FIRST : LAST + 1] for p in plans])
    width = np.linalg.norm(bodies[:, :, 1] - bodies[:, :, 0], axis=2)
    width = width / width[:, 12:].mean(axis=1, keepdims=True)
    mean = width.mean(axis=0)
    assert (np.diff(mean[3:]) > 0).all()
    assert mean[3] == pytest.approx(0.65, abs=0.04)
    height = np.linalg.norm(bodies[:, :, 2] - bodies[:, :, 0], axis=2)
    disc = np.linalg.norm(bodies[:, 1:, :2].mean(2) - bodies[:, :-1, 2:].mean(2), axis=2)
    assert 0.25 < np.median(disc / height[:, 1:]) < 0.6


def test_corners_outside_the_film_are_missing_and_all_others_are_inside(plans):
    for plan in plans:
        points = plan.truth.points
        seen = points[~np.isnan(points).any(axis=2)]
        assert (seen > -0.5).all()
        assert (seen < [plan.scene.width - 0.5, plan.scene.height - 0.5]).all()
        assert ("cut" in plan.flags) == bool(np.isnan(points).any())


def test_the_anatomy_does_not_depend_on_the_size():
    small = plan_frontal(np.random.default_rng([3, 4]), long_side=500).truth.points
    large = plan_frontal(np.random.default_rng([3, 4]), long_side=1000).truth.points
    np.testing.assert_allclose((small + 0.5) * 2 - 0.5, large, atol=1e-6)


def test_lumbar_bodies_have_a_true_size(plans):
    for plan in plans:
        plates = plan.scene.column.corners[LAST - 4 : LAST + 1]
        width = np.linalg.norm(plates[:, 1] - plates[:, 0], axis=1).mean() * plan.mm_per_px
        assert 25 < width < 60


def test_the_spine_is_brighter_than_the_lungs_beside_it(films):
    differences = []
    for film in films:
        middle, pixels = film.truth.centres[4:10], film.radiograph.pixels
        breadth = np.nanmedian(film.truth.points[:, 1, 0] - film.truth.points[:, 0, 0])
        for shift in (-1.7, 1.7):
            x = np.clip(middle[:, 0] + shift * breadth, 0, pixels.shape[1] - 1).astype(int)
            y = np.clip(middle[:, 1], 0, pixels.shape[0] - 1).astype(int)
            centre = pixels[y, np.clip(middle[:, 0], 0, pixels.shape[1] - 1).astype(int)]
            differences.append(float((centre - pixels[y, x]).mean()))
    assert np.mean(np.array(differences) > 0) > 0.75


def bulges(plans):
    """How far the spine and the trunk's middle leave the line from T1 to L5 at T8, px."""
    for plan in whole(plans):
        spine = plan.scene.centres[FIRST : LAST + 1]
        x, y = spine[NAMES.index("T8")]
        chord = np.interp(y, spine[[0, -1], 1], spine[[0, -1], 0])
        yield x - chord, plan.scene.midline[round(y)] - chord, plan.scene.heart


def test_the_trunk_hardly_follows_a_curved_spine(plans):
    """The chest's edges would else point at the bodies, as they do not on real films."""
    spine, trunk, _ = np.array(list(bulges(plans))).T
    slope = np.polyfit(spine, trunk, 1)[0]
    assert 0 < slope < 0.25
    assert np.median(np.abs(trunk - spine)[np.abs(spine) > 40]) > 30


def test_most_chests_bulge_to_the_left_of_the_film_away_from_the_heart(plans):
    spine, _, heart = np.array(list(bulges(plans))).T
    assert 0.62 < np.mean(spine < 0) < 0.82
    assert 0.8 < np.mean(heart > 0) < 1


@pytest.mark.parametrize("name", sorted(FRONTAL_EFFECTS))
def test_an_effect_that_is_left_out_changes_the_film_and_not_the_anatomy(films, name):
    bare = frontal_phantom(11, WITH_ALL, long_side=256, without=frozenset({name}))
    np.testing.assert_array_equal(bare.truth.points, films[WITH_ALL].truth.points)
    assert bare.truth.names == films[WITH_ALL].truth.names
    assert bare.flags == films[WITH_ALL].flags
    assert bare.radiograph.pixels.shape == films[WITH_ALL].radiograph.pixels.shape
    assert not np.array_equal(bare.radiograph.pixels, films[WITH_ALL].radiograph.pixels)


def test_bones_alone_are_a_film_too():
    bare = frontal_phantom(11, 2, long_side=256, without=FRONTAL_EFFECTS).radiograph
    assert 0.05 < bare.pixels.std() < 0.5


def test_an_unknown_effect_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown effects ears; known are abdomen, arches"):
        frontal_phantom(1, 1, long_side=64, without=frozenset({"ears", "ribs"}))


def test_a_film_is_drawn_in_less_than_a_generous_time():
    start = time.process_time()
    frontal_phantom(5, 0, long_side=1024)
    assert time.process_time() - start < 3
