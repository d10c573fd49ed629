"""How do landmarks become maps and maps landmarks: a set of vertebrae, or the plan's slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from spondyl.anatomy import LEVELS
from spondyl.learning import heatmaps
from spondyl.learning.targets import NEITHER, UNKNOWN, LandmarkBatch
from spondyl.recipe import SetCodecRecipe, SlotsCodecRecipe
from spondyl.spine.detections import Detections, detections_of

STRIDE = 4
NULL = len(LEVELS)
"""Index of "not a vertebra" among the level logits."""


class Codec(Protocol):
    """Landmarks to targets, maps to a loss, maps to detections; tested as a round trip.

    ``channels`` maps of ``heatmap_size`` px come from the network, whose last biases start at
    ``head_bias``. Where ``ordered``, detections come superior to inferior and keep that order.
    """

    channels: int
    heatmap_size: int
    head_bias: list[float] | None
    ordered: bool

    def encode(self, landmarks: LandmarkBatch) -> Targets:
        """What the maps should be."""
        ...

    def loss(self, maps: Float[Tensor, "b c h w"], targets: Targets) -> Float[Tensor, ""]:
        """How far the maps are from it."""
        ...

    def read(self, maps: Float[Tensor, "b c h w"]) -> Candidates:
        """What the maps say, in input px, by tensor operations alone: they can be exported."""
        ...

    def decode(self, maps: Float[Tensor, "b c h w"]) -> list[Detections]:
        """The same film by film, without the empty places."""
        ...


class Candidates(NamedTuple):
    """N places for candidate vertebrae on each of B films, in input px; NaN = a corner not found.

    A place that is empty has score 0. ``variance`` is of each corner, px^2; the rest is as in
    ``Detections``.
    """

    score: Float[Tensor, "b n"]
    corners: Float[Tensor, "b n 4 2"]
    corner_score: Float[Tensor, "b n 4"]
    variance: Float[Tensor, "b n 4"]
    level_logits: Float[Tensor, "b n k"]
    facing_logit: Float[Tensor, "b n"]

    def films(self) -> list[Detections]:
        """Film by film, without the empty places."""
        arrays = [column.detach().cpu().numpy().astype(np.float64) for column in self]
        return [detections_of(columns) for columns in zip(*arrays, strict=True)]


@dataclass(frozen=True, slots=True)
class Targets:
    """What the maps should be (B, C, M, M) and how much each value matters (same shape, >= 0).

    For ``set`` the level channels hold a one-hot row, and the facing channel 0, 1 or,
    on AP films, 0.5.
    """

    maps: Float[Tensor, "b c h w"]
    weight: Float[Tensor, "b c h w"]


def make_codec(recipe: SetCodecRecipe | SlotsCodecRecipe, image_size: int) -> Codec:
    """The codec of a recipe, for inputs of ``image_size`` px."""
    if isinstance(recipe, SetCodecRecipe):
        return SetCodec(recipe, image_size)
    return SlotsCodec(recipe, image_size)


class SetCodec:
    """Every vertebra on its own: 1 centre, 4 corner, 8 offset, L + 1 level and 1 facing map.

    A vertebra is a peak of the centre map; there the offsets say roughly where its corners are,
    and each corner snaps to the peak nearby on its corner map. Centre and corner channels are
    logits of a Gaussian with peak 1; offsets are centre cell to corner in units of 8 map px.
    """

    _CENTRE, _CORNERS, _OFFSETS = slice(0, 1), slice(1, 5), slice(5, 13)
    _LEVELS, _FACING = slice(13, 14 + NULL), slice(14 + NULL, 15 + NULL)
    _OFFSET_UNIT = 8.0
    _POSITIVE_RADIUS = 1.5  # map px around a centre in which offsets, level and facing are learnt
    _SNAP_RADIUS = 3
    _SNAP_SIGMA = 1.5
    _CANDIDATES = 40
    _FLOOR = 0.05

    channels = 15 + NULL
    ordered = False

    def __init__(self, recipe: SetCodecRecipe, image_size: int) -> None:
        self.recipe = recipe
        self.heatmap_size = image_size // STRIDE
        self.head_bias: list[float] | None = [-4.0] * 5 + [0.0] * (self.channels - 5)

    def encode(self, landmarks: LandmarkBatch) -> Targets:
        """Dense targets; unlabelled ends of the spine carry no weight on the heat maps."""
        size = self.heatmap_size
        corners = heatmaps.to_map(landmarks.points, STRIDE)
        centres = torch.nanmean(corners, dim=2)
        heat = self._heat(corners, centres)
        owner, near = self._owners(centres)
        offsets, offset_weight = self._offsets(corners, owner, near)
        levels, level_weight = self._levels(landmarks.levels, owner, near)
        facing, facing_weight = self._facing(landmarks.facing, near)
        known = _labelled_region(corners, landmarks.complete, size)[:, None]
        heat_weight = torch.maximum(known.to(heat.dtype).expand_as(heat), (heat > 0.05).float())
        level_weight = level_weight * torch.maximum(known, near[:, None]).float()
        maps = torch.cat([heat, offsets, levels, facing], dim=1)
        weights = [heat_weight, offset_weight, level_weight, facing_weight]
        return Targets(maps, torch.cat(weights, dim=1))

    def loss(self, maps: Float[Tensor, "b c h w"], targets: Targets) -> Float[Tensor, ""]:
        """Sum of the four losses, each a mean over the vertebrae of the batch."""
        heat, offsets, level, facing = self._losses(maps.float(), targets)
        recipe = self.recipe
        return (
            heat
            + recipe.offset_weight * offsets
            + recipe.level_weight * level
            + recipe.facing_weight * facing
        )

    def read(self, maps: Float[Tensor, "b c h w"]) -> Candidates:
        """Candidate vertebrae of each film, best first, in input px."""
        maps = maps.float().nan_to_num(nan=-20.0)
        centre = torch.sigmoid(maps[:, 0])
        places = min(self._CANDIDATES, self.heatmap_size**2)
        score, cell = heatmaps.local_peaks(centre).flatten(1).topk(places)
        values = maps.flatten(2).gather(2, cell[:, None].expand(-1, self.channels, -1))
        position = torch.stack([cell % maps.shape[-1], cell // maps.shape[-1]], dim=-1)
        offsets = values[:, self._OFFSETS].unflatten(1, (4, 2)).permute(0, 1, 3, 2)
        rough = position[:, None].float() + offsets * self._OFFSET_UNIT  # (B, 4, N, 2)
        corners, corner_score, variance = self._snap(maps[:, self._CORNERS], rough)
        return Candidates(
            torch.where(score > self._FLOOR, score, 0.0),
            heatmaps.to_input(corners, STRIDE).transpose(1, 2),
            corner_score.transpose(1, 2),
            variance.transpose(1, 2) * STRIDE**2,
            values[:, self._LEVELS].transpose(1, 2),
            values[:, self._FACING][:, 0],
        )

    def decode(self, maps: Float[Tensor, "b c h w"]) -> list[Detections]:
        """As ``read``, film by film."""
        return self.read(maps).films()

    def _heat(
        self, corners: Float[Tensor, "b v 4 2"], centres: Float[Tensor, "b v 2"]
    ) -> Float[Tensor, "b 5 h w"]:
        recipe, size = self.recipe, self.heatmap_size
        centre = heatmaps.gaussians(centres, sigma=recipe.centre_sigma, size=size).amax(dim=1)
        sigma = recipe.corner_sigma
        each = [
            heatmaps.gaussians(corners[:, :, c], sigma=sigma, size=size).amax(dim=1)
            for c in range(4)
        ]
        return torch.stack([centre, *each], dim=1)

    def _owners(
        self, centres: Float[Tensor, "b v 2"]
    ) -> tuple[Int[Tensor, "b h w"], Bool[Tensor, "b h w"]]:
        """Which vertebra each cell belongs to, and whether it is close enough to speak for it."""
        steps = torch.arange(self.heatmap_size, device=centres.device, dtype=centres.dtype)
        squared = (centres[..., None] - steps) ** 2  # (B, V, 2, size)
        distance = squared[:, :, 1, :, None] + squared[:, :, 0, None, :]
        nearest, owner = distance.nan_to_num(torch.inf).min(dim=1)
        return owner, nearest <= self._POSITIVE_RADIUS**2

    def _offsets(
        self,
        corners: Float[Tensor, "b v 4 2"],
        owner: Int[Tensor, "b h w"],
        near: Bool[Tensor, "b h w"],
    ) -> tuple[Float[Tensor, "b 8 h w"], Float[Tensor, "b 8 h w"]]:
        size = self.heatmap_size
        index = owner.flatten(1)[..., None].expand(-1, -1, 8)
        own = corners.flatten(2).gather(1, index).transpose(1, 2).unflatten(2, (size, size))
        grid = _grid(size, corners.device).permute(2, 0, 1).repeat(4, 1, 1)
        offsets = (own - grid) / self._OFFSET_UNIT
        weight = near[:, None] & ~offsets.isnan()
        return torch.where(weight, offsets, 0.0), weight.float()

    def _levels(
        self,
        levels: Int[Tensor, "b v"],
        owner: Int[Tensor, "b h w"],
        near: Bool[Tensor, "b h w"],
    ) -> tuple[Float[Tensor, "b k h w"], Float[Tensor, "b k h w"]]:
        own = levels.gather(1, owner.flatten(1)).view_as(owner)
        label = torch.where(near, own, NULL)
        one_hot = functional.one_hot(label.clamp_min(0), NULL + 1).permute(0, 3, 1, 2).float()
        weight = (label != UNKNOWN)[:, None].expand_as(one_hot).float()
        return one_hot * weight, weight

    def _facing(
        self, facing: Int[Tensor, " b"], near: Bool[Tensor, "b h w"]
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        weight = (near & (facing != UNKNOWN)[:, None, None])[:, None].float()
        right = torch.where(facing == NEITHER, 0.5, facing.clamp_min(0).float())
        return weight * right[:, None, None, None], weight

    def _losses(self, maps: Float[Tensor, "b c h w"], targets: Targets) -> tuple[Tensor, ...]:
        heat = slice(0, 5)
        near = targets.weight[:, self._OFFSETS].amax(dim=1)  # (B, H, W)
        vertebrae = near.sum().clamp_min(1.0) / 7.0  # about 7 cells lie within the radius
        heat_loss = _heat_loss(maps[:, heat], targets.maps[:, heat], targets.weight[:, heat])
        offset_loss = _weighted_mean(
            functional.smooth_l1_loss(
                maps[:, self._OFFSETS], targets.maps[:, self._OFFSETS], reduction="none", beta=0.05
            ),
            targets.weight[:, self._OFFSETS],
        )
        level_loss = self._level_loss(maps[:, self._LEVELS], targets)
        facing_loss = _weighted_mean(
            functional.binary_cross_entropy_with_logits(
                maps[:, self._FACING], targets.maps[:, self._FACING], reduction="none"
            ),
            targets.weight[:, self._FACING],
        )
        return heat_loss / vertebrae, offset_loss, level_loss, facing_loss

    def _level_loss(self, logits: Float[Tensor, "b k h w"], targets: Targets) -> Tensor:
        """Cross entropy, averaged over vertebrae and over background apart: both must be learnt."""
        one_hot = targets.maps[:, self._LEVELS]
        weight = targets.weight[:, self._LEVELS][:, 0]
        each = -(functional.log_softmax(logits, dim=1) * one_hot).sum(dim=1)
        background = one_hot[:, NULL]
        named = _weighted_mean(each, weight * (1 - background))
        return named + _weighted_mean(each, weight * background)

    def _snap(
        self, logits: Float[Tensor, "b 4 h w"], rough: Float[Tensor, "b 4 n 2"]
    ) -> tuple[Float[Tensor, "b 4 n 2"], Float[Tensor, "b 4 n"], Float[Tensor, "b 4 n"]]:
        """Each rough corner to the best peak nearby; it stays where its map shows none."""
        maps = torch.sigmoid(logits)
        steps = heatmaps.window(self._SNAP_RADIUS, maps.device)
        cells = rough.round().long()[..., None, :] + steps  # (B, 4, N, K, 2)
        values = heatmaps.look_up(maps, cells.flatten(2, 3)).unflatten(2, cells.shape[2:4])
        squared = ((cells - rough[..., None, :]) ** 2).sum(dim=-1)
        best = (values * torch.exp(-squared / (2 * self._SNAP_SIGMA**2))).argmax(dim=-1)
        pick = best[..., None, None].expand(-1, -1, -1, 1, 2)
        peak = cells.gather(3, pick)[:, :, :, 0]
        fine, variance = heatmaps.refine(maps, peak)
        score = heatmaps.look_up(maps, peak)
        snapped = (score > self._FLOOR)[..., None]
        return torch.where(snapped, fine, rough), score, variance


class SlotsCodec:
    """The plan's encoding: channel 4 k + c is corner c of the k-th vertebra from the anchor.

    Targets are Gaussians with peak 1 on maps of ``heatmap_size`` px; a slot without a vertebra and
    a corner that was not seen are empty maps. Vertebrae beyond the last slot are lost.
    """

    ordered = True
    head_bias: list[float] | None = None

    def __init__(self, recipe: SlotsCodecRecipe, image_size: int) -> None:
        self.recipe = recipe
        self.channels = 4 * recipe.slots
        self.heatmap_size = recipe.heatmap_size
        self.stride = image_size / recipe.heatmap_size
        self.sigma = recipe.sigma * recipe.heatmap_size / 512

    def encode(self, landmarks: LandmarkBatch) -> Targets:
        """One Gaussian a channel, every value of weight 1 (more in the foreground if asked)."""
        points = self._slotted(landmarks.points)
        corners = heatmaps.to_map(points, self.stride).flatten(1, 2)
        maps = heatmaps.gaussians(corners, sigma=self.sigma, size=self.heatmap_size)
        return Targets(maps, 1 + self.recipe.foreground_weight * maps)

    def loss(self, maps: Float[Tensor, "b c h w"], targets: Targets) -> Float[Tensor, ""]:
        """(Weighted) mean squared error."""
        return (targets.weight * (maps.float() - targets.maps) ** 2).mean()

    def read(self, maps: Float[Tensor, "b c h w"]) -> Candidates:
        """The highest peak of every channel, slots from superior to inferior, in input px."""
        maps = maps.float().nan_to_num(nan=0.0).clamp_min(0.0)
        score, cell = maps.flatten(2).max(dim=2)  # (B, C)
        peak = torch.stack([cell % maps.shape[-1], cell // maps.shape[-1]], dim=-1)[:, :, None]
        fine, variance = heatmaps.refine(maps, peak)
        least = max(self.recipe.score_threshold, 1e-6)
        found = torch.where((score >= least)[..., None], fine[:, :, 0], torch.nan)
        corners = heatmaps.to_input(found, self.stride).unflatten(1, (-1, 4))
        scores = score.clamp_max(1.0).unflatten(1, (-1, 4))
        spread = (variance[:, :, 0] * self.stride**2).unflatten(1, (-1, 4))
        if self.recipe.anchor == "bottom":
            corners, scores, spread = (t.flip(1) for t in (corners, scores, spread))
        empty = corners.isnan().all(dim=3).all(dim=2)
        unknown = scores.new_zeros(scores.shape[0], self.recipe.slots, NULL + 1)
        whole = torch.where(empty, 0.0, scores.mean(dim=2))
        return Candidates(whole, corners, scores, spread, unknown, unknown[..., 0])

    def decode(self, maps: Float[Tensor, "b c h w"]) -> list[Detections]:
        """As ``read``, film by film."""
        return self.read(maps).films()

    def _slotted(self, points: Float[Tensor, "b v 4 2"]) -> Float[Tensor, "b k 4 2"]:
        slots = torch.full((len(points), self.recipe.slots, 4, 2), torch.nan, device=points.device)
        for film, own in enumerate(points):
            present = own[~own.isnan().all(dim=(1, 2))]
            if self.recipe.anchor == "bottom":
                present = present.flip(0)
            count = min(len(present), self.recipe.slots)
            slots[film, :count] = present[:count]
        return slots


def _grid(size: int, device: torch.device) -> Float[Tensor, "h w 2"]:
    steps = torch.arange(size, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], dim=-1)


def _heat_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Binary cross entropy with a soft target, less the target's own entropy, summed.

    The foreground counts ten times: a corner is some 10 cells of thousands.
    """
    likelihood = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = -(torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target))
    return ((likelihood - entropy) * weight * (1 + 9 * target)).sum() / 5


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)


def _labelled_region(
    corners: Float[Tensor, "b v 4 2"], complete: Bool[Tensor, "b 2"], size: int
) -> Bool[Tensor, "b h w"]:
    """Where the annotator is known to have looked: between the first and the last endplate.

    Beyond an end that is not complete lies the half plane past that vertebra's outer endplate,
    along the direction of the chain: a vertebra there may be unlabelled and is no background.
    """
    grid = _grid(size, corners.device)
    known = torch.ones((len(corners), size, size), dtype=torch.bool, device=corners.device)
    for film, own in enumerate(corners):
        present = own[~own.isnan().all(dim=(1, 2))]
        if not len(present):
            known[film] = bool(complete[film].all())
            continue
        for end in range(2):
            if not complete[film, end]:
                known[film] &= ~_beyond(grid, present, last=bool(end))
    return known


def _beyond(
    grid: Float[Tensor, "h w 2"], vertebrae: Float[Tensor, "v 4 2"], *, last: bool
) -> Bool[Tensor, "h w"]:
    ordered = vertebrae if last else vertebrae.flip(0)
    centres = torch.nanmean(ordered, dim=1)
    outer = ordered[-1, 2:] if last else ordered[-1, :2]
    edge = torch.nanmean(outer, dim=0)
    start = torch.where(edge.isnan(), centres[-1], edge)
    out = centres[-1] - centres[-2] if len(centres) > 1 else start - centres[-1]
    return ((grid - start) * out).sum(dim=-1) > 0
