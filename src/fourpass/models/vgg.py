"""VGG16 and VGG19 up to a layer (Simonyan and Zisserman, arXiv 1409.1556), under torchvision's parameter names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# depth -> convolutions in each of the five blocks; a block ends in a 2x2 max-pooling.
BLOCKS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)
IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)


def layer_names(depth: int) -> dict[str, int]:
    """Return name (``conv5_4``: the fourth convolution of block 5) -> index in torchvision's ``features``.

    Raises:
        ValueError: the depth is neither 16 nor 19.
    """
    if depth not in BLOCKS:
        raise ValueError(f"depth {depth} is not one of {', '.join(map(str, BLOCKS))}")
    names, index = {}, 0
    for block, count in enumerate(BLOCKS[depth], 1):
        for position in range(1, count + 1):
            names[f"conv{block}_{position}"] = index
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return names


class VGG(nn.Module):
    """The convolutional part of VGG, as a fixed extractor of features.

    Args:
        depth: 16 or 19.
        until: name of the last layer to build; the classifier is never built.
        mean: RGB mean on 0..255 that is subtracted from the input (default: torchvision's).
        std: RGB divisor on 0..255 (default: torchvision's; the original Caffe networks: 1).

    Raises:
        ValueError: the depth or the layer is unknown.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        depth: int = 19,
        until: str = "conv5_4",
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.layers = layer_names(depth)
        last = self._index(until)
        self.layers = {name: index for name, index in self.layers.items() if index <= last}
        modules: dict[str, nn.Module] = {}
        channels = 3
        for name, index in self.layers.items():
            width = CHANNELS[int(name[4]) - 1]
            modules[str(index)] = nn.Conv2d(channels, width, 3, padding=1)
            channels = width
        self.features = nn.ModuleDict(modules)
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(tuple(std)).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Tensor, layer: str, activated: bool = True) -> Tensor:
        """Return the features that a layer makes of a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255, at least as large as the poolings before the layer need.
            layer: for example ``conv2_2``.
            activated: after the layer's ReLU, or before it.

        Returns:
            (N, C, H', W').

        Raises:
            ValueError: the network has no such layer.
        """
        wanted = self._index(layer)
        x: Tensor = (image - self.mean) / self.std
        block = 1
        for name, index in self.layers.items():
            if int(name[4]) > block:
                block += 1
                x = F.max_pool2d(x, 2)
            x = self.features[str(index)](x)
            if index == wanted and not activated:
                return x
            x = F.relu(x)
            if index == wanted:
                break
        return x

    def _index(self, layer: str) -> int:
        if layer not in self.layers:
            raise ValueError(f"layer {layer!r} is not one of {', '.join(self.layers)}")
        return self.layers[layer]
