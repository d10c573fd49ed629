"""In what order is a frontal phantom's film drawn: tissue, bones, metal, beam, console, print.

Each effect draws from a generator of its own, so leaving one out changes no other.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spondyl.data.phantom_canvas import Pixels, enlarged
from spondyl.data.phantom_frontal_bones import (
    FrontalScene,
    lay_arches,
    lay_bodies,
    sample_look,
)
from spondyl.data.phantom_frontal_chest import lay_chest
from spondyl.data.phantom_frontal_console import exposed, plain, printed_on, processed, unexposed
from spondyl.data.phantom_frontal_girdles import lay_girdles
from spondyl.data.phantom_frontal_metal import lay_metal
from spondyl.data.phantom_frontal_ribs import lay_ribs
from spondyl.data.phantom_frontal_trunk import lay_abdomen, trunk

_POOR = 0.25  # the share of films that are hazy, noisy or blurred, with faint bones


def draw_frontal(
    rng: np.random.Generator,
    scene: FrontalScene,
    extras: frozenset[str] = frozenset(),
    *,
    without: frozenset[str] = frozenset(),
) -> Pixels:
    """The whole film, (H, W) in [0, 1], bone bright.

    ``extras`` may hold implant and brace, ``without`` names of
    ``phantom_frontal.FRONTAL_EFFECTS``.
    """
    body, film = rng.spawn(2)
    poor = bool(rng.random() < _POOR)
    total = attenuation(body, scene, extras, without, poor)
    beam, console, prints = film.spawn(3)
    signal = unexposed(total) if "beam" in without else exposed(beam, scene, total, poor)
    shown = plain(signal) if "console" in without else processed(console, scene, signal, poor)
    return shown if "print" in without else printed_on(prints, scene, shown)


def attenuation(
    rng: np.random.Generator,
    scene: FrontalScene,
    extras: frozenset[str],
    without: frozenset[str],
    poor: bool,
) -> Pixels:
    """What every ray meets, nepers, never below 0; ``poor`` films may have faint bones."""
    soft, dense, ribs, arches, girdles, metal = rng.spawn(6)
    look = sample_look(rng, scene.mm, poor)
    total = enlarged(_soft_tissue(soft, _halved(scene), without), scene.shape).copy()
    lay_bodies(total, dense, scene, look)
    if "ribs" not in without:
        lay_ribs(total, ribs, scene, look)
    if "arches" not in without:
        lay_arches(total, arches, scene, look.arch)
    if "girdles" not in without:
        lay_girdles(total, girdles, scene)
    if "metal" not in without:
        lay_metal(total, metal, scene, extras)
    return np.maximum(total, 0).astype(np.float32)


def _soft_tissue(rng: np.random.Generator, scene: FrontalScene, without: frozenset[str]) -> Pixels:
    shape, chest, abdomen = rng.spawn(3)
    tissue, depth = trunk(shape, scene)
    if "chest" not in without:
        lay_chest(chest, scene, tissue, depth)
    if "abdomen" not in without:
        lay_abdomen(abdomen, scene, tissue)
    return np.maximum(tissue, 0)


def _halved(scene: FrontalScene) -> FrontalScene:
    column = replace(
        scene.column, corners=(scene.column.corners + 0.5) / 2 - 0.5, depth=scene.column.depth / 2
    )
    midline = (scene.midline[::2] + 0.5) / 2 - 0.5
    return replace(
        scene, height=len(midline), width=math.ceil(scene.width / 2), mm=scene.mm / 2,
        column=column, midline=midline,
    )  # fmt: skip
