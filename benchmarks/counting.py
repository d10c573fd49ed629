"""How does a figure follow from what was counted film by film, and does it differ from another's?

Every figure is a sum over films divided by another sum; intervals are by bootstrap over groups
(films of one study are not independent of each other).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spondyl.judging.statistics import Estimate, sums_intervals

Counts = Mapping[str, tuple[float, float]]
"""By the figure's name: what a film adds to its sum, and to that which divides it."""

Summed = dict[str, dict[str, list[float]]]
"""By group and figure, both sums: what of several films is kept."""


def by_group(films: Sequence[tuple[str, Counts]]) -> Summed:
    """The counts of films, each with its group, summed over the films of a group."""
    summed: Summed = {}
    for group, counts in films:
        own = summed.setdefault(group, {name: [0.0, 0.0] for name in counts})
        for name, parts in counts.items():
            own[name] = [float(a + b) for a, b in zip(own[name], parts, strict=True)]
    return summed


def estimates(summed: Summed, *, seed: int) -> dict[str, Estimate]:
    """Every figure with its 95 % interval."""
    names = list(next(iter(summed.values())))
    rng = np.random.default_rng(seed)
    known = sums_intervals(_table(summed, list(summed), names), _ratios, rng=rng)
    return dict(zip(names, known, strict=True))


def differences(summed: Summed, reference: Summed, *, seed: int) -> dict[str, Estimate]:
    """Every figure less the reference's on the same films, over the same resamples of groups."""
    groups, names = list(summed), list(next(iter(summed.values())))
    both = np.hstack([_table(each, groups, names) for each in (summed, reference)])
    columns = 2 * len(names)

    def less(sums: np.ndarray) -> np.ndarray:
        return _ratios(sums[..., :columns]) - _ratios(sums[..., columns:])

    known = sums_intervals(both, less, rng=np.random.default_rng(seed))
    return dict(zip(names, known, strict=True))


def rounded(known: Mapping[str, Estimate]) -> dict[str, list[float | None]]:
    """Value, low and high of each figure as a results file keeps them."""
    return {
        name: [None if v is None else round(v, 2) for v in (each.value, each.low, each.high)]
        for name, each in known.items()
    }


def _table(summed: Summed, groups: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """One row a group: the sums of all figures, then what divides them."""
    return np.array([[summed[g][name][k] for k in (0, 1) for name in names] for g in groups])


def _ratios(sums: np.ndarray) -> np.ndarray:
    half = sums.shape[-1] // 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., :half] / sums[..., half:]
