import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from spondyl.data.phantom import SLIP_FLAG, WEDGE_FLAG, phantom, plan_phantom, write_phantoms
from spondyl.data.phantom_spine import measured_slip, measured_wedge


@pytest.fixture(scope="module")
def plans():
    return [plan_phantom(np.random.default_rng([3, i]), long_side=1000) for i in range(300)]


@pytest.fixture(scope="module")
def films():
    return [phantom(11, index, long_side=320) for index in range(12)]


def facing_left(landmarks, width):
    return landmarks if landmarks.facing == "left" else landmarks.mirrored(width)


def test_the_same_seed_gives_the_same_film_whatever_came_before(films):
    again = phantom(11, 7, long_side=320)
    np.testing.assert_array_equal(again.radiograph.pixels, films[7].radiograph.pixels)
    np.testing.assert_array_equal(again.truth.points, films[7].truth.points)
    assert again.flags == films[7].flags


def test_another_index_or_seed_gives_another_film(films):
    assert phantom(12, 7, long_side=320).truth.to_json() != films[7].truth.to_json()
    assert films[6].truth.to_json() != films[7].truth.to_json()


def test_a_film_is_a_radiograph_at_true_aspect(films):
    for film in films:
        radiograph = film.radiograph
        assert radiograph.height == 320
        assert 0.5 <= radiograph.width / 320 <= 0.86
        assert radiograph.view == "lateral"
        assert radiograph.spacing.row_mm == radiograph.spacing.column_mm
        assert radiograph.spacing.plane == "patient"
        assert radiograph.pixels.std() > 0.05


def test_the_anatomy_does_not_depend_on_the_size():
    small = plan_phantom(np.random.default_rng([3, 4]), long_side=500).truth.points
    large = plan_phantom(np.random.default_rng([3, 4]), long_side=1000).truth.points
    rounding = 1.5  # the width is rounded to whole pixels before a film is mirrored
    np.testing.assert_allclose((small + 0.5) * 2 - 0.5, large, atol=rounding)


def test_lumbar_endplates_have_a_true_size(plans):
    for plan in plans:
        plates = plan.scene.corners[1:6, 1] - plan.scene.corners[1:6, 0]
        depth = np.linalg.norm(plates, axis=1).mean() * plan.mm_per_px
        assert 30 <= depth <= 40


def test_landmarks_run_from_superior_to_inferior_with_the_anterior_wall_on_the_facing_side(plans):
    for plan in plans:
        corners = facing_left(plan.truth, plan.scene.width).points
        order = [list(plan.truth.names).index(name) for name in plan.landmarks.names]
        assert order == list(range(order[0], order[0] + len(order)))
        assert (np.diff(plan.truth.centres[:, 1]) > 0).all()
        whole = corners[~np.isnan(corners).any(axis=(1, 2))]
        assert (whole[:, 0, 0] < whole[:, 1, 0]).all()


def test_three_films_of_four_face_left(plans):
    assert np.mean([plan.truth.facing == "left" for plan in plans]) == pytest.approx(0.75, abs=0.08)
    assert {plan.landmarks.facing for plan in plans} == {"left", "right"}


def test_truth_holds_every_vertebra_whose_centre_is_exposed_and_no_other(plans):
    for plan in plans:
        left, top, right, bottom = plan.scene.window
        centres = plan.scene.corners.mean(axis=1)
        inside = (centres > [left, top]) & (centres < [right, bottom])
        assert len(plan.truth) == inside.all(axis=1).sum()


def test_corners_outside_the_film_are_missing_and_all_others_are_inside(plans):
    for plan in plans:
        points = plan.truth.points[~np.isnan(plan.truth.points).any(axis=2)]
        assert (points > -0.5).all()
        assert (points < [plan.scene.width - 0.5, plan.scene.height - 0.5]).all()
        assert ("cut" in plan.flags) == bool(np.isnan(plan.truth.points).any())
    assert 0.05 < np.mean(["cut" in plan.flags for plan in plans]) < 0.45


def test_as_many_annotators_stop_early_as_in_the_release_and_the_sample_says_so(plans):
    """Of the release's BUU films 66 % have room for one more centre above the first label."""
    early = [len(plan.truth) > len(plan.landmarks) for plan in plans]
    assert np.mean(early) == pytest.approx(0.66, abs=0.08)
    for plan in plans:
        assert plan.complete_above == (plan.truth.names[0] == plan.landmarks.names[0])
        assert plan.complete_below == (plan.truth.names[-1] == plan.landmarks.names[-1])


def test_the_sacrum_is_the_last_where_it_is_in_view(plans):
    for plan in plans:
        if "S1" in plan.landmarks.names:
            assert plan.landmarks.names[-1] == "S1"
            assert plan.complete_below


def test_flags_are_true_to_the_corners(plans):
    seen = Counter()
    for plan in plans:
        corners = facing_left(plan.truth, plan.scene.width).points[::-1]
        slips = [abs(measured_slip(b, a)) for a, b in pairwise(corners)]
        wedges = [
            measured_wedge(c)
            for c, name in zip(corners, plan.truth.names[::-1], strict=True)
            if name != "S1"
        ]
        if not np.isnan(corners).any():
            assert ("slip" in plan.flags) == (max(slips) >= SLIP_FLAG)
            assert ("wedge" in plan.flags) == (min(wedges) < WEDGE_FLAG)
        assert ("L6" in plan.flags) == ("L6" in plan.truth.names)
        seen.update(plan.flags)
    assert {"slip", "wedge", "fracture", "L6", "four lumbar", "cut"} <= set(seen)


def bone_against_disc(film):
    """Mean of each body's middle less that of the discs beside it, whole bodies only."""
    from scipy.ndimage import map_coordinates

    points = film.truth.points
    upper, lower = points[:-1], points[1:]
    discs = (upper[:, 2:].mean(axis=1) + lower[:, :2].mean(axis=1)) / 2
    bodies = points[:-1].mean(axis=1)
    seen = ~np.isnan(discs + bodies).any(axis=1)
    at = [
        map_coordinates(film.radiograph.pixels, p[seen].T[::-1], order=1) for p in (bodies, discs)
    ]
    return at[0] - at[1]


def test_bodies_are_brighter_than_the_discs_below_them(films):
    difference = np.concatenate([bone_against_disc(film) for film in films])
    assert np.mean(difference > 0) > 0.85


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
