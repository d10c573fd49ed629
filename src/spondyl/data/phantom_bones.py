"""How are the bones of a phantom drawn: vertebrae, what lies behind them, sacrum, pelvis, ribs.

Everything faces left and adds attenuation to a canvas in film px; ``mm`` is px per mm. Only the
vertebral bodies are exact, the rest surrounds and hides them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_canvas import (
    Body,
    Box,
    Pixels,
    Points,
    cloud,
    coverage,
    curve,
    ellipse,
    lay_line,
    lay_polygon,
)

# Outlines in mm of a vertebra 35 mm deep: behind the posterior wall, below the superior endplate.
_PEDICLE: Final = ((-2, 3), (8, 2), (13, 4), (13, 14), (8, 15), (-2, 14))
_UPPER_FACET: Final = ((8, 5), (10, -6), (14, -12), (18, -9), (18, 5), (13, 13))
_LAMINA: Final = (
    (11, 5),
    (17, 4),
    (21, 16),
    (24, 28),
    (21, 40),
    (16, 42),
    (14, 30),
    (11, 18),
)
_SPINOUS: Final = ((20, 16), (38, 17), (54, 21), (58, 29), (54, 38), (40, 37), (24, 31))

# Outlines in mm from the middle of the sacral plate at a tilt of 40 deg: posterior, down.
_ILIUM: Final = (
    (-66, 20), (-54, -8), (-30, -28), (0, -38), (34, -28), (56, 2), (58, 22), (40, 36),
    (24, 52), (22, 74), (-8, 92), (-46, 84), (-60, 52),
)  # fmt: skip
_ISCHIUM: Final = (
    (-6, 100),
    (22, 92),
    (30, 118),
    (34, 150),
    (16, 168),
    (2, 150),
    (-4, 124),
)
_HIP: Final = (-32.0, 104.0)
_SACRAL_SEGMENTS: Final = (
    (25, 24),
    (21, 19),
    (18, 15),
    (15, 12),
    (12, 9),
    (10, 7),
    (8, 5),
)
_RIB: Final = ((8, 2), (30, -2), (44, 14), (34, 44), (-4, 78), (-60, 104), (-120, 112))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A place on the spine: origin in px, posterior and downward direction, px per mm."""

    origin: Float64[np.ndarray, " 2"]
    posterior: Float64[np.ndarray, " 2"]
    down: Float64[np.ndarray, " 2"]
    scale: float

    def to_film(self, points: object) -> Points:
        """Points in mm (posterior, down) to film px."""
        local = np.array(points, dtype=np.float64).reshape(-1, 2) * self.scale
        return self.origin + local[:, :1] * self.posterior + local[:, 1:] * self.down

    def shifted(self, posterior_mm: float, down_mm: float) -> Frame:
        """The same directions from another origin."""
        origin = self.to_film((posterior_mm, down_mm))[0]
        return Frame(origin, self.posterior, self.down, self.scale)


def frame_behind(corners: Float64[np.ndarray, "4 2"], mm: float) -> Frame:
    """The frame at a body's posterior superior corner, scaled to the body's depth."""
    along = (corners[1] - corners[0] + corners[3] - corners[2]) / 2
    depth = float(np.linalg.norm(along))
    posterior = along / depth
    down = np.array([-posterior[1], posterior[0]])
    return Frame(corners[1], posterior, down, 0.5 * (depth / 35 + mm))


def frame_of_pelvis(sacrum: Float64[np.ndarray, "4 2"], mm: float) -> Frame:
    """The frame at the middle of the sacral plate, turned with most of its tilt."""
    along = sacrum[1] - sacrum[0]
    turn = 0.7 * (math.radians(40) - math.atan2(-along[1], along[0]))
    posterior = np.array([math.cos(turn), math.sin(turn)])
    return Frame(sacrum[:2].mean(axis=0), posterior, np.array([-posterior[1], posterior[0]]), mm)


@dataclass(frozen=True, slots=True)
class BodyLook:
    """How strongly a vertebral body shows; attenuations, and widths in px.

    ``inferior`` is the share of the endplate's strength below: S1 is fused to S2.
    """

    marrow: float
    cortex: float
    endplate: float
    grain: float
    rim: float
    double: float
    inferior: float = 1.0


def lay_body(canvas: Pixels, rng: np.random.Generator, body: Body, look: BodyLook) -> None:
    """Adds a vertebral body: marrow with trabeculae, cortical walls, two contours an endplate."""
    box = Box.around(body.corners, 4 * look.rim + 2, canvas.shape)
    if box.empty:
        return
    sides = body.sides(box)
    outline = body.joined(sides)
    inside = coverage(outline)
    superior, right, inferior, left = sides
    depth = np.minimum(-left, -right) / (look.rim * 9)
    round_bone = 0.62 + 0.38 * np.sqrt(np.clip(depth, 0, 1))  # the body is a cylinder
    value = look.marrow * round_bone * (1 + look.grain * _trabeculae(rng, box, look.rim))
    value += look.cortex * _ridge(outline + 0.9 * look.rim, look.rim)
    for side, share in ((superior, 1.0), (inferior, look.inferior)):
        value += share * look.endplate * _ridge(side + 0.9 * look.rim, look.rim)
        far = side + look.double * np.clip(1 - depth * 0.1, 0, 1)
        value += 0.45 * share * look.endplate * _ridge(far, 1.2 * look.rim) * (depth > 0)
    canvas[box.rows_columns] += inside * value


def _ridge(distance: Pixels, width: float) -> Pixels:
    return np.exp(-0.5 * (distance / np.float32(width)) ** 2)


def _trabeculae(rng: np.random.Generator, box: Box, rim: float) -> Pixels:
    shape = (box.bottom - box.top, box.right - box.left)
    return 0.6 * cloud(rng, shape, 8 * rim, 2) + 0.8 * cloud(rng, shape, max(1.6 * rim, 1.0))


def lay_posterior(canvas: Pixels, rng: np.random.Generator, frame: Frame, strength: float) -> None:
    """Adds pedicles, facets, lamina and spinous process of one vertebra; left and right differ."""
    soft = 0.7 * frame.scale
    for shape, share in ((_PEDICLE, 0.75), (_UPPER_FACET, 0.7), (_LAMINA, 0.8)):
        for _ in range(2):
            outline = _varied(rng, frame, shape, 1.3)
            lay_polygon(canvas, outline, 0.5 * share * strength, soft)
            lay_line(canvas, outline, 1.1 * frame.scale, 0.3 * share * strength, soft)
    lay_polygon(canvas, _varied(rng, frame, _SPINOUS, 2.0), 0.30 * strength, 2.2 * frame.scale)
    end = ellipse((7, 9), (rng.uniform(3, 5), rng.uniform(4, 6)))
    lay_line(canvas, frame.to_film(end), 1.2 * frame.scale, 0.5 * strength, soft)


def _varied(rng: np.random.Generator, frame: Frame, shape: object, jitter_mm: float) -> Points:
    points = np.array(shape, dtype=np.float64)
    points += rng.normal(0, jitter_mm / 2, 2) + rng.normal(0, jitter_mm / 2, points.shape)
    closed = np.concatenate([points, points[:1]])
    return curve(frame.to_film(closed), 6)


def lay_sacrum(
    canvas: Pixels,
    rng: np.random.Generator,
    sacrum: Float64[np.ndarray, "4 2"],
    mm: float,
    strength: float,
) -> None:
    """Adds S2 to the coccyx below S1, the canal behind them and the crest."""
    front, back = _sacral_outline(rng, sacrum, mm)
    lay_polygon(canvas, np.concatenate([front, back[::-1]]), 0.7 * strength, 1.5 * mm)
    lay_polygon(canvas, np.concatenate([front[:4], back[3::-1]]), 0.5 * strength, 5 * mm)
    for line, share in ((front, 1.0), (back, 0.9)):
        lay_line(canvas, curve(line, 6), 1.2 * mm, 1.1 * strength * share, 0.7 * mm)
    for k in range(1, 5):
        lay_line(canvas, np.stack([front[k], back[k]]), 1.2 * mm, 0.6 * strength, 0.9 * mm)
    outward = back - front
    outward /= np.linalg.norm(outward, axis=1)[:, None]
    reach = np.array([13, 13, 12, 11, 8, 5, 3, 1]) * mm * rng.uniform(0.8, 1.2)
    crest = back + outward * reach[:, None]
    lay_polygon(canvas, np.concatenate([back, crest[::-1]]), 0.5 * strength, 1.5 * mm)
    lay_line(canvas, curve(crest, 6), 1.5 * mm, 1.3 * strength, 0.8 * mm)
    for _ in range(3):  # the alae, seen end on
        ala = curve(np.stack([sacrum[0], front[1], front[3]]) + rng.normal(0, 9, (3, 2)) * mm, 8)
        lay_line(canvas, ala + 14 * mm * outward[0], 1.2 * mm, 0.6 * strength, 0.9 * mm)


def _sacral_outline(
    rng: np.random.Generator, sacrum: Float64[np.ndarray, "4 2"], mm: float
) -> tuple[Points, Points]:
    """The anterior and the posterior line of S2 to the coccyx, 8 points each."""
    along = sacrum[3] - sacrum[2]
    angle = math.atan2(-along[1], along[0])
    bend = rng.uniform(0.16, 0.3)
    front, back = [sacrum[2]], [sacrum[3]]
    middle = (sacrum[2] + sacrum[3]) / 2
    for length, depth in _SACRAL_SEGMENTS:
        middle = middle + length * mm * np.array([math.sin(angle), math.cos(angle)])
        angle -= bend
        half = depth / 2 * mm * np.array([math.cos(angle), -math.sin(angle)])
        front.append(middle - half)
        back.append(middle + half)
    return np.array(front), np.array(back)


def lay_pelvis(canvas: Pixels, rng: np.random.Generator, frame: Frame) -> None:
    """Adds both iliac wings, hips and ischia, one side displaced and magnified."""
    strength = rng.uniform(0.03, 0.075)
    spread = rng.normal(0, 5, 2)
    hip = np.array(_HIP) + rng.normal(0, (8, 6))
    for side in (-1, 1):
        place = frame.shifted(float(side * spread[0]), float(side * spread[1]))
        wing = _varied(rng, place, _ILIUM, 5.0)
        lay_polygon(canvas, wing, strength * 0.6, 6.0 * frame.scale)
        crest = np.roll(wing, -int(rng.integers(0, 24)), axis=0)[:48]
        lay_line(canvas, crest, 1.8 * frame.scale, strength * 0.9, 0.8 * frame.scale)
        lay_polygon(
            canvas,
            _varied(rng, place, _ISCHIUM, 5.0),
            0.8 * strength,
            2.0 * frame.scale,
        )
        _lay_hip(canvas, rng, place.shifted(hip[0], hip[1]), strength)


def _lay_hip(canvas: Pixels, rng: np.random.Generator, frame: Frame, strength: float) -> None:
    mm, radius = frame.scale, rng.uniform(22, 26)
    head = frame.to_film(ellipse((0, 0), (radius, radius)))
    lay_polygon(canvas, head, 0.6 * strength, 1.5 * mm)
    lay_line(canvas, head[16:36], 1.2 * mm, 1.0 * strength, 0.6 * mm)
    socket = frame.to_film(ellipse((0, 0), (radius + 5, radius + 5)))
    lay_line(canvas, socket[17:39], 2.2 * mm, 1.0 * strength, 0.9 * mm)
    lean = 200 * rng.uniform(-0.6, 0.2)
    shaft = frame.to_film([(-15, 12), (17, 10), (16 + lean, 200), (-16 + lean, 200)])
    lay_polygon(canvas, shaft, 0.9 * strength, 2.0 * mm)
    for side in (shaft[[0, 3]], shaft[[1, 2]]):
        lay_line(canvas, side, 3.0 * mm, 0.8 * strength, 1.0 * mm)


def lay_ribs(
    canvas: Pixels, rng: np.random.Generator, frame: Frame, order: int, strength: float
) -> None:
    """Adds a pair of ribs; ``order`` is 0 at T12, whose rib is short, and counts upward."""
    length = min(3 + order, len(_RIB))
    for _ in range(2):
        points = np.array(_RIB[:length], dtype=np.float64) * rng.uniform(0.9, 1.12)
        points[1:] += rng.normal(0, 4, 2) + rng.normal(0, 2.0, (length - 1, 2))
        middle = curve(frame.to_film(points), 8)
        normal = np.gradient(middle, axis=0) @ np.array([[0.0, 1.0], [-1.0, 0.0]])
        normal *= 4.0 * frame.scale / np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None]
        outline = np.concatenate([middle + normal, (middle - normal)[::-1]])
        lay_polygon(canvas, outline, 0.5 * strength, 0.8 * frame.scale)
        for edge, share in ((middle + normal, 0.9), (middle - normal, 0.5)):
            lay_line(canvas, edge, 1.2 * frame.scale, share * strength, 0.6 * frame.scale)
