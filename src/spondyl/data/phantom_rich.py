"""How is a rich phantom drawn: solids in a patient, a beam, a detector and a console.

A corner is where the endplate's line meets the wall in the middle slice of the body: with an
oblique beam it lies midway between the contours of the near and the far rim, and a spur, a node
or an implant does not move it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spondyl.data.phantom_bones import frame_behind, lay_posterior, lay_ribs
from spondyl.data.phantom_canvas import Pixels, Points, curve, enlarged, lay_polygon
from spondyl.data.phantom_detector import (
    Exposure,
    Processing,
    compressed,
    enhance,
    expose,
    grade,
    lay_grid_lines,
    lay_shading,
    quantised,
    resized,
)
from spondyl.data.phantom_effects import Effects
from spondyl.data.phantom_film import Scene, halved
from spondyl.data.phantom_implants import (
    lay_cage,
    lay_calcified,
    lay_cement,
    lay_rod,
    lay_screw,
    lay_small_metal,
)
from spondyl.data.phantom_marks import (
    Frame,
    framed,
    lay_labels,
    lay_measurement,
    lay_scale_bar,
    sample_frame,
    shutter,
)
from spondyl.data.phantom_pelvis import lay_fused_sacrum, lay_pelvic_ring
from spondyl.data.phantom_soft import at_bodies, sample_build, soft_tissue
from spondyl.data.phantom_solids import Dent, Solid, lay_solid

_HALF_WIDTH_MM = 22.0  # of a lumbar body, across the beam


def draw_rich_film(rng: np.random.Generator, scene: Scene, effects: Effects) -> Pixels:
    """The whole film, (H, W) in [0, 1], before anything is printed on it."""
    patient, bones, foreign, beam, console, shutters = rng.spawn(6)  # none changes another's draws
    tissue = soft_tissue(patient, scene, effects, sample_build(patient, wild=effects.wild))
    reference = at_bodies(tissue, scene)
    attenuation = enlarged(tissue, scene.shape).copy()
    lay_skeleton(attenuation, bones, scene, effects)
    lay_foreign(attenuation, foreign, scene, effects)
    signal = _arrived(beam, scene, attenuation, reference, effects)
    processing = _processing(console, scene, effects)
    signal = enhance(signal, processing)
    film = grade(signal, _windowed(console, scene, signal, processing, effects))
    _collimate(shutters, scene, film, wild=effects.wild)
    return film


def _arrived(
    rng: np.random.Generator, scene: Scene, attenuation: Pixels, reference: float, effects: Effects
) -> Pixels:
    """What the detector has of the beam; without the beam's faults, the attenuation itself."""
    if not effects.beam:
        return attenuation - np.float32(reference)
    if rng.random() < 0.5:
        lay_shading(rng, attenuation, float(rng.uniform(0, 0.8 if effects.wild else 0.4)))
    signal = expose(rng, attenuation, _exposure(rng, scene, reference, wild=effects.wild))
    if rng.random() < 0.06:
        lay_grid_lines(rng, signal, float(rng.uniform(0.005, 0.03)), float(rng.uniform(2.2, 7)))
    return signal


def present(
    rng: np.random.Generator, film: Pixels, keep_free: Points, effects: Effects, mm: float
) -> tuple[Pixels, Frame]:
    """The film with all that is printed on it, mounted and stored, and where it lies there."""
    lay_labels(rng, film, keep_free, effects.labels)
    for _ in range(effects.drawn):
        lay_measurement(rng, film)
    if effects.scale_bar:
        lay_scale_bar(rng, film, mm)
    shape = (film.shape[0], film.shape[1])
    frame = sample_frame(rng, shape, margin=effects.mount, stretch=math.exp(effects.stretch))
    if frame.outer != shape:
        film = resized(framed(rng, film, frame), frame.outer)
    return stored(rng, film) if effects.stored else film, frame


def stored(rng: np.random.Generator, film: Pixels) -> Pixels:
    """The film as it is stored: fewer greys, JPEG."""
    film = quantised(film, int(rng.choice([64, 128, 256, 256, 1024])))
    return compressed(film, int(rng.integers(35, 96))) if rng.random() < 0.6 else film


def _exposure(rng: np.random.Generator, scene: Scene, reference: float, *, wild: bool) -> Exposure:
    quanta = (300, 30000) if wild else (5000, 100000)
    return Exposure(
        reference=reference + float(rng.uniform(0, 0.6)),
        quanta=float(np.exp(rng.uniform(*np.log(quanta)))),
        electronic=float(rng.uniform(0, 0.02 if wild else 0.004)),
        scatter=float(rng.uniform(0.05, 0.6 if wild else 0.4)),
        scatter_px=float(rng.uniform(15, 70)) * scene.mm,
        blur_px=float(rng.uniform(0.1, 0.6 if wild else 0.4)) * scene.mm,
        grain_px=float(rng.choice([0.0, 0.5, 0.9])),
    )


def _processing(rng: np.random.Generator, scene: Scene, effects: Effects) -> Processing:
    """The console's settings; their window is set later."""
    if not effects.console:
        return Processing(black=-1, white=1)
    strength = 1.0 if effects.wild else 0.6
    return Processing(
        black=-1,
        white=1,
        gamma=float(np.exp(rng.normal(0.15, 0.3 * strength))),
        shoulder=float(rng.uniform(0.05, 0.6)),
        edge=float(rng.choice([0.0, 1.0]) * rng.uniform(0.1, 1.5)) * strength,
        edge_px=float(rng.uniform(0.5, 4)) * scene.mm,
        flatten=float(rng.choice([0.0, 1.0], p=[0.55, 0.45]) * rng.uniform(0.1, 0.75)) * strength,
        flatten_px=float(rng.uniform(12, 50)) * scene.mm,
        inverted=bool(rng.random() < 0.08 * effects.wild),
    )


def _windowed(
    rng: np.random.Generator, scene: Scene, signal: Pixels, processing: Processing,
    effects: Effects,
) -> Processing:  # fmt: skip
    """The window set about what the bodies in the field show; a wild one is too narrow or wide."""
    low, middle, high = _shown_by_bodies(scene, signal)
    black, white = min(low, middle - 0.1), max(high, middle + 0.1)
    if not effects.console:
        return replace(processing, black=black - 0.8, white=white + 0.8)
    if effects.wild:
        black, white = black - rng.uniform(0.25, 1.2), white + rng.uniform(0.1, 1.5)
    else:  # dark in front of the spine, and the hips are bright but not blown
        brightest = float(np.quantile(signal[::6, ::6], 0.985))
        black -= rng.uniform(0.5, 1.4)
        white = max(white + rng.uniform(0.2, 0.5), brightest + rng.uniform(-0.25, 0.5))
    return replace(processing, black=float(black), white=float(white))


def _shown_by_bodies(scene: Scene, signal: Pixels) -> tuple[float, float, float]:
    left, top, right, bottom = scene.window
    centres = scene.corners[:10].mean(axis=1)
    inside = (centres > [left, top]) & (centres < [right, bottom])
    x, y = centres[inside.all(axis=1)].astype(int).T
    grey = signal[y, x] if len(x) else np.zeros(1)
    low, middle, high = (float(v) for v in np.quantile(grey, [0.2, 0.5, 0.8]))
    return low, middle, high


def lay_skeleton(canvas: Pixels, rng: np.random.Generator, scene: Scene, effects: Effects) -> None:
    """Adds every bone to the attenuation."""
    soft, arches, below, within, worn = rng.spawn(5)  # one effect does not change another's draws
    canvas += enlarged(_soft_bones(soft, halved(scene), effects), scene.shape)
    _lay_arches(canvas, arches, scene, effects)
    if effects.sacrum:
        strength = effects.sacrum * effects.density
        lay_fused_sacrum(canvas, below, scene.corners[0], scene.mm, strength)
    base = _base(within, scene, effects)
    phase = within.uniform(0, 2 * np.pi)
    for k in scene.visible(40):
        lean = _lean(scene, effects, k, phase)
        solid = _solid(within, scene, effects, base, k)
        lay_solid(canvas, within, replace(solid, lean=lean, dents=_dents(worn, effects, solid)))
        if worn.random() < effects.osteophytes:
            _lay_spurs(canvas, worn, scene.corners[k], base.marrow)
        if k and worn.random() < effects.vacuum:
            _lay_vacuum(canvas, worn, scene, k)


def _soft_bones(rng: np.random.Generator, half: Scene, effects: Effects) -> Pixels:
    """Ribs and the shades of the pelvis, at half of the film's size."""
    ribs, pelvis = rng.spawn(2)
    canvas = np.zeros(half.shape, dtype=np.float32)
    for k in half.visible(80) if effects.ribs else ():
        if k >= half.thoracic:
            frame = frame_behind(half.corners[k], half.mm)
            strength = effects.ribs * ribs.uniform(0.5, 1.2) * effects.density
            lay_ribs(canvas, ribs, frame, k - half.thoracic, strength)
    if effects.pelvis:
        strength = effects.pelvis * effects.density
        lay_pelvic_ring(canvas, pelvis, half.corners[0], half.mm, strength)
    return canvas


def _lay_arches(canvas: Pixels, rng: np.random.Generator, scene: Scene, effects: Effects) -> None:
    """Adds pedicles, facets and processes."""
    for k in scene.visible(60) if effects.posterior else ():
        if k:
            strength = effects.posterior * rng.uniform(0.7, 1.2) * effects.density
            lay_posterior(canvas, rng, frame_behind(scene.corners[k], scene.mm), strength)


def _base(rng: np.random.Generator, scene: Scene, effects: Effects) -> Solid:
    """What the bodies of a patient share; the corners and sizes of S1 stand in."""
    path, mm = 2 * _HALF_WIDTH_MM * effects.density, scene.mm
    sclerotic = rng.uniform(0.2, 1.0)
    return Solid(
        scene.corners[0], (0, 0), (0, 0), 0,
        lean=(0, 0),
        plates=(float(rng.uniform(0.5, 1.3)) * mm,) * 2,
        wall=float(rng.uniform(0.3, 0.9)) * mm,
        marrow=float(rng.uniform(0.003, 0.012 if effects.wild else 0.01)) * path,
        cortex=float(rng.uniform(0.02, 0.075)) * path,
        grain=effects.grain,
        sclerosis=(sclerotic, sclerotic),
    )  # fmt: skip


def _lean(scene: Scene, effects: Effects, k: int, phase: float) -> tuple[float, float]:
    """How far the near side of a body is displaced from its middle, px."""
    half = _HALF_WIDTH_MM * scene.mm * (0.8 if k >= scene.thoracic else 1.0)
    below = (scene.corners[k, :, 1].mean() - scene.height / 2) / scene.mm
    tilt = effects.tilt + effects.scoliosis * math.sin(phase + 0.55 * k)
    turn = effects.rotation + 0.5 * effects.scoliosis * math.cos(phase + 0.55 * k)
    return half * math.tan(turn), half * (math.tan(tilt) + below * effects.divergence)


def _solid(rng: np.random.Generator, scene: Scene, effects: Effects, base: Solid, k: int) -> Solid:
    corners = scene.corners[k]
    depth = float(np.linalg.norm(corners[1] - corners[0]))
    share = float(rng.uniform(0.8, 1.2)) * (0.8 if k >= scene.thoracic else 1.0)
    if not k:  # the sacrum is fused: below its plate there is little to see
        share *= float(rng.uniform(0.35 if effects.wild else 0.55, 1.0))
    hollow = float(scene.hollow[k]) * 1.2
    worn = [float(rng.random() < effects.sclerosis) * s for s in base.sclerosis]
    return Solid(
        corners,
        hollow=(hollow, hollow * (k > 0)),
        waist=(float(rng.uniform(0.01, 0.07)) * depth, float(rng.uniform(0.0, 0.05)) * depth),
        rounding=float(rng.uniform(0.02, 0.07)) * depth,
        lean=base.lean,
        plates=(base.plates[0] / (1 if k else 0.7), base.plates[1] if k else 0.15 * base.plates[1]),
        wall=base.wall,
        marrow=base.marrow * share,
        cortex=base.cortex * share,
        grain=base.grain,
        sclerosis=(worn[0], worn[1]),
    )


def _dents(rng: np.random.Generator, effects: Effects, solid: Solid) -> tuple[Dent, ...]:
    depth, found = float(np.linalg.norm(solid.corners[1] - solid.corners[0])), []
    for inferior in (False, True):
        if rng.random() < effects.schmorl:
            width, deep = rng.uniform(0.12, 0.3), rng.uniform(0.05, 0.16) * depth
            found.append(Dent(inferior, float(rng.uniform(-0.5, 0.5)), float(width), float(deep)))
    return tuple(found)


def _lay_spurs(
    canvas: Pixels, rng: np.random.Generator, corners: np.ndarray, strength: float
) -> None:
    """Adds osteophytes: hooks that start at the body's corner and point away, mostly anterior."""
    depth = float(np.linalg.norm(corners[1] - corners[0]))
    for k, chance in ((0, 0.6), (2, 0.6), (1, 0.25), (3, 0.25)):
        if rng.random() > chance:
            continue
        forward = (corners[k] - corners[k ^ 1]) / np.linalg.norm(corners[k] - corners[k ^ 1])
        toward = (corners[k] - corners[k ^ 2]) / np.linalg.norm(corners[k] - corners[k ^ 2])
        reach, lift = rng.uniform(0.05, 0.22) * depth, rng.uniform(-0.02, 0.12) * depth
        tip = corners[k] + reach * forward + lift * toward
        root = corners[k] - 0.2 * depth * toward, corners[k] - 0.15 * depth * forward
        spur = np.stack([root[0], corners[k] + 0.5 * reach * forward, tip, corners[k], root[1]])
        lay_polygon(canvas, curve(spur, 5), strength * rng.uniform(0.5, 1.6), 0.02 * depth + 0.4)


def _lay_vacuum(canvas: Pixels, rng: np.random.Generator, scene: Scene, k: int) -> None:
    """Takes gas out of the disc below a body."""
    upper, lower = scene.corners[k, 2:], scene.corners[k - 1, :2]
    start, end = np.sort(rng.uniform(0.1, 0.9, 2))
    middle = (upper + lower) / 2
    half = 0.15 * (lower - upper)
    ends = [middle[0] + t * (middle[1] - middle[0]) for t in (start, (start + end) / 2, end)]
    crack = np.stack([ends[0], ends[1] - half.mean(axis=0), ends[2], ends[1] + half.mean(axis=0)])
    lay_polygon(canvas, crack, -float(rng.uniform(0.1, 0.5)), 0.4 * scene.mm)


def lay_foreign(canvas: Pixels, rng: np.random.Generator, scene: Scene, effects: Effects) -> None:
    """Adds implants, cement, metal and calcium."""
    mm, (rng, vessels) = scene.mm, rng.spawn(2)
    if effects.screws:
        _lay_fusion(canvas, rng, scene, effects)
    for _ in range(effects.cement):
        corners = scene.corners[int(rng.integers(1, 9))]
        radii = np.array([1.0, 0.7]) * 0.3 * np.linalg.norm(corners[1] - corners[0])
        lay_cement(canvas, rng, corners.mean(axis=0), radii, float(rng.uniform(0.5, 2.5)))
    for _ in range(effects.metal):
        at = rng.uniform(0, 1, 2) * [scene.width, scene.height]
        lay_small_metal(canvas, rng, at, mm)
    for _ in range(effects.calcified):
        walls = scene.corners[2:8, (0, 2)].reshape(-1, 2)
        path = walls - [vessels.uniform(5, 40) * mm, 0]
        path = path + vessels.normal(0, 2 * mm, walls.shape)
        lay_calcified(canvas, vessels, path, mm)


def _lay_fusion(canvas: Pixels, rng: np.random.Generator, scene: Scene, effects: Effects) -> None:
    """Adds pedicle screws of neighbouring levels from the sacrum or L5 up, rods and cages."""
    mm, strength = scene.mm, float(rng.uniform(1.5, 6))
    low = int(rng.integers(0, 3))
    levels = range(low, min(low + effects.screws, len(scene.corners)))
    for _ in range(2):  # left and right
        heads = []
        for k in levels:
            sl, sr, il, ir = scene.corners[k] + rng.normal(0, 1.2 * mm, 2)
            entry, aim = 0.75 * sr + 0.25 * ir, 0.7 * sl + 0.3 * il
            backward = (entry - aim) / np.linalg.norm(entry - aim)
            heads.append(entry + 22 * mm * backward)
            tip = entry + rng.uniform(0.6, 0.9) * (aim - entry)
            lay_screw(canvas, heads[-1], tip, mm, strength)
        if len(heads) > 1:
            lay_rod(canvas, np.array(heads), mm, strength)
    for k in list(levels)[1 : 1 + effects.cages]:
        upper, lower = scene.corners[k, 2:], scene.corners[k - 1, :2]
        ends = [0.75 * upper[0] + 0.25 * upper[1], 0.3 * upper[0] + 0.7 * upper[1],
                0.3 * lower[0] + 0.7 * lower[1], 0.75 * lower[0] + 0.25 * lower[1]]  # fmt: skip
        lay_cage(canvas, np.array(ends), mm, float(rng.uniform(0.2, 4)))


def _collimate(rng: np.random.Generator, scene: Scene, film: Pixels, *, wild: bool) -> None:
    """Hides what lies beyond the window; its corners stray outward, so that it may be skew."""
    left, top, right, bottom = scene.window
    stray = rng.uniform(0, 0.02, (4, 2)) * scene.height * [[-1, -1], [1, -1], [1, 1], [-1, 1]]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) + stray
    if left < 0 and top < 0 and right >= scene.width - 1 and bottom >= scene.height - 1:
        return
    rare = 0.1 if wild else 0.01  # grey or white beyond the shutters
    beyond = float(rng.choice([0, 0.02, 0.5, 1.0], p=[0.8 - rare, 0.2, rare / 2, rare / 2]))
    shutter(
        film, corners, float(rng.uniform(0.5, 3)) * scene.mm, float(rng.uniform(0, 0.1)), beyond
    )
