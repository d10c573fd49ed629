"""Vertebrae of a lateral film made from a few numbers, and what is measured on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spondyl.film.radiograph import FilmGeometry
from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Measurement
from spondyl.spine.measurements import measure

FILM = FilmGeometry(1000, 1000, view="lateral")

Key = tuple[str, tuple[str, ...], str]


def corners(*points: tuple[float, float]) -> np.ndarray:
    """Posterior and anterior end of the superior, then of the inferior endplate (4, 2)."""
    return np.array(points, dtype=np.float64)


def box(x: float, y: float, *, depth: float = 100.0, height: float = 70.0) -> np.ndarray:
    """An upright body whose superior posterior corner is at x, y."""
    return corners((x, y), (x + depth, y), (x, y + height), (x + depth, y + height))


def facing_right(*bodies: np.ndarray, names: tuple[str | None, ...] | None = None) -> Landmarks:
    return Landmarks(np.stack(bodies), levels=names, facing="right")


def turned(landmarks: Landmarks, degrees: float) -> Landmarks:
    """The whole spine turned about a point in it."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return landmarks.moved((landmarks.points - 300.0) @ turn.T + 300.0)


def table(landmarks: Landmarks, film: FilmGeometry = FILM, **options) -> Mapping[Key, Measurement]:
    """Everything that is measured, by name, levels and unit."""
    found = measure(landmarks, film, **options)
    return {(each.name, each.levels, each.unit): each for each in found}
