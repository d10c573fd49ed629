"""What lies over L5 and S1 on a rich lateral film: iliac wings, brim, sacral wings and hips."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_bones import Frame, frame_of_pelvis, lay_pelvis
from spondyl.data.phantom_canvas import Pixels, Point, Points, curve, lay_line, lay_polygon

# Outlines in mm from the middle of the sacral plate at a tilt of 40 deg: posterior, down.
_CREST = ((-74, 30), (-62, -6), (-38, -30), (-4, -40), (32, -30), (58, 0), (66, 26))
_BRIM = ((30, 26), (8, 22), (-12, 34), (-24, 58), (-30, 84), (-44, 100), (-66, 108))
_INNOMINATE = (
    (-74, 34), (-62, -4), (-38, -30), (-4, -40), (32, -32), (58, -4), (64, 24), (48, 38),
    (30, 48), (18, 64), (12, 84), (18, 100), (30, 106), (22, 118), (34, 142), (24, 162), (4, 160),
    (-12, 140), (-44, 132), (-84, 140), (-88, 122), (-62, 98), (-58, 74), (-72, 54), (-74, 34),
)  # fmt: skip
_REAR = slice(48, 128)  # of its curve: from the posterior spines round the notch to the ischium
_SEGMENTS = ((24, 0.84), (21, 0.68), (18, 0.54), (15, 0.42), (11, 0.32), (9, 0.24), (7, 0.16))
_ALA = ((-26, -6), (10, -10), (34, 2), (38, 30), (20, 52), (-2, 48), (-20, 22))


def lay_pelvic_ring(
    canvas: Pixels, rng: np.random.Generator, sacrum: Float64[np.ndarray, "4 2"], mm: float,
    strength: float,
) -> None:  # fmt: skip
    """Adds hip bones, hips and wings of the sacrum; ``strength`` is about their nepers."""
    frame = frame_of_pelvis(sacrum, mm)
    layer = np.zeros_like(canvas)
    lay_pelvis(layer, rng, frame)
    canvas += np.float32(strength / 0.12) * layer
    for _ in range(2):
        place = frame.shifted(float(rng.normal(0, 6)), float(rng.normal(0, 7)))
        _lay_side(canvas, rng, place, strength)
        _lay_innominate(canvas, rng, place, strength)


def _lay_innominate(
    canvas: Pixels, rng: np.random.Generator, frame: Frame, strength: float
) -> None:
    """One hip bone: a thin wing, a sharp rim with the greater sciatic notch, a thick ischium."""
    mm = frame.scale
    bone = _curved(rng, frame, _INNOMINATE, 7.0)
    lay_polygon(canvas, bone, rng.uniform(0.1, 0.4) * strength, rng.uniform(0.8, 3) * mm)
    lay_line(canvas, bone, rng.uniform(0.8, 1.8) * mm, rng.uniform(0.05, 0.4) * strength, 0.5 * mm)
    rear = bone[_REAR]
    lay_line(canvas, rear, rng.uniform(1.2, 3) * mm, rng.uniform(0.3, 1.0) * strength, 0.6 * mm)


def lay_fused_sacrum(
    canvas: Pixels, rng: np.random.Generator, sacrum: Float64[np.ndarray, "4 2"], mm: float,
    strength: float,
) -> None:  # fmt: skip
    """Adds S2 to the coccyx: two bright cortices, what is left of discs, the canal, its roof."""
    strength = strength * rng.uniform(0.7, 1.2)
    front, back = _sacral_outline(rng, sacrum, mm)
    roof = _sacral_roof(rng, front, back, mm)
    lay_polygon(canvas, np.concatenate([front, back[::-1]]), 0.55 * strength, 1.2 * mm)
    lay_polygon(canvas, np.concatenate([front[:4], back[3::-1]]), 0.35 * strength, 4 * mm)
    for line, share in ((front, rng.uniform(0.8, 1.6)), (back, rng.uniform(0.5, 1.3))):
        lay_line(canvas, curve(line, 6), rng.uniform(0.9, 2) * mm, share * strength, 0.6 * mm)
    lay_polygon(canvas, np.concatenate([back, roof[::-1]]), 0.2 * strength, 1.5 * mm)
    shape = curve(roof, 4)
    shape += rng.normal(0, 0.8 * mm, shape.shape)
    lay_line(canvas, shape, rng.uniform(1.5, 4) * mm, rng.uniform(0.5, 1.3) * strength, 0.8 * mm)
    open_share = rng.uniform(0, 0.8)
    for k in range(4):
        _lay_remnant(canvas, (front[k], back[k]), mm, strength * open_share * 0.45**k)


def _lay_remnant(canvas: Pixels, ends: tuple[Point, Point], mm: float, strength: float) -> None:
    """What is left of a sacral disc: two bright plates and a dark gap that stop short in front."""
    start, end = ends[0] + 0.08 * (ends[1] - ends[0]), ends[0] + 0.9 * (ends[1] - ends[0])
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    down = np.array([-along[1], along[0]]) * mm
    line = np.stack([start, end]) + 1.2 * down  # S1 ends above
    lay_line(canvas, line, 2.2 * mm, -0.8 * strength, 0.5 * mm)
    for shift in (-1.6, 1.6):
        lay_line(canvas, line + shift * down, 1.0 * mm, 0.9 * strength, 0.5 * mm)


def _sacral_outline(
    rng: np.random.Generator, sacrum: Float64[np.ndarray, "4 2"], mm: float
) -> tuple[Points, Points]:
    """The anterior and the posterior line of S2 to the coccyx, from straight to hooked."""
    along = sacrum[3] - sacrum[2]
    angle, depth = math.atan2(-along[1], along[0]), float(np.linalg.norm(along))
    bends = rng.uniform(0.0, 0.2) + rng.normal(0, 0.04, len(_SEGMENTS))
    bends[int(rng.integers(1, 5))] += rng.uniform(0, 0.7)
    front, back, middle = [sacrum[2]], [sacrum[3]], (sacrum[2] + sacrum[3]) / 2
    for (length, share), bend in zip(_SEGMENTS, bends, strict=True):
        angle -= float(bend) / 2
        middle = middle + length * mm * np.array([math.sin(angle), math.cos(angle)])
        angle -= float(bend) / 2
        half = share * depth / 2 * np.array([math.cos(angle), -math.sin(angle)])
        front.append(middle - half)
        back.append(middle + half)
    return np.array(front), np.array(back)


def _sacral_roof(rng: np.random.Generator, front: Points, back: Points, mm: float) -> Points:
    """The posterior tables, which meet the bodies where the canal ends."""
    outward = (back - front) / np.linalg.norm(back - front, axis=1)[:, None]
    reach = np.array([20, 18, 15, 11, 7, 3, 1, 0]) * rng.uniform(0.7, 1.3)
    return back + outward * (reach + rng.normal(0, 1, 8))[:, None] * mm


def _lay_side(canvas: Pixels, rng: np.random.Generator, frame: Frame, strength: float) -> None:
    """One iliac crest with the wing below it, the brim, and the wing of the sacrum."""
    mm = frame.scale
    crest = _curved(rng, frame, _CREST, 6.0)
    wing = np.concatenate([crest, frame.to_film([(40, 70), (-30, 100)])])
    lay_polygon(canvas, wing, rng.uniform(0.1, 0.4) * strength, rng.uniform(0.6, 4) * mm)
    lay_line(canvas, crest, rng.uniform(1, 4) * mm, rng.uniform(0, 0.4) * strength, 0.8 * mm)
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
