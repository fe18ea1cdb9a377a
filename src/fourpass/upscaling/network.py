"""What an Upscaler runs: weights of ours turned into graphs, or somebody's ONNX file that is found out by probing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass import weights as weights_module
from fourpass.engine.backends import Choice, Model, Session
from fourpass.errors import ConfigError, WeightsError
from fourpass.upscaling.consistency import keep_colour
from fourpass.weights import Weights

FAITHFUL, PERCEPTUAL = "eusr", "fourpass"  # the packaged pair that `strength` blends
DEFAULT_STRENGTH = 0.5  # of any other pair
# Of the packaged pair by scale, where nobody says: what a look without names preferred (docs/perceptual.md).
DEFAULT_STRENGTHS = {2: 0.0, 4: 0.9, 8: 0.0}

# How many pixels of surroundings a tile of an architecture needs, where that was measured (docs/engine.md), and what
# others and somebody's ONNX file get.
_HALOS = {"eusr": 12}
_OTHER_HALO = 32
_COLOUR_REACH = 4  # of `keep_colour`, on top of the network's own; measured too: what lies further hardly matters
_COLOURS_KEPT = ("eusr",)  # architectures without a path that carries the input's colours past the network


@dataclass(frozen=True)
class Network:
    """A network at all its scales, and how it wants its input.

    Attributes:
        name: for messages.
        models: one for each trained scale.
        halo: input pixels beyond a tile that make its output equal to the whole picture's.
        features: channels of its widest layers at output size, for the memory that it takes.
        top: the value of white: 255 or 1.
        dtype: of its input.
        multiple: sides of its input must be multiples of it.
        fixed: the only (rows, columns) of its input, or None when it takes any.
        keeps_colour: take slow shifts of colour out of the output, see `fourpass.upscaling.consistency.keep_colour`.
    """

    name: str
    models: dict[int, Model]
    halo: int
    features: int
    top: float = 255.0
    dtype: type[np.floating] = np.float32
    multiple: int = 1
    fixed: tuple[int, int] | None = None
    keeps_colour: bool = False

    @property
    def scales(self) -> tuple[int, ...]:
        """The trained scales, ascending."""
        return tuple(sorted(self.models))

    def run(self, session: Session, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Upscale (H, W, 3) on 0..255 with a session of one of `models`; returns float32 (sH, sW, 3), not clipped."""
        height, width = image.shape[:2]
        given = image
        rows, columns = self.fixed or (-(-side // self.multiple) * self.multiple for side in (height, width))
        if (rows, columns) != (height, width):
            image = np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)), mode="symmetric")
        batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
        if self.top != 255:
            batch *= np.float32(self.top / 255)
        result = session.run(batch.astype(self.dtype, copy=False))
        scale = result.shape[2] // rows
        pixels = result[0, :, : scale * height, : scale * width].transpose(1, 2, 0).astype(np.float32, copy=False)
        if self.top != 255:
            pixels = pixels * np.float32(255 / self.top)
        return keep_colour(pixels, given) if self.keeps_colour else pixels


ModelName = str | os.PathLike[str] | Weights


def load(
    model: ModelName,
    strength: float | None,
    choice: Choice,
    keeps_colour: bool = True,
    perceptual: ModelName | None = None,
) -> Network:
    """Return the network that a name, a file or weights mean.

    Args:
        model: a packaged name, a ``.safetensors`` path, another program's checkpoint that `fourpass.conversion` knows,
            an ``.onnx`` path, or weights.
        strength: see `fourpass.upscaling.upscaler.Upscaler`.
        choice: the backend, which probes an ONNX file.
        keeps_colour: see `ours`.
        perceptual: what the model is blended with, by weights, instead of the packaged pair.

    Raises:
        ConfigError: the strength is outside 0..1 or there is nothing to blend.
        WeightsError: a file is missing, damaged or of an unknown kind, or the two cannot be blended.
    """
    if strength is not None and not 0 <= strength <= 1:
        raise ConfigError(f"strength {strength} is not within 0..1 (0 faithful, 1 perceptual)")
    if perceptual is not None:
        share = DEFAULT_STRENGTH if strength is None else strength
        return ours(weights_module.interpolate(_weights(model), _weights(perceptual), share), keeps_colour)
    if model == FAITHFUL and strength is None and PERCEPTUAL in strengths():
        levels = sorted(set(DEFAULT_STRENGTHS.values()))
        ends = {level: ours(_blended(FAITHFUL, level), keeps_colour) for level in levels}
        models = {scale: ends[DEFAULT_STRENGTHS.get(scale, 0.0)].models[scale] for scale in ends[levels[0]].models}
        return replace(ends[levels[0]], models=models)
    if model in (FAITHFUL, PERCEPTUAL):
        return ours(_blended(str(model), strength), keeps_colour)
    if strength is not None:
        name = model.source if isinstance(model, Weights) else model
        raise ConfigError(
            f"strength blends the packaged weights {FAITHFUL} and {PERCEPTUAL}, not {name}; leave one of them out, or "
            "say what to blend it with (perceptual, --perceptual)"
        )
    if _is_onnx(model):
        from fourpass.upscaling.foreign import probe

        return probe(Path(str(model)), choice, _OTHER_HALO)
    return ours(_weights(model), keeps_colour)


def ours(weights: Weights, keeps_colour: bool = True) -> Network:
    """Return the network of weights of one of our architectures.

    Args:
        weights: of any architecture that the engine has a graph for.
        keeps_colour: whether EUSR's output gets its input's colours back; the other architectures have no need.

    Raises:
        WeightsError: the architecture is not one that the engine runs.
    """
    from fourpass.engine import graphs

    def onnx(scale: int) -> bytes:
        serialised: bytes = graphs.onnx_model(weights, scale).SerializeToString()
        return serialised

    models = {scale: Model(scale, partial(onnx, scale), weights) for scale in graphs.scales(weights)}
    features = int(weights.metadata.numbers.get("features", 64))
    architecture = weights.metadata.architecture
    keeps_colour = keeps_colour and architecture in _COLOURS_KEPT
    halo = _HALOS.get(architecture, _OTHER_HALO) + (_COLOUR_REACH if keeps_colour else 0)
    return Network(weights.source, models, halo, features, keeps_colour=keeps_colour)


def _is_onnx(model: ModelName) -> bool:
    return not isinstance(model, Weights) and Path(model).suffix.lower() == ".onnx"


def _weights(model: ModelName) -> Weights:
    if isinstance(model, Weights):
        return model
    if _is_onnx(model):
        raise WeightsError(f"{model}: the weights of an ONNX file cannot be blended; blend pixels (--blend-pixels)")
    from fourpass import conversion

    return conversion.load(model)


def strengths() -> Sequence[str]:
    """Return which of the packaged pair are installed, the faithful first."""
    return [name for name in (FAITHFUL, PERCEPTUAL) if name in weights_module.available()]


def _blended(name: str, strength: float | None) -> Weights:
    if strength is None:
        return weights_module.load(name)
    if strength == 0:
        return weights_module.load(FAITHFUL)
    if PERCEPTUAL not in strengths():
        raise ConfigError(
            f"strength {strength} needs the perceptual weights ({PERCEPTUAL}), which are not installed; take strength 0"
        )
    return weights_module.interpolate(weights_module.load(FAITHFUL), weights_module.load(PERCEPTUAL), strength)
