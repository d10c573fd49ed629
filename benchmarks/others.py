"""What else comes through the door: procedural radiographs of other parts of the body, from a seed.

    PYTHONPATH=benchmarks python -c "import others; print(others.other('hand', seed=0, index=3))"

Like the phantoms of ``spondyl.data.phantom`` they are drawn in mm as attenuation and then exposed,
but coarsely: they only have to look like no lateral lumbar film. A skull shows the upper cervical
spine and a pelvis at times L4 and L5 from the front, as real ones do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.ndimage import gaussian_filter

from spondyl.data.phantom_canvas import Pixels, Points, cloud, curve, ellipse, lay_line, lay_polygon
from spondyl.data.phantom_film import lay_marker
from spondyl.film.radiograph import Radiograph


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A film being drawn: ``canvas`` (H, W) of attenuation, ``mm`` px for each mm.

    ``turn`` (rad) and ``shift`` (px) say how the body lies on it.
    """

    canvas: Pixels
    mm: float
    turn: float
    shift: Float64[np.ndarray, " 2"]
    rng: np.random.Generator

    def area(self, outline: Points, strength: float, soft_mm: float) -> None:
        """Adds a polygon given in mm from the middle of the film."""
        lay_polygon(self.canvas, self.at(outline), strength, soft_mm * self.mm)

    def line(self, points: Points, width_mm: float, strength: float, soft_mm: float = 0.6) -> None:
        """Adds a line given in mm from the middle of the film."""
        lay_line(self.canvas, self.at(points), width_mm * self.mm, strength, soft_mm * self.mm)

    def bone(self, outline: Points, density: float, *, cortex_mm: float = 1.8) -> None:
        """Adds a bone: a body of ``density`` with a rim that is denser."""
        density *= float(self.rng.uniform(0.85, 1.15))
        self.area(outline, density, 0.7)
        self.line(np.concatenate([outline, outline[:1]]), cortex_mm, 0.7 * density)

    def shaft(self, axis: Points, halves: Float64[np.ndarray, " n"], density: float) -> None:
        """Adds a long bone along ``axis``, as wide as twice ``halves`` (mm) at each of its points.

        Its ends are rounded; the canal in the middle is less dense than the walls.
        """
        outline = tube(axis, halves)
        self.bone(outline, density, cortex_mm=float(np.clip(0.22 * halves.min(), 0.9, 3.5)))
        inner = slice(1, -1) if len(axis) > 4 else slice(None)
        self.area(tube(axis[inner], 0.45 * halves[inner]), -0.3 * density, 1.2)

    def at(self, points: Points) -> Points:
        """From mm to px of the film."""
        height, width = self.canvas.shape
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        turned = points @ np.array([[cos, sin], [-sin, cos]])
        return turned * self.mm + self.shift + np.array([width / 2, height / 2])


def tube(axis: Points, halves: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "m 2"]:
    """The outline of a bone of these half-widths along an axis."""
    along = np.gradient(axis, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * halves[:, None]
    caps = [axis[-1:] + along[-1:] * 0.5 * halves[-1], axis[:1] - along[:1] * 0.5 * halves[0]]
    return np.concatenate([axis + across, caps[0], (axis - across)[::-1], caps[1]])


def other(kind: str, *, seed: int, index: int) -> Radiograph:
    """Film ``index`` of a kind of the series ``seed``: (H, W), long side 500 to 1,000 px."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), index])
    draw, (height_mm, width_mm) = KINDS[kind]
    long_side = int(rng.integers(500, 1001))
    mm = long_side / max(height_mm, width_mm) * rng.uniform(0.9, 1.15)
    shape = (
        round(long_side * height_mm / max(height_mm, width_mm)),
        round(long_side * width_mm / max(height_mm, width_mm)),
    )
    shift = rng.normal(0, 0.03 * long_side, 2)
    plate = Plate(np.zeros(shape, dtype=np.float32), mm, rng.normal(0, 0.06), shift, rng)
    draw(plate)
    pixels = exposed(plate)
    if rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if rng.random() < 0.8:
        lay_marker(rng, pixels, np.zeros((0, 2)))
    return Radiograph(pixels, None, 1.0, "lateral", kind)


def exposed(plate: Plate) -> Pixels:
    """Attenuation to grey in [0, 1]: unsharpness, grain, window, and at times a shutter."""
    rng, canvas = plate.rng, plate.canvas
    total = canvas * (1 + rng.uniform(0.01, 0.04) * cloud(rng, canvas.shape, 20 * plate.mm, 3))
    total += rng.uniform(0.003, 0.012) * cloud(rng, canvas.shape, 5 * plate.mm, 2)
    total = gaussian_filter(total, rng.uniform(0.1, 0.4) * plate.mm)
    total += rng.uniform(0.002, 0.008) * rng.standard_normal(canvas.shape, dtype=np.float32)
    low, high = np.percentile(total, [rng.uniform(0.5, 8), rng.uniform(98.5, 99.9)])
    film = np.clip((total - low) / max(high - low, 1e-3), 0, 1) ** rng.uniform(0.7, 1.5)
    if rng.random() < 0.4:
        rows, columns = film.shape
        edge = (rng.uniform(0, 0.08, 4) * [rows, rows, columns, columns]).astype(int)
        shutter = np.zeros_like(film)
        shutter[edge[0] : rows - edge[1], edge[2] : columns - edge[3]] = 1
        film *= shutter
    return np.ascontiguousarray(film, dtype=np.float32)


def chest(plate: Plate) -> None:
    """A chest from behind: lungs, ribs, heart, clavicles, a faint spine."""
    rng = plate.rng
    plate.area(curve(mirrored([(-60, -230), (-150, -160), (-175, 0), (-170, 260)])), 0.55, 6)
    lift = rng.uniform(-12, 12)
    for side in (-1, 1):
        edge = [(22, -135), (60, -150), (100, -105), (125, -20), (135, 80 + lift), (75, 70 + lift),
                (35, 92), (30, 20), (24, -60)]  # fmt: skip
        plate.area(curve(np.array([(side * x, y) for x, y in edge] + [(side * 22, -135)])),
                   -rng.uniform(0.28, 0.38), 3)  # fmt: skip
    plate.area(ellipse((rng.uniform(15, 28), 45), (62, 55), 0.5), rng.uniform(0.15, 0.25), 5)
    plate.area(ellipse((14, -45), (26, 40)), 0.12, 5)
    bend = rng.uniform(-10, 10)
    for k in range(16):
        y = -185 + 24 * k
        x, half = bend * math.sin(k / 5), 12 + 0.6 * k
        plate.bone(box(x, y, half, 9), rng.uniform(0.015, 0.045), cortex_mm=1.2)
    ribs(plate)
    for side in (-1, 1):
        collar = np.array([(8, -138), (50, -150), (100, -152), (140, -165)]) * [side, 1]
        plate.shaft(curve(collar, 8), np.full(25, 5.5), 0.12)
        plate.area(curve(np.array([(110, -150), (165, -120), (125, 10), (105, -60), (110, -150)])
                         * [side, 1.0]), 0.07, 2)  # fmt: skip


def ribs(plate: Plate) -> None:
    """Ten pairs: from the spine outwards and down, then forwards and further down."""
    rng, density = plate.rng, plate.rng.uniform(0.04, 0.09)
    for side in (-1, 1):
        for k in range(10):
            y, reach = -160 + 25 * k, min(60 + 22 * k, 140)
            back = [(12, y), (0.5 * reach, y - 8), (0.9 * reach, y + 14), (reach, y + 45)]
            front = [(reach, y + 45), (0.8 * reach, y + 78), (0.45 * reach, y + 95)]
            for part, weight in ((back, 1.0), (front, 0.6)):
                axis = curve(np.array(part) * [side, 1.0], 6)
                plate.shaft(axis, np.full(len(axis), rng.uniform(4.0, 5.5)), weight * density)


def knee_front(plate: Plate) -> None:
    """A knee from the front: femur with condyles, patella, tibia, fibula."""
    rng = plate.rng
    plate.area(tube(line((0, -240), (rng.uniform(-8, 8), 240)), waist(70, 58, 50)), 0.4, 5)
    femur = line((rng.uniform(-10, 10), -180), (0, -8), 9)
    plate.shaft(femur, np.array([15, 15, 15, 16, 18, 22, 32, 40, 36.0]), 0.3)
    for side in (-1, 1):
        plate.bone(ellipse((side * 21, -16), (19, 15)), 0.12)
        plate.line(np.array([(side * 4, 8), (side * 20, 4), (side * 38, 8)]), 2, 0.15)
    tibia = line((0, 10), (rng.uniform(-6, 6), 180), 9)
    plate.shaft(tibia, np.array([38, 37, 31, 22, 17, 14, 13, 13, 13.0]), 0.3)
    fibula = line((34, 28), (26, 180), 8)
    plate.shaft(fibula, np.array([8, 8, 6, 5, 5, 5, 5, 5.0]), 0.16)
    plate.bone(ellipse((rng.uniform(-5, 5), -35), (20, 22)), 0.07)


def knee_side(plate: Plate) -> None:
    """A knee from the side, bent a little."""
    rng, bend = plate.rng, plate.rng.uniform(0.05, 0.7)
    thigh, shin = ((math.sin(bend / 2), way * math.cos(bend / 2)) for way in (-1, 1))
    for way, widths in ((thigh, waist(60, 62, 75)), (shin, waist(58, 55, 45))):
        end = (190 * way[0], 190 * way[1])
        plate.area(tube(line((0, 0), end), widths), 0.22, 6)
    plate.shaft(line((190 * thigh[0], 190 * thigh[1]), (20 * thigh[0], 20 * thigh[1]), 9),
                np.array([14, 14, 14, 14, 15, 17, 22, 26, 26.0]), 0.3)  # fmt: skip
    for shift in (0, rng.uniform(3, 8)):
        plate.bone(ellipse((shift + 6, -14), (29, 24), 0.3), 0.13)
    plate.shaft(line((6 + 20 * shin[0], 18), (6 + 190 * shin[0], 190 * shin[1]), 9),
                np.array([27, 27, 22, 17, 14, 13, 12, 12, 12.0]), 0.3)  # fmt: skip
    plate.shaft(line((26 + 38 * shin[0], 40), (22 + 190 * shin[0], 190 * shin[1]), 7),
                np.array([8, 7, 5, 5, 5, 5, 5.0]), 0.13)  # fmt: skip
    plate.bone(ellipse((-36, -26), (10, 21), 0.15), 0.14)


def hand(plate: Plate) -> None:
    """A hand from behind: five rays, the wrist, radius and ulna."""
    rng, spread = plate.rng, plate.rng.uniform(0.7, 1.2)
    plate.area(tube(line((0, 10), (0, 130)), waist(44, 34, 30)), 0.16, 3)
    plate.area(ellipse((0, -5), (44, 52)), 0.16, 4)
    rays = [(-30, 30, -0.75, (40, 28, 20)), (-20, 5, -0.16, (58, 38, 23, 16)),
            (-5, 2, 0.0, (56, 42, 28, 17)), (9, 6, 0.13, (50, 39, 26, 17)),
            (22, 12, 0.3, (46, 31, 19, 15))]  # fmt: skip
    for x, y, angle, lengths in rays:
        way = np.array([math.sin(spread * angle), -math.cos(spread * angle)])
        at, half = np.array([x, y], dtype=np.float64), 6.0
        plate.area(tube(line(tuple(at), tuple(at + way * sum(lengths) * 1.06)), waist(10, 9, 8)),
                   0.11, 2)  # fmt: skip
        for length in lengths:
            plate.shaft(line(tuple(at), tuple(at + way * (length - 3)), 7),
                        half * np.array([1.15, 1, 0.72, 0.66, 0.72, 0.95, 1.05]), 0.2)  # fmt: skip
            at, half = at + way * (length + 1.5), half * 0.86
    for _ in range(8):
        middle = rng.uniform(-22, 22), rng.uniform(18, 38)
        plate.bone(ellipse(middle, (rng.uniform(6, 9), rng.uniform(5, 8)), rng.uniform(0, 3)), 0.1)
    widths = np.array([16, 13, 9, 8, 7.5, 7.5, 7.5])
    plate.shaft(line((-9, 48), (-11, 150), 7), widths, 0.2)
    plate.shaft(line((14, 52), (13, 150), 7), 0.62 * widths, 0.2)


def pelvis(plate: Plate) -> None:
    """A pelvis from the front: wings, sacrum, hips, pubis; at times L4 and L5."""
    rng = plate.rng
    plate.area(curve(mirrored([(-120, -240), (-160, -20), (-190, 240)])), 0.5, 6)
    for k in range(int(rng.integers(0, 4))):
        plate.bone(box(rng.normal(0, 2), -88 - 36 * k, 24, 14), 0.1)
        plate.line(np.array([(-44, -90 - 36 * k), (44, -90 - 36 * k)]), 7, 0.05)
    sacrum = [(-48, -72), (48, -72), (40, -30), (12, 32), (-12, 32), (-40, -30)]
    plate.bone(np.array(sacrum, dtype=np.float64), 0.1)
    tilt = rng.uniform(-0.1, 0.1)
    for side in (-1, 1):
        wing = curve(np.array([(40, -60), (80, -105), (130, -85), (132, -30), (100, 15), (62, 5),
                               (45, -20), (40, -60)]) * [side, 1.0])  # fmt: skip
        plate.bone(wing, 0.13)
        plate.bone(ellipse((side * 92, 28), (30, 29)), 0.1)
        plate.bone(ellipse((side * (97 + 20 * tilt), 30), (24, 24)), 0.13)
        neck = line((side * 100, 34), (side * 132, 58), 5)
        plate.shaft(neck, np.array([18, 16, 16, 19, 21.0]), 0.14)
        plate.shaft(line((side * 134, 52), (side * 122, 190), 8),
                    np.array([22, 20, 18, 17, 16, 16, 16, 16.0]), 0.2)  # fmt: skip
        ring = [(6, 55), (40, 42), (70, 52), (66, 92), (40, 112), (12, 80), (6, 55)]
        axis = curve(np.array(ring) * [side, 1.0], 8)
        plate.shaft(axis, np.full(len(axis), rng.uniform(6, 9)), 0.13)
    for _ in range(rng.integers(0, 8)):
        gas = ellipse((rng.normal(0, 50), rng.uniform(-140, 0)), tuple(rng.uniform(5, 15, 2)))
        plate.area(gas, -rng.uniform(0.03, 0.08), 2)


def skull(plate: Plate) -> None:
    """A skull from the side: vault, face, jaw with teeth, the first cervical vertebrae."""
    rng = plate.rng
    plate.area(ellipse((10, -25), (104, 84), 0.1), 0.3, 4)
    plate.area(curve(np.array([(-70, 20), (-95, 50), (-82, 110), (-20, 105), (30, 150), (80, 150),
                               (75, 40), (-70, 20)])), 0.28, 5)  # fmt: skip
    vault = ellipse((12, -28), (98, 78), 0.1)
    plate.line(np.concatenate([vault, vault[:1]]), rng.uniform(4, 7), 0.25, 1.0)
    base = np.array([(-78, 12), (-30, 18), (0, 22), (25, 40), (60, 45)])
    plate.line(curve(base), 7, 0.2, 1.5)
    plate.bone(ellipse((28, 32), (24, 13), 0.5), 0.2)
    plate.area(ellipse((-62, 34), (16, 15)), -0.12, 2)
    face = np.array([(-78, 10), (-90, 52), (-86, 70), (-40, 72), (-15, 40), (-35, 14)])
    plate.bone(face, 0.1)
    jaw = np.array([(-88, 82), (-84, 108), (-40, 100), (0, 74), (10, 32), (-4, 34), (-14, 66),
                    (-45, 84)])  # fmt: skip
    plate.bone(jaw, 0.14)
    for k in range(7):
        for y in (70, 82):
            plate.bone(box(-86 + 7 * k, y - 0.5 * k, 2.7, 5), 0.2, cortex_mm=0.7)
    lean = rng.uniform(0.0, 0.35)
    for k in range(5):
        middle = 26 + 19 * k * math.sin(lean), 62 + 19 * k
        plate.bone(box(*middle, 8.5, 6.5), rng.uniform(0.08, 0.14), cortex_mm=1.2)
        plate.bone(box(middle[0] + 27, middle[1] + 5, 11, 3), 0.06, cortex_mm=1.0)


def box(x: float, y: float, half_width: float, half_height: float) -> Float64[np.ndarray, "4 2"]:
    """An upright rectangle."""
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return np.array(corners) * [half_width, half_height] + [x, y]


def line(
    start: tuple[float, ...], end: tuple[float, ...], count: int = 9
) -> Float64[np.ndarray, "n 2"]:
    """``count`` points from start to end."""
    return np.linspace(start, end, count, dtype=np.float64)


def waist(first: float, middle: float, last: float) -> Float64[np.ndarray, " nine"]:
    """Half-widths of a limb along nine points."""
    return np.interp(np.linspace(0, 2, 9), [0, 1, 2], [first, middle, last])


def mirrored(left: list[tuple[float, float]]) -> Points:
    """A closed outline from its left half, top to bottom."""
    right = [(-x, y) for x, y in reversed(left)]
    return np.array([*left, *right, left[0]], dtype=np.float64)


KINDS: Mapping[str, tuple[Callable[[Plate], None], tuple[float, float]]] = {
    "chest": (chest, (400, 360)),
    "knee, front": (knee_front, (340, 190)),
    "knee, side": (knee_side, (340, 220)),
    "hand": (hand, (300, 190)),
    "pelvis": (pelvis, (330, 390)),
    "skull": (skull, (270, 260)),
}
"""How each kind is drawn, and how much of the body the film shows: mm down and across."""
