"""The command line: the whole way, what it says of bad input, and how soon it answers."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import spondyl
from command_line import Run
from spondyl import cli
from spondyl.cli import main
from spondyl.cli.inputs import parse_anchor
from spondyl.errors import FilmError, UsageError

COMMANDS = (
    "demo", "phantom", "check", "split", "train", "calibrate", "predict", "measure", "evaluate",
    "compare", "draw", "history", "convert", "data", "export",
)  # fmt: skip
SMALL = (
    "model.name=unet_small",
    "model.pretrained=false",
    "data.image_size=64",
    "data.val_split=0.3",
    "training.epochs=1",
    "training.batch_size=4",
    "training.warmup_epochs=0",
    "training.frozen_epochs=0",
)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten small phantoms and their annotations."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    assert main(["phantom", str(folder), "--films", "10", "--long-side", "160"]) == 0
    return folder


@pytest.fixture
def copied(phantoms: Path, tmp_path: Path) -> Path:
    """The same phantoms, to be damaged."""
    return Path(shutil.copytree(phantoms, tmp_path / "copied"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network that learnt nothing."""
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    _save(path, trained="unet_small", said="unet_small")
    return path


def _save(path: Path, *, trained: str, said: str, more: tuple[str, ...] = ()) -> None:
    from spondyl.learning.checkpoint import save_model
    from spondyl.learning.codecs import make_codec
    from spondyl.learning.networks import build_network
    from spondyl.recipe import Recipe, override

    recipe = override(Recipe(), [*SMALL, f"model.name={said}", *more])
    model = recipe.model.model_copy(update={"name": trained})
    network = build_network(model, make_codec(recipe.codec, 64).channels)
    save_model(path, network, recipe, about={})


def _settings() -> list[str]:
    return [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture(scope="module")
def trained(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    arguments = ["train", phantoms, "--recipe", "spondyl", "--out", folder, "--device", "cpu"]
    assert main([*map(str, arguments), *_settings()]) == 0
    return folder


def test_the_whole_way_goes_through_the_command_line(
    run: Run, phantoms: Path, trained: Path, tmp_path: Path
) -> None:
    best, split = trained / "best_mre.safetensors", trained / "split.json"
    found, judged = tmp_path / "found", tmp_path / "judged"
    part = ("--split", split, "--part", "val")
    said = run("predict", "--data", phantoms, *part, "--weights", best, "--out", found)
    assert (said.code, said.out.strip()) == (0, str(found / "predictions.json"))
    keys = [
        image["key"] for image in json.loads((found / "predictions.json").read_text())["images"]
    ]
    assert keys == [k for ks in json.loads(split.read_text())["parts"]["val"].values() for k in ks]
    assert len(list((found / "overlays").glob("*.png"))) == len(keys) == 3

    said = run("evaluate", found / "predictions.json", phantoms, *part, "--out", judged)
    assert said.code == 0
    assert all(name in said.out for name in ("all", "ordinal", "matched", "3 films"))
    assert (judged / "evaluation.json").is_file()
    with (judged / "measurements.csv").open(encoding="utf-8", newline="") as file:
        measured = list(csv.DictReader(file))
    assert {row["film"] for row in measured} == set(keys)
    assert all(row["predicted"] or row["reason"] for row in measured)
    again = ("evaluate", found / "predictions.json", phantoms, *part, "--out", judged)
    assert "--overwrite" in run(*again).lines[0]
    assert run(*again, "--overwrite").code == 0


def test_the_summary_has_a_row_a_film(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    arguments = ("--weights", weights, "--out", tmp_path, "--no-overlays")
    assert run("predict", phantoms / "images", *arguments).code == 0
    with (tmp_path / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["film"] for row in rows] == [f"phantom-{k:05d}" for k in range(10)]
    assert all(row["note"] for row in rows)
    assert not (tmp_path / "overlays").exists()


def test_a_history_becomes_a_figure(run: Run, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "history.svg"
    assert run("history", trained, "--out", out).code == 0
    assert out.read_text().lstrip().startswith("<?xml")


def test_a_history_replaces_no_other_kind_of_file(run: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text("mine")
    assert run("history", trained, "--out", path).code == 2
    assert path.read_text() == "mine"


def test_several_histories_become_one_figure(run: Run, trained: Path, tmp_path: Path) -> None:
    for name in ("first/net", "second/net", "second/other"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(trained / "history.json", tmp_path / name)
    out = tmp_path / "history.svg"
    folders = [tmp_path / name for name in ("first/net", "second/net", "second/other")]
    said = run("history", *folders, "--out", out)
    assert (said.code, said.out.strip()) == (0, str(out))
    drawn = out.read_text()
    assert all(f">{name}</text>" in drawn for name in ("first/net", "second/net", "second/other"))
    assert run("history", *folders[1:], "--out", out).code == 0
    assert ">net</text>" in out.read_text()


def test_a_history_given_twice_is_refused(run: Run, trained: Path, tmp_path: Path) -> None:
    said = run("history", trained, trained, "--out", tmp_path / "history.svg")
    assert said.code == 2
    assert said.lines == [f"spondyl: {trained}: given twice; need each folder once"]


def test_annotations_are_drawn_film_by_film(run: Run, phantoms: Path, tmp_path: Path) -> None:
    said = run("draw", phantoms, "--out", tmp_path)
    assert (said.code, said.out.strip()) == (0, str(tmp_path))
    assert len(list(tmp_path.glob("*.png"))) == 10


def test_predictions_are_drawn_on_one_film(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    film = phantoms / "images" / "phantom-00003.png"
    run("predict", film, "--weights", weights, "--out", tmp_path / "found", "--no-overlays")
    predictions = tmp_path / "found" / "predictions.json"
    assert run("draw", film, "--predictions", predictions, "--out", tmp_path / "drawn").code == 0
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["phantom-00003.png"]
    said = run("draw", film, "--out", tmp_path / "drawn")
    assert said.lines == [f"spondyl: {film}: one film has no annotation; need --predictions"]


def test_a_run_that_is_there_is_not_written_over(run: Run, phantoms: Path, trained: Path) -> None:
    said = run("train", phantoms, "--recipe", "spondyl", "--out", trained, *_settings())
    assert (said.code, len(said.lines)) == (2, 1)
    assert str(trained) in said.lines[0]


def test_phantoms_are_not_written_into_a_folder_in_use(run: Run, phantoms: Path) -> None:
    said = run("phantom", phantoms, "--films", "1")
    expected = f"spondyl: {phantoms}: is not empty; need a new folder, or --force"
    assert (said.code, said.lines) == (2, [expected])


# bad films


def damaged_films(folder: Path) -> list[str]:
    """Films that cannot be used; returns their names."""
    good = folder / "phantom-00000.png"
    Image.open(good).save(folder / "whole.jpg")
    (folder / "truncated.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:900])
    (folder / "whole.jpg").unlink()
    (folder / "text.png").write_text("this is no film\n")
    colours = np.random.default_rng(0).integers(0, 255, (120, 90, 3), dtype=np.uint8)
    Image.fromarray(colours).save(folder / "photograph.png")
    return ["photograph.png", "text.png", "truncated.jpg"]


def test_a_batch_goes_on_past_bad_films_and_sums_up(
    run: Run, copied: Path, weights: Path, tmp_path: Path
) -> None:
    bad = damaged_films(copied / "images")
    said = run("predict", copied / "images", "--weights", weights, "--out", tmp_path / "found")
    assert said.code == 2
    assert len(said.lines) == 4
    assert all(name in line for name, line in zip(bad, said.lines, strict=False))
    assert said.lines[-1] == "13 files: 10 films, 0 skipped, 3 failed"
    found = json.loads((tmp_path / "found" / "predictions.json").read_text())
    assert len(found["images"]) == 10


@pytest.mark.parametrize("name", ["truncated.jpg", "text.png", "photograph.png", "missing.png"])
def test_one_bad_film_is_one_line(
    run: Run, copied: Path, weights: Path, tmp_path: Path, name: str
) -> None:
    damaged_films(copied / "images")
    film = copied / "images" / name
    said = run("predict", film, "--weights", weights, "--out", tmp_path / "found")
    assert said.code == 2
    assert name in said.lines[0]
    assert len(said.lines) <= 2
    assert "Traceback" not in " ".join(said.lines)


def test_an_empty_folder_is_one_line_for_every_command(
    run: Run, weights: Path, tmp_path: Path
) -> None:
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    for arguments in (
        ("predict", empty, "--weights", weights, "--out", out),
        ("predict", "--data", empty, "--weights", weights, "--out", out),
        ("train", empty, "--recipe", "spondyl", "--out", out),
        ("draw", empty, "--out", out),
        ("history", empty, "--out", out / "history.svg"),
        ("evaluate", empty / "predictions.json", empty, "--out", out),
    ):
        said = run(*arguments)
        assert (said.code, len(said.lines)) == (2, 1), arguments
        assert said.lines[0].startswith(f"spondyl: {empty}"), arguments
    assert not out.exists()


# bad annotations


def change(folder: Path, edit: Any) -> None:
    """Rewrites the annotations of phantoms."""
    path = folder / "annotations.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def drop_the_film(folder: Path) -> str:
    (folder / "images" / "phantom-00002.png").unlink()
    return "phantom-00002"


def three_corners(folder: Path) -> str:
    def edit(data: Any) -> None:
        del data["images"][2]["landmarks"]
        first = next(a for a in data["annotations"] if a["image_id"] == data["images"][2]["id"])
        del first["keypoints"][9:]

    change(folder, edit)
    return "3 corners, need 4"


def nan_coordinates(folder: Path) -> str:
    def edit(data: Any) -> None:
        del data["images"][2]["landmarks"]
        first = next(a for a in data["annotations"] if a["image_id"] == data["images"][2]["id"])
        first["keypoints"][:3] = [float("nan"), 20, 2]

    change(folder, edit)
    return "NaN, need a finite number"


@pytest.mark.parametrize("damage", [drop_the_film, three_corners, nan_coordinates])
def test_training_refuses_bad_annotations_before_the_first_epoch(
    run: Run, copied: Path, tmp_path: Path, damage: Any
) -> None:
    reason = damage(copied)
    out = tmp_path / "run"
    said = run("train", copied, "--recipe", "spondyl", "--out", out, *_settings())
    assert (said.code, len(said.lines)) == (2, 2)
    assert "phantom-00002" in said.lines[0]
    assert reason in said.lines[0]
    assert said.lines[1] == (
        f"spondyl: {copied}: 1 annotations cannot be used; repair them, or give --skip-bad"
    )
    assert not out.exists()


def test_training_goes_on_without_bad_annotations_where_told_to(
    run: Run, copied: Path, tmp_path: Path
) -> None:
    drop_the_film(copied)
    out = tmp_path / "run"
    said = run(
        "train", copied, "--recipe", "spondyl", "--out", out, "--skip-bad", "--device", "cpu",
        *_settings(),
    )  # fmt: skip
    assert said.code == 0
    assert "phantom-00002" in said.lines[0]
    assert said.out.strip() == str(out / "best_mre.safetensors")
    assert json.loads((out / "run.json").read_text())["training_films"] == 6


# bad recipes and weights


def test_an_unknown_setting_is_one_line(run: Run, phantoms: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "run.yaml"
    recipe.write_text("training: {epoch: 3}\n")
    said = run("train", phantoms, "--recipe", recipe, "--out", tmp_path / "run")
    expected = f"{recipe}: unknown setting 'training.epoch'; did you mean 'training.epochs'?"
    assert (said.code, said.lines) == (2, [f"spondyl: {expected}"])


def test_options_beside_the_recipe_are_part_of_it(tmp_path: Path) -> None:
    from spondyl.cli.training import _recipe

    weights = tmp_path / "own.safetensors"
    recipe = _recipe("plan/unet", ["training.epochs=3"], weights=weights, seed=7)
    assert (recipe.seed, recipe.training.epochs, recipe.model.weights) == (7, 3, weights)
    assert recipe.model.name == "unet"


def test_a_checkpoint_of_another_network_is_one_line(
    run: Run, phantoms: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.safetensors"
    _save(path, trained="hrnet_w18_small", said="unet_small")
    said = run("predict", phantoms / "images", "--weights", path, "--out", tmp_path / "found")
    assert (said.code, len(said.lines)) == (2, 1)
    assert said.lines[0].startswith(f"spondyl: {path}: weights of another network than unet_small")


@pytest.mark.parametrize("content", [None, b"", b"\x80\x02pickle", b"junk" * 100])
def test_what_is_no_checkpoint_is_one_line(
    run: Run, phantoms: Path, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    said = run("predict", phantoms / "images", "--weights", path, "--out", tmp_path / "found")
    assert (said.code, len(said.lines)) == (2, 1)
    assert said.lines[0].startswith(f"spondyl: {path}: ")


# arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "--anchor", "L5"], "--anchor L5: need LEVEL=PLACE"),
        (["predict"], "FILMS, --data and --example: need one of the three"),
        (
            ["predict", "film.png", "--data", "x"],
            "FILMS, --data and --example: need one of the three",
        ),
        (
            ["predict", "film.png", "--part", "val"],
            "--split, --part and --format: only with --data",
        ),
        (["predict", "film.png", "--device", "tpu"], "Invalid value for '--device'"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments, "--weights", "w.safetensors", "--out", "out")
    assert (result.code, len(result.lines)) == (2, 1)
    assert result.lines[0].startswith(f"spondyl: {said}")


def test_a_part_needs_its_split(run: Run, phantoms: Path, weights: Path, tmp_path: Path) -> None:
    said = run(
        "predict", "--data", phantoms, "--part", "val", "--weights", weights, "--out", tmp_path
    )
    expected = "spondyl: --split and --part: only one was given; need both, or neither"
    assert said.lines == [expected]


@pytest.mark.parametrize("text", ["L5", "=3", "L5=", "L5=-1", "L5=three", ""])
def test_an_anchor_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="need LEVEL=PLACE"):
        parse_anchor(text)


def test_an_anchor_is_a_level_and_a_place() -> None:
    assert parse_anchor("l5=3") == ("L5", 3)
    assert parse_anchor(None) is None


@pytest.mark.skipif(sys.platform == "darwin", reason="the device may be there")
def test_a_device_that_is_not_there_is_one_line(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    common = ("--out", tmp_path / "out", "--device", "mps")
    for arguments in (
        ("predict", phantoms / "images", "--weights", weights, *common),
        ("train", phantoms, "--recipe", "demo", *common),
    ):
        said = run(*arguments)
        assert said.lines[-1:] == [
            f"spondyl: device mps: is not on this machine; need {_devices()}"
        ]
        assert said.code == 2


def _devices() -> str:
    import torch

    return "cuda or cpu" if torch.cuda.is_available() else "cpu"


def test_the_package_runs_as_a_module_with_the_same_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spondyl", "trian"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"spondyl: No such command")


# how errors are shown


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def raising(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", raising)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (FilmError("a.png: is\nempty"), 2, "a.png: is empty"),
        (PermissionError(13, "Permission denied", "out"), 2, "out: permission denied"),
        (OSError(28, "No space left on device"), 2, "no space left on device"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            2,
            "torch is not installed; run: pip install 'spondyl[train]'",
        ),
        (
            ModuleNotFoundError("No module named 'scipy'", name="scipy.stats"),
            2,
            "scipy.stats is not installed; run: pip install 'spondyl[eval]'",
        ),
        (
            TypeError("wrong"),
            1,
            "internal error: TypeError: wrong; please report it, with what SPONDYL_DEBUG=1 prints",
        ),
    ],
)
def test_an_error_is_one_line_and_a_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, line: str
) -> None:
    fail_with(monkeypatch, error)
    said = run("draw")
    assert (said.code, said.lines) == (code, [f"spondyl: {line}"])


def test_a_traceback_is_there_for_who_asks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, TypeError("wrong"))
    monkeypatch.setenv("SPONDYL_DEBUG", "1")
    assert run("draw").lines[0].startswith("Traceback")


def test_an_interrupt_is_130_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, phantoms: Path, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spondyl.data.phantom.write_phantoms", interrupted)
    said = run("phantom", tmp_path / "new")
    assert (said.code, said.lines) == (130, ["spondyl: interrupted"])


def test_the_version_goes_to_stdout(run: Run) -> None:
    said = run("--version")
    assert (said.code, said.out) == (0, f"spondyl {spondyl.__version__}\n")


def test_no_command_and_an_unknown_command_are_one_line(run: Run) -> None:
    assert run().lines == ["spondyl: Missing command; see spondyl --help"]
    assert run("trian").code == 2


# how soon it answers


def seconds_to_help(*arguments: str) -> float:
    program = "import sys; from spondyl.cli import main; sys.exit(main())"
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program, *arguments, "--help"], check=True, capture_output=True
    )
    return time.perf_counter() - started


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_answers_within_half_a_second(command: str) -> None:
    arguments = [command] if command else []
    assert any(seconds_to_help(*arguments) < 0.5 for _ in range(3))


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from spondyl.cli import main; main(['train', '--help']); "
        "heavy = {'numpy', 'pydantic', 'torch', 'jaxtyping', 'rich', 'PIL', 'yaml'}; "
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is_for(run: Run, command: str) -> None:
    from typer.main import get_command

    options: Any = get_command(cli.app)
    bare = [p.name for p in options.commands[command].params if not getattr(p, "help", None)]
    assert bare == []
    assert run(command, "-h").code == 0


# what users get wrong


def test_annotations_are_not_taken_for_predictions(
    run: Run, phantoms: Path, tmp_path: Path
) -> None:
    said = run("evaluate", phantoms / "annotations.json", phantoms, "--out", tmp_path / "judged")
    assert (said.code, len(said.lines)) == (2, 1)
    assert "need a predictions file" in said.lines[0]


def test_a_bad_annotation_in_a_batch_is_counted(
    run: Run, copied: Path, trained: Path, tmp_path: Path
) -> None:
    drop_the_film(copied)
    best = trained / "best_mre.safetensors"
    said = run("predict", "--data", copied, "--weights", best, "--out", tmp_path / "found")
    assert said.code == 2
    assert said.lines[-1].endswith("0 skipped, 1 failed")
    assert (tmp_path / "found" / "predictions.json").exists()


def test_an_anchor_that_is_no_level_is_refused_before_any_film(
    run: Run, phantoms: Path, trained: Path, tmp_path: Path
) -> None:
    best = trained / "best_mre.safetensors"
    for anchor in ("L9=1", "L5=0"):
        said = run(
            "predict", phantoms, "--weights", best, "--out", tmp_path / "x", "--anchor", anchor
        )
        assert (said.code, len(said.lines)) == (2, 1)
        assert anchor in said.lines[0]
    assert not (tmp_path / "x").exists()


def test_resuming_where_there_is_no_run_is_refused(
    run: Run, phantoms: Path, tmp_path: Path
) -> None:
    out = tmp_path / "none"
    said = run("train", phantoms, "--recipe", "demo", "--out", out, "--resume")
    assert said.lines == [
        f"spondyl: {out}: holds no run to resume; leave --resume away to begin one"
    ]
    assert not out.exists()


def test_a_damaged_annotation_file_is_named(run: Run, copied: Path, tmp_path: Path) -> None:
    (copied / "annotations.json").write_text('{"images": [')
    said = run("draw", copied, "--out", tmp_path / "drawn")
    assert (said.code, len(said.lines)) == (2, 1)
    assert "annotations.json" in said.lines[0]


def test_predictions_of_other_films_cannot_be_drawn(
    run: Run, phantoms: Path, copied: Path, trained: Path, tmp_path: Path
) -> None:
    best = trained / "best_mre.safetensors"
    film = copied / "images" / "phantom-00001.png"
    film.rename(copied / "another.png")
    run("predict", copied / "another.png", "--weights", best, "--out", tmp_path / "found")
    found = tmp_path / "found" / "predictions.json"
    said = run("draw", phantoms, "--predictions", found, "--out", tmp_path / "drawn")
    assert said.code == 2
    assert "none of its films" in said.lines[-1]


# what predict leaves behind


@pytest.fixture(scope="module")
def thinnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with dropout that learnt nothing, of the same kind as ``weights``."""
    path = tmp_path_factory.mktemp("thinnable") / "thinnable.safetensors"
    _save(path, trained="unet_small", said="unet_small", more=("model.dropout=0.2", "seed=1"))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_test_set_without_labels_is_predicted_as_the_plan_has_it(
    run: Run, phantoms: Path, trained: Path, tmp_path: Path
) -> None:
    best, out = trained / "best_mre.safetensors", tmp_path / "test"
    said = run("predict", phantoms / "images", "--weights", best, "--out", out, "--prefix", "test_")
    assert (said.code, said.out.strip()) == (0, str(out / "test_predictions.json"))
    assert sorted(path.name for path in out.iterdir()) == [
        "overlays", "reports", "test_measurements.csv", "test_measurements.json",
        "test_measurements_wide.csv", "test_predictions.json", "test_provenance.json",
        "test_report.html", "test_summary.csv",
    ]  # fmt: skip
    rows = rows_of(out / "test_summary.csv")
    overlays = sorted(path.stem for path in (out / "overlays").iterdir())
    assert overlays == sorted(path.stem for path in (out / "reports").iterdir())
    assert overlays == [row["film"] for row in rows] == [f"phantom-{k:05d}" for k in range(10)]


def test_a_summary_says_how_far_a_film_can_be_believed(tmp_path: Path) -> None:
    """Figures by hand: corners that were not seen and vertebrae without a name do not count."""
    from spondyl.cli.batch import write_predictions
    from spondyl.data.sample import Sample
    from spondyl.film.radiograph import PixelSpacing
    from spondyl.spine.landmarks import Landmarks

    steps = np.array([[0, 0], [40, 0], [0, 30], [40, 30]], dtype=float)
    points = np.array([[100, 100 + 40 * k] for k in (0, 1, 3)], dtype=float)[:, None] + steps
    points[0, 1] = np.nan
    confidence = np.full((3, 4), 0.9)
    confidence[0, 1], confidence[2, 3] = 0.0, 0.35
    found = Landmarks(
        points, confidence, (None, "L4", "S1"), np.array([np.nan, 0.9, 0.8]), facing="left"
    )
    known = Sample(
        "a", tmp_path / "a.png", 400, 300, found, "a", "prediction", spacing=PixelSpacing(0.2, 0.1)
    )
    none = Sample(
        "b", tmp_path / "b.png", 40, 30, Landmarks(np.zeros((0, 4, 2))), "b", "prediction"
    )
    write_predictions([known, none], tmp_path, made_by={})
    one, other = rows_of(tmp_path / "summary.csv")
    assert (one["vertebrae"], one["levels"], one["facing"]) == ("3", "? L4 S1", "left")
    assert float(one["mean_confidence"]) == pytest.approx((10 * 0.9 + 0.35) / 11, abs=1e-4)
    assert (one["lowest_confidence"], one["mean_level_probability"]) == ("0.35", "0.85")
    assert one["gap"] == "yes"
    assert (one["width"], one["height"]) == ("300", "400")
    assert (one["row_mm"], one["column_mm"], one["spacing_plane"]) == ("0.2", "0.1", "unknown")
    blank = ("facing", "mean_confidence", "lowest_confidence", "mean_level_probability", "gap")
    assert all(other[name] == "" for name in (*blank, "row_mm", "column_mm", "spacing_plane"))
    assert (other["vertebrae"], other["note"]) == ("0", "no vertebra found")


def test_the_spacing_of_a_film_is_in_its_summary_and_its_predictions(
    run: Run, weights: Path, tmp_path: Path
) -> None:
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

    film = pydicom.Dataset()
    film.SOPClassUID, film.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    film.Modality, film.Rows, film.Columns = "CR", 120, 90
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated = film.BitsStored = 16
    film.HighBit, film.PixelRepresentation = 15, 0
    film.PixelSpacing = [0.4, 0.2]
    film.PixelData = np.arange(120 * 90, dtype=np.uint16).tobytes()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    out = tmp_path / "out"
    assert run("predict", tmp_path / "film.dcm", "--weights", weights, "--out", out).code == 0
    [row] = rows_of(out / "summary.csv")
    assert (row["row_mm"], row["column_mm"]) == ("0.4", "0.2")
    [image] = json.loads((out / "predictions.json").read_text())["images"]
    assert (image["spacing"]["row_mm"], image["aspect"]) == (0.4, 2.0)


def test_predictions_are_not_written_over_unless_told_to(
    run: Run, copied: Path, weights: Path, tmp_path: Path
) -> None:
    out, films = tmp_path / "out", copied / "images"
    asked = ("predict", films, "--weights", weights, "--out", out)
    assert run(*asked).code == 0
    before = (out / "predictions.json").read_bytes()
    said = run(*asked)
    expected = f"{out / 'predictions.json'}: is there already; need another --out, or --overwrite"
    assert (said.code, said.lines) == (2, [f"spondyl: {expected}"])
    assert (out / "predictions.json").read_bytes() == before

    (films / "phantom-00004.png").unlink()
    (out / "overlays" / "own.png").write_bytes(b"mine")
    (out / "notes.txt").write_text("mine")
    assert run(*asked, "--overwrite").code == 0
    left = sorted(path.name for path in (out / "overlays").iterdir())
    assert left == ["own.png", *(f"phantom-{k:05d}.png" for k in range(10) if k != 4)]
    assert (out / "notes.txt").read_text() == "mine"
    assert len(rows_of(out / "summary.csv")) == 9


def test_overlays_that_are_no_longer_true_do_not_stay(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    film = phantoms / "images" / "phantom-00001.png"
    asked = ("predict", film, "--weights", weights, "--out", tmp_path)
    assert run(*asked).code == 0
    assert run(*asked, "--overwrite", "--no-overlays").code == 0
    assert list((tmp_path / "overlays").iterdir()) == []


def test_what_is_no_predictions_file_may_be_replaced_too(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / "predictions.json").write_text("{")
    film = phantoms / "images" / "phantom-00001.png"
    asked = ("predict", film, "--weights", weights, "--out", tmp_path, "--no-overlays")
    assert run(*asked).code == 2
    assert run(*asked, "--overwrite").code == 0
    assert len(json.loads((tmp_path / "predictions.json").read_text())["images"]) == 1


def test_two_prefixes_share_a_folder(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    film = phantoms / "images" / "phantom-00001.png"
    asked = ("predict", film, "--weights", weights, "--out", tmp_path, "--no-overlays")
    for prefix in ("test_", "val-2_", ""):
        assert run(*asked, "--prefix", prefix).code == 0
        assert run(*asked, "--prefix", prefix).code == 2
    assert len(list(tmp_path.glob("*predictions.json"))) == 3
    assert len(list(tmp_path.glob("*summary.csv"))) == 3


@pytest.mark.parametrize("prefix", ["../x", "a b", "a/", "a.b", "\n", "é"])
def test_a_prefix_is_no_path(run: Run, prefix: str, tmp_path: Path) -> None:
    said = run(
        "predict", "film.png", "--weights", "w", "--out", tmp_path / "out", "--prefix", prefix
    )
    assert (said.code, len(said.lines)) == (2, 1)
    assert said.lines[0].endswith("need letters, digits, dashes and underscores only")
    assert not (tmp_path / "out").exists()


def test_networks_views_and_thinned_passes_are_options(
    run: Run, phantoms: Path, weights: Path, thinnable: Path, tmp_path: Path
) -> None:
    film, out = phantoms / "images" / "phantom-00001.png", tmp_path / "out"
    said = run(
        "predict", film, "--weights", weights, "--weights", thinnable, "--tta", 2, "--out", out
    )
    assert said.code == 0
    made_by = json.loads((out / "predictions.json").read_text())["info"]["made_by"]
    assert made_by["weights"] == "untrained.safetensors, thinnable.safetensors"
    assert made_by["tta"] == "2"
    asked = ("predict", film, "--weights", thinnable, "--mc-dropout", 3, "--no-overlays")
    answers = []
    for name in ("once", "again"):
        assert run(*asked, "--out", tmp_path / name).code == 0
        answers.append((tmp_path / name / "predictions.json").read_bytes())
    assert answers[0] == answers[1]


def test_dropout_needs_a_network_that_has_it(
    run: Run, phantoms: Path, weights: Path, tmp_path: Path
) -> None:
    film = phantoms / "images" / "phantom-00001.png"
    said = run("predict", film, "--weights", weights, "--mc-dropout", 4, "--out", tmp_path / "x")
    assert said.code == 2
    assert said.lines == [
        f"spondyl: {weights}: was trained without dropout; Monte-Carlo dropout needs a network "
        "with model.dropout above 0"
    ]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("asked", [("--tta", 0), ("--mc-dropout", -1), ("--tta", "two")])
def test_an_impossible_number_of_passes_is_one_line(
    run: Run, tmp_path: Path, asked: tuple[str, object]
) -> None:
    said = run("predict", "film.png", "--weights", "w", "--out", tmp_path / "x", *asked)
    assert (said.code, len(said.lines)) == (2, 1)
    assert asked[0] in said.lines[0]
