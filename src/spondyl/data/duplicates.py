"""Which films show the same exposure, though renamed, compressed again, resized or mirrored?

A film's look is the signs of its lowest cosine coefficients: pHash (Zauner 2010), with 253 signs
instead of 64, because spines look alike. What tells two films apart by chance and what a copy
changes is measured by ``benchmarks/duplicates.py``; the threshold lies between the two.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64
from PIL import Image

from spondyl.data.sample import Sample
from spondyl.film.radiograph import Radiograph

Kind = Literal["identical pixels", "near-duplicate", "mirrored copy", "inverted copy"]

SAME: Final = 0.2
"""Two looks that differ in at most this share of their signs are one exposure."""

_THUMBNAIL: Final = 64  # px a side
_ORDERS: Final = 16
_BROAD: Final = 2  # coefficients of a lower total order are the exposure, not the anatomy
_HORIZONTAL: Final = np.arange(_ORDERS)
_KEPT: Final = np.add.outer(_HORIZONTAL, _HORIZONTAL) >= _BROAD
_SIGNS: Final = int(_KEPT.sum())
_ROWS: Final = 1024  # films compared with all others at a time


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a film to find its copies.

    ``pixels`` is the BLAKE2b-128 digest of size and pixels, in hex. ``look`` is 253 signs in 64
    hex digits; it does not depend on the film's size, aspect, brightness or contrast.
    """

    pixels: str
    look: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two films that show one exposure.

    ``distance`` is the share of signs that differ, in [0, ``SAME``], after the mirroring or the
    inversion that ``kind`` says; a mirrored copy may be inverted, too.
    """

    one: str
    other: str
    kind: Kind
    distance: float

    def __str__(self) -> str:
        return f"{self.one} and {self.other}: {self.kind} (distance {self.distance:.2f})"


def fingerprint(film: Radiograph) -> Fingerprint:
    """The fingerprint of one film, however it is stored.

    The film is taken as a square of 64 px, from its 1st to its 99th percentile, so that a copy
    that was stretched to another shape is found as well.
    """
    digest = hashlib.blake2b(np.array(film.pixels.shape).tobytes(), digest_size=16)
    digest.update(np.ascontiguousarray(film.pixels).data)
    side = (_THUMBNAIL, _THUMBNAIL)
    thumbnail = np.asarray(Image.fromarray(film.pixels).resize(side, Image.Resampling.BOX))
    return Fingerprint(digest.hexdigest(), np.packbits(_look(thumbnail)).tobytes().hex())


def fingerprint_all(samples: Sequence[Sample]) -> dict[str, Fingerprint]:
    """The fingerprint of every sample's film by its key, read on all cores.

    Raises:
        FilmError: a film cannot be read.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda sample: fingerprint(sample.radiograph()), samples)
        return {sample.key: each for sample, each in zip(samples, found, strict=True)}


def near_duplicates(fingerprints: Mapping[str, Fingerprint]) -> list[Duplicate]:
    """All pairs of films, by name, that show one exposure; ordered by name."""
    names = sorted(fingerprints)
    looks = np.array([_signs(fingerprints[name]) for name in names]).reshape(-1, _SIGNS)
    return [
        _duplicate(names[i], names[j], fingerprints, (straight, mirrored))
        for i, j, straight, mirrored in _alike(looks)
    ]


def _duplicate(
    one: str, other: str, known: Mapping[str, Fingerprint], agreement: tuple[float, float]
) -> Duplicate:
    straight, mirrored = agreement
    if known[one].pixels == known[other].pixels:
        return Duplicate(one, other, "identical pixels", 0.0)
    kind: Kind = "near-duplicate" if straight > 0 else "inverted copy"
    if abs(mirrored) > abs(straight):
        kind = "mirrored copy"
    return Duplicate(one, other, kind, _distance(max(abs(straight), abs(mirrored))))


def _alike(
    looks: Float32[np.ndarray, "n signs"],
) -> Iterator[tuple[int, int, float, float]]:
    """Pairs i < j of one exposure, and how far their signs agree (-1 to 1), as is and mirrored."""
    across = np.tile(_HORIZONTAL, (_ORDERS, 1))[_KEPT]
    flipped = looks * np.where(across % 2, -1, 1).astype(np.float32)
    least = 1 - 2 * SAME
    for start in range(0, len(looks), _ROWS):
        rows = slice(start, start + _ROWS)
        straight, mirrored = (each[rows] @ looks.T / _SIGNS for each in (looks, flipped))
        best = np.maximum(np.abs(straight), np.abs(mirrored))
        for i, j in np.argwhere(np.triu(best >= least - 1e-6, k=start + 1)):
            yield start + int(i), int(j), float(straight[i, j]), float(mirrored[i, j])


def _distance(agreement: float) -> float:
    return round((1 - agreement) / 2, 4)


def _signs(known: Fingerprint) -> Float32[np.ndarray, " signs"]:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(known.look), dtype=np.uint8), count=_SIGNS)
    return bits.astype(np.float32) * 2 - 1


def _look(thumbnail: Float32[np.ndarray, "s s"]) -> Bool[np.ndarray, " signs"]:
    low, high = np.percentile(thumbnail, (1, 99))
    grey = np.clip((thumbnail - low) / max(float(high - low), 1e-6), 0, 1)
    return (_COSINES @ grey @ _COSINES.T)[_KEPT] > 0


def _cosines() -> Float64[np.ndarray, "orders s"]:
    """The lowest rows of the discrete cosine transform, type II."""
    centres = (np.arange(_THUMBNAIL) + 0.5) / _THUMBNAIL
    return np.cos(np.pi * np.outer(np.arange(_ORDERS), centres))


_COSINES: Final = _cosines()
