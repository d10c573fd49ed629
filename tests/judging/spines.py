"""Spines with known corners, for the tests of judging."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spondyl.data.sample import Sample
from spondyl.spine.landmarks import Landmarks

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
HEIGHT, WIDTH, STEP = 40.0, 60.0, 50.0


def spine(count: int, *, top: float = 100.0, named: bool = True) -> Landmarks:
    """``count`` upright vertebrae 60 px wide, 40 high, 50 apart; the last is S1."""
    y = top + STEP * np.arange(count)
    points = np.empty((count, 4, 2))
    points[:, ::2, 0], points[:, 1::2, 0] = 200.0, 200.0 + WIDTH
    points[:, :2, 1], points[:, 2:, 1] = y[:, None], y[:, None] + HEIGHT
    return Landmarks(points, levels=LEVELS[-count:] if named else None)


def shifted(landmarks: Landmarks, dx: float, dy: float) -> Landmarks:
    return landmarks.moved(landmarks.points + [dx, dy])


def nobody() -> Landmarks:
    return Landmarks(np.zeros((0, 4, 2)))


def film(key: str, landmarks: Landmarks, *, group: str = "g", **more: object) -> Sample:
    settings = {"height": 1024, "width": 512, "origin": "test", "path": Path(f"{key}.png"), **more}
    return Sample(key=key, landmarks=landmarks, group=group, **settings)
