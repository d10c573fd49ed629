"""The pages of films: every number, its interval or the reason, and no word that could run."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from spondyl.spine.landmarks import Landmarks
from spondyl.spine.measurement import Reference
from spondyl.writing.batch_report import Counts, Shown, batch_page
from spondyl.writing.film_report import film_page
from spondyl.writing.measured import MeasuredFilm, shown_value
from spondyl.writing.page import Picture, render
from writing.measured_films import HOSTILE, MADE_BY, film, film_of, grade, slip


class Page(HTMLParser):
    """The words, the tags and what is referred to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(measured: MeasuredFilm, picture: Picture | None = None) -> Page:
    return Page(render(film_page(measured, made_by=MADE_BY, picture=picture)))


def test_a_number_stands_with_its_interval_its_grade_and_the_definition() -> None:
    known = {"low": 10.06, "high": 14.5, "coverage": 0.9}
    norm = Reference(2.0, 4.0, 2.6, "adults", "Somebody 1999")
    page = page_of(film_of(slip(12.34, **known, reference=norm), grade(probability=0.826)))
    assert "slip posterior corner 12.3 % [10.1, 14.5] grade I, 83 %; z +2.6" in page.text
    assert "value [90 % interval]" in page.text
    assert "z against adults (Somebody 1999)" in page.text


def test_where_there_is_no_number_the_page_says_why_once_for_each_reason() -> None:
    why = "a corner was not seen"
    other = replace(slip(None, note=why), name="disc angle")
    third = replace(slip(None, note="too uncertain"), name="mean disc height")
    text = page_of(film_of(slip(None, note=why), other, third, slip(3.0))).text
    assert f"slip, disc angle - {why} mean disc height - too uncertain" in text


def test_a_tile_says_the_first_number_with_its_grade() -> None:
    known = {"low": 10.06, "high": 14.5, "coverage": 0.9}
    text = page_of(film_of(slip(12.34, **known), grade(probability=0.826))).text
    assert "12.3 % slip L4-L5 [10.1, 14.5], grade I, 83 %" in text


def test_the_page_of_a_refused_film_has_its_reason_and_no_number() -> None:
    measured = film_of(slip(None, note="no spine"), refusal="no spine", doubt=1.7)
    page = page_of(measured)
    assert "Not measured no spine" in page.text
    assert "1.70 (above 1: too unlike)" in page.text
    assert page.tags.count("table") == 0


@pytest.mark.parametrize("seed", [3, 5])
def test_every_value_of_a_film_is_on_its_page(seed: int) -> None:
    measured, _ = film(seed)
    text = page_of(measured).text
    for each in measured.measurements:
        assert shown_value(each) in text
        assert each.name in text or each.unit == "grade"
        assert each.definition in text or each.unit == "grade" or each.value is None


def test_a_remark_that_many_numbers_share_is_written_once_a_table() -> None:
    measured, _ = film(3)
    text = page_of(measured).text
    assert text.count("never calibrated") <= 3


def test_what_made_the_numbers_and_that_they_are_for_research_is_said_once() -> None:
    text = page_of(film(3)[0]).text
    assert text.count("Research use only; not a medical device") == 1
    assert all(text.count(value) >= 1 for value in MADE_BY.values())


def test_a_film_that_is_not_shown_says_so() -> None:
    hidden = replace(film_of(slip()), hidden="not shown: text may be burned in")
    assert "not shown: text may be burned in" in page_of(hidden).text
    assert "img" not in page_of(hidden).tags


def hostile() -> MeasuredFilm:
    bad = film_of(slip(note=HOSTILE), replace(slip(), name=HOSTILE), key=HOSTILE, refusal=None)
    return replace(bad, notes=(HOSTILE,), hidden=HOSTILE)


def test_hostile_names_are_words_and_nothing_is_fetched() -> None:
    picture = Picture("data:image/png;base64,AA", HOSTILE)
    for text in (
        render(film_page(hostile(), made_by={"weights": HOSTILE, HOSTILE: "x"}, picture=picture)),
        render(batch_page([Shown(hostile(), "reports/x.html", picture)], Counts(1), made_by={})),
    ):
        page = Page(text)
        assert "script" not in page.tags
        assert HOSTILE in page.text
        outside = [r for r in page.references if not r.startswith(("data:image/", "reports/"))]
        assert outside == []
        assert not re.search(r"url\(|@import|https?://", text.split("<body")[0])
        assert "default-src 'none'" in text


def test_the_page_of_a_batch_has_a_line_a_film_with_its_numbers_or_its_reason() -> None:
    films = [film(3)[0], film_of(slip(None, note="no spine"), key="odd", refusal="no spine")]
    empty = film_of(key="bare")
    nothing = replace(empty.sample, landmarks=Landmarks(np.zeros((0, 4, 2))))
    films.append(replace(empty, sample=nothing))
    shown = [Shown(each, f"reports/{each.key}.html") for each in films]
    page = Page(render(batch_page(shown, Counts(3, skipped=7, failed=5), made_by=MADE_BY)))
    assert page.references == ["reports/film-3.html", "reports/odd.html", "reports/bare.html"]
    assert "15 files: 3 films, 7 skipped, 5 failed" in page.text
    assert "odd 2 vertebrae" not in page.text
    assert "odd L4 to L5 - - no spine" in page.text
    assert "bare none - - no vertebra found" in page.text
    assert "1 of 3 films measured" in page.text
    assert str(Counts(3, failed=1, incomplete=2)) == (
        "4 files: 3 films, 0 skipped, 1 failed; 2 of the films without every file asked for"
    )
