"""Resolve what a user gives as a model (a packaged family, a file, weights, or a blend of two) to a network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fourpass import weights as weights_module
from fourpass.engine import graphs
from fourpass.engine.engine import Engine
from fourpass.errors import ConfigError, WeightsError
from fourpass.upscaling.foreign import FOREIGN, probe
from fourpass.upscaling.network import Network, PixelBlend, ours
from fourpass.weights import Weights, family


@dataclass(frozen=True)
class Blend:
    """Two models and the share of the second; see `blend`."""

    first: ModelName
    second: ModelName
    share: float
    pixels: bool


ModelName: TypeAlias = "str | os.PathLike[str] | Weights"
Model: TypeAlias = "ModelName | Blend"


def blend(first: ModelName, second: ModelName, share: float = 0.5, *, pixels: bool = False) -> Blend:
    """Return a model between two others, for `Upscaler` and `upscale`.

    Args:
        first: the model at share 0: a packaged name, a path, or weights.
        second: the model at share 1.
        share: from 0 to 1.
        pixels: blend the two outputs instead of the weights, in twice the time. Needed for models of different
            lineages or architectures, and for ONNX files.

    Raises:
        ConfigError: the share is outside 0..1.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"strength {share} is not within 0..1 (0 the first model, 1 the second)")
    return Blend(first, second, share, pixels)


def load(model: Model, positions: Mapping[str, float], engine: Engine, *, keep_colour: bool = True) -> Network:
    """Return the network that a model means.

    Args:
        model: what a user gave.
        positions: axis -> 0..1, of the dials that were set; see `fourpass.weights.family.AXES`.
        engine: runs models from other projects to detect their properties.
        keep_colour: see `fourpass.upscaling.network.ours`.

    Raises:
        ConfigError: a position is outside 0..1, or there is nothing to blend.
        WeightsError: a file is missing, damaged or of an unknown kind, or the two cannot be blended.
    """
    family.check(positions)
    found = family.find(model) if isinstance(model, str) else None
    if found is not None:
        return _of_family(model, *found, positions, keep_colour)
    if positions:
        axis = next(iter(positions))
        raise ConfigError(f"{axis} works only with the packaged models ({_with_dial(axis)}), not with {_name(model)}")
    if isinstance(model, Blend):
        return _blended(model, engine, keep_colour)
    if _is_foreign(model):
        return probe(Path(str(model)), engine)
    try:
        return _at_all_scales(_weights(model), keep_colour)
    except WeightsError:
        if isinstance(model, Weights) or not _of_others(model):
            raise
        return probe(Path(model), engine)


def has_dial(model: Model, axis: str) -> bool:
    """Return whether a model is a packaged one whose family can be set on an axis."""
    found = family.find(model) if isinstance(model, str) else None
    return found is not None and axis in found[0].axes


def is_family(model: Model) -> bool:
    """Return whether a model is a packaged family by its own name, not one of its corners."""
    return isinstance(model, str) and model in family.families()


def stands_at(model: Model, axis: str, positions: Mapping[str, float]) -> float:
    """Return a model's position on an axis; 0 if it has no such dial."""
    found = family.find(model) if isinstance(model, str) else None
    if found is None or axis not in found[0].axes:
        return 0.0
    return positions.get(axis, found[1].get(axis, 0.0))


def _of_family(
    name: object, known: family.Family, corner: Mapping[str, float], positions: Mapping[str, float], keep_colour: bool
) -> Network:
    """A family given by its own name uses its defaults; a member's name means that member's corner."""
    mixed: dict[tuple[tuple[str, float], ...], Weights] = {}

    def at(scale: int) -> Weights:
        usual = {axis: known.default(axis, scale) for axis in known.axes} if name == known.name else corner
        wanted = {**usual, **positions}
        key = tuple(sorted(wanted.items()))
        if key not in mixed:
            mixed[key] = known.weights(wanted)
        return mixed[key]

    scales = graphs.scales(weights_module.load(known.name))
    return ours({scale: at(scale) for scale in scales}, keep_colour)


def _blended(model: Blend, engine: Engine, keep_colour: bool) -> Network:
    if model.pixels:
        # Not at a family's default position, which is a blend of its own.
        first, second = (
            load(each, {} if _is_foreign(each) else _bare(each), engine, keep_colour=keep_colour)
            for each in (model.first, model.second)
        )
        return PixelBlend(first, second, model.share)
    mixed = weights_module.interpolate(_weights(model.first), _weights(model.second), model.share)
    return _at_all_scales(mixed, keep_colour)


def _bare(model: ModelName) -> Mapping[str, float]:
    found = family.find(model) if isinstance(model, str) else None
    return found[1] if found else {}


def _at_all_scales(weights: Weights, keep_colour: bool) -> Network:
    return ours(dict.fromkeys(graphs.scales(weights), weights), keep_colour)


def _is_foreign(model: ModelName) -> bool:
    return not isinstance(model, Weights) and Path(model).suffix.lower() in FOREIGN


def _of_others(model: str | os.PathLike[str]) -> bool:
    from fourpass import conversion

    return conversion.is_unknown(model)


def _weights(model: ModelName) -> Weights:
    if isinstance(model, Weights):
        return model
    if _is_foreign(model):
        raise WeightsError(
            "the weights of such a file cannot be blended",
            subject=model,
            hint="blend their pixels instead",
            key="blend-pixels",
        )
    from fourpass import conversion

    return conversion.load(model)


def _with_dial(axis: str) -> str:
    return ", ".join(name for name, known in family.families().items() if axis in known.axes) or "none is installed"


def _name(model: Model) -> str:
    if isinstance(model, Blend):
        return f"a blend of {_name(model.first)} and {_name(model.second)}"
    return model.source if isinstance(model, Weights) else str(model)
