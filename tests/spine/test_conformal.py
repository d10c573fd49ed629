"""Intervals hold the truth as often as they say, on films that nothing was fitted on."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from calibration_films import NAMES, SIZE, Noise, film, films, heavy_tailed, normal
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.calibration import Calibration, match_centres
from spondyl.spine.chain import to_landmarks
from spondyl.spine.conformal import (
    FEWEST,
    CalibrationFilm,
    conformal_quantile,
    deviations,
    fit_scale,
    fit_uncertainty,
)
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.uncertainty import SIGNS, Uncertainty, corner_radii

FRAME = FilmGeometry(SIZE, SIZE, None, 1.0, "lateral")
CALIBRATION = Calibration()


def fitted(known: list[CalibrationFilm], coverage: float = 0.9) -> Uncertainty:
    made = fit_uncertainty(known, CALIBRATION, ordered=False, coverage=coverage)
    assert made is not None
    return made


Judged = tuple[Uncertainty, list[CalibrationFilm]]


@pytest.fixture(scope="module", params=[normal, heavy_tailed])
def noise(request: pytest.FixtureRequest) -> Noise:
    known: Noise = request.param
    return known


@pytest.fixture(scope="module")
def judged(noise: Noise) -> Judged:
    """The error of corners from many films that nothing is measured on, and unseen ones."""
    known = [replace(one, truth=replace(one.truth, facing=None)) for one in films(1, 400, noise)]
    return fitted(known), films(2, 400, noise)


@pytest.fixture(scope="module")
def measured(noise: Noise) -> Judged:
    return fitted(films(1, 120, noise)), films(2, 100, noise)


def predicted(errors: Uncertainty, one: CalibrationFilm) -> Landmarks:
    return to_landmarks(errors.applied(one.found), ordered=False, calibration=CALIBRATION)


# the quantile


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.8, 0.9, 0.95]),
)
@settings(deadline=None)
def test_with_one_score_a_film_the_bound_is_the_published_order_statistic(
    scores: list[float], coverage: float
) -> None:
    """Lei et al. 2018: the ceil((n + 1) (1 - alpha))-th smallest of n scores."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    expected = sorted(scores)[rank - 1] if rank <= len(scores) else math.inf
    found = conformal_quantile(np.array(scores), np.arange(len(scores)), coverage)
    assert found == expected


def test_a_film_with_many_discs_counts_as_much_as_one_with_a_single_disc() -> None:
    """Nine films with one small error each, ten with a hundred large ones each."""
    scores = np.concatenate([np.full(9, 1.0), np.full(1000, 5.0)])
    groups = np.concatenate([np.arange(9), 9 + np.repeat(np.arange(10), 100)])
    assert conformal_quantile(scores, groups, 0.45) == 1.0
    assert conformal_quantile(scores, groups, 0.46) == 5.0


def test_a_score_said_twice_is_said_once() -> None:
    scores, groups = np.random.default_rng(0).exponential(size=80), np.repeat(np.arange(20), 4)
    twice = conformal_quantile(np.tile(scores, 2), np.tile(groups, 2), 0.9)
    assert twice == conformal_quantile(scores, groups, 0.9)


def test_the_bound_holds_in_every_number_of_films_though_errors_of_a_film_go_together() -> None:
    """Marginal coverage over many calibrations lies within 0.9 and 0.9 + 1 / (K + 1)."""
    rng = np.random.default_rng(3)
    for films_known in (9, 19, 40):
        held = []
        for _ in range(1500):
            blur = np.exp(rng.normal(0, 1, films_known + 1))  # a bad film is bad everywhere
            counts = rng.integers(1, 9, films_known)
            groups = np.repeat(np.arange(films_known), counts)
            scores = np.abs(rng.standard_t(3, len(groups))) * blur[groups]
            bound = conformal_quantile(scores, groups, 0.9)
            held.append(abs(rng.standard_t(3)) * blur[-1] <= bound)
        assert 0.9 - 0.02 <= np.mean(held) <= 0.9 + 1 / (films_known + 1) + 0.02


# the scale


def test_the_scale_is_found_again_though_one_corner_in_ten_is_on_another_vertebra() -> None:
    rng = np.random.default_rng(0)
    signs = np.concatenate([np.ones((4000, 1)), rng.normal(size=(4000, len(SIGNS) - 1))], axis=1)
    weights = np.array([0.3, 0.8, 0.5, -0.4, -0.2])
    error = np.exp(signs @ weights) * np.abs(rng.standard_t(3, 4000)) / 0.7649  # its median
    error[:400] = 100.0
    found = fit_scale(signs, error)
    np.testing.assert_allclose(found[1:], weights[1:], atol=0.1)
    np.testing.assert_allclose(found[0], weights[0], atol=0.25)  # the gross ones pull it up


def test_no_corner_gets_more_certain_by_a_wider_or_a_weaker_peak() -> None:
    rng = np.random.default_rng(0)
    signs = np.concatenate([np.ones((2000, 1)), rng.normal(size=(2000, len(SIGNS) - 1))], axis=1)
    error = np.exp(-signs[:, 1] + signs[:, 3]) * np.abs(rng.normal(size=2000))
    found = dict(zip(SIGNS, fit_scale(signs, error), strict=True))
    assert found["spread"] == 0.0
    assert found["corner_score"] == 0.0


# corners and measurements of unseen films


def test_nine_of_ten_unseen_corners_lie_within_their_radius(
    judged: Judged,
) -> None:
    errors, unseen = judged
    held = []
    for one in unseen:
        found = predicted(errors, one)
        own, true = match_centres(found.points, one.truth)
        off = np.linalg.norm(found.points[own] - one.truth.points[true], axis=-1)
        held.append(off <= corner_radii(found.covariance[own], 0.9))
    inside = np.concatenate(held)
    assert len(inside) > 0.99 * len(unseen) * len(NAMES)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)
    np.testing.assert_allclose(inside.mean(axis=0), 0.9, atol=0.03)  # each kind of corner


def test_certain_corners_are_told_from_uncertain_ones(
    judged: Judged,
) -> None:
    """The tenth with the largest radii errs several times as much as that with the smallest."""
    errors, unseen = judged
    off, radii = [], []
    for one in unseen:
        found = predicted(errors, one)
        own, true = match_centres(found.points, one.truth)
        off.append(np.linalg.norm(found.points[own] - one.truth.points[true], axis=-1).ravel())
        radii.append(corner_radii(found.covariance[own], 0.9).ravel())
    error, radius = np.concatenate(off), np.concatenate(radii)
    order = np.argsort(radius)
    tenth = len(order) // 10
    low, high = order[:tenth], order[-tenth:]
    assert np.median(error[high]) > 4 * np.median(error[low])
    for rows in (low, high):
        assert np.mean(error[rows] <= radius[rows]) == pytest.approx(0.9, abs=0.06)


def test_errors_that_are_longer_along_the_endplate_are_said_to_be(
    judged: Judged,
) -> None:
    stretch = judged[0].corners[0].stretch
    assert stretch["any"] == pytest.approx(2.0, rel=0.15)


def test_nine_of_ten_unseen_measurements_lie_in_their_interval(measured: Judged) -> None:
    """All together to 2 points, and each as closely as so few films can say."""
    errors, unseen = measured
    held = defaultdict(list)
    for one in unseen:
        for each in deviations(predicted(errors, one), one.truth, FRAME):
            factor = errors.intervals.factors[each.name]
            held[each.name].append(abs(each.found - each.true) <= factor * each.sd)
    shares = {name: float(np.mean(inside)) for name, inside in held.items()}
    assert {"slip", "mean disc height", "lordosis", "sacral slope", "wedge"} <= set(shares)
    assert np.mean(list(shares.values())) == pytest.approx(0.9, abs=0.02)
    for name, share in shares.items():
        assert share == pytest.approx(0.9, abs=0.08), name


def test_every_definition_has_a_factor_of_its_own_beside_that_of_the_name() -> None:
    factors = fitted(films(1, 80, normal)).intervals.factors
    assert {"slip", "slip, posterior corner", "slip, McCarty B/D"} <= set(factors)
    assert "endplate angle" in factors  # for those that a user asks for
    assert "wedge, superior to inferior endplate" not in factors  # it has one definition only


# what speaks for nothing


def test_too_few_films_speak_for_nothing() -> None:
    known = films(1, 2 * FEWEST, normal)
    assert fit_uncertainty(known, CALIBRATION, ordered=False) is not None
    assert fit_uncertainty(known[1:], CALIBRATION, ordered=False) is None


def test_many_films_of_few_patients_are_few() -> None:
    known = [film(1, k, normal, group=f"patient {k % 20}") for k in range(60)]
    assert fit_uncertainty(known, CALIBRATION, ordered=False) is None


def test_a_measurement_that_few_films_have_gets_no_factor() -> None:
    known = films(1, 60, normal)
    headless = [replace(each, truth=each.truth.select(range(2, 4))) for each in known]
    factors = fitted(headless).intervals.factors
    assert "lordosis" not in factors  # L4 is not among the true ones
    assert {"slip", "sacral slope"} <= set(factors)


def test_films_on_which_nothing_is_found_speak_for_nothing() -> None:
    known = [
        replace(each, truth=each.truth.moved(each.truth.points + 400.0))
        for each in films(1, 60, normal)
    ]
    assert fit_uncertainty(known, CALIBRATION, ordered=False) is None


def test_a_wrong_name_is_no_error_of_a_measurement() -> None:
    one = film(1, 0, normal)
    named = replace(one.truth, covariance=np.broadcast_to(np.eye(2), (4, 4, 2, 2)))
    wrong = replace(named, levels=("L2", "L3", "L4", "L5"))
    slips = [[d for d in deviations(own, one.truth, FRAME) if d.name == "slip"]
             for own in (named, wrong)]  # fmt: skip
    assert slips[1][0].levels == ("L2", "L3")
    assert [d.true for d in slips[0]] == [d.true for d in slips[1]]
    assert all(d.found == pytest.approx(d.true) for own in slips for d in own)


def test_a_film_taken_to_face_the_wrong_way_is_an_error_of_its_measurements() -> None:
    one = film(1, 0, normal)
    known = replace(one.truth, covariance=np.broadcast_to(np.eye(2), (4, 4, 2, 2)))
    turned = replace(known, facing="right")
    angles = [d for d in deviations(turned, one.truth, FRAME) if d.name == "lordosis"]
    assert angles
    assert all(d.found == pytest.approx(-d.true) for d in angles)


def test_an_ordered_codec_is_calibrated_without_names_or_facing() -> None:
    """It says nothing of levels and facing, and its corners have a radius all the same."""
    known = []
    for one in films(1, 60, normal):
        mute = replace(
            one.found,
            level_logits=np.zeros_like(one.found.level_logits),
            facing_logit=np.zeros(len(one.found)),
        )
        known.append(replace(one, found=mute))
    errors = fit_uncertainty(known, CALIBRATION, ordered=True)
    assert errors is not None
    assert set(errors.corners[0].radii) == {"any", "superior", "inferior"}
