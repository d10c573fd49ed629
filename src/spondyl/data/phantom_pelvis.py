"""What lies over L5 and S1 on a rich lateral film: iliac wings, brim, sacral wings and hips."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_bones import Frame, frame_of_pelvis, lay_pelvis, lay_sacrum
from spondyl.data.phantom_canvas import Pixels, curve, lay_line, lay_polygon

# Outlines in mm from the middle of the sacral plate at a tilt of 40 deg: posterior, down.
_CREST = ((-74, 30), (-62, -6), (-38, -30), (-4, -40), (32, -30), (58, 0), (66, 26))
_BRIM = ((30, 26), (8, 22), (-12, 34), (-24, 58), (-30, 84), (-44, 100), (-66, 108))
_ALA = ((-26, -6), (10, -10), (34, 2), (38, 30), (20, 52), (-2, 48), (-20, 22))


def lay_lumbosacral(
    canvas: Pixels, rng: np.random.Generator, sacrum: Float64[np.ndarray, "4 2"], mm: float,
    pelvis: float, sacral: float,
) -> None:  # fmt: skip
    """Adds pelvis and sacrum below S1; ``pelvis`` and ``sacral`` are about their nepers."""
    frame = frame_of_pelvis(sacrum, mm)
    if pelvis:
        layer = np.zeros_like(canvas)
        lay_pelvis(layer, rng, frame)
        canvas += np.float32(pelvis / 0.05) * layer
        for _ in range(2):
            place = frame.shifted(float(rng.normal(0, 7)), float(rng.normal(0, 9)))
            _lay_side(canvas, rng, place, pelvis)
    if sacral:
        lay_sacrum(canvas, rng, sacrum, mm, sacral * rng.uniform(0.6, 1.2))


def _lay_side(canvas: Pixels, rng: np.random.Generator, frame: Frame, strength: float) -> None:
    """One iliac crest with the wing below it, the brim, and the wing of the sacrum."""
    mm = frame.scale
    crest = _curved(rng, frame, _CREST, 6.0)
    wing = np.concatenate([crest, frame.to_film([(40, 70), (-30, 100)])])
    lay_polygon(canvas, wing, rng.uniform(0.1, 0.6) * strength, rng.uniform(0.6, 4) * mm)
    lay_line(canvas, crest, rng.uniform(1, 4) * mm, rng.uniform(0, 0.5) * strength, 0.8 * mm)
    brim = _curved(rng, frame, _BRIM, 5.0)
    lay_line(canvas, brim, rng.uniform(0.8, 2.5) * mm, rng.uniform(0, 0.7) * strength, 0.6 * mm)
    ala = _curved(rng, frame, _ALA, 6.0)
    lay_polygon(canvas, ala, rng.uniform(0, 0.5) * strength, rng.uniform(0.8, 5) * mm)
    lay_line(canvas, ala, rng.uniform(0.6, 2) * mm, rng.uniform(0, 0.3) * strength, 0.7 * mm)


def _curved(
    rng: np.random.Generator, frame: Frame, shape: tuple[tuple[float, float], ...], jitter: float
) -> Float64[np.ndarray, "m 2"]:
    points = np.array(shape) * rng.uniform(0.85, 1.15)
    return curve(frame.to_film(points + rng.normal(0, jitter / 2, points.shape)), 8)
