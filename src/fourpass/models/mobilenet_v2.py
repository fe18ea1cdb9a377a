"""MobileNetV2 (Sandler et al., 2018) as Keras builds it, without its classifier: the trunk of the score predictors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Expansion, channels, repeats and first stride of each stage (Sandler et al., Table 2).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FEATURES = 1280  # channels of the last convolution: not thinned for a width below 1
EPSILON = 1e-3  # Keras; torchvision has 1e-5


def rounded(channels: float) -> int:
    """Round a channel count to the nearest multiple of 8, never below 8 nor more than 10 % down (as Keras does)."""
    multiple = max(8, int(channels + 4) // 8 * 8)
    return multiple + 8 if multiple < 0.9 * channels else multiple


class PaddedConv2d(nn.Conv2d):
    """A 3x3 convolution without bias: stride 1 pads all round, stride 2 right and bottom only (Keras)."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, padding=2 - stride, groups=groups, bias=False)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.stride == (2, 2):
            x = nn.functional.pad(x, (0, 1, 0, 1))
        return torch.as_tensor(super()._conv_forward(x, weight, bias))


class KerasBatchNorm(nn.BatchNorm2d):
    """Batch norm with Keras' epsilon, and without PyTorch's batch counter, which no weights file has."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON, momentum=0.01)
        self.num_batches_tracked = None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        # Version 2 says that a counter, where there is one, is in the file; older ones would get one added here.
        super()._load_from_state_dict(state_dict, prefix, {**local_metadata, "version": 2}, *rest)


def normalised(conv: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Convolve and normalise.

    Outside training the norm's fixed numbers are folded into the kernel on the fly: the same values and gradients, and
    training steps 1.2 to 1.6 times as fast, because nothing of the pictures' size passes through the norm.
    """
    if norm.training:
        return torch.as_tensor(norm(conv(x)))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    slope = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * slope
    return torch.as_tensor(conv._conv_forward(x, conv.weight * slope.view(-1, 1, 1, 1), bias))


class ConvNormReLU6(nn.Sequential):
    """Convolution, batch norm, ReLU6."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv, KerasBatchNorm(conv.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        conv, norm = self
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, KerasBatchNorm)
        return nn.functional.relu6(normalised(conv, norm, x), inplace=True)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormReLU6(nn.Conv2d(inputs, hidden, 1, bias=False)))
        layers.append(ConvNormReLU6(PaddedConv2d(hidden, hidden, stride, groups=hidden)))
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), KerasBatchNorm(outputs)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        *convolutions, project, norm = self.conv
        y = x
        for convolution in convolutions:
            y = convolution(y)
        assert isinstance(project, nn.Conv2d)
        assert isinstance(norm, KerasBatchNorm)
        y = normalised(project, norm, y)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """The convolutional part of MobileNetV2 and its global average pooling. Names are torchvision's.

    Args:
        width: multiplier of every channel count but the last (paper: 1.0).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        if width <= 0:
            raise ValueError(f"width {width} is not positive")
        channels = rounded(32 * width)
        layers: list[nn.Module] = [ConvNormReLU6(PaddedConv2d(3, channels, 2))]
        for expansion, outputs, repeats, stride in STAGES:
            for index in range(repeats):
                block = InvertedResidual(channels, rounded(outputs * width), stride if index == 0 else 1, expansion)
                layers.append(block)
                channels = rounded(outputs * width)
        last = max(FEATURES, rounded(FEATURES * width))
        layers.append(ConvNormReLU6(nn.Conv2d(channels, last, 1, bias=False)))
        self.features = nn.Sequential(*layers)
        self.channels = last
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) RGB on -1..1 to (N, 1280) pooled features; H and W at least 32."""
        return torch.mean(self.features(x), dim=(2, 3))

    def maps(self, x: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Return the outputs (N, C, H', W') of some of the 19 layers, for input as `forward` takes it.

        Args:
            x: (N, 3, H, W) RGB on -1..1.
            layers: their indices, ascending; those after the last are not run.
        """
        found = []
        for index in range(max(layers) + 1):
            x = self.features[index](x)
            if index in layers:
                found.append(x)
        return found
