"""What does a trained network cost: arithmetic, memory, time to train, and time for one film."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from spondyl.data.phantom import phantom
from spondyl.errors import UsageError
from spondyl.film.letterbox import prepare
from spondyl.judging.comparison import Cost
from spondyl.learning.checkpoint import load_model
from spondyl.learning.keeping import best_weights
from spondyl.predict import Predictor
from spondyl.recipe import SetCodecRecipe, SlotsCodecRecipe
from spondyl.spine.chain import to_landmarks

_WARM_UP = 2  # the first films also pay for memory and for the choice of algorithms


def multiply_adds(network: nn.Module, input_size: int) -> int:
    """Multiply-adds of one film of ``input_size`` px a side, forward, in evaluation mode.

    Convolutions, linear layers and attention are counted; normalisation, activations and
    interpolation are not. Only shapes are followed, so that it takes neither time nor memory.
    """
    named = chain(network.named_parameters(), network.named_buffers())
    shapes = {name: tensor.to("meta") for name, tensor in named}
    film = torch.empty(1, 1, input_size, input_size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(network, shapes, (film,))
    return counter.get_total_flops() // 2  # it counts a multiply-add as two


def cost_of(run: Path) -> Cost:
    """What the best weights of a run cost; what the run did not record is None.

    Its latency is not in a run folder: see ``latencies``.

    Raises:
        CheckpointError: the run has kept no best weights, or they are damaged.
        UsageError: the manifest cannot be read.
    """
    manifest = _manifest(run / "run.json")
    model = load_model(best_weights(run))
    size = model.recipe.data.image_size
    on_device = manifest.get("peak_device_memory_bytes")
    return Cost(
        network=model.recipe.model.name,
        codec=_codec_name(model.recipe.codec),
        input_size=size,
        parameters=sum(parameter.numel() for parameter in model.network.parameters()),
        gmacs=manifest.get("gmacs") or multiply_adds(model.network, size) / 1e9,
        best_epoch=model.about.get("epoch"),
        training_seconds=manifest.get("seconds"),
        training_memory_bytes=on_device or manifest.get("peak_memory_bytes"),
        training_device=manifest.get("device_name"),
    )


def latencies(predictors: Mapping[str, Predictor], *, repeats: int = 7) -> dict[str, float]:
    """Median milliseconds from the 8-bit input of one film to its landmarks, by model.

    The film is a phantom. The models take turns, so that a busy machine is fair to all of them.
    """
    film = phantom(0, 0).radiograph
    inputs = {name: prepare(film, p.detector.input_size)[1] for name, p in predictors.items()}
    taken: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(_WARM_UP + repeats):
        for name, predictor in predictors.items():
            taken[name].append(_milliseconds(predictor, inputs[name]))
    return {name: median(values[_WARM_UP:]) for name, values in taken.items()}


def _milliseconds(predictor: Predictor, pixels: UInt8[ndarray, "s s"]) -> float:
    detector, started = predictor.detector, time.perf_counter()
    (found,) = detector(pixels[None])
    to_landmarks(found, ordered=detector.ordered, calibration=predictor.calibration)
    return 1e3 * (time.perf_counter() - started)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: cannot be read; need the manifest of a training run") from error


def _codec_name(codec: SetCodecRecipe | SlotsCodecRecipe) -> str:
    return f"slots {codec.anchor}" if isinstance(codec, SlotsCodecRecipe) else codec.name


def reset_peak_memory() -> None:
    """Lets the peak begin anew, on Linux: one process may train many networks."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int | None:
    """Peak resident memory of this process in bytes; None where the system does not tell.

    Since ``reset_peak_memory`` on Linux, over the life of the process elsewhere.
    """
    status = Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if platform.system() == "Darwin" else 1024)
