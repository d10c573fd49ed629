"""What a run leaves behind is complete, and never half written."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from spondyl.learning.keeping import EpochLines, History, KeepWeights, best_weights
from spondyl.recipe import parse_recipe


def trainer(epoch: int, *, every: int = 1, **metrics: float) -> SimpleNamespace:
    return SimpleNamespace(
        current_epoch=epoch,
        max_epochs=9,
        check_val_every_n_epoch=every,
        callback_metrics={k.replace("__", "@"): torch.tensor(v) for k, v in metrics.items()},
        optimizers=[SimpleNamespace(param_groups=[{"lr": 1e-4}, {"lr": 1e-3}])],
    )


def module(save_best: str = "both", checkpoint_every: int = 0) -> SimpleNamespace:
    recipe = parse_recipe(
        {
            "evaluation": {"save_best": save_best},
            "training": {"checkpoint_every": checkpoint_every},
        },
        name="test",
    )
    return SimpleNamespace(recipe=recipe, judged_network=torch.nn.Linear(1, 1))


@pytest.fixture
def saved(monkeypatch) -> list[tuple[str, int]]:
    written: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "spondyl.learning.keeping.save_model",
        lambda path, network, recipe, *, about: written.append((path.stem, about["epoch"])),
    )
    return written


def test_the_best_loss_and_the_best_radial_error_are_kept_apart(
    tmp_path: Path, saved: list[tuple[str, int]]
) -> None:
    keep = KeepWeights(tmp_path, {})
    for epoch, (loss, mre) in enumerate([(3.0, 40.0), (2.0, 45.0), (2.5, 30.0), (1.0, 30.0)]):
        keep.on_train_epoch_end(trainer(epoch, val_loss=loss, val_penalised_mre=mre), module())
    assert saved == [
        ("best_loss", 1), ("best_mre", 1), ("best_loss", 2), ("best_mre", 3), ("best_loss", 4)
    ]  # fmt: skip


@pytest.mark.parametrize(("asked", "kept"), [("loss", {"best_loss"}), ("mre", {"best_mre"})])
def test_only_what_the_recipe_asks_for_is_kept(
    tmp_path: Path, saved: list[tuple[str, int]], asked: str, kept: set[str]
) -> None:
    keep = KeepWeights(tmp_path, {})
    keep.on_train_epoch_end(trainer(0, val_loss=1.0, val_penalised_mre=2.0), module(asked))
    assert {name for name, _ in saved} == kept


def test_the_weights_to_predict_with_are_the_best_mre_before_the_best_loss(tmp_path: Path) -> None:
    assert best_weights(tmp_path).name == "best_mre.safetensors"  # which is then named as missing
    for name in ("best_loss", "best_mre"):
        (tmp_path / f"{name}.safetensors").touch()
        assert best_weights(tmp_path).stem == name


def test_every_nth_epoch_is_kept(tmp_path: Path, saved: list[tuple[str, int]]) -> None:
    keep = KeepWeights(tmp_path, {})
    for epoch in range(5):
        keep.on_train_epoch_end(trainer(epoch), module(checkpoint_every=2))
    assert saved == [("epoch_0002", 2), ("epoch_0004", 4)]


def test_a_resumed_keeper_knows_the_best_so_far(
    tmp_path: Path, saved: list[tuple[str, int]]
) -> None:
    first = KeepWeights(tmp_path, {})
    first.on_train_epoch_end(trainer(0, val_loss=1.0, val_penalised_mre=2.0), module())
    saved.clear()
    second = KeepWeights(tmp_path, {})
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.on_train_epoch_end(trainer(1, val_loss=1.5, val_penalised_mre=2.5), module())
    assert saved == []


def test_a_metric_that_is_no_number_never_wins(
    tmp_path: Path, saved: list[tuple[str, int]]
) -> None:
    keep = KeepWeights(tmp_path, {})
    nan = float("nan")
    keep.on_train_epoch_end(trainer(0, val_loss=nan, val_penalised_mre=nan), module())
    assert saved == []


def test_history_is_one_row_an_epoch_in_both_files(tmp_path: Path) -> None:
    history = History(tmp_path)
    for epoch in range(3):
        history.on_train_epoch_start(trainer(epoch), None)
        metrics = {"train_loss": 3.0 - epoch, "val_mre": float("nan") if epoch == 0 else 5.0}
        history.on_train_epoch_end(trainer(epoch, **metrics), None)
    rows = json.loads((tmp_path / "history.json").read_text())
    assert [row["train_loss"] for row in rows] == [3.0, 2.0, 1.0]
    assert rows[0]["val_mre"] is None  # missing is null, never 0
    assert rows[1]["learning_rate"] == 1e-3
    assert rows[1]["backbone_learning_rate"] == 1e-4
    table = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert [float(row["train_loss"]) for row in table] == [3.0, 2.0, 1.0]
    resumed = History(tmp_path)
    resumed.load_state_dict(history.state_dict())
    assert resumed.rows == history.rows
    assert resumed.rows is not history.rows


def test_an_epoch_without_validation_does_not_repeat_the_last_one(tmp_path: Path) -> None:
    history = History(tmp_path)
    for epoch in range(4):
        history.on_train_epoch_end(trainer(epoch, every=2, train_loss=1.0, val_loss=7.0), None)
    assert ["val_loss" in row for row in history.rows] == [False, True, False, True]


def test_without_a_terminal_an_epoch_is_one_line(capsys) -> None:
    lines = EpochLines(Console(width=40))
    lines.on_train_epoch_end(trainer(1, train_loss=0.25, val_penalised_mre=3.5), None)
    printed = capsys.readouterr().out
    assert printed == "epoch 2/9  train_loss 0.25  val_penalised_mre 3.5\n"
