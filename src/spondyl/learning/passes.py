"""How can a network look at one film more than once: in slight variations, and thinned out?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from spondyl.learning.batches import warp
from spondyl.spine.detections import Detections

_RANGES: Final = np.array(
    [[-2.0, 2.0], [0.97, 1.03], [-0.02, 0.02], [-0.02, 0.02], [-0.1, 0.1]]
)  # of angle, scale, shift in x and y and log gamma: as much as hardly cuts the ends of a spine off
_SPREAD: Final = 1.1347241384015194  # solves x ** 6 = x + 1


@dataclass(frozen=True, slots=True)
class View:
    """A slight variation of a film: turned, scaled and shifted about its centre, re-exposed.

    ``angle`` in deg, ``scale`` as a factor, ``shift`` in x and y as a share of the input's side,
    ``gamma`` as the exponent of the grey values. It is never a mirror image: left stays left.
    """

    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    gamma: float = 1.0

    def show(self, films: Float[Tensor, "b 1 s s"]) -> Float[Tensor, "b 1 s s"]:
        """The films, with values in [0, 1], as this view has them."""
        if self == View():
            return films
        matrix = torch.from_numpy(self.matrix(films.shape[-1])).to(films)
        return warp(films, matrix.expand(len(films), 3, 3)).clamp(0, 1) ** self.gamma

    def back(self, found: Detections, size: int) -> Detections:
        """What was found in this view, in px of the film's own input of ``size`` px."""
        inverse = np.linalg.inv(self.matrix(size))
        linear, offset = inverse[:2, :2], inverse[:2, 2]
        return replace(
            found,
            corners=found.corners @ linear.T + offset,
            covariance=linear @ found.covariance @ linear.T,
        )

    def matrix(self, size: int) -> Float64[np.ndarray, "3 3"]:
        """Input px to px of the view, for column vectors (x, y, 1)."""
        turn = np.radians(self.angle)
        linear = self.scale * np.array(
            [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        )
        centre = np.full(2, (size - 1) / 2)
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        matrix[:2, 2] = centre - linear @ centre + size * np.array(self.shift)
        return matrix


def views(count: int) -> tuple[View, ...]:
    """The film as it is, and ``count`` - 1 variations that are the same in every run.

    Up to 2 deg, 3 % in size, 2 % of the side and a gamma of 0.9 to 1.1. The k-th is point k of an
    additive recurrence (the R sequence of Roberts 2018), which fills these ranges evenly however
    many are taken.
    """
    low, high = _RANGES.T
    steps = _SPREAD ** -np.arange(1.0, len(_RANGES) + 1)
    varied = []
    for k in range(1, count):
        angle, scale, x, y, gamma = (low + (high - low) * ((0.5 + k * steps) % 1)).tolist()
        varied.append(View(angle, scale, (x, y), float(np.exp(gamma))))
    return (View(), *varied)


def has_dropout(network: nn.Module) -> bool:
    """Whether a network drops anything in training."""
    return bool(_dropouts(network))


@contextmanager
def thinned(network: nn.Module, draw: int) -> Iterator[None]:
    """Lets the dropout of a network in evaluation mode work as in training, all else as it is.

    What is dropped follows from ``draw`` alone and is the same for every film, so that a film's
    result depends neither on its batch nor on the device.
    """
    generator = torch.Generator().manual_seed(draw)
    dropouts = _dropouts(network)
    hooks = [each.register_forward_hook(partial(_drop, generator)) for each in dropouts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _dropouts(network: nn.Module) -> list[nn.Module]:
    kinds = (nn.Dropout, nn.Dropout2d)
    return [each for each in network.modules() if isinstance(each, kinds) and each.p > 0]


def _drop(
    generator: torch.Generator, module: nn.Dropout | nn.Dropout2d, _: Any, output: Tensor
) -> Tensor:
    """Single values, or whole channels, of all films at once; the rest makes up for them."""
    channels = isinstance(module, nn.Dropout2d)
    shape = (1, output.shape[1], 1, 1) if channels else (1, *output.shape[1:])
    kept = torch.rand(shape, generator=generator) >= module.p
    return output * (kept / max(1.0 - module.p, 1e-6)).to(output)
