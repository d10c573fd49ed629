"""What is a training run made from: one typed recipe, read from YAML, unknown settings refused."""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from spondyl.atomic import write_text
from spondyl.errors import RecipeError

NetworkName = Literal[
    "unet", "resnet50", "hrnet_w18_small", "hrnet_w18", "hrnet_w32", "hrnet_w48", "unet_small"
]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A part of a recipe: frozen, and strict about the names of its settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(Section):
    """Which network, and what it starts from."""

    name: NetworkName = "hrnet_w32"
    pretrained: bool = True
    weights: Path | None = None
    dropout: Fraction = 0.0
    freeze_backbone: bool = False
    freeze_stages: Whole = 0


class SetCodecRecipe(Section):
    """A set of vertebrae: centre, corner and offset maps at a quarter of the input size.

    The sigmas are in map px (a map px is 4 input px).
    """

    name: Literal["set"] = "set"
    centre_sigma: Positive = 1.5
    corner_sigma: Positive = 1.25
    offset_weight: Positive = 1.0
    level_weight: Positive = 0.1
    facing_weight: Positive = 0.05
    score_threshold: Fraction = 0.3


class SlotsCodecRecipe(Section):
    """The plan's encoding: one channel for the k-th labelled vertebra and each of its corners.

    ``sigma`` is in px of a 512 px heat map; ``heatmap_size`` is the side of the maps, from a
    quarter of the input size to the input size.
    """

    name: Literal["slots"] = "slots"
    slots: Count = 10
    anchor: Literal["top", "bottom"] = "top"
    sigma: Positive = 6.0
    heatmap_size: Count = 512
    foreground_weight: Annotated[float, Field(ge=0)] = 0.0
    score_threshold: Fraction = 0.05


CodecRecipe = Annotated[SetCodecRecipe | SlotsCodecRecipe, Field(discriminator="name")]


class AugmentationRecipe(Section):
    """How training films are varied; ranges are symmetric unless they are pairs."""

    horizontal_flip: Fraction = 0.0
    rotation_range: Annotated[float, Field(ge=0, le=180)] = 10.0
    scale_range: tuple[Positive, Positive] = (0.9, 1.1)
    shift_range: Fraction = 0.05
    brightness: Fraction = 0.1
    contrast: Fraction = 0.1
    gamma: Fraction = 0.0
    noise: Fraction = 0.0


class TrainingRecipe(Section):
    """How long, how fast, in which phases, and when to keep a checkpoint.

    In the first ``frozen_epochs`` the backbone stands still and the head learns at
    ``head_learning_rate`` (default: ``learning_rate``); then both learn at ``learning_rate``.
    """

    epochs: Count = 100
    batch_size: Count = 4
    accumulate: Count = 1
    optimizer: Literal["adamw"] = "adamw"
    learning_rate: Positive = 1e-4
    head_learning_rate: Positive | None = None
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    scheduler: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: Whole = 5
    min_lr: Annotated[float, Field(ge=0)] = 1e-6
    frozen_epochs: Whole = 0
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    channels_last: bool = True
    early_stopping_epochs: Whole = 0
    checkpoint_every: Whole = 0
    validate_every: Count = 1
    augmentation: AugmentationRecipe = AugmentationRecipe()


class DataRecipe(Section):
    """How the films are split and fitted to the input.

    ``labels_complete`` says that the annotators followed one protocol on every film (AASCE: T1 to
    L5 and nothing else), so that what they left out is background.
    """

    image_size: Annotated[int, Field(ge=32, multiple_of=32)] = 512
    val_split: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test_split: Annotated[float, Field(ge=0, lt=1)] = 0.0
    exclude_groups: tuple[str, ...] = ()
    labels_complete: bool = False


class EvaluationRecipe(Section):
    """Which checkpoints to keep, and the thresholds of SDR in px of 512."""

    save_best: Literal["both", "loss", "mre"] = "both"
    sdr_thresholds: tuple[Positive, ...] = (4, 6, 8, 12, 16, 18, 20, 24)


class Recipe(Section):
    """Everything a training run is made from."""

    seed: Whole = 0
    model: ModelRecipe = ModelRecipe()
    codec: CodecRecipe = SetCodecRecipe()
    training: TrainingRecipe = TrainingRecipe()
    data: DataRecipe = DataRecipe()
    evaluation: EvaluationRecipe = EvaluationRecipe()

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.training.frozen_epochs > self.training.epochs:
            raise ValueError("training.frozen_epochs is above training.epochs")
        if isinstance(self.codec, SlotsCodecRecipe):
            size, maps = self.data.image_size, self.codec.heatmap_size
            if not size // 4 <= maps <= size:
                raise ValueError(f"codec.heatmap_size is {maps}, need {size // 4} to {size}")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe as canonical JSON."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read_recipe(path: Path) -> Recipe:
    """Reads a YAML recipe.

    Raises:
        RecipeError: the file cannot be read, or has an unknown or impossible setting.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    return parse_recipe(data if data is not None else {}, name=str(path))


def parse_recipe(data: object, *, name: str) -> Recipe:
    """Plain values to a recipe; ``name`` goes into the message.

    Raises:
        RecipeError: an unknown or impossible setting.
    """
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{name}: {_explain(error.errors()[0])}") from error


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes every setting, defaults included."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    write_text(path, text)


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with ``section.key=value`` settings applied; values are read as YAML.

    Raises:
        RecipeError: a setting is not ``key=value``, unknown or impossible.
    """
    data = recipe.model_dump(mode="json")
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise RecipeError(f"--set {setting}: need section.key=value")
        *sections, last = key.split(".")
        node = data
        for section in sections:
            node = node.setdefault(section, {})
            if not isinstance(node, dict):
                raise RecipeError(f"--set {setting}: {section!r} is not a section")
        node[last] = yaml.safe_load(value)
    return parse_recipe(data, name="--set")


def _explain(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown setting {where!r}{_suggestion(error['loc'])}"
    return f"{where or 'recipe'}: {error['msg']}, got {error['input']!r}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = sorted({name for section in _sections(Recipe) for name in section.model_fields})
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _sections(section: type[Section]) -> list[type[Section]]:
    return [
        Recipe, ModelRecipe, SetCodecRecipe, SlotsCodecRecipe, AugmentationRecipe,
        TrainingRecipe, DataRecipe, EvaluationRecipe,
    ]  # fmt: skip
