"""From films, annotations or corrected predictions to measurements, as a user asks for them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from film.canary import leaks, plant
from film.dx import values, write
from spondyl.anatomy import LEVELS
from spondyl.cli import main
from spondyl.data.coco import read_coco, write_coco
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms
from spondyl.predict import Predictor
from spondyl.spine.calibration import Calibration
from spondyl.spine.detections import Detections
from spondyl.spine.measurement import Intervals, factor_name
from spondyl.spine.measurements import measure

SIDE = 64


class Column:
    """Sees the same six vertebrae, L1 to S1, on every film: an upright spine in its middle."""

    input_size = SIDE
    ordered = False

    def __call__(self, inputs: np.ndarray) -> list[Detections]:
        y = 8.0 + 9.0 * np.arange(6)
        signs = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * [5.0, 3.5]
        corners = np.stack([np.full(6, 31.0), y], axis=-1)[:, None] + signs
        logits = np.zeros((6, len(LEVELS) + 1))
        logits[np.arange(6), 12 + np.arange(6)] = 8.0
        covariance = np.full((6, 4, 2, 2), np.nan)
        found = Detections(
            np.full(6, 0.9), corners, np.full((6, 4), 0.8), covariance, logits, np.full(6, 4.0)
        )
        return [found for _ in inputs]


class Run:
    """Runs commands in this process; keeps what was said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out, self.lines = "", [""]

    def __call__(self, *arguments: object) -> int:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        self.out, self.lines = printed.out, printed.err.splitlines()
        return code


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def told(*paths: Path, **how: object) -> Predictor:
        return Predictor(
            Column(), Calibration(), {"weights": "column", "weights_digest": "ab" * 32}
        )

    monkeypatch.setattr("spondyl.learning.detector.load_predictor", told)
    return Run(capsys)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Three pictures of 400 x 400 px."""
    folder = tmp_path / "films"
    folder.mkdir()
    ramp = np.linspace(0, 255, 400 * 400).reshape(400, 400).astype(np.uint8)
    for name in ("a", "b", "c"):
        Image.fromarray(ramp).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("annotated")
    write_phantoms(folder, films=3, seed=5, long_side=300)
    return folder


def predict(run: Run, films: Path, out: Path, *more: object) -> int:
    return run("predict", films, "--weights", "w.safetensors", "--out", out, *more)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values_of(out: Path, name: str, unit: str, film: str = "a") -> dict[str, float]:
    return {
        row["levels"]: float(row["value"])
        for row in rows(out / "measurements.csv")
        if (row["film"], row["name"], row["unit"]) == (film, name, unit) and row["value"]
    }


# a network's landmarks


def test_what_is_written_is_what_is_measured_on_the_predictions(
    run: Run, films: Path, tmp_path: Path
) -> None:
    assert predict(run, films, tmp_path / "out") == 0
    assert run.out.strip() == str(tmp_path / "out/predictions.json")
    told = json.loads((tmp_path / "out/measurements.json").read_text())["films"]
    samples = read_coco(tmp_path / "out/predictions.json").samples
    assert [film["film"] for film in told] == [sample.key for sample in samples] == ["a", "b", "c"]
    for film, sample in zip(told, samples, strict=True):
        measured = measure(sample.landmarks, sample.geometry)
        assert film["measurements"] == json.loads(json.dumps([m.to_json() for m in measured]))


def test_a_ruler_and_a_width_give_true_mm_on_a_film_whose_pixels_are_tall(
    run: Run, tmp_path: Path
) -> None:
    """Rows are twice as far apart as columns: 100 px down are 200 true px, here 100 mm."""
    film = tmp_path / "tall.dcm"
    write(film, values(height=200, width=300), PixelAspectRatio=["2", "1"])
    sizes = {"px": (), "ruler": ("--ruler", "10,10,10,110,100"), "width": ("--mm-per-px", 0.5)}
    found = {}
    for name, more in sizes.items():
        out = tmp_path / name
        assert predict(run, film, out, "--view", "lateral", "--no-deidentify", *more) == 0
        unit = "px" if name == "px" else "mm"
        found[name] = values_of(out, "mean disc height", unit, film="tall")
        found[name] |= values_of(out, "superior endplate", unit, film="tall")
    assert len(found["px"]) > 5
    for levels, value in found["px"].items():
        assert found["ruler"][levels] == pytest.approx(0.5 * value, abs=2e-4)
        assert found["width"][levels] == pytest.approx(0.5 * value, abs=2e-4)
    [summary] = rows(tmp_path / "ruler/summary.csv")
    assert (summary["row_mm"], summary["column_mm"]) == ("1.0", "0.5")
    assert summary["spacing_plane"] == "stated"
    assert "by the user's ruler" in summary["film_notes"]


def test_a_view_that_is_stated_decides_what_is_measured(
    run: Run, films: Path, tmp_path: Path
) -> None:
    predict(run, films, tmp_path / "ap", "--view", "ap")
    predict(run, films, tmp_path / "side")
    names = [{row["name"] for row in rows(tmp_path / out / "measurements.csv")}
             for out in ("ap", "side")]  # fmt: skip
    assert "maximal Cobb angle" in names[0] - names[1]
    assert "slip" in names[1] - names[0]
    [image, *_] = json.loads((tmp_path / "ap/predictions.json").read_text())["images"]
    assert (image["view"], image["facing"]) == ("ap", None)


def test_an_angle_and_a_definition_can_be_asked_for(run: Run, films: Path, tmp_path: Path) -> None:
    asked = ("--angle", "L1.superior:L4.inferior", "--angle", "L2.superior:L3.inferior")
    assert predict(run, films, tmp_path, *asked, "--slip", "McCarty B/C") == 0
    assert set(values_of(tmp_path, "endplate angle", "deg")) == {"L1-L4", "L2-L3"}
    told = {row["definition"] for row in rows(tmp_path / "measurements.csv")
            if row["name"] == "slip"}  # fmt: skip
    assert told == {"McCarty B/C"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--ruler", "1,2,3"), "--ruler 1,2,3: need X1,Y1,X2,Y2,MM"),
        (("--ruler", "1,2,3,4,5", "--mm-per-px", "1"), "--mm-per-px and --ruler: need one"),
        (("--slip", "mine"), "--slip mine: unknown definition; need posterior corner"),
        (("--angle", "L1:L5"), "angle 'L1:L5': need two endplates"),
        (("--also", "pdf"), "--also pdf: need svg, slicer, sr, gsps"),
        (("--age", "50"), "--age and --sex: 3 films; need one"),
        (("--sex", "F"), "--age and --sex: 3 films; need one"),
    ],
)
def test_what_does_not_fit_is_one_line_before_any_film(
    run: Run, films: Path, tmp_path: Path, more: tuple[str, ...], said: str
) -> None:
    assert predict(run, films, tmp_path / "out", *more) == 2
    assert len(run.lines) == 1
    assert run.lines[0].startswith(f"spondyl: {said}")
    assert not (tmp_path / "out").exists()


def test_a_refused_spine_is_a_film_and_no_failure(
    run: Run, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doubting(Predictor):
        def _landmarks(self, fitted: Any, detections: Any) -> Any:
            found = super()._landmarks(fitted, detections)
            return replace(found, doubt=1.42, refusal="unlike the films that are known")

    refusing = Doubting(Column(), Calibration(), {"weights": "column"})
    monkeypatch.setattr("spondyl.learning.detector.load_predictor", lambda *a, **k: refusing)
    assert predict(run, films, tmp_path) == 0
    for row in rows(tmp_path / "summary.csv"):
        assert (row["doubt"], row["refusal"]) == ("1.42", "unlike the films that are known")
    notes = {(row["value"], row["note"]) for row in rows(tmp_path / "measurements.csv")}
    assert notes == {("", "unlike the films that are known")}
    assert "unlike the films that are known" in (tmp_path / "report.html").read_text()
    assert "Not measured" in (tmp_path / "reports/a.html").read_text()


def test_a_mixed_batch_loses_nothing(run: Run, films: Path, tmp_path: Path) -> None:
    """Pictures, a DICOM film, a chest, a broken file: each is a film, skipped or failed."""
    write(films / "spine.dcm", values(height=120, width=100), BodyPartExamined="LSPINE")
    write(films / "chest.dcm", values(height=120, width=100), BodyPartExamined="CHEST")
    (films / "broken.png").write_bytes((films / "a.png").read_bytes()[:300])
    out = tmp_path / "out"
    assert predict(run, films, out, "--key-file", tmp_path / "keys.csv") == 2
    assert run.lines[-1] == "6 files: 4 films, 1 skipped, 1 failed"
    assert sorted(name in " ".join(run.lines[:-1]) for name in ("chest.dcm", "broken.png"))
    keys = [row["film"] for row in rows(out / "summary.csv")]
    assert sorted(keys)[:3] == ["a", "b", "c"]
    assert len(list((out / "overlays").iterdir())) == len(list((out / "reports").iterdir())) == 4
    assert [row["film"] for row in rows(out / "measurements_wide.csv")] == keys
    known = {row["key"]: row["path"] for row in rows(tmp_path / "keys.csv")}
    [hidden] = set(keys) - {"a", "b", "c"}
    assert known[hidden] == str((films / "spine.dcm").resolve())


# who a film is of


def everything(out: Path) -> list[str | bytes]:
    """Names and contents of all files; of pictures also their text."""
    paths = [path for path in out.rglob("*") if path.is_file()]
    return [*(str(path.relative_to(out)) for path in paths), *(p.read_bytes() for p in paths)]


def test_no_word_of_a_header_or_a_file_name_is_in_any_output(run: Run, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    planted = plant(folder, stored=values(height=120, width=100), ViewPosition="LL",
                    BodyPartExamined="LSPINE", BurnedInAnnotation="NO")  # fmt: skip
    assert predict(run, folder, out, "--also", "svg", "--also", "slicer") == 0
    assert len(list(out.rglob("*.*"))) >= 10
    assert len(planted.words) > 500
    assert leaks(planted, everything(out)) == []
    [image] = json.loads((out / "predictions.json").read_text())["images"]
    assert image["file_name"] == f"{image['key']}.dcm"
    assert not any(planted.path.stem in line for line in run.lines)

    told = tmp_path / "told"
    assert predict(run, folder, told, "--no-deidentify", "--no-overlays") == 0
    assert leaks(planted, everything(told)) == ["file name"]


def test_a_film_with_burned_in_text_is_shown_nowhere_unless_that_is_asked_for(
    run: Run, tmp_path: Path
) -> None:
    film = write(tmp_path / "film.dcm", values(height=120, width=100), BurnedInAnnotation="YES")
    assert predict(run, film, tmp_path / "out", "--also", "svg") == 0
    assert not (tmp_path / "out/overlays").exists()
    for page in (tmp_path / "out").rglob("*.html"):
        assert "data:image" not in page.read_text()
    [report] = (tmp_path / "out/reports").iterdir()
    assert "text may be burned in (--no-deidentify shows it)" in report.read_text()
    assert "burned into the pixels" in rows(tmp_path / "out/summary.csv")[0]["film_notes"]
    assert predict(run, film, tmp_path / "shown", "--no-deidentify") == 0
    assert [path.name for path in (tmp_path / "shown/overlays").iterdir()] == ["film.png"]


def test_burned_in_text_stays_hidden_where_predictions_are_measured_again(
    run: Run, tmp_path: Path
) -> None:
    film = write(tmp_path / "film.dcm", values(height=120, width=100), BurnedInAnnotation="YES")
    assert predict(run, film, tmp_path / "shown", "--no-deidentify") == 0
    found = tmp_path / "shown/predictions.json"
    out = tmp_path / "again"
    assert run("measure", found, "--out", out, "--overlays", "--also", "svg") == 2
    assert any("not drawn: text is burned into the pixels" in line for line in run.lines)
    assert not (out / "overlays").exists()
    pages = [*out.rglob("*.html")]
    assert len(pages) == 2
    assert not any("data:image" in page.read_text() for page in pages)
    assert rows(out / "measurements.csv")


def test_dicom_objects_are_written_for_dicom_films_and_pictures_say_why_not(
    run: Run, films: Path, tmp_path: Path
) -> None:
    """A report and a presentation state belong to a study; a picture has none."""
    from pydicom import dcmread
    from pydicom.uid import generate_uid

    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    film = write(tmp_path / "film.dcm", values(height=120, width=100), **uids, PatientID="4711")
    out = tmp_path / "out"
    assert predict(run, film, out, "--also", "sr", "--also", "gsps") == 0
    [key] = [row["film"] for row in rows(out / "summary.csv")]
    for kind, modality in (("sr", "SR"), ("gsps", "PR")):
        made = dcmread(out / kind / f"{key}.dcm")
        assert (made.Modality, made.PatientID) == (modality, "4711")
        assert made.StudyInstanceUID == uids["StudyInstanceUID"]
    assert predict(run, films, tmp_path / "pictures", "--also", "sr") == 2
    assert run.lines[-1] == (
        "3 files: 3 films, 0 skipped, 0 failed; 3 of the films without every file asked for"
    )
    assert all("not a DICOM file" in line for line in run.lines[:-1])
    assert len(list((tmp_path / "pictures/reports").iterdir())) == 3


def test_predictions_of_a_film_without_a_name_can_be_drawn_on_its_file(
    run: Run, tmp_path: Path
) -> None:
    film = write(tmp_path / "film.dcm", values(height=120, width=100))
    assert predict(run, film, tmp_path / "out") == 0
    found = tmp_path / "out/predictions.json"
    assert run("draw", film, "--predictions", found, "--out", tmp_path / "drawn") == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 1


# landmarks that are there


def test_annotations_are_measured_without_a_network_or_a_film_read(
    run: Run, annotated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = read_annotations(annotated).samples

    def never(*_: object, **__: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("spondyl.data.sample.read_radiograph", never)
    monkeypatch.setattr("spondyl.learning.detector.load_predictor", never)
    assert run("measure", annotated, "--out", tmp_path) == 0
    assert run.out.strip() == str(tmp_path / "measurements.json")
    data = json.loads((tmp_path / "measurements.json").read_text())
    assert data["made_by"]["landmarks"] == "annotations"
    for film, sample in zip(data["films"], samples, strict=True):
        measured = measure(sample.landmarks, sample.geometry)
        assert [each["value"] for each in film["measurements"]] == [m.value for m in measured]
    assert not (tmp_path / "predictions.json").exists()
    assert len(list((tmp_path / "reports").iterdir())) == 3


def test_annotated_films_are_drawn_where_that_is_asked_for(
    run: Run, annotated: Path, tmp_path: Path
) -> None:
    assert run("measure", annotated, "--out", tmp_path, "--overlays", "--mm-per-px", 0.3) == 0
    assert len(list((tmp_path / "overlays").iterdir())) == 3
    units = {row["unit"] for row in rows(tmp_path / "measurements.csv")}
    assert "mm" in units
    assert "px" not in units
    assert all(row["spacing_plane"] == "stated" for row in rows(tmp_path / "summary.csv"))


def predictions(annotated: Path, folder: Path) -> Path:
    """The annotated films as predictions with errors of half a px, and their calibration."""
    samples = []
    for each in read_annotations(annotated).samples:
        known = np.where(np.isnan(each.landmarks.points[..., None]), np.nan, 0.25 * np.eye(2))
        found = replace(each.landmarks, covariance=known)
        samples.append(replace(each, landmarks=found, origin="prediction"))
    from spondyl.spine.measurements import quantities

    sample = samples[0]
    names = {q.name for q in quantities(sample.landmarks, sample.geometry, "lateral")}
    kinds = {f"{q.name}, {q.definition}" for q in quantities(
        sample.landmarks, sample.geometry, "lateral")}  # fmt: skip
    path = folder / "predictions.json"
    far = factor_name("slip", value=1.0, sd=0.0)
    intervals = Intervals(0.9, 40, dict.fromkeys({*names, *kinds, far}, 1.7))
    write_coco(path, samples, made_by={"weights_digest": "cd" * 32}, intervals=intervals)
    return path


def test_predictions_are_measured_again_with_their_intervals(
    run: Run, annotated: Path, tmp_path: Path
) -> None:
    path = predictions(annotated, tmp_path)
    out = tmp_path / "out"
    assert run("measure", path, "--out", out) == 0
    data = json.loads((out / "measurements.json").read_text())
    assert data["made_by"]["weights_digest"] == "cd" * 32
    assert (data["made_by"]["calibration_films"], data["made_by"]["coverage"]) == ("40", "0.9")
    slips = [m for film in data["films"] for m in film["measurements"] if m["name"] == "slip"]
    known = [m for m in slips if m["value"] is not None]
    assert known
    assert all(m["low"] < m["value"] < m["high"] for m in known)
    grades = [row for row in rows(out / "measurements.csv") if row["name"] == "Meyerding grade"]
    assert all(0 < float(row["probability"]) <= 1 for row in grades if row["value"])
    assert "[" in (out / "report.html").read_text().split("<tbody>")[1]
    assert read_coco(out / "predictions.json").intervals == read_coco(path).intervals


def test_a_correction_by_hand_counts_and_has_no_interval(
    run: Run, annotated: Path, tmp_path: Path
) -> None:
    """Another tool moves a keypoint: its error is not the network's any more."""
    path = predictions(annotated, tmp_path)
    data = json.loads(path.read_text())
    first = next(a for a in data["annotations"] if a["level"] == "L4")
    corrected = data["images"][first["image_id"] - 1]["key"]
    first["keypoints"][1] += 3.0
    path.write_text(json.dumps(data))
    before, after = tmp_path / "before", tmp_path / "after"
    untouched = predictions(annotated, tmp_path / "again").parent
    assert run("measure", untouched / "predictions.json", "--out", before) == 0
    assert run("measure", path, "--out", after) == 0
    told = [values_of(out, "wedge", "deg", film=corrected) for out in (before, after)]
    changed = {level for level in told[0] if abs(told[0][level] - told[1][level]) > 1e-3}
    assert changed == {"L4"}
    assert len(told[0]) > 3
    has_interval = {row["film"]: False for row in rows(after / "measurements.csv")}
    for row in rows(after / "measurements.csv"):
        has_interval[row["film"]] |= bool(row["low"])
    assert has_interval.pop(corrected) is False
    assert all(has_interval.values())


def test_measurements_are_not_written_over_unless_told_to(
    run: Run, annotated: Path, tmp_path: Path
) -> None:
    asked = ("measure", annotated, "--out", tmp_path, "--no-reports")
    assert run(*asked) == 0
    assert run(*asked) == 2
    assert run.lines[-1].endswith("need another --out, or --overwrite")
    assert run(*asked, "--overwrite") == 0


def test_a_folder_without_landmarks_is_one_line(run: Run, films: Path, tmp_path: Path) -> None:
    assert run("measure", films, "--out", tmp_path / "out") == 2
    assert len(run.lines) == 1
    assert "no annotations found" in run.lines[0]
