"""A rational-quadratic spline in torch, as the duration predictor of VITS inverts it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SPLINE_BINS, SPLINE_TAIL, SPLINE_LEAST = 10, 5.0, 1e-3


def inverse_spline(y: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor) -> Tensor:
    """Invert a monotone rational-quadratic spline on -5..5, identity outside.

    y [..., T], widths and heights [..., T, 10], slopes [..., T, 9], all unnormalised; returns [..., T] (Durkan et al.
    2019, eq. 6-8).
    """
    edge = math.log(math.exp(1 - SPLINE_LEAST) - 1)
    slope = SPLINE_LEAST + functional.softplus(functional.pad(slopes, (1, 1), value=edge))
    x_knots, y_knots = _knots(widths), _knots(heights)
    inner = y.clamp(-SPLINE_TAIL, SPLINE_TAIL)
    tops = torch.cat([y_knots[..., :-1], y_knots[..., -1:] + 1e-6], -1)
    here = ((inner[..., None] >= tops).sum(-1) - 1).clamp(0, SPLINE_BINS - 1)[..., None]  # which bin

    def of_bin(values: Tensor) -> Tensor:
        return torch.gather(values, -1, here)[..., 0]

    x_low, x_size = of_bin(x_knots), of_bin(x_knots.diff(dim=-1))
    y_low, y_size = of_bin(y_knots), of_bin(y_knots.diff(dim=-1))
    mean_slope, low_slope, high_slope = y_size / x_size, of_bin(slope), of_bin(slope[..., 1:])
    above, bend = inner - y_low, low_slope + high_slope - 2 * mean_slope
    a = above * bend + y_size * (mean_slope - low_slope)
    b = y_size * low_slope - above * bend
    c = -mean_slope * above
    root = 2 * c / (-b - torch.sqrt((b * b - 4 * a * c).clamp(min=0)))
    return torch.where(y.abs() <= SPLINE_TAIL, root * x_size + x_low, y)


def _knots(sizes: Tensor) -> Tensor:
    """Unnormalised bin sizes [..., 10] -> the 11 edges."""
    parts = SPLINE_LEAST + (1 - SPLINE_LEAST * SPLINE_BINS) * sizes.softmax(-1)
    edges = functional.pad(parts.cumsum(-1), (1, 0)) * 2 * SPLINE_TAIL - SPLINE_TAIL
    ends = torch.full_like(edges[..., :1], SPLINE_TAIL)
    return torch.cat([-ends, edges[..., 1:-1], ends], -1)
