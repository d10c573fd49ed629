"""Views move pixels and points alike and mirror nothing; thinned networks forget only channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spondyl.learning.passes import View, has_dropout, thinned, views
from spondyl.spine.detections import Detections

SIZE = 96
STRONG = View(angle=11.0, scale=0.9, shift=(0.05, -0.08), gamma=1.3)


def blob(x: float, y: float, *, sigma: float = 3.0) -> Tensor:
    """A film with one bright spot."""
    steps = torch.arange(SIZE, dtype=torch.float64)
    row, column = torch.meshgrid(steps, steps, indexing="ij")
    spot = torch.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
    return spot.float()[None, None]


def centre_of(film: Tensor) -> np.ndarray:
    weight = film[0, 0].double()
    steps = torch.arange(SIZE, dtype=torch.float64)
    x, y = (weight.sum(dim=0) @ steps, weight.sum(dim=1) @ steps)
    return np.array([x / weight.sum(), y / weight.sum()])


def found_at(points: np.ndarray, covariance: np.ndarray) -> Detections:
    count = len(points)
    return Detections(
        np.full(count, 0.9),
        points,
        np.full((count, 4), 0.8),
        np.tile(covariance, (count, 4, 1, 1)),
        np.zeros((count, 19)),
        np.zeros(count),
    )


@pytest.mark.parametrize("view", [*views(9)[1:], STRONG])
def test_a_spot_lies_where_its_point_is_mapped_to(view: View) -> None:
    point = np.array([40.3, 55.7])
    seen = replace(view, gamma=1.0).show(blob(*point))
    expected = view.matrix(SIZE) @ [*point, 1.0]
    np.testing.assert_allclose(centre_of(seen), expected[:2], atol=0.02)


@pytest.mark.parametrize("view", views(5))
def test_what_is_found_in_a_view_comes_back_to_the_film(view: View) -> None:
    points = np.random.default_rng(0).uniform(0, SIZE, (6, 4, 2))
    points[2, 1] = np.nan
    matrix = view.matrix(SIZE)
    seen = found_at(points @ matrix[:2, :2].T + matrix[:2, 2], np.eye(2))
    np.testing.assert_allclose(view.back(seen, SIZE).corners, points, atol=1e-9)


def test_a_covariance_turns_back_with_its_corner() -> None:
    """Wide in x in a view turned by a quarter and twice as small: wide in y, four times so."""
    view = View(angle=90.0, scale=0.5)
    back = view.back(found_at(np.zeros((1, 4, 2)), np.diag([9.0, 1.0])), SIZE)
    np.testing.assert_allclose(back.covariance[0, 0], np.diag([4.0, 36.0]), atol=1e-9)


def test_the_first_view_is_the_film_to_the_last_bit() -> None:
    film = torch.rand(2, 1, SIZE, SIZE)
    assert views(1) == (View(),)
    assert torch.equal(views(3)[0].show(film), film)


def test_views_are_the_same_however_many_are_taken_and_no_two_are_alike() -> None:
    assert views(20)[:5] == views(5)
    assert len({(v.angle, v.scale, v.shift, v.gamma) for v in views(20)}) == 20


def test_no_view_mirrors_a_film() -> None:
    """A positive determinant keeps left on the left, and the turn is small."""
    linear = np.stack([view.matrix(SIZE)[:2, :2] for view in views(200)])
    assert (np.linalg.det(linear) > 0.8).all()
    assert (np.abs(np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))) <= 2).all()


def test_views_fill_their_ranges_evenly() -> None:
    """Any few in a row lie on both sides of the middle, and a hundred have its mean."""
    angles = np.array([view.angle for view in views(101)[1:]])
    assert abs(angles.mean()) < 0.1
    runs = np.lib.stride_tricks.sliding_window_view(angles, 8)
    assert (runs.min(axis=1) < 0).all()
    assert (runs.max(axis=1) > 0).all()


@pytest.mark.parametrize("view", views(33))
def test_a_film_stays_within_its_input(view: View) -> None:
    """Three by four, as tall as the input: no corner of it leaves by more than 5 % of the side."""
    edge = (SIZE - 1) * np.array([[0.125, 0.0], [0.875, 0.0], [0.125, 1.0], [0.875, 1.0]])
    matrix = view.matrix(SIZE)
    seen = edge @ matrix[:2, :2].T + matrix[:2, 2]
    assert (np.abs(seen - (SIZE - 1) / 2) <= 0.55 * SIZE).all()


def test_grey_values_follow_gamma_and_stay_in_range() -> None:
    film = torch.rand(1, 1, SIZE, SIZE)
    assert torch.allclose(View(gamma=1.2).show(film), film**1.2, atol=1e-4)
    seen = STRONG.show(film)
    assert 0 <= float(seen.min()) <= float(seen.max()) <= 1


# dropout


def network(*, p: float = 0.3, kind: type[nn.Module] = nn.Dropout2d) -> nn.Sequential:
    torch.manual_seed(0)
    parts = (nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), kind(p), nn.Conv2d(16, 4, 1))
    return nn.Sequential(*parts).eval()


@torch.inference_mode()
def passed(net: nn.Module, films: Tensor, draw: int) -> Tensor:
    with thinned(net, draw):
        return net(films)


def test_a_thinned_network_means_what_the_whole_one_says() -> None:
    """After the dropout all is linear, so that the mean over draws is the network without it."""
    net, films = network(), torch.rand(1, 1, 8, 8)
    mean = torch.stack([passed(net, films, draw) for draw in range(3000)]).mean(dim=0)
    with torch.inference_mode():
        whole = net(films)
    assert not torch.allclose(passed(net, films, 0), whole, atol=0.05)
    torch.testing.assert_close(mean, whole, atol=0.02, rtol=0.0)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout2d])
def test_a_film_does_not_depend_on_its_batch(kind: type[nn.Module]) -> None:
    net, films = network(kind=kind), torch.rand(5, 1, 8, 8)
    together = passed(net, films, 3)
    for i in range(5):
        alone = passed(net, films[i : i + 1], 3)
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=0.0)


def test_draws_differ_and_repeat() -> None:
    net, films = network(), torch.rand(1, 1, 8, 8)
    assert torch.equal(passed(net, films, 1), passed(net, films, 1))
    assert not torch.equal(passed(net, films, 1), passed(net, films, 2))


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout2d])
def test_as_much_is_dropped_as_in_training(kind: type[nn.Module]) -> None:
    layer, films = nn.Sequential(kind(0.3)).eval(), torch.ones(2, 4000, 2, 2)
    kept = passed(layer, films, 0)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float((kept == 0).float().mean()) == pytest.approx(0.3, abs=0.03)
    whole_channels = (kept == kept[:, :, :1, :1]).all()
    assert bool(whole_channels) == (kind is nn.Dropout2d)


def test_everything_else_stays_in_evaluation() -> None:
    net, films = network(), torch.rand(3, 1, 8, 8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    passed(net, films, 0)
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_dropout_is_off_again_afterwards() -> None:
    net, films = network(), torch.rand(1, 1, 8, 8)
    whole = net(films)
    with pytest.raises(RuntimeError, match="stop"), thinned(net, 0):
        raise RuntimeError("stop")
    assert torch.equal(net(films), whole)


def test_dropping_everything_leaves_nothing() -> None:
    assert not passed(nn.Sequential(nn.Dropout(1.0)).eval(), torch.ones(1, 4), 0).any()


def test_a_network_says_whether_it_drops_anything() -> None:
    assert has_dropout(network())
    assert not has_dropout(network(p=0.0))
    assert not has_dropout(nn.Sequential(nn.Conv2d(1, 1, 1)))
