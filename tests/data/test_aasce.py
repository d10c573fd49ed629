import csv
import json

import numpy as np
import pytest

from spondyl.anatomy import LEVELS
from spondyl.data.aasce import is_aasce, read_aasce, study_of
from spondyl.errors import AnnotationError

HEIGHT, WIDTH = 1000, 300
NAMES = ("sunhl-1th-01-Jan-2017-254 C AP.jpg", "sunhl-1th-01-Jan-2017-254 D AP.jpg")


def corners():
    """17 vertebrae of 100 x 40 px, whole numbers, SL, SR, IL, IR."""
    box = np.array([[0, 0], [100, 0], [0, 40], [100, 40]])
    return np.concatenate([box + [90, 50 + 54 * i] for i in range(17)]).astype(float)


def write_list(folder, make_film, entries):
    for name in NAMES:
        make_film(folder / "images" / name, height=HEIGHT, width=WIDTH)
    folder.joinpath("labels.json").write_text(json.dumps(entries))


def entry(name, points):
    return {"image": name, "width": WIDTH, "height": HEIGHT, "corners": points}


def write_table(folder, rows):
    labels = folder / "labels" / "training"
    labels.mkdir(parents=True)
    (labels / "filenames.csv").write_text("\n".join(NAMES))
    (labels / "landmarks.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))


def test_a_corner_list_gives_17_named_vertebrae(tmp_path, make_film):
    write_list(tmp_path, make_film, [entry(NAMES[0], corners().tolist())])
    (found,) = read_aasce(tmp_path).samples
    assert found.landmarks.levels == LEVELS[:17]
    np.testing.assert_array_equal(found.landmarks.points.reshape(-1, 2), corners())
    assert (found.group, found.view, found.origin) == ("254", "ap", "aasce")
    assert not found.complete_above
    assert not found.complete_below
    assert found.landmarks.facing is None


def test_levels_follow_the_place_along_the_spine_and_not_in_the_list(tmp_path, make_film):
    """19 films of the release list one vertebra out of turn."""
    listed = np.roll(corners().reshape(17, 4, 2), -1, axis=0).reshape(-1, 2)
    write_list(tmp_path, make_film, [entry(NAMES[0], listed.tolist())])
    (found,) = read_aasce(tmp_path).samples
    np.testing.assert_array_equal(found.landmarks.points.reshape(-1, 2), corners())
    assert found.landmarks.levels == LEVELS[:17]
    assert found.flags == {"list reordered"}


def test_the_csv_and_mat_files_of_the_release_say_the_same(tmp_path, make_film):
    from scipy.io import savemat

    for kind in ("csv", "mat"):
        make_film(tmp_path / kind / "data" / "training" / NAMES[0], height=HEIGHT, width=WIDTH)
        make_film(tmp_path / kind / "data" / "training" / NAMES[1], height=HEIGHT, width=WIDTH)
    fractions = (corners() / (WIDTH, HEIGHT)).round(5).T.ravel()
    write_table(tmp_path / "csv", [fractions, fractions])
    (tmp_path / "mat" / "labels").mkdir()
    for name in NAMES:
        savemat(tmp_path / "mat" / "labels" / f"{name}.mat", {"p2": corners().astype(np.uint16)})
    tables = [read_aasce(tmp_path / kind) for kind in ("csv", "mat")]
    for found in tables:
        assert [s.path.name for s in found.samples] == list(NAMES)
        np.testing.assert_allclose(
            found.samples[0].landmarks.points.reshape(-1, 2), corners(), atol=0.01
        )


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (entry(NAMES[0], corners().tolist()[:-1]), "corners are (67, 2), need 68 x, y pairs"),
        (entry(NAMES[0], None), "corners is null, need a list"),
        (entry(NAMES[0], [["1", 2]] * 68), 'corner 1 x is "1", need a number'),
        (entry(NAMES[0], [None] * 68), "a vertebra has no corner, need all 17"),
        (entry(NAMES[0], corners().tolist()) | {"width": 3},
         "the film is 300 x 1000 px, the annotation says 3 x 1000"),
        (entry("gone.jpg", []), "no film named gone.jpg was found"),
        (7, "no film named entry 1 was found"),
    ],
)  # fmt: skip
def test_an_impossible_entry_is_a_problem_and_the_others_go_on(
    tmp_path, make_film, stored, message
):
    write_list(tmp_path, make_film, [stored, entry(NAMES[1], corners().tolist())])
    found = read_aasce(tmp_path)
    assert found.problems[0].message.startswith(message)
    assert [s.path.name for s in found.samples] == [NAMES[1]]


@pytest.mark.parametrize(
    ("row", "message"),
    [([0.5] * 135, "135 numbers, need 136"), (["x"] * 136, "not all values are numbers")],
)
def test_an_impossible_row_is_a_problem(tmp_path, make_film, row, message):
    make_film(tmp_path / NAMES[0])
    make_film(tmp_path / NAMES[1])
    write_table(tmp_path, [row, (corners() / 1000).T.ravel()])
    found = read_aasce(tmp_path)
    assert found.problems[0].message.startswith(message)
    assert len(found.samples) == 1


def test_a_table_with_fewer_rows_than_names_is_refused(tmp_path):
    write_table(tmp_path, [[0.5] * 136])
    with pytest.raises(AnnotationError, match=r"landmarks\.csv: 1 rows for 2 names"):
        read_aasce(tmp_path)


def test_a_damaged_mat_file_is_a_problem(tmp_path, make_film):
    make_film(tmp_path / NAMES[0])
    (tmp_path / f"{NAMES[0]}.mat").write_bytes(b"no")
    assert "cannot be read as a .mat file" in read_aasce(tmp_path).problems[0].message


def test_other_folders_are_not_taken_for_the_challenge(tmp_path):
    (tmp_path / "labels.json").write_text('{"keypoints": []}')
    (tmp_path / "landmarks.csv").write_text("1,2")
    assert not is_aasce(tmp_path)


@pytest.mark.parametrize(
    ("stem", "study"),
    [
        ("sunhl-1th-10-Jan-2017-254 C AP", "254"),
        ("sunhl-1th-10-Jan-2017-254", "254"),
        ("sunhl-1th-20-Jul-2016-coronal12", "sunhl-1th-20-Jul-2016-coronal"),
    ],
)
def test_the_study_number_is_the_group(stem, study):
    assert study_of(stem) == study


def test_the_releases_three_kinds_of_labels_agree(shared_data, tmp_path, make_film):
    """Fractions x native size = whole px of the .mat files = the reduced list, scaled back."""
    folder = shared_data / "aasce2019-train"
    native = folder / "native-labels"
    listed = {each["image"]: each for each in json.loads((folder / "labels.json").read_text())}
    names = [row[0] for row in csv.reader((native / "filenames.csv").read_text().splitlines())]
    rows = list(csv.reader((native / "landmarks.csv").read_text().splitlines()))
    chosen = sorted(path.name.removesuffix(".mat") for path in native.glob("*.mat"))[:4]
    for kind in ("csv", "mat"):
        (tmp_path / kind).mkdir()
        for name in chosen:
            size = listed[name]["original_height"], listed[name]["original_width"]
            make_film(tmp_path / kind / name, height=size[0], width=size[1])
    (tmp_path / "csv" / "filenames.csv").write_text("\n".join(chosen))
    kept = [",".join(rows[names.index(name)]) for name in chosen]
    (tmp_path / "csv" / "landmarks.csv").write_text("\n".join(kept))
    for name in chosen:
        stored = (native / f"{name}.mat").read_bytes()
        (tmp_path / "mat" / f"{name}.mat").write_bytes(stored)
    for one, other in zip(
        read_aasce(tmp_path / "csv").samples, read_aasce(tmp_path / "mat").samples, strict=True
    ):
        reduced = listed[one.path.name]
        scale = np.array([reduced["width"] / one.width, reduced["height"] / one.height])
        points = other.landmarks.points
        np.testing.assert_allclose(one.landmarks.points, points, atol=0.02)  # five decimals
        np.testing.assert_allclose(
            np.sort(((points + 0.5) * scale - 0.5).reshape(-1, 2), axis=0),
            np.sort(np.array(reduced["corners"]), axis=0),
            atol=0.006,  # two decimals
        )


def test_the_training_split_is_read_whole(shared_data):
    found = read_aasce(shared_data / "aasce2019-train")
    assert (len(found.samples), len(found.problems)) == (481, 0)
    overlap = json.loads(
        (shared_data / "aasce2019-train" / "overlap_with_official_test.json").read_text()
    )
    shared = {s.path.name for s in found.samples if s.group in overlap["study_numbers"]}
    assert shared == set(overlap["train_images"])
