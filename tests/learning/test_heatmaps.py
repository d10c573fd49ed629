"""A point drawn and found again is the same point."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spondyl.learning import heatmaps


@given(x=st.floats(3, 20), y=st.floats(3, 20), sigma=st.floats(0.8, 3))
@settings(max_examples=60, deadline=None)
def test_the_peak_of_a_gaussian_of_any_width_is_found_exactly(
    x: float, y: float, sigma: float
) -> None:
    point = torch.tensor([[[x, y]]])
    drawn = heatmaps.gaussians(point, sigma=sigma, size=24)
    peak = torch.tensor([[[round(x), round(y)]]])
    found, variance = heatmaps.refine(drawn, peak[:, :, None])
    np.testing.assert_allclose(found[0, 0, 0], [x, y], atol=2e-3)  # map px
    np.testing.assert_allclose(variance[0, 0, 0], sigma**2, rtol=0.02)


@pytest.mark.parametrize("sigma", [7.2, 12.0, 30.0])
def test_a_broad_peak_is_found_as_exactly_as_a_narrow_one(sigma: float) -> None:
    point = torch.tensor([[[31.3, 32.4]]])
    drawn = heatmaps.gaussians(point, sigma=sigma, size=64)
    found, _ = heatmaps.refine(drawn, torch.tensor([[[[31, 32]]]]))
    np.testing.assert_allclose(found[0, 0, 0], point[0, 0], atol=0.02)


def test_the_height_of_a_peak_plays_no_part() -> None:
    """A diverging network's maps are large, and must not break the decoder."""
    drawn = heatmaps.gaussians(torch.tensor([[[9.3, 8.6]]]), sigma=1.5, size=20)
    for scale in (1e-3, 1.0, 1e4):
        found, _ = heatmaps.refine(scale * drawn, torch.tensor([[[[9, 9]]]]))
        np.testing.assert_allclose(found[0, 0, 0], [9.3, 8.6], atol=2e-3)
    two_cells = torch.zeros(1, 1, 9, 9)
    two_cells[0, 0, 4, 4:6] = 1e4
    found, _ = heatmaps.refine(two_cells, torch.tensor([[[[4, 4]]]]))
    assert torch.isfinite(found).all()


def test_noise_of_five_per_cent_costs_less_than_a_third_of_a_map_pixel() -> None:
    """Log-least-squares: mean error 0.22 px of 512 published for a stride-4 peak, i.e. 0.06."""
    generator = torch.Generator().manual_seed(0)
    points = 10 + 4 * torch.rand(1, 400, 2, generator=generator)
    maps = heatmaps.gaussians(points, sigma=2.0, size=24)
    noisy = (maps + 0.05 * torch.randn(maps.shape, generator=generator)).clamp(0, 1)
    found, _ = heatmaps.refine(noisy, points.round().long()[:, :, None])
    error = torch.linalg.vector_norm(found[:, :, 0] - points, dim=-1)
    assert error.mean() < 0.12
    cell = torch.linalg.vector_norm(points.round() - points, dim=-1)
    assert error.mean() < cell.mean() / 3


def test_a_missing_point_gives_an_empty_map() -> None:
    assert heatmaps.gaussians(torch.tensor([torch.nan, 3.0]), sigma=1.0, size=8).sum() == 0


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_first_cell_of_a_map_covers_the_first_pixels_of_the_input(stride: int) -> None:
    """Cell 0 spans input px -0.5 to stride - 0.5; its centre lies in the middle of them."""
    middle = torch.tensor([[(stride - 1) / 2, (stride - 1) / 2]])
    torch.testing.assert_close(heatmaps.to_map(middle, stride), torch.zeros(1, 2))
    torch.testing.assert_close(heatmaps.to_input(torch.zeros(1, 2), stride), middle)


def test_only_local_maxima_survive() -> None:
    maps = torch.zeros(1, 8, 8)
    maps[0, 2, 3], maps[0, 2, 4], maps[0, 6, 6] = 0.9, 0.8, 0.5
    peaks = heatmaps.local_peaks(maps)
    assert peaks.nonzero().tolist() == [[0, 2, 3], [0, 6, 6]]


def test_looking_outside_the_map_gives_nothing() -> None:
    maps = torch.ones(1, 1, 4, 4)
    cells = torch.tensor([[[[-1, 0], [0, 4], [3, 3], [4, 0]]]])
    assert heatmaps.look_up(maps, cells).tolist() == [[[0, 0, 1, 0]]]


def test_a_flat_map_keeps_its_cell() -> None:
    found, _ = heatmaps.refine(torch.full((1, 1, 9, 9), 0.5), torch.tensor([[[[4, 4]]]]))
    assert found.tolist() == [[[[4.0, 4.0]]]]
