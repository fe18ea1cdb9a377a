"""SRResNet, the generator of SRGAN (Ledig et al., 2017, arXiv 1609.04802, Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.Module):
    """Batch normalisation whose state is four float vectors and no step counter, so that it is a weights file's."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; batch statistics while training, running ones otherwise."""
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.epsilon,
        )


class NormalisedBlock(nn.Module):
    """Convolution, batch norm, PReLU, convolution, batch norm, added to the input."""

    def __init__(self, features: int, slopes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.norm1 = BatchNorm(features)
        self.activation = nn.PReLU(slopes)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.norm2 = BatchNorm(features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.norm2(self.conv2(self.activation(self.norm1(self.conv1(x)))))  # type: ignore[no-any-return]


class UpsamplingBlock(nn.Module):
    """Convolution, pixel shuffle, PReLU: twice the size."""

    def __init__(self, features: int, slopes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, 4 * features, 3, padding=1)
        self.activation = nn.PReLU(slopes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, 2H, 2W)."""
        return self.activation(F.pixel_shuffle(self.conv(x), 2))  # type: ignore[no-any-return]


class SRResNet(nn.Module):
    """The single-scale network with batch normalisation; 1,547,350 parameters as the paper describes it.

    Inside, the input is on 0..1 and the output on -1..1 (paper, section 3.2).

    Args:
        features: channels of every hidden layer (paper: 64).
        blocks: residual blocks (paper: 16).
        scales: the one trained factor, a power of 2 (paper: 4).
        slopes: slopes of each PReLU, 1 or one a channel. The paper does not say; 1 is what its re-implementations have.
        tanh: squash the output into -1..1 (paper: no; some re-implementations do).

    Raises:
        ValueError: not exactly one scale, or it is no power of 2.
    """

    def __init__(
        self,
        features: int = 64,
        blocks: int = 16,
        scales: Sequence[int] = (4,),
        slopes: int = 1,
        tanh: bool = False,
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        if len(self.scales) != 1 or self.scales[0] < 2 or self.scales[0] & (self.scales[0] - 1):
            raise ValueError(f"SRResNet has exactly one scale, a power of 2, not {self.scales}")
        self.tanh = tanh
        self.first_conv = nn.Conv2d(3, features, 9, padding=4)
        self.first_activation = nn.PReLU(slopes)
        self.blocks = nn.Sequential(*(NormalisedBlock(features, slopes) for _ in range(blocks)))
        self.trunk_conv = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.trunk_norm = BatchNorm(features)
        self.upsampling = nn.Sequential(
            *(UpsamplingBlock(features, slopes) for _ in range(int(math.log2(self.scales[0]))))
        )
        self.final_conv = nn.Conv2d(features, 3, 9, padding=4)

    def forward(self, image: Tensor, scale: int | None = None) -> Tensor:
        """Upscale a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255.
            scale: the trained one, which is also the default.

        Returns:
            (N, 3, scale * H, scale * W), on 0..255 but not clipped (with `tanh`: never outside).

        Raises:
            ValueError: another scale.
        """
        if scale not in (None, *self.scales):
            raise ValueError(f"scale {scale} is not this network's {self.scales[0]}")
        x = self.first_activation(self.first_conv(image / 255))
        x = x + self.trunk_norm(self.trunk_conv(self.blocks(x)))
        x = self.final_conv(self.upsampling(x))
        return ((torch.tanh(x) if self.tanh else x) + 1) * 127.5
