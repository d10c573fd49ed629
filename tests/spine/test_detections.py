import numpy as np
import pytest

from spondyl.anatomy import LEVELS
from spondyl.spine.detections import Detections


def candidates(n, **changes):
    rng = np.random.default_rng(n)
    fields = {
        "score": rng.random(n),
        "corners": rng.random((n, 4, 2)) * 100,
        "corner_score": rng.random((n, 4)),
        "covariance": rng.random((n, 4, 2, 2)),
        "level_logits": rng.random((n, len(LEVELS) + 1)),
        "facing_logit": rng.random(n),
    }
    return Detections(**(fields | changes))


@pytest.mark.parametrize(
    "chosen", [np.array([2, 0]), np.array([True, False, True]), np.array([], dtype=int)]
)
def test_a_choice_keeps_every_field_together(chosen):
    every = candidates(3)
    some = every.select(chosen)
    for name in Detections.__slots__:
        np.testing.assert_array_equal(getattr(some, name), getattr(every, name)[chosen])


def test_a_covariance_grows_with_the_product_of_the_scales():
    """var(a x) = a^2 var(x), cov(a x, b y) = a b cov(x, y)."""
    found = candidates(2)
    moved = found.scaled(found.corners * [3, 5], np.array([3.0, 5.0]))
    factors = np.array([[9, 15], [15, 25]])
    np.testing.assert_allclose(moved.covariance, found.covariance * factors)
    np.testing.assert_array_equal(moved.score, found.score)
    np.testing.assert_array_equal(moved.corners[1, 2], found.corners[1, 2] * [3, 5])


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("corners", (3, 4, 2)),
        ("corner_score", (2, 3)),
        ("covariance", (2, 4, 2)),
        ("level_logits", (2, len(LEVELS))),
        ("facing_logit", (1,)),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(name, shape):
    with pytest.raises(ValueError, match=f"{name} is"):
        candidates(2, **{name: np.zeros(shape)})


def test_no_candidate_is_a_possible_answer():
    assert len(candidates(0)) == 0
