"""The command line goes on from a checkpoint, with or without a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spondyl.cli import main
from spondyl.recipe import read_recipe

SMALL = ("data.image_size=64", "data.val_split=0.3", "training.epochs=1",
         "training.validate_every=1", "training.warmup_epochs=0")  # fmt: skip
SETTINGS = tuple(word for each in SMALL for word in ("--set", each))

Run = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code, what was printed, and the lines of the error stream."""
    monkeypatch.delenv("SPONDYL_DEBUG", raising=False)

    def command(*arguments: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err.splitlines()

    return command


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    assert main(["phantom", str(folder), "--films", "8", "--long-side", "160"]) == 0
    return folder


@pytest.fixture(scope="module")
def checkpoint(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network after one epoch of the recipe ``fine-tune``, from scratch."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    words = ("train", phantoms, "--recipe", "fine-tune", "--out", folder, "--device", "cpu")
    assert main([*map(str, words), *SETTINGS]) == 0
    return folder / "best_mre.safetensors"


def test_a_checkpoint_is_all_that_fine_tuning_needs(
    run: Run, phantoms: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """Network, codec and input size are its own; the run can be resumed without it."""
    begin = ("train", phantoms, "--init", checkpoint, "--out", tmp_path / "run", "--device", "cpu")
    code, printed, _ = run(*begin, *SETTINGS[2:], "--seed", 3)
    assert (code, printed.strip()) == (0, str(tmp_path / "run" / "best_mre.safetensors"))
    recipe = read_recipe(tmp_path / "run" / "recipe.yaml")
    assert (recipe.model.name, recipe.data.image_size, recipe.seed) == ("unet_small", 64, 3)
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["init"]["file"] == "best_mre.safetensors"
    code, again, _ = run("train", phantoms, "--out", tmp_path / "run", "--resume")
    assert (code, again) == (0, printed)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--recipe", "demo"), "best_mre.safetensors: is of network unet_small, the recipe asks "
         "for hrnet_w18_small; leave --recipe away, or set model.name to unet_small"),
        (("--weights", "x.pth"), "--init and --weights: need one of the two"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_checkpoint_is_one_line(
    run: Run, phantoms: Path, checkpoint: Path, tmp_path: Path, asked: tuple[str, str], said: str
) -> None:
    out = tmp_path / "run"
    code, _, lines = run("train", phantoms, "--init", checkpoint, *asked, "--out", out)
    assert (code, lines) == (2, [f"spondyl: {said}"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "--recipe and --init: need one of the two, or both"),
        (("--init", "spondyl-tall"), "spondyl-tall: no such network comes with spondyl; "
         "need a .safetensors checkpoint"),
        (("--init", "gone.safetensors"), "gone.safetensors: no such checkpoint"),
    ],
)  # fmt: skip
def test_nothing_to_start_from_is_one_line(
    run: Run, phantoms: Path, tmp_path: Path, asked: tuple[str, ...], said: str
) -> None:
    code, _, lines = run("train", phantoms, *asked, "--out", tmp_path / "run")
    assert (code, lines) == (2, [f"spondyl: {said}"])
    assert not (tmp_path / "run").exists()
