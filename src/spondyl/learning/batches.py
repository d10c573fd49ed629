"""How do annotated films become batches: decoded once, cached as 8 bit, varied on the device."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Sampler

from spondyl.data.sample import Sample
from spondyl.film.letterbox import Letterbox, prepare
from spondyl.learning.targets import LandmarkBatch, collate_landmarks
from spondyl.recipe import AugmentationRecipe
from spondyl.spine.landmarks import Landmarks


@dataclass(frozen=True, slots=True)
class Batch:
    """B films in the input frame, their landmarks there, and where they are in the cache."""

    inputs: UInt8[Tensor, "b s s"]
    landmarks: LandmarkBatch
    indices: tuple[int, ...]

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        inputs = self.inputs.to(device, non_blocking=True)
        return Batch(inputs, self.landmarks.to(device), self.indices)


@dataclass(frozen=True, slots=True, eq=False)
class FilmCache:
    """Films decoded and letterboxed once; ``landmarks`` are in input px."""

    samples: tuple[Sample, ...]
    letterboxes: tuple[Letterbox, ...]
    inputs: UInt8[np.ndarray, "n s s"]
    landmarks: tuple[Landmarks, ...]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def digest(self) -> str:
        """SHA-256 over the cached pixels and landmarks."""
        hashed = hashlib.sha256(self.inputs.tobytes())
        for sample, landmarks in zip(self.samples, self.landmarks, strict=True):
            hashed.update(json.dumps([sample.key, landmarks.to_json()]).encode())
        return hashed.hexdigest()

    def batch(self, indices: Sequence[int]) -> Batch:
        """The films at ``indices`` as tensors."""
        chosen = list(indices)
        ends = [(self.samples[i].complete_above, self.samples[i].complete_below) for i in chosen]
        views = [self.samples[i].view for i in chosen]
        landmarks = collate_landmarks([self.landmarks[i] for i in chosen], ends, views)
        return Batch(torch.from_numpy(self.inputs[chosen]), landmarks, tuple(chosen))


def cache_films(
    samples: Sequence[Sample], size: int, *, on_done: Callable[[], None] | None = None
) -> FilmCache:
    """Reads and fits every film, on all cores.

    Raises:
        FilmError: a film cannot be read; none is skipped silently.
    """
    inputs = np.zeros((len(samples), size, size), dtype=np.uint8)

    def read(index: int) -> Letterbox:
        letterbox, inputs[index] = prepare(samples[index].radiograph(), size)
        if on_done:
            on_done()
        return letterbox

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        letterboxes = tuple(pool.map(read, range(len(samples))))
    landmarks = tuple(
        sample.landmarks.moved(letterbox.to_input(sample.landmarks.points))
        for sample, letterbox in zip(samples, letterboxes, strict=True)
    )
    return FilmCache(tuple(samples), letterboxes, inputs, landmarks)


class EpochSampler(Sampler[int]):
    """A permutation for each epoch that depends on the seed and the epoch alone.

    So a resumed run meets the films in the order of an uninterrupted one, whatever else has drawn
    random numbers.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next pass is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        return iter(order.tolist())


def training_loader(cache: FilmCache, *, batch_size: int, seed: int) -> DataLoader[int]:
    """Shuffled batches; a last batch of a single film is left out, it has no batch statistics."""
    return DataLoader(
        range(len(cache)),  # type: ignore[arg-type]
        batch_size=batch_size,
        sampler=EpochSampler(len(cache), seed),
        collate_fn=cache.batch,
        drop_last=len(cache) % batch_size == 1 and len(cache) > 1,
        generator=torch.Generator().manual_seed(seed),
    )


def validation_loader(cache: FilmCache, *, batch_size: int) -> DataLoader[int]:
    """Batches in the order of the cache."""
    return DataLoader(
        range(len(cache)),  # type: ignore[arg-type]
        batch_size=batch_size,
        collate_fn=cache.batch,
        generator=torch.Generator().manual_seed(0),
    )


def to_unit(inputs: UInt8[Tensor, "b s s"]) -> Float[Tensor, "b 1 s s"]:
    """8-bit films to the [0, 1] that networks take."""
    return inputs[:, None].float() / 255


def augment(
    inputs: Float[Tensor, "b 1 s s"],
    landmarks: LandmarkBatch,
    recipe: AugmentationRecipe,
    *,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "b 1 s s"], LandmarkBatch]:
    """Rotates, scales, shifts, flips and re-exposes each film at random, points with pixels.

    One 3 x 3 map a film moves both, so that they cannot part; a flip exchanges the names of left
    and right too.
    """
    draw = _Draw(len(inputs), inputs.device, generator)
    flipped = draw.uniform(0, 1) < recipe.horizontal_flip
    matrices = _random_matrices(draw, recipe, inputs.shape[-1], flipped)
    warped = warp(inputs, matrices)
    moved = landmarks.transformed(matrices).relabelled(flipped)
    return _reexpose(warped, draw, recipe), moved


def warp(
    inputs: Float[Tensor, "b 1 s s"], matrices: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b 1 s s"]:
    """The films after each one's map, input px to input px; what comes from beyond them is 0."""
    size = inputs.shape[-1]
    to_pixels = torch.tensor(
        [[size / 2, 0, (size - 1) / 2], [0, size / 2, (size - 1) / 2], [0, 0, 1]],
        device=inputs.device,
    )  # the -1 to 1 frame of grid_sample to input px
    theta = torch.linalg.inv(to_pixels) @ torch.linalg.inv(matrices) @ to_pixels
    grid = functional.affine_grid(theta[:, :2], list(inputs.shape), align_corners=False)
    return functional.grid_sample(inputs, grid, mode="bilinear", align_corners=False)


@dataclass(frozen=True, slots=True)
class _Draw:
    count: int
    device: torch.device
    generator: torch.Generator

    def uniform(self, low: float, high: float) -> Float[Tensor, " b"]:
        unit = torch.rand(self.count, device=self.device, generator=self.generator)
        return low + (high - low) * unit

    def normal_like(self, other: Tensor) -> Tensor:
        return torch.randn(other.shape, device=self.device, generator=self.generator)


def _random_matrices(
    draw: _Draw, recipe: AugmentationRecipe, size: int, flipped: Tensor
) -> Float[Tensor, "b 3 3"]:
    """Input px to augmented input px, about the centre of the input."""
    low, high = recipe.scale_range
    angle = torch.deg2rad(draw.uniform(-recipe.rotation_range, recipe.rotation_range))
    scale = draw.uniform(low, high)
    side = torch.where(flipped, -1.0, 1.0)
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    linear = torch.stack([cos * side, -sin, sin * side, cos], dim=1).view(-1, 2, 2)
    reach = recipe.shift_range * size
    shift = torch.stack([draw.uniform(-reach, reach), draw.uniform(-reach, reach)], dim=1)
    centre = torch.full((2,), (size - 1) / 2, device=draw.device)
    matrices = torch.eye(3, device=draw.device).repeat(draw.count, 1, 1)
    matrices[:, :2, :2] = linear
    matrices[:, :2, 2] = centre - linear @ centre + shift
    return matrices


def _reexpose(
    inputs: Float[Tensor, "b 1 s s"], draw: _Draw, recipe: AugmentationRecipe
) -> Float[Tensor, "b 1 s s"]:
    def each(reach: float) -> Float[Tensor, "b 1 1 1"]:
        return draw.uniform(-reach, reach)[:, None, None, None]

    mean = inputs.mean(dim=(1, 2, 3), keepdim=True)
    contrast, brightness, gamma = each(recipe.contrast), each(recipe.brightness), each(recipe.gamma)
    exposed = ((inputs - mean) * (1 + contrast) + mean + brightness).clamp(0, 1)
    if recipe.gamma:
        exposed = exposed.clamp_min(1e-6) ** torch.exp(gamma)
    if recipe.noise:
        level = recipe.noise * draw.uniform(0, 1)[:, None, None, None]
        exposed = (exposed + level * draw.normal_like(exposed)).clamp(0, 1)
    return exposed
