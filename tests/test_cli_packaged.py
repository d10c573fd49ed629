"""Predicting with no argument but the film: the network and the example that the package brings."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import spondyl.weights
from spondyl.cli import main
from spondyl.data.phantom import phantom
from spondyl.data.phantom_frontal import frontal_phantom
from spondyl.errors import CheckpointError, FilmError
from spondyl.film.letterbox import prepare
from spondyl.film.reading import read_radiograph
from spondyl.learning.export import prove
from spondyl.learning.starting import PACKAGED, find_start
from spondyl.session import load_session
from spondyl.weights import DEFAULT, example_film, packaged, packaged_names
from tiny_network import export_tiny

ROOT = Path(__file__).parents[1]
WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "timm", "lightning", "scipy", "matplotlib"):
    sys.modules[name] = None
from spondyl.cli import main
sys.exit(main(sys.argv[1:]))
"""

needs_network = pytest.mark.skipif(
    DEFAULT not in packaged_names(), reason=f"{DEFAULT} is not in this copy of spondyl"
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return export_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def package(both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder whose only network is the tiny one."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / f"{DEFAULT}.onnx").write_bytes(both[1].read_bytes())
    (folder / "example.dcm").write_bytes(example_film().read_bytes())
    monkeypatch.setattr(spondyl.weights, "_HERE", folder)
    return folder


def without_torch(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_exported_network_predicts_where_torch_and_scipy_cannot_be_imported(
    both: tuple[Path, Path], tmp_path: Path
) -> None:
    done = without_torch("predict", example_film(), "--weights", both[1], cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (0, ["results go to spondyl-results"])
    assert Path(done.stdout.strip()) == Path("spondyl-results") / "predictions.json"
    [image] = json.loads((tmp_path / done.stdout.strip()).read_text())["images"]
    assert (image["width"], image["height"]) == (413, 640)


def test_a_checkpoint_without_torch_says_what_to_install(
    both: tuple[Path, Path], tmp_path: Path
) -> None:
    done = without_torch("predict", example_film(), "--weights", both[0], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "spondyl: torch is not installed; run: pip install 'spondyl[train]'\n"


@pytest.mark.parametrize("weights", [(), ("--weights", DEFAULT)])
def test_the_network_of_the_package_is_the_default_and_has_a_name(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "--example", "--out", "found", *weights]) == 0
    made = json.loads(Path("found/predictions.json").read_text())["info"]
    assert load_session(package / f"{DEFAULT}.onnx").made_by["weights_digest"] in str(made)


def test_a_file_in_the_folder_counts_before_a_name_of_the_package(
    both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spondyl.cli.networks import find_networks

    monkeypatch.chdir(tmp_path)
    Path(DEFAULT).touch()
    assert find_networks([DEFAULT]) == (Path(DEFAULT),)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--tta", "4"), "tiny.onnx: an exported network looks once and alone"),
        (("--mc-dropout", "2"), "tiny.onnx: an exported network looks once and alone"),
        (("--weights", "other.onnx"), "tiny.onnx: an exported network looks once and alone"),
        (("--device", "cuda"), "--device cuda: tiny.onnx is an exported network"),
    ],
)
def test_what_needs_a_checkpoint_is_one_line(
    both: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    asked: tuple[str, ...], said: str,
) -> None:  # fmt: skip
    common = ["predict", "--example", "--out", str(tmp_path / "x"), "--weights", str(both[1])]
    assert main([*common, *asked]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"spondyl: {said}")
    assert "checkpoint" in line


def test_an_unknown_name_is_told_the_names_there_are(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["predict", "--example", "--out", str(tmp_path / "x"), "--weights", "spondyl-huge"]
    assert main(asked) == 2
    [line] = capsys.readouterr().err.splitlines()
    expected = "spondyl-huge: no such file, and no network of the package; need spondyl-small, "
    assert line.startswith(f"spondyl: {expected}")


def test_a_copy_without_networks_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spondyl.weights, "_HERE", tmp_path)
    with pytest.raises(CheckpointError, match="this copy of spondyl has no network in it"):
        packaged()
    with pytest.raises(FilmError, match="has no example film"):
        example_film()


@pytest.mark.parametrize("more", [("film.png",), ("--data", "folder")])
def test_the_example_is_asked_for_alone(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    assert main(["predict", "--example", "--out", str(tmp_path / "x"), *more]) == 2
    assert "need one of the three" in capsys.readouterr().err


def test_the_example_is_what_its_seed_draws() -> None:
    drawn, film = _drawing().drawn().radiograph, read_radiograph(example_film())
    grey = np.abs(film.pixels - drawn.pixels).max() * 255
    assert grey <= 1  # rounding to 8 bit, and what another processor may round otherwise
    assert film.view == "lateral"
    assert film.spacing is not None
    assert film.spacing.plane == "patient"
    assert film.spacing.row_mm == pytest.approx(drawn.spacing.row_mm, rel=1e-5)
    assert 50_000 < example_film().stat().st_size < 200_000


@needs_network
def test_the_network_of_the_package_finds_the_spine_of_the_example() -> None:
    """Every vertebra, by no other name than its own, its corners within 1 % of the diagonal."""
    made, film = _drawing().drawn(), read_radiograph(example_film())
    found = load_session(packaged())(film)
    assert found.refusal is None
    assert len(found) == len(made.truth)
    named = zip(found.names, made.truth.names, strict=True)
    assert all(said in (None, true) for said, true in named)
    error = np.linalg.norm(found.points - made.truth.points, axis=-1)
    assert np.nanmean(error) < 0.01 * film.diagonal


@needs_network
def test_everything_packaged_is_small_and_calibrated() -> None:
    for name in packaged_names():
        assert packaged(name).stat().st_size < 20e6
        known = load_session(packaged(name))
        assert known.intervals is not None
        assert known.calibration.trust is not None


@needs_network
def test_the_network_of_the_package_can_be_trained_on_and_is_the_one_that_predicts() -> None:
    start = find_start(DEFAULT)
    weights = PACKAGED / f"{DEFAULT}.safetensors"
    assert start.model.digest == load_session(packaged()).made_by["weights_digest"]
    assert weights.stat().st_size <= 8e6
    drawn = [make(5, k, long_side=640) for make in (phantom, frontal_phantom) for k in (0, 1)]
    size = start.model.recipe.data.image_size
    inputs = np.stack([prepare(film.radiograph, size)[1] for film in drawn])
    proof = prove(weights, packaged(), inputs)
    assert proof.equal
    assert proof.vertebrae > 30


def _drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_film", ROOT / "docs" / "example_film.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
