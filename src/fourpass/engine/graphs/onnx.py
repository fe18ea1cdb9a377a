"""Networks as ONNX, for OpenVINO and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fourpass.engine.graphs.layers import Array, Layers
from fourpass.weights import Weights

OPSET = 17


class OnnxLayers(Layers):
    """A float32 ONNX graph. Sizes of the input stay free."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self.output = ""

    def model(self, name: str, output: Sequence[Any] = (1, 3, None, None), batch: Any = 1) -> onnx.ModelProto:
        """Return the finished graph as a model.

        Args:
            name: of the graph.
            output: its shape; None and words are free sizes.
            batch: first size of the input, a number or a word.
        """
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(self.image, TensorProto.FLOAT, [batch, 3, "height", "width"])],
            [helper.make_tensor_value_info(self.output, TensorProto.FLOAT, list(output))],
            [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in self._constants.items()],
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="fourpass"
        )

    def convolution(
        self, x: str, name: str, weight: Array, bias: Array, *, stride: int = 1, before: int | None = None
    ) -> str:
        size = weight.shape[-1]
        before = size // 2 if before is None else before
        depthwise = weight.shape[1] == 1 < len(weight)
        inputs = x, self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", bias)
        return self._node(
            "Conv",
            inputs,
            kernel_shape=[size, size],
            pads=[before, before, size // 2, size // 2],
            strides=[stride, stride],
            group=len(weight) if depthwise else 1,
        )

    def relu(self, x: str) -> str:
        return self._node("Relu", [x])

    def prelu(self, x: str, slopes: Array) -> str:
        return self._node("PRelu", [x, self._constant(f"{x}.slopes", slopes.reshape(-1, 1, 1))])

    def clip(self, x: str, low: float, high: float) -> str:
        return self._node("Clip", [x, self._number(low), self._number(high)])

    def tanh(self, x: str) -> str:
        return self._node("Tanh", [x])

    def add(self, a: str, b: str) -> str:
        return self._node("Add", [a, b])

    def multiply(self, x: str, factor: float) -> str:
        return self._node("Mul", [x, self._number(factor)])

    # Means and deviations are not folded into the convolutions beside them. Those pad with zeros after the mean is
    # subtracted, and an addition of its own stays in float32 when a backend convolves in bfloat16.
    def normalise(self, x: str, mean: Array, deviation: float = 1.0) -> str:
        x = self._node("Sub", [x, self._colour(mean)])
        return x if deviation == 1 else self._node("Div", [x, self._number(deviation)])

    def restore(self, x: str, mean: Array, deviation: float = 1.0) -> str:
        x = x if deviation == 1 else self._node("Mul", [x, self._number(deviation)])
        return self._node("Add", [x, self._colour(mean)])

    def concat(self, parts: list[str]) -> str:
        return self._node("Concat", parts, axis=1)

    def pixel_shuffle(self, x: str, factor: int, *, channels_last: bool = False) -> str:
        return self._node("DepthToSpace", [x], blocksize=factor, mode="DCR" if channels_last else "CRD")

    def enlarge(self, x: str, factor: int) -> str:
        factors = self._constant(f"{x}.factors", np.array([1, 1, factor, factor], np.float32))
        return self._node("Resize", [x, "", factors], mode="linear", coordinate_transformation_mode="half_pixel")

    def classify(self, x: str, weight: Array, bias: Array) -> str:
        pooled = self._node("Flatten", [self._node("GlobalAveragePool", [x])])
        dense = self._constant("dense.weight", weight), self._constant("dense.bias", bias)
        return self._node("Softmax", [self._node("Gemm", [pooled, *dense], transB=1)], axis=1)

    def finish(self, x: str) -> None:
        self.output = x

    def _node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants[name] = value
        return name

    def _number(self, value: float) -> str:
        return self._constant(f"number_{value:g}", np.array(value, np.float32))

    def _colour(self, mean: Array) -> str:
        value = np.asarray(mean, np.float32)
        return self._constant(f"colour_{len(self._nodes)}", value.reshape(1, -1, 1, 1) if value.ndim else value)
