"""Films as a network would find them whose errors are known: drawn with an SD that is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from synthetic_spine import candidates_of, spine

from spondyl.spine.conformal import CalibrationFilm
from spondyl.spine.landmarks import Landmarks

NAMES = ("L3", "L4", "L5", "S1")
SIZE = 600

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=shape)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with 3 degrees of freedom: one error in twenty is a gross one."""
    return rng.standard_t(3, shape)


def film(
    seed: int, index: int, noise: Noise, *, group: str | None = None, misnamed: bool = False
) -> CalibrationFilm:
    """A lumbar spine, each corner with an SD of its own that the codec knows of, about.

    The film as a whole is blurred or sharp; errors along the endplate have twice the SD of those
    across. Peaks are 1.5 times as wide as the error, give or take 15 %, and weaker where it is
    large.
    """
    rng = np.random.default_rng([seed, index])
    bend, start = rng.uniform(20, 60), rng.uniform(-25, -5)
    points = spine(NAMES, tilt=lambda share: start + bend * share,
                   slips={"L4": rng.uniform(-0.1, 0.4)})  # fmt: skip
    truth = Landmarks(points, levels=NAMES, facing="left")
    sd = 0.8 * np.exp(rng.normal(0, 0.5, (len(points), 4)) + rng.normal(0, 0.3))
    along = points[:, [1, 1, 3, 3]] - points[:, [0, 0, 2, 2]]
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    across = along[..., ::-1] * [-1, 1]
    steps = noise(rng, (2, *sd.shape, 1)) * sd[..., None]
    seen = points + (2 * steps[0] * along + steps[1] * across) / np.sqrt(2.5)
    found = candidates_of(seen, NAMES[::-1] if misnamed else NAMES)
    width = 1.5 * sd * np.exp(rng.normal(0, 0.15, sd.shape))
    found.covariance[:] = width[..., None, None] ** 2 * np.eye(2)
    found.corner_score[:] = 1 / (1 + sd)
    return CalibrationFilm(found, truth, "lateral", group or f"{seed}-{index}", SIZE)


def films(seed: int, count: int, noise: Noise) -> list[CalibrationFilm]:
    return [film(seed, index, noise) for index in range(count)]
