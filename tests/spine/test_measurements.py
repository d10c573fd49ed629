"""A number comes with an interval that follows from its corners, or with the reason for none."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_spine import HEIGHT, WIDTH, box, spine

from spondyl.film.radiograph import FilmGeometry, PixelSpacing
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Intervals, Measurement
from spondyl.spine.measurements import (
    drawn,
    grade_shares,
    graded,
    measure,
    propagated,
)
from spondyl.spine.slip import MEYERDING

FILM = FilmGeometry(600, 600, None, 1.0, "lateral")
LEVELS = ("L3", "L4", "L5", "S1")
NINETY = NormalDist().inv_cdf(0.95)


def boxes(sd: float = 0.5) -> Landmarks:
    """L4 upright on L5, 10 px apart: every formula has a closed form."""
    points = np.concatenate([box(300.0, 200.0), box(300.0, 240.0)])
    return known(points, ("L4", "L5"), sd)


def known(points: np.ndarray, levels: tuple[str, ...], sd: float) -> Landmarks:
    covariance = np.broadcast_to(sd**2 * np.eye(2), (len(points), 4, 2, 2))
    return Landmarks(points, levels=levels, facing="left", covariance=covariance)


def intervals(factor: float = 2.0, *names: str) -> Intervals:
    return Intervals(0.9, 100, dict.fromkeys(names or ("slip", "lordosis", "wedge"), factor))


def one(found: tuple[Measurement, ...], name: str, unit: str = "px") -> Measurement:
    return next(each for each in found if (each.name, each.unit) == (name, unit))


# how wide an interval is


def test_the_interval_of_a_slip_has_the_width_of_the_error_of_its_two_corners() -> None:
    """On upright boxes a slip is the difference of two x, each off by 0.5 px: SD 0.5 sqrt(2).

    The direction of the endplate adds (10 / width)^2 of a variance of 2 x 0.25 px^2.
    """
    found = one(measure(boxes(), FILM, intervals=intervals(2.0)), "slip")
    sd = 0.5 * math.sqrt(2 + 2 * (10 / WIDTH) ** 2)
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=1e-9)
    assert found.high - found.low == pytest.approx(2 * 2.0 * sd, rel=0.1)
    assert found.coverage == 0.9


@given(st.floats(0.1, 2.0), st.floats(0.5, 4.0))
@settings(deadline=None, max_examples=20)
def test_an_interval_grows_with_the_corners_error_and_with_its_factor(
    sd: float, factor: float
) -> None:
    reference = one(measure(boxes(0.1), FILM, intervals=intervals(1.0)), "slip")
    found = one(measure(boxes(sd), FILM, intervals=intervals(factor)), "slip")
    assert _width(found) == pytest.approx(10 * sd * factor * _width(reference), rel=0.05)


def test_the_same_prediction_has_the_same_interval_twice() -> None:
    assert measure(boxes(), FILM, intervals=intervals()) == measure(
        boxes(), FILM, intervals=intervals()
    )


def test_a_mirrored_film_has_the_same_interval() -> None:
    straight = known(spine(LEVELS), LEVELS, 0.5)
    mirrored = straight.mirrored(600)
    pair = [
        one(measure(each, FILM, intervals=intervals()), "wedge", "deg")
        for each in (straight, mirrored)
    ]
    assert pair[0].value == pytest.approx(pair[1].value)
    assert _width(pair[0]) == pytest.approx(_width(pair[1]), rel=0.15)  # of 400 draws each


def test_millimetres_scale_the_interval_as_they_scale_the_value() -> None:
    scaled = replace(FILM, spacing=PixelSpacing(0.25, 0.25, "patient"))
    px = one(measure(boxes(), FILM, intervals=intervals()), "slip")
    mm = one(measure(boxes(), scaled, intervals=intervals()), "slip", "mm")
    assert _width(mm) == pytest.approx(0.25 * _width(px))


def test_corners_are_drawn_with_the_covariance_that_they_have() -> None:
    landmarks = boxes()
    covariance = np.array([[4.0, 1.5], [1.5, 1.0]])
    own = replace(landmarks, covariance=np.broadcast_to(covariance, (2, 4, 2, 2)))
    steps = drawn(own, 4000) - own.points
    found = np.cov(steps[:, 1, 2].T)
    np.testing.assert_allclose(found, covariance, rtol=0.12, atol=0.1)


def test_a_definition_has_its_own_factor_before_that_of_its_name() -> None:
    both = Intervals(0.9, 100, {"slip": 1.0, "slip, McCarty A/C": 3.0})
    plain = one(measure(boxes(), FILM, intervals=both, slip="McCarty A/C"), "slip")
    named = Intervals(0.9, 100, {"slip": 1.0})
    other = one(measure(boxes(), FILM, intervals=named, slip="McCarty A/C"), "slip")
    assert _width(plain) == pytest.approx(3 * _width(other))


# why there is none


def test_without_a_calibration_a_number_says_that_its_error_is_not_known() -> None:
    found = one(measure(boxes(), FILM), "slip")
    assert found.value is not None
    assert (found.low, found.high, found.coverage) == (None, None, None)
    assert found.note == "no interval: the error of these corners was never calibrated"


def test_a_measurement_that_was_too_rare_says_so() -> None:
    found = one(measure(boxes(), FILM, intervals=intervals(2.0, "wedge")), "slip")
    assert found.low is None
    assert found.note == "no interval: too few calibration films had it"


def test_a_corner_of_unknown_error_takes_the_interval_of_what_is_measured_on_it() -> None:
    points = spine(LEVELS)
    landmarks = known(points, LEVELS, 0.5)
    covariance = landmarks.covariance.copy()
    covariance[0, 2] = np.nan  # inferior left of L3
    found = measure(replace(landmarks, covariance=covariance), FILM, intervals=intervals())
    slips = {each.levels: each for each in found if each.name == "slip" and each.unit == "%"}
    assert [each.high is None for each in slips.values()] == [False, False, False]
    wedges = {each.levels: each for each in found if each.name == "wedge"}
    assert wedges[("L3",)].note == "no interval: the error of a corner is not known"
    assert wedges[("L4",)].low is not None


def test_nothing_is_measured_with_a_corner_off_by_a_quarter_of_a_vertebra() -> None:
    for share, withheld in ((0.24, False), (0.26, True)):
        landmarks = boxes()
        covariance = landmarks.covariance.copy()
        covariance[0] = (share * HEIGHT) ** 2 * np.eye(2)
        found = measure(replace(landmarks, covariance=covariance), FILM, intervals=intervals())
        assert (one(found, "slip").value is None) is withheld
    assert one(found, "slip").note == "a corner of L4 is uncertain by 8 px"
    assert next(e for e in found if e.name == "wedge" and e.levels == ("L5",)).value is not None


def test_a_sacrum_of_two_corners_is_held_to_the_height_of_the_other_vertebrae() -> None:
    """Its own it has none: it would be measured with however far off its corners may be."""
    points = spine(LEVELS).copy()
    points[-1, 2:] = np.nan
    certain = known(points, LEVELS, 0.5)
    covariance = certain.covariance.copy()
    covariance[-1] = (0.3 * HEIGHT) ** 2 * np.eye(2)
    for landmarks, withheld in ((certain, False), (replace(certain, covariance=covariance), True)):
        found = measure(landmarks, FILM, intervals=intervals())
        slope = one(found, "sacral slope", "deg")
        assert (slope.value is None) is withheld
    assert slope.note is not None
    assert slope.note.startswith("a corner of S1 is uncertain by ")


@pytest.mark.parametrize("turned", [0.0, 0.3, 1.0])
def test_corners_that_can_only_move_along_a_line_are_drawn_on_it(turned: float) -> None:
    line = np.array([math.cos(turned), math.sin(turned)])
    landmarks = boxes()
    every = np.broadcast_to(1e6 * np.outer(line, line), landmarks.covariance.shape)
    moved = drawn(replace(landmarks, covariance=every), 50) - landmarks.points
    assert np.abs(moved @ [-line[1], line[0]]).max() < 0.1
    assert np.std(moved @ line) == pytest.approx(1e3, rel=0.1)


@pytest.mark.parametrize(
    ("landmarks", "film", "reason"),
    [
        ({"refusal": "no spine was found"}, {}, "no spine was found"),
        ({}, {"aspect": None}, "the film's true proportions are not known"),
        ({"facing": None}, {}, "which side is anterior is not known"),
        ({"facing": None}, {"view": None}, "the view is not known: lateral or AP"),
    ],
)
def test_a_film_that_cannot_be_measured_gives_every_measurement_with_the_reason(
    landmarks: dict[str, object], film: dict[str, object], reason: str
) -> None:
    changed = replace(boxes(), **landmarks)  # type: ignore[arg-type]
    found = measure(changed, replace(FILM, **film), intervals=intervals())  # type: ignore[arg-type]
    assert found
    assert {(each.value, each.note) for each in found} == {(None, reason)}


# what the calibration is told


def test_the_calibration_hears_of_every_number_that_can_be_asked_for() -> None:
    landmarks = known(spine(LEVELS, slips={"L5": 0.1}), LEVELS, 0.5)
    told = {(p.quantity.name, p.quantity.levels) for p in propagated(landmarks, FILM)}
    numbers = {
        (each.name, each.levels)
        for each in measure(landmarks, FILM, angles=("L3.superior:L5.superior",))
        if each.value is not None and each.unit != "grade"
    }
    assert numbers <= told
    definitions = {p.quantity.definition for p in propagated(landmarks, FILM)}
    assert {"posterior corner", "McCarty A/C", "McCarty B/D"} <= definitions


def test_the_calibration_hears_of_an_error_as_large_as_the_interval_says() -> None:
    landmarks = boxes()
    told = next(p for p in propagated(landmarks, FILM) if p.quantity.name == "slip")
    found = one(measure(landmarks, FILM, intervals=intervals(1.0)), "slip")
    assert _width(found) == pytest.approx(2 * told.sd)


def test_what_is_withheld_or_of_unknown_error_is_no_part_of_the_calibration() -> None:
    assert not list(propagated(Landmarks(boxes().points, facing="left"), FILM))
    assert not list(propagated(replace(boxes(), refusal="no spine was found"), FILM))
    assert not list(propagated(replace(boxes(), facing=None), FILM))


# grades


@given(st.floats(0, 120), st.floats(0.05, 30))
@settings(deadline=None)
def test_the_probabilities_of_the_grades_are_those_of_the_normal_distribution(
    size: float, sd: float
) -> None:
    shares = grade_shares(size, sd, MEYERDING.bounds)
    assert sum(shares) == pytest.approx(1.0)
    truth = NormalDist(size, sd)
    edges = [0.0, *MEYERDING.bounds, 1e9]
    for k, share in enumerate(shares):
        low, high = edges[k], edges[k + 1]
        both = truth.cdf(high) - truth.cdf(low) + truth.cdf(-low) - truth.cdf(-high)
        assert share == pytest.approx(both, abs=1e-9)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95, 0.99])
def test_a_grade_said_with_83_percent_is_right_83_times_in_100(coverage: float) -> None:
    """True slips of every size, measured with a normal error that the interval knows."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(-110, 110, 12_000)
    sd = rng.uniform(1, 12, len(truth))
    seen = truth + sd * rng.normal(size=len(truth))
    half = sd * NormalDist().inv_cdf((1 + coverage) / 2)
    said, right = [], []
    for true, value, reach in zip(truth, seen, half, strict=True):
        own = Measurement("slip", ("L4", "L5"), float(value), "%", "", value - reach,
                          value + reach, coverage)  # fmt: skip
        grade = graded(own, MEYERDING)
        assert grade.probability is not None
        said.append(grade.probability)
        right.append(grade.value == MEYERDING.grade(true))
    probability, is_right = np.array(said), np.array(right)
    for low in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        rows = (probability >= low) & (probability < low + 0.1)
        assert is_right[rows].mean() == pytest.approx(probability[rows].mean(), abs=0.05), low


def test_a_grade_near_a_boundary_names_the_other_one() -> None:
    near = Measurement("slip", ("L4", "L5"), 26.0, "%", "", 26 - NINETY * 4, 26 + NINETY * 4, 0.9)
    grade = graded(near, MEYERDING)
    share = NormalDist(26, 4).cdf(25)
    assert grade.value == 2
    assert grade.probability == pytest.approx(1 - share, abs=1e-6)
    shares = f"{100 * share:.0f} % I, {100 * (1 - share):.0f} % II"
    assert f"near a boundary: {shares}" in str(grade.note)
    far = replace(near, value=37.0, low=37 - NINETY * 4, high=37 + NINETY * 4)
    assert "near a boundary" not in str(graded(far, MEYERDING).note)


def test_a_grade_without_an_interval_has_no_probability() -> None:
    found = measure(boxes(), FILM)
    grade = next(each for each in found if each.name == "Meyerding grade")
    assert (grade.value, grade.probability) == (0.0, None)


def _width(measured: Measurement) -> float:
    assert measured.low is not None
    assert measured.high is not None
    return measured.high - measured.low
