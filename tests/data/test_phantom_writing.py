import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spondyl.data import phantom as module
from spondyl.data.phantom import phantom, plan_phantom, write_phantoms
from spondyl.data.sample import Sample
from spondyl.spine.landmarks import Landmarks


def test_a_folder_holds_films_and_one_annotation_file(tmp_path):
    from spondyl.data.coco import read_coco

    seen = []
    write_phantoms(tmp_path, films=3, seed=2, long_side=320, progress=seen.append)
    assert seen == [1, 2, 3]
    found = read_coco(tmp_path / "annotations.json")
    assert [sample.key for sample in found.samples] == [f"phantom-{i:05d}" for i in range(3)]
    for index, sample in enumerate(found.samples):
        made = phantom(2, index, long_side=320)
        np.testing.assert_allclose(sample.landmarks.points, made.landmarks.points, atol=0.01)
        assert sample.complete_above == made.complete_above
        assert sample.landmarks.names == made.landmarks.names
        pixels = np.asarray(Image.open(sample.path))
        np.testing.assert_allclose(pixels / 255, made.radiograph.pixels, atol=0.5 / 255 + 1e-6)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_phantoms(tmp_path / name, films=2, seed=4, long_side=256, habits=True)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 4
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.fixture(scope="module")
def habits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("habits")
    write_phantoms(folder, films=6, seed=21, long_side=256, habits=True)
    return folder


def test_source_a_is_keypoint_rcnn_with_the_inferior_corners_first(habits):
    for index in range(3):
        data = json.loads((habits / "labels" / f"phantom-{index:05d}.json").read_text())
        truth = phantom(21, index, long_side=256).landmarks.points
        points = np.array(data["keypoints"])
        assert points.shape == (len(truth), 4, 3)
        assert data["labels"] == [1] * len(truth)
        expected = truth[:, [2, 3, 0, 1]]
        seen = ~np.isnan(expected)
        np.testing.assert_allclose(points[..., :2][seen], expected[seen], atol=0.01)
        boxes = np.array(data["boxes"])
        np.testing.assert_allclose(boxes[:, :2], points[..., :2].min(axis=1), atol=1e-9)
        np.testing.assert_allclose(boxes[:, 2:], points[..., :2].max(axis=1), atol=1e-9)


def test_source_b_is_yolo_pose_that_runs_round_the_body_with_a_padded_box(habits):
    for index in range(3, 6):
        text = (habits / "labels" / f"phantom-{index:05d}.txt").read_text()
        film = phantom(21, index, long_side=256)
        size = np.array([film.radiograph.width, film.radiograph.height])
        rows = np.array([line.split() for line in text.splitlines()], dtype=float)
        points = rows[:, 5:].reshape(-1, 4, 3)[..., :2] * size - 0.5  # shares run edge to edge
        expected = film.landmarks.points[:, [0, 2, 3, 1]]
        seen = ~np.isnan(expected)
        np.testing.assert_allclose(points[seen], expected[seen], atol=0.01)
        pad = (rows[:, 3:5] * size - np.ptp(points, axis=1)) / 2
        assert (pad > 1.9).all()
        assert (pad < 11.1).all()


def test_a_few_lists_are_out_of_order_and_most_of_those_are_reversed():
    from spondyl.data.phantom import _habitual_order

    orders = [_habitual_order(np.random.default_rng([7, i]), 6) for i in range(3000)]
    wrong = [order for order in orders if order != sorted(order)]
    assert len(wrong) / 3000 == pytest.approx(0.06, abs=0.015)
    assert np.mean([order == sorted(order)[::-1] for order in wrong]) == pytest.approx(
        0.63, abs=0.1
    )


def test_a_film_does_not_depend_on_how_many_are_written(tmp_path):
    for habits in (False, True):
        few, many = tmp_path / f"few-{habits}", tmp_path / f"many-{habits}"
        write_phantoms(few, films=1, seed=9, long_side=160, habits=habits)
        write_phantoms(many, films=3, seed=9, long_side=160, habits=habits)
        shared = [p.relative_to(few) for p in few.rglob("phantom-00000.*")]
        assert len(shared) == 1 + habits
        for path in shared:
            assert (few / path).read_bytes() == (many / path).read_bytes()


def test_films_are_eight_bit_grey_and_annotations_carry_what_is_known(tmp_path):
    from spondyl.data.folder import read_annotations

    write_phantoms(tmp_path, films=4, seed=30, long_side=160)
    found = read_annotations(tmp_path)
    assert not found.problems
    for index, sample in enumerate(found.samples):
        made = phantom(30, index, long_side=160)
        with Image.open(sample.path) as image:
            assert (image.mode, image.size) == ("L", (sample.width, sample.height))
        assert sample.spacing == made.radiograph.spacing
        assert sample.view == "lateral"
        assert sample.landmarks.facing == made.landmarks.facing
        assert sample.group == sample.key
        assert (sample.complete_above, sample.complete_below) == (
            made.complete_above,
            made.complete_below,
        )
        missing = np.isnan(made.landmarks.points)
        np.testing.assert_array_equal(np.isnan(sample.landmarks.points), missing)


LISTED = {"as they are": (0.0, 0.0), "reversed": (1.0, 1.0), "shuffled": (1.0, 0.0)}


@pytest.mark.parametrize("order", LISTED)
def test_labels_with_habits_are_read_as_the_truth(tmp_path, monkeypatch, order):
    """Two corner orders, lists upside down or in no order: the reader finds SL, SR, IL, IR."""
    from spondyl.data.folder import read_annotations

    shuffled, reverse = LISTED[order]
    monkeypatch.setattr(module, "_SHUFFLED", shuffled)
    monkeypatch.setattr(module, "_REVERSED", reverse)
    write_phantoms(tmp_path, films=24, seed=40, long_side=128, habits=True)
    found = read_annotations(tmp_path)
    assert not found.problems
    keys = sorted(sample.key for sample in found.samples)
    assert keys == [f"images/phantom-{index:05d}" for index in range(24)]
    for sample in found.samples:
        truth = plan_phantom(
            np.random.default_rng([40, int(sample.key[-5:])]).spawn(2)[0], long_side=128
        ).landmarks
        assert len(sample.landmarks) == len(truth)
        drawn = np.clip(truth.points, 0, [sample.width - 1, sample.height - 1])
        seen = ~np.isnan(drawn)
        np.testing.assert_allclose(sample.landmarks.points[seen], drawn[seen], atol=0.02)


def test_a_corner_that_the_film_cuts_is_drawn_at_its_edge_where_the_parallelogram_would_close():
    corners = np.array([[[-10.0, 20], [30, 22], [-6, 50], [34, 52]]])
    corners[0, 0] = np.nan
    landmarks = Landmarks(corners)
    sample = Sample("a", Path("a.png"), 100, 80, landmarks, "a", "phantom")
    filled = module._clipped(sample)
    np.testing.assert_allclose(filled[0, 0], [0, 20])  # (-10, 20), clipped
    np.testing.assert_allclose(filled[0, 2], [0, 50])
    np.testing.assert_allclose(filled[0, [1, 3]], corners[0, [1, 3]])


def test_a_body_with_one_endplate_is_closed_upon_it():
    corners = np.array([[[20.0, 60], [50, 60], [np.nan] * 2, [np.nan] * 2]])
    sample = Sample("a", Path("a.png"), 80, 80, Landmarks(corners), "a", "phantom")
    np.testing.assert_allclose(module._clipped(sample)[0], corners[0, [0, 1, 0, 1]])
