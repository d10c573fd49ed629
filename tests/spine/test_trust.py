import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_spine import candidates_of, lordosis, rotated, spine

from spondyl.anatomy import LEVELS
from spondyl.film.radiograph import FilmGeometry
from spondyl.session import load_session
from spondyl.spine.calibration import Calibration
from spondyl.spine.chain import to_landmarks
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurements import measure
from spondyl.spine.traits import TRAITS
from spondyl.spine.trust import LEAST_FILMS, Trust, fit_trust
from spondyl.weights import DEFAULT, packaged, packaged_names

LUMBAR = LEVELS[11:]
KNOWN = Calibration()


def seen(rng: np.random.Generator) -> Detections:
    """What a network finds on a good film: 4 to 6 vertebrae, corners off by 1 px, sure of them."""
    levels = LUMBAR[-int(rng.integers(4, 7)) :]
    bend = rng.normal(1.0, 0.2)
    corners = spine(levels, tilt=lambda share: bend * lordosis(share))
    found = candidates_of(corners + rng.normal(0, 1, corners.shape), levels)
    found.score[:] = rng.uniform(0.85, 0.95, len(levels))
    found.corner_score[:] = rng.uniform(0.75, 0.9, (len(levels), 4))
    return found


def chain(found: Detections) -> Landmarks:
    return to_landmarks(found, ordered=False, calibration=KNOWN)


def judged(trust: Trust, found: Detections) -> Landmarks:
    return to_landmarks(found, ordered=False, calibration=replace(KNOWN, trust=trust))


@cache
def films(seed: int, count: int) -> list[tuple[Detections, Landmarks]]:
    rng = np.random.default_rng(seed)
    return [(found, chain(found)) for found in (seen(rng) for _ in range(count))]


@pytest.fixture(scope="module")
def trust() -> Trust:
    fitted = fit_trust(films(0, 200))
    assert fitted is not None
    return fitted


@pytest.fixture
def good() -> Detections:
    return seen(np.random.default_rng(9))


def test_of_unseen_good_films_about_two_in_a_hundred_are_refused(trust):
    """Over calibrations the share is Beta distributed about 2 % with an SD of 1 %."""
    refused = [trust.judged(own, found).refusal for found, own in films(1, 400)]
    assert 0 < sum(reason is not None for reason in refused) <= 0.05 * 400


def test_the_limit_lets_all_but_two_in_a_hundred_of_its_own_films_pass(trust):
    refused = [trust.judged(own, found).refusal for found, own in films(0, 200)]
    assert sum(reason is not None for reason in refused) <= 4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_vertebrae_are_no_spine_and_nothing_is_more_doubtful(trust, good, count):
    found = judged(trust, good.select(np.arange(count)))
    assert found.refusal.startswith("no spine was found")
    rubbish = replace(good, corners=np.random.default_rng(0).uniform(0, 500, good.corners.shape))
    assert np.isfinite(found.doubt)
    assert found.doubt >= trust.judged(Landmarks(rubbish.corners), rubbish).doubt > 1


def spoilt(good: Detections, what: str) -> Detections:
    if what == "the mean confidence of the corners":
        return replace(good, corner_score=good.corner_score * 0.4)
    if what == "the agreement on the anterior side":
        return replace(good, facing_logit=good.facing_logit * (-1.0) ** np.arange(len(good)))
    if what == "the step in level from one vertebra to the next":
        return replace(good, level_logits=good.level_logits[::-1])
    middle = good.corners.mean(axis=1, keepdims=True)
    wide = middle + (good.corners - middle) * [2.2, 1.0]
    return replace(good, corners=wide)


@pytest.mark.parametrize("what", [
    "the mean confidence of the corners",
    "the agreement on the anterior side",
    "the step in level from one vertebra to the next",
    "the width of the vertebrae over their height",
])  # fmt: skip
def test_the_reason_names_what_is_wrong(trust, good, what):
    bad = spoilt(good, what)
    said = trust.judged(chain(good).moved(bad.corners), bad)
    if what.startswith("the mean confidence"):
        said = trust.judged(replace(chain(good), confidence=bad.corner_score), bad)
    assert said.refusal.startswith(f"unlike the films known: {what} is ")
    assert "\n" not in said.refusal


def test_a_refused_film_has_no_measurement_and_every_one_says_why(trust, good):
    bad = judged(trust, replace(good, corner_score=good.corner_score * 0.3))
    measured = measure(bad, FilmGeometry(700, 500, view="lateral"))
    assert measured
    assert {m.value for m in measured} == {None}
    assert {m.note for m in measured} == {bad.refusal}
    assert any(m.value is not None for m in measure(judged(trust, good), FilmGeometry(700, 500)))


@settings(deadline=None, max_examples=25)
@given(st.floats(0.05, 20), st.floats(-180, 180), st.booleans())
def test_size_turn_and_mirror_do_not_change_the_doubt(trust, scale, degrees, mirror):
    good = seen(np.random.default_rng(9))
    moved = rotated(good.corners, degrees) * scale
    facing = good.facing_logit
    if mirror:
        moved, facing = moved[:, [1, 0, 3, 2]] * [-1, 1], -facing
    own = chain(good)
    again = trust.judged(own.moved(moved), replace(good, corners=moved, facing_logit=facing))
    assert again.doubt == pytest.approx(trust.judged(own, good).doubt, rel=1e-6)


def test_the_doubt_is_the_mahalanobis_distance_in_units_of_the_limit(trust, good):
    from scipy.spatial.distance import mahalanobis

    from spondyl.spine.traits import traits

    away = (traits(chain(good), good) - trust.centre) / trust.spread
    distance = mahalanobis(away, np.zeros(len(TRAITS)), np.array(trust.precision))
    assert judged(trust, good).doubt == pytest.approx(distance / trust.limit)


def test_three_calibration_films_that_failed_do_not_make_failures_acceptable(good):
    known, failed = films(0, 200), replace(good, corner_score=good.corner_score * 0.1)
    fitted = fit_trust([*known[:197], *[(failed, chain(failed))] * 3])
    assert fitted is not None
    assert judged(fitted, failed).doubt > 1
    assert judged(fitted, good).doubt < 1


def test_without_enough_films_there_is_no_trust():
    assert fit_trust(films(0, LEAST_FILMS - 1)) is None
    assert fit_trust(films(0, LEAST_FILMS)) is not None


def test_where_many_calibration_films_show_no_spine_nothing_can_be_trusted():
    known = films(0, 60)
    empty = known[0][0].select(np.array([], dtype=np.int64))
    assert fit_trust([*known[:58], *[(empty, chain(empty))] * 2]) is None


def test_the_round_trip_through_json_is_exact(trust):
    text = json.dumps(trust.to_json(), allow_nan=False)
    assert Trust.from_json(json.loads(text)) == trust
    calibration = replace(KNOWN, trust=trust)
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


def test_what_is_no_trust_is_refused_in_one_line(trust):
    for spoil in ({"limit": 0.0}, {"limit": None}, {"traits": {}}, {"limit": float("nan")}):
        with pytest.raises(ValueError, match=r"^trust"):
            Trust.from_json({**trust.to_json(), **spoil})


def listed(stored: dict) -> dict:
    """The form in which the columns of the precision have no names."""
    told = {n: {**each, "precision": list(each["precision"].values())}
            for n, each in stored["traits"].items()}  # fmt: skip
    return {**stored, "traits": told}


def shuffled(stored: dict) -> dict:
    """The same, each object in another order, as an editor or ``sort_keys`` leaves it."""
    told = {n: {**each, "precision": dict(sorted(each["precision"].items()))}
            for n, each in sorted(stored["traits"].items())}  # fmt: skip
    return {**stored, "traits": told}


@pytest.mark.parametrize("form", [listed, shuffled])
def test_a_stored_trust_is_read_by_the_names_of_its_traits(trust, good, monkeypatch, form):
    """Another version may know the traits in another order: the doubt of a film stays."""
    stored = form(trust.to_json())
    assert Trust.from_json(stored) == trust
    doubt = trust.judged(chain(good), good).doubt
    for module in ("traits", "trust"):
        monkeypatch.setattr(f"spondyl.spine.{module}.TRAITS", TRAITS[::-1])
    again = Trust.from_json(stored)
    assert again.centre == trust.centre[::-1]
    assert again.judged(chain(good), good).doubt == pytest.approx(doubt)


def test_a_row_without_a_column_is_refused_in_one_line(trust):
    stored = trust.to_json()
    stored["traits"]["pitch"]["precision"].pop("tilt")
    with pytest.raises(ValueError, match=r"^trust is incomplete"):
        Trust.from_json(stored)
    for row in ([0.0] * 15, [0.0] * 17):
        stored["traits"]["pitch"]["precision"] = row
        with pytest.raises(ValueError, match=r"^trust: is of 1[57] traits, need 16"):
            Trust.from_json(stored)


@pytest.mark.skipif(DEFAULT not in packaged_names(), reason=f"{DEFAULT} is not in this copy")
def test_the_columns_of_the_packaged_network_are_taken_for_what_they_are():
    """An inverse covariance is symmetric only if its columns have the names of its rows."""
    known = load_session(packaged()).calibration
    for each in (known.trust, known.frontal):
        assert each is not None
        precision = np.array(each.precision)
        np.testing.assert_allclose(precision, precision.T, atol=1e-9)
