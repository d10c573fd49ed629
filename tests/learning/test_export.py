"""An exported network finds what it found in torch, by itself, and every byte of it is checked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from spondyl.errors import CheckpointError
from spondyl.film.radiograph import Radiograph
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import load_predictor
from spondyl.learning.export import TOLERANCE, Proof, export, prove
from spondyl.learning.networks import build_network
from spondyl.recipe import parse_recipe
from spondyl.session import load_session, sealed
from spondyl.spine.calibration import Calibration


def untrained(path: Path, codec: str = "set", network: str = "unet_small") -> Path:
    """A network with random weights, its maps full of peaks of many heights."""
    settings = {"name": codec, **({"heatmap_size": 32} if codec == "slots" else {})}
    recipe = parse_recipe(
        {
            "model": {"name": network, "pretrained": False},
            "codec": settings,
            "data": {"image_size": 128},
        },
        name="test",
    )
    torch.manual_seed(3)
    own = make_codec(recipe.codec, 128)
    made = build_network(
        recipe.model, own.channels, heatmap_size=own.heatmap_size, head_bias=own.head_bias
    )
    with torch.no_grad():
        seen = torch.from_numpy(films(2))[:, None] / 255
        made.head.final.weight *= 4 / made.eval()(seen).std()
        made.head.final.bias.zero_()
    told = Calibration(temperature=1.7, score_threshold=0.2).to_json()
    save_model(path, made, recipe, calibration=told, about={"epoch": 3})
    return path


def films(count: int, size: int = 128) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, size, size), dtype=np.uint8)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("exported")
    weights = untrained(folder / "best.safetensors")
    export(weights, folder / "network.onnx")
    return weights, folder / "network.onnx"


def test_both_find_the_same_vertebrae_at_the_same_corners(both: tuple[Path, Path]) -> None:
    proof = prove(*both, films(6))
    assert proof.equal
    assert proof.vertebrae >= 6
    assert proof.corner_px < TOLERANCE


def test_a_kernel_that_half_precision_would_change_stays_whole(both: tuple[Path, Path]) -> None:
    learnt = load_model(both[0]).network.state_dict()
    kept = {i.name.removeprefix("network."): i for i in onnx.load(both[1]).graph.initializer}
    kernels = [name for name, tensor in learnt.items() if tensor.dim() > 1]
    assert len(kernels) >= 10
    for name in kernels:
        np.testing.assert_array_equal(numpy_helper.to_array(kept[name]), learnt[name].numpy())


def test_slots_are_exported_too(tmp_path: Path) -> None:
    weights = untrained(tmp_path / "best.safetensors", "slots")
    export(weights, tmp_path / "network.onnx")
    proof = prove(weights, tmp_path / "network.onnx", films(6))
    assert proof.equal
    assert proof.vertebrae == 60


def test_an_hrnet_is_exported_too(tmp_path: Path) -> None:
    weights = untrained(tmp_path / "best.safetensors", network="hrnet_w18_small")
    export(weights, tmp_path / "network.onnx")
    assert prove(weights, tmp_path / "network.onnx", films(2)).equal


def test_the_predictor_of_the_file_is_that_of_the_checkpoint(both: tuple[Path, Path]) -> None:
    weights, exported = both
    first, second = load_predictor(weights, device="cpu"), load_session(exported)
    assert second.calibration == first.calibration
    assert second.made_by == first.made_by
    film = Radiograph((films(1, 200)[0, :, :150] / 255).astype(np.float32))
    one, other = first(film), second(film)
    np.testing.assert_allclose(other.points, one.points, atol=0.01)
    assert other.names == one.names


def test_any_number_of_films_goes_through_at_once(both: tuple[Path, Path]) -> None:
    detector = load_session(both[1]).detector
    inputs = films(5)
    together, alone = detector(inputs), [detector(film[None])[0] for film in inputs]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.corners, other.corners, atol=1e-3)


def test_the_file_is_an_onnx_graph_that_others_open(both: tuple[Path, Path]) -> None:
    model = onnx.load(both[1])
    onnx.checker.check_model(model)
    assert [output.name for output in model.graph.output][:2] == ["score", "corners"]
    assert {entry.key for entry in model.metadata_props} >= {"spondyl", "seal"}


def test_a_single_wrong_bit_is_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    whole = bytearray(both[1].read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / "flipped.onnx").write_bytes(whole)
    with pytest.raises(CheckpointError, match="does not match its SHA-256"):
        load_session(tmp_path / "flipped.onnx")


@pytest.mark.parametrize("kept", [0, 40, 1000])
def test_a_file_cut_short_is_refused(both: tuple[Path, Path], tmp_path: Path, kept: int) -> None:
    (tmp_path / "short.onnx").write_bytes(both[1].read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="cut short"):
        load_session(tmp_path / "short.onnx")


def test_a_graph_of_somebody_else_is_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    model = onnx.load(both[1])
    del model.metadata_props[:]
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="not a network that spondyl exported"):
        load_session(tmp_path / "other.onnx")


def test_a_calibration_of_another_version_is_refused(
    both: tuple[Path, Path], tmp_path: Path
) -> None:
    model = onnx.load(both[1])
    for entry in model.metadata_props:
        if entry.key == "spondyl":
            entry.value = json.dumps({**json.loads(entry.value), "calibration": {"heat": 2.0}})
    del model.metadata_props[-1]  # the seal
    (tmp_path / "old.onnx").write_bytes(sealed(model.SerializeToString()))
    with pytest.raises(CheckpointError, match=r"old\.onnx: its calibration cannot be used"):
        load_session(tmp_path / "old.onnx")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.onnx: no such file"):
        load_session(tmp_path / "none.onnx")


def test_prediction_never_loads_torch(both: tuple[Path, Path]) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path;"
        "from spondyl.session import load_session;"
        f"load_session(Path({str(both[1])!r})).detector(np.zeros((1, 128, 128), np.uint8));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_proof_fails_on_one_vertebra_or_a_hundredth_of_a_pixel() -> None:
    good = Proof(films=2, vertebrae=9, unequal=0, corner_px=0.009)
    assert good.equal
    assert not replace(good, unequal=1).equal
    assert not replace(good, corner_px=0.011).equal
