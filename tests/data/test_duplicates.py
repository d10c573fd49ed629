"""Copies are found however they were changed; other films are not."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32
from PIL import Image

from spondyl.data.duplicates import SAME, Fingerprint, fingerprint, fingerprint_all, near_duplicates
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import phantom, write_phantoms
from spondyl.film.radiograph import Radiograph

Pixels = Float32[np.ndarray, "h w"]


@pytest.fixture(scope="module")
def films() -> list[Radiograph]:
    """Twelve different phantoms of one series."""
    return [phantom(3, index, long_side=256).radiograph for index in range(12)]


def jpeg(pixels: Pixels) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer), dtype=np.float32) / 255


def resized(pixels: Pixels, *, height: int, width: int) -> Pixels:
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).clip(0, 1)


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "compressed again": jpeg,
    "half the size": lambda p: resized(p, height=len(p) // 2, width=p.shape[1] // 2),
    "twice the size": lambda p: resized(p, height=len(p) * 2, width=p.shape[1] * 2),
    "stretched to a square": lambda p: resized(p, height=300, width=300),
    "brighter and flatter": lambda p: 0.15 + 0.8 * p,
    "gamma": lambda p: p**0.75,
    "16 bit": lambda p: (np.rint(p * 65535) / 65535).astype(np.float32),
    "all at once": lambda p: jpeg(resized(p, height=500, width=400) ** 1.25 * 0.9),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_of_each_film_is_found_and_nothing_else(
    change: str, films: list[Radiograph]
) -> None:
    known = {f"{k:02} film": fingerprint(film) for k, film in enumerate(films)}
    for k, film in enumerate(films):
        pixels = np.ascontiguousarray(COPIES[change](film.pixels), dtype=np.float32)
        known[f"{k:02} copy"] = fingerprint(replace(film, pixels=pixels))
    found = near_duplicates(known)
    pairs = [(f"{k:02} copy", f"{k:02} film") for k in range(len(films))]
    assert [(each.one, each.other) for each in found] == pairs
    assert {each.kind for each in found} == {"near-duplicate"}
    assert all(0 <= each.distance <= SAME for each in found)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda p: p.copy(), "identical pixels"),
        (lambda p: p[:, ::-1], "mirrored copy"),
        (lambda p: 1 - p, "inverted copy"),
        (lambda p: 1 - jpeg(p)[:, ::-1], "mirrored copy"),
    ],
)
def test_the_kind_of_copy_is_told(
    change: Callable[[Pixels], Pixels], kind: str, films: list[Radiograph]
) -> None:
    pixels = np.ascontiguousarray(change(films[0].pixels))
    known = {"a": fingerprint(films[0]), "b": fingerprint(replace(films[0], pixels=pixels))}
    (found,) = near_duplicates(known)
    assert found.kind == kind
    assert str(found).startswith(f"a and b: {kind} (distance 0.0")


def test_films_of_one_size_and_other_pixels_are_not_identical(films: list[Radiograph]) -> None:
    digests = {fingerprint(film).pixels for film in films}
    assert len(digests) == len(films)
    turned = replace(films[0], pixels=films[0].pixels.reshape(films[0].pixels.shape[::-1]))
    assert fingerprint(turned).pixels not in digests  # the same bytes in another shape


def test_the_look_is_that_of_a_cosine_transform_written_out() -> None:
    """Against scipy's transform of the same square."""
    from scipy.fft import dctn

    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    low, high = np.percentile(pixels, (1, 99))
    coefficients = dctn(((pixels - low) / (high - low)).clip(0, 1))[:16, :16]
    signs = [coefficients[u, v] > 0 for u in range(16) for v in range(16) if u + v >= 2]
    expected = np.packbits(signs).tobytes().hex()
    assert fingerprint(Radiograph(pixels)).look == expected


def test_the_pairs_are_those_of_a_plain_loop() -> None:
    """More films than are compared at a time, with planted copies some signs apart."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (1100, 253), dtype=np.uint8)
    bits[1090] = bits[7]
    bits[1090, :50] ^= 1  # 19.8 %
    bits[1091] = bits[8]
    bits[1091, :51] ^= 1  # 20.2 %
    bits[40] = 1 - bits[30]
    known = {
        f"{k:04}": Fingerprint(str(k), np.packbits(row).tobytes().hex())
        for k, row in enumerate(bits)
    }
    started = time.perf_counter()
    found = near_duplicates(known)
    assert time.perf_counter() - started < 5  # 0.05 s on an idle core
    told = [(each.one, each.other, each.kind, each.distance) for each in found]
    assert told == [
        ("0007", "1090", "near-duplicate", pytest.approx(50 / 253, abs=1e-4)),
        ("0030", "0040", "inverted copy", 0),
    ]


@pytest.mark.parametrize("count", [0, 1])
def test_no_pair_is_found_among_fewer_than_two_films(count: int, films: list[Radiograph]) -> None:
    assert near_duplicates({str(k): fingerprint(films[k]) for k in range(count)}) == []


def test_films_are_fingerprinted_by_key(tmp_path: Path) -> None:
    write_phantoms(tmp_path, films=3, seed=0, long_side=128)
    samples = read_annotations(tmp_path).samples
    found = fingerprint_all(samples)
    assert found == {sample.key: fingerprint(sample.radiograph()) for sample in samples}
