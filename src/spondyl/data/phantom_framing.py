"""Where does the spine lie in a phantom's film, and how many of its vertebrae are labelled.

The figures are those of the labels of Karla Reyes, "Spondylolisthesis Vertebral Landmark",
Mendeley Data v1, doi 10.17632/5jdfdgp762.1, CC BY 4.0 (698 lateral lumbar films, 4,600 vertebrae).
Its films were stretched to a square: the figures are fractions of the width and of the height.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

import numpy as np

PROBABILITIES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Where the quantiles of the tables below stand."""

SPACING_RATIO: Final = (1.11, 1.0, 1.0, 1.0, 0.98, 0.91, 0.85, 0.80, 0.77, 0.73, 0.71, 0.69)
"""Distance of neighbouring centres, the last two first, in units of their median."""


@dataclass(frozen=True, slots=True)
class Population:
    """How the spine lies in one kind of film; quantiles at ``PROBABILITIES``.

    ``counts`` is how many films have so many labelled vertebrae; ``y_last`` and ``x_last`` place
    the centre of the last labelled one, ``spacing`` is the median distance of centres, all as
    fractions of the stretched frame. ``spacing_on_count`` and ``y_on_count`` are correlations.
    """

    counts: dict[int, int]
    y_last: tuple[float, ...]
    x_last: tuple[float, ...]
    spacing: tuple[float, ...]
    spacing_on_count: float
    y_on_count: float


WHOLE: Final = Population(
    counts={4: 1, 5: 35, 6: 148, 7: 176, 8: 102, 9: 25, 10: 11, 11: 3},
    y_last=(0.5219, 0.5715, 0.6238, 0.6590, 0.6980, 0.7523, 0.7871),
    x_last=(0.3594, 0.4164, 0.5023, 0.5578, 0.6051, 0.6664, 0.7172),
    spacing=(0.0778, 0.0827, 0.0920, 0.0980, 0.1040, 0.1155, 0.1274),
    spacing_on_count=-0.52,
    y_on_count=0.39,
)
"""Films as they were taken (the 501 of BUU-LSPINE)."""

CROPPED: Final = Population(
    counts={3: 21, 4: 34, 5: 37, 6: 49, 7: 28, 8: 13, 9: 12, 10: 2, 11: 1},
    y_last=(0.493, 0.594, 0.679, 0.752, 0.802, 0.853, 0.889),
    x_last=(0.232, 0.339, 0.448, 0.508, 0.571, 0.660, 0.704),
    spacing=(0.077, 0.082, 0.109, 0.154, 0.199, 0.281, 0.336),
    spacing_on_count=-0.82,
    y_on_count=0.10,
)
"""Films cut down to the spine (the 197 others)."""

_CROPPED_WITHOUT_SACRUM: Final = 0.36  # of the cropped films: one film in ten
_ASPECT: Final = (0.50, 0.51, 0.58, 0.66, 0.78, 0.83, 0.85)
_LUMBAR_DEPTH_MM: Final = (30.5, 31.5, 33.5, 35.0, 36.5, 38.5, 39.5)


@dataclass(frozen=True, slots=True)
class Framing:
    """Where the labelled part of a spine lies in its film.

    ``lowest`` counts up from S1 (0) to the last labelled vertebra, ``count`` is how many are
    labelled. ``x_last``, ``y_last`` and ``spacing`` are fractions of the width and the height;
    ``aspect`` is the film's width / height, ``depth_mm`` a lumbar endplate's length.
    """

    cropped: bool
    count: int
    lowest: int
    x_last: float
    y_last: float
    spacing: float
    aspect: float
    depth_mm: float


def sample_framing(rng: np.random.Generator) -> Framing:
    """Draws where the spine lies, such that the labelled vertebrae fit into the film."""
    cropped = rng.random() < 197 / 698
    population = CROPPED if cropped else WHOLE
    lowest = int(rng.choice([1, 2, 3])) if rng.random() < _CROPPED_WITHOUT_SACRUM * cropped else 0
    rank = rng.random()
    count = _count(population, rank)
    y_last, spacing = _height_and_spacing(rng, population, NormalDist().inv_cdf(rank), count)
    if lowest:  # the next one's centre is below the film
        spacing = min(spacing, 0.86 / (count - 0.5))
        y_last = 1 - rng.uniform(0.45, 0.85) * spacing
    x_last = _quantile(rng.random(), population.x_last)
    aspect = _quantile(rng.random(), _ASPECT)
    depth_mm = _quantile(rng.random(), _LUMBAR_DEPTH_MM)
    return Framing(cropped, count, lowest, x_last, y_last, spacing, aspect, depth_mm)


def varied_framing(rng: np.random.Generator, framing: Framing) -> Framing:
    """The framing moved, and on some films taken from afar: down to the femora, or far up."""
    far = rng.random() < 0.25 and not framing.lowest
    spacing = framing.spacing * (rng.uniform(0.68, 1.0) if far else 1.0)
    up = rng.uniform(-0.05, 0.2) if far else rng.normal(0, 0.03)
    y_last = framing.y_last if framing.lowest else float(np.clip(framing.y_last - up, 0.3, 0.95))
    x_last = float(np.clip(framing.x_last + rng.normal(0, 0.06), 0.2, 0.8))
    aspect = float(np.clip(framing.aspect * rng.uniform(0.85, 1.3), 0.42, 1.0))
    return replace(framing, spacing=spacing, y_last=y_last, x_last=x_last, aspect=aspect)


def _quantile(rank: float, table: tuple[float, ...]) -> float:
    return float(np.interp(rank, PROBABILITIES, table))


def _count(population: Population, rank: float) -> int:
    cumulative = np.cumsum(list(population.counts.values()))
    index = int(np.searchsorted(cumulative, rank * cumulative[-1], side="right"))
    return list(population.counts)[min(index, len(population.counts) - 1)]


def _height_and_spacing(
    rng: np.random.Generator, population: Population, score: float, count: int
) -> tuple[float, float]:
    """Draws ``y_last`` and the spacing given the count, until the first label is in the film."""
    reach = float(np.cumsum(SPACING_RATIO)[count - 2]) * 0.94
    y_last = spacing = 1.0
    for _ in range(60):
        y_last = _correlated(rng, population.y_last, score, population.y_on_count)
        spacing = _correlated(rng, population.spacing, score, population.spacing_on_count)
        if y_last - reach * spacing > 0.035:
            return y_last, spacing
    return y_last, (y_last - 0.035) / reach


def _correlated(
    rng: np.random.Generator, table: tuple[float, ...], score: float, correlation: float
) -> float:
    own = correlation * score + math.sqrt(1 - correlation**2) * rng.standard_normal()
    return _quantile(NormalDist().cdf(own), table)
