"""Networks as ncnn's ``param`` text and ``bin`` weights (see ncnn's wiki, "param and model file structure")."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fourpass.engine.graphs.layers import Array, Layers
from fourpass.weights import Weights

_MAGIC = 7767517
_FLOAT32 = np.zeros(4, np.uint8).tobytes()  # the flag before weights that are stored as they are


@dataclass
class _Layer:
    kind: str
    inputs: list[str]
    output: str
    settings: dict[int, int | float] = field(default_factory=dict)
    content: bytes = b""


class NcnnLayers(Layers):
    """A float32 ncnn network from blob ``image`` to blob ``upscaled``, both (3, H, W)."""

    output = "upscaled"

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self._layers = [_Layer("Input", [], self.image)]

    def files(self) -> tuple[str, bytes]:
        """Return the finished network: the text of its ``param`` file and the bytes of its ``bin`` file."""
        layers = _split(_fuse(self._layers))
        blobs = sum(max(len(outputs), 1) for _, outputs in layers)
        lines = [str(_MAGIC), f"{len(layers)} {blobs}"]
        for number, (layer, outputs) in enumerate(layers):
            settings = " ".join(f"{key}={value:.9g}" for key, value in layer.settings.items())
            counts = f"{len(layer.inputs)} {len(outputs)}"
            lines.append(" ".join([layer.kind, f"layer{number}", counts, *layer.inputs, *outputs, settings]).rstrip())
        return "\n".join(lines) + "\n", b"".join(layer.content for layer, _ in layers)

    def convolution(
        self, x: str, name: str, weight: Array, bias: Array, *, stride: int = 1, before: int | None = None
    ) -> str:
        size = weight.shape[-1]
        before = size // 2 if before is None else before
        settings: dict[int, int | float] = {0: len(weight), 1: size, 3: stride, 4: before, 15: size // 2}
        settings |= {14: before, 16: size // 2, 5: 1, 6: weight.size}
        kind = "Convolution"
        if weight.shape[1] == 1 < len(weight):
            kind, settings[7] = "ConvolutionDepthWise", len(weight)
        return self._layer(kind, [x], settings, _FLOAT32 + _raw(weight) + _raw(bias))

    def relu(self, x: str) -> str:
        return self._layer("ReLU", [x])

    def prelu(self, x: str, slopes: Array) -> str:
        return self._layer("PReLU", [x], {0: slopes.size}, _raw(slopes))

    def clip(self, x: str, low: float, high: float) -> str:
        return self._layer("Clip", [x], {0: float(low), 1: float(high)})

    def tanh(self, x: str) -> str:
        return self._layer("TanH", [x])

    def add(self, a: str, b: str) -> str:
        return self._layer("BinaryOp", [a, b], {0: 0})

    def multiply(self, x: str, factor: float) -> str:
        return self._layer("BinaryOp", [x], {0: 2, 1: 1, 2: float(factor)})

    def normalise(self, x: str, mean: Array, deviation: float = 1.0) -> str:
        means = _three(mean)
        return self._scale(x, np.full(3, 1 / deviation), -means / deviation)

    def restore(self, x: str, mean: Array, deviation: float = 1.0) -> str:
        return self._scale(x, np.full(3, deviation), _three(mean))

    def concat(self, parts: list[str]) -> str:
        return self._layer("Concat", parts, {0: 0})

    def pixel_shuffle(self, x: str, factor: int, *, channels_last: bool = False) -> str:
        return self._layer("PixelShuffle", [x], {0: factor, 1: int(channels_last)})

    def enlarge(self, x: str, factor: int) -> str:
        return self._layer("Interp", [x], {0: 2, 1: float(factor), 2: float(factor)})

    def classify(self, x: str, weight: Array, bias: Array) -> str:
        x = self._layer("Pooling", [x], {0: 1, 4: 1})
        settings: dict[int, int | float] = {0: len(weight), 1: 1, 2: weight.size}
        x = self._layer("InnerProduct", [x], settings, _FLOAT32 + _raw(weight) + _raw(bias))
        return self._layer("Softmax", [x], {0: 0, 1: 1})

    def finish(self, x: str) -> None:
        assert self._layers[-1].output == x
        self._layers[-1].output = self.output

    def _scale(self, x: str, factors: NDArray[np.float64], shifts: NDArray[np.float64]) -> str:
        return self._layer("Scale", [x], {0: 3, 1: 1}, _raw(factors) + _raw(shifts))

    def _layer(
        self, kind: str, inputs: list[str], settings: dict[int, int | float] | None = None, content: bytes = b""
    ) -> str:
        output = f"blob{len(self._layers)}"
        self._layers.append(_Layer(kind, list(inputs), output, settings or {}, content))
        return output


def _raw(values: NDArray[np.floating]) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


def _three(mean: Array) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(mean, np.float64).reshape(-1), 3)


def _fuse(layers: list[_Layer]) -> list[_Layer]:
    """Merge a ReLU into the convolution before it if nothing else uses that value: one pass over memory less."""
    consumers = Counter(name for layer in layers for name in layer.inputs)
    made = {layer.output: layer for layer in layers}
    kept = []
    for layer in layers:
        source = made[layer.inputs[0]] if layer.inputs else layer
        if layer.kind == "ReLU" and source.kind == "Convolution" and consumers[source.output] == 1:
            source.settings = {**source.settings, 9: 1}
            source.output = layer.output
        else:
            kept.append(layer)
    return kept


def _split(layers: list[_Layer]) -> list[tuple[_Layer, list[str]]]:
    """Give every consumer of a value a name of its own, by ``Split`` layers: ncnn frees a value once it is used."""
    consumers = Counter(name for layer in layers for name in layer.inputs)
    seen: Counter[str] = Counter()
    result = []
    for layer in layers:
        inputs = []
        for name in layer.inputs:
            inputs.append(f"{name}_{seen[name]}" if consumers[name] > 1 else name)
            seen[name] += 1
        result.append((_Layer(layer.kind, inputs, layer.output, layer.settings, layer.content), [layer.output]))
        if consumers[layer.output] > 1:
            copies = [f"{layer.output}_{number}" for number in range(consumers[layer.output])]
            result.append((_Layer("Split", [layer.output], ""), copies))
    return result
