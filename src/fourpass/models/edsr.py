"""EDSR, the single-scale super-resolution network (Lim et al., 2017, arXiv 1707.02921, section 3.2).

Modules are named as in the authors' checkpoints, so that those files load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

DIV2K_MEAN = (0.4488 * 255, 0.4371 * 255, 0.4040 * 255)


class MeanShift(nn.Conv2d):
    """A fixed 1x1 convolution that adds `sign` times the mean colour; counted in the parameters, never trained."""

    def __init__(self, sign: int) -> None:
        super().__init__(3, 3, 1)
        with torch.no_grad():
            self.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
            self.bias.copy_(sign * torch.tensor(DIV2K_MEAN))  # type: ignore[union-attr]
        self.requires_grad_(False)


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, scaled and added to the input; no batch normalisation."""

    def __init__(self, features: int, kernel_size: int, residual_scaling: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, kernel_size, padding=kernel_size // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, kernel_size, padding=kernel_size // 2),
        )
        self.residual_scaling = residual_scaling

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return torch.add(x, self.body(x), alpha=self.residual_scaling)


def upsampler(features: int, scale: int) -> nn.Sequential:
    """Build the convolutions and pixel shuffles that enlarge by a power of 2, or by 3.

    Raises:
        ValueError: the scale is neither.
    """
    if scale == 3:
        steps, factor = 1, 3
    elif scale >= 2 and scale & (scale - 1) == 0:
        steps, factor = int(math.log2(scale)), 2
    else:
        raise ValueError(f"scale {scale} is neither a power of 2 nor 3")
    layers: list[nn.Module] = []
    for _ in range(steps):
        layers += [nn.Conv2d(features, factor**2 * features, 3, padding=1), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


def residual_trunk(features: int, blocks: int, residual_scaling: float) -> nn.Sequential:
    """Build the residual blocks and the convolution that follows them."""
    return nn.Sequential(
        *(ResidualBlock(features, 3, residual_scaling) for _ in range(blocks)),
        nn.Conv2d(features, features, 3, padding=1),
    )


class EDSR(nn.Module):
    """The single-scale network. Paper: 256 features, 32 blocks, residual scaling 0.1; baseline: 64, 16, 1.

    Args:
        features: channels of every hidden layer.
        blocks: residual blocks.
        scales: the one trained factor, a power of 2 or 3.
        residual_scaling: factor of each block's residual before it is added.

    Raises:
        ValueError: not exactly one scale, or one that cannot be built.
    """

    def __init__(
        self,
        features: int = 256,
        blocks: int = 32,
        scales: Sequence[int] = (4,),
        residual_scaling: float = 0.1,
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        if len(self.scales) != 1:
            raise ValueError(f"EDSR has exactly one scale, not {self.scales}")
        self.sub_mean = MeanShift(-1)
        self.add_mean = MeanShift(1)
        self.head = nn.Sequential(nn.Conv2d(3, features, 3, padding=1))
        self.body = residual_trunk(features, blocks, residual_scaling)
        self.tail = nn.Sequential(
            upsampler(features, self.scales[0]),
            nn.Conv2d(features, 3, 3, padding=1),
        )

    def forward(self, image: Tensor, scale: int | None = None) -> Tensor:
        """Upscale a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255.
            scale: the trained one, which is also the default.

        Returns:
            (N, 3, scale * H, scale * W), on 0..255 but not clipped.

        Raises:
            ValueError: another scale.
        """
        if scale not in (None, *self.scales):
            raise ValueError(f"scale {scale} is not this network's {self.scales[0]}")
        x: Tensor = self.head(self.sub_mean(image))
        x = self.tail(self.body(x) + x)
        return self.add_mean(x)  # type: ignore[no-any-return]
