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

import numpy as np
import torch
from filelock import FileLock, Timeout
from jaxtyping import UInt8
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from spondyl.atomic import write_json
from spondyl.data.sample import Sample
from spondyl.data.splitting import PARTS, Split, read_split, split_by_group, write_split
from spondyl.errors import TrainingError, UsageError
from spondyl.learning.batches import FilmCache, cache_films, training_loader, validation_loader
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import TorchDetector, device_name, pick_device
from spondyl.learning.keeping import SELECTED_BY, EpochLines, History, KeepWeights
from spondyl.learning.module import LandmarkModule
from spondyl.learning.networks import build_network
from spondyl.learning.resume import AtomicCheckpointIO
from spondyl.recipe import Recipe, write_recipe
from spondyl.spine.calibration import Calibration, fit_calibration
from spondyl.version import __version__

_BEST = ("best_mre", "best_loss")


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
        paths = [self.folder / f"{name}.safetensors" for name in _BEST]
        return next((path for path in paths if path.exists()), paths[0])

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
) -> RunResult:
    """Trains the network of a recipe and leaves a run folder.

    The folder holds ``recipe.yaml``, ``split.json``, ``run.json`` (the manifest), ``history.json``
    and ``.csv``, ``tensorboard/``, ``best_mre.safetensors`` and ``best_loss.safetensors`` (with
    calibration), ``epoch_NNNN.safetensors`` where asked for, and ``last.ckpt`` to resume from.
    A run that was killed and resumed ends with the same weights as one that was not, on the CPU
    with the same number of threads. A finished run that is resumed stays as it is.

    Raises:
        TrainingError: the folder holds another run or is in use, its films or labels have changed
            since, or the loss is no longer finite.
        FilmError: a film cannot be read.
        UsageError: a part of the split would be empty, or a group to exclude is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):  # the system drops it with the process
            return _fit(samples, recipe, folder, split=split, device=device, resume=resume)
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
) -> RunResult:
    console, device = Console(stderr=True), pick_device(device)
    before = _open_run(folder, recipe, resume=resume)
    if before.get("finished"):
        return RunResult(folder, tuple(json.loads((folder / "history.json").read_text())))
    parts = _parts(samples, recipe, folder, given=split, resuming=bool(before))
    films, judged = _cache_both(samples, parts, recipe, console)
    run = _Run(recipe, folder, films, judged, device, console, _about(recipe, films, judged))
    manifest = {**run.manifest(), **_unchanged(before, run)}
    write_split(parts, folder / "split.json")
    write_json(folder / "run.json", manifest)
    history = _train(run, resume=bool(before))
    for name in _BEST:
        _calibrate(folder / f"{name}.safetensors", run)
    result = RunResult(folder, tuple(history.rows))
    ended = {
        "finished": True,
        "seconds": round(result.seconds, 1),
        "peak_memory_bytes": _peak_memory(),
        "parameters": sum(p.numel() for p in load_model(result.best).network.parameters()),
    }
    write_json(folder / "run.json", {**manifest, **ended})
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


def _parts(
    samples: Sequence[Sample],
    recipe: Recipe,
    folder: Path,
    *,
    given: Split | None,
    resuming: bool,
) -> Split:
    """The split of the run that is resumed, or the one given, or a new one; less what is excluded.

    A resumed run never draws again: with one film more, films it has trained on would be judged.
    """
    if resuming:
        begun = read_split(folder / "split.json")
        if given is not None and _without(given, recipe.data.exclude_groups) != begun:
            raise TrainingError(f"{folder}: was started from another split; leave --split away")
        return begun
    excluded = recipe.data.exclude_groups
    known = {sample.group for sample in samples}
    if unknown := [group for group in excluded if group not in known]:
        raise UsageError(f"data.exclude_groups: no film is of group {unknown[0]!r}")
    if given is not None:
        return _without(given, excluded)
    kept = [sample for sample in samples if sample.group not in excluded]
    data = recipe.data
    return split_by_group(kept, val=data.val_split, test=data.test_split, seed=recipe.seed)


def _without(split: Split, groups: Sequence[str]) -> Split:
    kept = {key: group for key, group in split.groups.items() if group not in groups}
    train, val, test = (tuple(k for k in split.keys(part) if k in kept) for part in PARTS)
    return Split(train, val, test, seed=split.seed, groups=kept)


def _unchanged(before: Mapping[str, Any], run: _Run) -> dict[str, Any]:
    """What a resumed run keeps of its manifest, once it is sure that the data are the same."""
    if not before:
        return {}
    if any(before[name] != run.about[name] for name in ("train_digest", "val_digest")):
        raise TrainingError(
            f"{run.folder}: films or labels have changed since this run began; start another"
        )
    return {"started": before["started"]}


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


def _train(run: _Run, *, resume: bool) -> History:
    recipe = run.recipe
    torch.manual_seed(recipe.seed)  # initial weights
    codec = make_codec(recipe.codec, recipe.data.image_size)
    network = build_network(
        recipe.model, codec.channels, heatmap_size=codec.heatmap_size, head_bias=codec.head_bias
    )
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


def _calibrate(path: Path, run: _Run) -> None:
    """Fits the calibration on the validation films and writes it into the checkpoint."""
    if not path.exists():
        return
    model = load_model(path, device=run.device)
    detector = TorchDetector(model.network, model.recipe, device=run.device)
    calibration = Calibration(score_threshold=model.recipe.codec.score_threshold)
    if not detector.ordered:
        found = [d for inputs in _chunks(run.judged.inputs) for d in detector(inputs)]
        pairs = list(zip(found, run.judged.landmarks, strict=True))
        calibration = fit_calibration(pairs, start=calibration)
    told = calibration.to_json()
    save_model(path, model.network, model.recipe, calibration=told, about=model.about)


def _chunks(inputs: UInt8[np.ndarray, "n s s"], size: int = 8) -> list[UInt8[np.ndarray, "b s s"]]:
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _peak_memory() -> int | None:
    """Peak resident memory of this process in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if platform.system() == "Darwin" else 1024)
