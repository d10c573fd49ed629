"""What a user states of a film: its view, the size of a pixel, whom it shows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spondyl.errors import FilmError, UsageError
from spondyl.film.radiograph import FilmGeometry, Person, PixelSpacing, Radiograph
from spondyl.film.stating import NOTHING_STATED, Ruler, Stated

FILM = FilmGeometry(400, 200, aspect=2.0)


def test_a_ruler_is_as_long_as_it_says_on_a_film_whose_pixels_are_tall() -> None:
    """30 px across and 20 px down are 30 and 40 true px: 50, so that 25 mm make 0.5 mm a px."""
    ruler = Ruler.parse("10,10,40,30,25")
    spacing = Stated(ruler=ruler).geometry(FILM, name="a").spacing
    assert spacing == PixelSpacing(1.0, 0.5, "stated")


@given(st.tuples(*[st.floats(-500, 500)] * 4), st.floats(0.1, 500), st.floats(0.2, 5))
def test_a_ruler_measures_itself(ends: tuple[float, ...], length: float, aspect: float) -> None:
    x1, y1, x2, y2 = ends
    if math.hypot(x2 - x1, y2 - y1) < 1:
        return
    spacing = Ruler((x1, y1), (x2, y2), length).spacing(aspect)
    across, down = (x2 - x1) * spacing.column_mm, (y2 - y1) * spacing.row_mm
    assert math.hypot(across, down) == pytest.approx(length)
    assert spacing.aspect == pytest.approx(aspect)


def test_mm_per_px_is_the_width_of_a_pixel() -> None:
    assert Stated(mm_per_px=0.2).geometry(FILM, name="a").spacing == PixelSpacing(
        0.4, 0.2, "stated"
    )


@pytest.mark.parametrize(
    "text", ["", "1,2,3,4", "1,2,3,4,5,6", "a,2,3,4,5", "1,1,1,1,5", "1,2,3,4,0", "1,2,3,4,nan",
             "1,2,inf,4,5", "1,2,3,4,-5"],
)  # fmt: skip
def test_a_ruler_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--ruler .*need X1,Y1,X2,Y2,MM") as told:
        Ruler.parse(text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("width", [0.0, -1.0, math.inf, math.nan, 500.0, 10.1, 0.009])
def test_a_width_that_no_pixel_has_is_refused(width: float) -> None:
    with pytest.raises(UsageError, match=r"^--mm-per-px \S+: need 0.01 to 10$"):
        Stated(mm_per_px=width)


@pytest.mark.parametrize("length", [2000.0, 0.5])
def test_a_ruler_that_makes_pixels_what_none_are_is_refused(length: float) -> None:
    """100 px long: 20 mm a px, say because somebody gave it in tenths; 0.005 mm a px."""
    ruler = Ruler((0, 0), (100, 0), length)
    with pytest.raises(FilmError, match=r"^a: by the ruler a pixel is \S+ mm wide; need 0.01 to"):
        Stated(ruler=ruler).geometry(FILM, name="a")


@pytest.mark.parametrize("ends", ["0,0,199.6,0", "0,-0.6,0,9", "0,0,9,400", "-1,0,9,9"])
def test_a_ruler_that_does_not_lie_on_the_film_is_refused(ends: str) -> None:
    with pytest.raises(FilmError, match=r"^a: the ruler does not lie .* 200 x 400 px$"):
        Stated(ruler=Ruler.parse(f"{ends},50")).geometry(FILM, name="a")
    whole = Stated(ruler=Ruler.parse("-0.5,-0.5,199.5,399.5,50")).geometry(FILM, name="a")
    assert whole.spacing is not None


def test_an_age_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="--age nan: need a number of years"):
        Stated(age=math.nan)


def test_only_one_size_may_be_stated() -> None:
    with pytest.raises(UsageError, match="need one of the two"):
        Stated(mm_per_px=0.1, ruler=Ruler((0, 0), (1, 1), 1.0))


@pytest.mark.parametrize("stated", [Stated(mm_per_px=0.2), Stated(ruler=Ruler((0, 0), (9, 0), 1))])
def test_a_film_of_unknown_proportions_has_no_size(stated: Stated) -> None:
    with pytest.raises(FilmError, match=r"^a: its true proportions are not known"):
        stated.geometry(FilmGeometry(400, 200, aspect=None), name="a")


def test_what_is_stated_counts_more_than_what_the_file_says() -> None:
    known = FilmGeometry(400, 200, PixelSpacing(0.3, 0.3, "detector"), 1.0, "ap", Person(50, "F"))
    told = Stated("lateral", mm_per_px=0.2, age=60).geometry(known, name="a")
    assert (told.view, told.person) == ("lateral", Person(60, "F"))
    assert told.spacing == PixelSpacing(0.2, 0.2, "stated")
    assert Stated("lateral").geometry(FILM, name="a").view == "lateral"
    assert NOTHING_STATED.geometry(known, name="a") == known


def test_a_stated_view_is_said_beside_every_result_and_so_is_one_that_it_overrules() -> None:
    film = Radiograph(np.zeros((80, 80), np.float32), view="ap", notes=("scanned",))
    told = Stated("lateral").radiograph(film)
    assert told.view == "lateral"
    assert told.notes == ("scanned", "view by the user: lateral (the file says AP)")
    assert Stated("ap").radiograph(film).notes[1:] == ("view by the user: AP",)
    assert Stated("ap").notes(FILM) == ("view by the user: AP",)


def test_a_stated_size_is_said_beside_every_result() -> None:
    film = Radiograph(np.zeros((80, 80), np.float32), notes=("scanned",))
    told = Stated(ruler=Ruler.parse("1,2,3,2,10")).radiograph(film)
    assert told.notes == ("scanned", "mm by the user's ruler: (1, 2) to (3, 2) is 10 mm")
    assert told.spacing == PixelSpacing(5.0, 5.0, "stated")
    width = Stated(mm_per_px=0.25).radiograph(film)
    assert width.notes[1] == "mm by the user: a pixel is 0.25 mm wide"
    assert NOTHING_STATED.radiograph(film).notes == ("scanned",)
