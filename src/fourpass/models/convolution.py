"""A convolution that trains faster on processors without AMX: its weight gradient is taken tile by tile."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# oneDNN's fp32 weight gradient for channels-last slows down as rows get longer: 50 GFLOP/s a core at 48 pixels, 33 at
# 96, 18 at 192 (64 channels, Zen 3, AVX2); as a batch of tiles of one of these sides it runs at 55 to 60 throughout.
_TILE_SIDES = (24, 20, 18, 16, 15, 14, 12)
_LONG_ROW = 64


class Convolution(nn.Conv2d):
    """`torch.nn.Conv2d` with stride 1 and zero padding that keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int) -> None:
        super().__init__(inputs, outputs, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        tile = _tile_side(x) if torch.is_grad_enabled() and self.weight.requires_grad else 0
        if not tile or torch.compiler.is_compiling():
            return super().forward(x)
        output: Tensor = _TiledGradient.apply(x, self.weight, self.bias, tile)  # type: ignore[no-untyped-call]
        return output


class _TiledGradient(torch.autograd.Function):
    """The convolution as ever; its weight gradient as that of a batch of overlapping tiles."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, tile: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.tile = tile
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        margin = weight.shape[-1] // 2
        wanted = (ctx.needs_input_grad[0], False, False)
        grad_x = _backward(gradient, x, weight, margin, wanted)[0] if wanted[0] else None
        side = ctx.tile
        padded = F.pad(x, (margin,) * 4)
        tiles_x = _tiles(padded, side + 2 * margin, side)
        tiles_gradient = _tiles(gradient, side, side)
        _, grad_weight, grad_bias = _backward(tiles_gradient, tiles_x, weight, 0, (False, True, True))
        return grad_x, grad_weight, grad_bias, None


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, padding: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    ones, pad = [1, 1], [padding, padding]
    result: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, [weight.shape[0]], ones, pad, ones, False, [0, 0], 1, wanted
    )
    return result


def _tiles(x: Tensor, side: int, step: int) -> Tensor:
    """Cut (N, C, H, W) into a batch (M, C, side, side) of squares, channels last."""
    cut = x.permute(0, 2, 3, 1).unfold(1, side, step).unfold(2, side, step)
    return cut.permute(0, 1, 2, 4, 5, 3).reshape(-1, side, side, x.shape[1]).permute(0, 3, 1, 2)


def _tile_side(x: Tensor) -> int:
    """Side of the tiles that pay for an input, or 0 for none."""
    rows, columns = x.shape[-2:]
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if not plain or columns < _LONG_ROW or torch.backends.cpu.get_cpu_capability() != "AVX2":
        return 0
    return next((side for side in _TILE_SIDES if rows % side == 0 and columns % side == 0), 0)
