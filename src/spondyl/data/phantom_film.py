"""How does a phantom's film look: soft tissue, lung and gas around the bones, then the exposure.

Attenuation is summed as along a ray (the logarithm of what passes), then shown bone bright.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64

from spondyl.data.phantom_bones import (
    BodyLook,
    frame_behind,
    frame_of_pelvis,
    lay_body,
    lay_pelvis,
    lay_posterior,
    lay_ribs,
    lay_sacrum,
)
from spondyl.data.phantom_canvas import (
    Body,
    Pixels,
    Point,
    Points,
    cloud,
    curve,
    ellipse,
    enlarged,
    lay_line,
    lay_polygon,
)
from spondyl.data.phantom_marks import printed

# mm behind the posterior wall of S1, at mm below its superior endplate in the standing body
_BACK: Final = ((-420, 95), (-300, 95), (-200, 85), (-110, 68), (-40, 74), (20, 98), (80, 128),
                (140, 130), (200, 96), (300, 80))  # fmt: skip
_THICKNESS: Final = ((-420, 0.80), (-280, 0.86), (-200, 0.84), (-110, 0.74), (-50, 0.82),
                     (20, 1.06), (100, 1.26), (160, 1.22), (300, 0.9))  # fmt: skip
_WORDS: Final = ("L", "R", "LT.", "RT.", "LT", "RT", "L LAT", "STANDING")


Values = Float64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the drawing needs to know, in film px, the spine facing left.

    ``corners`` is (K, 4, 2) with S1 first, ``hollow`` (K,) the depth of the endplates in px,
    ``window`` the exposed rectangle (left, top, right, bottom) between pixel edges, ``mm`` px per
    mm, ``thoracic`` the index of T12.
    """

    height: int
    width: int
    mm: float
    corners: Float64[np.ndarray, "k 4 2"]
    hollow: Float64[np.ndarray, " k"]
    window: tuple[float, float, float, float]
    thoracic: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    def visible(self, margin_mm: float) -> list[int]:
        """The vertebrae within ``margin_mm`` of the film, from the top down."""
        reach = margin_mm * self.mm
        y = self.corners[..., 1].mean(axis=1)
        return [k for k in range(len(y) - 1, -1, -1) if -reach < y[k] < self.height + reach]


def draw_film(rng: np.random.Generator, scene: Scene) -> Pixels:
    """The whole film, (H, W) in [0, 1], bone bright."""
    attenuation = enlarged(_soft_tissue(rng, scene), scene.shape).copy()
    sharp = np.zeros(scene.shape, dtype=np.float32)
    _lay_bones(rng, scene, sharp)
    return _exposed(rng, scene, attenuation, sharp)


def _lay_bones(rng: np.random.Generator, scene: Scene, canvas: Pixels) -> None:
    mm, density = scene.mm, rng.uniform(0.5, 1.25)
    for k in scene.visible(80):
        frame = frame_behind(scene.corners[k], mm)
        if k >= scene.thoracic:
            lay_ribs(
                canvas,
                rng,
                frame,
                k - scene.thoracic,
                rng.uniform(0.03, 0.055) * density,
            )
        if k:
            lay_posterior(canvas, rng, frame, rng.uniform(0.07, 0.11) * density)
    pelvis = frame_of_pelvis(scene.corners[0], mm)
    lay_pelvis(canvas, rng, pelvis)
    base = _base_look(rng, density, mm)
    lay_sacrum(canvas, rng, scene.corners[0], mm, 0.6 * base.marrow)
    for k in scene.visible(40):
        lay_body(canvas, rng, _body(scene, rng, k), _look(rng, base, k))
    canvas += rng.uniform(0.002, 0.010) * cloud(rng, scene.shape, 7 * mm, 2)
    if rng.random() < 0.2:
        _lay_aorta(canvas, rng, scene)


def _body(scene: Scene, rng: np.random.Generator, k: int) -> Body:
    corners = scene.corners[k]
    depth = float(np.linalg.norm(corners[1] - corners[0]))
    wall = rng.uniform(0.02, 0.06) * depth
    hollow = float(scene.hollow[k])
    sunk = (hollow, wall * 0.8, hollow * (k > 0), wall)
    return Body(corners, sunk, rounding=rng.uniform(0.03, 0.06) * depth)


def _base_look(rng: np.random.Generator, density: float, mm: float) -> BodyLook:
    return BodyLook(
        marrow=rng.uniform(0.055, 0.11) * density,
        cortex=rng.uniform(0.03, 0.08) * density,
        endplate=rng.uniform(0.04, 0.11) * density,
        grain=rng.uniform(0.04, 0.12),
        rim=max(0.65 * mm, 0.6),
        double=rng.uniform(1.5, 4.5) * mm,
    )


def _look(rng: np.random.Generator, base: BodyLook, k: int) -> BodyLook:
    share = rng.uniform(0.85, 1.15) * (0.8 if k == 0 else 1.0)
    return BodyLook(
        base.marrow * share,
        base.cortex * share,
        base.endplate * share,
        base.grain,
        base.rim,
        base.double * rng.uniform(0.3, 1.2),
        1.0 if k else 0.4,
    )


def _lay_aorta(canvas: Pixels, rng: np.random.Generator, scene: Scene) -> None:
    walls = scene.corners[2:9, (0, 2)].reshape(-1, 2)
    line = walls - [rng.uniform(12, 26) * scene.mm, 0] + rng.normal(0, scene.mm, walls.shape)
    for shift in (0, -rng.uniform(14, 20) * scene.mm):
        lay_line(canvas, line + [shift, 0], scene.mm, rng.uniform(0.02, 0.06), 0.6 * scene.mm)


def _soft_tissue(rng: np.random.Generator, scene: Scene) -> Pixels:
    """Body, lung, liver, gas and fat at half size."""
    half = halved(scene)
    rows, columns = half.shape
    y = np.arange(rows, dtype=np.float64)
    back, front = _skin(rng, half, y)
    thickness = profile(half, y, _THICKNESS) * rng.uniform(0.92, 1.08)
    x = np.arange(columns)[None, :]
    place = (2 * x - back[:, None] - front[:, None]) / (back - front)[:, None]
    bulge = np.clip(1 - np.abs(place) ** rng.uniform(1.8, 3.2), 0, None) ** rng.uniform(0.5, 1.0)
    tissue = (0.62 * thickness[:, None] * bulge).astype(np.float32)
    tissue *= 1 + rng.uniform(0.01, 0.035) * cloud(rng, half.shape, 30 * half.mm, 4)
    _lay_organs(rng, half, tissue)
    _lay_lungs(rng, half, tissue, back)
    _lay_gas(rng, half, tissue)
    return np.maximum(tissue, 0)


def _lay_organs(rng: np.random.Generator, scene: Scene, tissue: Pixels) -> None:
    """Adds liver and muscle, and a waist's fold of skin: broad shades without an outline."""
    mm, upper, lower = (
        scene.mm,
        scene.corners[7].mean(axis=0),
        scene.corners[2].mean(axis=0),
    )
    liver = ellipse((upper[0] - 60 * mm, upper[1]), (95 * mm, 75 * mm), rng.uniform(-0.5, 0.2))
    lay_polygon(tissue, liver, rng.uniform(0.0, 0.16), 14 * mm)
    psoas = ellipse((lower[0], lower[1]), (26 * mm, 90 * mm), rng.uniform(-0.2, 0.4))
    lay_polygon(tissue, psoas, rng.uniform(0.0, 0.05), 8 * mm)
    if rng.random() < 0.3:
        y = lower[1] + rng.uniform(-20, 40) * mm
        fold = np.array([[lower[0] + 30 * mm, y + 4 * mm], [lower[0] + 160 * mm, y]])
        lay_line(tissue, fold, 3 * mm, -0.05, 2 * mm)


def halved(scene: Scene) -> Scene:
    """The scene at half of its size."""
    shape = math.ceil(scene.height / 2), math.ceil(scene.width / 2)
    return Scene(*shape, scene.mm / 2, scene.corners / 2, scene.hollow / 2, scene.window,
                 scene.thoracic)  # fmt: skip


def profile(scene: Scene, y: Values, table: tuple[tuple[float, float], ...]) -> Values:
    """A table over mm below the sacral plate, smoothed along the rows."""
    at, value = np.array(table, dtype=np.float64).T
    sacrum = scene.corners[0, :2].mean(axis=0)
    return np.interp((y - sacrum[1]) / scene.mm, _smooth_grid(at), _smooth_values(at, value))


def _smooth_grid(at: Values) -> Float64[np.ndarray, " m"]:
    return np.linspace(at[0], at[-1], 120)


def _smooth_values(at: Values, value: Values) -> Float64[np.ndarray, " m"]:
    fine = np.interp(_smooth_grid(at), at, value)
    kernel = np.hanning(15) / np.hanning(15).sum()
    return np.convolve(np.pad(fine, 7, mode="edge"), kernel, mode="valid")


def _skin(rng: np.random.Generator, scene: Scene, y: Values) -> tuple[Values, Values]:
    """Columns of the skin behind and in front, px, for every row."""
    back = skin(scene, y, rng.uniform(0.8, 1.3))
    depth = rng.uniform(240, 340) + 25 * np.sin((y / scene.mm + rng.uniform(0, 300)) / 60)
    return back, back - depth * scene.mm


def skin(scene: Scene, y: Values, fat: float) -> Values:
    """Columns of the skin behind, px, for every row; ``fat`` scales its distance to the spine."""
    k = range(len(scene.corners) - 1, -1, -1)
    wall_y = scene.corners[list(k)][:, 1::2, 1].mean(axis=1)
    wall_x = scene.corners[list(k)][:, 1::2, 0].mean(axis=1)
    spine = np.interp(y, wall_y, wall_x)
    steady = np.convolve(np.pad(spine, 40, mode="edge"), np.ones(81) / 81, mode="valid")
    return 0.5 * (steady + spine) + profile(scene, y, _BACK) * scene.mm * fat


def _lay_lungs(rng: np.random.Generator, scene: Scene, tissue: Pixels, back: Values) -> None:
    """Takes the two lungs out, each above its own dome of the diaphragm."""
    level, mm = scene.corners[scene.thoracic + 1].mean(axis=0), scene.mm
    top = min(-60.0 * mm, level[1] - 150 * mm)
    rows = np.arange(len(back))
    for _ in range(2):
        low = level[1] + rng.normal(0, 24) * mm
        x = level[0] + np.array([42, 20, -15, -60, -120, -200]) * mm
        y = low + (np.array([22, 0, -22, -42, -55, -60]) + rng.normal(0, 5, 6)) * mm
        inner = back - rng.uniform(22, 34) * mm
        x[0] = max(float(np.interp(y[0], rows, inner)), x[1] + 8 * mm)
        dome = curve(np.stack([x, y], axis=1), 8)
        wall_y = np.linspace(top, y[0], 16)[:-1]
        wall = np.stack([np.maximum(np.interp(wall_y, rows, inner), x[1]), wall_y], axis=1)
        lung = np.concatenate([dome, [[dome[-1, 0], top]], wall])
        lay_polygon(tissue, lung, -rng.uniform(0.06, 0.17), rng.uniform(0.8, 2.0) * mm)


def _lay_gas(rng: np.random.Generator, scene: Scene, tissue: Pixels) -> None:
    """Adds bowel gas in front of the spine and at times in the pelvis: clusters of bubbles."""
    front = scene.corners[:, (0, 2)].mean(axis=1)
    for _ in range(rng.integers(0, 9)):
        k = int(rng.integers(0, 7))
        middle = front[k] + np.array([-rng.uniform(0, 120), rng.uniform(-20, 40)]) * scene.mm
        spread, depth = rng.uniform(6, 22), rng.uniform(0.02, 0.09)
        for _ in range(rng.integers(1, 9)):
            at = middle + rng.normal(0, spread, 2) * scene.mm * [1.4, 0.8]
            radii = rng.uniform(3, 11, 2) * scene.mm
            shape = ellipse((at[0], at[1]), (radii[0], radii[1]), rng.uniform(0, 3))
            lay_polygon(tissue, shape, -depth, rng.uniform(0.8, 2.5) * scene.mm)


def _exposed(rng: np.random.Generator, scene: Scene, attenuation: Pixels, sharp: Pixels) -> Pixels:
    """Attenuation to grey: unsharpness, quantum noise, window, collimation and markers."""
    from scipy.ndimage import gaussian_filter

    total = attenuation + sharp
    blur = rng.uniform(0.2, 0.5) * scene.mm
    if blur > 0.3:
        total = gaussian_filter(total, blur)
    total += _noise(rng, scene, total)
    low, span = rng.uniform(0.14, 0.32), rng.uniform(0.55, 0.9)
    shown = np.clip((total - low) / span, 0, None)
    shown = shown / (1 + shown**4) ** 0.25 * rng.uniform(0.95, 1.08)  # film shoulder
    film = np.clip(shown, 0, 1) ** rng.uniform(0.85, 1.5)
    _collimate(rng, scene, film)
    return np.clip(film, 0, 1).astype(np.float32)


def _noise(rng: np.random.Generator, scene: Scene, total: Pixels) -> Pixels:
    """Noise of the logarithm: it grows where few quanta pass."""
    from scipy.ndimage import gaussian_filter

    white = rng.standard_normal(scene.shape, dtype=np.float32)
    grain = gaussian_filter(white, max(0.25 * scene.mm, 0.4))
    grain /= float(grain.std())
    return rng.uniform(0.0015, 0.006) * np.exp(1.2 * total) * grain


def _collimate(rng: np.random.Generator, scene: Scene, film: Pixels) -> None:
    left, top, right, bottom = scene.window
    x = np.arange(scene.width, dtype=np.float32)
    y = np.arange(scene.height, dtype=np.float32)
    soft = rng.uniform(0.5, 2.0) * scene.mm
    across = np.clip((x - left) / soft + 0.5, 0, 1) * np.clip((right - x) / soft + 0.5, 0, 1)
    down = np.clip((y - top) / soft + 0.5, 0, 1) * np.clip((bottom - y) / soft + 0.5, 0, 1)
    edge = rng.uniform(0, 0.012)
    film *= edge + (1 - edge) * across[None, :] * down[:, None]


def lay_marker(rng: np.random.Generator, film: Pixels, keep_free: Points) -> None:
    """Prints side letters away from the points, plain or in a box, at times mirrored."""
    height, width = film.shape
    text = str(rng.choice(_WORDS))
    marker = printed(text, round(height * rng.uniform(0.022, 0.045)))
    if rng.random() < 0.3:
        marker = marker[:, ::-1]
    rows, columns = marker.shape
    for _ in range(12):
        x = int(rng.integers(0, max(1, width - columns)))
        y = int(rng.integers(0, max(1, height - rows)) * rng.choice([0.25, 0.95]))
        middle = np.array([x + columns / 2, y + rows / 2])
        reach = max(rows, columns) / 2 + 0.06 * height
        if rows < height and columns < width and _is_free(keep_free, middle, reach):
            _print(
                film[y : y + rows, x : x + columns],
                marker,
                str(rng.choice(["ink", "box"])),
            )
            return


def _is_free(points: Points, middle: Point, reach: float) -> bool:
    return bool((np.linalg.norm(points - middle, axis=1) > reach).all())


def _print(place: Pixels, marker: Pixels, style: str) -> None:
    place[:] = 1 - marker if style == "box" else np.maximum(place, marker)
