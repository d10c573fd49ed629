"""What does a run leave behind: history, the best weights, and where it stands."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from rich.console import Console

from spondyl.atomic import write_json, write_text
from spondyl.learning.checkpoint import save_model
from spondyl.learning.module import LandmarkModule

SELECTED_BY = "val_penalised_mre"
"""The metric that "best MRE" means: a missed corner costs, or finding one vertebra would win."""

BEST = ("best_mre", "best_loss")
"""What the kept weights are called, those to predict with first."""


def best_weights(run: Path) -> Path:
    """The weights of a run to predict with: the best MRE, or the best loss where it kept only that.

    Where it has kept neither, the path of the first.
    """
    paths = [run / f"{name}.safetensors" for name in BEST]
    return next((path for path in paths if path.exists()), paths[0])


class History(Callback):
    """One row an epoch, in ``history.json`` and ``history.csv``; survives a resume."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, float]] = []
        self._started = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Starts the clock of the epoch."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Adds the epoch and writes both files."""
        metrics = _measured(trainer)
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        row = {
            "epoch": trainer.current_epoch + 1,
            **dict(sorted(metrics.items())),
            "learning_rate": rates[-1],
            "backbone_learning_rate": rates[0],
            "seconds": round(time.monotonic() - self._started, 3),
        }
        self.rows.append(row)
        write_json(self.folder / "history.json", [_without_nan(row) for row in self.rows])
        write_text(self.folder / "history.csv", _to_csv(self.rows))

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, for the resume checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the rows up where the checkpoint was written."""
        self.rows = [dict(row) for row in state_dict["rows"]]


class KeepWeights(Callback):
    """Keeps the weights of the best loss, of the best MRE, and of every n-th epoch."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.folder, self.about = folder, dict(about)
        self.best = {"loss": float("inf"), "mre": float("inf")}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Writes the files that this epoch earned."""
        metrics = _measured(trainer)
        asked = pl_module.recipe.evaluation.save_best
        for kind, name in (("loss", "val_loss"), ("mre", SELECTED_BY)):
            value = metrics.get(name, float("nan"))
            if asked in (kind, "both") and value < self.best[kind]:
                self.best[kind] = value
                self._save(f"best_{kind}", trainer, pl_module, metrics)
        every = pl_module.recipe.training.checkpoint_every
        epoch = trainer.current_epoch + 1
        if every and epoch % every == 0:
            self._save(f"epoch_{epoch:04d}", trainer, pl_module, metrics)

    def state_dict(self) -> dict[str, Any]:
        """The best values so far, for the resume checkpoint."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the best values up."""
        self.best = dict(state_dict["best"])

    def _save(
        self, name: str, trainer: Trainer, module: LandmarkModule, metrics: Mapping[str, float]
    ) -> None:
        about = {
            **self.about,
            "epoch": trainer.current_epoch + 1,
            "metrics": _without_nan(metrics),
        }
        path = self.folder / f"{name}.safetensors"
        save_model(path, module.judged_network, module.recipe, about=about)


class EpochLines(Callback):
    """One line an epoch where there is no terminal for a progress bar."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Prints the losses and the landmark error of the epoch."""
        metrics = _measured(trainer)
        shown = ("train_loss", "val_loss", "val_mre", SELECTED_BY, "val_recall", "val_precision")
        text = "  ".join(f"{name} {metrics[name]:.4g}" for name in shown if name in metrics)
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self.console.print(f"{epoch}  {text}", highlight=False, soft_wrap=True)


def _measured(trainer: Trainer) -> dict[str, float]:
    """The metrics of this epoch; the engine keeps those of an earlier validation around."""
    validated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
    return {
        name: float(value)
        for name, value in trainer.callback_metrics.items()
        if validated or not name.startswith("val_")
    }


def _without_nan(row: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if value == value else None for name, value in row.items()}


def _to_csv(rows: list[dict[str, float]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
