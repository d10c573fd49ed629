"""The folder of a call: whole files, what made them, and nothing of films that are not shown."""

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spondyl.data.coco import read_coco
from spondyl.data.slicer import read_slicer
from spondyl.errors import FilmError
from spondyl.film.radiograph import Radiograph
from spondyl.writing.batch_report import Counts
from spondyl.writing.measured import MeasuredFilm
from spondyl.writing.results import Results, Source, film_name, film_names, film_path
from writing.measured_films import INTERVALS, MADE_BY, film

TABLES = {
    "measurements.csv", "measurements.json", "measurements_wide.csv", "predictions.json",
    "provenance.json", "summary.csv",
}  # fmt: skip


def write(results: Results, *films: tuple[MeasuredFilm, Radiograph]) -> list[str]:
    """Everything; what could not be written."""
    results.write_tables([measured for measured, _ in films])
    failures = [
        line
        for measured, pixels in films
        for line in results.write_film(measured, Source(Path("a.png"), lambda p=pixels: p))
    ]
    results.write_page(Counts(len(films), failed=len(failures)))
    return failures


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_file_that_is_asked_for_is_there_and_no_other(tmp_path: Path) -> None:
    measured, pixels = film(1)
    results = Results(tmp_path, MADE_BY, also=frozenset({"svg", "slicer"}))
    assert write(results, (measured, pixels)) == []
    assert files(tmp_path) == TABLES | {
        "overlays/film-1.png", "overlays/film-1.svg", "reports/film-1.html", "report.html",
        "slicer/film-1.mrk.json",
    }  # fmt: skip
    bare = tmp_path / "bare"
    assert write(Results(bare, MADE_BY, overlays=False, reports=False), (measured, pixels)) == []
    assert files(bare) == TABLES


def test_every_kind_of_file_says_what_made_it(tmp_path: Path) -> None:
    results = Results(tmp_path, MADE_BY, INTERVALS, also=frozenset({"svg", "slicer"}))
    write(results, film(1))
    kept = {name: json.loads((tmp_path / name).read_text()) for name in TABLES if "json" in name}
    assert kept["predictions.json"]["info"]["made_by"] == MADE_BY
    assert kept["measurements.json"]["made_by"] == kept["provenance.json"] == MADE_BY
    slicer = json.loads((tmp_path / "slicer/film-1.mrk.json").read_text())
    assert slicer["spondyl"]["made_by"] == MADE_BY
    with Image.open(tmp_path / "overlays/film-1.png") as picture:
        assert json.loads(picture.text["made_by"]) == MADE_BY
    for name in ("overlays/film-1.svg", "reports/film-1.html", "report.html"):
        assert MADE_BY["weights_digest"] in (tmp_path / name).read_text()
    assert read_coco(tmp_path / "predictions.json").intervals == INTERVALS


def test_landmarks_come_back_from_the_predictions_and_the_markups(tmp_path: Path) -> None:
    measured, pixels = film(1)
    write(Results(tmp_path, MADE_BY, also=frozenset({"slicer"})), (measured, pixels))
    [back] = read_coco(tmp_path / "predictions.json").samples
    np.testing.assert_array_equal(back.landmarks.points, measured.sample.landmarks.points)
    grey = np.rint(pixels.pixels * 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "film.png")
    markups = tmp_path / "slicer/film-1.mrk.json"
    again = read_slicer(markups, tmp_path / "film.png", key="film-1")
    np.testing.assert_allclose(again.landmarks.points, measured.sample.landmarks.points, atol=1e-9)


def test_a_film_that_cannot_be_read_again_has_its_report_and_is_told(tmp_path: Path) -> None:
    measured, pixels = film(1)
    other = replace(measured, sample=replace(measured.sample, key="gone"))

    def gone() -> Radiograph:
        raise FilmError("gone.png: cannot be read")

    results = Results(tmp_path, MADE_BY)
    results.write_tables([measured, other])
    assert results.write_film(other, Source(Path("gone.png"), gone)) == (
        "gone.png: cannot be read",
    )
    assert results.write_film(measured, Source(Path("a.png"), lambda: pixels)) == ()
    there = {"reports/gone.html", "reports/film-1.html", "overlays/film-1.png"}
    assert files(tmp_path) == TABLES | there


def test_the_page_of_the_batch_leads_to_pages_of_any_name(tmp_path: Path) -> None:
    measured, pixels = film(1)
    odd = replace(measured, sample=replace(measured.sample, key="50 % #2?"))
    write(Results(tmp_path, MADE_BY), (odd, pixels))
    [href] = re.findall('href="([^"]+)"', (tmp_path / "report.html").read_text())
    assert urlsplit(href)[2:] == (href, "", "")  # all of it is a path
    assert (tmp_path / unquote(href)).is_file()


def test_hidden_pixels_are_not_even_read(tmp_path: Path) -> None:
    measured, _ = film(1)

    def never() -> Radiograph:
        raise AssertionError("read")

    results = Results(tmp_path, MADE_BY, also=frozenset({"svg"}))
    hidden = replace(measured, hidden="not shown: text may be burned in")
    results.write_tables([hidden])
    assert results.write_film(hidden, Source(Path("a.png"), never)) == ()
    assert files(tmp_path) == TABLES | {"reports/film-1.html"}
    page = (tmp_path / "reports/film-1.html").read_text()
    assert "text may be burned in" in page
    assert "data:image" not in page


def test_a_picture_has_no_study_to_report_into_and_says_so(tmp_path: Path) -> None:
    measured, pixels = film(1)
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((90, 90), np.uint8)).save(path)
    results = Results(tmp_path / "out", MADE_BY, also=frozenset({"sr"}))
    [line] = results.write_film(measured, Source(path, lambda: pixels))
    assert "not a DICOM file" in line
    assert files(tmp_path / "out") == {"overlays/film-1.png", "reports/film-1.html"}


def test_what_no_longer_holds_is_removed_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    results = Results(tmp_path, MADE_BY, also=frozenset({"svg", "slicer"}))
    write(results, film(1), film(2))
    for kind in ("overlays", "reports", "slicer"):
        (tmp_path / kind / "mine.txt").write_text("mine")
    write(Results(tmp_path, MADE_BY, overlays=False), film(2))
    assert {name for name in files(tmp_path) if "film-1" in name} == set()
    assert {name for name in files(tmp_path) if "film-2" in name} == {"reports/film-2.html"}
    assert len(list(tmp_path.rglob("mine.txt"))) == 3


@pytest.mark.parametrize("after", [1, 2, 5, 7, 10])
def test_a_call_that_is_killed_leaves_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Killed at each write in turn, with half of the bytes on disk."""
    from spondyl import atomic

    count = 0

    def killed(path: Path, data: bytes) -> None:
        nonlocal count
        count += 1
        path.write_bytes(data if count < after else data[: len(data) // 2])
        if count == after:
            raise KeyboardInterrupt

    whole = tmp_path / "whole"
    write(Results(whole, MADE_BY, also=frozenset({"slicer", "svg"})), film(1))
    monkeypatch.setattr(atomic, "_store", killed)
    broken = tmp_path / "broken"
    results = Results(broken, MADE_BY, also=frozenset({"slicer", "svg"}))
    with pytest.raises(KeyboardInterrupt):
        write(results, film(1), film(2))
    left = files(broken)
    assert len(left) >= after - 1
    assert not [name for name in left if name.endswith(".tmp")]
    for name in left & files(whole) - TABLES - {"report.html"}:
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    for name in left & TABLES:
        text = (broken / name).read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert not name.endswith(".json") or json.loads(text)


def test_a_key_with_folders_is_one_file_name(tmp_path: Path) -> None:
    assert film_path(tmp_path, "reports", film_name("/a/b/c")) == tmp_path / "reports/a_b_c.html"


def test_films_whose_names_would_be_the_same_have_files_of_their_own(tmp_path: Path) -> None:
    """And all of them go again when the films are replaced."""
    measured, pixels = film(1)
    keys = ["a/b", "a_b", "c/d"]
    films = [(replace(measured, sample=replace(measured.sample, key=key)), pixels) for key in keys]
    assert write(Results(tmp_path, MADE_BY), *films) == []
    reports = {path.stem for path in (tmp_path / "reports").iterdir()}
    assert len(reports) == len(keys)
    assert "c_d" in reports
    assert {path.stem for path in (tmp_path / "overlays").iterdir()} == reports
    batch = (tmp_path / "report.html").read_text()
    assert set(re.findall('href="reports/([^"]+).html"', batch)) == reports
    write(Results(tmp_path, MADE_BY, overlays=False, reports=False), film(2))
    assert files(tmp_path) == TABLES | {"report.html"}


@given(st.lists(st.text("aA_/-", min_size=1), unique=True, max_size=8))
def test_names_are_unique_whatever_the_order_and_plain_where_they_can_be(keys: list[str]) -> None:
    names = film_names(keys)
    assert len({name.casefold() for name in names.values()}) == len(keys)
    assert film_names(keys[::-1]) == names
    assert all("/" not in name for name in names.values())
    for key in keys:
        assert film_names([key]) == {key: film_name(key)}


def test_a_key_longer_than_a_file_name_may_be_has_files_of_its_own() -> None:
    """255 bytes are the limit of most file systems; a draft's name is longer than the file's."""
    long = "\u65e5" * 90
    names = {film_name(long), film_name(long + "a"), film_name(long + "b")}
    assert len(names) == 3
    assert all(len(name.encode()) <= 213 for name in names)
    assert film_name("a" * 200) == "a" * 200
