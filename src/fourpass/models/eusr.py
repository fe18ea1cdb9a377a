"""EUSR, the multi-scale super-resolution network (4PP-EUSR paper, section 3.1; Kim and Lee, 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fourpass.models.convolution import Convolution

RGB_MEAN = (114.4, 111.5, 103.0)


class LocalResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, added to the input."""

    def __init__(self, features: int, kernel_size: int, init_variance: float) -> None:
        super().__init__()
        self.conv1 = Convolution(features, features, kernel_size)
        self.conv2 = Convolution(features, features, kernel_size)
        for conv in (self.conv1, self.conv2):
            std = math.sqrt(init_variance / (features * kernel_size**2))
            nn.init.trunc_normal_(conv.weight, std=std, a=-2 * std, b=2 * std)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        # Added in place: one pass over memory less, and under autocast the sum stays in bfloat16.
        inner: Tensor = self.conv2(torch.relu_(self.conv1(x)))
        return inner.add_(x)


class ResidualModule(nn.Module):
    """Local residual blocks and one convolution, added to the input."""

    def __init__(self, features: int, blocks: int, init_variance: float) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(LocalResidualBlock(features, 3, init_variance) for _ in range(blocks)))
        self.conv = Convolution(features, features, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        inner: Tensor = self.conv(self.blocks(x))
        return inner.add_(x)


class EnhancedUpscalingModule(nn.Module):
    """Four residual modules in series; the i-th output fills pixel (i // 2, i % 2) of each 2x2 cell."""

    def __init__(self, features: int, blocks: int, init_variance: float) -> None:
        super().__init__()
        self.residual_modules = nn.ModuleList(ResidualModule(features, blocks, init_variance) for _ in range(4))

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

    mean: Tensor

    def __init__(
        self,
        features: int = 64,
        shared_blocks: int = 32,
        upscale_blocks: int = 1,
        scales: Sequence[int] = (2, 4, 8),
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        variance = 1e-4 / _count_blocks(shared_blocks, upscale_blocks, self.scales)
        self.first_conv = Convolution(3, features, 3)
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
                    *(EnhancedUpscalingModule(features, upscale_blocks, variance) for _ in range(int(math.log2(scale))))
                )
                for scale in self.scales
            }
        )
        self.final_conv = nn.ModuleDict({f"x{scale}": Convolution(features, 3, 3) for scale in self.scales})
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
        x: Tensor = self.first_conv(image - self.mean)
        x = self.shared(self.initial_blocks[path](x))
        x = self.final_conv[path](self.upscaling[path](x))
        return x + self.mean


def start_as_glorot(network: EUSR) -> None:
    """Let every convolution outside local residual blocks start as Glorot's uniform, as in the authors' program.

    Its outputs are hundreds of grey levels off at first; torch's own start, which is the default, has a third of the
    variance, and short runs get further with it.
    """
    small = {conv for block in network.modules() if isinstance(block, LocalResidualBlock) for conv in block.children()}
    for module in network.modules():
        if isinstance(module, Convolution) and module not in small:
            nn.init.xavier_uniform_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)


def _count_blocks(shared_blocks: int, upscale_blocks: int, scales: Sequence[int]) -> int:
    """Count the local residual blocks of the whole network: 62 at the paper's size."""
    return shared_blocks + sum(2 + 4 * upscale_blocks * int(math.log2(scale)) for scale in scales)


def depth_to_space(parts: Sequence[Tensor]) -> Tensor:
    """Interleave four (N, C, H, W) tensors into (N, C, 2H, 2W), part i at pixel (i // 2, i % 2) of each cell.

    This is TensorFlow's depth-to-space of the parts concatenated along channels; ``pixel_shuffle`` orders channels
    differently. The result keeps the parts' memory format.
    """
    result: Tensor = _DepthToSpace.apply(*parts)  # type: ignore[no-untyped-call]
    return result


class _DepthToSpace(torch.autograd.Function):
    """Each part is written once, to where it belongs; going back, each gradient is a view."""

    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> Tensor:
        batch, channels, height, width = parts[0].shape
        last = parts[0].is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        shape = (batch, channels, 2 * height, 2 * width)
        result = torch.empty(shape, dtype=parts[0].dtype, device=parts[0].device, memory_format=layout)
        for i, part in enumerate(parts):
            result[:, :, i // 2 :: 2, i % 2 :: 2] = part
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(gradient[:, :, i // 2 :: 2, i % 2 :: 2] for i in range(4))
