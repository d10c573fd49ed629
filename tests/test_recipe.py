"""Recipes: what is refused and how it is said, what overrides do, and the plan's own figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spondyl.errors import RecipeError
from spondyl.recipe import (
    Recipe,
    SlotsCodecRecipe,
    override,
    parse_recipe,
    read_recipe,
    shipped_recipe,
    write_recipe,
)

RECIPES = Path(__file__).parents[1] / "recipes"


def message(data: object) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(data, name="run.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'; did you mean 'training.epochs'?"),
        (
            {"training": {"epoch": 3}},
            "unknown setting 'training.epoch'; did you mean 'training.epochs'?",
        ),
        ({"sigma": 6}, "unknown setting 'sigma'; did you mean 'codec.sigma'?"),
        ({"xyzzy": 1}, "unknown setting 'xyzzy'"),
        ({"codec": {"name": "set", "sigma": 6}}, "unknown setting 'codec.sigma'"),
        (
            {"codec": {"name": "slots", "slot": 6}},
            "unknown setting 'codec.slot'; did you mean 'codec.slots'?",
        ),
        ({"codec": {"sigma": 6}}, "codec.name: got None; need 'set' or 'slots'"),
        ({"codec": {"name": "pose"}}, "codec.name: got 'pose'; need 'set' or 'slots'"),
        ({"training": 3}, "training: got 3; need settings, one a line"),
        ([1], "recipe: got [1]; need settings, one a line"),
        (
            {"training": {"epochs": 0}},
            "training.epochs: input should be greater than or equal to 1, got 0",
        ),
        (
            {"data": {"image_size": 500}},
            "data.image_size: input should be a multiple of 32, got 500",
        ),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named_in_one_line(data: object, said: str) -> None:
    assert message(data) == f"run.yaml: {said}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
def test_an_impossible_learning_rate_is_refused(value: float) -> None:
    assert message({"training": {"learning_rate": value}}).startswith(
        "run.yaml: training.learning_rate: "
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"training": {"frozen_epochs": 9, "epochs": 8}},
            "training.frozen_epochs is above training.epochs",
        ),
        (
            {"codec": {"name": "slots", "heatmap_size": 100}},
            "codec.heatmap_size is 100, need 128 to 512",
        ),
        (
            {"data": {"val_split": 0.5, "test_split": 0.5}},
            "data: val_split and test_split leave nothing to train on",
        ),
        (
            {"training": {"augmentation": {"scale_range": [1.1, 0.9]}}},
            "training.augmentation.scale_range: smallest 1.1 is above largest 0.9",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(data: object, said: str) -> None:
    assert message(data) == f"run.yaml: {said}"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["training", "codec", "name", "slots", "epochs", "data", "x"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    )
)
def test_whatever_the_yaml_holds_gives_a_recipe_or_one_line(data: object) -> None:
    said = "run.yaml: no complaint"
    try:
        parse_recipe(data, name="run.yaml")
    except RecipeError as error:
        said = str(error)
    assert said.startswith("run.yaml: ")
    assert len(said.splitlines()) == 1


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("training: [1,\n")
    with pytest.raises(RecipeError, match=r"run\.yaml: not YAML") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"run\.yaml: cannot be read"):
        read_recipe(path)


def test_an_empty_recipe_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("")
    assert read_recipe(path) == Recipe()


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_comes_along_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    recipe = read_recipe(path)
    write_recipe(recipe, tmp_path / "copy.yaml")
    again = read_recipe(tmp_path / "copy.yaml")
    assert again == recipe
    assert again.digest == recipe.digest


def test_the_digest_knows_one_changed_setting() -> None:
    assert Recipe().digest != Recipe(seed=1).digest
    assert Recipe().digest == Recipe(seed=0).digest


def test_overrides_are_read_as_yaml_and_leave_the_rest() -> None:
    changed = override(
        Recipe(),
        [
            "training.learning_rate=1e-3",
            "model.pretrained=no",
            "training.augmentation.scale_range=[0.8, 1.2]",
            "data.exclude_groups=[a, b]",
        ],
    )
    assert changed.training.learning_rate == 1e-3
    assert changed.model.pretrained is False
    assert changed.training.augmentation.scale_range == (0.8, 1.2)
    assert changed.data.exclude_groups == ("a", "b")
    assert changed.training.epochs == Recipe().training.epochs


def test_another_codec_starts_from_its_own_defaults() -> None:
    changed = override(Recipe(), ["codec.name=slots", "codec.slots=17"])
    assert changed.codec == SlotsCodecRecipe(slots=17)


def test_the_same_codec_by_name_keeps_its_settings() -> None:
    recipe = override(Recipe(), ["codec.name=slots", "codec.slots=17"])
    assert override(recipe, ["codec.name=slots"]) == recipe


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.epochs", "--set training.epochs: no value was given; need section.key=value"),
        ("seed.a=3", "--set seed.a=3: 'seed' is not a section"),
        ("training.epochs=[1", "--set training.epochs=[1: '[1' is not a YAML value"),
        ("training.epoch=1", "--set: unknown setting 'training.epoch'"),
        ("training.epochs=many", "--set: training.epochs: input should be a valid integer"),
    ],
)
def test_an_override_that_cannot_be_is_named(setting: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        override(Recipe(), [setting])
    assert str(caught.value).startswith(said)


def test_a_recipe_that_comes_along_is_found_by_its_name() -> None:
    assert read_recipe(shipped_recipe("plan/unet")).model.name == "unet"
    with pytest.raises(RecipeError, match="plan/vit: no such recipe"):
        shipped_recipe("plan/vit")


PLAN = yaml.safe_load("""
model:
  name: hrnet_w32
  pretrained: true
  num_keypoints: 40
  output_size: 512
  freeze_backbone: false
  freeze_stages: 0
training:
  epochs: 100
  batch_size: 4
  optimizer: adamw
  learning_rate: 0.0001
  weight_decay: 0.01
  scheduler: cosine
  warmup_epochs: 5
  min_lr: 0.000001
  loss: mse
  augmentation:
    horizontal_flip: false
    rotation_range: 10
    scale_range: [0.9, 1.1]
    brightness: 0.1
    contrast: 0.1
data:
  train_split: 0.85
  val_split: 0.15
  image_size: 512
  heatmap_size: 512
  sigma: 6.0
evaluation:
  save_best: both
  sdr_thresholds: [4, 8, 12, 16, 20, 24]
""")
"""Section 4.1 of the plan."""

RESULTS = (6, 12, 18, 24)
"""The thresholds of the plan's results, section 10."""


def in_the_plans_words(recipe: Recipe) -> dict[str, dict[str, object]]:
    """A recipe's settings where the plan's YAML has them; a keypoint is a corner of a slot."""
    codec, training, data = recipe.codec, recipe.training, recipe.data
    assert isinstance(codec, SlotsCodecRecipe)
    thresholds = recipe.evaluation.sdr_thresholds
    assert thresholds == tuple(sorted({*PLAN["evaluation"]["sdr_thresholds"], *RESULTS}))
    augmentation = training.augmentation
    said = {
        "model": recipe.model.model_dump()
        | {"num_keypoints": codec.slots * 4, "output_size": codec.heatmap_size},
        "training": training.model_dump()
        | {
            "loss": "mse" if codec.foreground_weight == 0 else "weighted",
            "augmentation": {
                "horizontal_flip": augmentation.horizontal_flip > 0,
                "rotation_range": augmentation.rotation_range,
                "scale_range": list(augmentation.scale_range),
                "brightness": augmentation.brightness,
                "contrast": augmentation.contrast,
            },
        },
        "data": data.model_dump()
        | {
            "train_split": 1 - data.val_split - data.test_split,
            "heatmap_size": codec.heatmap_size,
            "sigma": codec.sigma,
        },
        "evaluation": recipe.evaluation.model_dump()
        | {"sdr_thresholds": [t for t in thresholds if t in PLAN["evaluation"]["sdr_thresholds"]]},
    }
    return {name: {key: said[name][key] for key in section} for name, section in PLAN.items()}


@pytest.mark.parametrize(
    ("name", "differences"),
    [
        ("hrnet_w32", {}),
        ("hrnet_w32_two_phase", {"training": {"warmup_epochs": 0}}),
        ("resnet50", {"model": {"name": "resnet50"}}),
        (
            "unet",
            {
                "model": {"name": "unet", "pretrained": False},
                "training": {"learning_rate": 1e-3},
            },
        ),
    ],
)
def test_every_setting_of_the_plan_is_kept_to_the_letter(
    name: str, differences: dict[str, dict[str, object]]
) -> None:
    recipe = read_recipe(RECIPES / "plan" / f"{name}.yaml")
    expected = {
        section: {**values, **differences.get(section, {})} for section, values in PLAN.items()
    }
    assert in_the_plans_words(recipe) == expected


@pytest.mark.parametrize("name", ["hrnet_w32", "hrnet_w32_two_phase", "resnet50", "unet"])
def test_what_the_plan_does_not_do_is_not_done(name: str) -> None:
    recipe = read_recipe(RECIPES / "plan" / f"{name}.yaml")
    codec, training, augmentation = recipe.codec, recipe.training, recipe.training.augmentation
    assert isinstance(codec, SlotsCodecRecipe)
    assert codec.anchor == "top"
    assert (augmentation.shift_range, augmentation.gamma, augmentation.noise) == (0, 0, 0)
    assert (training.accumulate, training.ema_decay, training.clip_norm) == (1, 0, 0)
    assert (training.early_stopping_epochs, training.precision) == (0, "32-true")
    assert (recipe.model.dropout, recipe.model.weights) == (0, None)
    assert training.frozen_epochs == (20 if name.endswith("two_phase") else 0)


def test_the_two_phases_are_those_of_the_plans_table() -> None:
    """Section 4.2: epochs 1-20 at 1e-4, backbone frozen; 21-100 at 1e-4 to 1e-6, unfrozen."""
    training = read_recipe(RECIPES / "plan" / "hrnet_w32_two_phase.yaml").training
    assert (training.frozen_epochs, training.epochs) == (20, 100)
    assert (training.learning_rate, training.head_learning_rate) == (1e-4, None)
    assert (training.warmup_epochs, training.scheduler, training.min_lr) == (0, "cosine", 1e-6)


def test_the_plans_recipes_differ_only_where_the_plan_says() -> None:
    base = read_recipe(RECIPES / "plan" / "hrnet_w32.yaml")
    two_phase = read_recipe(RECIPES / "plan" / "hrnet_w32_two_phase.yaml")
    resnet = read_recipe(RECIPES / "plan" / "resnet50.yaml")
    unet = read_recipe(RECIPES / "plan" / "unet.yaml")
    assert two_phase == override(base, ["training.frozen_epochs=20", "training.warmup_epochs=0"])
    assert resnet == override(base, ["model.name=resnet50"])
    changes = ["model.name=unet", "model.pretrained=false", "training.learning_rate=0.001"]
    assert unet == override(base, changes)
