"""How does a frontal phantom become a film: exposure, the console's processing, what is printed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from spondyl.data.phantom_canvas import Pixels, Points
from spondyl.data.phantom_detector import (
    Exposure,
    Processing,
    compressed,
    expose,
    lay_grid_lines,
    lay_shading,
    process,
)
from spondyl.data.phantom_frontal_bones import FrontalScene
from spondyl.data.phantom_frontal_spine import FIRST, LAST
from spondyl.data.phantom_marks import lay_labels, lay_measurement, lay_scale_bar, shutter


def exposed(rng: np.random.Generator, scene: FrontalScene, total: Pixels, poor: bool) -> Pixels:
    """Nepers in the beam to nepers on the detector; ``poor`` films are hazy, noisy or blurred."""
    lay_shading(rng, total, float(rng.normal(0, 0.15)))
    blur = (0.1 + 0.6 * rng.random() ** 1.5) if poor else rng.uniform(0.03, 0.25)
    exposure = Exposure(
        reference=float(np.quantile(total[::4, ::4], rng.uniform(0.3, 0.9))),
        quanta=float(10 ** (rng.uniform(3.1, 4.8) if poor else rng.uniform(3.9, 5.2))),
        electronic=float(rng.uniform(0, 0.015 if poor else 0.005)),
        scatter=float(rng.uniform(0.0, 0.55 if poor else 0.25)),
        scatter_px=float(rng.uniform(20, 70)) * scene.mm,
        blur_px=float(blur) * max(scene.mm, 0.6),
        grain_px=float(rng.uniform(0, 0.6)) * scene.mm,
    )
    signal = expose(rng, total, exposure)
    if rng.random() < 0.25:
        _lay_seams(rng, signal, scene.mm)
    if rng.random() < 0.03:
        lay_grid_lines(rng, signal, float(rng.uniform(0.01, 0.06)), float(rng.uniform(2.2, 9)))
    return signal


def unexposed(total: Pixels) -> Pixels:
    """What an ideal detector would see: the attenuation itself."""
    return expose(np.random.default_rng(0), total, Exposure(float(np.median(total)), 1e12))


def _lay_seams(rng: np.random.Generator, signal: Pixels, mm: float) -> None:
    """Adds the bands where a film of the whole spine was put together from two or three."""
    rows = np.arange(len(signal), dtype=np.float32)[:, None]
    for _ in range(int(rng.integers(1, 3))):
        at, reach = rng.uniform(0.3, 0.8) * len(signal), rng.uniform(2, 20) * mm
        band = np.exp(-0.5 * ((rows - at) / reach) ** 2) * rng.uniform(0, 0.2)
        signal += (band + rng.normal(0, 0.06) * (rows > at)).astype(np.float32)


def processed(rng: np.random.Generator, scene: FrontalScene, signal: Pixels, poor: bool) -> Pixels:
    """A window about the film's own range, often with the lungs black or the loins white."""
    blown = rng.random() < 0.12
    quantiles = (
        rng.uniform(0, 0.35) * (rng.random() < 0.8),
        rng.uniform(0.75, 0.93) if blown else rng.uniform(0.94, 1),
    )
    even, sharp = rng.random() < (0.4 if poor else 0.6), rng.random() < (0.5 if poor else 0.75)
    processing = Processing(
        black=0.0,
        white=1.0,
        gamma=float(math.exp(rng.normal(0.2, 0.35 if poor else 0.25))),
        shoulder=float(rng.uniform(0, 0.5)),
        edge=float(rng.uniform(0.2, 1.7)) if sharp else 0.0,
        edge_px=float(rng.uniform(1, 8)) * scene.mm,
        flatten=float(rng.uniform(0.1, 0.7)) if even else 0.0,
        flatten_px=float(rng.uniform(15, 70)) * scene.mm,
        inverted=bool(rng.random() < 0.03),
    )
    low, high = rng.uniform(0, 0.2), rng.uniform(0.98, 1.6)
    return process(signal, _windowed(processing, signal, quantiles, (low, high)))


def plain(signal: Pixels) -> Pixels:
    """The film's whole range between black and white."""
    return process(signal, _windowed(Processing(0.0, 1.0), signal, (0.01, 0.995), (0.0, 1.0)))


def _windowed(
    processing: Processing, signal: Pixels, quantiles: tuple[float, float],
    reach: tuple[float, float],
) -> Processing:  # fmt: skip
    """``reach`` in spans between the quantiles: black below the lower one, white above it."""
    black, white = np.quantile(signal[::4, ::4], quantiles)
    span = max(float(white - black), 0.6)
    return replace(
        processing,
        black=float(black) - reach[0] * span,
        white=float(black) + reach[1] * span,
    )


def printed_on(rng: np.random.Generator, scene: FrontalScene, film: Pixels) -> Pixels:
    """The film with shutters, markers, text and lines, at times through JPEG."""
    corners = scene.column.corners[FIRST : LAST + 1].reshape(-1, 2)
    if rng.random() < 0.1:
        _collimate(rng, scene, film, corners)
    if rng.random() < 0.75:
        lay_labels(rng, film, corners, int(rng.integers(1, 4)))
    if rng.random() < 0.04:
        lay_scale_bar(rng, film, scene.mm)
    if rng.random() < 0.03:
        lay_measurement(rng, film)
    return compressed(film, int(rng.integers(35, 95))) if rng.random() < 0.5 else film


def _collimate(
    rng: np.random.Generator, scene: FrontalScene, film: Pixels, corners: Points
) -> None:
    size = np.array([scene.width, scene.height])
    low = np.clip(corners.min(axis=0) - 3, 0, size) * rng.uniform(0, 1, 2)
    high = size - np.clip(size - corners.max(axis=0) - 3, 0, size) * rng.uniform(0, 1, 2)
    field = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    shutter(film, field, rng.uniform(0.5, 2.0), rng.uniform(0, 0.02))
