"""Filters that losses look through."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(planes: Tensor, size: int, sigma: float) -> Tensor:
    """Blur each plane, only where the whole kernel lies inside.

    Args:
        planes: (N, 1, H, W), floating point, not smaller than the kernel.
        size: rows and columns of the kernel.
        sigma: its standard deviation in pixels.

    Returns:
        (N, 1, H - size + 1, W - size + 1).
    """
    offsets = torch.arange(size, device=planes.device, dtype=planes.dtype) - (size - 1) / 2
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    return F.conv2d(F.conv2d(planes, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
