"""ONNX graphs of EDSR, MDSR and SRResNet: what models/ computes in evaluation; defaults are those classes'."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fourpass.inference.graph import Graph

_EPSILON = 1e-5  # of models/srresnet.py's batch norm


def edsr_scales(scales: Sequence[int] = (4,), **_: Any) -> Sequence[int]:
    """Return EDSR's or SRResNet's one trained scale.

    Raises:
        ValueError: there is not exactly one.
    """
    if len(scales) != 1:
        raise ValueError(f"exactly one scale, not {tuple(scales)}")
    return scales


def mdsr_scales(scales: Sequence[int] = (2, 3, 4), **_: Any) -> Sequence[int]:
    """Return MDSR's trained scales."""
    return scales


def edsr(
    graph: Graph,
    scale: int,
    features: int = 256,
    blocks: int = 32,
    scales: Sequence[int] = (4,),
    residual_scaling: float = 0.1,
) -> None:
    """Write EDSR (arXiv 1707.02921, section 3.2)."""
    x = graph.conv(_shift(graph, graph.input, "sub_mean"), "head.0", 3, features, 3)
    x = _trunk(graph, x, features, blocks, residual_scaling)
    x = _upsampler(graph, x, "tail.0", features, scale)
    _shift(graph, graph.conv(x, "tail.1", features, 3, 3), "add_mean", graph.output)


def mdsr(
    graph: Graph,
    scale: int,
    features: int = 64,
    blocks: int = 80,
    scales: Sequence[int] = (2, 3, 4),
    residual_scaling: float = 1.0,
) -> None:
    """Write MDSR (arXiv 1707.02921, section 3.3)."""
    path = list(scales).index(scale)
    x = graph.conv(_shift(graph, graph.input, "sub_mean"), "head.0", 3, features, 3)
    for index in range(2):
        x = _block(graph, x, f"pre_process.{path}.{index}", features, 5, 1.0)
    x = _trunk(graph, x, features, blocks, residual_scaling)
    x = _upsampler(graph, x, f"upsample.{path}", features, scale)
    _shift(graph, graph.conv(x, "tail.0", features, 3, 3), "add_mean", graph.output)


def srresnet(
    graph: Graph,
    scale: int,
    features: int = 64,
    blocks: int = 16,
    scales: Sequence[int] = (4,),
    slopes: int = 1,
    tanh: bool = False,
) -> None:
    """Write SRResNet (arXiv 1609.04802, Fig. 4), its batch norms folded into the convolutions before them."""

    def activation(x: str, name: str) -> str:
        slope = graph.value(f"{name}.weight", (slopes,)).reshape(slopes, 1, 1)
        return graph.node("PRelu", [x, graph.constant(f"{name}.slope", slope)])

    def normalised(x: str, conv: str, norm: str) -> str:
        kernel = graph.value(f"{conv}.weight", (features, features, 3, 3)).astype(np.float64)
        gain, shift, mean, variance = (
            graph.value(f"{norm}.{part}", (features,)).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gain / np.sqrt(variance + _EPSILON)
        inputs = (
            x,
            graph.constant(f"{conv}.folded_weight", (kernel * gain[:, None, None, None]).astype(np.float32)),
            graph.constant(f"{conv}.folded_bias", (shift - mean * gain).astype(np.float32)),
        )
        return graph.node("Conv", inputs, kernel_shape=[3, 3], pads=[1] * 4)

    x = graph.node("Div", [graph.input, graph.constant("white", np.array(255, np.float32))])
    x = first = activation(graph.conv(x, "first_conv", 3, features, 9), "first_activation")
    for name in (f"blocks.{index}" for index in range(blocks)):
        inner = activation(normalised(x, f"{name}.conv1", f"{name}.norm1"), f"{name}.activation")
        x = graph.node("Add", [x, normalised(inner, f"{name}.conv2", f"{name}.norm2")])
    x = graph.node("Add", [first, normalised(x, "trunk_conv", "trunk_norm")])
    for name in (f"upsampling.{index}" for index in range(int(math.log2(scale)))):
        x = _pixel_shuffle(graph, graph.conv(x, f"{name}.conv", features, 4 * features, 3), 2)
        x = activation(x, f"{name}.activation")
    x = graph.conv(x, "final_conv", features, 3, 9)
    if tanh:
        x = graph.node("Tanh", [x])
    gray = graph.constant("gray", np.array(127.5, np.float32))
    graph.node("Add", [graph.node("Mul", [x, gray]), gray], graph.output)


def _shift(graph: Graph, x: str, name: str, output: str = "") -> str:
    """Add a mean colour. Not as the 1x1 convolution that the weights say: an addition stays in float32 when a backend
    computes convolutions in bfloat16. Weights that mix colours there stay a convolution."""
    weight, bias = graph.value(f"{name}.weight", (3, 3, 1, 1)), graph.value(f"{name}.bias", (3,))
    if np.array_equal(weight[:, :, 0, 0], np.eye(3)):
        return graph.node("Add", [x, graph.constant(f"{name}.bias", bias.reshape(1, 3, 1, 1))], output)
    inputs = [x, graph.constant(f"{name}.weight", weight), graph.constant(f"{name}.bias", bias)]
    return graph.node("Conv", inputs, output, kernel_shape=[1, 1])


def _block(graph: Graph, x: str, name: str, features: int, size: int, residual_scaling: float) -> str:
    inner = graph.node("Relu", [graph.conv(x, f"{name}.body.0", features, features, size)])
    inner = graph.conv(inner, f"{name}.body.2", features, features, size)
    if residual_scaling != 1:
        factor: NDArray[np.float32] = np.array(residual_scaling, np.float32)
        inner = graph.node("Mul", [inner, graph.constant("residual_scaling", factor)])
    return graph.node("Add", [x, inner])


def _trunk(graph: Graph, x: str, features: int, blocks: int, residual_scaling: float) -> str:
    inner = x
    for index in range(blocks):
        inner = _block(graph, inner, f"body.{index}", features, 3, residual_scaling)
    return graph.node("Add", [x, graph.conv(inner, f"body.{blocks}", features, features, 3)])


def _upsampler(graph: Graph, x: str, name: str, features: int, scale: int) -> str:
    factor = 3 if scale == 3 else 2
    for index in range(1 if scale == 3 else int(math.log2(scale))):
        x = graph.conv(x, f"{name}.{2 * index}", features, factor**2 * features, 3)
        x = _pixel_shuffle(graph, x, factor)
    return x


def _pixel_shuffle(graph: Graph, x: str, factor: int) -> str:
    return graph.node("DepthToSpace", [x], blocksize=factor, mode="CRD")
