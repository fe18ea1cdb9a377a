"""The operations that networks are made of: architectures call them, and each graph format writes them. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import WeightsError
from fourpass.weights import Weights

Array = NDArray[np.float32]


class Layers(ABC):
    """A graph that is being written. Values are names; each method adds an operation and returns its output's name.

    Subclasses write one format. All tensors are (N, C, H, W).

    Attributes:
        image: name of the input.
        used: names of the tensors that were read.
    """

    image = "image"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.used: set[str] = set()

    def value(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return the values of a tensor, which must have the given shape.

        Raises:
            WeightsError: it is missing or misshapen.
        """
        value = self._weights.tensors.get(name)
        if value is None:
            raise WeightsError(f"lacks the tensor {name}, which its architecture needs", subject=self._weights.source)
        if tuple(value.shape) != shape:
            raise WeightsError(f"{name} has shape {tuple(value.shape)}, not {shape}", subject=self._weights.source)
        self.used.add(name)
        return value

    def outputs_of(self, name: str) -> int:
        """Return the first dimension of a tensor, or 0 if it does not exist."""
        value = self._weights.tensors.get(name)
        return 0 if value is None or not value.ndim else len(value)

    def check_all_used(self) -> None:
        """Raise WeightsError if some tensor was not used."""
        for name in sorted(self._weights.tensors.keys() - self.used):
            raise WeightsError(
                f"has the tensor {name}, which its architecture does not have", subject=self._weights.source
            )

    def conv(self, x: str, name: str, inputs: int, outputs: int, size: int) -> str:
        """Convolve with stride 1, zero padding 'same' and a bias: tensors NAME.weight (OIHW) and NAME.bias."""
        weight = self.value(f"{name}.weight", (outputs, inputs, size, size))
        return self.convolution(x, name, weight, self.value(f"{name}.bias", (outputs,)))

    @abstractmethod
    def convolution(
        self, x: str, name: str, weight: Array, bias: Array, *, stride: int = 1, before: int | None = None
    ) -> str:
        """Convolve with given values.

        Args:
            x: a value.
            name: for the constants in the graph.
            weight: (O, I, K, K); (O, 1, K, K) with O channels in `x` convolves each by itself.
            bias: (O,).
            stride: of rows and columns.
            before: zeros above and to the left; None: K // 2. Below and to the right there are K // 2.
        """

    @abstractmethod
    def relu(self, x: str) -> str:
        """max(x, 0)."""

    @abstractmethod
    def prelu(self, x: str, slopes: Array) -> str:
        """x where it is positive, a slope times x elsewhere; one slope, or one per channel."""

    @abstractmethod
    def clip(self, x: str, low: float, high: float) -> str:
        """x, clipped to two bounds."""

    @abstractmethod
    def tanh(self, x: str) -> str:
        """tanh(x)."""

    @abstractmethod
    def add(self, a: str, b: str) -> str:
        """a + b, of the same shape."""

    @abstractmethod
    def multiply(self, x: str, factor: float) -> str:
        """factor * x."""

    @abstractmethod
    def normalise(self, x: str, mean: Array, deviation: float = 1.0) -> str:
        """(x - mean) / deviation, where `mean` has one value or one for each of three channels."""

    @abstractmethod
    def restore(self, x: str, mean: Array, deviation: float = 1.0) -> str:
        """x * deviation + mean, which undoes `normalise`."""

    @abstractmethod
    def concat(self, parts: list[str]) -> str:
        """Join along channels."""

    @abstractmethod
    def pixel_shuffle(self, x: str, factor: int, *, channels_last: bool = False) -> str:
        """Channels to places: (C * f * f, H, W) to (C, f * H, f * W).

        Channel c * f * f + i of the input fills place i of each cell in channel c (PyTorch), or with `channels_last`
        channel i * C + c does (TensorFlow).
        """

    @abstractmethod
    def enlarge(self, x: str, factor: int) -> str:
        """Bilinear interpolation; sample j looks at (j + 0.5) / factor - 0.5, held within the picture."""

    @abstractmethod
    def classify(self, x: str, weight: Array, bias: Array) -> str:
        """Mean over all pixels, dense layer (classes, C), softmax."""

    @abstractmethod
    def finish(self, x: str) -> None:
        """Make a value the graph's output; called last, once."""
