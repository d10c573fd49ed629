from collections import Counter

import numpy as np
import pytest
from scipy import stats

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


def square(x=0.0, y=0.0, size=10.0):
    return np.array([[x, y], [x + size, y], [x, y + size], [x + size, y + size]])


@pytest.mark.parametrize("share", [-0.2, 0.0, 0.1, 0.25, 0.6, 1.0])
def test_a_slip_is_the_share_of_the_lower_endplate(share):
    """Facing left, forward is to the left."""
    assert measured_slip(square(-10 * share, 0), square(0, 12)) == pytest.approx(share)


@pytest.mark.parametrize("degrees", [-70, 33, 180])
@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_slip_and_wedge_do_not_depend_on_the_frame(degrees, scale):
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upper, lower = square(-3, 0), square(0, 12)
    upper[0, 1] += 4
    moved = [corners @ turn.T + 50 for corners in (upper, lower)]
    assert measured_slip(*moved) == pytest.approx(0.3)
    assert measured_wedge(moved[0]) == pytest.approx(0.6)


def test_a_slip_across_a_wide_disc_is_measured_along_the_endplate_alone():
    near, far = square(-3, 1), square(-3, -40)
    assert measured_slip(near, square(0, 12)) == pytest.approx(measured_slip(far, square(0, 12)))


def wall_heights(column):
    return np.linalg.norm(column.corners[:, 2:] - column.corners[:, :2], axis=2).mean(axis=1)


def test_a_fractured_body_is_lower_than_its_neighbours_or_hollow(columns):
    lower = []
    for column in columns:
        heights = wall_heights(column)
        for k in np.flatnonzero(column.ailments.fractured):
            if column.ailments.hollow[k] > 0.15:
                assert column.ailments.anterior[k] == column.ailments.posterior[k] == 1
            elif 1 < k < 15 and not column.ailments.fractured[[k - 1, k + 1]].any():
                lower.append(heights[k] / np.mean(heights[[k - 1, k + 1]]))
    assert len(lower) > 5
    assert max(lower) < 0.9


def test_a_wedged_body_is_lower_in_front_than_it_would_be(columns):
    wedged = [
        measured_wedge(column.corners[k])
        for column in columns
        for k in np.flatnonzero(column.ailments.anterior < 0.73)
        if column.ailments.posterior[k] == 1
    ]
    others = [measured_wedge(column.corners[k]) for column in columns for k in range(1, 9)
              if column.ailments.anterior[k] == 1]  # fmt: skip
    assert len(wedged) > 15
    assert np.median(wedged) < 0.8
    assert np.median(others) == pytest.approx(1.0, abs=0.1)


def test_ailments_strike_only_what_is_labelled(columns):
    """A slip needs two labelled vertebrae, a fracture one, and the sacrum never breaks."""
    for column in columns:
        framing, ailments = column.framing, column.ailments
        labelled = range(framing.lowest, framing.lowest + framing.count)
        for gap in np.flatnonzero(np.abs(ailments.slip) > 0.05):
            assert gap in labelled
            assert gap + 1 in labelled
        for body in np.flatnonzero(ailments.fractured | (ailments.anterior < 1)):
            assert body in labelled
            assert body > 0


def test_three_slips_of_four_go_forward_and_most_are_at_the_last_two_discs(columns):
    found = [
        (int(gap) - column.framing.lowest, column.ailments.slip[gap] > 0)
        for column in columns
        for gap in np.flatnonzero(np.abs(column.ailments.slip) > 0.05)
    ]
    forward = sum(ahead for _, ahead in found)
    assert stats.binomtest(forward, len(found), 0.75).pvalue > 0.001
    assert np.mean([place < 2 for place, _ in found]) > 0.7


def test_as_many_films_have_a_slip_as_was_asked_for(columns):
    slipped = sum(bool((np.abs(c.ailments.slip) > 0.05).any()) for c in columns)
    assert stats.binomtest(slipped, len(columns), 0.22).pvalue > 0.001


def test_discs_are_worn_but_never_closed(columns):
    gaps = np.array([column.ailments.gap for column in columns])
    assert gaps.max() == 1.0
    assert gaps.min() >= 0.3
    assert 0.05 < np.mean(gaps < 1) < 0.25


def test_endplates_become_shorter_towards_the_head(columns):
    depth = np.array([np.linalg.norm(c.corners[:, 1] - c.corners[:, 0], axis=1) for c in columns])
    mean = (depth / depth[:, 2:3]).mean(axis=0)
    assert (np.diff(mean[1:12]) < 0.01).all()
    assert mean[11] == pytest.approx(0.77 / 1.0, abs=0.04)


def test_the_sacrum_tapers_and_the_other_bodies_do_not(columns):
    for column in columns:
        superior = np.linalg.norm(column.corners[:, 1] - column.corners[:, 0], axis=1)
        inferior = np.linalg.norm(column.corners[:, 3] - column.corners[:, 2], axis=1)
        assert 0.65 < inferior[0] / superior[0] < 0.9
        intact = column.ailments.anterior[1:] == 1
        assert (np.abs(inferior[1:] / superior[1:] - 1)[intact] < 0.15).all()


def test_the_lordosis_bends_back_and_the_chest_forward(columns):
    """Facing left, the superior endplate of S1 sinks forward and that of T12 backward."""

    def tilt(k):
        plates = np.array([c.corners[k, 1] - c.corners[k, 0] for c in columns])
        return np.degrees(np.arctan2(-plates[:, 1], plates[:, 0]))

    assert np.median(tilt(0)) > 25
    assert np.median(tilt(6)) < -5
    lordosis = tilt(0) - tilt(5)
    assert 35 < np.median(lordosis) < 75


def test_nothing_of_a_column_depends_on_what_was_drawn_before():
    first = sample_column(np.random.default_rng([5, 77]))
    sample_column(np.random.default_rng([5, 3]))
    again = sample_column(np.random.default_rng([5, 77]))
    np.testing.assert_array_equal(first.corners, again.corners)
    assert (first.framing, first.levels) == (again.framing, again.levels)
