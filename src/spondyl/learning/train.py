"""How does a recipe become a trained network: split, cache, fit, calibrate, and a full record."""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

import spondyl
from spondyl.atomic import write_json
from spondyl.data.sample import Sample
from spondyl.data.splitting import Split, split_by_group, write_split
from spondyl.errors import TrainingError, UsageError
from spondyl.learning.batches import FilmCache, cache_films, training_loader, validation_loader
from spondyl.learning.checkpoint import load_model, save_model
from spondyl.learning.codecs import make_codec
from spondyl.learning.detector import TorchDetector, pick_device
from spondyl.learning.keeping import SELECTED_BY, EpochLines, History, KeepWeights
from spondyl.learning.module import LandmarkModule
from spondyl.learning.networks import build_network
from spondyl.learning.resume import AtomicCheckpointIO
from spondyl.recipe import Recipe, read_recipe, write_recipe
from spondyl.spine.calibration import Calibration, fit_calibration


@dataclass(frozen=True, slots=True)
class RunResult:
    """Where a run's weights are, and one history row an epoch."""

    folder: Path
    best_mre: Path
    best_loss: Path
    history: tuple[dict[str, float], ...]
    seconds: float


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
    A run that was killed and resumed ends with the same weights as one that was not, on the same
    machine and number of threads.

    Raises:
        TrainingError: the folder holds another run, or the loss is no longer finite.
        FilmError: a film cannot be read.
        UsageError: a part of the split would be empty.
    """
    started = time.monotonic()
    console = Console(stderr=True)
    _open_run(folder, recipe, resume=resume)
    split = split or _split(samples, recipe)
    write_split(split, folder / "split.json")
    films, judged = _cache_both(samples, split, recipe, console)
    about = {
        "version": spondyl.__version__,
        "seed": recipe.seed,
        "train_digest": films.digest,
        "val_digest": judged.digest,
    }
    manifest = _manifest(recipe, about, films, judged, device)
    write_json(folder / "run.json", manifest)
    history = _train(
        films, judged, recipe, folder, about=about, device=device, resume=resume, console=console
    )
    for name in ("best_mre", "best_loss"):
        _calibrate(folder / f"{name}.safetensors", judged, device=pick_device(device))
    seconds = time.monotonic() - started
    write_json(
        folder / "run.json",
        {
            **manifest,
            "finished": True,
            "seconds": round(seconds, 1),
            "peak_memory_bytes": _peak_memory(),
        },
    )
    return RunResult(
        folder,
        folder / "best_mre.safetensors",
        folder / "best_loss.safetensors",
        tuple(history.rows),
        seconds,
    )


def _open_run(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Claims the folder: a new run must find no other, a resumed one its own recipe."""
    last = folder / "last.ckpt"
    if last.exists() and not resume:
        raise TrainingError(f"{folder}: holds a run; resume it, or choose another folder")
    if last.exists() and read_recipe(folder / "recipe.yaml").digest != recipe.digest:
        raise TrainingError(
            f"{folder}: was started from another recipe; resume with recipe.yaml there"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(recipe, folder / "recipe.yaml")


def _split(samples: Sequence[Sample], recipe: Recipe) -> Split:
    data = recipe.data
    kept = [sample for sample in samples if sample.group not in data.exclude_groups]
    return split_by_group(kept, val=data.val_split, test=data.test_split, seed=recipe.seed)


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


def _train(
    films: FilmCache,
    judged: FilmCache,
    recipe: Recipe,
    folder: Path,
    *,
    about: dict[str, Any],
    device: str,
    resume: bool,
    console: Console,
) -> History:
    torch.manual_seed(recipe.seed)  # initial weights
    codec = make_codec(recipe.codec, recipe.data.image_size)
    network = build_network(
        recipe.model, codec.channels, heatmap_size=codec.heatmap_size, head_bias=codec.head_bias
    )
    if recipe.training.channels_last:
        network = network.to(memory_format=torch.channels_last)
    module = LandmarkModule(network, codec, recipe, films=films, judged=judged)
    history = History(folder)
    trainer = _trainer(
        recipe, folder, [history, KeepWeights(folder, about)], device=device, console=console
    )
    size = recipe.training.batch_size
    last = folder / "last.ckpt"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(
            module,
            training_loader(films, batch_size=size, seed=recipe.seed),
            validation_loader(judged, batch_size=size),
            ckpt_path=last if resume and last.exists() else None,
            weights_only=True,
        )
    if trainer.interrupted:
        raise KeyboardInterrupt
    return history


def _trainer(
    recipe: Recipe, folder: Path, kept: list[Callback], *, device: str, console: Console
) -> Trainer:
    training = recipe.training
    last = ModelCheckpoint(
        folder, "last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    shown: Callback = RichProgressBar() if console.is_terminal else EpochLines(console)
    callbacks = [*kept, shown, last]
    if training.early_stopping_epochs:
        callbacks.append(EarlyStopping(SELECTED_BY, patience=training.early_stopping_epochs))
    return Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[pick_device(device)],
        devices=1,
        max_epochs=training.epochs,
        precision=training.precision,
        gradient_clip_val=training.clip_norm or None,
        accumulate_grad_batches=training.accumulate,
        check_val_every_n_epoch=training.validate_every,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(folder, name="", version="tensorboard"),
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=console.is_terminal,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=folder,
    )


def _calibrate(path: Path, judged: FilmCache, *, device: str) -> None:
    """Fits the calibration on the validation films and writes it into the checkpoint."""
    if not path.exists():
        return
    model = load_model(path, device=device)
    start = Calibration(score_threshold=model.recipe.codec.score_threshold)
    detector = TorchDetector(model.network, model.recipe, device=device)
    if detector.ordered:
        calibration = start
    else:
        found = [d for rows in _chunks(judged) for d in detector(rows)]
        calibration = fit_calibration(list(zip(found, judged.landmarks, strict=True)), start=start)
    save_model(
        path, model.network, model.recipe, calibration=calibration.to_json(), about=model.about
    )


def _chunks(cache: FilmCache, size: int = 8) -> list[Any]:
    return [cache.inputs[i : i + size] for i in range(0, len(cache), size)]


def _manifest(
    recipe: Recipe, about: dict[str, Any], films: FilmCache, judged: FilmCache, device: str
) -> dict[str, Any]:
    chosen = pick_device(device)
    name = (
        torch.cuda.get_device_name()
        if chosen == "cuda"
        else platform.processor() or platform.machine()
    )
    packages = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")
    return {
        **about,
        "recipe_digest": recipe.digest,
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
        "device": chosen,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "training_films": len(films),
        "validation_films": len(judged),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "finished": False,
    }


def _peak_memory() -> int:
    import resource

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if platform.system() == "Darwin" else 1024)
