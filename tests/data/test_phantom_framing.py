import numpy as np
import pytest

from spondyl.data.phantom_framing import CROPPED, PROBABILITIES, WHOLE, sample_framing


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
