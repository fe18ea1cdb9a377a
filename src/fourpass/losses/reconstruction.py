"""Reconstruction losses beyond L1: mean squared error, of pictures, low frequencies or features' maps; and grids.

L1, the loss of EDSR and MDSR, is `losses.perceptual.reconstruction`; the adversarial terms of SRGAN are the ones
beside it. Each takes the truth first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fourpass.losses.filters import gaussian_blur


def mean_squared_error(truth: Tensor, upscaled: Tensor) -> Tensor:
    """MSE, the loss of SRResNet-MSE (Ledig et al., 2017, equation 4), on pixels scaled to -1..1 as there.

    Args:
        truth, upscaled: (N, C, H, W) on 0..255.

    Returns:
        scalar: the mean squared difference of the pixels, divided by 127.5 squared.
    """
    return F.mse_loss(upscaled / 127.5, truth / 127.5)


def low_frequency_error(truth: Tensor, upscaled: Tensor, *, size: int = 21, sigma: float = 3.0) -> Tensor:
    """MSE of the blurred pictures, which CX for super-resolution pairs with the contextual loss (arXiv 1803.04626).

    Args:
        truth, upscaled: (N, C, H, W) on 0..255, not smaller than the kernel.
        size: rows and columns of the Gaussian kernel.
        sigma: its standard deviation in pixels.

    Returns:
        scalar, on pixels scaled to -1..1; only where the whole kernel lies inside the picture.

    Raises:
        ValueError: the pictures are smaller than the kernel.
    """
    if min(truth.shape[-2:]) < size:
        raise ValueError(f"pictures of {tuple(truth.shape[-2:])} are smaller than the {size}x{size} kernel")
    with torch.autocast(truth.device.type, enabled=False):
        difference = (upscaled - truth).to(torch.promote_types(upscaled.dtype, torch.float32)) / 127.5
        return gaussian_blur(difference.flatten(0, 1).unsqueeze(1), size, sigma).square().mean()


def maps_error(truth: Sequence[Tensor], upscaled: Sequence[Tensor]) -> Tensor:
    """How much a network's maps of features differ, place by place.

    Args:
        truth, upscaled: maps (N, C, H, W) of one or more layers.

    Returns:
        scalar: squared distance of the channels of a place, scaled to length 1; mean over places, sum over layers.
    """
    total = torch.zeros((), device=truth[0].device)
    for one, other in zip(truth, upscaled, strict=True):
        difference = F.normalize(one.float(), dim=1) - F.normalize(other.float(), dim=1)
        total = total + difference.square().sum(1).mean()
    return total


def grid_error(truth: Tensor, upscaled: Tensor, *, period: int = 4, window: int = 12) -> Tensor:
    """Measure the grid on upscaled pictures: a pattern that repeats with the upscaling factor.

    A network that enlarges by interleaving has weights of its own for each place in a cell, and the easiest way for it
    to please a discriminator that misses detail is to set one place apart in all cells. That shows as the mean
    difference from the truth at this place, over many cells.

    Args:
        truth, upscaled: (N, C, H, W) on 0..255; sides are multiples of the period.
        period: of the grid in pixels.
        window: cells along a side of the squares that the means are taken over; all cells of smaller pictures.

    Returns:
        scalar: the variance over a cell's places of the mean difference, averaged over windows and channels.
    """
    with torch.autocast(truth.device.type, enabled=False):
        difference = (upscaled - truth).to(torch.promote_types(upscaled.dtype, torch.float32))
        places = F.pixel_unshuffle(difference, period)
        side = min(window, *places.shape[-2:])
        means = F.avg_pool2d(places, side).flatten(2)
        means = means.view(len(truth), -1, period * period, means.shape[-1])
        error: Tensor = means.var(dim=2, unbiased=False).mean()
        return error
