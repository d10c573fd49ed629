import numpy as np
import pytest
from scipy import stats

from spondyl.data.phantom_framing import (
    CROPPED,
    PROBABILITIES,
    SPACING_RATIO,
    WHOLE,
    sample_framing,
)


@pytest.fixture(scope="module")
def framings():
    return [sample_framing(np.random.default_rng([8, index])) for index in range(600)]


@pytest.mark.parametrize("population", [WHOLE, CROPPED])
def test_every_table_of_quantiles_rises(population):
    for table in (population.y_last, population.x_last, population.spacing):
        assert len(table) == len(PROBABILITIES)
        assert (np.diff(table) > 0).all()


def test_two_films_of_seven_are_cropped(framings):
    assert np.mean([framing.cropped for framing in framings]) == pytest.approx(197 / 698, abs=0.06)


def test_counts_stay_within_those_of_the_release(framings):
    for framing in framings:
        assert framing.count in (CROPPED if framing.cropped else WHOLE).counts


def test_more_vertebrae_are_smaller_in_the_film(framings):
    for cropped, expected in ((False, WHOLE.spacing_on_count), (True, CROPPED.spacing_on_count)):
        pairs = [(f.count, f.spacing) for f in framings if f.cropped == cropped and not f.lowest]
        found = np.corrcoef(np.array(pairs).T)[0, 1]
        assert found == pytest.approx(expected, abs=0.15)


def test_without_the_sacrum_the_next_centre_is_below_the_film(framings):
    below = [framing for framing in framings if framing.lowest]
    assert below
    assert all(framing.y_last + framing.spacing > 1 for framing in below)
    assert all(framing.cropped for framing in below)


def test_films_are_upright_and_vertebrae_of_a_true_size(framings):
    assert all(0.5 <= framing.aspect <= 0.85 for framing in framings)
    assert all(30 <= framing.depth_mm <= 40 for framing in framings)


@pytest.fixture(scope="module")
def many():
    return [sample_framing(np.random.default_rng([9, index])) for index in range(3000)]


def in_population(framings, population):
    return [f for f in framings if f.cropped == (population is CROPPED)]


@pytest.mark.parametrize("population", [WHOLE, CROPPED])
def test_the_counts_could_have_been_drawn_from_those_of_the_release(many, population):
    """Chi-square; counts that fewer than five films would have are joined with their neighbour."""
    drawn = [f.count for f in in_population(many, population)]
    total = sum(population.counts.values())
    expected, observed = [0.0], [0]
    for count, films in sorted(population.counts.items()):
        if expected[-1] >= 5:
            expected.append(0.0)
            observed.append(0)
        expected[-1] += len(drawn) * films / total
        observed[-1] += drawn.count(count)
    if expected[-1] < 5:
        last, n = expected.pop(), observed.pop()
        expected[-1] += last
        observed[-1] += n
    assert len(expected) >= 5
    assert sum(observed) == len(drawn)
    assert stats.chisquare(observed, expected).pvalue > 0.001


def test_a_test_that_passes_anything_would_be_worth_nothing(many):
    """The chi-square of the wrong population fails: the two kinds of film are told apart."""
    drawn = [f.count for f in in_population(many, WHOLE)]
    counts = sorted(set(WHOLE.counts) & set(CROPPED.counts))
    observed = np.array([drawn.count(count) for count in counts])
    share = np.array([CROPPED.counts[count] for count in counts], dtype=float)
    expected = observed.sum() * share / share.sum()
    assert stats.chisquare(observed, expected).pvalue < 1e-6


def test_the_share_of_cropped_films_could_be_that_of_the_release(many):
    cropped = sum(f.cropped for f in many)
    assert stats.binomtest(cropped, len(many), 197 / 698).pvalue > 0.001


def test_the_sacrum_is_missing_on_a_third_of_the_cropped_films_at_any_of_three_levels(many):
    cropped = in_population(many, CROPPED)
    below = [f.lowest for f in cropped if f.lowest]
    assert stats.binomtest(len(below), len(cropped), 0.36).pvalue > 0.001
    assert stats.chisquare([below.count(level) for level in (1, 2, 3)]).pvalue > 0.001


@pytest.mark.parametrize("population", [WHOLE, CROPPED])
def test_a_column_of_a_table_is_drawn_from_its_quantiles(many, population):
    """Uniform between neighbouring quantiles: as many films in each stretch as its probability."""
    x = np.array([f.x_last for f in in_population(many, population)])
    assert population.x_last[0] <= x.min()
    assert x.max() <= population.x_last[-1]
    inner = population.x_last[1:-1]
    observed = np.histogram(x, [-np.inf, *inner, np.inf])[0]
    shares = np.diff([0.0, *PROBABILITIES[1:-1], 1.0])
    assert stats.chisquare(observed, len(x) * shares).pvalue > 0.001


def test_the_first_label_is_in_the_film(many):
    """The chain of centres above the last one, had it no bend at all, at 94 % of its length."""
    for framing in many:
        reach = 0.94 * sum(SPACING_RATIO[: framing.count - 1]) * framing.spacing
        assert framing.y_last - reach > 0.03 or framing.lowest


def test_nothing_is_outside_the_frame_or_unfinished(many):
    for framing in many:
        numbers = (framing.x_last, framing.y_last, framing.spacing, framing.aspect)
        assert all(0 < number < 1 for number in numbers)
        assert framing.lowest in (0, 1, 2, 3)


def test_the_same_generator_gives_the_same_framing():
    first, second = (sample_framing(np.random.default_rng(5)) for _ in range(2))
    assert first == second
