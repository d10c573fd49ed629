"""How does a recipe become a trained network: split, cache, fit, calibrate, and a full record."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from spondyl.atomic import write_json
from spondyl.data.sample import Sample
from spondyl.data.splitting import Split, write_split
from spondyl.errors import TrainingError, UsageError
from spondyl.learning.batches import FilmCache, cache_films, training_loader, validation_loader
from spondyl.learning.calibrating import calibrate_checkpoint
from spondyl.learning.checkpoint import load_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.cost import multiply_adds, peak_memory, reset_peak_memory
from spondyl.learning.detector import device_name, pick_device
from spondyl.learning.keeping import (
    BEST,
    SELECTED_BY,
    EpochLines,
    History,
    KeepWeights,
    best_weights,
)
from spondyl.learning.module import LandmarkModule
from spondyl.learning.networks import build_network
from spondyl.learning.parts import choose_split, prove, split_begun
from spondyl.learning.resume import AtomicCheckpointIO
from spondyl.learning.starting import Start
from spondyl.recipe import Recipe, write_recipe
from spondyl.version import __version__


@dataclass(frozen=True, slots=True)
class RunResult:
    """Where a run's weights are, and one history row an epoch.

    ``best`` are the weights with the best radial error, or with the best loss where the recipe
    keeps only those. ``seconds`` is the time of all epochs, validation included.
    """

    folder: Path
    history: tuple[dict[str, float], ...]

    @property
    def best(self) -> Path:
        """The weights to predict with."""
        return best_weights(self.folder)

    @property
    def seconds(self) -> float:
        """Time of all epochs, over all resumes."""
        return sum(row["seconds"] for row in self.history)


def fit(
    samples: Sequence[Sample],
    recipe: Recipe,
    folder: Path,
    *,
    split: Split | None = None,
    device: str = "auto",
    resume: bool = False,
    start: Start | None = None,
) -> RunResult:
    """Trains the network of a recipe and leaves a run folder.

    ``start`` is the checkpoint whose weights the network begins with; a resumed run does not need
    it, and knows it if it is given.

    The folder holds ``recipe.yaml``, ``split.json``, ``run.json`` (the manifest), ``history.json``
    and ``.csv``, ``tensorboard/``, ``best_mre.safetensors`` and ``best_loss.safetensors`` (with
    calibration), ``epoch_NNNN.safetensors`` where asked for, and ``last.ckpt`` to resume from.
    A run that was killed and resumed ends with the same weights as one that was not, on the CPU
    with the same number of threads. A finished run that is resumed stays as it is.

    Raises:
        TrainingError: the folder holds another run or is in use, its films or labels have changed
            since, the split leaks and does not allow it, or the loss is no longer finite.
        CheckpointError: ``start`` is of another network.
        FilmError: a film cannot be read.
        UsageError: a part of the split would be empty, or a group to exclude is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):  # the system drops it with the process
            return _fit(
                samples, recipe, folder, split=split, device=device, resume=resume, start=start
            )
    except Timeout:
        raise TrainingError(f"{folder}: another training is using this folder") from None


def _fit(
    samples: Sequence[Sample],
    recipe: Recipe,
    folder: Path,
    *,
    split: Split | None,
    device: str,
    resume: bool,
    start: Start | None,
) -> RunResult:
    console, device = Console(stderr=True), pick_device(device)
    recipe = start.fit_to(recipe) if start else recipe
    before = _open_run(folder, recipe, resume=resume)
    origin = _origin(folder, before, start)
    if before.get("finished"):
        return RunResult(folder, tuple(json.loads((folder / "history.json").read_text())))
    if before:
        parts = split_begun(folder, recipe, given=split)
    else:
        parts = choose_split(samples, recipe, given=split, console=console)
    films, judged = _cache_both(samples, parts, recipe, console)
    leaks = prove(parts, samples, (films, judged)) if split and not before else []
    about = {**_about(recipe, films, judged), **origin}
    run = _Run(recipe, folder, films, judged, device, console, about)
    allowed = {"allow_leak": leaks} if parts.leaks_allowed else {}
    manifest = {**run.manifest(), **allowed, **_unchanged(before, run)}
    write_split(parts, folder / "split.json")
    write_json(folder / "run.json", manifest)
    history = _train(run, start, resume=bool(before))
    for path in (folder / f"{name}.safetensors" for name in BEST):
        if path.exists():
            calibrate_checkpoint(path, run.judged, device=run.device)
    result = RunResult(folder, tuple(history.rows))
    write_json(folder / "run.json", {**manifest, **_ended(result, run)})
    return result


@dataclass(frozen=True, slots=True)
class _Run:
    """What every step of a training run needs to know."""

    recipe: Recipe
    folder: Path
    films: FilmCache
    judged: FilmCache
    device: str
    console: Console
    about: Mapping[str, Any]

    def manifest(self) -> dict[str, Any]:
        """Versions, data and machine: what it takes to run it again."""
        packages = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")
        return {
            **self.about,
            "recipe_digest": self.recipe.digest,
            "python": platform.python_version(),
            "packages": {package: version(package) for package in packages},
            "device": self.device,
            "device_name": device_name(self.device),
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "training_films": len(self.films),
            "validation_films": len(self.judged),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "finished": False,
        }


def _ended(result: RunResult, run: _Run) -> dict[str, Any]:
    """What the manifest says only of a finished run: what it took, and what its network costs."""
    network, size = load_model(result.best).network, run.recipe.data.image_size
    return {
        "finished": True,
        "seconds": round(result.seconds, 1),
        "peak_memory_bytes": peak_memory(),
        "peak_device_memory_bytes": _peak_device_memory(run.device),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "input_size": size,
        "gmacs": multiply_adds(network, size) / 1e9,
    }


def _about(recipe: Recipe, films: FilmCache, judged: FilmCache) -> dict[str, Any]:
    """What the weights say of their origin; made once, as it hashes every cached film."""
    return {
        "version": __version__,
        "seed": recipe.seed,
        "train_digest": films.digest,
        "val_digest": judged.digest,
    }


def _open_run(folder: Path, recipe: Recipe, *, resume: bool) -> dict[str, Any]:
    """Claims the folder: a new run must find no other, a resumed one its own recipe.

    Returns the manifest of the run to resume, empty where there is none.
    """
    begun = (folder / "last.ckpt").exists()
    if begun and not resume:
        raise TrainingError(f"{folder}: holds a run; resume it, or choose another folder")
    before = json.loads((folder / "run.json").read_text()) if begun else {}
    if begun and before["recipe_digest"] != recipe.digest:
        raise TrainingError(
            f"{folder}: was started from another recipe; resume with its own, unchanged"
        )
    write_recipe(recipe, folder / "recipe.yaml")
    return before


def _origin(folder: Path, before: Mapping[str, Any], start: Start | None) -> dict[str, Any]:
    """What manifest and weights say of the checkpoint that the run began with, if any."""
    if not before:
        return {"init": {"file": start.name, "digest": start.model.digest}} if start else {}
    begun = before.get("init")
    if start and (begun is None or begun["digest"] != start.model.digest):
        raise TrainingError(f"{folder}: was started from other weights; leave --init away")
    return {"init": begun} if begun else {}


def _unchanged(before: Mapping[str, Any], run: _Run) -> dict[str, Any]:
    """What a resumed run keeps of its manifest, once it is sure that the data are the same."""
    if not before:
        return {}
    if any(before[name] != run.about[name] for name in ("train_digest", "val_digest")):
        raise TrainingError(
            f"{run.folder}: films or labels have changed since this run began; start another"
        )
    return {name: before[name] for name in ("started", "allow_leak") if name in before}


def _cache_both(
    samples: Sequence[Sample], split: Split, recipe: Recipe, console: Console
) -> tuple[FilmCache, FilmCache]:
    parts = [split.select(_as_annotated(samples, recipe), part) for part in ("train", "val")]
    if not all(parts):
        raise UsageError("the split leaves no film to train on or none to validate on")
    console.print(
        f"reading {len(parts[0])} training and {len(parts[1])} validation films", highlight=False
    )
    train, val = (cache_films(part, recipe.data.image_size) for part in parts)
    return train, val


def _as_annotated(samples: Sequence[Sample], recipe: Recipe) -> list[Sample]:
    """The samples, taken as completely labelled where the recipe says that they are."""
    if not recipe.data.labels_complete:
        return list(samples)
    return [replace(sample, complete_above=True, complete_below=True) for sample in samples]


def _train(run: _Run, start: Start | None, *, resume: bool) -> History:
    recipe = run.recipe
    reset_peak_memory()
    if run.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(recipe.seed)  # initial weights
    codec = make_codec(recipe.codec, recipe.data.image_size)
    network = build_network(
        recipe.model, codec.channels, heatmap_size=codec.heatmap_size, head_bias=codec.head_bias
    )
    if start and not resume and (told := start.give(network, recipe.codec)):
        run.console.print(told, highlight=False, soft_wrap=True)
    if recipe.training.channels_last:
        network = network.to(memory_format=torch.channels_last)
    module = LandmarkModule(network, codec, recipe, films=run.films, judged=run.judged)
    history = History(run.folder)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the engine's advice on workers and loggers
        trainer = _trainer(run, history)
        size = recipe.training.batch_size
        try:
            trainer.fit(
                module,
                training_loader(run.films, batch_size=size, seed=recipe.seed),
                validation_loader(run.judged, batch_size=size),
                ckpt_path=run.folder / "last.ckpt" if resume else None,
                weights_only=True,
            )
        except SystemExit:  # how the engine ends on Ctrl-C
            raise KeyboardInterrupt from None
    if trainer.interrupted or trainer.received_sigterm:
        raise KeyboardInterrupt
    return history


def _trainer(run: _Run, history: History) -> Trainer:
    training = run.recipe.training
    return Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[run.device],
        devices=1,
        max_epochs=training.epochs,
        precision=training.precision,
        gradient_clip_val=training.clip_norm or None,
        accumulate_grad_batches=training.accumulate,
        check_val_every_n_epoch=training.validate_every,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(run.folder, name="", version="tensorboard"),
        callbacks=_callbacks(run, history),
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=run.console.is_terminal,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=run.folder,
    )


def _callbacks(run: _Run, history: History) -> list[Callback]:
    """The engine calls them in this order; ``last.ckpt`` comes after all that it must contain."""
    callbacks: list[Callback] = [history, KeepWeights(run.folder, run.about)]
    callbacks.append(RichProgressBar() if run.console.is_terminal else EpochLines(run.console))
    training = run.recipe.training
    if epochs := training.early_stopping_epochs:
        patience = math.ceil(epochs / training.validate_every)  # the engine counts validations
        callbacks.append(EarlyStopping(SELECTED_BY, patience=patience))
    callbacks.append(
        ModelCheckpoint(
            run.folder,
            "last",
            every_n_epochs=training.validate_every,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    return callbacks


def _peak_device_memory(device: str) -> int | None:
    """Peak memory of the tensors on a device with memory of its own, in bytes; None elsewhere."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else None
