"""How does a point become a Gaussian on a map, and a peak a point again, without losing a pixel."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

_FLATTEST = 1e-4  # curvature of a Gaussian of 70 px: what is flatter has no peak
_RIDGE = 1e-7  # keeps an empty patch solvable; ONNX Runtime takes what is below 1e-8 for 0
_PATCH = 2  # radius: enough cells for the fit, too few to meet the next vertebra


def to_map(points: Float[Tensor, "*n 2"], stride: float) -> Float[Tensor, "*n 2"]:
    """Input px to map px, both with the centre of the first pixel at (0, 0)."""
    return (points + 0.5) / stride - 0.5


def to_input(points: Float[Tensor, "*n 2"], stride: float) -> Float[Tensor, "*n 2"]:
    """Map px to input px."""
    return (points + 0.5) * stride - 0.5


def gaussians(
    points: Float[Tensor, "*n 2"], *, sigma: float, size: int
) -> Float[Tensor, "*n size size"]:
    """One map with peak 1 around each point (map px); a NaN point gives an empty map."""
    steps = torch.arange(size, device=points.device, dtype=points.dtype)
    squared = (points[..., None] - steps) ** 2  # (*n, 2, size)
    curve = torch.exp(-squared / (2 * sigma**2)).nan_to_num(0.0)
    return curve[..., 1, :, None] * curve[..., 0, None, :]


def local_peaks(maps: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """The map with everything but its 3 x 3 maxima set to 0."""
    highest = functional.max_pool2d(maps[:, None], 3, stride=1, padding=1)[:, 0]
    return torch.where(maps == highest, maps, torch.zeros_like(maps))


def window(radius: int, device: torch.device) -> Int[Tensor, "k 2"]:
    """Integer x, y steps of a square window."""
    steps = torch.arange(-radius, radius + 1, device=device)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def look_up(
    maps: Float[Tensor, "b c h w"], cells: Int[Tensor, "b c n 2"]
) -> Float[Tensor, "b c n"]:
    """The values at integer cells x, y; 0 outside the map."""
    height, width = maps.shape[-2:]
    x, y = cells.unbind(dim=-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, flat) * inside


def refine(
    maps: Float[Tensor, "b c h w"], peaks: Int[Tensor, "b c n 2"]
) -> tuple[Float[Tensor, "b c n 2"], Float[Tensor, "b c n"]]:
    """Sub-pixel position and variance (map px^2) of the peaks of maps in [0, 1].

    Fits ``log h = a + b x + c y - q (x^2 + y^2)`` to the 13 cells within 2 px by least squares,
    weighted with h^2 (Guo 2011): exact for a Gaussian of any width. The step is limited
    to the patch; where the fit has no maximum the peak stays on its cell.
    """
    device = maps.device
    if device.type == "mps":  # Apple's GPUs have no double precision
        maps, peaks = maps.cpu(), peaks.cpu()
    steps = window(_PATCH, maps.device)
    steps = steps[(steps**2).sum(dim=1) <= _PATCH**2]
    cells = peaks[..., None, :] + steps  # (b, c, n, k, 2)
    values = look_up(maps, cells.flatten(2, 3)).unflatten(2, cells.shape[2:4]).double()
    values = values / values.amax(dim=-1, keepdim=True).clamp_min(1e-12)
    x, y = steps.double().unbind(dim=1)
    design = torch.stack([torch.ones_like(x), x, y, -(x**2 + y**2)], dim=1)  # (k, 4)
    weight = values**2
    normal = torch.einsum("...k,ki,kj->...ij", weight, design, design)
    right = torch.einsum("...k,ki->...i", weight * values.clamp_min(1e-12).log(), design)
    fit = _solved(normal, right)
    curvature = fit[..., 3]
    peaked = curvature > _FLATTEST
    spread = 1 / (2 * curvature.clamp_min(_FLATTEST))
    step = (fit[..., 1:3] * spread[..., None]).clamp(-_PATCH, _PATCH)
    step = torch.where(peaked[..., None], step, torch.zeros_like(step))
    return (peaks + step).to(device, maps.dtype), spread.to(device, maps.dtype)


def _solved(normal: Float[Tensor, "*n k k"], right: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
    """Solves normal equations by Gaussian elimination, written out so that it can be exported.

    The pivots of a positive definite matrix need no exchange of rows.
    """
    size = right.shape[-1]
    rows = [
        [normal[..., i, j] + (_RIDGE if i == j else 0.0) for j in range(size)] + [right[..., i]]
        for i in range(size)
    ]
    for i in range(size):
        for below in rows[i + 1 :]:
            factor = below[i] / rows[i][i]
            below[i + 1 :] = [
                value - factor * above
                for value, above in zip(below[i + 1 :], rows[i][i + 1 :], strict=True)
            ]
    found: list[Tensor] = []
    for i in reversed(range(size)):
        known = zip(rows[i][i + 1 : size], reversed(found), strict=True)
        found.append((rows[i][size] - sum(a * x for a, x in known)) / rows[i][i])
    return torch.stack(found[::-1], dim=-1)
