"""EUSR and Swift as layers: what models/eusr.py and models/swift.py compute; defaults are those classes'."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fourpass.engine.graphs.layers import Layers

# As models/eusr.py and models/swift.py have them, which this file cannot import: they bring torch.
RGB_MEAN = (114.4, 111.5, 103.0)
MIDDLE = 127.5
SWIFT_HALO = 17  # its receptive field at the usual depth: 16 convolutions of 3x3, and the interpolation


def own_scales(scales: Sequence[int] = (2, 4, 8), **_: Any) -> Sequence[int]:
    """Return the trained scales."""
    return scales


def eusr(
    layers: Layers,
    scale: int,
    features: int = 64,
    shared_blocks: int = 32,
    upscale_blocks: int = 1,
    scales: Sequence[int] = (2, 4, 8),
) -> None:
    """Write EUSR (4PP-EUSR paper, section 3.1)."""
    path = f"x{scale}"

    def block(x: str, name: str, size: int) -> str:
        inner = layers.relu(layers.conv(x, f"{name}.conv1", features, features, size))
        return layers.add(x, layers.conv(inner, f"{name}.conv2", features, features, size))

    def residual_module(x: str, name: str, blocks: int) -> str:
        inner = x
        for index in range(blocks):
            inner = block(inner, f"{name}.blocks.{index}", 3)
        return layers.add(x, layers.conv(inner, f"{name}.conv", features, features, 3))

    mean = np.array(RGB_MEAN, np.float32)
    x = layers.conv(layers.normalise(layers.image, mean), "first_conv", 3, features, 3)
    for index in range(2):
        x = block(x, f"initial_blocks.{path}.{index}", 5)
    x = residual_module(x, "shared", shared_blocks)
    for index in range(int(math.log2(scale))):
        parts = []
        for part in range(4):
            x = residual_module(x, f"upscaling.{path}.{index}.residual_modules.{part}", upscale_blocks)
            parts.append(x)
        x = layers.pixel_shuffle(layers.concat(parts), 2, channels_last=True)
    layers.finish(layers.restore(layers.conv(x, f"final_conv.{path}", features, 3, 3), mean))


def swift(layers: Layers, scale: int, features: int = 64, blocks: int = 7, scales: Sequence[int] = (2, 4, 8)) -> None:
    """Write Swift."""
    middle = np.array(MIDDLE, np.float32)
    image = layers.normalise(layers.image, middle, MIDDLE)
    first = x = layers.conv(image, "first_conv", 3, features, 3)
    for index in range(blocks):
        inner = layers.relu(layers.conv(x, f"blocks.{index}.conv1", features, features, 3))
        x = layers.add(layers.conv(inner, f"blocks.{index}.conv2", features, features, 3), x)
    x = layers.conv(layers.add(x, first), f"final_conv.x{scale}", features, 3 * scale**2, 3)
    x = layers.add(layers.pixel_shuffle(x, scale), layers.enlarge(image, scale))
    layers.finish(layers.restore(x, middle, MIDDLE))


def swift_features(scale: int, features: int = 64, blocks: int = 7, **_: Any) -> float:
    """Channels for each output pixel: its widest layers have the input's size; the last two have the output's."""
    return (3 * features + 3 * scale**2) / scale**2 + 6
