"""What several passes agree on: closed forms, invariances, and the order of a spine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_spine import HEIGHT, box, candidates_of, joined, spine

from spondyl.anatomy import LEVELS
from spondyl.spine.chain import assemble
from spondyl.spine.consensus import consensus
from spondyl.spine.detections import Detections

LUMBAR = LEVELS[11:]
FIELDS = ("score", "corners", "corner_score", "covariance", "level_logits", "facing_logit")


def look(seed: int, *, noise: float = 1.5, levels: tuple[str, ...] = LUMBAR) -> Detections:
    """A film as one pass sees it: every number is a little off, in an order by score."""
    rng = np.random.default_rng(seed)
    truth = spine(levels)
    count = len(truth)
    found = candidates_of(truth + rng.normal(scale=noise, size=truth.shape), levels)
    spread = rng.uniform(0.5, 2.0, (count, 4, 1, 1)) * np.eye(2)
    return replace(
        found,
        score=np.sort(rng.uniform(0.5, 0.95, count))[::-1].copy(),
        corner_score=rng.uniform(0.3, 0.9, (count, 4)),
        covariance=spread,
        level_logits=found.level_logits + rng.normal(scale=0.5, size=found.level_logits.shape),
        facing_logit=rng.normal(loc=2.0, size=count),
    )


def with_gaps(found: Detections, seed: int) -> Detections:
    """The same candidates, some corners of them not seen, one covariance not known."""
    rng = np.random.default_rng(seed)
    corners, covariance = found.corners.copy(), found.covariance.copy()
    corners[rng.integers(len(found)), rng.integers(4)] = np.nan
    covariance[rng.integers(len(found)), rng.integers(4)] = np.nan
    return replace(found, corners=corners, covariance=covariance)


def vertebra(x: float, y: float, *, score: float = 0.9, **fields: np.ndarray) -> Detections:
    return replace(candidates_of(box(x, y), None, score=score), **fields)


def assert_same(one: Detections, other: Detections) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_close(one: Detections, other: Detections) -> None:
    for name in FIELDS:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9, err_msg=name
        )


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_equal_passes_are_that_pass_to_the_last_bit(count: int, ordered: bool) -> None:
    once = with_gaps(look(0), 1)
    assert_same(consensus([once] * count, ordered=ordered), once)


def test_equal_passes_keep_duplicates_apart() -> None:
    """A pass gives a group one member at most, however close its candidates lie."""
    once = joined(vertebra(100, 100), vertebra(103, 100, score=0.6), vertebra(99, 98, score=0.5))
    assert_same(consensus([once] * 5, ordered=False), once)


@pytest.mark.parametrize("ordered", [False, True])
@given(seed=st.integers(0, 10_000), count=st.integers(2, 5), data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_passes_plays_no_part(
    ordered: bool, seed: int, count: int, data: st.DataObject
) -> None:
    passes = [with_gaps(look(seed + i), seed + i) for i in range(count)]
    passes[0] = passes[0].select(np.arange(3))
    mixed = data.draw(st.permutations(passes))
    assert_same(consensus(mixed, ordered=ordered), consensus(passes, ordered=ordered))


@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.2, 5.0),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
@settings(max_examples=20, deadline=None)
def test_a_moved_and_magnified_film_has_a_moved_and_magnified_consensus(
    seed: int, scale: float, shift: tuple[float, float]
) -> None:
    passes = [with_gaps(look(seed + i), seed + i) for i in range(4)]

    def moved(found: Detections) -> Detections:
        return found.scaled(found.corners * scale + np.array(shift), np.full(2, scale))

    for ordered in (False, True):
        expected = moved(consensus(passes, ordered=ordered))
        assert_close(consensus([moved(p) for p in passes], ordered=ordered), expected)


def test_a_consensus_is_the_mean_of_its_members() -> None:
    """Three looks at one vertebra by hand: means, and the law of total variance."""
    steps = np.array([[-2.0, 1.0], [0.0, 1.0], [2.0, -2.0]])
    own = np.array([1.0, 2.0, 6.0])
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 1, len(LEVELS) + 1))
    passes = [
        vertebra(
            100 + dx, 100 + dy, score=0.5 + 0.1 * i, level_logits=logits[i],
            covariance=np.tile(own[i] * np.eye(2), (1, 4, 1, 1)),
            facing_logit=np.array([float(i)]),
        )
        for i, (dx, dy) in enumerate(steps)
    ]  # fmt: skip
    [found] = [consensus(passes, ordered=False)]
    assert len(found) == 1
    np.testing.assert_allclose(found.corners, box(100, 100))
    np.testing.assert_allclose(found.score, 0.6)
    np.testing.assert_allclose(found.corner_score, 0.8)
    np.testing.assert_allclose(found.level_logits, logits.mean(axis=0))
    np.testing.assert_allclose(found.facing_logit, 1.0)
    between = np.array([[8.0, -6.0], [-6.0, 6.0]]) / 3
    np.testing.assert_allclose(found.covariance, np.tile(3 * np.eye(2) + between, (1, 4, 1, 1)))


def test_the_total_variance_is_that_of_draws_from_all_passes() -> None:
    """Corners drawn from the passes' own distributions, mixed, spread as the consensus says."""
    rng = np.random.default_rng(3)
    centres = rng.normal(scale=2.0, size=(4, 2)) + 100
    spreads = rng.uniform(0.5, 3.0, 4)
    passes = [
        vertebra(x, y, covariance=np.tile(v * np.eye(2), (1, 4, 1, 1)))
        for (x, y), v in zip(centres, spreads, strict=True)
    ]
    found = consensus(passes, ordered=False)
    draws = centres[:, None] + rng.normal(size=(4, 50_000, 2)) * np.sqrt(spreads)[:, None, None]
    sampled = np.cov(draws.reshape(-1, 2).T)
    np.testing.assert_allclose(found.covariance[0, 0], sampled, atol=0.1)


def test_names_are_pooled_alike_before_and_after_the_temperature() -> None:
    passes = [look(i) for i in range(3)]
    cooled = [replace(p, level_logits=p.level_logits / 2.5) for p in passes]
    warm, cool = consensus(passes, ordered=False), consensus(cooled, ordered=False)
    np.testing.assert_allclose(warm.level_logits / 2.5, cool.level_logits)


def test_a_codec_that_knows_no_level_still_knows_none() -> None:
    passes = [replace(look(i), level_logits=np.zeros((len(LUMBAR), 19))) for i in range(3)]
    assert not consensus(passes, ordered=False).level_logits.any()


def test_what_few_passes_see_loses_score() -> None:
    once = joined(vertebra(100, 100), vertebra(100, 200, score=0.8))
    found = consensus(
        [once, once.select(np.array([0])), once.select(np.array([0])), once.select(np.array([0]))],
        ordered=False,
    )
    np.testing.assert_allclose(found.score, [0.9, 0.2])
    np.testing.assert_allclose(found.corner_score[1], 0.2)
    np.testing.assert_allclose(found.corners[1], box(100, 200)[0])


@pytest.mark.parametrize(("step", "groups"), [(0.49, 1), (0.51, 2)])
def test_centres_within_half_a_height_are_one_vertebra(step: float, groups: int) -> None:
    passes = [vertebra(100, 100), vertebra(100, 100 + step * HEIGHT)]
    assert len(consensus(passes, ordered=False)) == groups


def test_the_nearest_of_two_candidates_joins() -> None:
    pair = joined(vertebra(100, 110, score=0.8), vertebra(100, 96, score=0.7))
    found = consensus([vertebra(100, 100), pair], ordered=False)
    np.testing.assert_allclose(found.score, [0.8, 0.4])
    np.testing.assert_allclose(found.corners[0], box(100, 98)[0])


@pytest.mark.parametrize("count", [3, 4, 8])
def test_one_pass_that_is_off_does_not_move_a_corner(count: int) -> None:
    """It stays a member: one corner of it lies 0.6 heights off, its centre only 0.15."""
    off = box(100, 100)
    off[0, 1] += [0.0, -0.6 * HEIGHT]
    passes = [vertebra(100, 100)] * (count - 1) + [candidates_of(off, None)]
    found = consensus(passes, ordered=False)
    np.testing.assert_allclose(found.corners, box(100, 100), atol=1e-12)
    np.testing.assert_allclose(found.score, 0.9)


def test_two_passes_that_disagree_meet_half_way() -> None:
    off = box(100, 100)
    off[0, 1] += [0.0, -0.6 * HEIGHT]
    found = consensus([vertebra(100, 100), candidates_of(off, None)], ordered=False)
    np.testing.assert_allclose(found.corners[0, 1], (off + box(100, 100))[0, 1] / 2)


def test_a_corner_comes_from_the_passes_that_have_it() -> None:
    blind = box(100, 100)
    blind[0, 0] = np.nan
    passes = [candidates_of(blind, None), vertebra(102, 100), vertebra(104, 100)]
    found = consensus(passes, ordered=False)
    np.testing.assert_allclose(found.corners[0, 0], box(103, 100)[0, 0])
    np.testing.assert_allclose(found.corners[0, 3], box(102, 100)[0, 3])
    never = consensus([candidates_of(blind, None)] * 3, ordered=False)
    assert np.isnan(never.corners[0, 0]).all()


def test_a_covariance_is_known_where_one_pass_knows_it() -> None:
    known = vertebra(100, 100, covariance=np.tile(2 * np.eye(2), (1, 4, 1, 1)))
    found = consensus([known, vertebra(102, 100)], ordered=False)
    np.testing.assert_allclose(found.covariance[0, 0], [[3.0, 0.0], [0.0, 2.0]])
    unknown = consensus([vertebra(100, 100), vertebra(102, 100)], ordered=False)
    assert np.isnan(unknown.covariance).all()


def test_a_candidate_that_shows_one_endplate_joins_the_whole_body() -> None:
    superior = box(100, 100)
    superior[0, 2:] = np.nan
    found = consensus([vertebra(100, 100), candidates_of(superior, None)], ordered=False)
    assert len(found) == 1


def test_a_candidate_without_a_corner_is_left_out() -> None:
    empty = candidates_of(np.full((1, 4, 2), np.nan), None)
    assert len(consensus([joined(empty, vertebra(100, 100)), empty], ordered=False)) == 1


def test_no_candidate_is_no_candidate_and_no_pass_is_refused() -> None:
    none = look(0).select(np.array([], dtype=int))
    for ordered in (False, True):
        assert len(consensus([none, none], ordered=ordered)) == 0
        assert len(consensus([none, look(0)], ordered=ordered)) == len(LUMBAR)
    with pytest.raises(ValueError, match="no pass"):
        consensus([], ordered=False)


def test_the_best_comes_first() -> None:
    found = consensus([look(i) for i in range(3)], ordered=False)
    assert (np.diff(found.score) <= 0).all()


# ordered


def in_order(found: Detections) -> bool:
    return bool((np.diff(found.corners.mean(axis=1)[:, 1]) > 0).all())


def test_vertebrae_that_only_some_passes_have_take_their_place() -> None:
    """No pass has both A and C; B is in all: the order of the three follows from two pairs."""
    whole = look(0)
    top, middle, bottom = 1, 3, 4
    passes = [
        whole.select(np.array([top, middle])),
        whole.select(np.array([middle, bottom])),
        whole.select(np.array([middle])),
    ]
    found = consensus(passes, ordered=True)
    np.testing.assert_allclose(found.corners, whole.corners[[top, middle, bottom]])


def test_vertebrae_that_no_pass_has_together_lie_along_the_spine() -> None:
    whole = look(0)
    passes = [
        whole.select(np.array([3])),
        whole.select(np.array([4])),
        whole.select(np.array([0])),
        whole.select(np.array([2])),
    ]
    found = consensus(passes, ordered=True)
    np.testing.assert_allclose(found.corners, whole.corners[[0, 2, 3, 4]])


@pytest.mark.parametrize("seed", range(5))
def test_the_order_holds_whatever_each_pass_missed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    passes = [look(seed + i) for i in range(4)]
    passes = [p.select(np.sort(rng.permutation(len(p))[:4])) for p in passes]
    assert in_order(consensus(passes, ordered=True))


def test_one_pass_that_exchanged_two_vertebrae_is_outvoted() -> None:
    whole = look(0)
    wrong = whole.select(np.array([0, 2, 1, 3, 4, 5, 6]))
    assert_same(consensus([wrong, whole, whole], ordered=True), whole)


def test_the_majority_keeps_an_order_that_is_not_that_of_the_spine() -> None:
    """What slots say of their order is theirs to say: nothing is sorted behind their back."""
    reversed_ = look(0).select(np.arange(len(LUMBAR))[::-1])
    assert_same(consensus([reversed_] * 3, ordered=True), reversed_)


def test_a_chain_of_the_consensus_is_nearer_the_truth_than_one_pass() -> None:
    """The mean of eight independent errors is smaller by the root of eight."""
    truth = spine(LUMBAR)

    def error(found: Detections) -> float:
        points = assemble(found).points
        assert len(points) == len(truth)
        return float(np.sqrt(((points - truth) ** 2).mean()))

    single = np.mean([error(look(i)) for i in range(8)])
    assert error(consensus([look(i) for i in range(8)], ordered=False)) < 1.3 * single / np.sqrt(8)
