import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_spine import (
    HEIGHT,
    PITCH,
    arc,
    box,
    candidates_of,
    joined,
    rotated,
    shuffled,
    spine,
    straight,
)

from spondyl.anatomy import LEVELS
from spondyl.spine.landmarks import corner_mean
from spondyl.spine.ordering import Bodies, distinct, overlap

LUMBAR = LEVELS[11:]
WHOLE = LEVELS[:17]


def order_of(corners: np.ndarray) -> list[int]:
    return Bodies.of(corners, np.ones(len(corners))).order().tolist()


@pytest.mark.parametrize("turn", [-45, 0, 45, 90, 180])
@pytest.mark.parametrize("cobb", [-90, 0, 90, 120])
def test_a_curved_and_rotated_spine_is_followed_from_head_to_tail(cobb, turn):
    corners = rotated(spine(WHOLE, tilt=arc(cobb)), turn)
    shuffle = np.random.default_rng(0).permutation(17)
    assert shuffle[order_of(corners[shuffle])].tolist() == list(range(17))


@pytest.mark.parametrize("slip", [-1.2, -0.8, 0.8])
@pytest.mark.parametrize("sacral_tilt", [25.0, 70.0])
def test_neither_a_slip_nor_a_steep_sacrum_changes_the_order(sacral_tilt, slip):
    corners = spine(LUMBAR, sacral_tilt=sacral_tilt, slips={"L5": slip})
    assert order_of(corners[::-1]) == list(range(len(LUMBAR)))[::-1]


def test_a_sort_by_y_would_fail_where_the_path_does_not():
    """After a slip of 80 % along a sacrum of 70 deg, L5 lies below S1 in the image."""
    corners = spine(LUMBAR, sacral_tilt=70.0, slips={"L5": -0.8})
    assert np.argsort(corner_mean(corners)[:, 1]).tolist() != list(range(len(LUMBAR)))
    assert order_of(corners) == list(range(len(LUMBAR)))


def test_one_vertebra_with_its_endplates_exchanged_does_not_turn_the_spine():
    corners = spine(LUMBAR)
    corners[3] = corners[3][[2, 3, 0, 1]]
    assert order_of(corners) == list(range(len(LUMBAR)))


@given(
    st.floats(0.01, 100.0),
    st.floats(-1e4, 1e4),
    st.floats(-1e4, 1e4),
    st.permutations(range(len(LUMBAR))),
)
def test_order_does_not_depend_on_the_frame(scale, x, y, shuffle):
    corners = (spine(LUMBAR, sacral_tilt=60.0) * scale + np.array([x, y]))[shuffle]
    assert [shuffle[i] for i in order_of(corners)] == list(range(len(LUMBAR)))


def test_an_endplate_seen_alone_still_stands_for_a_whole_body():
    """The sacrum is often annotated by its superior endplate only."""
    corners = spine(LUMBAR, tilt=straight)
    cut = corners.copy()
    cut[-1, 2:] = np.nan
    cut[0, :2] = np.nan
    cut[2, 3] = np.nan
    found, whole = (Bodies.of(c, np.ones(len(c))) for c in (cut, corners))
    np.testing.assert_allclose(found.centres, whole.centres, atol=1e-9)
    np.testing.assert_allclose(found.heights, HEIGHT)


def test_a_single_corner_is_a_body_of_its_own_place():
    corners = np.full((1, 4, 2), np.nan)
    corners[0, 2] = 10.0, 20.0
    bodies = Bodies.of(corners, np.ones(1))
    np.testing.assert_allclose(bodies.axes, [[0.0, 1.0]])
    assert np.isfinite(bodies.centres).all()


def test_overlap_of_boxes_is_the_known_one():
    first = box(0, 0, height=10, width=20)[0]
    np.testing.assert_allclose(overlap(first, first), 1.0)
    np.testing.assert_allclose(overlap(first, box(10, 0, height=10, width=20)[0]), 1 / 3)
    np.testing.assert_allclose(overlap(first, box(5, 2, height=10, width=20)[0]), 120 / 280)
    assert overlap(first, box(60, 0)[0]) == overlap(first, np.full((4, 2), np.nan)) == 0.0


def test_overlap_of_a_square_and_its_half_turn_is_the_known_one():
    """Two unit squares, one turned by 45 deg, share a regular octagon."""
    square = box(300, 300, height=1, width=1)
    octagon = 2 * (np.sqrt(2) - 1)
    shared = overlap(square[0], rotated(square, 45.0)[0])
    np.testing.assert_allclose(shared, octagon / (2 - octagon))


@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(0, 360))
def test_overlap_is_symmetric_and_a_share(dx, dy, turn):
    first, second = box(300, 300)[0], rotated(box(300 + dx, 300 + dy), turn)[0]
    shared = overlap(first, second)
    assert 0.0 <= shared <= 1.0 + 1e-9
    assert abs(shared - overlap(second, first)) < 1e-9


def test_of_duplicates_the_better_one_stays():
    first = candidates_of(box(100, 100), None, score=0.6)
    near = candidates_of(box(104, 105), None, score=0.8)
    next_one = candidates_of(box(100, 100 + PITCH), None, score=0.5)
    assert distinct(joined(first, near, next_one)).tolist() == [1, 2]


def test_a_large_box_around_the_same_place_is_a_duplicate_too():
    """Centres 11 px apart are beyond a third of a height, but the boxes overlap by 0.43."""
    first = candidates_of(box(100, 100), None, score=0.9)
    shifted = candidates_of(box(102, 111), None, score=0.8)
    assert distinct(joined(first, shifted)).tolist() == [0]


def test_neighbours_across_a_collapsed_disc_are_no_duplicates():
    pair = joined(candidates_of(box(100, 100), None), candidates_of(box(100, 127), None))
    assert len(distinct(pair)) == 2


def test_candidates_without_a_corner_are_left_out():
    empty = candidates_of(np.full((1, 4, 2), np.nan), None)
    assert distinct(joined(empty, candidates_of(box(5, 5), None))).tolist() == [1]


def test_real_whole_spines_come_back_in_the_annotated_order(shared_data: Path):
    """Every AASCE film whose own labels pass simple checks, in any order of the candidates."""
    folder = shared_data / "aasce2019-train"
    films = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    suspect = json.loads((folder / "suspect_labels.json").read_text(encoding="utf-8"))["suspect"]
    doubtful = {name for names in suspect.values() for name in names}
    sound = [film for film in films if film["image"] not in doubtful]
    rng = np.random.default_rng(0)
    for film in sound:
        corners = np.array(film["corners"], dtype=np.float64).reshape(17, 4, 2)
        shuffle = rng.permutation(17)
        assert shuffle[order_of(corners[shuffle])].tolist() == list(range(17)), film["image"]
    assert len(sound) > 400


def test_shuffling_changes_nothing_but_the_order():
    candidates = candidates_of(spine(LUMBAR), LUMBAR)
    mixed = shuffled(candidates)
    np.testing.assert_allclose(
        mixed.corners[order_of(mixed.corners)], candidates.corners[order_of(candidates.corners)]
    )
