"""Multi-pass upscaling: three x4 pictures from the x2, x4 and x8 paths of one network (4PP-EUSR paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from fourpass.errors import ConfigError
from fourpass.imaging.resize import contributions
from fourpass.paths import PATHS, factors, follow

DOWNSCALES = ("bicubic", "decimate")


def multipass(
    network: nn.Module, image: Tensor, *, paths: Sequence[str] = tuple(PATHS), downscale: str = "bicubic"
) -> dict[str, Tensor]:
    """Upscale by 4 along each path; all three paths are four runs of the network (section 3.2, Fig. 4).

    Args:
        network: maps ((N, 3, H, W), scale) to (N, 3, scale * H, scale * W) for scales 2, 4 and 8, on 0..255.
        image: (N, 3, H, W) RGB on 0..255.
        paths: which of `fourpass.paths.PATHS` to run, and in which order.
        downscale: how the x8 result is halved: ``bicubic`` antialiased, as the text says, or ``decimate``, every
            second pixel, which is what the authors' program does.

    Returns:
        path -> (N, 3, 4H, 4W), not clipped.

    Raises:
        ConfigError: an unknown path or way of downscaling, or a network that lacks a scale the path needs.
    """
    if downscale not in DOWNSCALES:
        raise ConfigError(f"downscale {downscale!r} is not one of {', '.join(DOWNSCALES)}")
    scales = getattr(network, "scales", (2, 4, 8))
    for path in paths:
        for needed in factors(path):
            if needed not in scales:
                raise ConfigError(
                    f"path {path} needs scale {needed}, and the network has {', '.join(map(str, scales))}"
                )
    return {path: follow(path, image, network, halve if downscale == "bicubic" else decimate) for path in paths}


def halve(image: Tensor) -> Tensor:
    """Shrink by 2 as MATLAB's antialiased bicubic ``imresize`` does, in floating point and differentiable.

    Args:
        image: (N, C, H, W), H and W even.
    """
    height, width = image.shape[-2:]
    down = _matrix(height).to(image.device, torch.float32)
    across = _matrix(width).to(image.device, torch.float32)
    with torch.autocast(image.device.type, enabled=False):
        return down @ image.float() @ across.T


def decimate(image: Tensor) -> Tensor:
    """Keep every second pixel of each axis, from the first: TensorFlow 1's bicubic ``resize_images`` at factor 1/2."""
    return image[..., ::2, ::2]


@lru_cache(maxsize=16)
def _matrix(length: int) -> Tensor:
    """The (length / 2, length) matrix that halves one axis; its rows sum to 1, borders mirrored."""
    weights, indices = contributions(length, length // 2, 0.5)
    matrix = torch.zeros(length // 2, length, dtype=torch.float64)
    return matrix.scatter_add_(1, torch.from_numpy(indices), torch.from_numpy(weights)).float()
