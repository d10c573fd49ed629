import numpy as np
import pytest

from spondyl.data.phantom_frontal_spine import (
    FIRST,
    LAST,
    LEAST_DISC,
    LEVELS,
    STEEPEST,
    sample_frontal_column,
    sample_tilts,
)


@pytest.fixture(scope="module")
def columns():
    return [sample_frontal_column(np.random.default_rng([9, i])) for i in range(300)]


def test_levels_are_named_from_the_neck_to_the_sacrum():
    assert LEVELS[FIRST] == "T1"
    assert LEVELS[LAST] == "L5"
    assert LEVELS[LAST + 1] == "S1"
    assert LAST - FIRST == 16


def test_every_body_is_tilted_as_planned(columns):
    for column in columns:
        body = column.corners
        middle = body[:, 1] - body[:, 0] + body[:, 3] - body[:, 2]
        np.testing.assert_allclose(np.arctan2(middle[:, 1], middle[:, 0]), column.tilt, atol=1e-9)


def test_the_front_of_the_vertebrae_turns_to_the_convex_side(columns):
    """At the apex of a large single bulge the rotation has the sign of the bulge."""
    agree = []
    for column in columns:
        centres = column.corners.mean(axis=1)[FIRST : LAST + 1]
        chord = np.interp(centres[:, 1], centres[[0, -1], 1], centres[[0, -1], 0])
        bulge = centres[:, 0] - chord
        apex = int(np.abs(bulge).argmax())
        if abs(bulge[apex]) > 30:
            agree.append(np.sign(bulge[apex]) == np.sign(column.rotation[FIRST + apex]))
    assert len(agree) > 40
    assert np.mean(agree) > 0.9


def test_rotation_is_small_where_the_spine_is_straight_and_stays_below_forty_degrees(columns):
    largest = np.degrees([np.abs(c.rotation[FIRST : LAST + 1]).max() for c in columns])
    cobb = np.degrees([np.ptp(c.tilt[FIRST : LAST + 1]) for c in columns])
    assert largest.max() < 40
    assert largest.max() > 25
    assert np.median(largest[cobb < 15]) < 10
    assert np.median(largest[cobb > 50]) > 1.5 * np.median(largest[cobb < 15])


def test_curves_alternate_from_one_to_three():
    """Counts the reversals of a smoothed tilt that are larger than a few degrees."""
    counts = set()
    for i in range(200):
        tilt = np.degrees(sample_tilts(np.random.default_rng([1, i])))[FIRST : LAST + 1]
        turns, last, up = 0, tilt[0], 0
        for value in tilt:
            if abs(value - last) > 8:
                turns += np.sign(value - last) != up
                up = np.sign(value - last)
                last = value
            elif np.sign(value - last) == up:
                last = value
        counts.add(int(turns))
    assert {0, 1, 2, 3} <= counts


def test_no_vertebra_is_steeper_than_stated(columns):
    assert max(float(np.abs(c.tilt).max()) for c in columns) <= np.deg2rad(STEEPEST) + 1e-12


def test_no_disc_closes(columns):
    for column in columns:
        upper, lower = column.corners[:-1], column.corners[1:]
        along = upper[:, 3] - upper[:, 2] + lower[:, 1] - lower[:, 0]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        across = np.stack([-along[:, 1], along[:, 0]], axis=1)[:, None]
        gap = (lower[:, :2] * across).sum(-1).min(1) - (upper[:, 2:] * across).sum(-1).max(1)
        assert (gap > 0.8 * LEAST_DISC).all()
