"""What is a training run made from: one typed recipe, read from YAML, unknown settings refused."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from spondyl.atomic import write_text
from spondyl.errors import RecipeError

NetworkName = Literal[
    "unet",
    "resnet50",
    "hrnet_w18_small",
    "hrnet_w18",
    "hrnet_w32",
    "hrnet_w48",
    "vitpose_s",
    "unet_small",
    "unet_medium",
]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A part of a recipe: frozen, and strict about the names of its settings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ModelRecipe(Section):
    """Which network, and what it starts from."""

    name: NetworkName = "hrnet_w32"
    """The network."""
    pretrained: bool = True
    """Start the backbone from ImageNet weights (U-Nets have none)."""
    weights: Path | None = None
    """A file of weights to start from instead; the way to go without a network connection."""
    dropout: Fraction = 0.0
    """Share of the head's input channels dropped in training."""
    freeze_backbone: bool = False
    """Train the head only."""
    freeze_stages: Whole = 0
    """Number of leading backbone stages that stand still."""


class SetCodecRecipe(Section):
    """A set of vertebrae: centre, corner and offset maps at a quarter of the input size.

    The sigmas are in map px (a map px is 4 input px).
    """

    name: Literal["set"] = "set"
    """Chooses this codec."""
    centre_sigma: Positive = 1.5
    """Gaussian of a vertebra's centre, map px."""
    corner_sigma: Positive = 1.25
    """Gaussian of a corner, map px."""
    offset_weight: Positive = 10.0
    """Weight of the offsets from centre to corner in the loss."""
    level_weight: Positive = 1.0
    """Weight of the level names in the loss."""
    facing_weight: Positive = 0.5
    """Weight of the facing in the loss."""
    score_threshold: Fraction = 0.3
    """Centres whose score is lower are not vertebrae."""


class SlotsCodecRecipe(Section):
    """The plan's encoding: one channel for the k-th labelled vertebra and each of its corners."""

    name: Literal["slots"] = "slots"
    """Chooses this codec."""
    slots: Count = 10
    """Vertebrae that have channels; further ones are not learnt."""
    anchor: Literal["top", "bottom"] = "top"
    """The end of the spine that the vertebrae are counted from."""
    sigma: Positive = 6.0
    """Gaussian of a corner, in px of a 512 px heat map."""
    heatmap_size: Count = 512
    """Side of the heat maps in px, from a quarter of the input size to the input size."""
    foreground_weight: NotNegative = 0.0
    """Extra weight of the Gaussians in the squared error; 0 is the plain mean squared error."""
    score_threshold: Fraction = 0.05
    """Corners whose peak is lower were not found."""


CodecRecipe = Annotated[SetCodecRecipe | SlotsCodecRecipe, Field(discriminator="name")]


class AugmentationRecipe(Section):
    """How training films are varied; ranges are symmetric unless they are pairs."""

    horizontal_flip: Fraction = 0.0
    """Probability of mirroring a film, its corners and its facing."""
    rotation_range: Annotated[float, Field(ge=0, le=180)] = 10.0
    """Largest rotation, deg."""
    scale_range: tuple[Positive, Positive] = (0.9, 1.1)
    """Smallest and largest magnification."""
    shift_range: Fraction = 0.05
    """Largest shift, as a share of the input size."""
    brightness: Fraction = 0.1
    """Largest change of brightness, as a share of the grey range."""
    contrast: Fraction = 0.1
    """Largest change of contrast, as a share."""
    gamma: Fraction = 0.0
    """Largest change of gamma, as a share."""
    noise: Fraction = 0.0
    """Largest standard deviation of added noise, as a share of the grey range."""

    @field_validator("scale_range")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError(f"smallest {value[0]} is above largest {value[1]}")
        return value


class TrainingRecipe(Section):
    """How long, how fast, in which phases, and when to keep a checkpoint.

    In the first ``frozen_epochs`` the backbone stands still and the head learns at
    ``head_learning_rate`` (default: ``learning_rate``); then both learn at ``learning_rate``.
    """

    epochs: Count = 100
    """Passes over the training films."""
    batch_size: Count = 4
    """Films in one forward pass."""
    accumulate: Count = 1
    """Batches whose gradients make one step of the optimizer."""
    optimizer: Literal["adamw"] = "adamw"
    """The optimizer."""
    learning_rate: Positive = 1e-4
    """The highest learning rate."""
    head_learning_rate: Positive | None = None
    """The head's learning rate while the backbone stands still; null is `learning_rate`."""
    weight_decay: NotNegative = 0.01
    """Decoupled weight decay."""
    scheduler: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after the warm-up."""
    warmup_epochs: Whole = 5
    """Epochs in which the learning rate rises to its highest."""
    min_lr: NotNegative = 1e-6
    """The learning rate at the end of the cosine."""
    frozen_epochs: Whole = 0
    """Epochs of the first phase, in which the backbone stands still."""
    clip_norm: NotNegative = 1.0
    """Largest norm of the gradient; 0 clips nothing."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of the weights; 0 keeps none."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """Arithmetic of the forward and backward pass."""
    channels_last: bool = True
    """Memory order of the activations; faster on most devices, the same result."""
    early_stopping_epochs: Whole = 0
    """Stop after so many epochs without a better radial error; 0 never stops early."""
    checkpoint_every: Whole = 0
    """Keep a checkpoint every so many epochs, beside the best ones; 0 keeps none."""
    validate_every: Count = 1
    """Epochs between two validations."""
    augmentation: AugmentationRecipe = AugmentationRecipe()
    """How training films are varied."""


class DataRecipe(Section):
    """How the films are split and fitted to the input."""

    image_size: Annotated[int, Field(ge=32, multiple_of=32)] = 512
    """Side of the square input, px."""
    val_split: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the groups that choose the checkpoint."""
    test_split: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the groups that training never sees."""
    exclude_groups: tuple[str, ...] = ()
    """Groups (patients, studies or films) that are left out altogether."""
    labels_complete: bool = False
    """The annotators followed one protocol on every film (AASCE: T1 to L5 and nothing else), so
    that what they left out is background."""

    @model_validator(mode="after")
    def _leaves_training_films(self) -> DataRecipe:
        if self.val_split + self.test_split >= 1:
            raise ValueError("val_split and test_split leave nothing to train on")
        return self


class EvaluationRecipe(Section):
    """Which checkpoints to keep, and the thresholds of SDR."""

    save_best: Literal["both", "loss", "mre"] = "both"
    """The measure whose best checkpoint is kept: validation loss, mean radial error, or both."""
    sdr_thresholds: tuple[Positive, ...] = (4, 6, 8, 12, 16, 18, 20, 24)
    """Thresholds of the successful detection rate, in px of 512."""


class Recipe(Section):
    """Everything a training run is made from."""

    seed: Whole = 0
    """The one seed: weights, order, augmentation and split follow from it."""
    model: ModelRecipe = ModelRecipe()
    codec: CodecRecipe = SetCodecRecipe()
    training: TrainingRecipe = TrainingRecipe()
    data: DataRecipe = DataRecipe()
    evaluation: EvaluationRecipe = EvaluationRecipe()

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.training.min_lr > self.training.learning_rate:
            raise ValueError("training.min_lr is above training.learning_rate")
        if self.training.validate_every > self.training.epochs:
            raise ValueError("training.validate_every is above training.epochs")
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


def shipped_recipe(name: str) -> Path:
    """The file of a recipe that comes with the package, such as ``demo`` or ``plan/unet``.

    Raises:
        RecipeError: there is no such recipe.
    """
    package = Path(__file__).parent
    folders = (package / "recipes", package.parents[1] / "recipes")  # installed, or a checkout
    for folder in folders:
        if (path := folder / f"{name}.yaml").is_file():
            return path
    raise RecipeError(
        f"{name}: no such recipe comes with spondyl; need a file, or a name like demo"
    )


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes every setting, defaults included."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    write_text(path, text)


def override(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with ``section.key=value`` settings applied; values are read as YAML.

    Another ``codec.name`` starts from that codec's defaults.

    Raises:
        RecipeError: a setting is not ``key=value``, unknown or impossible.
    """
    data = recipe.model_dump(mode="json")
    for setting in settings:
        _set(data, setting)
    return parse_recipe(data, name="--set")


def _set(data: dict[str, Any], setting: str) -> None:
    key, separator, text = setting.partition("=")
    if not separator:
        raise RecipeError(f"--set {setting}: no value was given; need section.key=value")
    *sections, last = key.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise RecipeError(f"--set {setting}: {section!r} is not a section")
    value = _plain(setting, text)
    if key == "codec.name" and value != data["name"]:
        data.clear()  # one codec's settings mean nothing to the other
    data[last] = value


def _plain(setting: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {setting}: {text!r} is not a YAML value") from error


def _explain(error: ErrorDetails) -> str:
    location = _location(error)
    where = ".".join(location)
    match error["type"]:
        case "extra_forbidden":
            return f"unknown setting {where!r}{_suggestion(location)}"
        case "value_error":
            return f"{where + ': ' if where else ''}{error['ctx']['error']}"
        case "union_tag_not_found" | "union_tag_invalid":
            return f"{where}.name: got {_name_of(error['input'])!r}; need 'set' or 'slots'"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{where or 'recipe'}: got {error['input']!r}; need settings, one a line"
        case _:
            return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r}"


def _name_of(codec: object) -> object:
    return codec.get("name") if isinstance(codec, dict) else codec


def _location(error: ErrorDetails) -> tuple[str, ...]:
    parts = tuple(str(part) for part in error["loc"])
    if parts[:1] == ("codec",):
        return ("codec", *parts[2:])  # pydantic puts the codec's name second
    return parts


def _suggestion(location: tuple[str, ...]) -> str:
    known = [path for path in _paths(Recipe) if path != location]
    near = difflib.get_close_matches(location[-1], {path[-1] for path in known}, n=1, cutoff=0.7)
    if not near:
        return ""
    named = [path for path in known if path[-1] == near[0]]
    meant = min(named, key=lambda path: path[:-1] != location[:-1])  # the same section first
    return f"; did you mean {'.'.join(meant)!r}?"


def _paths(section: type[Section], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, setting in section.model_fields.items():
        yield (*above, name)
        for inner in _subsections(setting.annotation):
            yield from _paths(inner, (*above, name))


def _subsections(annotation: Any) -> list[type[Section]]:
    options = get_args(annotation) or (annotation,)
    return [
        option for option in options if isinstance(option, type) and issubclass(option, Section)
    ]
