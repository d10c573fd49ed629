"""Encode and decode are one object, tested as a pair."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spondyl.anatomy import LEVELS
from spondyl.film.letterbox import Letterbox
from spondyl.learning.codecs import NULL, SetCodec, SlotsCodec, Targets, make_codec
from spondyl.learning.targets import LandmarkBatch, collate_landmarks
from spondyl.recipe import SetCodecRecipe, SlotsCodecRecipe
from spondyl.spine.landmarks import Landmarks

HEIGHT, WIDTH = 2900, 1800


def column(count: int = 7, *, seed: int = 0, facing: str = "left") -> Landmarks:
    """A lordotic column of irregular vertebrae on a 2,900 x 1,800 px film."""
    rng = np.random.default_rng(seed)
    quads = []
    for k in range(count):
        angle = np.deg2rad(-20 + 55 * k / max(count - 1, 1))
        down, right = (
            np.array([np.sin(angle), np.cos(angle)]),
            np.array([np.cos(angle), -np.sin(angle)]),
        )
        centre = np.array([900 + 120 * np.sin(k / 2), 500 + 270 * k]) + rng.uniform(-20, 20, 2)
        quads.append([
            centre + 160 * x * right + 90 * y * down + rng.uniform(-15, 15, 2)
            for y in (-1, 1) for x in (-1, 1)
        ])  # fmt: skip
    return Landmarks(np.array(quads), levels=LEVELS[-count:], facing=facing)


def to_batch(landmarks: list[Landmarks], complete: bool = True) -> LandmarkBatch:
    return collate_landmarks(landmarks, [(complete, complete)] * len(landmarks))


def oracle_maps(codec: SetCodec, targets: Targets) -> torch.Tensor:
    """What a perfect network would answer: logits where the codec reads logits."""
    maps = targets.maps.clone()
    maps[:, :5] = torch.logit(maps[:, :5].double().clamp(1e-9, 1 - 1e-7)).float()
    maps[:, 13:] = 20 * maps[:, 13:] - 10
    return maps


def decode_one(codec: SetCodec | SlotsCodec, maps: torch.Tensor, score: float = 0.5):
    found = codec.decode(maps)[0]
    return found.select(found.score > score)


@pytest.mark.parametrize("size", [256, 512, 768])
@pytest.mark.parametrize("seed", range(4))
def test_an_oracle_network_gives_its_landmarks_back(size: int, seed: int) -> None:
    """Everything around the network is exact: what is left is the network's own error."""
    truth = column(seed=seed)
    letterbox = Letterbox.fit(HEIGHT, WIDTH, size)
    codec = SetCodec(SetCodecRecipe(), size)
    targets = codec.encode(to_batch([truth.moved(letterbox.to_input(truth.points))]))
    found = decode_one(codec, oracle_maps(codec, targets))
    order = np.argsort(found.corners[:, :, 1].mean(axis=1))
    points = letterbox.to_image(found.corners[order])
    np.testing.assert_allclose(points, truth.points, atol=0.05)  # image px
    levels = found.level_logits[order].argmax(axis=1)
    assert [LEVELS[i] for i in levels] == list(truth.levels or ())
    assert (found.facing_logit < 0).all()


@pytest.mark.parametrize("anchor", ["top", "bottom"])
@pytest.mark.parametrize("heatmap_size", [128, 256, 512])
def test_slots_give_an_oracle_network_its_landmarks_back(anchor: str, heatmap_size: int) -> None:
    truth = column(6)
    letterbox = Letterbox.fit(HEIGHT, WIDTH, 512)
    recipe = SlotsCodecRecipe(anchor=anchor, heatmap_size=heatmap_size)
    codec = SlotsCodec(recipe, 512)
    targets = codec.encode(to_batch([truth.moved(letterbox.to_input(truth.points))]))
    found = decode_one(codec, targets.maps)
    np.testing.assert_allclose(letterbox.to_image(found.corners), truth.points, atol=0.05)


def test_slots_number_vertebrae_from_their_anchor() -> None:
    truth = column(3)
    batch = to_batch([truth.moved(Letterbox.fit(HEIGHT, WIDTH, 128).to_input(truth.points))])
    filled = {
        anchor: SlotsCodec(SlotsCodecRecipe(anchor=anchor, heatmap_size=32, slots=5), 128)
        .encode(batch).maps[0].amax(dim=(1, 2)).gt(0.1).view(5, 4)
        for anchor in ("top", "bottom")
    }  # fmt: skip
    for occupied in filled.values():
        assert occupied.all(dim=1).tolist() == [True, True, True, False, False]
    top = SlotsCodec(SlotsCodecRecipe(heatmap_size=32, slots=5), 128).encode(batch).maps[0]
    bottom = SlotsCodec(SlotsCodecRecipe(anchor="bottom", heatmap_size=32, slots=5), 128)
    torch.testing.assert_close(top[:4], bottom.encode(batch).maps[0][8:12])


def test_a_vertebra_more_than_the_slots_hold_is_lost() -> None:
    truth = column(4)
    batch = to_batch([truth.moved(Letterbox.fit(HEIGHT, WIDTH, 128).to_input(truth.points))])
    codec = SlotsCodec(SlotsCodecRecipe(heatmap_size=32, slots=3, sigma=20), 128)
    assert len(decode_one(codec, codec.encode(batch).maps)) == 3


def test_a_corner_that_was_not_seen_is_neither_drawn_nor_learnt() -> None:
    points = column(3).points / 6
    points[2, 2:] = np.nan
    batch = to_batch([Landmarks(points)])
    codec = SetCodec(SetCodecRecipe(), 512)
    targets = codec.encode(batch)
    drawn = [(targets.maps[0, 1 + c] > 0.9).sum().item() for c in range(4)]
    whole = codec.encode(to_batch([Landmarks(column(3).points / 6)]))
    full = [(whole.maps[0, 1 + c] > 0.9).sum().item() for c in range(4)]
    assert drawn[:2] == full[:2]
    assert drawn[2] < full[2]
    assert drawn[3] < full[3]
    assert targets.weight[0, 9:13].sum() < targets.weight[0, 5:9].sum()


def test_empty_and_broken_maps_find_nothing() -> None:
    """Never (0, 0): an all-zero, constant or NaN map holds no vertebra."""
    codec = SetCodec(SetCodecRecipe(), 128)
    nothing = torch.full((1, codec.channels, 32, 32), -20.0)
    assert len(codec.decode(nothing)[0]) == 0
    assert len(codec.decode(torch.full_like(nothing, torch.nan))[0]) == 0
    slots = SlotsCodec(SlotsCodecRecipe(heatmap_size=32), 128)
    assert len(slots.decode(torch.zeros(1, 40, 32, 32))[0]) == 0
    assert len(slots.decode(torch.full((1, 40, 32, 32), torch.nan))[0]) == 0


def test_an_unlabelled_end_of_the_spine_is_not_background() -> None:
    """Beyond an end where the annotator may have stopped, the heat maps carry no weight."""
    codec = SetCodec(SetCodecRecipe(), 512)
    middle = Landmarks(column(7).points[2:5] / 6)
    above, below = middle.centres[0] - [0, 60], middle.centres[-1] + [0, 60]
    for complete, expected in ((True, 1.0), (False, 0.0)):
        weight = codec.encode(to_batch([middle], complete)).weight[0, 0]
        for x, y in (above, below):
            assert weight[round(y / 4), round(x / 4)] == expected
        x, y = middle.centres[1]
        assert weight[round(y / 4), round(x / 4)] == 1.0


def test_nothing_is_unlabelled_below_the_sacrum() -> None:
    codec = SetCodec(SetCodecRecipe(), 512)
    landmarks = column(5)
    named = Landmarks(landmarks.points / 6, levels=landmarks.levels)
    unnamed = Landmarks(landmarks.points / 6)
    below = named.centres[-1] + [0, 60]
    cell = (0, 0, round(below[1] / 4), round(below[0] / 4))
    assert codec.encode(to_batch([named], complete=False)).weight[cell] == 1.0
    assert codec.encode(to_batch([unnamed], complete=False)).weight[cell] == 0.0


def test_unknown_levels_and_facing_are_not_learnt() -> None:
    codec = SetCodec(SetCodecRecipe(), 512)
    points = column(4).points / 6
    targets = codec.encode(to_batch([Landmarks(points)]))
    x, y = (Landmarks(points).centres[1] / 4).round().astype(int)
    assert targets.weight[0, 13:, y, x].sum() == 0
    assert targets.maps[0, 13 + NULL, 0, 0] == 1  # far from every vertebra: not a vertebra
    assert targets.weight[0, 13 + NULL, 0, 0] == 1


@pytest.mark.parametrize("recipe", [SetCodecRecipe(), SlotsCodecRecipe(heatmap_size=32)])
def test_the_loss_is_least_where_the_maps_are_right(recipe) -> None:
    codec = make_codec(recipe, 128)
    truth = column(5)
    batch = to_batch([truth.moved(Letterbox.fit(HEIGHT, WIDTH, 128).to_input(truth.points))])
    targets = codec.encode(batch)
    right = oracle_maps(codec, targets) if isinstance(codec, SetCodec) else targets.maps
    best = codec.loss(right, targets)
    assert best < 0.02
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        noise = torch.randn(right.shape, generator=generator)
        assert codec.loss(right + 0.3 * noise, targets) > best


def test_heat_targets_are_soft_and_the_loss_has_its_minimum_there() -> None:
    codec = SetCodec(SetCodecRecipe(), 128)
    truth = column(5)
    batch = to_batch([truth.moved(Letterbox.fit(HEIGHT, WIDTH, 128).to_input(truth.points))])
    targets = codec.encode(batch)
    maps = oracle_maps(codec, targets).requires_grad_()
    codec.loss(maps, targets).backward()
    assert maps.grad is not None
    assert maps.grad[:, :5].abs().max() < 1e-4


def test_films_of_a_batch_do_not_touch_each_other() -> None:
    codec = SetCodec(SetCodecRecipe(), 256)
    films = [column(7), column(3, seed=1), column(5, seed=2)]
    fitted = [f.moved(Letterbox.fit(HEIGHT, WIDTH, 256).to_input(f.points)) for f in films]
    together = codec.encode(to_batch(fitted))
    for index, film in enumerate(fitted):
        alone = codec.encode(to_batch([film]))
        torch.testing.assert_close(together.maps[index], alone.maps[0])
        torch.testing.assert_close(together.weight[index], alone.weight[0])


def test_a_film_without_vertebrae_can_be_encoded_and_is_background_if_complete() -> None:
    codec = SetCodec(SetCodecRecipe(), 128)
    empty = Landmarks(np.zeros((0, 4, 2)))
    targets = codec.encode(to_batch([empty]))
    assert targets.maps[:, :5].sum() == 0
    assert (targets.weight[:, :5] == 1).all()
    assert torch.isfinite(codec.loss(torch.zeros_like(targets.maps), targets))


def test_a_corner_snaps_to_its_own_peak_and_not_to_a_neighbours() -> None:
    """The offsets are off by 2 px of the map; the corner maps put it right."""
    truth = column(6)
    letterbox = Letterbox.fit(HEIGHT, WIDTH, 512)
    codec = SetCodec(SetCodecRecipe(), 512)
    targets = codec.encode(to_batch([truth.moved(letterbox.to_input(truth.points))]))
    maps = oracle_maps(codec, targets)
    generator = torch.Generator().manual_seed(0)
    maps[:, 5:13] += (torch.rand(8, generator=generator)[None, :, None, None] - 0.5) / 2
    found = decode_one(codec, maps)
    order = np.argsort(found.corners[:, :, 1].mean(axis=1))
    np.testing.assert_allclose(letterbox.to_image(found.corners[order]), truth.points, atol=0.05)


def test_the_padding_of_a_batch_is_no_vertebra() -> None:
    batch = to_batch([column(2), column(5)])
    present = ~batch.points.isnan().all(dim=(2, 3))
    assert present.sum(dim=1).tolist() == [2, 5]
    flipped = batch.relabelled(torch.tensor([True, False]))
    assert flipped.facing.tolist() == [1, 0]
    np.testing.assert_allclose(flipped.points[0, :2, 0], batch.points[0, :2, 1])
    unknown = replace(column(2), facing=None)
    assert to_batch([unknown]).relabelled(torch.tensor([True])).facing.tolist() == [-1]


def test_an_ap_film_is_taught_that_either_side_is_as_likely() -> None:
    codec = SetCodec(SetCodecRecipe(), 512)
    fit = Letterbox.fit(2900, 1800, 512)
    drawn = [column(facing="right"), column()]
    films = [film.moved(fit.to_input(film.points)) for film in drawn]
    batch = collate_landmarks(films, [(True, True)] * 2, ["lateral", "ap"])
    targets = codec.encode(batch)
    facing, weight = targets.maps[:, -1], targets.weight[:, -1]
    assert set(facing[0][weight[0] > 0].tolist()) == {1.0}
    assert set(facing[1][weight[1] > 0].tolist()) == {0.5}
