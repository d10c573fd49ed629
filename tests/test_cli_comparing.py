"""The command that sets trained networks side by side: what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from spondyl.cli import main
from spondyl.data.splitting import Split, read_split, write_split

RECIPE = {
    "model.name": "unet_small",
    "model.pretrained": "false",
    "data.image_size": "64",
    "data.val_split": "0.2",
    "data.test_split": "0.3",
    "training.epochs": "1",
    "training.batch_size": "4",
    "training.warmup_epochs": "0",
    "training.validate_every": "1",
}
SLOTS = {"codec.name": "slots", "codec.heatmap_size": "16"}
FOLDERS = ("set", "slots")
FILES = ("comparison.html", "comparison.json", "comparison.csv", "comparison.md")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    assert main(["phantom", str(folder), "--films", "12", "--long-side", "160"]) == 0
    return folder


@pytest.fixture(scope="module")
def runs(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same films through two encodings, an epoch each."""
    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("set", {}), ("slots", SLOTS)):
        settings = [part for k, v in (RECIPE | more).items() for part in ("--set", f"{k}={v}")]
        train = ["train", str(phantoms), "--recipe", "demo", "--out", str(folder / name)]
        assert main([*train, "--device", "cpu", *settings]) == 0
    return folder / "set", folder / "slots"


def compare(*arguments: object) -> int:
    return main(["compare", *map(str, arguments), "--device", "cpu"])


@pytest.fixture(scope="module")
def compared(
    phantoms: Path, runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("compared") / "out"
    assert compare(*runs, "--data", phantoms, "--out", out, "--worst", 2) == 0
    return out


def test_two_runs_become_a_page_tables_and_files(compared: Path) -> None:
    assert all((compared / name).stat().st_size > 0 for name in FILES)
    said = json.loads((compared / "comparison.json").read_text())
    assert list(said["evaluations"]) == ["set", "slots"]
    assert said["baseline"] == "set"
    assert {each["model"] for each in said["differences"]} == {"slots"}


def test_only_the_test_part_of_the_split_is_judged(compared: Path, runs: tuple[Path, Path]) -> None:
    judged = json.loads((compared / "comparison.json").read_text())["evaluations"]["set"]
    assert {row["key"] for row in judged["per_film"]} == set(
        read_split(runs[0] / "split.json").test
    )


def test_the_cost_of_each_network_is_measured_or_read_from_its_run(
    compared: Path, runs: tuple[Path, Path]
) -> None:
    costs = json.loads((compared / "comparison.json").read_text())["costs"]
    for run in runs:
        manifest = json.loads((run / "run.json").read_text())
        cost = costs[run.name]
        assert cost["network"] == "unet_small"
        assert cost["parameters"] == manifest["parameters"]
        assert cost["training_seconds"] == pytest.approx(manifest["seconds"], abs=0.1)
        assert cost["input_size"] == 64
        assert cost["best_epoch"] == 1
        assert cost["latency_ms"] > 0
        assert cost["gmacs"] > 0


def test_the_worst_films_are_drawn_as_each_network_sees_them(compared: Path) -> None:
    drawn = {name: list((compared / "models" / name / "overlays").iterdir()) for name in FOLDERS}
    assert [len(drawn[name]) for name in FOLDERS] == [2, 2]
    assert {path.name for path in drawn["set"]} == {path.name for path in drawn["slots"]}


def test_each_model_leaves_predictions_and_an_evaluation_that_compare_reads_again(
    compared: Path, tmp_path: Path
) -> None:
    folders = [compared / "models" / name for name in FOLDERS]
    assert all((folder / "predictions.json").is_file() for folder in folders)
    assert compare(*folders, "--out", tmp_path / "again", "--baseline", "slots") == 0
    first, again = (
        json.loads((out / "comparison.json").read_text()) for out in (compared, tmp_path / "again")
    )
    assert again["evaluations"] == first["evaluations"]
    mean = {d["metric"]: d["difference"]["value"] for d in first["differences"]}
    turned = {d["metric"]: d["difference"]["value"] for d in again["differences"]}
    assert turned == pytest.approx({metric: -value for metric, value in mean.items()})


def test_the_table_has_every_model(compared: Path) -> None:
    with (compared / "comparison.csv").open(newline="") as file:
        assert {row["model"] for row in csv.DictReader(file)} == {"set", "slots"}
    assert all(name in (compared / "comparison.md").read_text() for name in FOLDERS)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line with which a comparison is refused."""
    capsys.readouterr()
    assert compare(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_run_that_was_trained_on_the_judged_films_is_refused(
    runs: tuple[Path, Path],
    phantoms: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = read_split(runs[0] / "split.json")
    kept = own.test + own.val + own.train[:3]
    groups = {key: own.groups[key] for key in kept}
    swapped = Split(own.test, own.val, own.train[:3], own.seed, groups)
    write_split(swapped, tmp_path / "split.json")
    options = ("--data", phantoms, "--out", tmp_path / "out", "--split", tmp_path / "split.json")
    line = refused(capsys, *runs, *options)
    assert line.startswith("spondyl: set: has trained on films like 3 of the 3 to be judged")
    assert not (tmp_path / "out").exists()


def test_runs_with_other_films_set_aside_are_refused(
    runs: tuple[Path, Path],
    phantoms: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = Path(shutil.copytree(runs[1], tmp_path / "other"))
    own = read_split(runs[1] / "split.json")
    moved = Split(own.train, own.val + own.test[:1], own.test[1:], own.seed, own.groups)
    write_split(moved, other / "split.json")
    line = refused(capsys, runs[0], other, "--data", phantoms, "--out", tmp_path / "out")
    assert "set and other: have other films in part 'test'" in line


def test_what_cannot_be_compared_is_refused_in_one_line(
    runs: tuple[Path, Path],
    phantoms: Path,
    compared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = ("--out", tmp_path / "out")
    assert "need --data" in refused(capsys, *runs, *out)
    assert "need two or more" in refused(capsys, runs[0], "--data", phantoms, *out)
    assert "given twice" in refused(capsys, runs[0], runs[0], "--data", phantoms, *out)
    assert "neither a run nor" in refused(capsys, runs[0], phantoms, *out)
    named = ("--data", phantoms, "--baseline", "unet", *out)
    assert "--baseline unet: is none of set, slots" in refused(capsys, *runs, *named)
    assert "--overwrite" in refused(capsys, *runs, "--data", phantoms, "--out", compared)


def test_a_film_that_cannot_be_read_is_left_out_for_every_network(
    runs: tuple[Path, Path],
    phantoms: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copied = Path(shutil.copytree(phantoms, tmp_path / "copied"))
    broken = read_split(runs[0] / "split.json").test[0]
    (film,) = copied.rglob(f"{Path(broken).name}.png")
    film.write_bytes(b"")
    capsys.readouterr()
    assert compare(*runs, "--data", copied, "--out", tmp_path / "out", "--worst", 0) == 2
    assert "4 files: 3 films, 0 skipped, 1 failed" in capsys.readouterr().err
    said = json.loads((tmp_path / "out" / "comparison.json").read_text())["evaluations"]
    assert [len(said[name]["per_film"]) for name in FOLDERS] == [3, 3]


def test_films_that_chose_the_weights_are_judged_only_aloud(
    runs: tuple[Path, Path],
    phantoms: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    options = ("--data", phantoms, "--out", tmp_path / "out", "--worst", 0, "--part", "val")
    assert compare(*runs, *options) == 0
    assert "set: films like 2 of the 2 to be judged chose its weights" in capsys.readouterr().err


def test_films_with_the_pixels_of_training_films_are_refused(
    runs: tuple[Path, Path],
    phantoms: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = read_split(runs[0] / "split.json")
    pixels = {**own.pixels, own.test[0]: own.pixels[own.train[0]]}
    write_split(replace(own, pixels=pixels), tmp_path / "split.json")
    options = ("--data", phantoms, "--out", tmp_path / "out", "--split", tmp_path / "split.json")
    line = refused(capsys, *runs, *options, "--part", "test")
    assert "films like 1 of the 4 to be judged" in line
    assert "the same pixels" in line


def test_a_training_that_is_not_finished_is_refused(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = Path(shutil.copytree(runs[0], tmp_path / "begun"))
    manifest = json.loads((begun / "run.json").read_text())
    (begun / "run.json").write_text(json.dumps({**manifest, "finished": False}))
    assert "not finished" in refused(capsys, runs[1], begun, "--out", tmp_path / "out")


def test_options_that_mean_nothing_to_evaluations_are_refused(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [compared / "models" / name for name in FOLDERS]
    assert "are for runs" in refused(capsys, *folders, "--out", tmp_path / "out", "--part", "val")


def test_an_earlier_comparison_leaves_nothing_behind(
    compared: Path, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(compared, tmp_path / "out"))
    evaluated = [
        Path(shutil.copytree(out / "models" / n, tmp_path / f"{n} again")) for n in FOLDERS
    ]
    assert compare(*evaluated, "--out", out, "--overwrite") == 0
    assert not list(out.glob("history.*"))
    assert not any((out / "models" / name).exists() for name in FOLDERS)
