"""Networks as graphs, built from weights without torch: each architecture is described once for every format.

torch modules describe it again (`fourpass.models`), because training needs what inference does not: initialisation,
sums in place, gradients that are taken tile by tile. Parametrised tests keep the two in step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fourpass.engine.graphs import architectures, baselines
from fourpass.engine.graphs.layers import Layers
from fourpass.engine.graphs.nima import nima
from fourpass.engine.sources import OurWeights
from fourpass.errors import ConfigError, WeightsError
from fourpass.weights import Weights

if TYPE_CHECKING:
    import onnx

_Layers = TypeVar("_Layers", bound=Layers)
_Result = TypeVar("_Result")


class Architecture(NamedTuple):
    """How one architecture becomes a graph; both functions take the metadata's numbers by keyword.

    Attributes:
        scales: (**numbers) -> the trained scales.
        write: (layers, scale, **numbers) -> None; writes the layers from the image to the result.
        features: (scale, **numbers) -> channels of its widest layers for each output pixel, for the memory it takes.
        halo: pixels of surroundings that a tile needs, where that is known (docs/explanation/engine.md).
        carries_colour: whether a path takes the input's colours past the network.
    """

    scales: Callable[..., Sequence[int]]
    write: Callable[..., None]
    features: Callable[..., float] = baselines.features
    halo: int = 32
    carries_colour: bool = True


# A new one is one line here, its function beside the others, and a row in tests/engine/test_graphs.py.
ARCHITECTURES: Mapping[str, Architecture] = {
    "eusr": Architecture(architectures.own_scales, architectures.eusr, halo=12, carries_colour=False),
    "swift": Architecture(
        architectures.own_scales, architectures.swift, architectures.swift_features, halo=architectures.SWIFT_HALO
    ),
    "edsr": Architecture(baselines.one_scale, baselines.edsr),
    "mdsr": Architecture(baselines.mdsr_scales, baselines.mdsr),
    "srresnet": Architecture(baselines.one_scale, baselines.srresnet),
}


def scales(weights: Weights) -> tuple[int, ...]:
    """Return the trained scales that graphs can be built for, ascending.

    Raises:
        WeightsError: the architecture cannot be built, or the numbers in its metadata do not fit it.
    """
    return tuple(sorted(_fitting(architecture(weights).scales, weights)(**weights.metadata.numbers)))


def architecture(weights: Weights) -> Architecture:
    """Return the architecture of some weights.

    Raises:
        WeightsError: it is not one that the engine runs.
    """
    name = weights.metadata.architecture
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise WeightsError(f"architecture {name!r} is not one that the engine runs: {known}", subject=weights.source)
    return ARCHITECTURES[name]


def features(weights: Weights, scale: int) -> float:
    """Return `Architecture.features` of some weights at a scale."""
    return _fitting(architecture(weights).features, weights)(scale, **weights.metadata.numbers)


def write(weights: Weights, scale: int, kind: Callable[[Weights], _Layers]) -> _Layers:
    """Write an upscaling network at one scale, from RGB on 0..255 to RGB on 0..255, not clipped.

    Args:
        weights: tensors under our module names, and the numbers of their architecture.
        scale: one of `scales(weights)`.
        kind: the format, a subclass of `Layers`.

    Raises:
        ConfigError: the scale is not a trained one.
        WeightsError: the architecture is unknown, the numbers in its metadata do not fit, or a tensor is missing,
            misshapen or unknown.
    """
    trained = scales(weights)
    if scale not in trained:
        raise ConfigError(f"scale {scale} is not one of this model's scales {', '.join(map(str, trained))}")
    # Every path is walked, not only the wanted one, so that a tensor that no path knows is found.
    graphs = {each: kind(weights) for each in trained}
    for each, graph in graphs.items():
        _fitting(architecture(weights).write, weights)(graph, each, **weights.metadata.numbers)
    wanted = graphs[scale]
    wanted.used.update(*(graph.used for graph in graphs.values()))
    wanted.check_all_used()
    return wanted


def onnx_model(weights: Weights, scale: int) -> onnx.ModelProto:
    """Return an upscaling network as ONNX: ``image`` (1, 3, H, W) float32, H and W free. Raises as `write` does."""
    from fourpass.engine.graphs.onnx import OnnxLayers

    return write(weights, scale, OnnxLayers).model(f"{weights.metadata.architecture}_x{scale}")


def write_scores(weights: Weights, kind: Callable[[Weights], _Layers]) -> _Layers:
    """Write a score predictor, from RGB on 0..255 to the probabilities of the scores 1..10.

    Raises:
        WeightsError: the architecture is not ``nima``, or a tensor is missing, misshapen or unknown.
    """
    if weights.metadata.architecture != "nima":
        found = weights.metadata.architecture
        raise WeightsError(f"weights of {found}, not of a score predictor (nima)", subject=weights.source)
    layers = kind(weights)
    nima(layers)
    layers.check_all_used()
    return layers


def onnx_scores(weights: Weights) -> onnx.ModelProto:
    """Return a score predictor as ONNX: ``image`` (N, 3, H, W) float32 to (N, 10). Raises as `write_scores` does."""
    from fourpass.engine.graphs.onnx import OnnxLayers

    return write_scores(weights, OnnxLayers).model("nima", ("batch", 10), "batch")


def onnx_bytes(source: OurWeights) -> bytes:
    """Return a network, or a score predictor where the scale is None, as a serialised ONNX model."""
    model = onnx_scores(source.weights) if source.scale is None else onnx_model(source.weights, source.scale)
    serialised: bytes = model.SerializeToString()
    return serialised


def _fitting(function: Callable[..., _Result], weights: Weights) -> Callable[..., _Result]:
    """Wrap a function so that numbers that it does not accept raise WeightsError."""

    def call(*arguments: Any, **numbers: Any) -> _Result:
        try:
            return function(*arguments, **numbers)
        except (TypeError, ValueError) as error:
            raise WeightsError(
                f"numbers in its metadata do not fit {weights.metadata.architecture} ({error})", subject=weights.source
            ) from None

    return call
