"""Landmarks of several films become one batch, and nothing is invented for what is missing."""

import numpy as np
import torch

from spondyl.anatomy import LEVELS
from spondyl.learning.targets import NEITHER, UNKNOWN, collate_landmarks
from spondyl.spine.landmarks import Landmarks

QUAD = np.array([[10, 10], [40, 12], [11, 30], [41, 31]], dtype=np.float64)


def stack(count: int) -> np.ndarray:
    return np.stack([QUAD + [2 * k, 30 * k] for k in range(count)])


def test_short_films_are_padded_with_nothing() -> None:
    films = [Landmarks(stack(1)), Landmarks(stack(3))]
    batch = collate_landmarks(films, [(True, True)] * 2)
    assert batch.points.shape == (2, 3, 4, 2)
    assert torch.isnan(batch.points[0, 1:]).all()
    np.testing.assert_allclose(batch.points[1], films[1].points)


def test_levels_are_numbers_of_the_glossary_and_unknown_where_not_named() -> None:
    named = Landmarks(stack(3), levels=("L5", None, "S1"), facing="right")
    variant = Landmarks(stack(2), levels=("L6", "S1"), facing="left")
    batch = collate_landmarks([named, variant, Landmarks(stack(1))], [(False, False)] * 3)
    assert batch.levels[0].tolist() == [LEVELS.index("L5"), UNKNOWN, LEVELS.index("S1")]
    assert batch.levels[1].tolist() == [UNKNOWN, LEVELS.index("S1"), UNKNOWN]
    assert batch.facing.tolist() == [1, 0, UNKNOWN]


def test_an_ap_film_faces_neither_side_and_still_does_not_when_flipped() -> None:
    films = [Landmarks(stack(2)), Landmarks(stack(2), facing="left"), Landmarks(stack(2))]
    batch = collate_landmarks(films, [(True, True)] * 3, ["ap", "lateral", None])
    assert batch.facing.tolist() == [NEITHER, 0, UNKNOWN]
    flipped = batch.relabelled(torch.ones(3, dtype=torch.bool))
    assert flipped.facing.tolist() == [NEITHER, 1, UNKNOWN]


def test_a_column_that_ends_at_the_sacrum_is_complete_below() -> None:
    sacrum, lumbar = (Landmarks(stack(2), levels=n) for n in (("L5", "S1"), ("L4", "L5")))
    batch = collate_landmarks([sacrum, lumbar, lumbar], [(False, False), (False, False), (1, 1)])
    assert batch.complete.tolist() == [[False, True], [False, False], [True, True]]


def test_a_film_without_vertebrae_is_padding_alone() -> None:
    batch = collate_landmarks([Landmarks(np.zeros((0, 4, 2)))], [(True, True)])
    assert batch.points.shape == (1, 1, 4, 2)
    assert batch.points.isnan().all()


def test_a_map_of_the_film_moves_every_corner_and_leaves_the_missing_missing() -> None:
    points = stack(2)
    points[1, 2] = np.nan
    batch = collate_landmarks([Landmarks(points)], [(True, True)])
    matrix = torch.tensor([[[0.0, -2.0, 5.0], [2.0, 0.0, 7.0], [0.0, 0.0, 1.0]]])
    moved = batch.transformed(matrix).points[0]
    expected = np.stack([-2 * points[..., 1] + 5, 2 * points[..., 0] + 7], axis=-1)
    np.testing.assert_allclose(moved, expected)


def test_flipping_twice_gives_the_same_names() -> None:
    batch = collate_landmarks([Landmarks(stack(2), facing="left")] * 2, [(True, True)] * 2)
    flipped = torch.tensor([True, False])
    twice = batch.relabelled(flipped).relabelled(flipped)
    torch.testing.assert_close(twice.points, batch.points)
    assert twice.facing.tolist() == batch.facing.tolist()
    once = batch.relabelled(flipped)
    torch.testing.assert_close(once.points[0, :, 0], batch.points[0, :, 1])
    torch.testing.assert_close(once.points[1], batch.points[1])
