"""EDSR, MDSR and SRResNet as layers: what models/ computes in evaluation; defaults are those classes'."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fourpass.engine.graphs.layers import Layers

_EPSILON = 1e-5  # of models/srresnet.py's batch norm


def one_scale(scales: Sequence[int] = (4,), **_: Any) -> Sequence[int]:
    """Return EDSR's or SRResNet's one trained scale.

    Raises:
        ValueError: there is not exactly one.
    """
    if len(scales) != 1:
        raise ValueError(f"exactly one scale, not {tuple(scales)}")
    return scales


def features(scale: int, features: int = 64, **_: Any) -> float:
    """Channels for each output pixel of networks whose last hidden layers have the output's size."""
    return features


def mdsr_scales(scales: Sequence[int] = (2, 3, 4), **_: Any) -> Sequence[int]:
    """Return MDSR's trained scales."""
    return scales


def edsr(
    layers: Layers,
    scale: int,
    features: int = 256,
    blocks: int = 32,
    scales: Sequence[int] = (4,),
    residual_scaling: float = 0.1,
) -> None:
    """Write EDSR (arXiv 1707.02921, section 3.2)."""
    x = layers.conv(_shift(layers, layers.image, "sub_mean"), "head.0", 3, features, 3)
    x = _trunk(layers, x, features, blocks, residual_scaling)
    x = _upsampler(layers, x, "tail.0", features, scale)
    layers.finish(_shift(layers, layers.conv(x, "tail.1", features, 3, 3), "add_mean"))


def mdsr(
    layers: Layers,
    scale: int,
    features: int = 64,
    blocks: int = 80,
    scales: Sequence[int] = (2, 3, 4),
    residual_scaling: float = 1.0,
) -> None:
    """Write MDSR (arXiv 1707.02921, section 3.3)."""
    path = list(scales).index(scale)
    x = layers.conv(_shift(layers, layers.image, "sub_mean"), "head.0", 3, features, 3)
    for index in range(2):
        x = _block(layers, x, f"pre_process.{path}.{index}", features, 5, 1.0)
    x = _trunk(layers, x, features, blocks, residual_scaling)
    x = _upsampler(layers, x, f"upsample.{path}", features, scale)
    layers.finish(_shift(layers, layers.conv(x, "tail.0", features, 3, 3), "add_mean"))


def srresnet(
    layers: Layers,
    scale: int,
    features: int = 64,
    blocks: int = 16,
    scales: Sequence[int] = (4,),
    slopes: int = 1,
    tanh: bool = False,
) -> None:
    """Write SRResNet (arXiv 1609.04802, Fig. 4), its batch norms folded into the convolutions before them."""

    def activation(x: str, name: str) -> str:
        return layers.prelu(x, layers.value(f"{name}.weight", (slopes,)))

    def normalised(x: str, conv: str, norm: str) -> str:
        kernel = layers.value(f"{conv}.weight", (features, features, 3, 3)).astype(np.float64)
        gain, shift, mean, variance = (
            layers.value(f"{norm}.{part}", (features,)).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gain / np.sqrt(variance + _EPSILON)
        weight = (kernel * gain[:, None, None, None]).astype(np.float32)
        return layers.convolution(x, f"{conv}.folded", weight, (shift - mean * gain).astype(np.float32))

    x = layers.normalise(layers.image, np.array(0, np.float32), 255.0)
    x = first = activation(layers.conv(x, "first_conv", 3, features, 9), "first_activation")
    for name in (f"blocks.{index}" for index in range(blocks)):
        inner = activation(normalised(x, f"{name}.conv1", f"{name}.norm1"), f"{name}.activation")
        x = layers.add(x, normalised(inner, f"{name}.conv2", f"{name}.norm2"))
    x = layers.add(first, normalised(x, "trunk_conv", "trunk_norm"))
    for name in (f"upsampling.{index}" for index in range(int(math.log2(scale)))):
        x = layers.pixel_shuffle(layers.conv(x, f"{name}.conv", features, 4 * features, 3), 2)
        x = activation(x, f"{name}.activation")
    x = layers.conv(x, "final_conv", features, 3, 9)
    if tanh:
        x = layers.tanh(x)
    layers.finish(layers.restore(x, np.array(127.5, np.float32), 127.5))


def _shift(layers: Layers, x: str, name: str) -> str:
    """Add a mean colour. Not as the 1x1 convolution that the weights say: an addition stays in float32 when a backend
    computes convolutions in bfloat16. Weights that mix colours there stay a convolution."""
    weight, bias = layers.value(f"{name}.weight", (3, 3, 1, 1)), layers.value(f"{name}.bias", (3,))
    if np.array_equal(weight[:, :, 0, 0], np.eye(3)):
        return layers.restore(x, bias)
    return layers.convolution(x, name, weight, bias)


def _block(layers: Layers, x: str, name: str, features: int, size: int, residual_scaling: float) -> str:
    inner = layers.relu(layers.conv(x, f"{name}.body.0", features, features, size))
    inner = layers.conv(inner, f"{name}.body.2", features, features, size)
    if residual_scaling != 1:
        inner = layers.multiply(inner, residual_scaling)
    return layers.add(x, inner)


def _trunk(layers: Layers, x: str, features: int, blocks: int, residual_scaling: float) -> str:
    inner = x
    for index in range(blocks):
        inner = _block(layers, inner, f"body.{index}", features, 3, residual_scaling)
    return layers.add(x, layers.conv(inner, f"body.{blocks}", features, features, 3))


def _upsampler(layers: Layers, x: str, name: str, features: int, scale: int) -> str:
    factor = 3 if scale == 3 else 2
    for index in range(1 if scale == 3 else int(math.log2(scale))):
        x = layers.conv(x, f"{name}.{2 * index}", features, factor**2 * features, 3)
        x = layers.pixel_shuffle(x, factor)
    return x
