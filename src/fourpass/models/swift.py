"""Swift, a small multi-scale network for ordinary processors: a plain residual trunk at low resolution, a head a scale.

It is ours, not the paper's. Every convolution runs on low-resolution pixels, and the enlarged input carries colours
and smooth parts past the network, so that the trunk only adds detail.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourpass.models.convolution import Convolution

MIDDLE = 127.5  # what is subtracted from the input, and then divides it


class Block(nn.Module):
    """Convolution, ReLU, convolution, added to the input."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = Convolution(features, features, 3)
        self.conv2 = Convolution(features, features, 3)
        nn.init.kaiming_normal_(self.conv1.weight, nonlinearity="relu")
        # Blocks add up: their variances are to sum to about one, so that the trunk starts tame at any depth.
        nn.init.normal_(self.conv2.weight, std=1 / math.sqrt(9 * features * blocks))
        for conv in (self.conv1, self.conv2):
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        inner: Tensor = self.conv2(torch.relu_(self.conv1(x)))
        return inner.add_(x)


class Swift(nn.Module):
    """One shared trunk, and one convolution with a pixel shuffle for each scale.

    Args:
        features: channels of the trunk.
        blocks: residual blocks of two convolutions each.
        scales: trained factors.
    """

    def __init__(self, features: int = 64, blocks: int = 7, scales: Sequence[int] = (2, 4, 8)) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.first_conv = Convolution(3, features, 3)
        self.blocks = nn.Sequential(*(Block(features, blocks) for _ in range(blocks)))
        heads = {f"x{scale}": Convolution(features, 3 * scale**2, 3) for scale in self.scales}
        for head in heads.values():
            assert head.bias is not None
            nn.init.zeros_(head.weight)  # starts as bilinear interpolation
            nn.init.zeros_(head.bias)
        self.final_conv = nn.ModuleDict(heads)

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Upscale a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255.
            scale: one of `scales`.

        Returns:
            (N, 3, scale * H, scale * W), on 0..255 but not clipped.
        """
        x = (image - MIDDLE) / MIDDLE
        first = self.first_conv(x)
        detail = self.final_conv[f"x{scale}"](self.blocks(first) + first)
        enlarged = F.interpolate(x.float(), scale_factor=scale, mode="bilinear", align_corners=False)
        return (F.pixel_shuffle(detail, scale) + enlarged) * MIDDLE + MIDDLE
