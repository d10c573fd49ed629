"""The learning rates follow the recipe, and the moving average follows the weights."""

import itertools
import math
from collections.abc import Iterable

import pytest
import torch

from spondyl.learning.module import _learning_rate_factor, _moving_average
from spondyl.recipe import TrainingRecipe

STEPS = 10


def rates(training: TrainingRecipe, *, head: bool) -> list[float]:
    factor = _learning_rate_factor(training, STEPS, head=head)
    return [training.learning_rate * factor(step) for step in range(training.epochs * STEPS)]


def test_the_plans_schedule_warms_up_and_falls_to_its_floor() -> None:
    """Plan 4.1: 1e-4, five epochs of warm-up, cosine to 1e-6 over 100 epochs."""
    training = TrainingRecipe(epochs=100, learning_rate=1e-4, warmup_epochs=5, min_lr=1e-6)
    for head in (True, False):
        plan = rates(training, head=head)
        assert plan[0] == pytest.approx(1e-4 / 50)
        assert plan[5 * STEPS - 1] == pytest.approx(1e-4)
        assert max(plan) == pytest.approx(1e-4)
        assert plan[-1] == pytest.approx(1e-6, rel=0.01)
        middle = plan[5 * STEPS + 95 * STEPS // 2]
        assert middle == pytest.approx((1e-4 + 1e-6) / 2, rel=0.01)
        assert all(a >= b for a, b in itertools.pairwise(plan[50:]))


def test_two_phases_hold_the_backbone_still_then_release_both() -> None:
    """Plan 4.2: 20 epochs head only at 1e-4, then both from 1e-4 to 1e-6."""
    training = TrainingRecipe(epochs=100, learning_rate=1e-4, warmup_epochs=0, frozen_epochs=20)
    backbone, head = rates(training, head=False), rates(training, head=True)
    assert set(backbone[: 20 * STEPS]) == {0.0}
    assert set(head[: 20 * STEPS]) == {1e-4}
    assert backbone[20 * STEPS :] == pytest.approx(head[20 * STEPS :])
    assert backbone[20 * STEPS] == pytest.approx(1e-4)
    assert backbone[-1] == pytest.approx(1e-6, rel=0.02)


def test_the_head_may_have_a_rate_of_its_own_while_the_backbone_stands() -> None:
    training = TrainingRecipe(
        epochs=10, learning_rate=1e-4, head_learning_rate=1e-3, frozen_epochs=4, warmup_epochs=2
    )
    head = rates(training, head=True)
    assert head[3 * STEPS] == pytest.approx(1e-3)
    assert head[0] == pytest.approx(1e-3 / (2 * STEPS))
    assert max(head[4 * STEPS :]) <= 1e-4 * 1.0001


def test_a_released_backbone_warms_up() -> None:
    training = TrainingRecipe(epochs=10, learning_rate=1.0, frozen_epochs=4, warmup_epochs=2)
    backbone = rates(training, head=False)
    assert backbone[4 * STEPS] == pytest.approx(1 / (2 * STEPS))
    assert backbone[6 * STEPS - 1] == pytest.approx(1.0)


def test_a_constant_schedule_is_constant_after_the_warm_up() -> None:
    training = TrainingRecipe(epochs=10, learning_rate=1.0, scheduler="constant", warmup_epochs=1)
    assert set(rates(training, head=True)[STEPS:]) == {1.0}


def followed(decay: float, start: float, target: float, counts: Iterable[int]) -> float:
    average, value = _moving_average(decay), [torch.tensor(start)]
    for count in counts:
        average(value, [torch.tensor(target)], count)
    return float(value[0])


def test_the_moving_average_forgets_at_its_decay_once_warm() -> None:
    assert followed(0.9, 0.0, 1.0, range(200)) == pytest.approx(1.0, abs=1e-6)
    assert followed(0.9, 1.0, 0.0, [10_000]) == pytest.approx(0.9)
    assert followed(0.9, 1.0, 0.0, [0]) == pytest.approx(0.1)


def test_counters_are_copied_and_not_averaged() -> None:
    value = [torch.tensor(3)]
    _moving_average(0.99)(value, [torch.tensor(9)], 5)
    assert value[0].item() == 9


def test_the_decay_reaches_its_limit_and_stays_there() -> None:
    kept = [followed(0.99, 1.0, 0.0, [count]) for count in (0, 90, 10_000)]
    assert kept == sorted(kept)
    assert kept[-1] == pytest.approx(0.99)
    assert math.isclose(kept[1], 91 / 100, rel_tol=1e-6)
