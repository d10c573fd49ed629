import numpy as np
import pytest
from PIL import Image

from spondyl.checking.pixels import check_pixels


def film(path, seed, *, quality=None, flat=False):
    """A smooth film; the same seed gives the same exposure."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (24, 16), dtype=np.uint8))
    image = small.resize((320, 480), Image.Resampling.BICUBIC)
    if flat:
        image = Image.new("L", (320, 480), 30)
        image.putpixel((7, 9), 200)  # a dead pixel
    image.save(path, **({} if quality is None else {"quality": quality}))
    return path


def found(films, groups=None, **more):
    faults = check_pixels(films, groups or {name: name for name in films}, **more)
    return {(f.kind, f.film) for f in faults}


@pytest.fixture
def films(tmp_path):
    return {name: film(tmp_path / f"{name}.png", seed) for seed, name in enumerate("abc")}


@pytest.mark.parametrize("workers", [1, 2])
def test_different_films_have_no_fault_and_are_counted(films, workers):
    done = []
    assert found(films, workers=workers, on_done=done.append) == set()
    assert done == [1, 2, 3]


def test_films_that_cannot_be_read_or_show_nothing_are_told(tmp_path, films):
    films["cut"] = tmp_path / "cut.png"
    films["cut"].write_bytes(films["a"].read_bytes()[:2000])
    films["dark"] = film(tmp_path / "dark.png", 9, flat=True)
    films["blank"] = tmp_path / "blank.png"
    Image.new("L", (320, 480), 30).save(films["blank"])
    assert found(films) == {
        ("unreadable film", "cut"),
        ("empty film", "dark"),
        ("empty film", "blank"),
    }


def test_one_exposure_twice_is_told_and_blocks_where_the_groups_differ(tmp_path, films):
    films["same"] = tmp_path / "same.png"
    films["same"].write_bytes(films["a"].read_bytes())
    films["jpeg"] = film(tmp_path / "jpeg.jpg", 1, quality=60)
    groups = dict(zip(films, ("A", "B", "C", "A", "other"), strict=True))
    assert found(films, groups) == {
        ("exact duplicate", "same"),
        ("near duplicate", "jpeg"),
        ("patient under several names", "jpeg"),
    }
