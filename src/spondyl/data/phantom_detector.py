"""How does attenuation become grey: scatter, quanta, unsharpness, then the console's processing.

A canvas holds the attenuation along each ray in nepers (Beer-Lambert: ``exp(-a)`` passes). Nothing
here knows the view. NumPy and Pillow alone; the same generator state gives the same pixels.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float32
from PIL import Image

from spondyl.data.phantom_canvas import Pixels, enlarged

WATER_PER_MM: Final = 0.02
"""Attenuation of soft tissue, nepers per mm: about that of water at 70 keV (NIST XCOM 0.0193)."""

_BRIGHTEST = 4.0  # a ray that meets nothing adds no more scatter than this many reference rays


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a film was taken.

    ``reference`` is the attenuation in nepers that the automatic exposure aims at, ``quanta`` how
    many quanta a pixel detects there, ``electronic`` the detector's own noise as a share of that
    signal. ``scatter`` is the scattered share of what arrives (0 to below 1), ``scatter_px`` how
    far it spreads, ``blur_px`` the unsharpness of focus and detector, ``grain_px`` the width of
    the noise, each the sigma of a Gaussian.
    """

    reference: float
    quanta: float = 1e4
    electronic: float = 0.0
    scatter: float = 0.0
    scatter_px: float = 40.0
    blur_px: float = 0.0
    grain_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Processing:
    """What the console does with the logarithm of the signal, bone bright.

    ``black`` and ``white`` are nepers above the reference exposure's. ``shoulder`` is the share
    of the greys over which the top is rounded (0: hard clipping), ``gamma`` bends the curve.
    ``edge`` is the gain of an unsharp mask of ``edge_px``, ``flatten`` the share taken from what
    is broader than ``flatten_px``. ``inverted`` shows bone dark.
    """

    black: float
    white: float
    gamma: float = 1.0
    shoulder: float = 0.0
    edge: float = 0.0
    edge_px: float = 2.0
    flatten: float = 0.0
    flatten_px: float = 30.0
    inverted: bool = False


def softened(pixels: Pixels, sigma: float) -> Pixels:
    """A Gaussian blur of ``sigma`` px; a broad one is made on a smaller picture."""
    if sigma < 0.15:
        return pixels
    step = int(sigma // 1.4)
    if step > 1:
        height, width = max(1, math.ceil(pixels.shape[0] / step)), math.ceil(pixels.shape[1] / step)
        image = Image.fromarray(np.ascontiguousarray(pixels))
        small = np.asarray(image.resize((max(1, width), height), Image.Resampling.BILINEAR))
        left = math.sqrt(max(sigma**2 / step**2 - 0.2, 0))  # the triangle has blurred by step²/6
        return enlarged(softened(small, left), (pixels.shape[0], pixels.shape[1]))
    across = np.ascontiguousarray(_blurred_down(pixels, sigma).T)
    return np.ascontiguousarray(_blurred_down(across, sigma).T)


def _blurred_down(pixels: Pixels, sigma: float) -> Pixels:
    reach = max(1, math.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    padded = np.pad(pixels, ((reach, reach), (0, 0)), mode="edge")
    total = taps[0] * padded[: len(pixels)]
    for k in range(1, len(taps)):
        total += taps[k] * padded[k : k + len(pixels)]
    return total


def expose(rng: np.random.Generator, attenuation: Pixels, exposure: Exposure) -> Pixels:
    """The logarithm of the detected signal, nepers above the reference: 0 there, bone positive.

    What arrives is the primary ``exp(reference - attenuation)``, plus scatter as the blurred
    primary, so that the fog is even and takes contrast where little passes. Quantum noise has the
    variance of its signal (Poisson, drawn as normal).
    """
    primary = np.exp(np.clip(exposure.reference - attenuation, -12, 6), dtype=np.float32)
    arrived = softened(primary, exposure.blur_px)
    if exposure.scatter:
        fog = softened(np.minimum(primary, np.float32(_BRIGHTEST)), exposure.scatter_px)
        arrived = (1 - exposure.scatter) * arrived + exposure.scatter * fog
    arrived = np.maximum(arrived, np.float32(1e-6))
    noise = softened(rng.standard_normal(arrived.shape, dtype=np.float32), exposure.grain_px)
    noise = noise / max(float(noise.std()), 1e-6)
    deviation = np.sqrt(arrived / np.float32(exposure.quanta) + np.float32(exposure.electronic**2))
    return -np.log(np.maximum(arrived + deviation * noise, np.float32(2e-4)))


def process(signal: Pixels, processing: Processing) -> Pixels:
    """The signal as a console shows it, [0, 1]."""
    return grade(enhance(signal, processing), processing)


def enhance(signal: Pixels, processing: Processing) -> Pixels:
    """The signal with its broad shades flattened and its edges sharpened, nepers."""
    shown = signal
    if processing.flatten:
        broad = softened(signal, processing.flatten_px)
        shown = shown - np.float32(processing.flatten) * (broad - np.float32(np.median(broad)))
    if processing.edge:
        shown = shown + np.float32(processing.edge) * (shown - softened(shown, processing.edge_px))
    return shown


def grade(signal: Pixels, processing: Processing) -> Pixels:
    """The signal between black and white, with shoulder and gamma, [0, 1]."""
    shown = np.maximum((signal - processing.black) / (processing.white - processing.black), 0)
    if processing.shoulder:
        shown = _rounded(shown, processing.shoulder)
    shown = np.clip(shown, 0, 1) ** np.float32(processing.gamma)
    return (1 - shown if processing.inverted else shown).astype(np.float32)


def _rounded(shown: Pixels, shoulder: float) -> Pixels:
    """Straight up to ``1 - shoulder``, then an exponential approach to 1 without a kink."""
    start = np.float32(1 - shoulder)
    above = np.maximum(shown - start, 0)
    return np.minimum(shown, start) + np.float32(shoulder) * (1 - np.exp(-above / shoulder))


def lay_grid_lines(
    rng: np.random.Generator, signal: Pixels, strength: float, period_px: float
) -> None:
    """Adds the lines of an anti-scatter grid, nepers, along the rows or the columns."""
    phase = rng.uniform(0, 2 * np.pi)
    axis = int(rng.integers(2))
    wave = np.sin(2 * np.pi * np.arange(signal.shape[axis]) / period_px + phase)
    wave = (strength * wave).astype(np.float32)
    signal += wave[:, None] if axis == 0 else wave[None, :]


def lay_shading(rng: np.random.Generator, attenuation: Pixels, strength: float) -> None:
    """Adds a heel effect: nepers that grow from one side of the field to the other."""
    height, width = attenuation.shape
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    attenuation += np.float32(strength) * (math.cos(angle) * x + math.sin(angle) * y)


def quantised(film: Pixels, levels: int) -> Pixels:
    """The film in ``levels`` greys."""
    return np.round(film * (levels - 1)) / np.float32(levels - 1)


def compressed(film: Pixels, quality: int) -> Pixels:
    """The film after JPEG at ``quality`` (1 to 95), 8 bit."""
    image = Image.fromarray(np.round(film * 255).astype(np.uint8))
    packed = io.BytesIO()
    image.save(packed, format="JPEG", quality=quality)
    with Image.open(packed) as found:
        return np.asarray(found, dtype=np.float32) / 255


def resized(film: Pixels, shape: tuple[int, int]) -> Float32[np.ndarray, "rows columns"]:
    """The film at another size, [0, 1]; points map as ``(p + 0.5) * scale - 0.5``."""
    image = Image.fromarray(np.ascontiguousarray(film))
    found = image.resize((shape[1], shape[0]), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(found, dtype=np.float32), 0, 1)
