"""How does a checkpoint look at films: the torch side of a predictor."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor, nn

from spondyl.data.sample import Sample
from spondyl.errors import UsageError
from spondyl.learning.batches import to_unit
from spondyl.learning.checkpoint import LoadedModel, load_model
from spondyl.learning.codecs import Codec, make_codec
from spondyl.predict import Predictor
from spondyl.recipe import Recipe
from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections


class TorchDetector:
    """A network and its codec: 8-bit inputs to detections in input px."""

    def __init__(self, network: nn.Module, recipe: Recipe, *, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval()
        self.codec: Codec = make_codec(recipe.codec, recipe.data.image_size)
        self.input_size = recipe.data.image_size
        self.ordered = self.codec.ordered

    @torch.inference_mode()
    def __call__(self, inputs: UInt8[ndarray, "b s s"]) -> list[Detections]:
        """Candidates of each film, best first (``set``) or superior to inferior (``slots``)."""
        batch: Tensor = to_unit(torch.from_numpy(inputs).to(self.device))
        return self.codec.decode(self.network(batch))


def load_predictor(path: Path, *, device: str = "auto") -> Predictor:
    """A predictor from a checkpoint that training wrote.

    Raises:
        CheckpointError: the file is missing, damaged, or of another network.
    """
    model = load_model(path, device=pick_device(device))
    detector = TorchDetector(model.network, model.recipe, device=pick_device(device))
    calibration = Calibration.from_json(model.calibration) if model.calibration else Calibration()
    return Predictor(detector, calibration, _made_by(model, path))


def predict_samples(predictor: Predictor, samples: Sequence[Sample]) -> list[Sample]:
    """The same films with predicted landmarks in place of the annotated ones.

    Raises:
        FilmError: a film cannot be read.
    """
    found = predictor.many(sample.radiograph() for sample in samples)
    return [replace(s, landmarks=own) for s, own in zip(samples, found, strict=True)]


def device_name(device: str) -> str:
    """What to write beside a figure that was measured on a device."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cores = f"{os.cpu_count()} cores"
    listed = Path("/proc/cpuinfo")
    if listed.exists() and (found := re.search(r"model name\s*: (.+)", listed.read_text())):
        return f"{found[1]}, {cores}"
    return f"{platform.processor() or platform.machine()}, {cores}"


def pick_device(name: str) -> str:
    """``auto`` is the first of CUDA, Apple's MPS and the CPU that is there.

    Raises:
        UsageError: the device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    devices = [*(device for device, found in there.items() if found), "cpu"]
    if name == "auto":
        return devices[0]
    if name not in devices:
        raise UsageError(f"device {name}: is not on this machine; need {' or '.join(devices)}")
    return name


def _made_by(model: LoadedModel, path: Path) -> Mapping[str, str]:
    codec = model.recipe.codec
    anchor = codec.anchor if codec.name == "slots" else ""
    return {
        "weights": path.name,
        "weights_digest": model.digest,
        "recipe_digest": model.recipe.digest,
        "network": model.recipe.model.name,
        "codec": codec.name,
        "anchor": anchor,
        "version": str(model.about.get("version", "")),
    }
