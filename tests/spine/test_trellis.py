from itertools import combinations, pairwise, product

import numpy as np
import pytest

from spondyl.spine.trellis import Trellis


def random_trellis(count: int, levels: int, seed: int) -> Trellis:
    """Any weights; links go down the levels and down the list only."""
    rng = np.random.default_rng(seed)
    links = rng.normal(size=(count, count, levels, levels))
    links[np.tril_indices(count)] = -np.inf
    if levels > 1:
        links[:, :, *np.tril_indices(levels)] = -np.inf
    return Trellis(rng.normal(size=(count, levels)), links)


def assignments(trellis: Trellis, *, start: float):
    """Every way to call candidates vertebrae of some level, with its weight, one by one."""
    count, levels = trellis.weights.shape
    yield (), 0.0
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            for named in product(range(levels), repeat=size):
                nodes = tuple(zip(chosen, named, strict=True))
                weight = start + sum(trellis.weights[node] for node in nodes)
                for (i, k), (j, m) in pairwise(nodes):
                    weight += trellis.links[i, j, k, m]
                yield nodes, float(weight)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("count", "levels"), [(1, 3), (2, 2), (4, 3), (5, 1), (3, 5)])
def test_marginals_equal_the_sum_over_all_assignments(count, levels, seed):
    trellis = random_trellis(count, levels, seed)
    expected, total = np.zeros((count, levels)), 0.0
    for nodes, weight in assignments(trellis, start=-np.log(levels)):
        total += np.exp(weight)
        for node in nodes:
            expected[node] += np.exp(weight)
    np.testing.assert_allclose(trellis.marginals(), expected / total, rtol=1e-10)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("count", "levels"), [(1, 3), (4, 3), (5, 1), (3, 5)])
def test_the_best_path_is_the_heaviest_of_all_assignments(count, levels, seed):
    trellis = random_trellis(count, levels, seed)
    nodes, _ = max(assignments(trellis, start=0.0), key=lambda pair: pair[1])
    assert trellis.best() == list(nodes)


def test_marginals_and_no_vertebra_sum_to_one():
    marginals = random_trellis(6, 4, 0).marginals()
    assert (marginals >= 0).all()
    assert (marginals.sum(axis=1) <= 1 + 1e-12).all()


def test_nothing_is_a_vertebra_where_everything_speaks_against_it():
    trellis = random_trellis(4, 3, 0)
    unlikely = Trellis(trellis.weights - 50.0, trellis.links)
    assert unlikely.best() == []
    assert unlikely.marginals().max() < 1e-15


def test_an_empty_list_has_an_empty_answer():
    empty = random_trellis(0, 3, 0)
    assert empty.best() == []
    assert empty.marginals().shape == (0, 3)


def test_very_large_weights_stay_finite():
    trellis = random_trellis(5, 3, 1)
    sure = Trellis(trellis.weights + 2000.0, trellis.links).marginals()
    assert np.isfinite(sure).all()
