"""Spines of closed form to put faults into."""

from pathlib import Path

import numpy as np

from spondyl.data.sample import Listed, Sample
from spondyl.spine.landmarks import Landmarks

HEIGHT, WIDTH, STEP = 40.0, 60.0, 52.0
SIZE = (640, 480)


def body(centre, angle, *, width=WIDTH, height=HEIGHT):
    """One vertebra whose axis is turned by ``angle`` deg from straight down."""
    a = np.deg2rad(angle)
    down, right = np.array([-np.sin(a), np.cos(a)]), np.array([np.cos(a), np.sin(a)])
    sides = [(-1, -1), (-1, 1), (1, -1), (1, 1)]  # SL, SR, IL, IR
    return np.array([centre + v * height / 2 * down + h * width / 2 * right for v, h in sides])


def column(angles=(-12, -8, -4, 0, 4, 8, 12, 18)):
    """Vertebrae along a chain that follows their angles, (V, 4, 2)."""
    centres, at = [], np.array([240.0, 40.0])
    for i, angle in enumerate(angles):
        mean = np.deg2rad(angle if i == 0 else (angles[i - 1] + angle) / 2)
        at = at + STEP * np.array([-np.sin(mean), np.cos(mean)])
        centres.append(at)
    return np.array([body(c, a) for c, a in zip(centres, angles, strict=True)])


def listing(points, *, levels=None, boxes=None, key="film", origin="coco", **more):
    """A sample whose source listed ``points`` so; the film is 480 x 640 px."""
    names = (None,) * len(points) if levels is None else tuple(levels)
    around = np.full((len(points), 4), np.nan) if boxes is None else boxes
    stated = more.pop("order_stated", True)
    landmarks = Landmarks(
        points, levels=levels if levels and len(set(levels)) == len(levels) else None
    )
    more = {"complete_above": True, "complete_below": True, "group": key} | more
    return Sample(
        key, Path(f"{key}.png"), *SIZE, landmarks, origin=origin,
        listed=Listed(points, around, names, order_stated=stated), **more,
    )  # fmt: skip


def tight(points):
    """The smallest boxes around the corners, (V, 4)."""
    return np.concatenate([np.nanmin(points, axis=1), np.nanmax(points, axis=1)], axis=1)


def kinds(faults):
    """Kind and vertebra of each fault."""
    return {(fault.kind, fault.vertebra) for fault in faults}
