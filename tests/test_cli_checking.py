"""The command that finds faults in labels, as a user runs it."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from spondyl.cli import main
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms
from spondyl.predict import FoundFilm


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    write_phantoms(folder, films=4, seed=3, long_side=256)
    return folder


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Two sources with their habits, one list backwards, one vertebra upside down."""
    folder = tmp_path / "spoilt"
    write_phantoms(folder, films=6, seed=3, long_side=256, habits=True)
    label = folder / "labels" / "phantom-00001.json"
    data = json.loads(label.read_text())
    for key in ("boxes", "keypoints"):
        data[key] = data[key][::-1]
    label.write_text(json.dumps(data))
    label = folder / "labels" / "phantom-00002.json"
    data = json.loads(label.read_text())
    data["keypoints"][1] = [data["keypoints"][1][k] for k in (3, 2, 1, 0)]
    label.write_text(json.dumps(data))
    return folder


def run(*arguments: object) -> int:
    return main(["check", *map(str, arguments)])


def test_a_clean_folder_passes(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clean) == 0
    assert "4 films" in capsys.readouterr().out


def test_errors_stop_a_pipeline_and_are_told(
    spoilt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "faults.json"
    assert run(spoilt, "--json", report) == 1
    told = json.loads(report.read_text())
    found = {(f["kind"], Path(f["film"]).name) for f in told["faults"] if f["severity"] == "error"}
    assert ("upside down", "phantom-00002") in found
    assert ("list reversed", "phantom-00001") in found
    shown = capsys.readouterr().out
    assert "upside down" in shown
    assert "mixed encodings: the folder holds several sources: 3 keypoint-rcnn, 3 yolo-pose" in (
        " ".join(shown.split())
    )


def test_the_page_shows_the_worst_films(
    spoilt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(spoilt, "--out", tmp_path / "page") == 1
    page = (tmp_path / "page" / "faults.html").read_text()
    assert str(tmp_path / "page" / "faults.html") in capsys.readouterr().out
    assert "data:image/jpeg;base64," in page
    assert "upside down" in page


def test_a_repaired_copy_passes_and_every_change_is_listed(
    spoilt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.read_bytes() for p in spoilt.rglob("*") if p.is_file()}
    fixed = tmp_path / "fixed"
    assert run(spoilt, "--fix", fixed) == 1
    assert {p: p.read_bytes() for p in spoilt.rglob("*") if p.is_file()} == before
    changes = json.loads((fixed / "changes.json").read_text())
    kinds = {(c["kind"], Path(c["film"]).name) for c in changes}
    assert ("upside down", "phantom-00002") in kinds
    assert ("list reversed", "phantom-00001") in kinds
    rows = list(csv.DictReader(io.StringIO((fixed / "changes.csv").read_text())))
    assert len(rows) == len(changes)
    assert set(rows[0]) == {"film", "vertebra", "kind", "before", "after"}
    assert run(fixed) == 0
    assert len(read_annotations(fixed).samples) == 6


def test_a_copy_within_the_source_is_refused(
    clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clean, "--fix", clean / "fixed") == 2
    assert "lies within" in capsys.readouterr().err
    assert not (clean / "fixed").exists()


def test_what_is_no_folder_of_labels_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "nowhere") == 2
    assert run(tmp_path) == 2
    assert run(tmp_path, "--format", "nonsense") == 2


def test_a_network_that_disagrees_is_listed(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network sees every label but the first film's second vertebra, and one corner far off."""
    samples = {s.path: s for s in read_annotations(clean).samples}

    def predict(predictor, paths, *, read):
        for count, path in enumerate(paths):
            known = samples[path]
            points = known.landmarks.points.copy()
            if count == 1:
                points[2, 0] += [0.0, -0.5 * np.nanmean(known.landmarks.heights)]
            own = known.landmarks.moved(points)
            kept = [k for k in range(len(own)) if count or k != 1]
            yield FoundFilm(path, own.select(kept), known.geometry)

    monkeypatch.setattr("spondyl.predict.predict_films", predict)
    monkeypatch.setattr("spondyl.learning.detector.load_predictor", lambda path: None)
    report = tmp_path / "faults.json"
    assert run(clean, "--weights", "w.safetensors", "--json", report) == 0
    told = json.loads(report.read_text())["faults"]
    found = {(f["kind"], f["vertebra"]) for f in told if "label" in f["kind"] or "dis" in f["kind"]}
    assert {("seen by the label only", 2), ("corner disagrees", 3)} <= found


def test_neither_report_nor_repaired_copy_replaces_labels(
    clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = clean / "annotations.json"
    before = labels.read_bytes()
    other = tmp_path / "other"
    write_phantoms(other, films=1, seed=4, long_side=160)
    theirs = (other / "annotations.json").read_bytes()
    assert run(clean, "--json", labels) == 2
    assert run(clean, "--fix", other) == 2
    assert "need a new folder" in capsys.readouterr().err
    assert (labels.read_bytes(), (other / "annotations.json").read_bytes()) == (before, theirs)
