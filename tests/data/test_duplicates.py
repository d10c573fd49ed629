"""Copies are found however they were changed; other films are not."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32
from PIL import Image

from spondyl.data import duplicates
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


def test_forty_different_phantoms_hold_no_copy(
    films: list[Radiograph],
) -> None:
    """Another spine under the same shutters, marker and exposure is another film."""
    known = {str(k): fingerprint(phantom(8, k, long_side=128).radiograph) for k in range(40)}
    assert near_duplicates(known) == []


def test_a_thumbnail_shows_the_film_from_its_1st_to_its_99th_percentile() -> None:
    pixels = np.linspace(0.2, 0.6, 64 * 64, dtype=np.float32).reshape(64, 64)
    shown = np.frombuffer(fingerprint(Radiograph(pixels)).thumbnail, dtype=np.uint8)
    expected = np.interp(np.linspace(0, 1, 64 * 64), (0.01, 0.99), (0, 255))
    np.testing.assert_allclose(shown, expected, atol=0.51)


def test_a_crop_is_laid_over_its_film(films: list[Radiograph]) -> None:
    for film in films:
        rows, columns = (round(0.02 * side) for side in film.pixels.shape)
        pixels = np.ascontiguousarray(film.pixels[rows:-rows, columns:-columns])
        known = {"a": fingerprint(film), "b": fingerprint(replace(film, pixels=pixels))}
        (found,) = near_duplicates(known)
        assert found.kind == "near-duplicate"


def test_planted_copies_are_found_among_more_films_than_are_compared_at_a_time() -> None:
    rng = np.random.default_rng(1)
    thumbnails = rng.integers(0, 256, (1100, 64, 64), dtype=np.uint8)
    thumbnails[1090] = thumbnails[7]
    thumbnails[40] = 255 - thumbnails[30]
    thumbnails[1095] = thumbnails[1096, :, ::-1]
    known = {f"{k:04}": Fingerprint(str(k), each.tobytes()) for k, each in enumerate(thumbnails)}
    started = time.perf_counter()
    found = near_duplicates(known)
    assert time.perf_counter() - started < 5  # 0.3 s on a busy core
    assert [(each.one, each.other, each.kind, each.distance) for each in found] == [
        ("0007", "1090", "near-duplicate", pytest.approx(0, abs=1e-4)),
        ("0030", "0040", "inverted copy", pytest.approx(0, abs=1e-2)),
        ("1095", "1096", "mirrored copy", pytest.approx(0, abs=1e-4)),
    ]


def test_the_neighbourhood_of_a_pixel_is_that_of_an_independent_filter() -> None:
    from scipy.ndimage import uniform_filter

    values = np.random.default_rng(0).random((2, 64, 64)).astype(np.float32)
    expected = [uniform_filter(each, 7, mode="nearest") for each in values]
    np.testing.assert_allclose(duplicates._local_mean(values), expected, atol=1e-3)


def test_blank_films_are_no_copies_of_others(films: list[Radiograph]) -> None:
    black, grey = (np.full((80, 80), level, dtype=np.float32) for level in (0.0, 0.5))
    known = {"black": fingerprint(Radiograph(black)), "grey": fingerprint(Radiograph(grey))}
    assert near_duplicates({**known, "film": fingerprint(films[0])}) == []


def test_the_studies_of_aasce_that_hold_one_patient_are_found(shared_data: Path) -> None:
    """Pairs under two study numbers, each looked at by eye: one exposure, cropped twice."""
    coronal = "sunhl-1th-20-Jul-2016-coronal"
    pairs = (
        "238 239",
        "153 78",
        "141 77",
        "79 157",
        f"{coronal} 35",
        f"{coronal} 48",
        f"{coronal} 5",
    )
    expected = {frozenset(pair.split()) for pair in pairs}
    numbers = frozenset.union(*expected)
    samples = read_annotations(shared_data / "aasce2019-train").samples
    group = {sample.key: sample.group for sample in samples if sample.group in numbers}
    found = near_duplicates(fingerprint_all([s for s in samples if s.key in group]))
    studies = {frozenset((group[each.one], group[each.other])) for each in found}
    assert {pair for pair in studies if len(pair) == 2} == expected


@pytest.mark.parametrize("count", [0, 1])
def test_no_pair_is_found_among_fewer_than_two_films(count: int, films: list[Radiograph]) -> None:
    assert near_duplicates({str(k): fingerprint(films[k]) for k in range(count)}) == []


def test_films_are_fingerprinted_by_key(tmp_path: Path) -> None:
    write_phantoms(tmp_path, films=3, seed=0, long_side=128)
    samples = read_annotations(tmp_path).samples
    found = fingerprint_all(samples)
    assert found == {sample.key: fingerprint(sample.radiograph()) for sample in samples}


def test_the_page_on_splits_gives_the_measured_figures() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "splits.md").read_text()
    measured = json.loads((root / "benchmarks" / "duplicates.json").read_text())["sets"]
    phantoms, aasce = measured["phantoms"], measured["aasce"]
    for name, found in phantoms["copies"].items():
        cells = [
            f"{each['found_percent']:g} | {each['greatest_distance']:.2f}"
            for each in (found, aasce["copies"][name])
        ]
        assert f"| {name} | {cells[0]} | {cells[1]} |" in page
    assert phantoms["taken_for_one"]["pairs"] == 0
    assert aasce["taken_for_one"]["in_two_groups"] == 8
    assert aasce["taken_for_one"]["pairs"] == 20
