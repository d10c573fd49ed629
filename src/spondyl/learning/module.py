"""What does the training engine run: one step, one validation, and the learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from spondyl.errors import TrainingError
from spondyl.judging import metrics
from spondyl.learning.batches import Batch, FilmCache, augment, to_unit
from spondyl.learning.codecs import Codec
from spondyl.learning.networks import Network
from spondyl.recipe import Recipe, TrainingRecipe
from spondyl.spine.calibration import Calibration
from spondyl.spine.chain import to_landmarks
from spondyl.spine.detections import Detections
from spondyl.spine.landmarks import Landmarks

Tensors = tuple[Tensor, ...] | list[Tensor]


class LandmarkModule(LightningModule):
    """A network, its codec and its recipe, trained on batches and judged on landmarks.

    Where the recipe asks for an exponential moving average, ``averaged`` holds it, and validation
    and checkpoints use it.
    """

    def __init__(
        self, network: Network, codec: Codec, recipe: Recipe, *, films: FilmCache, judged: FilmCache
    ) -> None:
        super().__init__()
        self.network, self.codec, self.recipe = network, codec, recipe
        self.films, self.judged = films, judged
        decay = recipe.training.ema_decay
        self.averaged = (
            AveragedModel(network, multi_avg_fn=_moving_average(decay), use_buffers=True)
            if decay
            else None
        )
        self._pairs: list[tuple[Landmarks, Landmarks]] = []

    @property
    def judged_network(self) -> torch.nn.Module:
        """The weights that are validated and kept."""
        return self.averaged.module if self.averaged is not None else self.network

    def configure_optimizers(self) -> Any:
        """AdamW over backbone and head, each with its own learning rate for every step."""
        training = self.recipe.training
        groups = self.network.parameter_groups()
        optimizer = torch.optim.AdamW(
            [{"params": groups["backbone"]}, {"params": groups["head"]}],
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            # the engine cannot clip the gradients of a fused optimiser under mixed precision
            fused=self.device.type == "cuda" and training.precision == "32-true",
        )
        steps = int(self.trainer.estimated_stepping_batches) // training.epochs
        factors = [_learning_rate_factor(training, steps, head=head) for head in (False, True)]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Pixels travel as 8 bit."""
        return batch.to(device)

    def on_train_epoch_start(self) -> None:
        """Freezes what the recipe freezes in this epoch; the last one is always validated."""
        model, training = self.recipe.model, self.recipe.training
        if self.current_epoch + 1 == training.epochs:
            self.trainer.check_val_every_n_epoch = 1
        frozen = model.freeze_backbone or self.current_epoch < training.frozen_epochs
        self.network.freeze_backbone(frozen)
        if not frozen:
            self.network.freeze_stages(model.freeze_stages)

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        """Loss of one batch; every random number follows from seed, epoch and batch alone."""
        seed = _mixed_seed(self.recipe.seed, self.current_epoch, batch_idx)
        torch.manual_seed(seed)  # dropout
        generator = torch.Generator(device=self.device).manual_seed(seed)
        ranges = self.recipe.training.augmentation
        with self._full_precision():
            inputs, landmarks = augment(
                to_unit(batch.inputs), batch.landmarks, ranges, generator=generator
            )
        maps = self.network(self._laid_out(inputs))
        with self._full_precision():
            loss = self.codec.loss(maps, self.codec.encode(landmarks))
        if not torch.isfinite(loss):
            raise TrainingError(self._diverged(batch, batch_idx, float(loss)))
        self.log(
            "train_loss", loss, on_epoch=True, on_step=False, prog_bar=True, batch_size=len(inputs)
        )
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Follows every optimiser step with the moving average."""
        last = batch_idx + 1 == self.trainer.num_training_batches
        stepped = last or (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0
        if self.averaged is not None and stepped:
            self.averaged.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Forgets the films of the last validation."""
        self._pairs = []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and landmarks of one batch."""
        maps = self.judged_network(self._laid_out(to_unit(batch.inputs)))
        with self._full_precision():
            loss = self.codec.loss(maps, self.codec.encode(batch.landmarks))
            found = self.codec.decode(maps)
        self.log("val_loss", loss, on_epoch=True, batch_size=len(batch.inputs))
        for index, detections in zip(batch.indices, found, strict=True):
            self._pairs.append((self._landmarks(detections), self.judged.landmarks[index]))

    def on_validation_epoch_end(self) -> None:
        """Detection and radial error over all annotated corners, in px of 512."""
        scale = 512 / self.recipe.data.image_size
        thresholds = self.recipe.evaluation.sdr_thresholds
        summary = metrics.summarise(
            self._pairs, scales=[scale] * len(self._pairs), thresholds=thresholds
        )
        self.log_dict({f"val_{name}": value for name, value in summary.items()})

    def _full_precision(self) -> torch.autocast:
        """Where half precision must not reach: it moves a corner by more than a pixel."""
        return torch.autocast(self.device.type, enabled=False)

    def _landmarks(self, detections: Detections) -> Landmarks:
        """Detections to landmarks in input px, before any calibration."""
        uncalibrated = Calibration(score_threshold=self.recipe.codec.score_threshold)
        return to_landmarks(detections, ordered=self.codec.ordered, calibration=uncalibrated)

    def _laid_out(self, inputs: Float[Tensor, "b 1 s s"]) -> Float[Tensor, "b 1 s s"]:
        if self.recipe.training.channels_last:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs

    def _diverged(self, batch: Batch, batch_idx: int, loss: float) -> str:
        keys = ", ".join(self.films.samples[i].key for i in batch.indices[:4])
        return (
            f"epoch {self.current_epoch + 1}, step {batch_idx + 1}: loss {loss} on {keys} ...;"
            " try a lower learning rate, or resume from the last checkpoint"
        )


def _moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential moving average that follows fast at first, so that early weights fade.

    All tensors of one type in one call: a loop over a network's would keep a fast device waiting.
    """

    def average(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(averaged, current)
            return
        seen = int(count)
        share = 1 - min(decay, (1 + seen) / (10 + seen))
        torch._foreach_lerp_(averaged, current, share)

    return average


def _mixed_seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _learning_rate_factor(
    training: TrainingRecipe, steps_per_epoch: int, *, head: bool
) -> Callable[[int], float]:
    """Share of the learning rate at each step: frozen phase, linear warm-up, cosine to the floor.

    The head learns from the start; the backbone's schedule begins when it is released.
    """
    frozen = training.frozen_epochs * steps_per_epoch
    total = training.epochs * steps_per_epoch
    warmup = training.warmup_epochs * steps_per_epoch
    floor = training.min_lr / training.learning_rate
    head_share = (training.head_learning_rate or training.learning_rate) / training.learning_rate

    def factor(step: int) -> float:
        if step < frozen:
            return head_share * min(1.0, (step + 1) / max(warmup, 1)) if head else 0.0
        since, span = step - frozen, max(total - frozen, 1)
        rise = warmup if not frozen or not head else 0
        if since < rise:
            return (since + 1) / rise
        if training.scheduler == "constant":
            return 1.0
        done = min((since - rise) / max(span - rise, 1), 1.0)
        return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2

    return factor
