"""The ONNX graph of a score predictor, NIMA on MobileNetV2, built straight from its weights, without torch."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fourpass.errors import WeightsError
from fourpass.inference.graph import INPUT, OPSET, Graph
from fourpass.weights import Weights

SCORES = "scores"
_BLOCKS = 17
_HALVING = (2, 4, 7, 14)  # blocks whose depthwise convolution has stride 2; models/mobilenet_v2.py brings torch
_EPSILON = 1e-3


def build_score_graph(weights: Weights) -> onnx.ModelProto:
    """Build a score predictor as a float32 ONNX model; batch norms are folded into the kernels.

    Args:
        weights: of the architecture ``nima``.

    Returns:
        a model from ``image`` (N, 3, H, W) float32 RGB on 0..255 to ``scores`` (N, 10), the probabilities of 1..10.

    Raises:
        WeightsError: the architecture is another, or a tensor is missing, misshapen or unknown.
    """
    if weights.metadata.architecture != "nima":
        found = weights.metadata.architecture
        raise WeightsError(f"{weights.source}: weights of {found}, not of a score predictor (nima)")
    graph = Graph(weights)
    middle = graph.constant("middle", np.array(127.5, np.float32))
    x = graph.node("Div", (graph.node("Sub", (INPUT, middle)), middle))
    x, channels = _layer(graph, weights, x, "features.0.0", "features.0.1", 3, stride=2)
    for index in range(1, _BLOCKS + 1):
        name, inputs, source = f"features.{index}.conv", channels, x
        stride = 2 if index in _HALVING else 1
        place = 0
        if index > 1:
            x, channels = _layer(graph, weights, x, f"{name}.0.0", f"{name}.0.1", channels)
            place = 1
        depthwise = f"{name}.{place}.0", f"{name}.{place}.1"
        x, channels = _layer(graph, weights, x, *depthwise, channels, stride=stride, depthwise=True)
        project = f"{name}.{place + 1}", f"{name}.{place + 2}"
        x, channels = _layer(graph, weights, x, *project, channels, activate=False)
        if stride == 1 and channels == inputs:
            x = graph.node("Add", (source, x))
    x, channels = _layer(graph, weights, x, "features.18.0", "features.18.1", channels)
    x = graph.node("Flatten", (graph.node("GlobalAveragePool", (x,)),))
    dense = graph.tensor("dense.weight", (10, channels)), graph.tensor("dense.bias", (10,))
    graph.node("Softmax", (graph.node("Gemm", (x, *dense), transB=1),), SCORES, axis=1)
    for name in sorted(weights.tensors.keys() - graph.used):
        raise WeightsError(f"{weights.source}: has the tensor {name} that its architecture does not know")
    return _model(graph)


def _layer(
    graph: Graph,
    weights: Weights,
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
    stored = weights.tensors.get(f"trunk.{conv}.weight", np.zeros(0, np.float32))
    outputs = inputs if depthwise else len(stored)
    size = 3 if depthwise or conv == "features.0.0" else 1
    kernel = graph.value(f"trunk.{conv}.weight", (outputs, 1 if depthwise else inputs, size, size))
    gamma, beta, mean, variance = (
        graph.value(f"trunk.{norm}.{part}", (outputs,)) for part in ("weight", "bias", "running_mean", "running_var")
    )
    slope = gamma / np.sqrt(variance + np.float32(_EPSILON))
    folded = graph.constant(f"{conv}.weight", kernel * slope[:, None, None, None])
    bias = graph.constant(f"{conv}.bias", beta - mean * slope)
    before = 0 if stride == 2 or size == 1 else 1  # stride 2 pads right and bottom only
    pads = [before, before, size // 2, size // 2]
    x = graph.node(
        "Conv",
        (x, folded, bias),
        kernel_shape=[size, size],
        pads=pads,
        strides=[stride, stride],
        group=outputs if depthwise else 1,
    )
    if activate:
        low, high = graph.constant("zero", np.array(0, np.float32)), graph.constant("six", np.array(6, np.float32))
        x = graph.node("Clip", (x, low, high))
    return x, outputs


def _model(graph: Graph) -> onnx.ModelProto:
    constants: list[tuple[str, NDArray[np.float32]]] = [
        (name, np.ascontiguousarray(value, np.float32)) for name, value in graph._constants.items()
    ]
    proto = helper.make_graph(
        graph._nodes,
        "nima",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )
    return helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="fourpass"
    )
