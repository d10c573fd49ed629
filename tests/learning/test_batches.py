"""Pixels and points go through augmentation together, and the same way each time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spondyl.data.sample import Sample
from spondyl.errors import FilmError
from spondyl.learning.batches import (
    EpochSampler,
    augment,
    cache_films,
    to_unit,
    training_loader,
    validation_loader,
)
from spondyl.learning.targets import collate_landmarks
from spondyl.recipe import AugmentationRecipe
from spondyl.spine.landmarks import Landmarks

SIZE = 96


def blob(x: float, y: float, sigma: float = 3.0) -> torch.Tensor:
    steps = torch.arange(SIZE, dtype=torch.float32)
    column, row = torch.exp(-((steps - y) ** 2) / 18), torch.exp(-((steps - x) ** 2) / 18)
    return (column[:, None] * row[None]) ** (9 / sigma**2)


def centre_of_mass(image: torch.Tensor) -> torch.Tensor:
    steps = torch.arange(SIZE, dtype=torch.float32)
    total = image.sum()
    return torch.stack([(image.sum(0) * steps).sum(), (image.sum(1) * steps).sum()]) / total


def landmarks_at(points: list[tuple[float, float]]) -> Landmarks:
    corners = np.array([[p] * 4 for p in points], dtype=np.float64)
    return Landmarks(corners, facing="left")


@pytest.mark.parametrize(
    "recipe",
    [
        AugmentationRecipe(rotation_range=180, scale_range=(1, 1), shift_range=0),
        AugmentationRecipe(rotation_range=0, scale_range=(0.7, 1.3), shift_range=0),
        AugmentationRecipe(rotation_range=0, scale_range=(1, 1), shift_range=0.2),
        AugmentationRecipe(rotation_range=0, scale_range=(1, 1), shift_range=0, horizontal_flip=1),
        AugmentationRecipe(rotation_range=30, shift_range=0.1, horizontal_flip=0.5),
    ],
)
def test_a_blob_and_its_point_stay_together(recipe: AugmentationRecipe) -> None:
    """Centre of mass after the warp against the transformed point: less than 0.05 px."""
    recipe = recipe.model_copy(update={"brightness": 0.0, "contrast": 0.0})
    count = 12
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform(38, 58, (count, 2))]
    inputs = torch.stack([blob(*p) for p in points])[:, None]
    landmarks = collate_landmarks([landmarks_at([p]) for p in points], [(True, True)] * count)
    generator = torch.Generator().manual_seed(1)
    warped, moved = augment(inputs, landmarks, recipe, generator=generator)
    for image, point in zip(warped[:, 0], moved.points[:, 0, 0], strict=True):
        torch.testing.assert_close(centre_of_mass(image), point, atol=0.05, rtol=0)
    assert (moved.points != landmarks.points).any()


def test_a_flip_exchanges_the_names_of_left_and_right() -> None:
    quad = np.array([[[30, 40], [60, 40], [30, 55], [60, 55]]], dtype=np.float64)
    batch = collate_landmarks([Landmarks(quad, facing="left")], [(True, True)])
    recipe = AugmentationRecipe(
        horizontal_flip=1, rotation_range=0, scale_range=(1, 1), shift_range=0
    )
    inputs = torch.zeros(1, 1, SIZE, SIZE)
    _, moved = augment(inputs, batch, recipe, generator=torch.Generator().manual_seed(0))
    expected = Landmarks(quad, facing="left").mirrored(SIZE)
    np.testing.assert_allclose(moved.points[0], expected.points, atol=1e-4)
    assert moved.facing.tolist() == [1]


def test_the_same_generator_gives_the_same_batch() -> None:
    inputs = torch.rand(4, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    batch = collate_landmarks([landmarks_at([(40, 40)])] * 4, [(True, True)] * 4)
    recipe = AugmentationRecipe(noise=0.1, gamma=0.2)
    runs = [
        augment(inputs, batch, recipe, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1].points, runs[1][1].points)
    assert runs[0][0].min() >= 0
    assert runs[0][0].max() <= 1
    assert len({round(float(p[0, 0, 0]), 3) for p in runs[0][1].points}) == 4  # film by film


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    rng = np.random.default_rng(0)
    made = []
    for index in range(5):
        path = tmp_path / f"film-{index}.png"
        Image.fromarray(rng.integers(0, 255, (180, 100 + index), dtype=np.uint8)).save(path)
        landmarks = landmarks_at([(50.0, 60.0 + index)])
        made.append(Sample(path.stem, path, 180, 100 + index, landmarks, path.stem, "test"))
    return made


def test_the_cache_holds_every_film_in_the_input_frame(samples: list[Sample]) -> None:
    cache = cache_films(samples, 64)
    assert cache.inputs.shape == (5, 64, 64)
    for index, sample in enumerate(samples):
        back = cache.letterboxes[index].to_image(cache.landmarks[index].points)
        np.testing.assert_allclose(back, sample.landmarks.points, atol=1e-9)
    assert cache.digest == cache_films(samples, 64).digest
    assert cache.digest != cache_films(samples[::-1], 64).digest


def test_a_film_that_cannot_be_read_stops_the_cache(samples: list[Sample]) -> None:
    samples[3].path.write_text("no film")
    with pytest.raises(FilmError, match="film-3"):
        cache_films(samples, 64)


def test_batches_carry_their_films_and_landmarks(samples: list[Sample]) -> None:
    cache = cache_films(samples, 64)
    batches = list(validation_loader(cache, batch_size=2))
    assert [batch.indices for batch in batches] == [(0, 1), (2, 3), (4,)]
    assert torch.equal(batches[1].inputs[0], torch.from_numpy(cache.inputs[2]))
    assert to_unit(batches[0].inputs).max() <= 1
    points = batches[2].landmarks.points[0, 0]
    np.testing.assert_allclose(points, cache.landmarks[4].points[0], rtol=1e-6)


def test_training_never_sees_a_batch_of_one_film(samples: list[Sample]) -> None:
    cache = cache_films(samples, 64)
    sizes = [len(batch.indices) for batch in training_loader(cache, batch_size=2, seed=0)]
    assert sizes == [2, 2]


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    sampler = EpochSampler(20, seed=5)
    first = list(sampler)
    torch.rand(7)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    assert sorted(second) == list(range(20))
    again = EpochSampler(20, seed=5)
    again.set_epoch(1)
    assert list(again) == second
