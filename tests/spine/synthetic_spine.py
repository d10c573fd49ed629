"""Spines made from a few numbers, and the candidates that a network would find in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spondyl.anatomy import LEVELS
from spondyl.spine.detections import Detections

HEIGHT, WIDTH, PITCH = 30.0, 42.0, 40.0


def straight(share: float) -> float:
    return 0.0


def lordosis(share: float) -> float:
    """Tilt in deg at a share of the way down: 15 deg back at the top, 25 deg at L5."""
    return -15.0 + 40.0 * share


def arc(total: float) -> Callable[[float], float]:
    """A curve of ``total`` deg between the end vertebrae."""
    return lambda share: total * (share - 0.5)


def spine(
    levels: Sequence[str],
    *,
    tilt: Callable[[float], float] = lordosis,
    sacral_tilt: float | None = None,
    slips: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Corners (V, 4, 2) of ``levels``; ``slips`` shift a level and all above it, in widths.

    Levels that are left out between the first and the last leave a gap.
    """
    first, last = LEVELS.index(levels[0]), LEVELS.index(levels[-1])
    chain = LEVELS[first : last + 1]
    tilts = np.array([tilt(i / max(len(chain) - 1, 1)) for i in range(len(chain))])
    if sacral_tilt is not None and chain[-1] == "S1":
        tilts[-1] = sacral_tilt
    angles = np.radians(tilts)
    axes = np.stack([np.sin(-angles), np.cos(angles)], axis=-1)  # superior to inferior
    across = np.stack([axes[:, 1], -axes[:, 0]], axis=-1)  # left to right
    middle = axes[:-1] + axes[1:]
    steps = PITCH * middle / np.linalg.norm(middle, axis=-1, keepdims=True)
    for level, share in (slips or {}).items():
        i = chain.index(level)
        steps[i] += share * WIDTH * across[i + 1]
    centres = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]) + 300.0
    signs = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / 2
    corners = (
        centres[:, None]
        + signs[None, :, :1] * HEIGHT * axes[:, None]
        + signs[None, :, 1:] * WIDTH * across[:, None]
    )
    return corners[[chain.index(level) for level in levels]]


def rotated(corners: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners - 300.0) @ turn.T + 300.0


def candidates_of(
    corners: np.ndarray,
    levels: Sequence[str] | None,
    *,
    score: float = 0.9,
    blur: float = 0.6,
    facing_logit: float = -3.0,
) -> Detections:
    """One candidate a vertebra; ``blur`` is the spread in levels of what it says of its name."""
    count = len(corners)
    logits = np.zeros((count, len(LEVELS) + 1))
    if levels is not None:
        true = np.array([LEVELS.index(level) for level in levels]).reshape(-1, 1)
        logits[:, :-1] = -0.5 * ((np.arange(len(LEVELS)) - true) / blur) ** 2
        logits[:, -1] = -4.0
    return Detections(
        np.full(count, score),
        corners,
        np.full((count, 4), 0.8),
        np.full((count, 4, 2, 2), np.nan),
        logits,
        np.full(count, facing_logit),
    )


def box(x: float, y: float, *, height: float = HEIGHT, width: float = WIDTH) -> np.ndarray:
    """The corners (1, 4, 2) of one upright vertebra."""
    signs = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) / 2
    return np.array([x, y]) + signs[None] * np.array([width, height])


def joined(*parts: Detections) -> Detections:
    names = ("score", "corners", "corner_score", "covariance", "level_logits", "facing_logit")
    return Detections(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def shuffled(detections: Detections, seed: int = 0) -> Detections:
    return detections.select(np.random.default_rng(seed).permutation(len(detections)))
