"""What is a trained model on disk: one file of weights, recipe, calibration and proof."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from spondyl.atomic import write_bytes
from spondyl.errors import CheckpointError, RecipeError
from spondyl.learning.networks import Network, build_network
from spondyl.learning.weights import first_difference
from spondyl.recipe import Recipe, SlotsCodecRecipe, parse_recipe
from spondyl.version import __version__

FORMAT = 1
HALF_REACH: Final = torch.finfo(torch.float16).max
"""The largest number that a kernel in half precision can hold."""

_PICKLES = (b"PK\x03\x04", b"\x80")  # torch.save today and before 1.6


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A trained network, the recipe it was made from, and what is known about it.

    ``digest`` is the SHA-256 of weights and recipe: the same training has the same digest, whenever
    it was run. ``calibration`` is None where nothing was calibrated. ``half`` says that its file
    has the kernels in half precision; the network computes in single precision all the same.
    """

    network: Network
    recipe: Recipe
    calibration: Mapping[str, Any] | None
    about: Mapping[str, Any]
    digest: str
    half: bool = False

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What its file keeps of the network."""
        return _stored(self.network, half=self.half)


def save_model(
    path: Path,
    network: nn.Module | Mapping[str, Tensor],
    recipe: Recipe,
    *,
    calibration: Mapping[str, Any] | None = None,
    about: Mapping[str, Any],
) -> str:
    """Writes a model, whole or not at all, and returns its digest.

    ``about`` and ``calibration`` are plain values as in JSON; version and date are added where
    ``about`` has none. The file is safetensors with text metadata: reading it runs no code.

    Raises:
        CheckpointError: the file cannot be written, for want of room or permission.
    """
    tensors = _stored(network) if isinstance(network, nn.Module) else _on_cpu(network)
    text = _canonical(recipe.model_dump(mode="json"))
    digest = _digest(tensors, text)
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    metadata = {
        "format": f"spondyl {FORMAT}",
        "recipe": text,
        "calibration": _canonical(calibration),
        "about": _canonical({"version": __version__, "made": made, **about}),
        "digest": digest,
    }
    store(path, save(tensors, {**metadata, "seal": _seal(metadata)}))
    return digest


def load_model(path: Path, *, device: str = "cpu") -> LoadedModel:
    """Reads a model that ``save_model`` wrote, in evaluation mode, after checking every byte.

    Raises:
        CheckpointError: the file is missing, damaged, not ours, newer, or of another network.
    """
    metadata, tensors = _read(path)
    recipe = _recipe(path, metadata["recipe"])
    network = _build(path, recipe, tensors, device)
    return LoadedModel(
        network,
        recipe,
        json.loads(metadata["calibration"]),
        json.loads(metadata["about"]),
        metadata["digest"],
        half=any(tensor.dtype == torch.float16 for tensor in tensors.values()),
    )


def rounded(model: LoadedModel, *, name: str) -> LoadedModel:
    """A model with every kernel rounded to half precision, in which its file will keep them.

    A kernel is a tensor of real numbers with more than one dimension. The network given is changed,
    not copied. ``about`` then has the digest of the model before.

    Raises:
        CheckpointError: a kernel of the model, which is called ``name``, reaches beyond half
            precision.
    """
    for key, tensor in model.network.state_dict().items():
        if _is_kernel(tensor) and (largest := float(tensor.abs().max())) > HALF_REACH:
            raise CheckpointError(
                f"{name}: {key} has values up to {largest:g}, half precision reaches "
                f"{HALF_REACH:g}; leave --half away"
            )
    tensors = _stored(model.network, half=True)
    model.network.load_state_dict(tensors)
    digest = _digest(tensors, _canonical(model.recipe.model_dump(mode="json")))
    about = {**model.about, "rounded_from": model.digest}
    return replace(model, half=True, digest=digest, about=about)


def store(path: Path, data: bytes) -> None:
    """Writes ``data``, whole or not at all.

    Raises:
        CheckpointError: there is no room or no permission.
    """
    try:
        write_bytes(path, data)
    except OSError as error:
        size = len(data) / 1e6
        raise CheckpointError(
            f"{path}: cannot be written ({error}); needs {size:.0f} MB"
        ) from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    _check_kind(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _check_format(path, metadata.get("format", ""))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or not a checkpoint ({error})") from error
    seal = metadata.pop("seal", "")
    if seal != _seal(metadata) or metadata["digest"] != _digest(tensors, metadata["recipe"]):
        raise CheckpointError(f"{path}: damaged: its content does not match its SHA-256")
    return metadata, tensors


def _check_kind(path: Path) -> None:
    if path.is_dir():
        raise CheckpointError(f"{path}: a folder, need a checkpoint such as best_mre.safetensors")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    with path.open("rb") as file:
        start = file.read(9)
    if not start:
        raise CheckpointError(f"{path}: is empty")
    is_ours = start[8:] == b"{"  # after the length of the header, which may begin with any byte
    if start.startswith(_PICKLES) and not is_ours:
        raise CheckpointError(f"{path}: is a pickle, which is not loaded; need a .safetensors file")


def _check_format(path: Path, text: str) -> None:
    name, _, number = text.partition(" ")
    if name != "spondyl" or not number.isdigit():
        raise CheckpointError(
            f"{path}: weights without a recipe, not a checkpoint of spondyl; "
            "to start a training from them, give --weights FILE"
        )
    if int(number) > FORMAT:
        raise CheckpointError(
            f"{path}: written by a newer spondyl (format {number}); this one reads up to {FORMAT}"
        )


def _recipe(path: Path, text: str) -> Recipe:
    try:
        return parse_recipe(json.loads(text), name=str(path))
    except RecipeError as error:
        raise CheckpointError(f"{error}; it was made by another version of spondyl") from error


def _build(path: Path, recipe: Recipe, tensors: Mapping[str, Tensor], device: str) -> Network:
    """The recipe's network around the tensors, without drawing weights that they replace."""
    model = recipe.model.model_copy(update={"pretrained": False, "weights": None})
    size = recipe.codec.heatmap_size if isinstance(recipe.codec, SlotsCodecRecipe) else None
    channels = len(tensors.get("head.final.bias", torch.empty(1)))
    with torch.device("meta"):
        network = build_network(model, channels, heatmap_size=size)
    if difference := first_difference(tensors, network.state_dict()):
        raise CheckpointError(f"{path}: weights of another network than {model.name}: {difference}")
    network.to_empty(device=device).load_state_dict(tensors)
    return network.eval()


def _stored(network: nn.Module, *, half: bool = False) -> dict[str, Tensor]:
    tensors = _on_cpu(network.state_dict())
    if not half:
        return tensors
    return {key: own.half() if _is_kernel(own) else own for key, own in tensors.items()}


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _is_kernel(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dim() > 1


def _digest(tensors: Mapping[str, Tensor], recipe: str) -> str:
    """SHA-256 over name, type, shape and bytes of every tensor, and the recipe."""
    digest = hashlib.sha256(recipe.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _seal(metadata: Mapping[str, str]) -> str:
    return hashlib.sha256(_canonical(metadata).encode()).hexdigest()


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, allow_nan=False)
