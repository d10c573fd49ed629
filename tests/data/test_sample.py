from pathlib import Path

import numpy as np
import pytest

from spondyl.data.sample import Problem, Sample
from spondyl.errors import FilmError
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks


def sample(path, **stated):
    return Sample("x", path, 640, 480, Landmarks(np.empty((0, 4, 2))), "g", "test", **stated)


def test_what_the_annotation_says_fills_in_what_the_film_does_not(tmp_path, make_film):
    spacing = PixelSpacing(0.2, 0.1, "patient")
    film = make_film(tmp_path / "x.png")
    read = sample(film, spacing=spacing, aspect=2.0, view="lateral").radiograph()
    assert (read.height, read.width) == (640, 480)
    assert (read.spacing, read.aspect, read.view) == (spacing, 2.0, "lateral")


def test_an_unknown_aspect_stays_unknown(tmp_path, make_film):
    assert sample(make_film(tmp_path / "x.png"), aspect=None).radiograph().aspect is None


def test_a_film_that_is_gone_is_a_film_error(tmp_path):
    with pytest.raises(FilmError):
        sample(tmp_path / "gone.png").radiograph()


def test_a_problem_names_its_file_once():
    path = Path("films/a.png")
    problem = Problem.of(path, FilmError(f"{path}: too dark"))
    assert str(problem) == f"{path}: too dark"
    assert Problem.of(path, FilmError("too dark")) == problem
