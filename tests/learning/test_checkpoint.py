"""Does a model come back as it was kept, and never damaged."""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from spondyl.errors import CheckpointError
from spondyl.learning import checkpoint
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.networks import Network, build_network
from spondyl.recipe import ModelRecipe, Recipe, SlotsCodecRecipe

RECIPE = Recipe(model=ModelRecipe(name="unet_small", pretrained=True, freeze_stages=1), seed=3)
ABOUT = {"epoch": 7, "metrics": {"val_mre": 3.25, "val_loss": None}}


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return build_network(RECIPE.model, 6).eval()


@pytest.fixture
def kept(network: Network, tmp_path: Path) -> Path:
    path = tmp_path / "best.safetensors"
    save_model(path, network, RECIPE, calibration={"knots": [0.1, 0.7]}, about=ABOUT)
    return path


def parts(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata()), load_file(path)


def forge(path: Path, tensors: Mapping[str, Tensor], **metadata: str) -> None:
    """Rewrites a checkpoint with a digest and a seal that fit: only its meaning is wrong."""
    old, _ = parts(path)
    new = {**old, **metadata}
    new.pop("seal")
    new["digest"] = checkpoint._digest(tensors, new["recipe"])
    save_file(dict(tensors), path, {**new, "seal": checkpoint._seal(new)})


def test_a_model_comes_back_as_it_was(network, kept):
    loaded = load_model(kept)
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(loaded.network(image), network(image))
    assert not loaded.network.training
    assert loaded.recipe == RECIPE
    assert loaded.calibration == {"knots": [0.1, 0.7]}
    assert {key: loaded.about[key] for key in ABOUT} == ABOUT
    assert loaded.about["version"]
    assert loaded.about["made"].endswith("Z")


def test_maps_of_another_size_come_back_too(tmp_path):
    recipe = RECIPE.model_copy(update={"codec": SlotsCodecRecipe(heatmap_size=192)})
    network = build_network(recipe.model, 40, heatmap_size=192)
    save_model(tmp_path / "a", network.state_dict(), recipe, about={})
    loaded = load_model(tmp_path / "a")
    assert loaded.calibration is None
    assert loaded.network(torch.zeros(1, 1, 64, 64)).shape == (1, 40, 192, 192)


def test_channels_last_weights_are_the_same_weights(network, kept, tmp_path):
    laid_out = build_network(RECIPE.model, 6)
    laid_out.load_state_dict(network.state_dict())
    laid_out = laid_out.to(memory_format=torch.channels_last)
    digest = save_model(tmp_path / "b", laid_out, RECIPE, about={})
    assert digest == load_model(kept).digest


def test_the_digest_follows_weights_and_recipe_only(network, kept, tmp_path):
    digest = load_model(kept).digest
    state = {**network.state_dict(), "head.final.bias": torch.full((6,), 1e-6)}
    other: Any = RECIPE.model_copy(update={"seed": 4})
    again = save_model(tmp_path / "a", network, RECIPE, about={"made": "another day"})
    assert again == digest
    assert save_model(tmp_path / "b", state, RECIPE, about=ABOUT) != digest
    assert save_model(tmp_path / "c", network, other, about=ABOUT) != digest


def test_every_flipped_bit_is_found(kept):
    """In the header, where names and recipe are, and in the weights."""
    whole = kept.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    generator = np.random.default_rng(0)
    places = [*generator.integers(0, header, 30), *generator.integers(header, len(whole), 15)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(generator.integers(8))
        kept.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"best\.safetensors: ") as caught:
            load_model(kept)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.9999])
def test_a_file_cut_off_is_damaged(kept, share):
    whole = kept.read_bytes()
    kept.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(kept)


def test_a_changed_calibration_is_found(kept):
    metadata, tensors = parts(kept)
    save_file(tensors, kept, {**metadata, "calibration": json.dumps({"knots": [0.1, 0.9]})})
    with pytest.raises(CheckpointError, match="does not match"):
        load_model(kept)


def test_what_is_no_checkpoint_is_named(kept, tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="a folder, need a checkpoint such as"):
        load_model(tmp_path)
    kept.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is empty"):
        load_model(kept)
    kept.write_text("not a checkpoint at all")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load_model(kept)


def test_plain_weights_are_sent_to_training(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "plain.safetensors")
    with pytest.raises(CheckpointError, match="give --weights FILE"):
        load_model(tmp_path / "plain.safetensors")


def test_a_newer_format_is_named(kept):
    forge(kept, load_file(kept), format="spondyl 2")
    with pytest.raises(CheckpointError, match=r"newer spondyl \(format 2\)"):
        load_model(kept)


def test_a_recipe_that_this_version_does_not_know_is_named(kept):
    forge(kept, load_file(kept), recipe=json.dumps({"modle": {}}))
    with pytest.raises(CheckpointError, match=r"unknown setting 'modle'.*another version"):
        load_model(kept)


def test_a_checkpoint_of_another_network_is_refused_by_its_first_key(kept):
    tensors = load_file(kept)
    moved = {key.replace("encoder.1.", "encoder.9."): value for key, value in tensors.items()}
    forge(kept, moved)
    with pytest.raises(CheckpointError, match=r"than unet_small: backbone.encoder.1.0.weight is"):
        load_model(kept)
    forge(kept, {**tensors, "head.final.weight": torch.zeros(6, 31, 1, 1)})
    with pytest.raises(CheckpointError, match=r"head.final.weight is 6 x 31 x 1 x 1, need 6 x 32"):
        load_model(kept)


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize(
    "dump", [torch.save, lambda data, path: path.write_bytes(pickle.dumps(data))]
)
def test_a_pickle_is_never_opened(dump, tmp_path):
    dump(Payload(tmp_path / "ran"), tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="is a pickle"):
        load_model(tmp_path / "model.safetensors")
    assert not (tmp_path / "ran").exists()


def test_a_header_whose_length_begins_like_a_pickle_makes_no_pickle(network, tmp_path):
    """Lengths are multiples of 8: one file of 32 begins with the byte of a pickle."""
    path = tmp_path / "model.safetensors"
    save_model(path, network, RECIPE, about={"note": ""})
    length = int.from_bytes(path.read_bytes()[:8], "little")
    save_model(path, network, RECIPE, about={"note": " " * ((0x80 - length) % 256)})
    assert path.read_bytes()[:1] == b"\x80"
    assert load_model(path).recipe == RECIPE


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_stop_while_saving_leaves_the_old_model(network, kept, monkeypatch, moment):
    before = kept.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os if moment == "fsync" else Path, moment, stop)
    with pytest.raises(KeyboardInterrupt):
        save_model(kept, network, RECIPE, about={})
    assert kept.read_bytes() == before
    assert list(kept.parent.iterdir()) == [kept]


def test_a_full_disk_is_one_line(network, kept, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*; needs 3 MB"):
        save_model(kept, network, RECIPE, about={})
    assert load_model(kept).about["epoch"] == 7
