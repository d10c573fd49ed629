"""What is known of a spine on one film: the corners of each vertebra, in order, and their names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float64

from spondyl.anatomy import CORNERS, MIRRORED_CORNERS, Facing, is_level, opposite

_ROUNDING: Final = 1e-12  # of a covariance


@dataclass(frozen=True, slots=True, eq=False)
class Endplate:
    """One endplate of a vertebra: its left and right end in image px, and the facing if known."""

    left: Float64[np.ndarray, " 2"]
    right: Float64[np.ndarray, " 2"]
    facing: Facing | None

    @property
    def anterior(self) -> Float64[np.ndarray, " 2"]:
        """The anterior end; NaN where the facing is unknown."""
        return self._end(self.facing)

    @property
    def posterior(self) -> Float64[np.ndarray, " 2"]:
        """The posterior end; NaN where the facing is unknown."""
        return self._end(opposite(self.facing) if self.facing else None)

    @property
    def centre(self) -> Float64[np.ndarray, " 2"]:
        """The midpoint; NaN where an end was not seen."""
        return (self.left + self.right) / 2

    def _end(self, side: Facing | None) -> Float64[np.ndarray, " 2"]:
        if side is None:
            return np.full(2, np.nan)
        return self.left if side == "left" else self.right


@dataclass(frozen=True, slots=True, eq=False)
class Vertebra:
    """One vertebra: ``corners`` (4, 2) in the order SL, SR, IL, IR, image px, NaN = not seen."""

    corners: Float64[np.ndarray, "4 2"]
    level: str | None
    facing: Facing | None

    @property
    def superior(self) -> Endplate:
        """The upper endplate."""
        return Endplate(self.corners[0], self.corners[1], self.facing)

    @property
    def inferior(self) -> Endplate:
        """The lower endplate."""
        return Endplate(self.corners[2], self.corners[3], self.facing)


def _nan_matrix(count: int, width: int) -> Float64[np.ndarray, "v k"]:
    return np.full((count, width), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """The vertebrae of one film, superior to inferior; an annotation or a prediction.

    ``points`` is (V, 4, 2): x, y in image px, corners in the order SL, SR, IL, IR, NaN = not seen.
    ``confidence`` is (V, 4) in [0, 1], NaN = not stated (an annotation states none). ``levels``
    holds V names (None = this one is undetermined) or is None where no level is known.
    ``level_probability`` is (V,) in [0, 1], NaN = not stated. ``facing`` is the anterior side,
    None on AP films or where undetermined. ``covariance`` is (V, 4, 2, 2), of the error of each
    corner in x and y, image px^2, NaN = not stated. ``doubt`` tells how unlike the films of its
    calibration a prediction is (above 1 = too unlike), None = not stated. ``refusal`` is the reason
    why nothing should be measured on it; None = none is known.

    Raises:
        ValueError: a shape does not fit, a point is infinite or half missing, a covariance is of
            no distribution, a level is unknown or named twice, a vertebra has no corner at all.
    """

    points: Float64[np.ndarray, "v 4 2"]
    confidence: Float64[np.ndarray, "v 4"] = field(default=None)  # type: ignore[arg-type]
    levels: tuple[str | None, ...] | None = None
    level_probability: Float64[np.ndarray, " v"] = field(default=None)  # type: ignore[arg-type]
    facing: Facing | None = None
    covariance: Float64[np.ndarray, "v 4 2 2"] = field(default=None)  # type: ignore[arg-type]
    doubt: float | None = None
    refusal: str | None = None

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64).reshape(-1, 4, 2)
        count = len(points)
        self._set("points", points)
        if self.confidence is None:
            self._set("confidence", _nan_matrix(count, 4))
        if self.level_probability is None:
            self._set("level_probability", np.full(count, np.nan))
        if self.covariance is None:
            self._set("covariance", np.full((count, 4, 2, 2), np.nan))
        if self.levels is not None:
            self._set("levels", tuple(self.levels))
        self._check()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check(self) -> None:
        count = len(self.points)
        if np.isinf(self.points).any():
            raise ValueError("a corner is infinite, need finite px or NaN for one not seen")
        missing = np.isnan(self.points)
        if (missing[..., 0] != missing[..., 1]).any():
            raise ValueError("a corner has x without y or y without x, need both or neither")
        if missing.all(axis=(1, 2)).any():
            raise ValueError("a vertebra has no corner, need at least one")
        if self.confidence.shape != (count, 4) or self.level_probability.shape != (count,):
            raise ValueError(f"confidence or level_probability does not fit {count} vertebrae")
        if self.covariance.shape != (count, 4, 2, 2):
            raise ValueError(f"covariance is {self.covariance.shape}, need ({count}, 4, 2, 2)")
        if _impossible(self.covariance).any():
            raise ValueError("a corner's covariance is impossible, need variances from 0 (px^2)")
        if self.levels is not None:
            self._check_levels(self.levels)

    def _check_levels(self, levels: Sequence[str | None]) -> None:
        if len(levels) != len(self.points):
            raise ValueError(f"{len(levels)} levels for {len(self.points)} vertebrae")
        named = [level for level in levels if level is not None]
        for level in named:
            if not is_level(level):
                raise ValueError(f"unknown level {level!r}, need T1 to T12, L1 to L5 or S1")
        if len(set(named)) != len(named):
            raise ValueError(f"a level is named twice: {', '.join(named)}")

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Vertebra:
        return Vertebra(self.points[index], self.names[index], self.facing)

    @property
    def names(self) -> tuple[str | None, ...]:
        """One level or None for each vertebra."""
        return self.levels if self.levels is not None else (None,) * len(self)

    @property
    def centres(self) -> Float64[np.ndarray, "v 2"]:
        """Mean of the corners seen, image px."""
        return corner_mean(self.points)

    @property
    def heights(self) -> Float64[np.ndarray, " v"]:
        """Mean distance between the endplates in image px; NaN where no wall was seen whole."""
        walls = np.linalg.norm(self.points[:, 2:] - self.points[:, :2], axis=-1)
        seen = ~np.isnan(walls)
        total = np.where(seen, walls, 0.0).sum(axis=1)
        return np.where(seen.any(axis=1), total / np.maximum(seen.sum(axis=1), 1), np.nan)

    def moved(self, points: Float64[np.ndarray, "v 4 2"]) -> Landmarks:
        """The same vertebrae at other ``points`` (another frame of reference).

        The error of the corners is not known there.
        """
        unknown = np.full((len(points), 4, 2, 2), np.nan)
        return replace(self, points=points, covariance=unknown)

    def mirrored(self, width: int) -> Landmarks:
        """The landmarks of the film mirrored left to right; ``width`` in image px."""
        points = self.points[:, MIRRORED_CORNERS].copy()
        points[..., 0] = width - 1 - points[..., 0]
        turned = np.array([[1.0, -1.0], [-1.0, 1.0]])
        return replace(
            self,
            points=points,
            confidence=self.confidence[:, MIRRORED_CORNERS],
            covariance=self.covariance[:, MIRRORED_CORNERS] * turned,
            facing=opposite(self.facing) if self.facing else None,
        )

    def select(self, indices: Sequence[int]) -> Landmarks:
        """The vertebrae at ``indices``, in that order."""
        chosen = list(indices)
        return replace(
            self,
            points=self.points[chosen],
            confidence=self.confidence[chosen],
            levels=None if self.levels is None else tuple(self.levels[i] for i in chosen),
            level_probability=self.level_probability[chosen],
            covariance=self.covariance[chosen],
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a corner or number that is missing is null. Exact round trip."""
        return {
            "corner_order": list(CORNERS),
            "points": [[_xy(p) for p in v] for v in self.points],
            "confidence": [[_number(c) for c in v] for v in self.confidence],
            "levels": None if self.levels is None else list(self.levels),
            "level_probability": [_number(p) for p in self.level_probability],
            "facing": self.facing,
            "covariance": [[_matrix(c) for c in v] for v in self.covariance],
            "doubt": self.doubt,
            "refusal": self.refusal,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Landmarks:
        """What ``to_json`` wrote.

        Raises:
            ValueError: a value is missing or impossible.
        """
        try:
            points = [[[np.nan] * 2 if p is None else p for p in v] for v in data["points"]]
            levels = data.get("levels")
            return cls(
                np.array(points, dtype=np.float64).reshape(-1, 4, 2),
                _numbers(data["confidence"]).reshape(-1, 4),
                None if levels is None else tuple(levels),
                _numbers(data["level_probability"]).reshape(-1),
                data.get("facing"),
                _covariance(data.get("covariance"), len(data["points"])),
                None if data.get("doubt") is None else float(data["doubt"]),
                None if data.get("refusal") is None else str(data["refusal"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"landmarks are incomplete: {error}") from error


def reference_heights(annotated: Landmarks) -> Float64[np.ndarray, " a"]:
    """The height in image px that stands for each annotated vertebra.

    Its own; where no wall was seen whole (an S1 with one endplate), the film's median height; where
    no vertebra has one, the film's median endplate; NaN where there is none either, and then
    nothing can be matched.
    """
    heights = annotated.heights
    known = heights[~np.isnan(heights)]
    if not len(known):
        endplates = np.linalg.norm(annotated.points[:, ::2] - annotated.points[:, 1::2], axis=-1)
        known = endplates[~np.isnan(endplates)]
    return np.where(np.isnan(heights), np.median(known) if len(known) else np.nan, heights)


def corner_mean(points: Float64[np.ndarray, "*v 4 2"]) -> Float64[np.ndarray, "*v 2"]:
    """Mean of the corners that are not NaN; NaN where there is none."""
    seen = ~np.isnan(points[..., :1])
    total = np.where(seen, points, 0.0).sum(axis=-2)
    count = seen.sum(axis=-2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _impossible(covariance: Float64[np.ndarray, "v 4 2 2"]) -> Bool[np.ndarray, "v 4"]:
    """Where it is infinite, or of no distribution by more than rounding; NaN is possible."""
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    sd = np.sqrt(np.maximum(variance, 0.0))
    apart = np.abs(covariance[..., 0, 1]) > sd.prod(axis=-1) * (1 + _ROUNDING)
    return np.isinf(covariance).any(axis=(-2, -1)) | (variance < 0).any(axis=-1) | apart


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _xy(point: Float64[np.ndarray, " 2"]) -> list[float] | None:
    return None if np.isnan(point).any() else [float(point[0]), float(point[1])]


def _matrix(covariance: Float64[np.ndarray, "2 2"]) -> list[float] | None:
    """Variance in x, covariance, variance in y."""
    known = [float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])]
    return None if np.isnan(known).any() else known


def _covariance(stored: Any, count: int) -> Float64[np.ndarray, "v 4 2 2"]:
    if stored is None:  # written before covariances were
        return np.full((count, 4, 2, 2), np.nan)
    known = [[[np.nan] * 3 if c is None else c for c in v] for v in stored]
    return np.array(known, dtype=np.float64).reshape(-1, 4, 3)[..., [[0, 1], [1, 2]]]


def _numbers(values: object) -> Float64[np.ndarray, "*n"]:
    return np.array(values, dtype=np.float64)  # None becomes NaN
