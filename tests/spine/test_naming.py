import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit, softmax
from synthetic_spine import box, candidates_of, joined, rotated, shuffled, spine, straight

from spondyl.anatomy import LEVELS
from spondyl.spine.naming import (
    AS_SAID,
    Temperatures,
    infer_chain,
    level_weights,
    levels_between,
    trellis_of,
)
from spondyl.spine.ordering import Bodies

LUMBAR = LEVELS[11:]


def gaps(corners: np.ndarray) -> list[int]:
    return levels_between(Bodies.of(corners, np.ones(len(corners)))).tolist()


@pytest.mark.parametrize("missed", ["L1", "L3", "L5"])
@pytest.mark.parametrize("turn", [0.0, 45.0])
def test_a_gap_of_two_distances_is_one_missed_level(missed, turn):
    levels = [level for level in LUMBAR if level != missed]
    above = LUMBAR.index(missed) - 1
    expected = [2 if i == above else 1 for i in range(len(levels) - 1)]
    assert gaps(rotated(spine(levels), turn)) == expected


def test_a_slip_lengthens_the_step_but_misses_no_level():
    for slip in (-1.0, -0.8, 0.8):
        assert gaps(spine(LUMBAR, sacral_tilt=45.0, slips={"L5": slip})) == [1] * 6


def test_a_sacrum_seen_by_its_superior_endplate_only_is_the_next_level():
    corners = spine(LUMBAR, sacral_tilt=45.0)
    corners[-1, 2:] = np.nan
    assert gaps(corners) == [1] * 6


def test_real_whole_spines_are_counted_one_by_one(shared_data: Path):
    """AASCE annotates T1 to L5 without a gap: nearly every step is one level, half as dense two."""
    folder = shared_data / "aasce2019-train"
    films = json.loads((folder / "labels.json").read_text(encoding="utf-8"))[::5]
    spines = [np.array(film["corners"], dtype=np.float64).reshape(17, 4, 2) for film in films]
    assert np.mean([gaps(corners).count(1) / 16 for corners in spines]) > 0.97
    missed = [np.delete(corners, 8, axis=0) for corners in spines]
    assert np.mean([gaps(corners)[7] == 2 for corners in missed]) > 0.9


def test_marginals_of_the_whole_chain_equal_the_sum_over_all_namings():
    """An independent count: every increasing assignment of levels to three vertebrae."""
    candidates = candidates_of(spine(["L3", "L4", "L5"], tilt=straight), ["L3", "L4", "L5"], blur=2)
    trellis = trellis_of(candidates, score_threshold=0.3, temperatures=Temperatures(2.0, 2.0))
    count = len(LEVELS)
    expected, total = np.zeros((3, count)), 1.0
    nodes = np.exp(trellis.weights)
    for chosen in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        for named in np.ndindex(*(count,) * len(chosen)):
            weight = np.prod([nodes[i, k] for i, k in zip(chosen, named, strict=True)]) / count
            for step in range(len(chosen) - 1):
                i, j = chosen[step : step + 2]
                weight *= np.exp(trellis.links[i, j, named[step], named[step + 1]])
            total += weight
            expected[list(chosen), list(named)] += weight
    np.testing.assert_allclose(trellis.marginals(), expected / total, rtol=1e-9)


def test_levels_can_only_go_down_the_spine():
    candidates = candidates_of(spine(LUMBAR), LUMBAR)
    trellis = trellis_of(candidates, score_threshold=0.3, temperatures=AS_SAID)
    level = np.arange(len(LEVELS))
    upwards = level[:, None] >= level[None]
    assert np.isneginf(trellis.links[..., upwards]).all()


def shares_of(logits: np.ndarray, temperatures: Temperatures) -> np.ndarray:
    """The probabilities of levels that a sure candidate's weights stand for (5 % are a guess)."""
    candidates = candidates_of(box(100, 100), ["L3"], score=0.5)
    candidates.level_logits[0, :-1] = logits
    weights = level_weights(candidates, score_threshold=0.5, temperatures=temperatures)[0]
    likely = np.exp(weights - np.log(np.exp(weights).mean()))
    return (likely - 0.05) / (0.95 * len(LEVELS))


def test_without_temperatures_levels_are_as_probable_as_their_logits_say():
    logits = np.random.default_rng(3).normal(scale=2, size=len(LEVELS))
    np.testing.assert_allclose(shares_of(logits, AS_SAID), softmax(logits), atol=1e-12)


def test_each_temperature_divides_its_own_log_odds():
    logits = np.random.default_rng(4).normal(scale=2, size=len(LEVELS))
    plain, scaled = softmax(logits), shares_of(logits, Temperatures(levels=4.0, sacrum=2.0))
    np.testing.assert_allclose(logit(scaled[-1]), logit(plain[-1]) / 2, rtol=1e-9)
    steps, before = np.diff(np.log(scaled[:-1])), np.diff(logits[:-1])
    np.testing.assert_allclose(steps, before / 4, rtol=1e-9)
    np.testing.assert_allclose(scaled.sum(), 1)


def test_a_higher_temperature_says_less():
    candidates = candidates_of(spine(LUMBAR), LUMBAR, blur=1.5)
    cool, warm = (
        infer_chain(candidates, score_threshold=0.3, temperatures=Temperatures(t, t))
        for t in (1.0, 4.0)
    )
    assert (warm.marginals.max(axis=1) < cool.marginals.max(axis=1)).all()


@pytest.mark.parametrize("levels", [LUMBAR, None])
def test_junk_beside_the_spine_is_no_vertebra(levels):
    """Two junk candidates, sure of themselves and of a level, two to three widths off the chain."""
    corners = spine(LUMBAR)
    sideways = [corners[2].mean(axis=0) + [110, 12], corners[0].mean(axis=0) + [-95, -30]]
    names = [None, None] if levels is None else [["L3"], ["T11"]]
    junk = [
        candidates_of(box(*at), name, score=0.95) for at, name in zip(sideways, names, strict=True)
    ]
    everything = joined(candidates_of(corners, levels), *junk)
    chain = infer_chain(everything, score_threshold=0.3)
    assert chain.indices.tolist() == list(range(len(corners)))


def test_junk_in_a_disc_space_is_no_vertebra():
    corners = spine(LUMBAR)
    disc = corners[2:4].mean(axis=(0, 1))
    junk = candidates_of(box(*disc, height=12), None, score=0.6)
    chain = infer_chain(joined(candidates_of(corners, None), junk), score_threshold=0.3)
    assert chain.indices.tolist() == list(range(len(corners)))


def test_a_vertebra_that_is_sure_of_a_wrong_name_stays_a_vertebra():
    said = ["T12", "L1", "L4", "L3", "L4", "L5", "S1"]
    chain = infer_chain(candidates_of(spine(LUMBAR), said, blur=0.3), score_threshold=0.3)
    assert [LEVELS[n] for n in chain.levels] == list(LUMBAR)


def test_more_vertebrae_than_levels_are_kept_where_names_are_unknown():
    corners = np.concatenate([box(100, 100 + 40 * i) for i in range(24)])
    assert len(infer_chain(candidates_of(corners, None), score_threshold=0.3).indices) == 24


def test_real_whole_spines_are_kept_whole(shared_data: Path):
    """The null state, without a name to lean on, rejects no vertebra of a sound annotation."""
    folder = shared_data / "aasce2019-train"
    films = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    suspect = json.loads((folder / "suspect_labels.json").read_text(encoding="utf-8"))["suspect"]
    doubtful = {name for names in suspect.values() for name in names}
    for film in [f for f in films if f["image"] not in doubtful][::3]:
        corners = np.array(film["corners"], dtype=np.float64).reshape(17, 4, 2)
        mixed = shuffled(candidates_of(corners, None))
        chain = infer_chain(mixed, score_threshold=0.3)
        np.testing.assert_array_equal(mixed.corners[chain.indices], corners)
