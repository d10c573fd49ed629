import numpy as np
import pytest
from synthetic_spine import HEIGHT, PITCH, WIDTH, arc, candidates_of, spine, straight

from spondyl.anatomy import LEVELS
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.traits import TRAITS, traits

LUMBAR = LEVELS[12:17]


def told(corners: np.ndarray, detections: Detections | None = None) -> dict[str, str]:
    """The traits of a chain in words, by name."""
    candidates = detections or candidates_of(corners, LUMBAR[: len(corners)])
    found = Landmarks(corners, np.full((len(corners), 4), 0.9))
    places = traits(found, candidates)
    return {t.name: t.said(p) for t, p in zip(TRAITS, places, strict=True) if not np.isnan(p)}


def test_a_straight_spine_of_equal_blocks_has_their_proportions():
    known = told(spine(LUMBAR, tilt=straight))
    assert known["pitch"] == f"{PITCH / HEIGHT:.2f}"
    assert known["aspect"] == f"{WIDTH / HEIGHT:.2f}"
    assert known["count"] == "5"
    assert known["confidence"] == known["lowest_confidence"] == "0.90"
    regular = ("spacing", "height_change", "width_change", "sidestep", "strays")
    assert {known[name] for name in regular} == {"0%"}
    assert {known[name] for name in ("tilt", "wedge")} == {"0 deg"}
    assert known["level_step"] == "1.00"


def test_an_arc_of_forty_degrees_has_ten_between_each_two_of_five():
    assert told(spine(LUMBAR, tilt=arc(40.0)))["tilt"] == "10 deg"


def test_bodies_that_grow_by_a_tenth_differ_by_so_much_from_their_neighbours():
    corners = spine(LUMBAR, tilt=straight)
    centres = corners.mean(axis=1, keepdims=True)
    growing = centres + (corners - centres) * 1.1 ** np.arange(5)[:, None, None]
    known = told(growing)
    logarithm = f"{np.log(1.1):.0%}"
    assert known["width_change"] == known["height_change"] == logarithm


def test_a_slip_of_one_vertebra_is_a_sidestep():
    """One step of four: the root of the mean square is half of it."""
    corners = spine(LUMBAR, tilt=straight, slips={"L4": 0.3})
    assert told(corners)["sidestep"] == f"{0.3 / 2:.0%}"


def test_a_candidate_that_the_chain_leaves_out_is_stray_evidence():
    corners = spine(LUMBAR, tilt=straight)
    more = candidates_of(np.concatenate([corners, corners[:1] + 500]), (*LUMBAR, "T12"))
    assert told(corners, more)["strays"] == f"{1 / 6:.0%}"


def test_levels_that_run_upwards_have_a_step_of_minus_one():
    corners = spine(LUMBAR, tilt=straight)
    assert told(corners, candidates_of(corners, LUMBAR[::-1]))["level_step"] == "-1.00"


def test_what_cannot_be_told_is_left_out_and_nothing_warns():
    """No level, no facing, no wall and no endplate seen whole: NaN, not an error."""
    corners = spine(LUMBAR[:3], tilt=straight)
    corners[:, 1:] = np.nan
    candidates = candidates_of(corners, LUMBAR[:3])
    candidates.level_logits[:] = 0.0
    candidates.facing_logit[:] = 0.0
    known = told(corners, candidates)
    assert known["count"] == "3"
    assert not {"pitch", "aspect", "tilt", "wedge", "facing", "level_step"} & set(known)


@pytest.mark.parametrize(("kind", "values"), [
    ("share", (0.002, 0.5, 0.998)), ("ratio", (0.0, 0.3, 40.0)), ("number", (-2.0, 0.0, 3.5)),
])  # fmt: skip
def test_an_axis_leads_back_to_the_value(kind, values):
    trait = next(t for t in TRAITS if t.kind == kind)
    for value in values:
        assert trait.said(trait.axis(value)) == trait.form.format(value)
