import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from synthetic_spine import box, candidates_of, joined, shuffled, spine

from spondyl.anatomy import LEVELS
from spondyl.spine.calibration import Calibration, fit_calibration, golden_minimum, match_centres
from spondyl.spine.chain import assemble
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks

LUMBAR = LEVELS[11:]
START = Calibration(score_threshold=0.3)


def lone_vertebra(rng: np.random.Generator, overstated: float) -> tuple[Detections, Landmarks]:
    """A film of one vertebra whose logits are ``overstated`` times those of its true chances."""
    chances = rng.normal(scale=1.5, size=len(LEVELS))
    shares = np.exp(chances) / np.exp(chances).sum()
    level = rng.choice(LEVELS, p=shares)
    candidates = candidates_of(box(100, 100), [level], score=0.999)
    candidates.level_logits[0, :-1] = overstated * chances
    return candidates, Landmarks(box(100, 100), levels=(str(level),))


def whole_film(rng: np.random.Generator, *, noise: float) -> tuple[Detections, Landmarks]:
    """Five vertebrae; what they say of their names shares one error, as a network's does."""
    first = int(rng.integers(6, 13))
    levels = LEVELS[first : first + 5]
    corners = spine(levels)
    candidates = candidates_of(corners, levels)
    said = np.arange(len(LEVELS)) - np.arange(first, first + 5)[:, None] - rng.normal(scale=noise)
    candidates.level_logits[:, :-1] = -0.5 * (said / 0.7) ** 2
    return shuffled(candidates), Landmarks(corners, levels=levels)


@pytest.mark.parametrize("overstated", [0.5, 3.0])
def test_a_known_temperature_is_found_again(overstated):
    rng = np.random.default_rng(0)
    pairs = [lone_vertebra(rng, overstated) for _ in range(150)]
    fitted = fit_calibration(pairs, start=START)
    np.testing.assert_allclose(fitted.temperature, overstated, rtol=0.3)


def test_the_sacrum_is_believed_by_a_temperature_of_its_own():
    """The odds of S1 are overstated twofold, those among the levels above it fivefold."""
    rng = np.random.default_rng(2)
    pairs = []
    for _ in range(400):
        candidates, truth = lone_vertebra(rng, 1.0)
        logits = candidates.level_logits[0, :-1]
        odds = logits[-1] - np.logaddexp.reduce(logits[:-1])
        logits[:-1] *= 5
        logits[-1] = 2 * odds + np.logaddexp.reduce(logits[:-1])
        pairs.append((candidates, truth))
    fitted = fit_calibration(pairs, start=START)
    np.testing.assert_allclose(fitted.temperature, 5.0, rtol=0.3)
    np.testing.assert_allclose(fitted.sacrum_temperature, 2.0, rtol=0.3)


def test_films_without_a_sacrum_leave_its_temperature_alone():
    rng = np.random.default_rng(5)
    named = [lone_vertebra(rng, 3.0) for _ in range(60)]
    above = [(found, truth) for found, truth in named if truth.names != ("S1",)]
    assert len(above) < len(named)
    fitted = fit_calibration(above, start=Calibration(score_threshold=0.3, sacrum_temperature=1.4))
    assert fitted.sacrum_temperature == 1.4
    assert fitted.temperature > 2


def test_after_fitting_the_said_probability_is_the_true_share():
    """One error shared by a film's vertebrae makes the raw chain far too sure of itself."""
    rng = np.random.default_rng(1)
    pairs = [whole_film(rng, noise=0.8) for _ in range(150)]
    fitted = fit_calibration(pairs[:75], start=START)

    def said_and_true(calibration: Calibration) -> tuple[float, float]:
        lenient = Calibration(calibration.temperature, 0.0, calibration.score_threshold)
        found = [(assemble(d, calibration=lenient), truth) for d, truth in pairs[75:]]
        said = np.concatenate([f.level_probability for f, _ in found])
        right = [a == b for f, t in found for a, b in zip(f.names, t.names, strict=True)]
        return float(said.mean()), float(np.mean(right))

    raw, share = said_and_true(START)
    calibrated, share_after = said_and_true(fitted)
    assert raw - share > 0.2
    assert abs(calibrated - share_after) < 0.1
    assert fitted.temperature > 2


def test_a_threshold_that_is_clearly_better_is_taken():
    """Junk on the chain below 0.5, vertebrae above: F1 is best from 0.5 on."""
    corners = spine(LUMBAR)
    film = candidates_of(corners[1:-1], None, score=0.8)
    ends = candidates_of(corners[[0, -1]], None, score=0.45)
    inner = np.concatenate([np.arange(1, 3), np.arange(4, 6)])
    truth = Landmarks(corners[inner])
    stray = candidates_of(corners[[3]], None, score=0.45)
    keep = film.select(np.array([0, 1, 3, 4]))
    pairs = [(joined(keep, stray, ends), truth)]
    fitted = fit_calibration(pairs, start=START)
    assert fitted.score_threshold == 0.5


def test_where_thresholds_tie_the_stated_one_stays():
    corners = spine(LUMBAR)
    pairs = [(candidates_of(corners, None, score=0.9), Landmarks(corners))]
    for stated in (0.05, 0.3, 0.42):
        fitted = fit_calibration(pairs, start=Calibration(score_threshold=stated))
        assert fitted.score_threshold == stated


def test_what_lies_beyond_the_annotators_ends_is_no_fault():
    """A film labelled from L2 on, with all candidates real: no reason to raise the threshold."""
    corners = spine(LUMBAR)
    candidates = candidates_of(corners, LUMBAR)
    candidates.score[:2] = 0.35
    fitted = fit_calibration([(candidates, Landmarks(corners[2:]))], start=START)
    assert fitted.score_threshold == 0.3


def test_films_without_names_leave_the_temperature_alone():
    corners = spine(LUMBAR)
    unnamed = [(candidates_of(corners, LUMBAR), Landmarks(corners))]
    silent = [(candidates_of(corners, None), Landmarks(corners, levels=LUMBAR))]
    start = Calibration(temperature=1.7)
    for pairs in (unnamed, silent, []):
        assert fit_calibration(pairs, start=start) == start


def test_films_with_another_lumbar_count_do_not_shake_the_trust_in_the_numbering():
    """A few such films, named with certainty and wrongly, would make all others doubtful."""
    rng = np.random.default_rng(3)
    usual = [whole_film(rng, noise=0.1) for _ in range(20)]
    found, truth = whole_film(rng, noise=0.1)
    shifted = ("L2", "L3", "L4", "L5", "L6")  # one lumbar vertebra more than the numbering knows
    sixth = (candidates_of(truth.points, LUMBAR[2:]), Landmarks(truth.points, levels=shifted))
    assert len(found) == 5
    assert fit_calibration([*usual, sixth], start=START) == fit_calibration(usual, start=START)


def test_the_name_threshold_is_a_choice_and_stays():
    pairs = [whole_film(np.random.default_rng(2), noise=0.3) for _ in range(5)]
    assert fit_calibration(pairs, start=Calibration(name_threshold=0.77)).name_threshold == 0.77


def test_matches_are_mutual_and_within_half_a_height():
    truth = Landmarks(np.concatenate([box(100, 100), box(100, 140), box(100, 180)]))
    found = np.concatenate([box(103, 139), box(102, 146), box(100, 196)])
    matched = [indices.tolist() for indices in match_centres(found, truth)]
    assert matched == [[0], [1]]
    assert match_centres(found[:0], truth)[0].size == 0


def test_json_gives_the_calibration_back():
    calibration = Calibration(2.1, 0.85, 0.4)
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration
    assert Calibration.from_json({"temperature": 2}) == Calibration(temperature=2.0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"temperature": 0}, "temperature is 0.0, need a finite number above 0"),
        ({"name_threshold": 1.2}, "name_threshold is 1.2, need 0 to 1"),
        ({"heat": 1}, "heat"),
        ({"temperature": None}, "calibration cannot be read"),
    ],
)
def test_an_impossible_calibration_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        Calibration.from_json(data)


@pytest.mark.parametrize("centre", [-1.9, 0.3, 2.0])
def test_golden_section_finds_the_minimum_that_scipy_finds(centre):
    def bowl(x: float) -> float:
        return (x - centre) ** 2 + 0.1 * (x - centre) ** 4

    expected = minimize_scalar(bowl, bounds=(-2, 3), method="bounded").x
    assert abs(golden_minimum(bowl, -2.0, 3.0, steps=40) - expected) < 1e-4
