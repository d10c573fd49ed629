"""A run learns, and leaves a full record."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from small_runs import NAMES, assert_same_run, history, small

from spondyl.data.sample import Sample
from spondyl.data.splitting import read_split, split_by_group
from spondyl.errors import FilmError, TrainingError, UsageError
from spondyl.learning import train
from spondyl.learning.checkpoint import load_model
from spondyl.learning.cost import cost_of, multiply_adds
from spondyl.learning.detector import load_predictor, predict_samples
from spondyl.learning.module import _learning_rate_factor
from spondyl.learning.train import fit
from spondyl.recipe import override, parse_recipe, read_recipe, shipped_recipe


@pytest.fixture(scope="module")
def learnt_run(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "learnt"
    fit(samples, small(dropout=0, epochs=60, validate_every=20), folder, device="cpu")
    return folder


def test_a_network_learns_to_find_and_name_a_set_of_vertebrae(
    samples: list[Sample], learnt_run: Path
) -> None:
    predictor = load_predictor(learnt_run / "best_mre.safetensors", device="cpu")
    split = read_split(learnt_run / "split.json")
    judged = split.select(samples, "val")
    for truth, found in zip(judged, predict_samples(predictor, judged), strict=True):
        assert found.landmarks.names == NAMES
        assert found.landmarks.facing == "left"
        error = np.linalg.norm(found.landmarks.points - truth.landmarks.points, axis=-1)
        assert error.mean() < 4.0  # image px: 2 input px, a fifth of a body's height


def test_a_run_leaves_a_full_record(whole_run: Path, samples: list[Sample]) -> None:
    manifest = json.loads((whole_run / "run.json").read_text())
    assert manifest["finished"]
    assert manifest["training_films"] == 12
    assert manifest["validation_films"] == 4
    assert manifest["recipe_digest"] == read_recipe(whole_run / "recipe.yaml").digest
    assert torch.__version__.startswith(manifest["packages"]["torch"])
    rows = json.loads((whole_run / "history.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"train_loss", "val_loss", "val_penalised_mre", "learning_rate"} <= rows[0].keys()
    lines = (whole_run / "history.csv").read_text().splitlines()
    assert len(lines) == 4
    assert list((whole_run / "tensorboard").glob("events*"))
    for name in ("best_mre", "best_loss", "epoch_0002"):
        about = load_model(whole_run / f"{name}.safetensors").about
        assert about["train_digest"] == manifest["train_digest"]
    split = read_split(whole_run / "split.json")
    assert sorted((*split.train, *split.val)) == sorted(sample.key for sample in samples)


def test_a_run_records_what_it_took(whole_run: Path) -> None:
    manifest = json.loads((whole_run / "run.json").read_text())
    network = load_model(whole_run / "best_mre.safetensors").network
    assert manifest["input_size"] == 64
    assert manifest["gmacs"] == multiply_adds(network, 64) / 1e9
    assert manifest["peak_memory_bytes"] > 50e6
    assert manifest["peak_device_memory_bytes"] is None
    cost = cost_of(whole_run)
    assert (cost.parameters, cost.gmacs) == (manifest["parameters"], manifest["gmacs"])
    assert cost.training_seconds == manifest["seconds"] > 0
    best = min(history(whole_run), key=lambda row: row["val_penalised_mre"])
    assert cost.best_epoch == best["epoch"]


def test_the_best_weights_are_those_of_the_best_epoch(whole_run: Path) -> None:
    rows = json.loads((whole_run / "history.json").read_text())
    for name, metric in (("best_loss", "val_loss"), ("best_mre", "val_penalised_mre")):
        about = load_model(whole_run / f"{name}.safetensors").about
        best = min(rows, key=lambda row: row[metric])
        assert about["epoch"] == best["epoch"]
        assert about["metrics"][metric] == pytest.approx(best[metric])


def test_the_same_seed_gives_the_same_run_and_another_seed_does_not(
    samples: list[Sample], whole_run: Path, tmp_path: Path
) -> None:
    recipe = small(ema_decay=0.9, checkpoint_every=2)
    torch.rand(11)  # what happened before does not matter
    fit(samples, recipe, tmp_path / "again", device="cpu")
    assert_same_run(whole_run, tmp_path / "again")
    split = read_split(whole_run / "split.json")
    other = recipe.model_copy(update={"seed": 1})
    fit(samples, other, tmp_path / "other", split=split, device="cpu")
    assert history(tmp_path / "other") != history(whole_run)


def test_a_folder_with_a_run_is_not_overwritten(samples: list[Sample], whole_run: Path) -> None:
    with pytest.raises(TrainingError, match="holds a run"):
        fit(samples, small(ema_decay=0.9, checkpoint_every=2), whole_run, device="cpu")
    with pytest.raises(TrainingError, match="another recipe"):
        fit(samples, small(), whole_run, device="cpu", resume=True)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_films(
    samples: list[Sample], tmp_path: Path, monkeypatch
) -> None:
    original = train.LandmarkModule.training_step

    def training_step(self, batch, batch_idx):
        if self.current_epoch == 1:
            with torch.no_grad():
                next(self.network.parameters()).fill_(torch.nan)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(train.LandmarkModule, "training_step", training_step)
    with pytest.raises(TrainingError, match="epoch 2, step 1: loss nan on film-"):
        fit(samples, small(), tmp_path / "run", device="cpu")
    assert load_model(tmp_path / "run" / "best_mre.safetensors").about["epoch"] == 1


def test_two_phases_train_the_head_first(samples: list[Sample], tmp_path: Path) -> None:
    recipe = small(frozen_epochs=2, head_learning_rate=1e-2, checkpoint_every=1)
    fit(samples, recipe, tmp_path / "run", device="cpu")
    states = [
        load_model(tmp_path / "run" / f"epoch_{epoch:04d}.safetensors").network.state_dict()
        for epoch in (1, 2, 3)
    ]
    backbone = [name for name in states[0] if name.startswith("backbone")]
    head = [name for name in states[0] if name.startswith("head") and name.endswith("weight")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in backbone)
    assert not all(torch.equal(states[1][name], states[2][name]) for name in backbone)
    assert not all(torch.equal(states[0][name], states[1][name]) for name in head)
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    assert rows[0]["backbone_learning_rate"] == 0
    assert rows[0]["learning_rate"] == pytest.approx(1e-2)


def test_the_plans_two_phases_move_as_its_table_says(
    samples: list[Sample], tmp_path: Path, monkeypatch
) -> None:
    """Its own recipe, small: 2 of 6 epochs are the first phase. SDR is kept at every threshold."""
    recipe = override(
        read_recipe(shipped_recipe("plan/hrnet_w32_two_phase")),
        [
            "model.name=unet_small", "model.pretrained=false", "data.image_size=64",
            "codec.heatmap_size=64", "codec.slots=4", "training.epochs=6",
            "training.frozen_epochs=2", "data.val_split=0.25",
        ],
    )  # fmt: skip
    seen: list[tuple[int, bool, float, float]] = []

    def look(self, optimizer):
        groups = self.network.parameter_groups()
        has = [all(p.grad is not None for p in groups[name]) for name in ("backbone", "head")]
        none = all(p.grad is None for p in groups["backbone"])
        assert has[1]
        assert none != has[0]
        rates = (group["lr"] for group in optimizer.param_groups)
        seen.append((self.current_epoch + 1, has[0], *rates))

    monkeypatch.setattr(train.LandmarkModule, "on_before_optimizer_step", look)
    run = fit(samples, recipe, tmp_path / "run", device="cpu")
    first, second = seen[:6], seen[6:]  # 3 steps an epoch
    assert [(learns, rate, head) for _, learns, rate, head in first] == [(False, 0, 1e-4)] * 6
    assert all(learns and rate == head for _, learns, rate, head in second)
    falling = [rate for _, _, rate, _ in second]
    assert falling[0] == 1e-4
    assert falling == sorted(falling, reverse=True)
    thresholds = {f"val_sdr@{limit}" for limit in (4, 6, 8, 12, 16, 18, 20, 24)}
    assert all(thresholds == {n for n in row if n.startswith("val_sdr")} for row in run.history)
    assert all(0 <= row[name] <= 100 for row in run.history for name in thresholds)


def test_the_plans_two_phases_have_its_rates_in_every_epoch() -> None:
    """The recipe itself: 1e-4 on the head in epochs 1 to 20, then 1e-4 to 1e-6 on everything."""
    training = read_recipe(shipped_recipe("plan/hrnet_w32_two_phase")).training
    backbone, head = (_learning_rate_factor(training, 50, head=head) for head in (False, True))
    rates = [(1e-4 * backbone(step), 1e-4 * head(step)) for step in range(100 * 50)]
    assert set(rates[: 20 * 50]) == {(0.0, 1e-4)}
    assert all(one == other for one, other in rates[20 * 50 :])
    falling = [rate for rate, _ in rates[20 * 50 :]]
    assert falling[0] == 1e-4
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(1e-6, rel=1e-3)


def test_early_stopping_ends_a_run_that_no_longer_improves(
    samples: list[Sample], tmp_path: Path
) -> None:
    recipe = small(epochs=12, learning_rate=1e-9, min_lr=0, early_stopping_epochs=2)
    run = fit(samples, recipe, tmp_path / "run", device="cpu")
    assert len(run.history) < 12


@pytest.mark.parametrize("name", ["slots"])
def test_the_plans_encoding_trains_through_the_same_door(
    samples: list[Sample], tmp_path: Path, name: str
) -> None:
    recipe = small().model_dump(mode="json")
    recipe["codec"] = {"name": name, "slots": 5, "heatmap_size": 16, "sigma": 40}
    run = fit(samples, parse_recipe(recipe, name="test"), tmp_path / "run", device="cpu")
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    assert load_predictor(run.best, device="cpu").detector.ordered


def test_training_on_a_film_that_cannot_be_read_stops_before_the_first_epoch(
    samples: list[Sample], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    whole = samples[0].path.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    films = [replace(samples[0], path=broken), *samples[1:]]
    with pytest.raises(FilmError, match=r"broken\.png"):
        fit(films, small(), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "history.json").exists()


def test_two_trainings_cannot_share_a_folder(samples: list[Sample], tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(TrainingError, match="another training is using"),
    ):
        fit(samples, small(), tmp_path, device="cpu")
    assert not (tmp_path / "run.json").exists()


def test_a_finished_run_stays_as_it_is(samples: list[Sample], whole_run: Path) -> None:
    before = (whole_run / "run.json").read_text()
    recipe = small(ema_decay=0.9, checkpoint_every=2)
    result = fit(samples, recipe, whole_run, device="cpu", resume=True)
    assert (whole_run / "run.json").read_text() == before
    assert len(result.history) == 3
    assert result.seconds == pytest.approx(json.loads(before)["seconds"], abs=0.06)


def test_excluded_groups_are_in_no_part_of_a_given_split_either(
    samples: list[Sample], tmp_path: Path
) -> None:
    recipe = small()
    given = split_by_group(samples, val=0.25, test=0.0, seed=0)
    out = given.train[0]
    data = recipe.data.model_copy(update={"exclude_groups": (out,)})
    fit(samples, recipe.model_copy(update={"data": data}), tmp_path / "a", split=given)
    split = read_split(tmp_path / "a" / "split.json")
    assert out not in (*split.train, *split.val, *split.test)
    unknown = recipe.data.model_copy(update={"exclude_groups": ("nobody",)})
    with pytest.raises(UsageError, match="no film is of group 'nobody'"):
        fit(samples, recipe.model_copy(update={"data": unknown}), tmp_path / "b")


def test_the_last_epoch_is_validated_whatever_the_interval(
    samples: list[Sample], tmp_path: Path
) -> None:
    run = fit(samples, small(validate_every=2), tmp_path / "run", device="cpu")
    assert ["val_loss" in row for row in run.history] == [False, True, True]


def test_where_only_the_best_loss_is_kept_that_is_what_a_run_gives(
    samples: list[Sample], tmp_path: Path
) -> None:
    settings = small().model_dump(mode="json")
    settings["evaluation"]["save_best"] = "loss"
    run = fit(samples, parse_recipe(settings, name="test"), tmp_path / "run", device="cpu")
    assert run.best.name == "best_loss.safetensors"
    assert run.best.exists()
    assert not (tmp_path / "run" / "best_mre.safetensors").exists()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["parameters"] > 0


def test_half_precision_moves_no_corner(samples: list[Sample], tmp_path: Path, monkeypatch) -> None:
    """Augmentation and targets are the same, to the bit, whatever the network computes in."""
    seen: dict[str, list[torch.Tensor]] = {"32-true": [], "bf16-mixed": []}
    original = train.make_codec

    def watched(precision: str):
        def make(recipe, size):
            codec = original(recipe, size)
            encode = codec.encode

            def encode_and_note(landmarks):
                targets = encode(landmarks)
                seen[precision] += [landmarks.points.clone(), targets.maps.clone()]
                return targets

            codec.encode = encode_and_note
            return codec

        return make

    for precision in seen:
        monkeypatch.setattr(train, "make_codec", watched(precision))
        fit(samples, small(epochs=1, precision=precision), tmp_path / precision, device="cpu")
    assert len(seen["32-true"]) == len(seen["bf16-mixed"]) > 0
    for full, half in zip(seen["32-true"], seen["bf16-mixed"], strict=True):
        assert torch.equal(full.nan_to_num(-1.0), half.nan_to_num(-1.0))
