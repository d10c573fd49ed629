"""How does a plain vision transformer turn a film into features: patches, positions, attention."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PlainViT(nn.Module):
    """The trunk of one of timm's vision transformers, for films of any size (Xu et al. 2022).

    It holds the parts of ``vit``, a transformer with a class token, under their own names, so that
    published weights fit. Patches of 16 px see each other and the class token in every block. The
    positions stay as they were trained, and are resampled to the film's grid of patches.
    """

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.width: int = vit.embed_dim
        self.patch_embed, self.blocks, self.norm = vit.patch_embed, vit.blocks, vit.norm
        self.cls_token, self.pos_embed = vit.cls_token, vit.pos_embed

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        """What precedes the blocks, then the blocks in quarters."""
        names = [f"blocks.{index}" for index in range(len(self.blocks))]
        size = len(names) // 4
        quarters = [tuple(names[start : start + size]) for start in range(0, len(names), size)]
        return (("patch_embed", "cls_token", "pos_embed"), *quarters[:-1], (*quarters[-1], "norm"))

    def forward(self, image: Float[Tensor, "b 1 h w"]) -> list[Float[Tensor, "b f ph pw"]]:
        """The normalised features of every patch; the sides need 16 as a factor."""
        patches = self.patch_embed(image)  # (B, rows, columns, F)
        grid = patches.shape[1:3]
        first = self.cls_token.expand(image.shape[0], -1, -1)  # len would fix B in an export
        tokens = torch.cat((first, patches.flatten(1, 2)), dim=1)
        tokens = self.norm(self.blocks(tokens + _on_grid(self.pos_embed, grid)))
        return [tokens[:, 1:].transpose(1, 2).unflatten(2, grid)]


def _on_grid(positions: Float[Tensor, "1 n f"], grid: torch.Size) -> Float[Tensor, "1 m f"]:
    """The embedding of the class token's and each patch's position, for rows x columns patches."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    return resample_abs_pos_embed(positions, list(grid), num_prefix_tokens=1)
