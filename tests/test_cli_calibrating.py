"""The command line fits a checkpoint to a user's films, and says what that is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import Run
from spondyl.cli.calibrating import _remarks
from spondyl.data.coco import write_coco
from spondyl.data.phantom import plan_phantom
from spondyl.data.sample import Sample
from spondyl.learning import calibrating
from spondyl.learning.checkpoint import LoadedModel, load_model, save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.networks import Network, build_network
from spondyl.recipe import parse_recipe
from spondyl.spine.calibration import Calibration
from spondyl.spine.conformal import FEWEST
from spondyl.spine.measurement import Intervals
from spondyl.spine.uncertainty import ANY, SIGNS, CornerError, Uncertainty


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt nothing."""
    settings = {"model": {"name": "unet_small", "pretrained": False}, "data": {"image_size": 64}}
    recipe = parse_recipe(settings, name="test")
    codec = make_codec(recipe.codec, 64)
    torch.manual_seed(0)
    network = build_network(recipe.model, codec.channels, heatmap_size=codec.heatmap_size)
    path = tmp_path_factory.mktemp("run") / "best_mre.safetensors"
    save_model(path, network, recipe, about={})
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight films of noise, with the corners of phantoms."""
    folder = tmp_path_factory.mktemp("data")
    rng, samples = np.random.default_rng(0), []
    for index in range(8):
        plan = plan_phantom(rng, long_side=160)
        height, width = plan.scene.height, plan.scene.width
        path = folder / "images" / f"film-{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (height, width), dtype=np.uint8)).save(path)
        samples.append(
            Sample(path.stem, path, height, width, plan.landmarks, path.stem, "noise",
                   view="lateral")
        )  # fmt: skip
    write_coco(folder / "annotations.json", samples)
    return folder


def test_a_checkpoint_is_calibrated_and_the_file_is_printed(
    run: Run, weights: Path, data: Path, tmp_path: Path
) -> None:
    out, before = tmp_path / "ours.safetensors", weights.read_bytes()
    said = run("calibrate", weights, data, "--out", out, "--device", "cpu")
    assert (said.code, said.out) == (0, f"{out}\n")
    assert said.lines[-1] == (
        "8 films or patients with vertebrae that were found: too few, no measurement will have "
        "an interval; need 30"
    )
    assert weights.read_bytes() == before
    old, new = load_model(weights), load_model(out)
    assert new.digest == old.digest
    assert new.calibration is not None
    assert Calibration.from_json(new.calibration).uncertainty is None
    assert new.about["calibrated_on"]["films"] == 8


def test_half_is_rounded_first_and_stays_half(
    run: Run, weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fitted is the network in the file; calibrating that file anew keeps its kernels."""
    fitted: list[Network] = []

    def seen(model: LoadedModel, *_: object, **__: object) -> Calibration:
        fitted.append(model.network)
        return Calibration()

    monkeypatch.setattr(calibrating, "calibrate", seen)
    half, again = tmp_path / "half.safetensors", tmp_path / "again.safetensors"
    assert run("calibrate", weights, data, "--out", half, "--half").code == 0
    assert run("calibrate", half, data, "--out", again).code == 0
    assert half.stat().st_size < 0.55 * weights.stat().st_size
    old, new = load_model(weights), load_model(half)
    assert new.about["rounded_from"] == old.digest != new.digest
    assert load_model(again).digest == new.digest
    for name, tensor in old.network.state_dict().items():
        expected = tensor.half().float() if tensor.dim() > 1 else tensor
        assert torch.equal(fitted[0].state_dict()[name], expected)
        assert torch.equal(new.network.state_dict()[name], expected)


def test_a_kernel_beyond_half_precision_is_refused(
    run: Run, weights: Path, data: Path, tmp_path: Path
) -> None:
    model, large = load_model(weights), tmp_path / "large.safetensors"
    tensors = {**model.tensors, "head.final.weight": -7e4 * torch.ones(33, 32, 1, 1)}
    save_model(large, tensors, model.recipe, about={})
    said = run("calibrate", large, data, "--out", tmp_path / "half.safetensors", "--half")
    assert said.code == 2
    assert said.lines[-1] == (
        f"spondyl: {large}: head.final.weight has values up to 70000, half precision reaches "
        "65504; leave --half away"
    )


def test_a_file_that_is_there_is_not_replaced_unless_asked_for(
    run: Run, weights: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ours.safetensors"
    out.write_bytes(b"somebody's")
    said = run("calibrate", weights, data, "--out", out)
    assert said.code == 2
    assert said.lines == [f"spondyl: {out}: is there already; need another --out, or --overwrite"]
    assert out.read_bytes() == b"somebody's"
    assert run("calibrate", weights, data, "--out", out, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--out", "ours.pt"), "ours.pt: is a checkpoint; need a name that ends in .safetensors"),
        (
            ("--out", "ours.safetensors", "--coverage", "90"),
            "--coverage 90: need a share from 0.5 to 0.99, such as 0.9",
        ),
        (
            ("--out", "ours.safetensors", "--part", "val"),
            "--split and --part: only one was given; need both, or neither",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    run: Run, weights: Path, data: Path, arguments: tuple[str, ...], line: str
) -> None:
    said = run("calibrate", weights, data, *arguments)
    assert (said.code, said.lines) == (2, [f"spondyl: {line}"])


def test_a_missing_checkpoint_is_named(run: Run, data: Path, tmp_path: Path) -> None:
    said = run(
        "calibrate", tmp_path / "none.safetensors", data, "--out", tmp_path / "a.safetensors"
    )
    assert said.code == 2
    assert said.lines[-1] == f"spondyl: {tmp_path / 'none.safetensors'}: no such checkpoint"


def test_a_user_learns_what_few_films_are_worth() -> None:
    corners = CornerError(0.9, (0.0,) * len(SIGNS), {ANY: 1.0}, {ANY: 1.0})
    factors = {"slip": 1.5, "slip, posterior corner": 1.4, "wedge": 2.0}
    errors = Uncertainty((corners,), Intervals(0.9, 40, factors))
    assert _remarks(errors, 60) == ["intervals for 2 measurements: slip, wedge"]
    assert _remarks(errors, 40)[1] == (
        "only 40 films or patients: intervals that say 90 % may hold in some 10 in 100 more or "
        "fewer; need 50 or more"
    )
    assert str(2 * FEWEST) in _remarks(None, 12)[0]
