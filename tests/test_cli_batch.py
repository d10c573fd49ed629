"""What a command does with many films at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from spondyl.cli.batch import Batch
from spondyl.data.sample import Sample
from spondyl.spine.landmarks import Landmarks


def test_drawings_of_films_whose_names_would_be_the_same_do_not_replace_each_other(
    tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    film = make_film(tmp_path / "film.png", height=90, width=80)
    nothing = Landmarks(np.zeros((0, 4, 2)))
    pairs = [
        (Sample(key, film, 90, 80, nothing, key, "prediction"), None) for key in ("a/b", "a_b", "c")
    ]
    drawn = Batch().draw(pairs, tmp_path / "out")
    assert [key for key, _ in drawn] == ["a/b", "a_b", "c"]
    assert {path for _, path in drawn} == set((tmp_path / "out").iterdir())
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert dict(drawn)["c"] == tmp_path / "out" / "c.png"
