"""What a codec says of its corners becomes an error in px, and several networks are never surer."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from calibration_films import film, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_spine import HEIGHT, candidates_of, rotated, spine

from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections
from spondyl.spine.measurement import Intervals
from spondyl.spine.uncertainty import (
    ANY,
    SIGNS,
    CornerError,
    Uncertainty,
    corner_radii,
    directions,
    kinds,
    pooled_uncertainty,
    signs,
)

LEVELS = ("L3", "L4", "L5", "S1")
BY_WIDTH = tuple(float(name == "spread") for name in SIGNS)
"""The typical error is the width of the peak."""


def candidates(width: float = 1.0, degrees: float = 0.0) -> Detections:
    found = candidates_of(rotated(spine(LEVELS), degrees), LEVELS)
    covariance = np.broadcast_to(width**2 * np.eye(2), found.covariance.shape)
    return replace(found, covariance=covariance.copy())


def model(radius: float = 2.0, stretch: float = 1.0, coverage: float = 0.9) -> CornerError:
    return CornerError(coverage, BY_WIDTH, {ANY: radius}, {ANY: stretch})


def errors(
    *corners: CornerError, factors: dict[str, float] | None = None, films: int = 100
) -> Uncertainty:
    known = corners or (model(),)
    return Uncertainty(known, Intervals(known[0].coverage, films, factors or {}))


@given(st.floats(0.2, 3), st.floats(0.5, 4), st.floats(0.3, 4), st.sampled_from([0.8, 0.9, 0.95]))
@settings(deadline=None)
def test_the_radius_of_a_corner_is_the_measured_one_whatever_its_shape(
    width: float, radius: float, stretch: float, coverage: float
) -> None:
    found = errors(model(radius, stretch, coverage)).applied(candidates(width))
    expected = np.full((4, 4), radius * width)
    np.testing.assert_allclose(corner_radii(found.covariance, coverage), expected, rtol=1e-9)


def test_nine_of_ten_normal_draws_lie_within_the_radius() -> None:
    rng = np.random.default_rng(0)
    covariance = 9.0 * np.eye(2)
    drawn = rng.multivariate_normal(np.zeros(2), covariance, 20_000)
    share = np.mean(np.linalg.norm(drawn, axis=1) <= corner_radii(covariance, 0.9))
    assert share == pytest.approx(0.9, abs=0.006)


@given(st.floats(0.3, 4), st.floats(-170, 170))
@settings(deadline=None)
def test_the_error_is_stretched_along_the_endplate_however_the_film_is_turned(
    stretch: float, degrees: float
) -> None:
    found = candidates(degrees=degrees)
    covariance = model(stretch=stretch).covariance(found)
    along = directions(found.corners)
    across = along[..., ::-1] * [-1, 1]
    spread = [np.einsum("nci,ncij,ncj->nc", axis, covariance, axis) for axis in (along, across)]
    np.testing.assert_allclose(spread[0] / spread[1], stretch**2, rtol=1e-6)
    mixed = np.einsum("nci,ncij,ncj->nc", along, covariance, across)
    np.testing.assert_allclose(mixed, 0.0, atol=1e-9)


def test_a_corner_without_its_neighbour_has_a_round_error() -> None:
    found = candidates()
    found.corners[0, 1] = np.nan
    covariance = model(stretch=3.0).covariance(found)[0, 0]
    np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(2))


def test_no_corner_is_more_uncertain_than_half_a_body_typically() -> None:
    """A peak far wider than any of the calibration's says that it knows nothing."""
    typical = model().typical(candidates(width=1e6))
    np.testing.assert_allclose(typical, HEIGHT / 2, rtol=0.05)


def test_what_the_codec_does_not_say_stays_unknown() -> None:
    found = candidates()
    found.covariance[1, 2] = np.nan
    covariance = errors().applied(found).covariance
    unknown = np.isnan(covariance).any(axis=(-2, -1))
    assert np.argwhere(unknown).tolist() == [[1, 2]]


def test_a_corner_keeps_its_kind_when_the_film_is_mirrored() -> None:
    found = candidates()
    mirrored = replace(
        found, corners=found.corners[:, [1, 0, 3, 2]] * [-1, 1], facing_logit=-found.facing_logit
    )
    kind = kinds(found)
    assert kind[0].tolist() == [
        "superior anterior", "superior posterior", "inferior anterior", "inferior posterior",
    ]  # fmt: skip
    assert kind[3, 0] == "S1 superior anterior"
    assert kinds(mirrored).tolist() == kind[:, [1, 0, 3, 2]].tolist()


def test_without_a_facing_corners_are_of_their_endplate_alone() -> None:
    found = replace(candidates(), facing_logit=np.zeros(4))
    assert kinds(found)[:3].tolist() == [["superior", "superior", "inferior", "inferior"]] * 3


def test_each_kind_has_its_own_radius_and_a_rare_one_that_of_all() -> None:
    known = CornerError(0.9, BY_WIDTH, {ANY: 2.0, "S1 superior anterior": 7.0}, {ANY: 1.0})
    radii = corner_radii(known.covariance(candidates()), 0.9)
    assert radii[3, 0] == pytest.approx(7.0)
    assert np.delete(radii, 12) == pytest.approx(2.0)


def test_the_signs_do_not_depend_on_where_the_spine_lies_or_how_it_is_turned() -> None:
    np.testing.assert_allclose(signs(candidates()), signs(candidates(degrees=40)), rtol=1e-9)


def test_several_networks_are_never_surer_than_the_least_sure_of_them() -> None:
    one, other = errors(model(1.0)), errors(model(3.0))
    known = candidates()
    together = pooled_uncertainty([one, other])
    assert together is not None
    radii = corner_radii(together.applied(known).covariance, 0.9)
    assert radii == pytest.approx(3.0)
    reversed_ = pooled_uncertainty([other, one])
    assert reversed_ is not None
    np.testing.assert_array_equal(
        reversed_.applied(known).covariance, together.applied(known).covariance
    )


def test_pooled_intervals_take_the_wider_factor_and_only_where_all_have_one() -> None:
    one = errors(factors={"slip": 1.5, "wedge": 1.0}, films=400)
    other = errors(factors={"slip": 1.2, "lordosis": 2.0}, films=60)
    together = pooled_uncertainty([one, other])
    assert together is not None
    assert together.intervals == Intervals(0.9, 60, {"slip": 1.5})


def test_one_that_nobody_calibrated_leaves_all_without_intervals() -> None:
    assert pooled_uncertainty([errors(), None]) is None
    assert pooled_uncertainty([errors(), errors(model(coverage=0.8))]) is None


def test_it_comes_back_from_a_checkpoint_as_it_was() -> None:
    known = errors(
        CornerError(0.9, (0.1, 0.2, 0.3, -0.4, -0.5), {ANY: 2.5, "S1 inferior": 3.1}, {ANY: 1.3}),
        factors={"slip": 1.61, "slip, McCarty A/C": 1.7},
    )
    told = json.loads(json.dumps(Calibration(uncertainty=known).to_json()))
    assert Calibration.from_json(told).uncertainty == known


@pytest.mark.parametrize(
    "change",
    [
        {"coverage": 1.0},
        {"weights": (1.0,)},
        {"weights": (np.nan,) * len(SIGNS)},
        {"radii": {"superior": 1.0}},
        {"radii": {ANY: -1.0}},
        {"stretch": {ANY: np.inf}},
    ],
)
def test_an_impossible_error_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"need|no 'any'|must be"):
        replace(model(), **change)  # type: ignore[arg-type]


def test_what_is_incomplete_cannot_be_read() -> None:
    told = errors().to_json()
    del told["corners"][0]["weights"]["score"]
    with pytest.raises(ValueError, match="incomplete"):
        Uncertainty.from_json(told)
    with pytest.raises(ValueError, match="at least one"):
        Uncertainty((), Intervals(0.9, 10))


def test_a_film_in_other_px_keeps_its_share_of_the_radius() -> None:
    """A film twice as large has radii twice as large."""
    found = errors().applied(film(1, 0, normal).found)
    larger = found.scaled(2 * found.corners, np.array([2.0, 2.0]))
    np.testing.assert_allclose(
        corner_radii(larger.covariance, 0.9), 2 * corner_radii(found.covariance, 0.9)
    )
