"""Trainings that take seconds, and what makes two of them the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from spondyl.data.sample import Sample
from spondyl.learning.checkpoint import load_model
from spondyl.recipe import Recipe, parse_recipe
from spondyl.spine.landmarks import Landmarks

NAMES = ("L3", "L4", "L5", "S1")


def draw_samples(folder: Path) -> list[Sample]:
    """Bright boxes in a column: a spine that is quick to learn.

    The dark blocks behind them make each film an exposure of its own.
    """
    rng = np.random.default_rng(0)
    made = []
    for index in range(16):
        blocks = rng.integers(100, size=(16, 12), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((96, 128), Image.Resampling.NEAREST)
        draw = ImageDraw.Draw(image)
        x, y = rng.uniform(30, 40), rng.uniform(12, 20)
        quads = []
        for k in range(4):
            left, top = x + 2 * k, y + 26 * k
            quad = [(left, top), (left + 28, top), (left, top + 18), (left + 28, top + 18)]
            draw.rectangle((*quad[0], *quad[3]), fill=200)
            quads.append(quad)
        path = folder / f"film-{index:02d}.png"
        image.save(path)
        landmarks = Landmarks(np.array(quads), levels=NAMES, facing="left")
        made.append(Sample(path.stem, path, 128, 96, landmarks, path.stem, "boxes", True, True))
    return made


def small(dropout: float = 0.1, **training: object) -> Recipe:
    settings = {
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 5e-3,
        "warmup_epochs": 0,
        "augmentation": {"rotation_range": 3, "shift_range": 0.02},
        **training,
    }
    return parse_recipe(
        {
            "model": {"name": "unet_small", "pretrained": False, "dropout": dropout},
            "data": {"image_size": 64, "val_split": 0.25},
            "training": settings,
        },
        name="test",
    )


def history(folder: Path) -> list[dict[str, float]]:
    """The history without what a clock says."""
    written = json.loads((folder / "history.json").read_text())
    return [{name: value for name, value in row.items() if name != "seconds"} for row in written]


def last_state(folder: Path) -> dict[str, Any]:
    """Weights, their moving average and the optimiser at the end of a run."""
    state = torch.load(folder / "last.ckpt", weights_only=True)
    moments = {
        f"{index}.{name}": value
        for index, parameter in state["optimizer_states"][0]["state"].items()
        for name, value in parameter.items()
    }
    assert moments
    return {**state["state_dict"], **moments}


def assert_same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: history, last state, and every model that was kept, with what it says."""
    assert history(one) == history(other)
    assert_same_tensors(last_state(one), last_state(other))
    kept = sorted(path.name for path in one.glob("*.safetensors"))
    assert kept == sorted(path.name for path in other.glob("*.safetensors"))
    assert {"best_loss.safetensors", "best_mre.safetensors"} <= set(kept)
    for name in kept:
        first, second = load_model(one / name), load_model(other / name)
        assert first.digest == second.digest
        assert first.calibration == second.calibration
        assert {**first.about, "made": ""} == {**second.about, "made": ""}
