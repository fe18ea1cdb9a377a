"""Statistics of natural scenes, which pleasing pictures share: how upscaled patches' differ from the truth's.

Normalised luminance and products of neighbours are those of NIQE and BRISQUE (Mittal et al., 2012, equations 1 to 7);
moments stand for the fitted distributions, so that all is differentiable. None of the paper's terms. A network trained
with it is no longer judged by NIQE independently.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fourpass.imaging.color import LUMA, LUMA_OFFSET
from fourpass.losses.filters import gaussian_blur
from fourpass.models.multipass import halve

SCALES = 2
# Offsets (rows, columns) of the neighbour that a pixel is multiplied with, as `fourpass.metrics.natural_scene`'s.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))
_REACH = 3
_SIGMA = 7 / 6
_TINY = 1e-8
_FLOOR = 1e-6  # of the largest variance; lower variances are raised to it


class StatisticsBias(nn.Module):
    """How far the statistics of upscaled patches lie from the truth's on the average, and the way to lessen that.

    A few patches say little about a mean that moves slowly, so what counts is the mean over the last steps.
    Each direction is measured by how much truth varies in it from patch to patch, as NIQE does.

    Args:
        covariance: (36, 36), of `scene_statistics` over patches of truth.
        steps: over which to average, as the time constant of an exponential mean.
    """

    bias: Tensor
    whitening: Tensor

    def __init__(self, covariance: Tensor, steps: float = 50.0) -> None:
        super().__init__()
        variances, directions = torch.linalg.eigh(covariance.double())
        variances = variances.clamp(min=_FLOOR * float(variances[-1]))
        self.register_buffer("whitening", (directions / variances.sqrt()).float())
        self.register_buffer("bias", torch.zeros(len(covariance)))
        self.steps = steps

    def forward(self, truth: Tensor, upscaled: Tensor, mean: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Take patches into the mean, and return a scalar with the slope of half its squared length.

        Args:
            truth, upscaled: (N, 3, H, W) RGB on 0..255; see `scene_statistics`.
            mean: makes of this process's (36,) the mean over all processes; left out where there is but one.
        """
        with torch.no_grad():
            wanted = scene_statistics(truth)
        away: Tensor = ((scene_statistics(upscaled) - wanted) @ self.whitening).mean(0)
        own = away.detach().clone()
        self.bias.lerp_(mean(own) if mean else own, 1 / self.steps)
        return self.bias.clone() @ away


def scene_statistics(image: Tensor) -> Tensor:
    """Moments of normalised luminance and of products of neighbours, at full and half size.

    Args:
        image: (N, 3, H, W) RGB on 0..255, sides even and at least 16.

    Returns:
        (N, 36): at each size the mean magnitude and root mean square of normalised luminance; then, of the products
        with each of four neighbours, the mean of the positive and of the negative part, and their root mean squares.
    """
    with torch.autocast(image.device.type, enabled=False):
        parts = torch.tensor(LUMA, dtype=torch.float32, device=image.device).view(1, 3, 1, 1)
        plane = _whole((_whole(image.float()) * parts).sum(1, keepdim=True) + LUMA_OFFSET)
        found = []
        for size in range(SCALES):
            plane = halve(plane) if size else plane
            normal = _normalise(plane)
            found += [normal.abs().mean((1, 2, 3)), _root(normal.square())]
            for rows, columns in NEIGHBOURS:
                found += _product_moments(normal, rows, columns)
        return torch.stack(found, 1)


def _product_moments(normal: Tensor, rows: int, columns: int) -> list[Tensor]:
    height, width = normal.shape[-2:]
    one = normal[..., max(-rows, 0) : height - max(rows, 0), : width - columns]
    other = normal[..., max(rows, 0) : height - max(-rows, 0), columns:]
    product = one * other
    parts = product.clamp(min=0), -product.clamp(max=0)
    return [part.mean((1, 2, 3)) for part in parts] + [_root(part.square()) for part in parts]


def _root(squares: Tensor) -> Tensor:
    return (squares.mean((1, 2, 3)) + _TINY).sqrt()


def _whole(image: Tensor) -> Tensor:
    """Round to whole grey levels, as files do, with the slope of not rounding."""
    return image + (image.clamp(0, 255).round() - image).detach()


def _normalise(plane: Tensor) -> Tensor:
    size = 2 * _REACH + 1
    centred = plane - plane.mean((1, 2, 3), keepdim=True).detach()  # squares of small numbers lose less in float32
    local = gaussian_blur(centred, size, _SIGMA)
    variance = (gaussian_blur(centred.square(), size, _SIGMA) - local.square()).clamp(min=0)
    inside = centred[..., _REACH:-_REACH, _REACH:-_REACH]
    return (inside - local) / ((variance + 1e-4).sqrt() + 1)
