"""Which candidates form the spine, and which level is each: evidence, spacing and counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from spondyl.anatomy import LEVELS
from spondyl.spine.detections import Detections
from spondyl.spine.ordering import Bodies, distinct
from spondyl.spine.trellis import Trellis

# Distance between neighbouring centres over the mean height of the bodies around them. On the 481
# AP films of AASCE 2019 the median is 1.36, and its logarithm has a standard deviation of 0.21.
_PITCH: Final = 1.35
_PITCH_SPREAD: Final = 0.2
_SIDEWAYS_SPREAD: Final = 0.45  # of a body's width: lets a slip of a whole width stay in the chain
_MISSED: Final = 0.05  # how often a vertebra in view is not among the candidates
_NEIGHBOUR_GAIN: Final = 1.5  # log odds that a candidate is real if it lies just where one is due
_ODDS_LIMIT: Final = 3.0  # log odds that a candidate's own score can give
_WRONG_NAME: Final = 0.05  # how often a candidate's own level is wrong beyond all doubt
_SACRUM: Final = LEVELS.index("S1")


@dataclass(frozen=True, slots=True)
class Temperatures:
    """How far what candidates say of their levels is believed: above 1 it counts for less.

    ``sacrum`` divides the log odds of S1 against all other levels, ``levels`` the logits of those
    others among each other (temperature scaling: Guo et al. 2017). The sacrum looks like nothing
    else, while neighbours above it look alike: a network is far more often wrong about the latter,
    and as sure of itself.
    """

    levels: float = 1.0
    sacrum: float = 1.0


AS_SAID: Final = Temperatures()


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """The vertebrae of one film, superior to inferior, before names are given.

    ``indices`` (V,) point into the detections; ``levels`` (V,) into ``LEVELS``, and are None where
    the detections know no level; ``marginals`` (V, L) are the probabilities of each level.
    """

    indices: Int[np.ndarray, " v"]
    levels: Int[np.ndarray, " v"] | None
    marginals: Float64[np.ndarray, "v l"]


def infer_chain(
    detections: Detections, *, score_threshold: float, temperatures: Temperatures = AS_SAID
) -> Chain:
    """The most probable chain of vertebrae among the candidates of one film.

    Candidates under ``score_threshold`` and duplicates are left out; what does not fit into the
    chain is no vertebra.
    """
    indices = candidates(detections, score_threshold=score_threshold)
    usable = detections.select(indices)
    named = bool(np.any(usable.level_logits))
    trellis = trellis_of(usable, score_threshold=score_threshold, temperatures=temperatures)
    path = np.array(trellis.best(), dtype=np.int64).reshape(-1, 2)
    marginals = (
        trellis.marginals()[path[:, 0]] if named else np.full((len(path), len(LEVELS)), np.nan)
    )
    return Chain(indices[path[:, 0]], path[:, 1] if named else None, marginals)


def candidates(detections: Detections, *, score_threshold: float) -> Int[np.ndarray, " n"]:
    """Indices of the candidates worth a look, superior to inferior."""
    above = np.flatnonzero(detections.score >= score_threshold)
    kept = above[distinct(detections.select(above))]
    bodies = Bodies.of(detections.corners[kept], detections.score[kept])
    return kept[bodies.order()]


def trellis_of(
    detections: Detections, *, score_threshold: float, temperatures: Temperatures
) -> Trellis:
    """The chain model of ordered candidates; with one nameless level if no logits are known."""
    weights = level_weights(detections, score_threshold=score_threshold, temperatures=temperatures)
    steps = step_weights(Bodies.of(detections.corners, detections.score))
    if weights.shape[1] == 1:
        return Trellis(weights, np.logaddexp.reduce(steps, axis=-1)[..., None, None])
    return Trellis(weights, _counted(steps))


def level_weights(
    detections: Detections, *, score_threshold: float, temperatures: Temperatures
) -> Float64[np.ndarray, "n l"]:
    """Log odds of each candidate as a vertebra of each level; one column if no level is known."""
    odds = _vertebra_odds(detections, score_threshold)[:, None]
    if not np.any(detections.level_logits):
        return odds
    return odds + _name_gain(_shares(detections.level_logits[:, :-1], temperatures))


def step_weights(bodies: Bodies) -> Float64[np.ndarray, "n n g"]:
    """Log weight that vertebra j is the next one found after i and lies g + 1 levels below it.

    The step is compared with g + 1 times the usual distance (log-normal), its part across the
    spine with the width of a body (normal); -inf for j <= i. As a slip lengthens the step, and
    shortens its part along the spine where the bodies are tilted, a distance between the two fits.
    """
    count = len(bodies.centres)
    gaps = np.arange(1, len(LEVELS))
    along, longest, across = (values[..., None] for values in _steps(bodies))
    spread = np.log(np.maximum(gaps.clip(along, longest) / gaps, 1e-3)) / _PITCH_SPREAD
    misfit = 0.5 * (spread**2 + (across / _SIDEWAYS_SPREAD) ** 2)
    chance = np.log1p(-_MISSED) + (gaps - 1) * np.log(_MISSED)
    downwards = np.triu(np.ones((count, count), dtype=bool), k=1)[..., None]
    return np.where(downwards, _NEIGHBOUR_GAIN + chance - misfit, -np.inf)


def levels_between(bodies: Bodies) -> Int[np.ndarray, " m"]:
    """How many levels each of N ordered vertebrae lies above the next one (N - 1 values)."""
    steps = step_weights(bodies)
    below = np.arange(1, len(steps))
    return steps[below - 1, below].argmax(axis=-1) + 1


def _steps(
    bodies: Bodies,
) -> tuple[Float64[np.ndarray, "n n"], Float64[np.ndarray, "n n"], Float64[np.ndarray, "n n"]]:
    """From each centre to each: along the spine and at most, in usual distances; across, in widths.

    Against the spine there is no leeway: both distances are the same.
    """
    steps = bodies.centres[None] - bodies.centres[:, None]
    axes = bodies.axes[:, None] + bodies.axes[None]
    axes /= np.maximum(np.linalg.norm(axes, axis=-1, keepdims=True), 1e-9)
    along = (steps * axes).sum(axis=-1)
    across = steps[..., 0] * axes[..., 1] - steps[..., 1] * axes[..., 0]
    heights = (bodies.heights[:, None] + bodies.heights[None]) / 2
    widths = (bodies.widths[:, None] + bodies.widths[None]) / 2
    longest = np.where(along > 0, np.linalg.norm(steps, axis=-1), along)
    return along / (_PITCH * heights), longest / (_PITCH * heights), across / widths


def _counted(steps: Float64[np.ndarray, "n n g"]) -> Float64[np.ndarray, "n n l l"]:
    """The steps as transitions between levels: strictly down the spine."""
    level = np.arange(len(LEVELS))
    gap = level[None] - level[:, None]
    return np.where(gap > 0, steps[..., np.maximum(gap - 1, 0)], -np.inf)


def _vertebra_odds(detections: Detections, score_threshold: float) -> Float64[np.ndarray, " n"]:
    """Log odds that a candidate is a vertebra; even for one that just passes the threshold."""
    score = detections.score.clip(1e-6, 1 - 1e-6)
    limit = min(max(score_threshold, 1e-6), 1 - 1e-6)
    logits = detections.level_logits
    vertebra = np.logaddexp.reduce(logits[:, :-1], axis=1) - np.log(len(LEVELS)) - logits[:, -1]
    odds = np.log(score / (1 - score)) - np.log(limit / (1 - limit)) + vertebra
    return odds.clip(-_ODDS_LIMIT, _ODDS_LIMIT)


def _shares(
    logits: Float64[np.ndarray, "n l"], temperatures: Temperatures
) -> Float64[np.ndarray, "n l"]:
    """Probability of each level, given that a candidate is a vertebra."""
    others = np.delete(logits, _SACRUM, axis=1)
    odds = (logits[:, _SACRUM] - np.logaddexp.reduce(others, axis=1)) / temperatures.sacrum
    sacrum = np.exp(-np.logaddexp(0, -odds))[:, None]
    scaled = others / temperatures.levels
    above = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1)[:, None])
    return np.insert((1 - sacrum) * above, [_SACRUM], sacrum, axis=1)


def _name_gain(shares: Float64[np.ndarray, "n l"]) -> Float64[np.ndarray, "n l"]:
    """Log of how much more probable a level is than under no knowledge; never below a floor."""
    return np.log((1 - _WRONG_NAME) * shares * shares.shape[1] + _WRONG_NAME)
