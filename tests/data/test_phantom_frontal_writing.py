import numpy as np
import pytest

from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms
from spondyl.data.phantom_frontal import frontal_phantom


def written(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.png"))}


def test_frontal_films_are_read_back_with_their_names_and_view(tmp_path):
    write_phantoms(tmp_path, films=3, seed=6, long_side=320, view="ap")
    found = read_annotations(tmp_path)
    assert not found.problems
    for index, sample in enumerate(found.samples):
        made = frontal_phantom(6, index, long_side=320)
        assert sample.view == "ap"
        assert sample.landmarks.facing is None
        assert sample.landmarks.names == made.truth.names
        np.testing.assert_allclose(sample.landmarks.points, made.truth.points, atol=0.01)


def test_both_views_take_turns_and_each_film_is_that_of_its_own_series(tmp_path):
    for view in ("lateral", "ap", "both"):
        write_phantoms(tmp_path / view, films=4, seed=6, long_side=160, view=view)
    lateral, frontal, both = (written(tmp_path / view) for view in ("lateral", "ap", "both"))
    for n, name in enumerate(sorted(both)):
        assert both[name] == (frontal if n % 2 else lateral)[name]
        assert lateral[name] != frontal[name]


def test_the_public_sets_habits_are_for_lateral_films(tmp_path):
    with pytest.raises(ValueError, match="lateral films only"):
        write_phantoms(tmp_path, films=1, seed=0, habits=True, view="ap")
    assert not list(tmp_path.iterdir())
