import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest

from spondyl.data.phantom import phantom, plan_phantom, write_phantoms
from spondyl.data.phantom_effects import RICH_EFFECTS, Effects, sample_effects
from spondyl.data.phantom_pelvis import lay_fused_sacrum
from spondyl.data.phantom_rich import draw_rich_film, lay_foreign, lay_skeleton, stored
from spondyl.data.phantom_soft import Build, at_bodies, sample_build, soft_tissue

BUILD = Build(width=300, depth=260, fat=1.0, power=2.4, taper=1.0)


def plan(index, long_side=320):
    return plan_phantom(np.random.default_rng([9, index]), long_side=long_side, style="rich")


def open_scene(index=3, long_side=320):
    """A film that nothing is collimated from, with the whole lumbar spine."""
    scene = plan(index, long_side).scene
    return replace(scene, window=(-0.5, -0.5, scene.width - 0.5, scene.height - 0.5))


def whole_scene():
    for index in range(40):
        scene = open_scene(index)
        centres = scene.corners[:8].mean(axis=1)
        if (centres > 10).all() and (centres < [scene.width - 10, scene.height - 30]).all():
            return scene
    raise AssertionError("no film with the whole lumbar spine")


@pytest.fixture(scope="module")
def scene():
    return whole_scene()


@pytest.fixture(scope="module")
def films():
    return [phantom(16, index, long_side=240, style="rich") for index in range(16)]


def skeleton(scene, **effects):
    canvas = np.zeros(scene.shape, dtype=np.float32)
    lay_skeleton(canvas, np.random.default_rng(1), scene, Effects(**effects))
    return canvas


def tissue(scene, **effects):
    return soft_tissue(np.random.default_rng(1), scene, Effects(**effects), BUILD)


def beside_bodies(scene, canvas):
    """What lies outside the bodies' outlines by 1.5 px and more."""
    from spondyl.data.phantom_canvas import Body, Box

    box = Box(0, 0, scene.width, scene.height)
    distance = np.min([Body(corners).distance(box) for corners in scene.corners], axis=0)
    return np.where(distance > 1.5, canvas, 0)


def test_the_same_seed_gives_the_same_bytes_and_another_another(films):
    again = phantom(16, 5, long_side=240, style="rich")
    np.testing.assert_array_equal(again.radiograph.pixels, films[5].radiograph.pixels)
    np.testing.assert_array_equal(again.truth.points, films[5].truth.points)
    assert films[6].truth.to_json() != films[5].truth.to_json()


def test_films_are_finite_and_in_range_and_show_something(films):
    for film in films:
        pixels = film.radiograph.pixels
        assert pixels.dtype == np.float32
        assert np.isfinite(pixels).all()
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        assert pixels.std() > 0.02
        assert pixels.flags.c_contiguous


def test_the_plain_style_is_the_default_and_another_film():
    plain = phantom(14, 5, long_side=160)
    same = phantom(14, 5, long_side=160, style="plain")
    np.testing.assert_array_equal(plain.radiograph.pixels, same.radiograph.pixels)
    assert plain.truth.to_json() != phantom(14, 5, long_side=160, style="rich").truth.to_json()


def test_a_stretched_film_states_its_aspect_and_its_true_lengths(films):
    """Endplates are 30 to 45 mm by the two spacings, however the film was stretched."""
    stretched = 0
    for film in films:
        spacing = film.radiograph.spacing
        assert film.radiograph.aspect == spacing.aspect
        stretched += abs(spacing.aspect - 1) > 0.03
        points = film.truth.points * [spacing.column_mm, spacing.row_mm]
        depth = np.linalg.norm(points[:, 0] - points[:, 1], axis=1)
        lumbar = [d for d, name in zip(depth, film.truth.names, strict=True) if name[0] == "L"]
        lumbar = np.array(lumbar)[~np.isnan(lumbar)]
        assert ((lumbar > 24) & (lumbar < 50)).all()
    assert stretched


def test_corners_that_are_seen_lie_in_the_film(films):
    for film in films:
        points = film.truth.points[~np.isnan(film.truth.points).any(axis=2)]
        size = [film.radiograph.width - 0.5, film.radiograph.height - 0.5]
        assert ((points > -0.5) & (points < size)).all()


@pytest.mark.parametrize("index", range(4))
def test_bodies_end_at_their_corners(index):
    """With a straight beam a body is seen 3 px inside each corner and not 2 px outside."""
    from scipy.ndimage import map_coordinates

    view = replace(open_scene(index, 900), hollow=np.zeros(17))
    canvas = skeleton(view)
    checked = 0
    for k in view.visible(0):
        corners = view.corners[k]
        out = corners - corners.mean(axis=0)
        out = out / np.linalg.norm(out, axis=1)[:, None]
        for near, far in zip(corners - 6 * out, corners + 2 * out, strict=True):
            others = [j for j in view.visible(40) if j != k]
            apart = np.abs(view.corners[others].reshape(-1, 2) - far).max(axis=1).min()
            if (far > 3).all() and (far < [view.width - 3, view.height - 3]).all() and apart > 12:
                inside, outside = map_coordinates(canvas, np.array([near, far]).T[::-1], order=1)
                assert inside > 0.02
                assert outside < 0.35 * inside
                checked += 1
    assert checked > 3


def test_with_everything_off_there_are_bodies_and_nothing_else(scene):
    canvas = skeleton(scene)
    assert canvas.max() > 0.2
    assert np.abs(beside_bodies(scene, canvas)).max() < 0.02
    foreign = np.zeros(scene.shape, dtype=np.float32)
    lay_foreign(foreign, np.random.default_rng(1), scene, Effects())
    assert not foreign.any()


@pytest.mark.parametrize("name", ["posterior", "ribs", "pelvis", "sacrum"])
def test_bones_beside_the_bodies_appear_with_their_effect_alone(scene, name):
    weak, strong = (beside_bodies(scene, skeleton(scene, **{name: s})) for s in (0.2, 0.6))
    assert weak.max() > 0.05
    assert strong.mean() == pytest.approx(3 * weak.mean(), rel=0.15)


def test_density_scales_all_bone(scene):
    effects = {"posterior": 0.3, "pelvis": 0.3, "sacrum": 0.2, "ribs": 0.2}
    thin, dense = (skeleton(scene, density=d, **effects) for d in (0.5, 1.0))
    np.testing.assert_allclose(2 * thin, dense, atol=2e-4)


def test_spurs_reach_beyond_the_body_and_gas_in_a_disc_takes_away(scene):
    assert beside_bodies(scene, skeleton(scene, osteophytes=1.0)).max() > 0.03
    assert skeleton(scene, vacuum=1.0).min() < -0.05
    assert skeleton(scene).min() >= 0


@pytest.mark.parametrize(
    ("name", "amount"),
    [("tilt", 0.25), ("scoliosis", 0.3), ("rotation", 0.3), ("divergence", 2e-3)],
)
def test_an_oblique_beam_spreads_a_body_beyond_its_outline(scene, name, amount):
    """No bone is won or lost: the sum stays, its place does not."""
    straight, oblique = skeleton(scene), skeleton(scene, **{name: amount})
    assert beside_bodies(scene, oblique).sum() > 5 * beside_bodies(scene, straight).sum() + 1
    assert oblique.sum() == pytest.approx(straight.sum(), rel=0.03)


@pytest.mark.parametrize("name", ["schmorl", "sclerosis", "grain"])
def test_what_is_in_a_body_changes_its_inside_and_nothing_beside(scene, name):
    calm, changed = skeleton(scene), skeleton(scene, **{name: 0.9})
    assert np.abs(changed - calm).max() > 0.02
    assert np.abs(beside_bodies(scene, changed)).max() < 0.02


def test_lungs_and_gas_let_more_pass_and_hips_less(scene):
    calm = tissue(scene)
    lungs, gas, hips, fold = (
        tissue(scene, lungs=80.0), tissue(scene, gas=9), tissue(scene, hips=40.0),
        tissue(scene, fold=0.4),
    )  # fmt: skip
    assert (calm - lungs).mean() > 0  # their vessels are thin
    assert (calm - lungs).max() > 0.4
    assert (calm - gas).max() > 0.05
    low = slice(-8, None)
    assert hips[low].mean() > calm[low].mean() + 0.1
    assert (fold <= calm + 1e-5).all()
    assert (calm - fold).max() > 0.05


def test_a_trunk_is_as_thick_as_its_section_and_air_weighs_nothing(scene):
    """0.02 nepers a mm through a section 300 mm wide, a little more or less with the height."""
    found = tissue(scene)
    assert 0.75 * 6 < found.max() < 1.5 * 6
    assert np.quantile(found, 0.01) < 0.5
    assert at_bodies(found, scene) > 2


@pytest.mark.parametrize(
    ("name", "amount", "least"),
    [("screws", 3, 1.2), ("cement", 2, 0.2), ("metal", 4, 0.5), ("calcified", 2, 0.03)],
)
def test_foreign_things_add_to_the_attenuation(scene, name, amount, least):
    canvas = np.zeros(scene.shape, dtype=np.float32)
    lay_foreign(canvas, np.random.default_rng(2), scene, Effects(**{name: amount}))
    assert canvas.max() > least
    assert 0 < (canvas > 0.02).mean() < 0.3


def test_cages_come_on_top_of_screws(scene):
    both = [
        np.zeros(scene.shape, dtype=np.float32) for _ in range(2)
    ]  # the cages are the last to be drawn
    for canvas, cages in zip(both, (0, 1), strict=True):
        lay_foreign(canvas, np.random.default_rng(2), scene, Effects(screws=3, cages=cages))
    assert (both[1] - both[0]).max() > 0.1


def test_every_effect_is_absent_at_times_or_varies():
    drawn = [sample_effects(np.random.default_rng(seed)) for seed in range(400)]
    for field in fields(Effects):
        values = {float(getattr(effects, field.name)) for effects in [*drawn, Effects()]}
        assert len(values) > 1, field.name
    builds = [sample_build(np.random.default_rng(seed)).width for seed in range(100)]
    assert max(builds) > 1.6 * min(builds)


def drawn_effects(*, wild):
    drawn = [sample_effects(np.random.default_rng(seed)) for seed in range(400)]
    return [effects for effects in drawn if effects.wild is wild]


def test_three_films_in_five_stay_near_to_real_ones_with_all_anatomy():
    near = drawn_effects(wild=False)
    assert 0.52 < len(near) / 400 < 0.68
    for effects in near:
        assert min(effects.ribs, effects.posterior, effects.pelvis, effects.sacrum) > 0.1
        assert effects.drawn == effects.mount == 0
    assert np.mean([effects.lungs > 0 for effects in near]) > 0.9


def test_near_films_are_neither_blown_nor_as_noisy_as_the_same_gone_wild():
    def noise(film):
        return np.abs(film[1:-1] - (film[2:] + film[:-2]) / 2).mean()

    view, drawn = open_scene(3, 160), {False: [], True: []}
    for k, effects in enumerate(drawn_effects(wild=False)[:4]):
        for wild, films in drawn.items():
            rng = np.random.default_rng(k)
            films.append(draw_rich_film(rng, view, replace(effects, wild=wild)))
    assert max((film > 0.98).mean() for film in drawn[False]) < 0.03
    near, wild = (np.mean([noise(film) for film in films]) for films in drawn.values())
    assert 1.3 * near < wild


def test_the_lung_reaches_lower_behind_the_spine_than_in_front_of_it(scene):
    taken = tissue(scene) - tissue(scene, lungs=80.0)
    level = scene.corners[scene.thoracic + 1] / 2
    dark = taken > 0.3 * taken.max()
    columns = np.arange(dark.shape[1])
    behind, front = columns > level[1, 0] + 8, columns < level[0, 0] - 8
    lowest = [np.flatnonzero(dark[:, side].any(axis=1)).max() for side in (behind, front)]
    assert lowest[0] > lowest[1]


def test_the_sacrum_goes_on_below_s1_and_leaves_its_plate_alone(scene):
    canvas = np.zeros(scene.shape, dtype=np.float32)
    corners = scene.corners[0]
    lay_fused_sacrum(canvas, np.random.default_rng(1), corners, scene.mm, 0.5)
    along, down = corners[1] - corners[0], corners[2] - corners[0]
    for place in np.linspace(0.1, 0.9, 9):
        x, y = np.round(corners[0] + place * along + 0.1 * down).astype(int)
        assert abs(canvas[y, x]) < 0.02
        x, y = np.round(corners[2] + place * (corners[3] - corners[2]) + 0.3 * down).astype(int)
        assert canvas[y, x] > 0.1


def test_the_iliac_crests_lie_over_l5(scene):
    canvas = skeleton(scene, pelvis=0.5) - skeleton(scene)
    x, y = np.round(scene.corners[1].mean(axis=0)).astype(int)
    assert canvas[y - 1 : y + 2, x - 1 : x + 2].mean() > 0.05


def test_most_rich_films_are_labelled_up_to_their_edge_where_bodies_are_cut():
    plans = [plan(index) for index in range(80)]
    whole = [drawn for drawn in plans if drawn.complete_above]
    assert 0.55 < len(whole) / len(plans) < 0.95
    assert any(np.isnan(drawn.landmarks.points[0]).any() for drawn in whole)


def test_leaving_an_effect_out_changes_the_film_and_no_vertebra():
    """Film 8 of this series has everything, implants as well."""

    def drawn(*names):
        return phantom(14, 8, long_side=100, style="rich", without=frozenset(names))

    full = drawn("print")
    for name in set(RICH_EFFECTS) - {"print"}:
        less = drawn("print", name)
        np.testing.assert_array_equal(full.truth.points, less.truth.points)
        np.testing.assert_array_equal(full.landmarks.points, less.landmarks.points)
        assert not np.array_equal(full.radiograph.pixels, less.radiograph.pixels), name


def test_leaving_print_out_takes_mount_stretch_and_shutters_away(films):
    for index, printed in list(enumerate(films))[3:9]:
        plain = phantom(16, index, long_side=160, style="rich", without=frozenset({"print"}))
        assert plain.radiograph.aspect == 1
        assert set(printed.truth.names) <= set(plain.truth.names)


@pytest.mark.parametrize("name", ["ribs", "posterior", "pelvis", "sacrum", "osteophytes"])
def test_what_is_left_out_takes_nothing_else_with_it(scene, name):
    strengths = {"ribs": 0.3, "posterior": 0.5, "pelvis": 0.4, "sacrum": 0.4, "osteophytes": 1.0}
    others = {other: amount for other, amount in strengths.items() if other != name}
    taken = skeleton(scene, **strengths) - skeleton(scene, **others)
    alone = skeleton(scene, **{name: strengths[name]}) - skeleton(scene)
    assert np.abs(alone).max() > 0.05
    np.testing.assert_allclose(taken, alone, atol=1e-5)


def test_unknown_effects_and_effects_of_the_plain_style_are_refused():
    with pytest.raises(ValueError, match=r"\['rib'\].*ribs"):
        phantom(1, 1, long_side=100, style="rich", without=frozenset({"rib", "beam"}))
    with pytest.raises(ValueError, match="plain"):
        phantom(1, 1, long_side=100, without=frozenset({"rib"}))


def test_discs_are_narrower_than_on_plain_films_at_the_sacrum_above_all():
    def ratio(style, k):
        found = []
        for index in range(150):
            drawn = plan_phantom(np.random.default_rng([2, index]), long_side=500, style=style)
            upper, lower = drawn.scene.corners[k + 1], drawn.scene.corners[k]
            gap = np.linalg.norm(upper[2:].mean(axis=0) - lower[:2].mean(axis=0))
            found.append(gap / np.linalg.norm(lower[1] - lower[0]))
        return np.median(found)

    assert ratio("rich", 0) < 0.7 * ratio("plain", 0)
    assert ratio("rich", 2) < 0.85 * ratio("plain", 2)


def test_a_stored_film_is_eight_bit_or_nearly(scene):
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    for seed in range(6):
        found = stored(np.random.default_rng(seed), ramp)
        assert np.abs(found - ramp).max() < 0.15
        assert len(np.unique(found)) <= 1024


def test_noise_is_the_same_whatever_the_machine_drew_before(scene):
    first = draw_rich_film(np.random.default_rng(4), scene, Effects())
    np.random.default_rng(7).random(100)
    np.testing.assert_array_equal(first, draw_rich_film(np.random.default_rng(4), scene, Effects()))


def test_a_folder_of_rich_films_keeps_their_aspects(tmp_path):
    from spondyl.data.folder import read_annotations

    write_phantoms(tmp_path, films=10, seed=14, long_side=160, style="rich")
    for index, sample in enumerate(read_annotations(tmp_path).samples):
        made = phantom(14, index, long_side=160, style="rich")
        assert sample.aspect == pytest.approx(made.radiograph.aspect, rel=1e-3)
        np.testing.assert_allclose(sample.landmarks.points, made.landmarks.points, atol=0.01)


def test_habits_cannot_state_an_aspect_and_say_so(tmp_path):
    with pytest.raises(ValueError, match="aspect"):
        write_phantoms(tmp_path, films=1, seed=0, habits=True, style="rich")


def test_a_rich_film_is_quick():
    phantom(14, 0, long_side=128, style="rich")
    start = time.process_time()
    for index in range(2):
        phantom(14, index, long_side=768, style="rich")
    assert (time.process_time() - start) / 2 < 3.0  # about 0.4 s on one free core


def test_rich_films_need_numpy_and_pillow_alone():
    code = (
        "import sys; from spondyl.data.phantom import phantom;"
        "phantom(1, 1, long_side=128, style='rich');"
        "sys.exit(any(name in sys.modules for name in ('scipy', 'torch', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
