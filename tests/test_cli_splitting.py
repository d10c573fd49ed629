"""The command line divides films, proves the division, and trains on nothing that leaks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image

from command_line import Run, Said
from spondyl.cli import main
from spondyl.data.coco import write_coco
from spondyl.data.folder import read_annotations
from spondyl.data.sample import Sample
from spondyl.data.splitting import PARTS, read_split, write_split

SETTINGS = (
    "model.name=unet_small", "model.pretrained=false", "data.image_size=64", "training.epochs=1",
    "training.batch_size=4", "training.validate_every=1", "training.warmup_epochs=0",
    "training.frozen_epochs=0",
)  # fmt: skip
TRAIN = ("--recipe", "demo", *(word for each in SETTINGS for word in ("--set", each)))
SHARES = ("--val", "0.3", "--test", "0.2")

Pixels = UInt8[np.ndarray, "h w"]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    assert main(["phantom", str(folder), "--films", "10", "--long-side", "160"]) == 0
    return folder


@pytest.fixture
def films(phantoms: Path, tmp_path: Path) -> Path:
    """The same phantoms, to be added to."""
    return Path(shutil.copytree(phantoms, tmp_path / "films"))


def add_copy(films: Path, name: str, change: Callable[[Pixels], Pixels]) -> tuple[str, str]:
    """Adds a changed copy of the first film, as of another patient; gives the keys of both."""
    samples = read_annotations(films).samples
    first, path = samples[0], samples[0].path.with_name(name)
    pixels = np.ascontiguousarray(change(np.asarray(Image.open(first.path).convert("L"))))
    Image.fromarray(pixels).save(path, quality=60)
    height, width = pixels.shape
    points = first.landmarks.points * (width / first.width)
    copy = replace(
        first, key=path.stem, group=path.stem, path=path, height=height, width=width,
        landmarks=first.landmarks.moved(points),
    )  # fmt: skip
    write_coco(films / "annotations.json", [*samples, copy])
    return first.key, copy.key


def split_apart(films: Path, path: Path, one: str, other: str) -> None:
    """Writes a split as an older version did, with two films on two sides."""
    samples = {sample.key: sample for sample in read_annotations(films).samples}
    left = [key for key in samples if key not in (one, other)]
    parts = {"train": [one, *left[:5]], "val": [other, *left[5:]], "test": []}
    told = {part: {samples[key].group: [key] for key in keys} for part, keys in parts.items()}
    path.write_text(json.dumps({"version": 1, "seed": 0, "parts": told}))


def test_a_split_is_written_shown_and_proved(films: Path, tmp_path: Path, run: Run) -> None:
    path, again = tmp_path / "split.json", tmp_path / "again.json"
    made = run("split", films, *SHARES, "--out", path)
    assert (made.code, made.lines) == (0, [])
    rows = {line.split("  ")[0]: line.split()[-3:] for line in made.out.splitlines() if line}
    assert rows["films"] == rows["groups"] == ["5", "3", "2"]
    assert {"facing: left", "source: phantom"} <= rows.keys()
    parts = "5 train, 3 val, 2 test"
    alone = "no group or name crosses", "(give DATA to compare the films themselves)"
    assert run("split", "--verify", path) == Said(0, f"{path}: {alone[0]} {parts} {alone[1]}\n", [])
    proved = f"{path}: no group, name or near-duplicate crosses {parts}\n"
    assert run("split", "--verify", path, films) == Said(0, proved, [])
    assert run("split", films, *SHARES, "--out", again).code == 0
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("renamed.jpg", lambda pixels: pixels, "near-duplicate (distance"),
        ("smaller.png", lambda pixels: pixels[::2, ::2], "near-duplicate (distance"),
        ("mirrored.jpg", lambda pixels: pixels[:, ::-1], "mirrored copy (distance"),
        ("phantom-00000_png.rf.9a8b.png", lambda pixels: pixels.T, "both phantom-00000 by name"),
    ],
)
def test_a_leaking_split_is_refused_each_time(
    name: str, change: Callable[[Pixels], Pixels], why: str, films: Path, tmp_path: Path, run: Run
) -> None:
    one, other = add_copy(films, name, change)
    leaking, made = tmp_path / "leaking.json", tmp_path / "made.json"
    split_apart(films, leaking, one, other)
    told = f"{one} (train) and {other} (val): {why}"

    verified = run("split", "--verify", leaking, films)
    assert verified.code == 1
    assert len(verified.out.splitlines()) == 1
    assert verified.out.startswith(told)

    trained = run("train", films, *TRAIN, "--out", tmp_path / "run", "--split", leaking)
    assert trained.code == 2
    assert trained.lines[-1].startswith(f"spondyl: {told}")
    assert trained.lines[-1].endswith("make another with spondyl split, or give --allow-leak")

    divided = run("split", films, *SHARES, "--out", made)
    assert divided.code == 0
    assert any("stay together" in line and why in line for line in divided.lines)
    side = {key: part for part in PARTS for key in read_split(made).keys(part)}
    assert side[one] == side[other]


def test_one_study_on_both_sides_is_refused(films: Path, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "split.json"
    samples = grouped(films, 2)
    split_apart(films, path, samples[0].key, samples[1].key)
    verified = run("split", "--verify", path)
    assert verified.code == 1
    assert "both of group study 0" in verified.out
    trained = run("train", films, *TRAIN, "--out", tmp_path / "run", "--split", path)
    assert trained.code == 2
    assert "both of group study 0; the first of" in trained.lines[-1]
    assert not (tmp_path / "run" / "split.json").exists()


def test_a_leak_is_allowed_only_when_asked_for_and_is_recorded(
    films: Path, tmp_path: Path, run: Run
) -> None:
    one, other = add_copy(films, "mirrored.png", lambda pixels: pixels[:, ::-1])
    path, folder = tmp_path / "split.json", tmp_path / "run"
    split_apart(films, path, one, other)
    asked = ("train", films, *TRAIN, "--out", folder, "--split", path)
    assert run(*asked, "--allow-leak").code == 0
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["allow_leak"] == [
        f"{one} (train) and {other} (val): mirrored copy (distance 0.00)"
    ]
    assert read_split(folder / "split.json").leaks_allowed
    assert run(*asked, "--allow-leak", "--resume").code == 0


def test_an_ordinary_run_neither_leaks_nor_speaks_of_it(
    films: Path, tmp_path: Path, run: Run
) -> None:
    folder = tmp_path / "run"
    assert run("train", films, *TRAIN, "--out", folder).code == 0
    assert "allow_leak" not in json.loads((folder / "run.json").read_text())
    assert run("split", "--verify", folder / "split.json", films).code == 0


def test_what_differs_between_split_and_films_is_said(
    films: Path, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "split.json"
    assert run("split", films, *SHARES, "--out", path).code == 0
    samples = read_annotations(films).samples
    split = read_split(path).without([samples[0].group])
    gone = replace(split, train=(*split.train, "gone"), groups={**split.groups, "gone": "gone"})
    write_split(gone, path)
    pixels = np.asarray(Image.open(samples[1].path)).copy()
    pixels[0] ^= 1
    Image.fromarray(pixels).save(samples[1].path)
    verified = run("split", "--verify", path, films)
    assert verified.code == 0
    assert verified.lines == [
        f"gone: in {path}, but not among the films",
        f"{samples[0].key}: among the films, but not in {path}",
        f"{samples[1].key}: its pixels have changed since {path} was made",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("split",), "need --out to make a split, or --verify to prove one"),
        (("split", "x", "--out", "a", "--verify", "b"), "need --out to make a split, or --verify"),
        (("split", "--out", "a"), "no DATA was given, need the folder of annotated films"),
        (("split", "--verify", "missing.json"), "missing.json: cannot be read as a split"),
    ],
)
def test_what_does_not_fit_together_is_said_in_one_line(
    arguments: tuple[str, ...], message: str, run: Run
) -> None:
    said = run(*arguments)
    assert said.code == 2
    assert len(said.lines) == 1
    assert message in said.lines[0]


def test_leaks_are_allowed_only_for_a_split_from_a_file(
    films: Path, tmp_path: Path, run: Run
) -> None:
    said = run("train", films, *TRAIN, "--out", tmp_path / "run", "--allow-leak")
    assert said.code == 2
    assert "need --split too" in said.lines[-1]


def grouped(films: Path, size: int) -> list[Sample]:
    """Files the films under studies of this size each."""
    samples = read_annotations(films).samples
    made = [replace(s, group=f"study {k // size}") for k, s in enumerate(samples)]
    write_coco(films / "annotations.json", made)
    return made


def test_a_file_that_is_there_is_replaced_only_when_told(
    phantoms: Path, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "split.json"
    path.write_text("mine")
    said = run("split", phantoms, *SHARES, "--out", path)
    assert (said.code, path.read_text()) == (2, "mine")
    assert "--overwrite" in said.lines[0]
    assert run("split", phantoms, *SHARES, "--out", path, "--overwrite").code == 0
    assert path.read_text() != "mine"
