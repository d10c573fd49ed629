"""How does a U-Net turn a film into features: down by pooling, up with skip connections."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class UNet(nn.Module):
    """An encoder and a decoder joined at every scale (Ronneberger et al. 2015), features as a list.

    ``widths`` are the channels of the encoder's levels, each at half the size of the one before.
    A ``stem`` width puts two convolutions of stride 2 in front, so that the first level works at a
    quarter of the input: a sixteenth of the arithmetic. The decoder climbs ``steps`` levels.
    """

    def __init__(self, widths: Sequence[int], *, steps: int, stem: int | None = None) -> None:
        super().__init__()
        ups = list(widths[::-1])[: steps + 1]
        self.width = ups[-1]
        self.stem = _strided(stem, widths[0]) if stem else nn.Identity()
        inputs = [widths[0] if stem else 1, *widths[:-1]]
        pairs = zip(inputs, widths, strict=True)
        self.encoder = nn.ModuleList(_double(before, after) for before, after in pairs)
        self.decoder = nn.ModuleList(_double(below + skip, skip) for below, skip in pairwise(ups))

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """The encoder's levels from the input on, as module names; the stem is with the first."""
        deeper = ((f"encoder.{level}",) for level in range(1, len(self.encoder)))
        return (("stem", "encoder.0"), *deeper)

    def forward(self, image: Float[Tensor, "b 1 h w"]) -> list[Float[Tensor, "b f ph pw"]]:
        """The features of the decoder's last level, of the size of the encoder's beside it."""
        features = self.stem(image)
        skips = []
        for level, block in enumerate(self.encoder):
            features = block(functional.max_pool2d(features, 2) if level else features)
            skips.append(features)
        for block, skip in zip(self.decoder, skips[-2::-1], strict=False):
            larger = functional.interpolate(features, size=skip.shape[-2:], mode="bilinear")
            features = block(torch.cat((skip, larger), dim=1))
        return [features]


def _double(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(before, after), *_convolution(after, after))


def _strided(stem: int, after: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(1, stem, stride=2), *_convolution(stem, after, stride=2))


def _convolution(before: int, after: int, *, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
