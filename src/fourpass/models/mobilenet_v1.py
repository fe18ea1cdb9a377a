"""NIMA on MobileNetV1 (Howard et al., 2017): the published AVA predictor that the aesthetic one is distilled from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fourpass.models.mobilenet_v2 import KerasBatchNorm, PaddedConv2d, normalised

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the thirteen depthwise convolutions
CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
INPUT_SIZE = 224  # pixels each way; pictures are resized to it with nearest neighbour, as the teacher was trained


class NIMAMobileNetV1(nn.Module):
    """MobileNetV1 1.0, global average pooling, a dense layer of ten, softmax. Names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = PaddedConv2d(3, 32, 2)
        self.conv1_bn = KerasBatchNorm(32)
        inputs = 32
        for index, (outputs, stride) in enumerate(zip(CHANNELS, STRIDES, strict=True), start=1):
            self.add_module(f"conv_dw_{index}", PaddedConv2d(inputs, inputs, stride, groups=inputs))
            self.add_module(f"conv_dw_{index}_bn", KerasBatchNorm(inputs))
            self.add_module(f"conv_pw_{index}", nn.Conv2d(inputs, outputs, 1, bias=False))
            self.add_module(f"conv_pw_{index}_bn", KerasBatchNorm(outputs))
            inputs = outputs
        self.dense = nn.Linear(inputs, 10)

    def forward(self, image: Tensor) -> Tensor:
        """Predict the distribution of scores.

        Args:
            image: (N, 3, H, W) RGB on 0..255, any size; resized to 224x224 with nearest neighbour first.

        Returns:
            (N, 10) probabilities of the scores 1..10.
        """
        x = nn.functional.interpolate(image, (INPUT_SIZE, INPUT_SIZE), mode="nearest")
        x = self._layer("conv1", (x - 127.5) / 127.5)
        for index in range(1, len(CHANNELS) + 1):
            x = self._layer(f"conv_pw_{index}", self._layer(f"conv_dw_{index}", x))
        return torch.softmax(self.dense(x.mean(dim=(2, 3))), dim=1)

    def _layer(self, name: str, x: Tensor) -> Tensor:
        conv, norm = self.get_submodule(name), self.get_submodule(f"{name}_bn")
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, KerasBatchNorm)
        return nn.functional.relu6(normalised(conv, norm, x))
