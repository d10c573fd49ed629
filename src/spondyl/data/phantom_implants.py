"""What metal, cement and other dense things add to the attenuation, in any view.

Every function adds nepers to a canvas in film px; ``mm`` is px per mm, ``strength`` the nepers of
the densest ray: metal saturates where it is far above the film's range.
"""

from __future__ import annotations

import numpy as np

from spondyl.data.phantom_canvas import (
    Pixels,
    Point,
    Points,
    cloud,
    curve,
    ellipse,
    lay_line,
    lay_polygon,
)


def lay_screw(canvas: Pixels, head: Point, tip: Point, mm: float, strength: float) -> None:
    """A pedicle screw side on: a threaded shaft that narrows, and a tulip head."""
    along = tip - head
    length = float(np.linalg.norm(along))
    if length < 2:
        return
    along = along / length
    across = np.array([-along[1], along[0]])
    radius = 3.0 * mm
    place = np.linspace(0, 1, 60)
    thread = radius * (1 - 0.35 * place**3) * (1 + 0.12 * np.sign(np.sin(place * 70)))
    thread[-1] = 0
    middle = head + place[:, None] * along * length
    sides = middle + thread[:, None] * across, middle - thread[:, None] * across
    lay_polygon(canvas, np.concatenate([sides[0], sides[1][::-1]]), strength, 0.3 * mm)
    tulip = [(-7, -6), (5, -6), (5, 6), (-7, 6)]
    block = head + np.array([a * along + b * across for a, b in tulip]) * mm
    lay_polygon(canvas, block, strength, 0.3 * mm)


def lay_end_on_screw(canvas: Pixels, at: Point, mm: float, strength: float) -> None:
    """A pedicle screw seen along its axis."""
    for radius, share in ((5.5, 0.6), (3.0, 0.6)):
        disc = ellipse((float(at[0]), float(at[1])), (radius * mm, radius * mm))
        lay_polygon(canvas, disc, share * strength, 0.3 * mm)


def lay_rod(canvas: Pixels, points: Points, mm: float, strength: float) -> None:
    """A rod of 5.5 mm through the points, a little longer than they are."""
    ends = points[[0]] * 1.15 - points[[1]] * 0.15, points[[-1]] * 1.15 - points[[-2]] * 0.15
    path = curve(np.concatenate([ends[0], points, ends[1]]), 8)
    lay_line(canvas, path, 5.5 * mm, strength, 0.3 * mm)


def lay_cage(canvas: Pixels, outline: Points, mm: float, strength: float) -> None:
    """A disc cage: a frame with a hollow middle and two markers; ``outline`` (4, 2), in order."""
    middle = outline.mean(axis=0)
    lay_polygon(canvas, outline, strength, 0.3 * mm)
    lay_polygon(canvas, middle + 0.55 * (outline - middle), -0.7 * strength, 0.3 * mm)
    for end in (outline[:2].mean(axis=0), outline[2:].mean(axis=0)):
        dot = ellipse((float(end[0]), float(end[1])), (0.8 * mm, 0.8 * mm))
        lay_polygon(canvas, dot, 2.0, 0.3 * mm)


def lay_cement(
    canvas: Pixels, rng: np.random.Generator, middle: Point, radii: Point, strength: float
) -> None:
    """Bone cement in a body: a few merged clouds with ragged edges, about ``radii`` px."""
    for _ in range(int(rng.integers(3, 7))):
        at = middle + rng.normal(0, 0.35, 2) * radii
        blob = ellipse((float(at[0]), float(at[1])), (float(radii[0]) * 0.6, float(radii[1]) * 0.6))
        blob = at + (blob - at) * rng.uniform(0.6, 1.3, (len(blob), 1))
        lay_polygon(canvas, blob, 0.4 * strength, 0.05 * float(radii.mean()) + 0.4)


def lay_small_metal(canvas: Pixels, rng: np.random.Generator, at: Point, mm: float) -> None:
    """A clip, a coin, a hook or a wire: what lies in or on a patient without belonging to it."""
    kind = str(rng.choice(["clip", "coin", "wire", "hook", "zip"]))
    strength = float(rng.uniform(0.8, 4.0))
    if kind == "coin":
        radius = rng.uniform(2, 9) * mm
        lay_polygon(canvas, ellipse((float(at[0]), float(at[1])), (radius, radius)), strength, 0.4)
    elif kind == "zip":
        for k in range(14):
            lay_line(canvas, at + np.array([[0, 3 * k], [3, 3 * k]]) * mm, mm, strength, 0.4)
    else:
        count, reach = {"clip": (2, 4), "wire": (7, 45), "hook": (5, 9)}[kind]
        path = curve(at + np.cumsum(rng.normal(0, reach, (count, 2)), axis=0) * mm * 0.6, 8)
        lay_line(canvas, path, rng.uniform(0.6, 1.8) * mm, strength, 0.4)


def lay_calcified(canvas: Pixels, rng: np.random.Generator, path: Points, mm: float) -> None:
    """Patches of calcium along a vessel's wall or a costal cartilage."""
    line = curve(path, 12)
    shown = cloud(rng, (2, len(line)), 9, 2)[0] > rng.uniform(-0.3, 0.9)
    for k in np.flatnonzero(shown[:-1]):
        lay_line(canvas, line[k : k + 2], 1.4 * mm, float(rng.uniform(0.05, 0.3)), 0.5 * mm)
