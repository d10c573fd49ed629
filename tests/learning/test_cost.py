"""Is a network charged for what it does, and does a run say what it took."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spondyl.anatomy import LEVELS
from spondyl.errors import CheckpointError, UsageError
from spondyl.judging.comparison import Cost
from spondyl.learning import cost
from spondyl.learning.checkpoint import save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.cost import cost_of, latencies, multiply_adds
from spondyl.learning.detector import load_predictor
from spondyl.learning.networks import build_network
from spondyl.predict import Predictor
from spondyl.recipe import ModelRecipe, NetworkName, Recipe, parse_recipe
from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections


def recipe(**codec: object) -> Recipe:
    return parse_recipe(
        {
            "model": {"name": "unet_small", "pretrained": False},
            "codec": codec or {"name": "set"},
            "data": {"image_size": 64},
        },
        name="test",
    )


def keep(run: Path, made_from: Recipe, *, name: str = "best_mre", epoch: int = 7) -> Path:
    codec = make_codec(made_from.codec, 64)
    network = build_network(made_from.model, codec.channels, heatmap_size=codec.heatmap_size)
    path = run / f"{name}.safetensors"
    save_model(path, network, made_from, about={"epoch": epoch})
    return path


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(1, 5, 3, padding=1), 5 * 9 * 32 * 32),
        (nn.Conv2d(1, 6, 3, padding=1, stride=2), 6 * 9 * 16 * 16),
        (nn.ConvTranspose2d(1, 4, 4, padding=1, stride=2), 4 * 16 * 32 * 32),
        (nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU()), 4 * 32 * 32),
        (nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10)), 32 * 32 * 10),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 0),
    ],
)
def test_a_layer_costs_its_weights_times_the_places_it_works_at(layer, expected):
    assert multiply_adds(layer.eval(), 32) == expected


def test_a_transformer_is_charged_for_its_attention():
    """Twelve blocks of twelve widths squared a token, and two products of all tokens with all."""
    tokens, width, patches = 17, 384, 16
    trunk = 12 * (12 * tokens * width**2 + 2 * tokens**2 * width) + patches * 256 * width
    decoder = width * 256 * 16 * 16 + 256 * 256 * 16 * 64 + 256 * 5 * 256
    assert multiply_adds(meta("vitpose_s", 5), 64) == trunk + decoder


@pytest.mark.parametrize(("name", "giga"), [("hrnet_w32", 7.630848), ("resnet50", 5.349310464)])
def test_the_documented_multiply_adds_at_256_x_192(name, giga):
    """Convolutions cost as many as there are px: 256 x 192 is three quarters of a square."""
    assert 0.75 * multiply_adds(meta(name, 17), 256) == giga * 1e9


def test_counting_leaves_the_network_as_it_was():
    network = build_network(recipe().model, 4).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert multiply_adds(network, 64) == multiply_adds(network, 128) / 4
    assert all(value.equal(before[key]) for key, value in network.state_dict().items())


def test_a_run_says_what_its_network_cost(tmp_path):
    keep(tmp_path, recipe(), epoch=7)
    keep(tmp_path, recipe(), name="best_loss", epoch=3)
    record = {
        "seconds": 12.5,
        "peak_memory_bytes": 900,
        "peak_device_memory_bytes": None,
        "device_name": "a processor",
        "gmacs": 1.25,
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert cost_of(tmp_path) == Cost(
        network="unet_small",
        codec="set",
        input_size=64,
        parameters=834_993,
        gmacs=1.25,
        best_epoch=7,
        training_seconds=12.5,
        training_memory_bytes=900,
        training_device="a processor",
    )
    (tmp_path / "run.json").write_text(json.dumps({**record, "peak_device_memory_bytes": 5000}))
    assert cost_of(tmp_path).training_memory_bytes == 5000


def test_what_an_older_run_did_not_record_is_counted_or_none(tmp_path):
    made_from = recipe(name="slots", slots=5, heatmap_size=64, anchor="bottom")
    keep(tmp_path, made_from, name="best_loss", epoch=3)
    (tmp_path / "run.json").write_text('{"finished": false}')
    found = cost_of(tmp_path)
    assert found.gmacs == multiply_adds(meta("unet_small", 20), 64) / 1e9
    assert (found.codec, found.best_epoch) == ("slots bottom", 3)
    assert (found.training_seconds, found.training_memory_bytes) == (None, None)
    (tmp_path / "run.json").unlink()
    assert cost_of(tmp_path) == found


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"best_mre\.safetensors: no such checkpoint"):
        cost_of(tmp_path)
    (tmp_path / "run.json").write_text("[3")
    with pytest.raises(UsageError, match=r"run\.json: cannot be read"):
        cost_of(tmp_path)


class Clock:
    """Stands for the time: it passes only where a model works."""

    now = 0.0
    order: tuple[str, ...] = ()


class Fake:
    """A detector that takes so many milliseconds for each film in turn and finds nothing."""

    ordered = True

    def __init__(self, name: str, clock: Clock, taken: list[float], input_size: int = 64) -> None:
        self.name, self.clock, self.taken, self.input_size = name, clock, taken, input_size

    def __call__(self, inputs: np.ndarray) -> list[Detections]:
        assert inputs.shape == (1, self.input_size, self.input_size)
        assert inputs.dtype == np.uint8
        assert inputs.max() > 200  # a film, not a blank
        self.clock.order += (self.name,)
        self.clock.now += self.taken.pop(0) / 1e3
        none = np.zeros(0)
        corners, covariance = np.zeros((0, 4, 2)), np.zeros((0, 4, 2, 2))
        logits = np.zeros((0, len(LEVELS) + 1))
        return [Detections(none, corners, np.zeros((0, 4)), covariance, logits, none)]


def test_a_latency_is_the_median_without_the_warm_up_and_models_take_turns(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock.now)
    fakes = (
        Fake("quick", clock, [900, 800, 10, 11, 12, 500, 9]),
        Fake("slow", clock, [700, 600, 40, 40, 41, 39, 40], input_size=96),
    )
    found = latencies({fake.name: Predictor(fake, Calibration(), {}) for fake in fakes}, repeats=5)
    assert found == pytest.approx({"quick": 11, "slow": 40})
    assert all(one != other for one, other in pairwise(clock.order))


def test_a_trained_network_is_timed_from_pixels_to_landmarks(tmp_path):
    predictor = load_predictor(keep(tmp_path, recipe()), device="cpu")
    found = latencies({"one": predictor, "two": replace(predictor)}, repeats=2)
    assert found.keys() == {"one", "two"}
    assert all(value > 0.1 for value in found.values())


def meta(name: NetworkName, channels: int) -> nn.Module:
    with torch.device("meta"):
        return build_network(ModelRecipe(name=name, pretrained=False), channels).eval()
