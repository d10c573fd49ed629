"""A checkpoint looks at films: the torch side gives what the codec decodes, nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spondyl.errors import CheckpointError
from spondyl.learning.checkpoint import save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import TorchDetector, load_predictor, pick_device
from spondyl.learning.networks import build_network
from spondyl.recipe import Recipe, parse_recipe


class Oracle(torch.nn.Module):
    """Answers the same maps whatever it is shown."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.dtype == torch.float32
        assert inputs.shape[1] == 1
        assert 0 <= float(inputs.min()) <= float(inputs.max()) <= 1
        return self.maps[None].expand(len(inputs), -1, -1, -1)


def recipe(codec: str) -> Recipe:
    settings = {"name": codec, **({"heatmap_size": 16} if codec == "slots" else {})}
    return parse_recipe(
        {
            "model": {"name": "unet_small", "pretrained": False},
            "codec": settings,
            "data": {"image_size": 64},
        },
        name="test",
    )


def test_every_film_of_a_batch_gets_its_own_detections() -> None:
    made = recipe("set")
    codec = make_codec(made.codec, 64)
    maps = torch.full((codec.channels, 16, 16), -9.0)
    maps[0, 5, 7] = 4.0
    detector = TorchDetector(Oracle(maps), made)
    found = detector(np.full((3, 64, 64), 255, dtype=np.uint8))
    assert [len(each) for each in found] == [1, 1, 1]
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-4)))
    assert detector.input_size == 64
    assert not detector.ordered


@pytest.mark.parametrize("codec", ["set", "slots"])
def test_a_checkpoint_becomes_a_predictor_that_says_what_it_is(tmp_path: Path, codec: str) -> None:
    made = recipe(codec)
    own = make_codec(made.codec, 64)
    network = build_network(
        made.model, own.channels, heatmap_size=own.heatmap_size, head_bias=own.head_bias
    )
    path = tmp_path / "best.safetensors"
    digest = save_model(path, network, made, about={"epoch": 3})
    predictor = load_predictor(path, device="cpu")
    assert predictor.made_by["weights_digest"] == digest
    assert predictor.made_by["codec"] == codec
    assert predictor.made_by["anchor"] == ("top" if codec == "slots" else "")
    assert predictor.made_by["recipe_digest"] == made.digest
    assert predictor.detector.ordered == (codec == "slots")
    inputs = np.random.default_rng(0).integers(0, 255, (2, 64, 64), dtype=np.uint8)
    together = predictor.detector(inputs)
    alone = [predictor.detector(inputs[i : i + 1])[0] for i in range(2)]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.corners, other.corners, atol=0.01)


def test_weights_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors") as caught:
        load_predictor(tmp_path / "none.safetensors", device="cpu")
    assert "\n" not in str(caught.value)


def test_a_named_device_is_taken_and_auto_is_one_that_exists() -> None:
    assert pick_device("cpu") == "cpu"
    torch.zeros(1, device=pick_device("auto"))
