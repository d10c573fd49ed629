"""A network that learnt nothing, its maps full of peaks of many heights, as a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIZE = 128


def noise(count: int, size: int = SIZE) -> np.ndarray:
    """Films of noise, 8 bit."""
    return np.random.default_rng(5).integers(0, 256, (count, size, size), dtype=np.uint8)


def save_tiny(path: Path) -> Path:
    import torch

    from spondyl.learning.checkpoint import save_model
    from spondyl.learning.codecs import make_codec
    from spondyl.learning.networks import build_network
    from spondyl.recipe import parse_recipe
    from spondyl.spine.calibration import Calibration

    recipe = parse_recipe(
        {
            "model": {"name": "unet_small", "pretrained": False},
            "codec": {"name": "set"},
            "data": {"image_size": SIZE},
        },
        name="test",
    )
    torch.manual_seed(3)
    codec = make_codec(recipe.codec, SIZE)
    network = build_network(
        recipe.model, codec.channels, heatmap_size=codec.heatmap_size, head_bias=codec.head_bias
    )
    with torch.no_grad():
        seen = torch.from_numpy(noise(2))[:, None] / 255
        network.head.final.weight *= 4 / network.eval()(seen).std()
        network.head.final.bias.zero_()
    told = Calibration(temperature=1.7, score_threshold=0.2).to_json()
    save_model(path, network, recipe, calibration=told, about={})
    return path


def export_tiny(folder: Path) -> tuple[Path, Path]:
    """The checkpoint, and the same network exported."""
    from spondyl.learning.export import export

    weights = save_tiny(folder / "tiny.safetensors")
    export(weights, folder / "tiny.onnx")
    return weights, folder / "tiny.onnx"
