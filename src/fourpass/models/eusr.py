"""EUSR, the multi-scale super-resolution network (4PP-EUSR paper, section 3.1; Kim and Lee, 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

RGB_MEAN = (114.4, 111.5, 103.0)


class LocalResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, added to the input."""

    def __init__(self, features: int, kernel_size: int, init_variance: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, kernel_size, padding=kernel_size // 2)
        self.conv2 = nn.Conv2d(features, features, kernel_size, padding=kernel_size // 2)
        for conv in (self.conv1, self.conv2):
            std = math.sqrt(init_variance / (features * kernel_size**2))
            nn.init.trunc_normal_(conv.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.conv2(torch.relu_(self.conv1(x)))


class ResidualModule(nn.Module):
    """Local residual blocks and one convolution, added to the input."""

    def __init__(self, features: int, blocks: int, init_variance: float) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(LocalResidualBlock(features, 3, init_variance) for _ in range(blocks)))
        self.conv = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.conv(self.blocks(x))


class EnhancedUpscalingModule(nn.Module):
    """Four residual modules in series; the i-th output fills pixel (i // 2, i % 2) of each 2x2 cell."""

    def __init__(self, features: int, blocks: int, init_variance: float) -> None:
        super().__init__()
        self.residual_modules = nn.ModuleList(
            ResidualModule(features, blocks, init_variance) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, 2H, 2W)."""
        outputs = []
        for module in self.residual_modules:
            x = module(x)
            outputs.append(x)
        return depth_to_space(outputs)


class EUSR(nn.Module):
    """The multi-scale network: one shared trunk, and a path for each scale.

    Args:
        features: channels of every hidden layer (paper: 64).
        shared_blocks: local residual blocks of the shared residual module (paper, section 4.1: 32).
        upscale_blocks: local residual blocks in each residual module of the upscaling part (paper: 1).
        scales: trained factors, powers of 2.
    """

    def __init__(
        self,
        features: int = 64,
        shared_blocks: int = 32,
        upscale_blocks: int = 1,
        scales: Sequence[int] = (2, 4, 8),
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        variance = 1e-4 / shared_blocks
        self.first_conv = nn.Conv2d(3, features, 3, padding=1)
        self.initial_blocks = nn.ModuleDict(
            {
                f"x{scale}": nn.Sequential(*(LocalResidualBlock(features, 5, variance) for _ in range(2)))
                for scale in self.scales
            }
        )
        self.shared = ResidualModule(features, shared_blocks, variance)
        self.upscaling = nn.ModuleDict(
            {
                f"x{scale}": nn.Sequential(
                    *(
                        EnhancedUpscalingModule(features, upscale_blocks, variance)
                        for _ in range(int(math.log2(scale)))
                    )
                )
                for scale in self.scales
            }
        )
        self.final_conv = nn.ModuleDict(
            {f"x{scale}": nn.Conv2d(features, 3, 3, padding=1) for scale in self.scales}
        )
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Upscale a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255.
            scale: one of `scales`.

        Returns:
            (N, 3, scale * H, scale * W), on 0..255 but not clipped.
        """
        path = f"x{scale}"
        x = self.first_conv(image - self.mean)
        x = self.shared(self.initial_blocks[path](x))
        x = self.final_conv[path](self.upscaling[path](x))
        return x + self.mean


def depth_to_space(parts: Sequence[Tensor]) -> Tensor:
    """Interleave four (N, C, H, W) tensors into (N, C, 2H, 2W), part i at pixel (i // 2, i % 2) of each cell.

    This is TensorFlow's depth-to-space of the parts concatenated along channels; ``pixel_shuffle`` orders channels
    differently. The result keeps the parts' memory format.
    """
    nhwc = [part.permute(0, 2, 3, 1) for part in parts]
    rows = [torch.stack((nhwc[i], nhwc[i + 1]), dim=3) for i in (0, 2)]
    cells = torch.stack(rows, dim=2)
    batch, height, _, width, _, channels = cells.shape
    return cells.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
