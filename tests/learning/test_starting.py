"""Does fine-tuning begin with a checkpoint's weights, all that fit, and say what does not?"""

import json
from pathlib import Path

import pytest
import torch
from small_runs import assert_same_run, assert_same_tensors, small

from spondyl.data.sample import Sample
from spondyl.errors import CheckpointError, TrainingError
from spondyl.learning import train
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.networks import Network, build_network
from spondyl.learning.starting import Start, find_start
from spondyl.learning.train import fit
from spondyl.recipe import Recipe, override


class Stopped(Exception):
    """Before the first step."""


@pytest.fixture(scope="module")
def start(whole_run: Path) -> Start:
    return find_start(str(whole_run / "best_mre.safetensors"))


def first_network(
    samples: list[Sample], recipe: Recipe, folder: Path, start: Start, monkeypatch
) -> Network:
    """The network that a training would make its first step with."""
    seen: list[Network] = []

    def training_step(self, batch, batch_idx):
        seen.extend((self.network, self.judged_network))
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(train.LandmarkModule, "training_step", training_step)
        with pytest.raises(Stopped):
            fit(samples, recipe, folder, device="cpu", start=start)
    assert_same_tensors(seen[0].state_dict(), seen[1].state_dict())
    return seen[0]


def part(network: Network, prefix: str) -> dict[str, torch.Tensor]:
    return {k: v for k, v in network.state_dict().items() if k.startswith(prefix)}


def test_the_first_step_is_made_with_the_checkpoints_weights(
    samples, start, tmp_path, monkeypatch, capsys
):
    """Backbone, head and BatchNorm statistics, and their moving average."""
    recipe = small(ema_decay=0.9)
    network = first_network(samples, recipe, tmp_path / "run", start, monkeypatch)
    assert_same_tensors(network.state_dict(), start.model.network.state_dict())
    assert "anew" not in capsys.readouterr().err


def test_gaussians_of_another_width_keep_the_head(start):
    network, codec = untrained(override(small(), ["codec.corner_sigma=2"]))
    assert start.give(network, codec) is None
    assert_same_tensors(network.state_dict(), start.model.network.state_dict())


@pytest.mark.parametrize(
    ("settings", "there", "here"),
    [
        (
            ["codec.name=slots", "codec.heatmap_size=64"],
            "codec set",
            "codec slots, 10 from the top",
        ),
        (
            ["codec.name=slots", "codec.heatmap_size=64", "codec.slots=4"],
            "codec set",
            "codec slots, 4 from the top",
        ),
    ],
)
def test_another_codec_starts_the_head_anew_and_says_so(
    samples, start, tmp_path, monkeypatch, capsys, settings, there, here
):
    recipe = override(small(), settings)
    network = first_network(samples, recipe, tmp_path / "run", start, monkeypatch)
    assert_same_tensors(part(network, "backbone."), part(start.model.network, "backbone."))
    torch.manual_seed(recipe.seed)
    assert_same_tensors(part(network, "head."), part(untrained(recipe)[0], "head."))
    expected = (
        f"best_mre.safetensors: its head starts anew: it was trained for {there}, need {here}"
    )
    assert expected in capsys.readouterr().err.splitlines()


def test_slots_counted_from_the_other_end_start_the_head_anew(tmp_path):
    """It has as many channels, but they mean other vertebrae."""
    settings = ["codec.name=slots", "codec.heatmap_size=64"]
    top = override(small(), settings)
    save_model(tmp_path / "top.safetensors", untrained(top)[0], top, about={})
    from_top = find_start(str(tmp_path / "top.safetensors"))
    network, codec = untrained(override(top, ["codec.anchor=bottom"]))
    own = {name: tensor.clone() for name, tensor in part(network, "head.").items()}
    assert "10 from the top, need codec slots, 10 from the bottom" in (
        from_top.give(network, codec) or ""
    )
    assert_same_tensors(part(network, "head."), own)
    same, codec = untrained(top)
    assert from_top.give(same, codec) is None


def test_weights_of_half_precision_are_taken(start, tmp_path):
    """Rounded to 11 bits, and learnt on in full precision."""
    whole = start.model.network.state_dict()
    halved = {k: v.half() if v.is_floating_point() else v for k, v in whole.items()}
    save_model(tmp_path / "half.safetensors", halved, start.model.recipe, about={})
    network, codec = untrained(small())
    assert find_start(str(tmp_path / "half.safetensors")).give(network, codec) is None
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == whole[name].dtype
        torch.testing.assert_close(tensor, whole[name], rtol=2**-11, atol=2**-24)


def test_another_network_is_refused_before_anything_is_written(samples, start, tmp_path):
    recipe = override(small(), ["model.name=hrnet_w18_small"])
    message = "best_mre.safetensors: is of network unet_small, the recipe asks for hrnet_w18_small"
    with pytest.raises(CheckpointError, match=message):
        fit(samples, recipe, tmp_path / "run", device="cpu", start=start)
    assert not (tmp_path / "run" / "run.json").exists()


def test_the_recipe_is_for_the_checkpoints_network_codec_and_input(start):
    recipe, own = start.recipe(), start.model.recipe
    assert recipe.model.name == own.model.name
    assert recipe.model.dropout == own.model.dropout
    assert (recipe.codec, recipe.data.image_size) == (own.codec, own.data.image_size)
    assert recipe.training.learning_rate < own.training.learning_rate


def test_first_weights_of_the_recipe_are_not_looked_for(start):
    """No download, no file: the checkpoint replaces them, so a resume needs none of them either."""
    recipe = override(small(), ["model.pretrained=true", "model.weights=gone.pth"])
    model = start.fit_to(recipe).model
    assert (model.pretrained, model.weights) == (False, None)


def test_a_name_is_looked_for_among_the_networks_of_the_package(whole_run, tmp_path, monkeypatch):
    checkpoint = whole_run / "best_mre.safetensors"
    (tmp_path / "spondyl-tiny.safetensors").write_bytes(checkpoint.read_bytes())
    monkeypatch.setattr("spondyl.learning.starting.PACKAGED", tmp_path)
    assert find_start("spondyl-tiny").model.digest == load_model(checkpoint).digest
    with pytest.raises(CheckpointError, match="spondyl-tall: no such network comes with spondyl"):
        find_start("spondyl-tall")


def test_a_resumed_run_needs_no_checkpoint_and_equals_an_uninterrupted_one(
    samples, start, tmp_path, monkeypatch
):
    recipe = small(ema_decay=0.9)
    fit(samples, recipe, tmp_path / "whole", device="cpu", start=start)
    original = train.LandmarkModule.training_step

    def training_step(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise Stopped
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(train.LandmarkModule, "training_step", training_step)
        with pytest.raises(Stopped):
            fit(samples, recipe, tmp_path / "run", device="cpu", start=start)
    fit(samples, recipe, tmp_path / "run", device="cpu", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "run")
    for run in ("whole", "run"):
        assert_names_its_origin(tmp_path / run, start)


def assert_names_its_origin(run: Path, start: Start) -> None:
    origin = {"file": "best_mre.safetensors", "digest": start.model.digest}
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["finished"]
    assert manifest["init"] == origin
    assert load_model(run / "best_mre.safetensors").about["init"] == origin


def test_a_run_does_not_go_on_from_other_weights(samples, start, whole_run, tmp_path):
    """Neither one that began with none, nor one that began with others."""
    with pytest.raises(TrainingError, match="was started from other weights"):
        fit(samples, small(ema_decay=0.9, checkpoint_every=2), whole_run, resume=True, start=start)
    recipe = small(epochs=1)
    fit(samples, recipe, tmp_path / "run", device="cpu", start=start)
    fit(samples, recipe, tmp_path / "run", device="cpu", resume=True, start=start)
    other = find_start(str(whole_run / "epoch_0002.safetensors"))
    if other.model.digest != start.model.digest:
        with pytest.raises(TrainingError, match="leave --init away"):
            fit(samples, recipe, tmp_path / "run", device="cpu", resume=True, start=other)


def untrained(recipe: Recipe) -> tuple[Network, object]:
    """A network with its random weights, and the codec's recipe."""
    codec = make_codec(recipe.codec, recipe.data.image_size)
    network = build_network(
        recipe.model,
        codec.channels,
        heatmap_size=codec.heatmap_size,
        head_bias=codec.head_bias,
    )
    return network, recipe.codec
