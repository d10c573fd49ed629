"""A folder of fifty DICOM files, some at fault: each one is a film, skipped or failed."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from film.dx import write
from spondyl.cli import main
from spondyl.data.phantom import phantom

SMALL = ("model.name=unet_small", "model.pretrained=false", "data.image_size=64")
SAME = ("explicit", "implicit", "big endian", "deflated", "RLE", "JPEG 2000", "JPEG-LS")


@cache
def shades(number: int) -> np.ndarray:
    """A phantom of 300 x 400 px, in [0, 1]; three are drawn, then mirrored and re-exposed."""
    pixels = phantom(7, number % 3, long_side=400).radiograph.pixels
    whole = np.asarray(Image.fromarray(pixels).resize((300, 400))).clip(0, 1)
    return whole if number < 3 else np.ascontiguousarray(whole[:, ::-1]) ** (number / 4)


def drawn(number: int, bits: int = 12) -> np.ndarray:
    """The same as stored values of so many bits."""
    return np.rint(shades(number) * (2**bits - 1)).astype(np.int64)


@dataclass
class Study:
    """A folder, and what must become of each of its files."""

    folder: Path
    films: list[Path] = field(default_factory=list)
    skipped: dict[Path, str] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def film(self, name: str, number: int, *, bits: int = 12, **more: Any) -> Path:
        path = write(self.path(name), drawn(number, bits), bits=bits, **more)
        self.films.append(path)
        return path

    def skip(self, name: str, reason: str, **tags: Any) -> None:
        self.skipped[write(self.path(name), drawn(0), **tags)] = reason

    def fail(self, name: str, reason: str, **tags: Any) -> None:
        self.failed[write(self.path(name), drawn(0), **tags)] = reason

    def damage(self, name: str, reason: str, data: bytes) -> None:
        path = self.path(name)
        path.write_bytes(data)
        self.failed[path] = reason

    @property
    def files(self) -> list[Path]:
        return [*self.films, *self.skipped, *self.failed]


def fill(folder: Path) -> Study:
    study = Study(folder)
    for number, encoding in enumerate(SAME):
        study.film(f"same/{number}.dcm", 0, encoding=encoding, ViewPosition="LL")
    negative = 4095 - drawn(0)
    path = write(study.path("same/7.dcm"), negative, PhotometricInterpretation="MONOCHROME1",
                 ViewPosition="LL")  # fmt: skip
    study.films.append(path)
    for number in range(1, 7):
        study.film(f"CR{number}/IM{number:06}", number, Modality="CR")
        study.film(f"deep/er/1.2.840.{number}", number, bits=16)
        study.film(f"eight/{number}.IMA", number, bits=8, BodyPartExamined="LSPINE")
    study.film("ruled.dcm", 7, ImagerPixelSpacing=[0.2, 0.2],
               EstimatedRadiographicMagnificationFactor=1.25)  # fmt: skip
    skips(study)
    faults(study)
    return study


def skips(study: Study) -> None:
    study.skip("ct.dcm", "modality 'CT' (computed tomography), no radiograph", Modality="CT")
    study.skip("mr.dcm", "modality 'MR' (magnetic resonance), no radiograph", Modality="MR")
    study.skip("sr.dcm", "modality 'SR' (structured report), no radiograph", Modality="SR",
               Rows=None, Columns=None, PixelData=None)  # fmt: skip
    study.skip("ko", "modality 'KO' (key object selection), no radiograph", Modality="KO")
    study.skip("pr", "modality 'PR' (presentation state), no radiograph", Modality="PR")
    study.skip("rgb.dcm", "colour (RGB), no grey radiograph", PhotometricInterpretation="RGB")
    study.skip("localizer.dcm", "a localizer, no radiograph",
               ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])  # fmt: skip
    study.skip("chest.dcm", "body part chest, need a spine (--any-body-part takes it)",
               BodyPartExamined="CHEST")  # fmt: skip
    study.skip("hand.dcm", "body part hand, need a spine (--any-body-part takes it)",
               BodyPartExamined="HAND")  # fmt: skip
    study.skip("DICOMDIR", "the index of a folder, no film")
    run = np.stack([drawn(0), drawn(1)])
    several = write(study.path("run.dcm"), run)
    study.skipped[several] = "2 frames, need 1; choose one with --frame"
    copy = Path(shutil.copy(study.films[-1], study.path("ruled_again.dcm")))
    study.skipped[copy] = r"same film as film-[0-9a-f]{12}"


def faults(study: Study) -> None:
    good = write(study.path("cut_pixels.dcm"), drawn(0)).read_bytes()
    study.damage("cut_pixels.dcm", "cannot be decoded", good[: len(good) // 2])
    lost = write(study.path("cut_header.dcm"), drawn(0)).read_bytes()
    study.damage("cut_header.dcm", "no rows and columns", lost[:420])
    study.damage("empty.dcm", "empty file", b"")
    study.damage("IM000099", "empty file", b"")
    study.damage("text.dcm", "not a film, need DICOM, PNG, JPEG or TIFF", b"Doe, Jane")
    study.damage("no_preamble.dcm", "not a film, need DICOM, PNG, JPEG or TIFF", good[132:])
    study.fail("no_pixels.dcm", "no pixel data", PixelData=None)
    study.fail("wide.dcm", "cannot be decoded", Columns=999)
    study.fail("small.dcm", "300 x 40 px, need at least 64 px a side", Rows=40)
    study.fail("slope.dcm", "blank", RescaleSlope=0, RescaleIntercept=5)
    path = write(study.path("bad_header.dcm"), drawn(0), NumberOfFrames=1)
    study.damage(
        path.name, "damaged header", path.read_bytes().replace(b"IS\x02\x001 ", b"IS\x02\x00XY")
    )


@dataclass
class Said:
    """A command's exit code, what it printed, and its files."""

    code: int
    out: str
    lines: list[str]
    folder: Path

    @property
    def keys(self) -> list[str]:
        return [film["key"] for film in self.predictions["images"]]

    @property
    def predictions(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "predictions.json").read_bytes())
        return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network that learnt nothing."""
    from spondyl.learning.checkpoint import save_model
    from spondyl.learning.codecs import make_codec
    from spondyl.learning.networks import build_network
    from spondyl.recipe import Recipe, override

    recipe = override(Recipe(), list(SMALL))
    network = build_network(recipe.model, make_codec(recipe.codec, 64).channels)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_model(path, network, recipe, about={})
    return path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return fill(tmp_path_factory.mktemp("study"))


class Run:
    """Runs ``predict`` without pictures or pages."""

    def __init__(self, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._weights, self._capsys = weights, capsys

    def __call__(self, out: Path, *arguments: object) -> Said:
        self._capsys.readouterr()
        more = ("--weights", self._weights, "--out", out, "--no-overlays", "--no-reports")
        code = main(["predict", *(str(each) for each in (*arguments, *more))])
        printed = self._capsys.readouterr()
        return Said(code, printed.out, printed.err.splitlines(), out)


@pytest.fixture
def run(weights: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(weights, capsys)


def test_every_file_of_a_study_is_a_film_skipped_or_failed(
    study: Study, run: Run, tmp_path: Path
) -> None:
    on_disk = sorted(path for path in study.folder.rglob("*") if path.is_file())
    assert on_disk == sorted(study.files)
    counts = (len(on_disk), len(study.films), len(study.skipped), len(study.failed))
    assert counts == (50, 27, 12, 11)
    said = run(tmp_path / "out", study.folder, "--key-file", tmp_path / "keys.csv")
    assert said.code == 2
    assert said.lines[-1] == "50 files: 27 films, 12 skipped, 11 failed"
    assert len(said.lines) == 12 + 11 + 1
    for path, reason in study.skipped.items():
        line = rf"{re.escape(str(path))}: skipped: "
        expected = reason if reason.startswith("same film") else re.escape(reason)
        assert sum(bool(re.fullmatch(line + expected, each)) for each in said.lines) == 1, path
    for path, reason in study.failed.items():
        start = f"{path}: {reason}"
        assert sum(each.startswith(start) for each in said.lines) == 1, path
    with (tmp_path / "keys.csv").open(encoding="utf-8") as file:
        paths = {row["key"]: Path(row["path"]) for row in csv.DictReader(file)}
    assert sorted(paths[key] for key in said.keys) == sorted(study.films)
    assert all(re.fullmatch("film-[0-9a-f]{12}", key) for key in said.keys)
    same = [key for key in said.keys if paths[key].parent.name == "same"]
    assert_same_landmarks(said, same)


def assert_same_landmarks(said: Said, keys: list[str]) -> None:
    """One film in seven encodings and as a negative: the vertebrae are the same to the last bit."""
    numbers = {film["id"]: film["key"] for film in said.predictions["images"]}
    found: dict[str, list[object]] = {key: [] for key in keys}
    for each in said.predictions["annotations"]:
        if (key := numbers[each["image_id"]]) in found:
            found[key].append(each["keypoints"])
    assert len(found) == len(SAME) + 1
    first, *others = found.values()
    assert first
    assert all(other == first for other in others)


def test_films_that_are_only_skipped_are_no_failure(study: Study, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for path in (study.films[0], *study.skipped):
        shutil.copy(path, folder / path.name)
    said = run(tmp_path / "out", folder)
    assert (said.code, said.lines[-1]) == (0, "13 files: 2 films, 11 skipped, 0 failed")
    framed = run(tmp_path / "framed", folder, "--frame", 2, "--any-body-part")
    assert framed.code == 0
    assert framed.lines[-1] == "13 files: 5 films, 8 skipped, 0 failed"
    assert sum(key.endswith("-frame2") for key in framed.keys) == 1


def test_a_file_named_by_itself_fails_where_a_folder_would_skip_it(
    study: Study, run: Run, tmp_path: Path
) -> None:
    named = [study.folder / name for name in ("sr.dcm", "run.dcm", "chest.dcm")]
    said = run(tmp_path / "out", *named)
    assert said.code == 2
    assert said.lines == [
        f"{named[1]}: 2 frames, need 1; choose one with --frame",
        f"{named[0]}: modality 'SR' (structured report), need a radiograph"
        " (CR, DX, RF, XA, RG, OT, SC)",
        "3 files: 1 films, 0 skipped, 2 failed",
    ]


def test_a_study_without_a_film_is_skipped_in_the_end(
    study: Study, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copy(study.folder / "sr.dcm", folder)
    write(folder / "mr.dcm", drawn(0), SOPClassUID=uid.MRImageStorage)
    said = run(tmp_path / "out", folder)
    assert (said.code, said.lines[-1]) == (0, "2 files: 0 films, 2 skipped, 0 failed")
