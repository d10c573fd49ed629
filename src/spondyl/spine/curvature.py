"""How is the spine curved: the angles between endplates, and of the AP film's curves, in deg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Missing, Quantity

COBB_ANGLES: Final[tuple[str, ...]] = ("PT", "MT", "TL")
"""Proximal thoracic, main thoracic, thoracolumbar / lumbar: the order of ``cobb_angles``."""


def cobb_angles(landmarks: Landmarks, *, height: float | None = None) -> Float64[np.ndarray, " 3"]:
    """The Cobb angles PT, MT, TL of an AP film in deg, as the AASCE 2019 challenge defines them.

    Each vertebra is inclined as the line from the middle of its left wall to the middle of its
    right one. MT is the largest angle between any two vertebrae. In a C-shaped spine PT and TL are
    the angles of the first vertebra with the upper end of the MT curve and of the last with the
    lower end. In an S-shaped one they are the largest angles above and below the MT curve; where
    that curve lies in the lower half of the film, MT is the lower curve, PT the one above it and
    TL the one above that, whatever the names say. A vertebra's level plays no part.

    The rules are those of the challenge's MATLAB code (Wu, Bailey, Rasoulinejad, Li: BoostNet,
    MICCAI 2017; the release's ``angles.csv`` lists MT, PT, TL). Common Python ports differ from it:
    they cut angles off at 90 deg and judge the half of the film by the wrong endplate.

    Args:
        landmarks: all vertebrae with four corners, superior to inferior; the challenge has 17.
        height: of the film in px, which decides its lower half; None = the middle of the spine.

    Returns:
        Three angles; NaN where there are fewer than three vertebrae or one lacks a corner.
    """
    if len(landmarks) < 3 or np.isnan(landmarks.points).any():
        return np.full(3, np.nan)
    angles = _angles_between(landmarks)
    upper, lower = (int(i) for i in np.unravel_index(np.argmax(angles), angles.shape))
    if not _is_s_shaped(landmarks):
        outer = angles[0, upper], angles[lower, -1]
    else:
        above = angles[: upper + 1, upper]
        apex = int(above.argmax())
        low = _lies_low(landmarks, upper, lower, height)
        third = angles[: apex + 1, apex] if low else angles[lower, lower:]
        outer = above[apex], third.max()
    return np.array([outer[0], angles[upper, lower], outer[1]])


def _angles_between(landmarks: Landmarks) -> Float64[np.ndarray, "v v"]:
    """Angles between the vertebrae in deg; only above the diagonal, which is 0."""
    left, right = landmarks.points[:, ::2].mean(axis=1), landmarks.points[:, 1::2].mean(axis=1)
    unit = (right - left) / np.linalg.norm(right - left, axis=1, keepdims=True)
    return np.triu(np.degrees(np.arccos(np.clip(unit @ unit.T, -1.0, 1.0))), k=1)


def _endplate_centres(landmarks: Landmarks) -> Float64[np.ndarray, "v 2 2"]:
    return landmarks.points.reshape(-1, 2, 2, 2).mean(axis=2)


def _is_s_shaped(landmarks: Landmarks) -> bool:
    """Whether the endplates' centres lie on both sides of the line from the first to the last."""
    centres = _endplate_centres(landmarks).reshape(-1, 2)
    chord, offset = centres[0] - centres[-1], centres[:-2] - centres[-1]
    side = offset[:, 1] * chord[0] - offset[:, 0] * chord[1]
    return bool(side.min() < 0 < side.max())


def _lies_low(landmarks: Landmarks, upper: int, lower: int, height: float | None) -> bool:
    """Whether the curve between two vertebrae is centred in the lower half, by their ends."""
    y = _endplate_centres(landmarks)[..., 1]
    whole = height if height is not None else y[0, 0] + y[-1, 1]
    return bool(y[upper, 1] + y[lower, 1] >= whole)


def sagittal_angles(names: Sequence[str]) -> Iterator[Quantity | Missing]:
    """Lordosis, sacral slope, disc and segmental angles of a lateral film; ``names`` of all."""
    yield from ()


def frontal_angles(names: Sequence[str], *, height: float) -> Iterator[Quantity | Missing]:
    """The Cobb angles of an AP film of ``height`` in true px."""
    yield from ()
