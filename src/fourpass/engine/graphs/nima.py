"""A score predictor, NIMA on MobileNetV2, as layers; batch norms are folded into the kernels."""

from __future__ import annotations

import numpy as np

from fourpass.engine.graphs.layers import Layers

_BLOCKS = 17
_HALVING = (2, 4, 7, 14)  # blocks whose depthwise convolution has stride 2; models/mobilenet_v2.py brings torch
_EPSILON = 1e-3


def nima(layers: Layers) -> None:
    """Write the network from RGB on 0..255 to the probabilities of the scores 1..10."""
    x = layers.normalise(layers.image, np.array(127.5, np.float32), 127.5)
    x, channels = _layer(layers, x, "features.0.0", "features.0.1", 3, stride=2)
    for index in range(1, _BLOCKS + 1):
        name, inputs, source = f"features.{index}.conv", channels, x
        stride = 2 if index in _HALVING else 1
        place = 0
        if index > 1:
            x, channels = _layer(layers, x, f"{name}.0.0", f"{name}.0.1", channels)
            place = 1
        depthwise = f"{name}.{place}.0", f"{name}.{place}.1"
        x, channels = _layer(layers, x, *depthwise, channels, stride=stride, depthwise=True)
        project = f"{name}.{place + 1}", f"{name}.{place + 2}"
        x, channels = _layer(layers, x, *project, channels, activate=False)
        if stride == 1 and channels == inputs:
            x = layers.add(source, x)
    x, channels = _layer(layers, x, "features.18.0", "features.18.1", channels)
    dense = layers.value("dense.weight", (10, channels)), layers.value("dense.bias", (10,))
    layers.finish(layers.classify(x, *dense))


def _layer(
    layers: Layers,
    x: str,
    conv: str,
    norm: str,
    inputs: int,
    *,
    stride: int = 1,
    depthwise: bool = False,
    activate: bool = True,
) -> tuple[str, int]:
    """Convolution, folded batch norm, ReLU6; returns the output's name and channels."""
    outputs = inputs if depthwise else layers.outputs_of(f"trunk.{conv}.weight")
    size = 3 if depthwise or conv == "features.0.0" else 1
    kernel = layers.value(f"trunk.{conv}.weight", (outputs, 1 if depthwise else inputs, size, size))
    gamma, beta, mean, variance = (
        layers.value(f"trunk.{norm}.{part}", (outputs,)) for part in ("weight", "bias", "running_mean", "running_var")
    )
    slope = gamma / np.sqrt(variance + np.float32(_EPSILON))
    before = 0 if stride == 2 else None  # stride 2 pads right and bottom only
    weight = kernel * slope[:, None, None, None]
    x = layers.convolution(x, conv, weight, beta - mean * slope, stride=stride, before=before)
    return (layers.clip(x, 0, 6) if activate else x), outputs
