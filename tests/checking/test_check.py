import json

import numpy as np
import pytest
from PIL import Image

from spondyl.checking.check import Checked, check_annotations, check_sample, check_samples
from spondyl.checking.faults import Fault
from spondyl.data.folder import read_annotations
from spondyl.data.phantom import write_phantoms

from .columns import column, listing

COLUMN = column()


def checked(folder, **more):
    return check_annotations(folder, read_annotations(folder), **more)


def test_clean_phantoms_have_nothing_that_blocks(tmp_path):
    write_phantoms(tmp_path, films=6, seed=3, long_side=256)
    outcome = checked(tmp_path)
    assert outcome.errors == ()
    assert outcome.films == 6
    assert outcome.sources == {"phantom": 6}


def test_the_habits_of_two_sources_are_told_once_each(tmp_path):
    """Both list corners in their own order, which their readers know: no fault of order."""
    write_phantoms(tmp_path, films=12, seed=40, long_side=256, habits=True)
    outcome = checked(tmp_path)
    told = [(f.kind, f.film) for f in outcome.faults if not f.film]
    assert ("mixed encodings", "") in told
    assert ("boxes padded", "") in told
    assert not [f for f in outcome.errors if f.kind not in ("list reversed", "out of order")]


def test_a_source_with_another_corner_order_is_told_once():
    samples = [listing(COLUMN[:, [2, 3, 0, 1]], key=key) for key in "abcd"]
    (fault,) = check_samples([*samples, listing(COLUMN, key="e")])
    assert (fault.kind, fault.film) == ("corner order", "")
    assert fault.evidence.startswith("coco: 4 of 5 films, such as a: ")


def test_two_films_with_another_corner_order_are_told_film_by_film():
    samples = [listing(COLUMN[:, [2, 3, 0, 1]], key=key) for key in "ab"]
    clean = [listing(COLUMN, key=key) for key in "cdefg"]
    faults = check_samples([*samples, *clean])
    assert [(f.kind, f.film) for f in faults] == [("corner order", "a"), ("corner order", "b")]


def test_every_check_sees_the_sample():
    spoilt = np.roll(np.delete(COLUMN, 4, axis=0), 1, axis=0)
    spoilt[2, 0] = [-40.0, 150.0]
    found = {fault.kind for fault in check_sample(listing(spoilt))}
    assert {"out of order", "gap", "point outside the film"} <= found


def test_pixels_labels_and_the_folder_meet_in_one_outcome(tmp_path):
    write_phantoms(tmp_path, films=4, seed=3, long_side=256)
    films = sorted((tmp_path / "images").glob("*.png"))
    films[1].write_bytes(films[0].read_bytes())
    (tmp_path / "images" / "extra.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    steps = []
    outcome = checked(tmp_path, on_done=steps.append, more=[Fault("level shift", "x", "one up")])
    kinds = {fault.kind for fault in outcome.faults}
    assert {"unreadable film", "film without label", "level shift"} <= kinds
    assert {"exact duplicate", "patient under several names"} <= kinds
    assert steps == [1, 2, 3, 4, 5]
    ranks = [("error", "warning", "note").index(f.severity) for f in outcome.faults]
    assert ranks == sorted(ranks)


def test_a_film_that_cannot_be_read_is_told_once(tmp_path):
    write_phantoms(tmp_path, films=3, seed=3, long_side=256, habits=True)
    (tmp_path / "images" / "phantom-00001.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    told = [f.kind for f in checked(tmp_path).faults if "00001" in f.film]
    assert told == ["unreadable film"]


def test_an_outcome_is_plain_json_and_names_the_worst_films():
    two, other = [Fault("gap", "b", "")] * 2, Fault("corners mirrored", "a", "")
    more = Fault("implausible size", "a", "", 2), Fault("unlabelled above", "c", "")
    faults = (*two, other, *more)
    outcome = Checked("folder", 3, 18, {"coco": 3}, faults)
    assert outcome.worst_films == (("b", 2, 0), ("a", 1, 1))
    told = json.loads(json.dumps(outcome.to_json()))
    assert told["counts"]["error"] == {"corners mirrored": 1, "gap": 2}
    assert len(told["faults"]) == 5


@pytest.mark.slow
def test_three_hundred_large_films_take_less_than_a_minute(tmp_path):
    import time

    write_phantoms(tmp_path, films=3, seed=3, long_side=2500)
    film = np.asarray(Image.open(tmp_path / "images" / "phantom-00000.png"))
    assert max(film.shape) == 2500
    start = time.process_time()
    checked(tmp_path)
    assert (time.process_time() - start) / 3 < 0.4  # s of one core: two cores do 300 in a minute
