from collections import Counter

import numpy as np
import pytest

from spondyl.data.phantom_framing import CROPPED, PROBABILITIES, WHOLE
from spondyl.data.phantom_spine import (
    measured_slip,
    measured_wedge,
    sample_column,
)


@pytest.fixture(scope="module")
def columns():
    return [sample_column(np.random.default_rng([5, index])) for index in range(500)]


@pytest.fixture(scope="module")
def whole(columns):
    return [column for column in columns if not column.framing.cropped]


def stretched(column):
    """The labelled vertebrae in the frame of the public labels, the last first."""
    framing = column.framing
    corners = column.corners[framing.lowest : framing.lowest + framing.count]
    return corners / [framing.aspect, 1.0]


def steps(column):
    centres = stretched(column).mean(axis=1)
    return centres[:-1] - centres[1:]


def angles(column):
    step = steps(column)
    return np.degrees(np.arctan2(step[:, 0], step[:, 1]))


def quantiles(values, levels=PROBABILITIES[1:-1]):
    return np.quantile(values, levels)


def test_the_counts_of_the_two_kinds_of_film_add_up_to_the_release():
    total = Counter(WHOLE.counts) + Counter(CROPPED.counts)
    assert total == {3: 21, 4: 35, 5: 72, 6: 197, 7: 204, 8: 115, 9: 37, 10: 13, 11: 4}


def test_films_hold_as_many_vertebrae_as_those_of_the_release(columns):
    found = Counter(column.framing.count for column in columns)
    expected = Counter(WHOLE.counts) + Counter(CROPPED.counts)
    for count, films in expected.items():
        share = films / 698
        assert found[count] / len(columns) == pytest.approx(
            share, abs=0.012 + 3.2 * (share / 500) ** 0.5
        )


def test_the_last_vertebra_lies_where_it_does_in_the_release(whole):
    last = np.array([stretched(column)[0].mean(axis=0) for column in whole])
    np.testing.assert_allclose(quantiles(last[:, 1]), WHOLE.y_last[1:-1], atol=0.025)
    np.testing.assert_allclose(quantiles(last[:, 0]), WHOLE.x_last[1:-1], atol=0.03)


def test_the_first_vertebra_lies_where_it_does_in_the_release(whole):
    first = np.array([stretched(column)[-1].mean(axis=0) for column in whole])
    expected = ([0.041, 0.0699, 0.1176, 0.1895, 0.2609], [0.4102, 0.4938, 0.5512, 0.6074, 0.6793])
    np.testing.assert_allclose(quantiles(first[:, 1]), expected[0], atol=0.045)
    np.testing.assert_allclose(quantiles(first[:, 0]), expected[1], atol=0.09)


def test_spacing_and_height_are_those_of_the_release(whole):
    spacing = [np.median(np.linalg.norm(steps(column), axis=1)) for column in whole]
    height = [np.median(np.ptp(stretched(column)[..., 1], axis=1)) for column in whole]
    np.testing.assert_allclose(quantiles(spacing), WHOLE.spacing[1:-1], atol=0.005)
    np.testing.assert_allclose(
        quantiles(height), [0.0703, 0.0797, 0.0906, 0.1031, 0.118], atol=0.009
    )


def test_the_chain_bends_as_in_the_release(whole):
    found = np.array([angles(column)[:4] for column in whole if column.framing.count >= 5])
    np.testing.assert_allclose(found.mean(axis=0), [40.9, 10.6, -6.2, -16.1], atol=5)
    np.testing.assert_allclose(found.std(axis=0), [13.8, 14.9, 12.6, 11.4], atol=2.5)
    correlation = np.corrcoef(found.T)
    np.testing.assert_allclose(np.diag(correlation, 1), [0.63, 0.75, 0.80], atol=0.12)


def test_the_sacral_plate_is_tilted_by_20_to_70_degrees(columns):
    plates = np.array([column.corners[0, 1] - column.corners[0, 0] for column in columns])
    tilt = np.degrees(np.arctan2(-plates[:, 1], plates[:, 0]))
    assert 19.9 < tilt.min() < 25
    assert 60 < tilt.max() < 70.1


def test_the_sacrum_is_the_last_label_in_nine_films_of_ten(columns):
    assert np.mean([not column.framing.lowest for column in columns]) == pytest.approx(
        0.9, abs=0.04
    )


def test_every_labelled_centre_is_in_the_film(columns):
    for column in columns:
        centres = stretched(column).mean(axis=1)
        assert (centres > 0).all()
        assert (centres < 1).all()


def cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def test_bodies_are_convex_and_never_crossed(columns):
    for column in columns:
        outline = column.corners[:, [0, 1, 3, 2]]
        side = np.roll(outline, -1, axis=1) - outline
        assert (cross(side, np.roll(side, -1, axis=1)) > 0).all()


def test_no_body_reaches_into_the_next(columns):
    for column in columns:
        lower, upper = column.corners[:-1], column.corners[1:]
        plate = lower[:, 1] - lower[:, 0]
        for corner in (2, 3):
            assert (cross(plate, upper[:, corner] - lower[:, 0]) < 0).all()


def test_slips_are_exactly_as_asked(columns):
    for column in columns:
        found = [measured_slip(column.corners[k + 1], column.corners[k]) for k in range(10)]
        np.testing.assert_allclose(found, column.ailments.slip[:10], atol=1e-9)


def test_slips_go_both_ways_and_up_to_sixty_percent(columns):
    largest = np.array([column.ailments.slip for column in columns])
    assert 0.1 < np.mean(np.abs(largest).max(axis=1) > 0.07) < 0.3
    assert 0.35 < largest.max() <= 0.6
    assert -0.22 <= largest.min() < -0.12


def test_a_wedged_body_has_lost_its_anterior_height():
    square = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    assert measured_wedge(square) == pytest.approx(1)
    square[0, 1] = 4
    assert measured_wedge(square) == pytest.approx(0.6)


def test_one_spine_in_25_has_six_lumbar_vertebrae_and_one_in_25_four(columns):
    assert 0.015 < np.mean(["L6" in column.levels for column in columns]) < 0.07
    assert 0.015 < np.mean(["L1" not in column.levels for column in columns]) < 0.07
    for column in columns:
        assert column.levels[0] == "S1"
        assert len(set(column.levels)) == len(column.levels) == len(column.corners)
