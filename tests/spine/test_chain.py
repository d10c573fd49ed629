from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_spine import (
    arc,
    box,
    candidates_of,
    joined,
    lordosis,
    rotated,
    shuffled,
    spine,
    straight,
)

from spondyl.anatomy import LEVELS, MIRRORED_CORNERS
from spondyl.errors import UsageError
from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.calibration import Calibration
from spondyl.spine.chain import (
    anchored,
    assemble,
    has_gap,
    keep_order,
    level_note,
    seen_view,
    to_landmarks,
)
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurements import measure
from spondyl.spine.traits import TRAITS
from spondyl.spine.trust import Trust, fit_trust

LUMBAR = LEVELS[11:]  # T12 to S1
WHOLE = LEVELS[:17]


def assert_is(landmarks: Landmarks, corners: np.ndarray, levels: tuple[str, ...]) -> None:
    assert landmarks.levels == levels
    np.testing.assert_allclose(landmarks.points, corners)
    assert (landmarks.level_probability > 0.9).all()


@pytest.mark.parametrize("turn", [-45, 0, 45])
@pytest.mark.parametrize("sacral_tilt", [30.0, 70.0])
@pytest.mark.parametrize("slip", [0.0, -0.8])
def test_a_lumbar_spine_is_ordered_and_named(slip, sacral_tilt, turn):
    corners = rotated(spine(LUMBAR, sacral_tilt=sacral_tilt, slips={"L5": slip}), turn)
    assert_is(assemble(shuffled(candidates_of(corners, LUMBAR))), corners, LUMBAR)


@pytest.mark.parametrize("cobb", [-90, 90])
def test_a_scoliotic_spine_is_ordered_and_named(cobb):
    corners = spine(WHOLE, tilt=arc(cobb))
    found = assemble(shuffled(candidates_of(corners, WHOLE, blur=1.0)), view="ap")
    assert_is(found, corners, WHOLE)
    assert found.facing is None


@pytest.mark.parametrize("missed", ["L1", "L3", "L5"])
def test_a_missed_vertebra_leaves_its_name_free(missed):
    levels = tuple(level for level in LUMBAR if level != missed)
    corners = spine(levels)
    assert_is(assemble(shuffled(candidates_of(corners, levels))), corners, levels)


@pytest.mark.parametrize("levels", [LUMBAR[1:], LUMBAR[:-1], WHOLE[3:9]])
def test_vertebrae_outside_the_film_do_not_matter(levels):
    corners = spine(levels)
    assert_is(assemble(shuffled(candidates_of(corners, levels))), corners, levels)


def test_a_mirrored_film_gives_the_mirrored_landmarks():
    width = 700
    candidates = candidates_of(spine(LUMBAR), LUMBAR)
    plain = assemble(candidates)
    corners = candidates.corners[:, MIRRORED_CORNERS].copy()
    corners[..., 0] = width - 1 - corners[..., 0]
    mirrored = assemble(shuffled(candidates_of(corners, LUMBAR, facing_logit=3.0)))
    np.testing.assert_allclose(mirrored.points, plain.mirrored(width).points)
    assert (plain.facing, mirrored.facing) == ("left", "right")
    assert mirrored.levels == plain.levels


def false_s2(levels: tuple[str, ...] = LUMBAR) -> tuple[np.ndarray, Detections]:
    """A spine, and its candidates with one more below S1 that is sure to be S1 itself."""
    corners = spine(levels, sacral_tilt=40.0)
    below = corners[-1:] + 1.1 * (corners[-1, 2:].mean(axis=0) - corners[-1, :2].mean(axis=0))
    sacrum = candidates_of(below, ["S1"], blur=0.3)
    return corners, shuffled(joined(candidates_of(corners, levels), sacrum))


def test_a_false_s2_does_not_shift_the_column():
    corners, candidates = false_s2()
    assert_is(assemble(candidates), corners, LUMBAR)


def test_counting_up_from_the_lowest_would_shift_it():
    """What the chain is for: the same candidates, in order, counted up from the lowest as S1."""
    _, candidates = false_s2()
    counted = LEVELS[-len(candidates) :]
    assert len(candidates) == len(LUMBAR) + 1
    assert not set(zip(counted[:-1], LUMBAR, strict=True)) & {(name, name) for name in LEVELS}


def test_the_sacrum_lends_its_evidence_to_vertebrae_that_know_little():
    corners = spine(LUMBAR)
    vague = candidates_of(corners[:-1], LUMBAR[:-1], blur=4.0)
    sacrum = candidates_of(corners[-1:], ["S1"], blur=0.2)
    assert assemble(vague).levels is None
    assert assemble(joined(vague, sacrum)).levels == LUMBAR


@pytest.mark.parametrize(("levels", "blur"), [(None, 1.0), (LUMBAR[:-1], 6.0)])
def test_without_evidence_no_level_is_named(levels, blur):
    found = assemble(candidates_of(spine(LUMBAR[:-1]), levels, blur=blur))
    assert len(found) == len(LUMBAR) - 1
    assert found.levels is None
    assert np.isnan(found.level_probability).all()
    assert str(level_note(found)).startswith("level undetermined")


def test_a_threshold_of_one_names_nothing_that_is_not_certain():
    candidates = candidates_of(spine(LUMBAR), LUMBAR, blur=1.0)
    assert assemble(candidates, calibration=Calibration(name_threshold=1.0)).levels is None


def test_a_named_spine_says_what_its_numbering_assumes():
    named = assemble(candidates_of(spine(LUMBAR), LUMBAR))
    assert level_note(named) == "numbering assumes five lumbar vertebrae"
    partly = Landmarks(named.points, levels=(None, *LUMBAR[1:]))
    assert str(level_note(partly)).startswith("level undetermined for 1 of 7 vertebrae")
    assert level_note(named.select([])) is None


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_candidates_are_a_short_spine(count):
    levels = LUMBAR[len(LUMBAR) - count :]
    found = assemble(candidates_of(spine(LUMBAR)[len(LUMBAR) - count :], levels, blur=0.3))
    assert found.names == levels


def test_nothing_found_is_no_spine():
    found = assemble(candidates_of(np.zeros((0, 4, 2)), None))
    assert len(found) == 0
    assert found.levels is None
    assert found.facing is None


def test_low_scores_and_duplicates_are_left_out():
    corners = spine(LUMBAR)
    poor = candidates_of(corners + 4.0, LUMBAR, score=0.5)
    low = candidates_of(box(300, 200), ["T11"], score=0.2)
    found = assemble(joined(poor, candidates_of(corners, LUMBAR), low))
    assert_is(found, corners, LUMBAR)


def test_confidence_is_the_score_of_the_corners():
    candidates = candidates_of(spine(LUMBAR), LUMBAR)
    candidates.corner_score[:] = np.linspace(0, 1, 28).reshape(7, 4)
    mixed = shuffled(candidates)
    np.testing.assert_array_equal(assemble(mixed).confidence, candidates.corner_score)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 20.0), st.floats(-5e3, 5e3), st.floats(-5e3, 5e3), st.integers(0, 99))
def test_place_scale_and_order_of_the_candidates_do_not_matter(scale, x, y, seed):
    _, candidates = false_s2()
    moved = candidates.corners * scale + np.array([x, y])
    there = shuffled(candidates.scaled(moved, np.full(2, scale)), seed)
    here = assemble(candidates)
    found = assemble(there)
    np.testing.assert_allclose(found.points, here.points * scale + np.array([x, y]))
    np.testing.assert_allclose(found.level_probability, here.level_probability, rtol=1e-6)
    assert found.levels == here.levels


def test_the_same_candidates_give_the_same_bits():
    _, candidates = false_s2()
    first, second = assemble(candidates), assemble(candidates)
    np.testing.assert_array_equal(first.level_probability, second.level_probability)
    np.testing.assert_array_equal(first.points, second.points)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_names_never_contradict_the_order(seed, count):
    """Any heap of boxes with any logits: the names that are given go down the spine, once each."""
    rng = np.random.default_rng(seed)
    corners = np.concatenate(
        [np.zeros((0, 4, 2))] + [box(*rng.uniform(0, 300, 2)) for _ in range(count)]
    )
    noise = candidates_of(corners, None)
    noise.level_logits[:] = rng.normal(scale=4.0, size=noise.level_logits.shape)
    noise.score[:] = rng.uniform(size=count)
    names = assemble(noise, calibration=Calibration(name_threshold=0.2)).names
    numbers = [LEVELS.index(name) for name in names if name is not None]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("logits", "expected"),
    [((3, 3, 3), "right"), ((-2, 1, -1), "left"), ((0, 0, 0), None), ((0.1, -0.05, 0.1), None)],
)
def test_facing_is_the_vote_of_the_vertebrae(logits, expected):
    candidates = candidates_of(spine(["L4", "L5", "S1"]), None)
    candidates.facing_logit[:] = logits
    assert assemble(candidates).facing == expected
    assert assemble(candidates, view="ap").facing is None


def test_a_sure_vertebra_outvotes_a_doubtful_one():
    candidates = candidates_of(spine(["L4", "L5"], tilt=straight), None)
    candidates.facing_logit[:] = 2.0, -3.0
    candidates.score[:] = 0.95, 0.4
    assert assemble(candidates).facing == "right"


def test_an_anchor_names_the_chain_by_counting():
    candidates = candidates_of(spine(LUMBAR), None)
    found = assemble(shuffled(candidates), anchor=("L5", 6))
    assert found.levels == LUMBAR
    np.testing.assert_array_equal(found.level_probability, 1.0)
    assert assemble(candidates, anchor=("L4", 6)).levels == LEVELS[10:17]


def test_an_anchor_overrules_the_network():
    found = assemble(candidates_of(spine(LUMBAR), LUMBAR), anchor=("L4", 6))
    assert found.levels == LEVELS[10:17]


def test_an_anchor_counts_the_level_that_was_missed():
    levels = ("T12", "L1", "L2", "L4", "L5", "S1")
    assert assemble(candidates_of(spine(levels), None), anchor=("L5", 5)).levels == levels


@pytest.mark.parametrize(
    ("anchor", "message"),
    [
        (("L5", 0), "this film has 7 vertebrae, need a place from 1 to 7"),
        (("L5", 8), "this film has 7 vertebrae, need a place from 1 to 7"),
        (("L5", 3), "a vertebra would lie below S1"),
        (("T2", 6), "a vertebra would lie above T1"),
        (("L6", 6), "unknown level 'L6'"),
    ],
)
def test_an_impossible_anchor_is_refused_in_one_line(anchor, message):
    with pytest.raises(UsageError, match=message) as caught:
        anchored(Landmarks(spine(LUMBAR, tilt=lordosis)), anchor)
    assert str(caught.value).startswith(f"anchor {anchor[0]}={anchor[1]}: ")
    assert "\n" not in str(caught.value)


def test_a_facing_within_the_limit_of_the_calibration_stays_open():
    candidates = candidates_of(spine(LUMBAR), None, facing_logit=0.9)
    assert assemble(candidates).facing == "right"
    assert assemble(candidates, calibration=Calibration(facing_limit=1.0)).facing is None


def test_a_network_of_both_views_takes_a_spine_without_a_front_for_ap():
    every = [candidates_of(spine(LUMBAR), None, facing_logit=0.01 * k) for k in range(-30, 30)]
    seen = [(each, assemble(each, view="ap")) for each in every]
    both = Calibration(facing_limit=1.0, trust=fit_trust(seen), frontal=fit_trust(seen))
    assert both.frontal is not None
    frontal, lateral = (candidates_of(spine(LUMBAR), None, facing_logit=f) for f in (0.1, 3.0))
    assert seen_view(assemble(frontal, calibration=both), both) == "ap"
    assert seen_view(assemble(lateral, calibration=both), both) == "lateral"
    assert seen_view(assemble(frontal), Calibration()) is None


def test_slots_keep_their_order_and_lose_the_doubtful():
    """Not even an order that looks wrong is changed: the codec's order is its own claim."""
    corners = spine(LUMBAR)[::-1].copy()
    candidates = candidates_of(corners, None, facing_logit=0.0)
    candidates.score[2] = 0.01
    candidates.corners[4] = np.nan
    found = keep_order(candidates, calibration=Calibration(score_threshold=0.05))
    np.testing.assert_array_equal(found.points, corners[[0, 1, 3, 5, 6]])
    assert found.levels is None
    assert found.facing is None


@pytest.mark.parametrize("missed", [2, 3])
@pytest.mark.parametrize("named", [False, True])
def test_a_vertebra_that_was_missed_leaves_a_gap(missed, named):
    levels = tuple(name for i, name in enumerate(LUMBAR) if i != missed)
    found = Landmarks(spine(levels), levels=levels if named else None)
    assert has_gap(found)
    assert not has_gap(Landmarks(spine(LUMBAR), levels=LUMBAR if named else None))


def test_names_say_more_of_a_gap_than_distances():
    """The ones on either side are named: whatever lies between them, a level is missing, or not."""
    apart = spine(("L1", "L3"))
    assert not has_gap(Landmarks(apart, levels=("L1", "L2")))
    assert has_gap(Landmarks(spine(("L1", "L2")), levels=("L1", "L3")))
    assert has_gap(Landmarks(apart, levels=("L1", None)))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_vertebrae_have_no_gap(count):
    assert not has_gap(Landmarks(spine(LUMBAR)[:count]))


def told(logit, *, ordered=False, calibration, **said):
    candidates = candidates_of(spine(LUMBAR), None if ordered else LUMBAR, facing_logit=logit)
    return to_landmarks(candidates, ordered=ordered, calibration=calibration, **said)


def anything(limit=1e6):
    """A trust that refuses nothing, or everything."""
    count = len(TRAITS)
    rows = tuple(map(tuple, np.eye(count).tolist()))
    return Trust((0.0,) * count, (1.0,) * count, rows, limit, 60)


BOTH = Calibration(facing_limit=1.0, trust=anything(), frontal=anything())
SIDE, FRONT = 3.0, 0.1  # mean logits of the facing on lateral and on AP films


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize(
    ("logit", "view", "reason"),
    [
        (SIDE, "ap", "said to be an AP film, but the network sees a lateral one"),
        (FRONT, "lateral", "said to be a lateral film, but the network sees an AP one"),
        (SIDE, "lateral", None),
        (FRONT, "ap", None),
        (SIDE, None, None),
        (FRONT, None, None),
    ],
)
def test_a_film_said_to_be_of_the_view_that_is_not_seen_is_refused(logit, view, reason, ordered):
    found = told(logit, ordered=ordered, calibration=BOTH, view=view)
    assert (found.refusal or "").startswith(reason or "")
    assert (found.refusal is None) == (reason is None)
    assert (found.facing is None) == (logit == FRONT or view == "ap")
    film = FilmGeometry(700, 500, view=view or seen_view(found, BOTH))
    measured = measure(found, film, angles=["V2.superior:V4.superior"])
    assert any(each.value is not None for each in measured) == (reason is None)
    if reason:
        assert {each.note for each in measured} == {found.refusal}


@pytest.mark.parametrize(("logit", "view"), [(SIDE, "ap"), (FRONT, "lateral")])
def test_a_view_that_a_user_stated_is_not_held_against_what_is_seen(logit, view):
    assert told(logit, calibration=BOTH, view=view).refusal
    assert told(logit, calibration=BOTH, view=view, stated=True).refusal is None


@pytest.mark.parametrize(("logit", "view"), [(SIDE, "ap"), (FRONT, "lateral")])
def test_a_network_that_cannot_tell_the_views_apart_takes_them_as_they_are_said(logit, view):
    one = Calibration(facing_limit=1.0, trust=anything())
    assert told(logit, calibration=one, view=view).refusal is None


def test_a_doubted_view_is_judged_as_the_one_that_is_seen_and_a_stated_one_as_stated():
    """A spine unlike all known ones says so first: what it is taken for is then worth little."""
    frontal_refuses = replace(BOTH, frontal=anything(1e-6))
    assert (
        "unlike the films known" not in told(SIDE, calibration=frontal_refuses, view="ap").refusal
    )
    stated = told(SIDE, calibration=frontal_refuses, view="ap", stated=True)
    assert stated.refusal.startswith("unlike the films known")
    lateral_refuses = replace(BOTH, trust=anything(1e-6))
    found = told(SIDE, calibration=lateral_refuses, view="ap")
    assert found.refusal.startswith("unlike the films known")


@pytest.mark.parametrize("view", ["ap", "lateral"])
def test_where_no_vertebra_was_found_no_view_is_doubted(view):
    nothing = candidates_of(np.zeros((0, 4, 2)), None)
    found = to_landmarks(nothing, ordered=False, calibration=BOTH, view=view)
    assert found.refusal == "no spine was found"
