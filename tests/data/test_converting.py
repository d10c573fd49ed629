import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spondyl.anatomy import LEVELS
from spondyl.data.converting import TARGETS, Conversion, convert
from spondyl.data.folder import read_annotations
from spondyl.data.ordering import CANONICAL, canonical
from spondyl.data.phantom import write_phantoms
from spondyl.data.sample import AnnotationSet, Problem, Sample
from spondyl.errors import UsageError
from spondyl.film.radiograph import PixelSpacing
from spondyl.spine.landmarks import Landmarks

LUMBAR = ("L1", "L2", "L3", "L4", "L5", "S1")
EXACT = ("coco", "labelme", "cvat", "slicer")


def spine(count, jitter=None):
    """Bodies of about 60 x 40 px one below the other, on a film of 640 x 480 px."""
    box = np.array([[0.0, 0.0], [60.0, 0.0], [0.0, 40.0], [60.0, 40.0]])
    points = np.array([box + [200.0, 30 + 53.0 * k] for k in range(count)])
    return points if jitter is None else points + jitter


def make_sample(film, **changes):
    points = spine(6)
    points[-1, 2:] = np.nan
    truth = Sample(
        "a/film", film, 640, 480, Landmarks(points, levels=LUMBAR, facing="left"), "patient 7",
        "clinic", complete_below=True, spacing=PixelSpacing(0.2, 0.1, "detector"), aspect=2.0,
        view="lateral", flags=frozenset({"anterolisthesis L4", "L6"}),
    )  # fmt: skip
    return replace(truth, **changes)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    from PIL import Image

    path = tmp_path_factory.mktemp("films") / "film.png"
    Image.fromarray(np.tile([[0], [255]], (320, 480)).astype(np.uint8)).save(path)
    return path


def counts(done: Conversion):
    return {loss.kind: loss.count for loss in done.losses}


@pytest.mark.parametrize("to", TARGETS)
def test_what_a_format_holds_comes_back_and_the_rest_is_listed(tmp_path, film, to):
    truth = make_sample(film)
    done = convert(AnnotationSet((truth,)), tmp_path / "out", to=to, copy_films=True)
    assert (done.written, done.refused) == (1, ())
    by_name = {"facing": 1, "flag": 2, "group": 1, "level": 6, "origin": 1, "spacing": 1}
    by_name |= {"view": 1, "complete_below": 1, "aspect": 1}
    expected = {
        "yolo-pose": by_name, "keypoint-rcnn": by_name,
        "buu": {"facing": 1, "flag": 1, "group": 1, "origin": 1, "spacing": 1, "aspect": 1},
    }  # fmt: skip
    assert counts(done) == expected.get(to, {})
    (found,) = read_annotations(tmp_path / "out").samples
    np.testing.assert_allclose(found.landmarks.points, truth.landmarks.points, atol=1e-9)
    assert found.key == "a/film"
    stored = json.loads((tmp_path / "out" / "losses.json").read_text())
    assert {loss["kind"]: loss["count"] for loss in stored["losses"]} == counts(done)
    assert all(loss["reason"] for loss in stored["losses"])


@pytest.mark.parametrize("to", TARGETS)
def test_films_stay_where_they_are_unless_copies_are_asked_for(tmp_path, film, to):
    truth = make_sample(film)
    done = convert(AnnotationSet((truth,)), tmp_path / "out", to=to)
    assert not list((tmp_path / "out").rglob("*.png"))
    if to in EXACT:
        assert read_annotations(tmp_path / "out").samples[0].path.samefile(film)
        assert "film's place" not in counts(done)
    else:
        assert counts(done)["film's place"] == 1
        assert "--copy-films" in done.losses[-1].reason


def test_a_vertebra_that_buu_has_no_row_for_is_lost_and_listed(tmp_path, film):
    points = spine(8)
    landmarks = Landmarks(points, levels=("T11", "T12", *LUMBAR))
    truth = make_sample(film, landmarks=landmarks, flags=frozenset({"retrolisthesis L5"}))
    done = convert(AnnotationSet((truth,)), tmp_path / "out", to="buu")
    assert (counts(done)["vertebra"], counts(done)["corner"]) == (2, 2)  # T11, T12; S1's lower
    rows = (tmp_path / "out" / "a" / "film.csv").read_text().splitlines()
    assert len(rows) == 11
    assert [row[-1] for row in rows] == list("00000000040")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"view": "ap"}, "an AP film, need a lateral one"),
        ({"landmarks": Landmarks(spine(6))}, "L1 is not annotated, need L1 to L5 and S1"),
        ({"landmarks": Landmarks(spine(5), levels=LUMBAR[1:])}, "L1 is not annotated"),
        ({"path": Path("gone.png")}, "the film is missing"),
    ],
)
def test_a_film_that_a_format_cannot_hold_is_left_out_and_listed(tmp_path, film, changes, reason):
    samples = (make_sample(film, **changes), make_sample(film, key="other"))
    done = convert(AnnotationSet(samples), tmp_path / "out", to="buu", copy_films=True)
    assert done.written == 1
    assert [p.message.startswith(reason) for p in done.refused] == [True]
    files = sorted(p.name for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert files == ["losses.json", "other.csv", "other.png"]
    stored = json.loads((tmp_path / "out" / "losses.json").read_text())
    assert [each["reason"] for each in stored["films_left_out"]] == [done.refused[0].message]


@pytest.mark.parametrize("to", ["cvat", "labelme", "yolo-pose"])
def test_a_film_without_vertebrae_is_left_out_of_what_cannot_say_so(tmp_path, film, to):
    empty = make_sample(film, landmarks=Landmarks(np.empty((0, 4, 2))))
    samples = (empty, make_sample(film, key="b"))
    done = convert(AnnotationSet(samples), tmp_path / "out", to=to, copy_films=True)
    assert [p.message for p in done.refused] == ["no vertebra is annotated"]
    assert [s.key for s in read_annotations(tmp_path / "out").samples] == ["b"]


def test_predictions_stay_predictions_in_coco_and_are_listed_elsewhere(tmp_path, film):
    landmarks = Landmarks(spine(2), np.full((2, 4), 0.5), ("L5", None), np.array([0.9, np.nan]))
    found = AnnotationSet((make_sample(film, landmarks=landmarks),), (), {"weights": "0a"})
    assert convert(found, tmp_path / "coco", to="coco").losses == ()
    again = read_annotations(tmp_path / "coco" / "annotations.json")
    assert again.made_by == {"weights": "0a"}
    done = convert(found, tmp_path / "cvat", to="cvat")
    assert counts(done) == {"confidence": 8, "level_probability": 1, "made_by": 1}


@pytest.mark.parametrize(
    "key",
    ["../../evil", "/abs", "a/../b", "", "con:", "x" * 300, ".hidden", "a\0b", "losses", "a."],
)
def test_a_key_never_leads_out_of_the_folder(tmp_path, film, key):
    sample = make_sample(film, key=key)
    done = convert(AnnotationSet((sample,)), tmp_path / "out", to="yolo-pose", copy_films=True)
    assert done.written == 1
    assert counts(done)["key"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert files == ["film-00000.png", "film-00000.txt", "losses.json"]


def test_keys_that_differ_by_case_only_do_not_overwrite_each_other(tmp_path, film):
    samples = tuple(make_sample(film, key=key) for key in ("a", "A", "film-00001"))
    done = convert(AnnotationSet(samples), tmp_path / "out", to="yolo-pose")
    assert done.written == 3
    assert len({p.name.lower() for p in (tmp_path / "out").glob("*.txt")}) == 3


def test_the_folder_must_be_new_or_empty_and_the_format_known(tmp_path, film):
    found = AnnotationSet((make_sample(film),))
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    for place in (tmp_path / "used", tmp_path / "used" / "x"):
        with pytest.raises(UsageError, match="is in use; need a new folder, or an empty one"):
            convert(found, place, to="coco")
    with pytest.raises(UsageError, match="unknown format 'aasce', need coco, yolo-pose"):
        convert(found, tmp_path / "out", to="aasce")


def test_what_could_not_be_read_is_listed_too(tmp_path, film):
    found = AnnotationSet((make_sample(film),), (Problem(film, "not JSON"),))
    convert(found, tmp_path / "out", to="coco")
    stored = json.loads((tmp_path / "out" / "losses.json").read_text())
    assert [each["reason"] for each in stored["films_left_out"]] == ["not JSON"]


def test_crossed_corners_that_a_reader_puts_right_are_no_silent_change(tmp_path, film):
    points = spine(6)
    points[2] = points[2, [1, 0, 2, 3]]
    truth = make_sample(film, landmarks=Landmarks(points))
    done = convert(AnnotationSet((truth,)), tmp_path / "out", to="labelme")
    assert counts(done) == {"flag": 1, "vertebra": 1, "vertebra added": 1}
    assert {loss.reason for loss in done.losses} == {
        "the reader puts the corners or the vertebrae in another order"
    }


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, films=3, seed=11, long_side=128)
    return folder


@pytest.mark.parametrize("to", sorted(set(TARGETS) - {"buu"}))
def test_phantoms_go_through_every_format_and_back(tmp_path, phantoms, to):
    before = {p: p.read_bytes() for p in phantoms.rglob("*.*")}
    truth = read_annotations(phantoms)
    convert(truth, tmp_path / "there", to=to, copy_films=True)
    convert(read_annotations(tmp_path / "there"), tmp_path / "back", to="coco")
    found = {s.key: s for s in read_annotations(tmp_path / "back").samples}
    assert found.keys() == {s.key for s in truth.samples}
    for sample in truth.samples:
        again = found[sample.key].landmarks
        np.testing.assert_allclose(again.points, sample.landmarks.points, atol=1e-9)
        if to in EXACT:
            assert (again.names, again.facing) == (sample.landmarks.names, sample.landmarks.facing)
    assert before == {p: p.read_bytes() for p in phantoms.rglob("*.*")}


def test_a_film_without_a_suffix_is_copied_under_one_by_which_it_is_found(tmp_path, film):
    """DICOM films are often named by their UID, whose last number looks like a suffix."""
    source = tmp_path / "1.2.840"
    source.write_bytes(film.read_bytes())
    truth = make_sample(source, key="1.2.840")
    convert(AnnotationSet((truth,)), tmp_path / "out", to="labelme", copy_films=True)
    found = read_annotations(tmp_path / "out")
    assert [(s.key, s.path.name) for s in found.samples] == [("1.2.840", "1.2.840.dcm")]


def test_the_rows_of_the_release_itself_come_back(shared_data, tmp_path):
    from PIL import Image

    (tmp_path / "in").mkdir()
    labels = sorted((shared_data / "buu-lspine-csv").glob("*.csv"))
    for label in labels:
        (tmp_path / "in" / label.name).write_bytes(label.read_bytes())
        Image.new("1", (3000, 3600)).save(tmp_path / "in" / f"{label.stem}.png", compress_level=1)
    done = convert(read_annotations(tmp_path / "in"), tmp_path / "out", to="buu")
    assert counts(done) == {"film's place": len(labels)}
    for label in labels:
        written = np.loadtxt(tmp_path / "out" / label.name, delimiter=",")
        np.testing.assert_array_equal(written, np.loadtxt(label, delimiter=","))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


PARTS = st.fixed_dictionaries(
    {
        "count": st.integers(1, 11),
        "seed": st.integers(0, 2**32 - 1),
        "unseen": st.sampled_from([0, 0.1]),
        "below": st.integers(0, 7),
        "named": st.sampled_from([None, 0, 0.5, 1]),
        "rated": st.booleans(),
        "facing": st.sampled_from([None, "left", "right"]),
        "spacing": st.none() | st.tuples(st.floats(0.01, 9), st.floats(0.01, 9)),
        "key": st.sampled_from(["a", "b/c", "0042-F-061Y1"]) | TEXT,
        "group": TEXT,
        "origin": TEXT,
        "complete_above": st.booleans(),
        "complete_below": st.booleans(),
        "aspect": st.none() | st.floats(0.1, 9),
        "view": st.sampled_from([None, "lateral", "ap"]),
        "flags": st.frozensets(st.sampled_from(["L6", "retrolisthesis L2", "ö"])),
    }
)


def build(film, parts):
    """A film with 1 to 11 bodies that the readers do not put in another order, all else random."""
    rest = dict(parts)
    rng, count = np.random.default_rng(rest.pop("seed")), rest.pop("count")
    points = spine(count, rng.normal(0, 3, (count, 4, 2)))
    points[rng.random((count, 4)) < rest.pop("unseen")] = np.nan
    points = points[~np.isnan(points).all(axis=(1, 2))]
    if len(points) == 0 or canonical(points, order=CANONICAL).flags:
        points = spine(count)
    below, named, rated = (rest.pop(name) for name in ("below", "named", "rated"))
    names = LEVELS[: len(LEVELS) - below][-len(points) :]
    landmarks = Landmarks(
        points,
        rng.random((len(points), 4)) if rated else np.full((len(points), 4), np.nan),
        None if named is None else tuple(n if rng.random() < named else None for n in names),
        rng.random(len(points)) if rated else np.full(len(points), np.nan),
        rest.pop("facing"),
    )
    size = rest.pop("spacing")
    spacing = None if size is None else PixelSpacing(*size)
    return Sample(path=film, height=640, width=480, landmarks=landmarks, spacing=spacing, **rest)


def content(sample):
    """What a sample says, a fact at a time; a vertebra is known by the place of its top corner."""
    landmarks, facts = sample.landmarks, Counter()
    for name in ("key", "group", "origin", "complete_above", "complete_below", "spacing", "aspect",
                 "view"):  # fmt: skip
        facts[name, str(getattr(sample, name))] = 1
    facts["facing", str(landmarks.facing)] = 1
    for flag in sample.flags:
        facts["flag", flag] = 1
    for k, corners in enumerate(landmarks.points):
        place = tuple(np.round(corners[~np.isnan(corners[:, 0])][0], 6))
        facts["vertebra", place] = 1
        facts["level", place, landmarks.names[k]] = 1
        for c, at in enumerate(np.round(corners, 6).tolist()):
            if not np.isnan(at).any():
                facts["corner", place, c, *at] = 1
            if not np.isnan(landmarks.confidence[k, c]):
                facts["confidence", place, c, landmarks.confidence[k, c]] = 1
        if not np.isnan(landmarks.level_probability[k]):
            facts["level_probability", place, landmarks.level_probability[k]] = 1
    return facts


@pytest.mark.parametrize("to", TARGETS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=PARTS)
def test_content_before_less_content_after_is_what_is_listed(tmp_path_factory, film, to, parts):
    """No silent loss: counted here in another way than by the code, from the folder itself."""
    if to == "buu" and parts["rated"]:  # more of what it can hold
        parts |= {"count": 6 + parts["below"], "below": 0, "named": 1, "unseen": 0, "view": None}
    sample = build(film, parts)
    out = tmp_path_factory.mktemp("out")
    done = convert(AnnotationSet((sample,)), out, to=to, copy_films=True)
    if not done.written:
        assert to == "buu"
        assert len(done.refused) == 1
        return
    (found,) = read_annotations(out).samples
    before, after = content(sample), content(found)
    lost = Counter(fact[0] for fact in before - after)
    gone = {fact[1] for fact in before - after if fact[0] == "vertebra"}
    for fact in before - after:  # of a vertebra that is gone only itself counts
        if fact[0] in ("level", "corner", "confidence", "level_probability") and fact[1] in gone:
            lost[fact[0]] -= 1
    lost["flag"] += sum(fact[0] == "flag" for fact in after - before)
    lost["level"] -= sum(fact[0] == "level" and fact[2] is None for fact in before - after)
    assert +lost == Counter(counts(done))
    if to in EXACT:
        assert set(lost) <= {"confidence", "level_probability", "flag", "level"}
        assert not (+lost).keys() - {"confidence", "level_probability"}
