"""Which films show the same exposure, though renamed, compressed again, resized or mirrored?

Spines look alike, so a film is compared twice. The signs of its lowest cosine coefficients (pHash,
Zauner 2010, with 253 signs instead of 64) find the few pairs worth a second look; the correlation
of two thumbnails, each pixel taken relative to its neighbourhood, decides, after the one was laid
over the other. ``benchmarks/duplicates.py`` measures what copies keep and what chance gives.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal

import numpy as np
from jaxtyping import Complex, Float, Float32
from PIL import Image

from spondyl.data.sample import Sample
from spondyl.film.radiograph import Radiograph

Kind = Literal["identical pixels", "near-duplicate", "mirrored copy", "inverted copy"]

SAME: Final = 0.4
"""Two films whose thumbnails are at most this far apart (1 - correlation) are duplicates."""

_SIDE: Final = 64  # px of a thumbnail
_ORDERS: Final = np.arange(16)
_KEPT: Final = np.add.outer(_ORDERS, _ORDERS) >= 2  # what is broader is exposure, not anatomy
_COSINES: Final = np.cos(np.pi * np.outer(_ORDERS, (np.arange(_SIDE) + 0.5) / _SIDE))
_ACROSS: Final = np.tile(_ORDERS, (len(_ORDERS), 1))[_KEPT]  # order along x of each sign

_ALIKE: Final = 0.36  # agreement of signs, -1 to 1, from which a pair is looked at again
_CLEAR: Final = 0.8  # correlation from which nothing needs to be laid over
_NEIGHBOURHOOD: Final = 3  # thumbnail px on each side
_SCALES: Final = (0.92, 0.96, 1.0, 1.04, 1.08)
_REACH: Final = 10  # thumbnail px that one film may be shifted against the other
_ROWS: Final = 1024  # films compared with all others at a time

_Thumbnails = Float32[np.ndarray, "n s s"]
_Pair = tuple[int, int, float, float]
"""Two films, and how far their signs agree as they are and with one mirrored."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a film to find its copies: some 4 kB.

    ``pixels`` is the BLAKE2b-128 digest of size and pixels, in hex. ``thumbnail`` is the film as
    64 x 64 bytes, its 1st percentile black and its 99th white, whatever its size and aspect.
    """

    pixels: str
    thumbnail: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two films that show one exposure, or one patient twice in the same position.

    ``distance`` is 1 - the correlation of the thumbnails, in [0, ``SAME``], after the mirroring or
    the inversion that ``kind`` says; a mirrored copy may be inverted, too.
    """

    one: str
    other: str
    kind: Kind
    distance: float

    @property
    def reason(self) -> str:
        """Why the two are taken for one exposure."""
        return f"{self.kind} (distance {self.distance:.2f})"

    def __str__(self) -> str:
        return f"{self.one} and {self.other}: {self.reason}"


def fingerprint(film: Radiograph) -> Fingerprint:
    """The fingerprint of one film."""
    digest = hashlib.blake2b(np.array(film.pixels.shape).tobytes(), digest_size=16)
    digest.update(np.ascontiguousarray(film.pixels).data)
    small = Image.fromarray(film.pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small)
    low, high = np.percentile(grey, (1, 99))
    stretched = ((grey - low) / max(float(high - low), 1e-6)).clip(0, 1)
    return Fingerprint(digest.hexdigest(), np.rint(stretched * 255).astype(np.uint8).tobytes())


def fingerprint_all(
    samples: Sequence[Sample], *, progress: Callable[[int], None] | None = None
) -> dict[str, Fingerprint]:
    """The fingerprint of every sample's film by its key, read on all cores.

    ``progress`` is told how many are done.

    Raises:
        FilmError: a film cannot be read.
    """
    known: dict[str, Fingerprint] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda sample: fingerprint(sample.radiograph()), samples)
        for sample, each in zip(samples, found, strict=True):
            known[sample.key] = each
            if progress:
                progress(len(known))
    return known


def near_duplicates(fingerprints: Mapping[str, Fingerprint]) -> list[Duplicate]:
    """All pairs of films, by name, that show one exposure; ordered by name.

    A copy is found after compression, a change of size, shape, brightness or contrast, mirroring,
    inversion, and after a crop of some 2 % on each side.
    """
    names = sorted(fingerprints)
    known = [fingerprints[name] for name in names]
    found: list[Duplicate] = []
    for i, j, kind, distance in _duplicates(known):
        if known[i].pixels == known[j].pixels:
            kind, distance = "identical pixels", 0.0
        if distance <= SAME:
            found.append(Duplicate(names[i], names[j], kind, round(distance, 4)))
    return found


def _duplicates(known: Sequence[Fingerprint]) -> Iterator[tuple[int, int, Kind, float]]:
    """The pairs i < j worth a second look, and the result of that look."""
    raw = b"".join(each.thumbnail for each in known)
    thumbnails = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _SIDE, _SIDE) / np.float32(255)
    for i, pairs in groupby(_candidates(thumbnails), key=itemgetter(0)):
        laid = _Laid(thumbnails[i])
        for _, j, straight, mirrored in pairs:
            yield i, j, *laid.over(thumbnails[j], straight, mirrored)


def _candidates(thumbnails: _Thumbnails) -> Iterator[_Pair]:
    """The pairs i < j whose signs agree by more than chance, ordered."""
    coefficients = (_COSINES @ thumbnails @ _COSINES.T)[:, _KEPT]
    looks = np.where(coefficients > 0, 1, -1).astype(np.float32)
    mirror = np.where(_ACROSS % 2, -1, 1).astype(np.float32)
    for start in range(0, len(looks), _ROWS):
        rows = looks[start : start + _ROWS] / len(mirror)
        straight, mirrored = rows @ looks.T, (rows * mirror) @ looks.T
        alike = np.maximum(np.abs(straight), np.abs(mirrored)) >= _ALIKE
        for i, j in np.argwhere(np.triu(alike, k=start + 1)):
            yield start + int(i), int(j), float(straight[i, j]), float(mirrored[i, j])


class _Laid:
    """One film, to be laid over others."""

    def __init__(self, thumbnail: Float32[np.ndarray, "s s"]) -> None:
        self._unmoved = _relative(thumbnail[None])[0]
        self._thumbnail = thumbnail
        self._spectra: Complex[np.ndarray, "scales s half"] | None = None

    def over(
        self, other: Float32[np.ndarray, "s s"], straight: float, mirrored: float
    ) -> tuple[Kind, float]:
        """The kind of copy that fits best, and 1 - its correlation."""
        tried: list[tuple[float, Kind]] = []
        if abs(straight) >= _ALIKE:
            kind: Kind = "near-duplicate" if straight > 0 else "inverted copy"
            tried.append((self._correlation(other, inverted=straight < 0), kind))
        if abs(mirrored) >= _ALIKE:
            flipped = other[:, ::-1]
            tried.append((self._correlation(flipped, inverted=mirrored < 0), "mirrored copy"))
        best, kind = max(tried)
        return kind, max(0.0, 1 - best)

    def _correlation(self, other: Float32[np.ndarray, "s s"], *, inverted: bool) -> float:
        fixed = _relative(other[None])[0] * np.float32(-1 if inverted else 1)
        unmoved = float((self._unmoved * fixed).sum())
        return unmoved if unmoved >= _CLEAR else max(unmoved, self._moved(fixed))

    def _moved(self, fixed: Float32[np.ndarray, "s s"]) -> float:
        """The greatest correlation over all scales and shifts, by the correlation theorem."""
        if self._spectra is None:
            self._spectra = np.fft.rfft2(_relative(_scaled(self._thumbnail)))
        products = self._spectra * np.conj(np.fft.rfft2(fixed))
        found = np.roll(np.fft.irfft2(products, s=fixed.shape), (_REACH, _REACH), axis=(1, 2))
        return float(found[:, : 2 * _REACH + 1, : 2 * _REACH + 1].max())


def _scaled(thumbnail: Float32[np.ndarray, "s s"]) -> _Thumbnails:
    """The thumbnail at every scale in x and in y, about its centre."""
    image, centre = Image.fromarray(thumbnail), _SIDE / 2
    maps = [
        (1 / x, 0, centre - centre / x, 0, 1 / y, centre - centre / y)
        for x in _SCALES
        for y in _SCALES
    ]
    size, affine = (_SIDE, _SIDE), Image.Transform.AFFINE
    return np.array([image.transform(size, affine, m, Image.Resampling.BILINEAR) for m in maps])


def _relative(thumbnails: _Thumbnails) -> _Thumbnails:
    """Each pixel against the mean and the spread around it; of zero mean and unit length."""
    apart = thumbnails - _local_mean(thumbnails)
    spread = np.sqrt(_local_mean(apart**2).clip(min=0))
    relative = apart / (spread + 0.01)
    relative -= relative.mean(axis=(1, 2), keepdims=True)
    length = np.linalg.norm(relative, axis=(1, 2), keepdims=True)
    return (relative / np.maximum(length, 1e-6)).astype(np.float32)


def _local_mean(values: Float[np.ndarray, "n s s"]) -> Float[np.ndarray, "n s s"]:
    """Mean over a square of 2 x neighbourhood + 1 px, the edges continued."""
    near, window = _NEIGHBOURHOOD, 2 * _NEIGHBOURHOOD + 1
    sides = (near + 1, near)
    sums = np.pad(values, ((0, 0), sides, sides), mode="edge").cumsum(axis=1).cumsum(axis=2)
    columns = sums[:, :, window:] - sums[:, :, :-window]
    return (columns[:, window:] - columns[:, :-window]) / window**2
