"""How does a film get worse, step by step? Each way at rising severity; corners move along.

A way takes a film with its true corners, a generator and a severity, and gives the film that a
network is shown. Severities are for films of 640 px.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from measuring import Shown, blurred, cropped, flat, noisy
from PIL import Image

from spondyl.data.phantom_implants import lay_end_on_screw, lay_rod, lay_screw

if TYPE_CHECKING:
    from spondyl.data.sample import Sample
    from spondyl.film.radiograph import Radiograph

Way = Callable[[Shown, np.random.Generator, float], Shown]

RANGE = 3.0  # nepers from the darkest to the brightest grey of a film that is exposed anew
METAL = 1.5  # nepers of a screw's densest ray


@dataclass(frozen=True)
class Condition:
    """A way for films to be worse, its severities from mild to severe, their unit; which films."""

    name: str
    way: Way
    severities: tuple[float, ...]
    unit: str
    views: tuple[str, ...] = ("lateral", "ap")


def inverted(shown: Shown, rng: np.random.Generator, severity: float) -> Shown:
    """Bone dark, as the other photometric interpretation would have it."""
    sample, film = shown
    return sample, _grey(film, 1 - film.pixels)


def turned(shown: Shown, rng: np.random.Generator, degrees: float) -> Shown:
    """Turned about its centre, one way or the other; what comes from beyond the film is black."""
    sample, film = shown
    angle = float(rng.choice([-1, 1])) * degrees
    image = Image.fromarray(film.pixels).rotate(angle, Image.Resampling.BILINEAR)
    turn, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # Pillow turns anticlockwise as seen, about the middle of the film's edges.
    middle = np.array([film.width - 1, film.height - 1]) / 2
    away = sample.landmarks.points - middle
    points = middle + away @ np.array([[turn, -sine], [sine, turn]])
    return _moved(sample, points, film), _grey(film, np.asarray(image))


def underexposed(shown: Shown, rng: np.random.Generator, quanta: float) -> Shown:
    """So many quanta a pixel reach the detector where nothing is in the way; Poisson noise."""
    sample, film = shown
    counted = rng.poisson(quanta * np.exp(-RANGE * film.pixels))
    return sample, _grey(film, -np.log(np.maximum(counted, 0.5) / quanta) / RANGE)


def compressed(shown: Shown, rng: np.random.Generator, quality: float) -> Shown:
    """As JPEG of so low a quality."""
    sample, film = shown
    buffer = io.BytesIO()
    Image.fromarray(np.round(film.pixels * 255).astype(np.uint8)).save(
        buffer, format="JPEG", quality=int(quality)
    )
    return sample, _grey(film, np.asarray(Image.open(buffer), dtype=np.float32) / 255)


def instrumented(shown: Shown, rng: np.random.Generator, levels: float) -> Shown:
    """Screws and rods in so many neighbouring vertebrae, from the lowest whole ones upwards."""
    sample, film = shown
    whole = sample.landmarks.points[~np.isnan(sample.landmarks.points).any(axis=(1, 2))]
    chosen = whole[-1 - int(levels) : -1] if len(whole) > levels else whole
    canvas = np.zeros(film.pixels.shape, dtype=np.float32)
    if len(chosen) >= 2:
        (_end_on if film.view == "ap" else _side_on)(canvas, chosen, sample.landmarks.facing)
    return sample, _grey(film, 1 - (1 - film.pixels) * np.exp(-canvas))


def _end_on(canvas: np.ndarray, bodies: np.ndarray, facing: str | None) -> None:
    centres, width = bodies.mean(axis=1), bodies[:, 1] - bodies[:, 0]
    mm = float(np.linalg.norm(width, axis=1).mean()) / 40
    for side in (-0.28, 0.28):
        heads = centres + side * width
        for head in heads:
            lay_end_on_screw(canvas, head, mm, METAL)
        lay_rod(canvas, heads, mm, METAL)


def _side_on(canvas: np.ndarray, bodies: np.ndarray, facing: str | None) -> None:
    left, right = bodies[:, [0, 2]].mean(axis=1), bodies[:, [1, 3]].mean(axis=1)
    back, front = (left, right) if facing == "right" else (right, left)
    along = front - back
    mm = float(np.linalg.norm(along, axis=1).mean()) / 34
    heads = back - 0.6 * along
    for head, tip in zip(heads, back + 0.75 * along, strict=True):
        lay_screw(canvas, head, tip, mm, METAL)
    lay_rod(canvas, heads, mm, METAL)


def _moved(sample: Sample, points: np.ndarray, film: Radiograph) -> Sample:
    """The sample with its corners elsewhere; those beyond the film, and bodies without any, go."""
    size = np.array([film.width, film.height])
    inside = ((points > -0.5) & (points < size - 0.5)).all(axis=-1)
    seen = np.flatnonzero(inside.any(axis=1))
    kept = sample.landmarks.moved(np.where(np.isnan(points), 0.0, points)).select(list(seen))
    own = np.where(inside[seen][..., None], points[seen], np.nan)
    return replace(sample, landmarks=kept.moved(own))


def _grey(film: Radiograph, pixels: np.ndarray) -> Radiograph:
    return replace(film, pixels=np.ascontiguousarray(pixels.clip(0, 1), dtype=np.float32))


CONDITIONS = (
    Condition("noise", noisy, (0.05, 0.1, 0.2), "of the grey range"),
    Condition("low exposure", underexposed, (1000, 200, 50), "quanta a pixel"),
    Condition("blur", blurred, (1.5, 3, 6), "px"),
    Condition("contrast", flat, (0.5, 0.15, 0.05), "of it left"),
    Condition("JPEG", compressed, (30, 10, 3), "of 100 in quality"),
    Condition("rotation", turned, (5, 10, 15), "deg"),
    Condition("crop", cropped, (0.8, 0.6, 0.4), "of the height left"),
    Condition("implants", instrumented, (2, 3, 5), "vertebrae"),
    Condition("inversion", inverted, (1,), ""),
)
