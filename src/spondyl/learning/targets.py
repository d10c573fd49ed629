"""What does a codec encode: the landmarks of a batch of films as padded tensors in input px."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from spondyl.anatomy import LEVELS, MIRRORED_CORNERS, View
from spondyl.spine.landmarks import Landmarks

UNKNOWN = -1
NEITHER = 2
"""The facing of an AP film: left and right are as likely."""


@dataclass(frozen=True, slots=True)
class LandmarkBatch:
    """Landmarks of B films, padded to V vertebrae, superior to inferior.

    ``points`` is x, y in input px, corners SL, SR, IL, IR, NaN = not seen; a vertebra that is NaN
    throughout is padding. ``levels`` indexes ``LEVELS``, ``facing`` is 0 left, 1 right, ``NEITHER``
    on AP films; both are ``UNKNOWN`` where not annotated. ``complete`` says whether nothing was
    left unlabelled above / below.
    """

    points: Float[Tensor, "b v 4 2"]
    levels: Int[Tensor, "b v"]
    facing: Int[Tensor, " b"]
    complete: Bool[Tensor, "b 2"]

    def to(self, device: torch.device) -> LandmarkBatch:
        """The same landmarks on another device."""
        return LandmarkBatch(
            self.points.to(device, non_blocking=True),
            self.levels.to(device, non_blocking=True),
            self.facing.to(device, non_blocking=True),
            self.complete.to(device, non_blocking=True),
        )

    def transformed(self, matrices: Float[Tensor, "b 3 3"]) -> LandmarkBatch:
        """The landmarks after one 3 x 3 map of input px for each film."""
        linear, shift = matrices[:, None, None, :2, :2], matrices[:, None, None, :2, 2]
        points = (linear @ self.points[..., None])[..., 0] + shift
        return LandmarkBatch(points, self.levels, self.facing, self.complete)

    def relabelled(self, flipped: Bool[Tensor, " b"]) -> LandmarkBatch:
        """The landmarks with left and right exchanged in name where the film was flipped."""
        swapped = self.points[:, :, list(MIRRORED_CORNERS)]
        points = torch.where(flipped[:, None, None, None], swapped, self.points)
        exchange = flipped & (self.facing != UNKNOWN) & (self.facing != NEITHER)
        facing = torch.where(exchange, 1 - self.facing, self.facing)
        return LandmarkBatch(points, self.levels, facing, self.complete)


def collate_landmarks(
    films: Sequence[Landmarks],
    complete: Sequence[tuple[bool, bool]],
    views: Sequence[View | None] | None = None,
) -> LandmarkBatch:
    """Pads the landmarks of several films, in input px, into one batch.

    A last vertebra named S1 ends the column: nothing below it was left out. Without ``views`` no
    film is known to be AP.
    """
    most = max((len(film) for film in films), default=0)
    points = torch.full((len(films), max(most, 1), 4, 2), torch.nan)
    levels = torch.full(points.shape[:2], UNKNOWN, dtype=torch.long)
    for row, film in enumerate(films):
        points[row, : len(film)] = torch.from_numpy(film.points).float()
        levels[row, : len(film)] = torch.tensor([_level_index(n) for n in film.names]).long()
    shown = views or [None] * len(films)
    facing = torch.tensor([_facing_index(*film) for film in zip(films, shown, strict=True)])
    ends = [
        (above, below or _ends_at_sacrum(film))
        for film, (above, below) in zip(films, complete, strict=True)
    ]
    return LandmarkBatch(points, levels, facing, torch.tensor(ends))


def _level_index(name: str | None) -> int:
    return LEVELS.index(name) if name in LEVELS else UNKNOWN


def _facing_index(film: Landmarks, view: View | None) -> int:
    if view == "ap":
        return NEITHER
    return UNKNOWN if film.facing is None else int(film.facing == "right")


def _ends_at_sacrum(film: Landmarks) -> bool:
    return len(film) > 0 and film.names[-1] == "S1"
