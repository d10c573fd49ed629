"""What do several looks at one film agree on: the candidates of many passes as one set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float64, Int

from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import corner_mean
from spondyl.spine.ordering import Bodies

_SAME_CENTRE: Final = 1 / 2  # of a body's height: farther centres are two vertebrae
_OUTLYING: Final = 1 / 4  # of a body's height: what a corner may lie off the median of its passes
_ENOUGH: Final = 3  # members from which on a median tells who is the outlier


def consensus(passes: Sequence[Detections], *, ordered: bool) -> Detections:
    """The candidates of several passes over one film, in one frame of px, as one set.

    A group has at most one member of each pass. The best candidate that is still free begins it,
    and the free one of every other pass that lies nearest, with its centre within half a body's
    height, joins: no pass is the reference, so that their order plays no part. The members become
    one candidate (N, P below are its members and all passes):

    - ``score``, ``corner_score``: the sum over the members divided by P, so that what few passes
      see loses score;
    - ``corners``: the mean over the members that have the corner, less those that lie more than a
      quarter of a body's height off the median of three or more;
    - ``covariance``: over the same members, the mean of theirs (where known) plus the covariance of
      their corners, divided by N and not N - 1: the law of total variance for a mixture in which
      every pass counts alike. NaN where no member knows its own;
    - ``level_logits``: the mean, which is the geometric mean of the probabilities. It is taken
      before the temperature divides, and the result is the same as after it;
    - ``facing_logit``: the mean.

    The result is best first or, where ``ordered``, superior to inferior: as most passes have two
    vertebrae, and as they lie along the spine where no pass has both or the passes are divided.
    Equal passes give back that pass (best first, or in its order); a candidate without a corner is
    left out.

    Raises:
        ValueError: there is no pass.
    """
    if not passes:
        raise ValueError("there is no pass, need at least one")
    pool = _Pool.of(passes)
    groups, heights = _groups(pool)
    combined = _combined(pool.found, groups, heights)
    if ordered:
        return combined.select(_superior_first(pool, groups, combined))
    return combined.select(np.argsort(-combined.score, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """The N candidates of all passes, best first: which pass each is of, and its place in it.

    Their order does not depend on that of the passes, and so no sum does, to the last bit.
    """

    found: Detections
    origin: Int[np.ndarray, " n"]
    place: Int[np.ndarray, " n"]
    passes: int

    @classmethod
    def of(cls, passes: Sequence[Detections]) -> _Pool:
        found = _joined(passes)
        counts = [len(each) for each in passes]
        origin = np.repeat(np.arange(len(passes)), counts)
        place = np.concatenate([np.arange(count) for count in counts])
        x, y = corner_mean(found.corners).T
        order = np.lexsort((x, y, place, -found.score))
        order = order[np.isfinite(x[order])]
        return cls(found.select(order), origin[order], place[order], len(passes))


def _joined(passes: Sequence[Detections]) -> Detections:
    return Detections(
        *(
            np.concatenate([getattr(each, name) for each in passes])
            for name in (
                "score", "corners", "corner_score", "covariance", "level_logits", "facing_logit"
            )
        )
    )  # fmt: skip


def _groups(pool: _Pool) -> tuple[Int[np.ndarray, "k p"], Float64[np.ndarray, " k"]]:
    """The members of each group in the order of the pool, then -1; its body's height in px."""
    bodies = Bodies.of(pool.found.corners, pool.found.score)
    free = np.ones(len(pool.origin), dtype=bool)
    groups: list[Int[np.ndarray, " p"]] = []
    seeds: list[int] = []
    for seed in range(len(free)):
        if free[seed]:
            members = _members(pool, bodies, seed, free)
            free[members] = False
            seeds.append(seed)
            groups.append(np.pad(members, (0, pool.passes - len(members)), constant_values=-1))
    shape = (len(groups), pool.passes)
    return np.array(groups, dtype=np.int64).reshape(shape), bodies.heights[seeds]


def _members(
    pool: _Pool, bodies: Bodies, seed: int, free: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " m"]:
    """The seed, and the nearest candidate that is free and near enough of each other pass."""
    distance = np.linalg.norm(bodies.centres - bodies.centres[seed], axis=-1)
    near = free & (pool.origin != pool.origin[seed])
    near &= distance <= _SAME_CENTRE * bodies.heights[seed]
    candidates = np.flatnonzero(near)
    candidates = candidates[np.argsort(distance[candidates], kind="stable")]
    _, nearest = np.unique(pool.origin[candidates], return_index=True)
    return np.sort(np.append(candidates[nearest], seed))


def _combined(
    found: Detections, groups: Int[np.ndarray, "k p"], heights: Float64[np.ndarray, " k"]
) -> Detections:
    """One candidate for each group."""
    present = groups >= 0
    members = np.where(present, groups, groups[:, :1])  # the place of an absent one must be filled
    corners = found.corners[members]
    used = _believed(corners, present, heights)
    centre = _mean(corners, used)
    apart = np.where(used[..., None], corners - centre[:, None], 0.0)
    between = apart[..., :, None] * apart[..., None, :]
    covariance = found.covariance[members]
    known = used & ~np.isnan(covariance).any(axis=(-2, -1))
    everyone = np.ones_like(present)
    return Detections(
        _mean(np.where(present, found.score[members], 0.0), everyone),
        centre,
        _mean(np.where(present[..., None], found.corner_score[members], 0.0), everyone),
        _mean(covariance, known) + _mean(between, used),
        _mean(found.level_logits[members], present),
        _mean(found.facing_logit[members], present),
    )


def _believed(
    corners: Float64[np.ndarray, "k p 4 2"],
    present: Bool[np.ndarray, "k p"],
    heights: Float64[np.ndarray, " k"],
) -> Bool[np.ndarray, "k p 4"]:
    """Which members' corners count: those that were seen and are no outliers."""
    seen = present[..., None] & ~np.isnan(corners).any(axis=-1)
    count = seen.sum(axis=1)
    middle = _median(np.where(seen[..., None], corners, np.nan), count)
    off = np.linalg.norm(corners - middle[:, None], axis=-1)
    close = seen & (off <= _OUTLYING * heights[:, None, None])
    decided = (count >= _ENOUGH) & close.any(axis=1)
    return np.where(decided[:, None], close, seen)


def _median(
    values: Float64[np.ndarray, "k p 4 2"], count: Int[np.ndarray, "k 4"]
) -> Float64[np.ndarray, "k 4 2"]:
    """Of x and of y over the ``count`` passes that are not NaN; NaN where there is none."""
    ascending = np.sort(values, axis=1)  # NaN last
    low, high = (
        np.take_along_axis(ascending, place[:, None, :, None], axis=1)[:, 0]
        for place in (np.maximum(count - 1, 0) // 2, count // 2)
    )
    return (low + high) / 2


def _mean(
    values: Float64[np.ndarray, "k p ..."], used: Bool[np.ndarray, "k p ..."]
) -> Float64[np.ndarray, "k ..."]:
    """Mean over the passes that are used; the first pass's value where none is.

    It is counted from the first value used, so that the mean of equal values is that value to the
    last bit.
    """
    weight = used.reshape(used.shape + (1,) * (values.ndim - used.ndim))
    start = np.take_along_axis(values, weight.argmax(axis=1, keepdims=True), axis=1)
    rest = np.where(weight, values - start, 0.0).sum(axis=1)
    return start[:, 0] + rest / np.maximum(weight.sum(axis=1), 1)


def _superior_first(
    pool: _Pool, groups: Int[np.ndarray, "k p"], combined: Detections
) -> Int[np.ndarray, " k"]:
    """Indices in the order of the majority: each takes the place that its inferior ones give it."""
    place = np.full(groups.shape, np.nan)
    row, column = np.nonzero(groups >= 0)
    member = groups[row, column]
    place[row, pool.origin[member]] = pool.place[member]
    votes = np.nan_to_num(np.sign(place[None] - place[:, None])).sum(axis=-1)
    along = np.argsort(Bodies.of(combined.corners, combined.score).order())
    above = np.where(votes == 0, along[None] - along[:, None], votes) > 0
    return np.lexsort((along, -above.sum(axis=1)))
