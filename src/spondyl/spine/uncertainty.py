"""How far off may a corner be: what the codec says of its error, scaled by what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from spondyl.anatomy import LEVELS, MIRRORED_CORNERS
from spondyl.spine.detections import Detections
from spondyl.spine.measurement import Intervals
from spondyl.spine.ordering import Bodies

SIGNS: Final = ("constant", "spread", "height", "corner_score", "score")
"""What a codec says that tells of a corner's error: see ``signs``."""

ANY: Final = "any"
"""The kind that stands for every corner whose own kind was too rare to be measured."""

_LOWEST, _HIGHEST = 0.01, 0.99  # scores beyond them tell no more
_SMALLEST: Final = 1e-3  # px
_SACRUM: Final = LEVELS.index("S1")


@dataclass(frozen=True, slots=True)
class CornerError:
    """The error of one network's corners, by what its codec says of each.

    The ``typical`` error of a corner is exp(``weights`` . ``signs``) in input px. A circle of as
    many typical errors as ``radii`` say for its kind (``kinds``) holds the true corner with the
    probability ``coverage``. ``stretch`` is, for each kind, the SD of the error along the endplate
    over that across it. Kinds without a number of their own have that of ``ANY``.

    Raises:
        ValueError: the coverage is not in (0, 1), there is no number for ``ANY``, or a number is
            impossible.
    """

    coverage: float
    weights: tuple[float, ...]
    radii: Mapping[str, float]
    stretch: Mapping[str, float]

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage is {self.coverage}, need a number between 0 and 1")
        if len(self.weights) != len(SIGNS) or not np.isfinite(self.weights).all():
            raise ValueError(f"{len(self.weights)} weights, need {len(SIGNS)} finite numbers")
        for name, numbers in (("radii", self.radii), ("stretch", self.stretch)):
            if ANY not in numbers:
                raise ValueError(f"{name} has no {ANY!r}")
            if not all(math.isfinite(number) and number > 0 for number in numbers.values()):
                raise ValueError(f"{name} must be finite numbers above 0")

    def typical(self, detections: Detections) -> Float64[np.ndarray, "n 4"]:
        """The typical error of each corner, px; NaN where the codec did not say enough.

        It is at most half the height of the bodies around: far from what was fitted the codec's
        word means nothing in px, and a corner so uncertain is not measured with.
        """
        fitted = np.exp(signs(detections) @ np.array(self.weights))
        return np.minimum(fitted, _heights(detections)[:, None] / 2)

    def covariance(self, detections: Detections) -> Float64[np.ndarray, "n 4 2 2"]:
        """Of the error of each corner, px^2; NaN where the codec did not say enough.

        Its ``radius`` at ``coverage`` is the one measured; its longer axis lies along or across the
        endplate. A corner whose neighbour on the endplate was not found has a round one.
        """
        kind = kinds(detections)
        radius = self.typical(detections) * _of_kinds(self.radii, kind)
        variance = (radius / normal_radius(self.coverage)) ** 2  # the mean of along and across
        ratio = _of_kinds(self.stretch, kind) ** 2
        along = directions(detections.corners)
        share = (ratio - 1) / (ratio + 1)  # of the mean: more along, less across
        across = along[..., ::-1] * [-1.0, 1.0]
        tilted = share[..., None, None] * (_outer(along) - _outer(across))
        return variance[..., None, None] * (np.eye(2) + np.nan_to_num(tilted))


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """The error of a network's corners, and how wide intervals of measurements must be.

    ``corners`` has one model for each network that votes; a corner is as uncertain as the one that
    doubts it most says.

    Raises:
        ValueError: there is no model.
    """

    corners: tuple[CornerError, ...]
    intervals: Intervals

    def __post_init__(self) -> None:
        if not self.corners:
            raise ValueError("there is no model of the corners' error, need at least one")

    def applied(self, detections: Detections) -> Detections:
        """The candidates, in input px, with the covariance of their corners' true error."""
        every = np.stack([model.covariance(detections) for model in self.corners])
        widest = np.trace(every, axis1=-2, axis2=-1).argmax(axis=0)  # NaN counts as the widest
        chosen = np.take_along_axis(every, widest[None, ..., None, None], axis=0)[0]
        return replace(detections, covariance=chosen)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; exact round trip."""
        return {
            "corners": [
                {
                    "coverage": model.coverage,
                    "weights": dict(zip(SIGNS, model.weights, strict=True)),
                    "radii": dict(model.radii),
                    "stretch": dict(model.stretch),
                }
                for model in self.corners
            ],
            "intervals": self.intervals.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Uncertainty:
        """What ``to_json`` wrote.

        Raises:
            ValueError: a value is missing or impossible.
        """
        try:
            corners = tuple(_read(each) for each in data["corners"])
            return cls(corners, Intervals.from_json(data["intervals"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"uncertainty is incomplete: {error}") from error


def pooled_uncertainty(members: Sequence[Uncertainty | None]) -> Uncertainty | None:
    """What holds where several networks vote: the widest of what each alone would say.

    None where one of them was never calibrated, or for another coverage. A measurement has an
    interval where every member has a factor for it. Votes err less than their members, so that
    the intervals hold more often than they say.
    """
    known = [member for member in members if member]
    if len(known) != len(members) or len({each.intervals.coverage for each in known}) != 1:
        return None
    every = [each.intervals for each in known]
    shared = set.intersection(*(set(each.factors) for each in every))
    factors = {name: max(each.factors[name] for each in every) for name in sorted(shared)}
    corners = tuple(model for each in known for model in each.corners)
    films = min(each.films for each in every)
    return Uncertainty(corners, Intervals(every[0].coverage, films, factors))


def normal_radius(coverage: float) -> float:
    """Radius of the circle that holds ``coverage`` of a round normal distribution of SD 1."""
    return math.sqrt(-2 * math.log(1 - coverage))


def corner_radii(
    covariance: Float64[np.ndarray, "*v 2 2"], coverage: float
) -> Float64[np.ndarray, "*v"]:
    """Radius of the circle that holds a true corner with the probability ``coverage``.

    In the px of the ``covariance`` of a prediction, at the coverage that it was calibrated for;
    elsewhere only as good as a round normal distribution. NaN where the covariance is not stated.
    """
    variance = np.trace(covariance, axis1=-2, axis2=-1) / 2
    return normal_radius(coverage) * np.sqrt(variance)


def signs(detections: Detections) -> Float64[np.ndarray, "n 4 k"]:
    """What the codec says of each corner that tells of its error, in the order of ``SIGNS``.

    1; the logarithm of the width of its peak (px); that of the height of the bodies around it (px);
    the log odds of the corner's score, and of the vertebra's, each held within 1 and 99 %.
    """
    variance = np.trace(detections.covariance, axis1=-2, axis2=-1) / 2
    whole = (len(detections), 4)
    columns = (
        np.ones(whole),
        0.5 * np.log(np.maximum(variance, _SMALLEST**2)),
        np.broadcast_to(np.log(_heights(detections))[:, None], whole),
        _log_odds(detections.corner_score),
        np.broadcast_to(_log_odds(detections.score)[:, None], whole),
    )
    return np.stack(columns, axis=-1)


def kinds(detections: Detections) -> np.ndarray:
    """The kind of each corner (N, 4): sacrum or not, which endplate, and which end of it.

    ``superior anterior``, ``S1 inferior posterior`` and so on, by what the candidates say of their
    names and facing; without the end where no candidate says which way the film faces.
    """
    front = float(detections.score @ detections.facing_logit)
    ends = ("posterior", "anterior") if front > 0 else ("anterior", "posterior")
    words = [
        f"{plate} {end}" if front else plate for plate in ("superior", "inferior") for end in ends
    ]
    named = detections.level_logits.any(axis=1)
    sacrum = named & (detections.level_logits.argmax(axis=1) == _SACRUM)
    return np.where(sacrum[:, None], [f"S1 {word}" for word in words], words)


def directions(corners: Float64[np.ndarray, "n 4 2"]) -> Float64[np.ndarray, "n 4 2"]:
    """Of the endplate of each corner, length 1; NaN where its other end was not found."""
    step = corners[:, MIRRORED_CORNERS] - corners
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return np.divide(step, length, out=np.full_like(step, np.nan), where=length > 0)


def _outer(vectors: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2 2"]:
    return vectors[..., :, None] * vectors[..., None, :]


def _of_kinds(numbers: Mapping[str, float], kind: np.ndarray) -> Float64[np.ndarray, "n 4"]:
    found = [numbers.get(str(each), numbers[ANY]) for each in kind.flat]
    return np.array(found, dtype=np.float64).reshape(kind.shape)


def _heights(detections: Detections) -> Float64[np.ndarray, " n"]:
    """Of the bodies around each candidate, px; NaN for one without a corner."""
    heights = np.full(len(detections), np.nan)
    seen = ~np.isnan(detections.corners).all(axis=(1, 2))
    if seen.any():
        heights[seen] = Bodies.of(detections.corners[seen], detections.score[seen]).heights
    return heights


def _log_odds(score: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    held = np.clip(score, _LOWEST, _HIGHEST)
    return np.log(held / (1 - held))


def _read(data: Mapping[str, Any]) -> CornerError:
    def numbers(name: str) -> dict[str, float]:
        return {str(key): float(value) for key, value in data[name].items()}

    weights = numbers("weights")
    return CornerError(
        float(data["coverage"]),
        tuple(weights[name] for name in SIGNS),
        numbers("radii"),
        numbers("stretch"),
    )
