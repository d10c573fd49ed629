"""Do a film's labels fit the film, their boxes and what a network can hold?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.checking.faults import Fault
from spondyl.checking.order import ALL_LEVELS, Chain
from spondyl.data.sample import Sample
from spondyl.spine.landmarks import corner_mean

SLOTS: Final = 10
"""Vertebrae that the plan's 40 channels hold on a lateral film."""

_AP_SLOTS: Final = 17
_BEYOND: Final = 1.0  # px: how far beyond the film's edge rounding may put a corner
_POKES: Final = 0.08  # heights: how far a corner may poke out of its box
_PADDING: Final = 0.75  # heights: a box further from its corners is another vertebra's
_TIGHT: Final = 0.75  # px: a box as near as this to its corners is not padded
_LAST: Final = frozenset({"S1", "S2"})


def check_marks(chain: Chain, *, slots: int = SLOTS) -> list[Fault]:
    """Corners beyond the film, boxes that are another's, too many vertebrae, room for more."""
    return [*_outside(chain), *_boxes(chain), *_too_many(chain, slots), *_room(chain)]


def _outside(chain: Chain) -> Iterator[Fault]:
    sample = chain.sample
    edge = np.array([sample.width, sample.height]) - 0.5
    beyond = np.maximum(-0.5 - chain.points, chain.points - edge)
    for at, each in enumerate(np.where(np.isnan(beyond), -np.inf, beyond)):
        far = float(each.max())
        if far > _BEYOND:
            corners = int((each > _BEYOND).any(axis=1).sum())
            film = f"{sample.width} x {sample.height} px film"
            many = "corner lies" if corners == 1 else "corners lie"
            evidence = f"{corners} {many} beyond the {film}, by up to {far:.1f} px"
            yield chain.fault("point outside the film", evidence, at, size=far / _BEYOND)


@dataclass(frozen=True, slots=True)
class _Fit:
    """How one box lies around its corners: the furthest poke and the widest and least padding."""

    poke: float
    widest: float
    least: float


def _boxes(chain: Chain) -> Iterator[Fault]:
    if np.isnan(chain.boxes).all():
        return
    fits = [_fit(*pair) for pair in zip(chain.points, chain.boxes, strict=True)]
    height = float(np.nanmedian(np.ptp(chain.points[..., 1], axis=1)))
    wrong = set()
    for at, fit in enumerate(fits):
        if fit.poke > max(_POKES * height, 1.0) or fit.widest > _PADDING * height:
            wrong.add(at)
            evidence = (
                f"the box ends {fit.poke:.1f} px inside its corners"
                if fit.poke > _POKES * height
                else f"the box ends {fit.widest:.1f} px beyond its corners"
            )
            repair = "the smallest box around the corners"
            yield chain.fault("box does not fit", evidence, at, repair=repair)
    padding = [fit.least for at, fit in enumerate(fits) if at not in wrong]
    if padding and min(padding) > _TIGHT:
        evidence = f"boxes are padded by {min(padding):.1f} to {max(padding):.1f} px"
        yield Fault("boxes padded", chain.sample.key, evidence)


def _fit(corners: Float64[np.ndarray, "4 2"], box: Float64[np.ndarray, " 4"]) -> _Fit:
    if np.isnan(box).any():
        return _Fit(0.0, 0.0, np.nan)
    low, high = np.nanmin(corners, axis=0), np.nanmax(corners, axis=0)
    room = np.concatenate([low - box[:2], box[2:] - high])
    return _Fit(float(-room.min()), float(room.max()), float(room.min()))


def _too_many(chain: Chain, slots: int) -> Iterator[Fault]:
    limit = max(slots, _AP_SLOTS) if chain.sample.view == "ap" else slots
    if len(chain) > limit:
        evidence = (
            f"{len(chain)} vertebrae, a codec with {limit} slots leaves out {len(chain) - limit}"
        )
        yield Fault("more vertebrae than slots", chain.sample.key, evidence)


def _room(chain: Chain) -> Iterator[Fault]:
    """Room on the film for one vertebra more, at the pace of the last step at that end."""
    if len(chain) < 3:
        return
    sample, names = chain.sample, chain.levels
    centres = corner_mean(chain.points)
    top, bottom = 2 * centres[0] - centres[1], 2 * centres[-1] - centres[-2]
    half = 0.5 * float(np.linalg.norm(centres[1] - centres[0]))
    if not sample.complete_above and names[0] != ALL_LEVELS[0] and _holds(sample, top, half):
        yield _unlabelled(chain, "above", top)
    known = names[-1] is not None or sample.view == "ap"  # else the last one may be the sacrum
    below = known and not sample.complete_below and not _LAST & set(names)
    if below and _holds(sample, bottom, half):
        yield _unlabelled(chain, "below", bottom)


def _holds(sample: Sample, centre: Float64[np.ndarray, " 2"], half: float) -> bool:
    x, y = centre
    return bool(half <= x <= sample.width - half and half <= y <= sample.height - half)


def _unlabelled(chain: Chain, side: str, centre: Float64[np.ndarray, " 2"]) -> Fault:
    evidence = f"there is room for one more vertebra near ({centre[0]:.0f}, {centre[1]:.0f})"
    return Fault(f"unlabelled {side}", chain.sample.key, evidence)
