"""Where does a network's first weights come from, and do they fit it."""

from __future__ import annotations

import io
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from spondyl.errors import CheckpointError

_CLASSIFIER = re.compile(
    r"backbone\.(classifier|fc|incre_modules|downsamp_modules|final_layer|global_pool)\."
    r"|backbone\.stage4\.\d+\.fuse_layers\.[1-3]\."
)
_PROBE_SECONDS = 5.0


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pth, .pt, .bin or .ckpt file; nothing in it is executed.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file of weights")
    try:
        data: Any = load_file(path) if path.suffix == ".safetensors" else _load_pickled(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error})") from error
    inner = data.get("state_dict", data) if isinstance(data, Mapping) else {}
    tensors = {str(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights; need a state dict of tensors")
    return tensors


def load_plain(data: bytes, *, name: str) -> Any:
    """What ``torch.save`` made of tensors and plain values; anything else is not loaded.

    Raises:
        CheckpointError: the data are damaged, or loading them would run code.
    """
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0") not in ("", "0"):
        raise CheckpointError(
            f"{name}: TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set, so loading could run code; unset it"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # about pickles, which are refused anyway
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{name}: damaged, or holds more than tensors and plain values, which is not loaded"
        ) from error
    except Exception as error:  # damage shows as almost any error of torch's readers
        raise CheckpointError(f"{name}: damaged ({_first_line(error)})") from error


def start_from(network: nn.Module, weights: Mapping[str, Tensor], name: str) -> None:
    """Gives ``network`` the weights of a file called ``name``.

    Understands timm's names, the official pose networks' and our own. Classifier layers are left
    out; a stem for colour is summed to grey; a head is taken only where the whole of it fits.

    Raises:
        CheckpointError: the backbone's weights are of another network.
    """
    own = network.state_dict()
    given = {_own_name(key): value for key, value in weights.items()}
    given = {key: value for key, value in given.items() if key in own or not _CLASSIFIER.match(key)}
    given = {key: _to_grey(value, own.get(key)) for key, value in given.items()}
    if difference := first_difference(_part(given, "backbone."), _part(own, "backbone.")):
        raise CheckpointError(f"{name}: weights of another network: {difference}")
    head = _part(given, "head.")
    if first_difference(head, _part(own, "head.")):
        head = {}
    network.load_state_dict({**own, **_part(given, "backbone."), **head})


def put_weights(network: nn.Module, weights: Mapping[str, Tensor], *, head: bool) -> None:
    """Gives ``network`` the weights of another of its kind, without ``head`` all but the head's."""
    given = weights if head else _part(weights, "backbone.")
    network.load_state_dict({**network.state_dict(), **given})


def head_fits(network: nn.Module, weights: Mapping[str, Tensor]) -> bool:
    """Whether the head among ``weights`` is made like the network's."""
    return not first_difference(_part(weights, "head."), _part(network.state_dict(), "head."))


def first_difference(given: Mapping[str, Tensor], needed: Mapping[str, Tensor]) -> str | None:
    """The first key that is missing, too many or of another shape; None where all fit."""
    for key, tensor in needed.items():
        if key not in given and not key.endswith("num_batches_tracked"):  # absent in old files
            return f"{key} is missing"
        if key in given and given[key].shape != tensor.shape:
            return f"{key} is {_shape(given[key])}, need {_shape(tensor)}"
    return next((f"{key} is unknown" for key in given if key not in needed), None)


def fetch_weights(hub_id: str) -> Path:
    """The file of published weights, from the hub's cache or downloaded into it.

    Raises:
        CheckpointError: it is not in the cache and the hub cannot be reached.
    """
    from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache

    file = "model.safetensors"
    if isinstance(cached := try_to_load_from_cache(hub_id, file), str):
        return Path(cached)
    try:
        if not constants.HF_HUB_OFFLINE:
            _knock(hf_hub_url(hub_id, file))
        return Path(hf_hub_download(hub_id, file))
    except Exception as error:  # OSError, or one of the network library that the hub happens to use
        raise CheckpointError(
            f"{hub_id}: cannot be downloaded ({type(error).__name__}); offline: "
            "give --weights FILE, or set model.pretrained to false, "
            f"or download it elsewhere with `hf download {hub_id}`"
        ) from error


def _knock(url: str) -> None:
    """Asks once whether anybody is there: the hub's own downloader tries for most of a minute."""
    with suppress(HTTPError):  # an answer all the same
        urlopen(Request(url, method="HEAD"), timeout=_PROBE_SECONDS).close()


def _load_pickled(path: Path) -> Any:
    return load_plain(path.read_bytes(), name=str(path))


def _own_name(key: str) -> str:
    """A key of timm's, of the official pose networks' or of ours, as ours."""
    for wrapper in ("module.", "network.", "model."):
        key = key.removeprefix(wrapper)
    if key.startswith(("backbone.", "head.")):
        return key
    if key in ("final_layer.weight", "final_layer.bias"):
        return key.replace("final_layer", "head.final")
    if key.startswith("deconv_layers."):
        return key.replace("deconv_layers", "head.deconv")
    return f"backbone.{key}"


def _to_grey(tensor: Tensor, own: Tensor | None) -> Tensor:
    """A film copied into red, green and blue meets the sum of the three kernels."""
    if (
        own is not None
        and tensor.ndim == own.ndim == 4
        and (tensor.shape[1], own.shape[1]) == (3, 1)
    ):
        return tensor.sum(dim=1, keepdim=True)
    return tensor


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key: value for key, value in weights.items() if key.startswith(prefix)}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
