"""What a codec found on one film: candidate vertebrae, not yet ordered or named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import LEVELS


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N candidate vertebrae of one film.

    ``score`` (N,) in [0, 1]; ``corners`` (N, 4, 2) x, y in the order SL, SR, IL, IR, NaN = not
    found, in input px or image px as the maker says; ``corner_score`` (N, 4) in [0, 1];
    ``covariance`` (N, 4, 2, 2) px^2, NaN = not estimated; ``level_logits`` (N, L + 1) over
    ``LEVELS`` and, last, "not a vertebra"; ``facing_logit`` (N,), above 0 = anterior is right.
    All-zero level logits and a facing logit of 0 mean that the codec does not know.

    Raises:
        ValueError: a shape does not fit.
    """

    score: Float64[np.ndarray, " n"]
    corners: Float64[np.ndarray, "n 4 2"]
    corner_score: Float64[np.ndarray, "n 4"]
    covariance: Float64[np.ndarray, "n 4 2 2"]
    level_logits: Float64[np.ndarray, "n k"]
    facing_logit: Float64[np.ndarray, " n"]

    def __post_init__(self) -> None:
        n = len(self.score)
        expected = {
            "corners": (n, 4, 2),
            "corner_score": (n, 4),
            "covariance": (n, 4, 2, 2),
            "level_logits": (n, len(LEVELS) + 1),
            "facing_logit": (n,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} is {getattr(self, name).shape}, need {shape}")

    def __len__(self) -> int:
        return len(self.score)

    def select(self, indices: np.ndarray) -> Detections:
        """The candidates at ``indices`` (or where a mask is true), in that order."""
        return Detections(
            self.score[indices],
            self.corners[indices],
            self.corner_score[indices],
            self.covariance[indices],
            self.level_logits[indices],
            self.facing_logit[indices],
        )

    def scaled(
        self, corners: Float64[np.ndarray, "n 4 2"], scale: Float64[np.ndarray, " 2"]
    ) -> Detections:
        """The same candidates in another frame of ``scale`` px for each px of this one."""
        stretch = scale[:, None] * scale[None, :]
        return replace(self, corners=corners, covariance=self.covariance * stretch)


def detections_of(columns: Sequence[np.ndarray]) -> Detections:
    """The candidates of one film from what a network gives, without those of score 0.

    Six columns: score (N,), corners (N, 4, 2), corner score (N, 4), the variance of each corner
    (N, 4), level logits and facing logit.
    """
    score, corners, corner_score, variance, levels, facing = columns
    keep = score > 0
    covariance = variance[..., None, None] * np.eye(2)
    return Detections(
        score[keep], corners[keep], corner_score[keep], covariance[keep], levels[keep], facing[keep]
    )
