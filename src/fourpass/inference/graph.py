"""ONNX graphs built straight from weights, without torch: one builder an architecture, in one visible dict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fourpass.errors import ConfigError, WeightsError
from fourpass.inference import graph_baselines
from fourpass.weights import Weights

INPUT = "image"
OUTPUT = "upscaled"
OPSET = 17
# As models/eusr.py and models/swift.py have them, which this file cannot import: they bring torch.
RGB_MEAN = (114.4, 111.5, 103.0)
MIDDLE = 127.5


_Result = TypeVar("_Result")


class Builder(NamedTuple):
    """How one architecture becomes a graph; both functions take the metadata's numbers by keyword.

    Attributes:
        scales: (**numbers) -> the trained scales.
        build: (graph, scale, **numbers) -> None; adds the nodes from `INPUT` to `OUTPUT`.
    """

    scales: Callable[..., Sequence[int]]
    build: Callable[..., None]


def scales(weights: Weights) -> tuple[int, ...]:
    """Return the trained scales that graphs can be built for, ascending.

    Raises:
        WeightsError: the architecture has no graph builder, or its numbers do not fit it.
    """
    return tuple(sorted(_fitting(_builder(weights).scales, weights)(**weights.metadata.numbers)))


def build_graph(weights: Weights, scale: int) -> onnx.ModelProto:
    """Build the network at one scale as a float32 ONNX model.

    Args:
        weights: tensors under our module names, and the numbers of their architecture.
        scale: one of `scales(weights)`.

    Returns:
        a model from ``image`` (1, 3, H, W) float32 RGB on 0..255, H and W free, to ``upscaled``
        (1, 3, scale * H, scale * W) on 0..255, not clipped.

    Raises:
        ConfigError: the scale is not a trained one.
        WeightsError: the architecture is unknown, its numbers do not fit, or a tensor is missing, misshapen or unknown.
    """
    trained = scales(weights)
    if scale not in trained:
        raise ConfigError(f"scale {scale} is not one of this model's scales {', '.join(map(str, trained))}")
    # Every path is walked, not only the wanted one, so that a tensor that no path knows is found.
    graphs = {each: Graph(weights) for each in trained}
    for each, graph in graphs.items():
        _fitting(_builder(weights).build, weights)(graph, each, **weights.metadata.numbers)
    known = set().union(*(graph.used for graph in graphs.values()))
    for name in sorted(weights.tensors.keys() - known):
        raise WeightsError(f"{weights.source}: has the tensor {name} that its architecture does not know")
    return graphs[scale].model(scale)


def _builder(weights: Weights) -> Builder:
    architecture = weights.metadata.architecture
    if architecture not in GRAPHS:
        raise WeightsError(
            f"{weights.source}: architecture {architecture!r} is not one that the engine runs: {', '.join(GRAPHS)}"
        )
    return GRAPHS[architecture]


def _fitting(function: Callable[..., _Result], weights: Weights) -> Callable[..., _Result]:
    """Wrap a builder's function so that numbers that do not fit it raise WeightsError."""

    def call(*arguments: Any, **numbers: Any) -> _Result:
        try:
            return function(*arguments, **numbers)
        except (TypeError, ValueError) as error:
            raise WeightsError(
                f"{weights.source}: numbers do not fit {weights.metadata.architecture} ({error})"
            ) from None

    return call


class Graph:
    """An ONNX graph that is being written: nodes are added, values are names."""

    input, output = INPUT, OUTPUT

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self.used: set[str] = set()

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Add a node and return its output's name."""
        output = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self._constants[name] = value
        return name

    def tensor(self, name: str, shape: tuple[int, ...]) -> str:
        """Take a tensor of the weights as a constant and return its name; raises as `value` does."""
        return self.constant(name, self.value(name, shape))

    def value(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Take a tensor of the weights, which must have the given shape, and return its values.

        Raises:
            WeightsError: it is missing or misshapen.
        """
        value = self._weights.tensors.get(name)
        if value is None:
            raise WeightsError(f"{self._weights.source}: lacks the tensor {name} that its architecture has")
        if tuple(value.shape) != shape:
            raise WeightsError(f"{self._weights.source}: {name} has shape {tuple(value.shape)}, not {shape}")
        self.used.add(name)
        return value

    def conv(self, x: str, name: str, inputs: int, outputs: int, size: int) -> str:
        """Convolve with stride 1, zero padding 'same' and a bias: tensors NAME.weight (OIHW) and NAME.bias."""
        weight = self.tensor(f"{name}.weight", (outputs, inputs, size, size))
        bias = self.tensor(f"{name}.bias", (outputs,))
        return self.node("Conv", (x, weight, bias), kernel_shape=[size, size], pads=[size // 2] * 4)

    def model(self, scale: int) -> onnx.ModelProto:
        """Finish the graph as a checked model."""
        graph = helper.make_graph(
            self._nodes,
            f"{self._weights.metadata.architecture}_x{scale}",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, "height", "width"])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, 3, None, None])],
            [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in self._constants.items()],
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="fourpass"
        )


def _eusr_scales(scales: Sequence[int] = (2, 4, 8), **_: Any) -> Sequence[int]:
    return scales


def _eusr(
    graph: Graph,
    scale: int,
    features: int = 64,
    shared_blocks: int = 32,
    upscale_blocks: int = 1,
    scales: Sequence[int] = (2, 4, 8),
) -> None:
    """EUSR (4PP-EUSR paper, section 3.1), node for node what models/eusr.py computes; defaults are that class's."""
    path = f"x{scale}"

    def block(x: str, name: str, size: int) -> str:
        inner = graph.node("Relu", [graph.conv(x, f"{name}.conv1", features, features, size)])
        return graph.node("Add", [x, graph.conv(inner, f"{name}.conv2", features, features, size)])

    def residual_module(x: str, name: str, blocks: int) -> str:
        inner = x
        for index in range(blocks):
            inner = block(inner, f"{name}.blocks.{index}", 3)
        return graph.node("Add", [x, graph.conv(inner, f"{name}.conv", features, features, 3)])

    # The mean is not folded into the first convolution: that one pads with zeros after it is subtracted. Nor into the
    # last: there, an addition of its own stays in float32 when a backend computes convolutions in bfloat16.
    mean = graph.constant("mean", np.array(RGB_MEAN, np.float32).reshape(1, 3, 1, 1))
    x = graph.conv(graph.node("Sub", [INPUT, mean]), "first_conv", 3, features, 3)
    for index in range(2):
        x = block(x, f"initial_blocks.{path}.{index}", 5)
    x = residual_module(x, "shared", shared_blocks)
    for index in range(int(math.log2(scale))):
        parts = []
        for part in range(4):
            x = residual_module(x, f"upscaling.{path}.{index}.residual_modules.{part}", upscale_blocks)
            parts.append(x)
        x = graph.node("DepthToSpace", [graph.node("Concat", parts, axis=1)], blocksize=2, mode="DCR")
    x = graph.conv(x, f"final_conv.{path}", features, 3, 3)
    graph.node("Add", [x, mean], OUTPUT)


def _swift(graph: Graph, scale: int, features: int = 64, blocks: int = 7, scales: Sequence[int] = (2, 4, 8)) -> None:
    """Swift, node for node what models/swift.py computes; defaults are that class's."""
    middle = graph.constant("middle", np.array(MIDDLE, np.float32))
    image = graph.node("Div", [graph.node("Sub", [INPUT, middle]), middle])
    first = x = graph.conv(image, "first_conv", 3, features, 3)
    for index in range(blocks):
        inner = graph.node("Relu", [graph.conv(x, f"blocks.{index}.conv1", features, features, 3)])
        x = graph.node("Add", [graph.conv(inner, f"blocks.{index}.conv2", features, features, 3), x])
    x = graph.conv(graph.node("Add", [x, first]), f"final_conv.x{scale}", features, 3 * scale**2, 3)
    detail = graph.node("DepthToSpace", [x], blocksize=scale, mode="CRD")
    factors = graph.constant("factors", np.array([1, 1, scale, scale], np.float32))
    enlarged = graph.node("Resize", [image, "", factors], mode="linear", coordinate_transformation_mode="half_pixel")
    x = graph.node("Mul", [graph.node("Add", [detail, enlarged]), middle])
    graph.node("Add", [x, middle], OUTPUT)


# architecture -> its builder. A new one is one line here and one row in tests/inference/test_graph.py.
GRAPHS: Mapping[str, Builder] = {
    "eusr": Builder(_eusr_scales, _eusr),
    "swift": Builder(_eusr_scales, _swift),
    "edsr": Builder(graph_baselines.edsr_scales, graph_baselines.edsr),
    "mdsr": Builder(graph_baselines.mdsr_scales, graph_baselines.mdsr),
    "srresnet": Builder(graph_baselines.edsr_scales, graph_baselines.srresnet),
}
