"""EUSR under other people's names: the authors' TensorFlow variables, and PyTorch state dicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import WeightsError

Tensors = Mapping[str, NDArray[np.float32]]

# The authors' variable scopes -> our module path; the convolutions of a scope are numbered conv2d, conv2d_1, ...
_VARIABLE = re.compile(
    r"^(?:.*/)?generator/(?P<scope>first_conv|initial_blocks/x\d+|shared|upscaling/x\d+/m\d+/px\d+|upscaling/x\d+)/"
    r"conv2d(?:_(?P<index>\d+))?/(?P<kind>kernel|bias)(?::0)?$"
)


def recognises(tensors: Tensors) -> bool:
    """Say whether these tensors carry EUSR's names, the authors' or ours."""
    return any(_VARIABLE.match(name) for name in tensors) or "upscaling.x4.0.residual_modules.0.conv.weight" in (
        tensors
    )


def from_tensorflow(tensors: Tensors) -> dict[str, NDArray[np.float32]]:
    """Rename the authors' variables (kernels HWIO) to our names (kernels OIHW); other constants are left out.

    Raises:
        WeightsError: it has no EUSR variables.
    """
    matches = {name: match for name in tensors if (match := _VARIABLE.match(name))}
    if not matches:
        raise WeightsError(
            "none of the constants is an EUSR variable (generator/...)", hint="is it another network's file?"
        )
    last: dict[str, int] = {}
    for match in matches.values():
        scope = match["scope"]
        last[scope] = max(last.get(scope, 0), int(match["index"] or 0))
    renamed = {}
    for name, match in matches.items():
        module = _module(match["scope"], int(match["index"] or 0), last[match["scope"]])
        value = tensors[name]
        if match["kind"] == "kernel":
            renamed[f"{module}.weight"] = np.ascontiguousarray(value.transpose(3, 2, 0, 1))
        else:
            renamed[f"{module}.bias"] = value
    return renamed


def numbers_of(tensors: Tensors) -> dict[str, Any]:
    """Read off our tensors what numbers the network was built from.

    Raises:
        WeightsError: a tensor that tells is missing.
    """
    scales = sorted({int(match[1]) for name in tensors if (match := re.match(r"final_conv\.x(\d+)\.", name))})
    shared = {int(match[1]) for name in tensors if (match := re.match(r"shared\.blocks\.(\d+)\.", name))}
    inner = re.compile(rf"upscaling\.x{scales[0] if scales else 0}\.0\.residual_modules\.0\.blocks\.(\d+)\.")
    upscale = {int(match[1]) for name in tensors if (match := inner.match(name))}
    if not (scales and shared and upscale and "first_conv.weight" in tensors):
        raise WeightsError(
            "the file lacks parts of EUSR (first_conv, shared, upscaling, final_conv)", hint="is the file complete?"
        )
    return {
        "features": int(tensors["first_conv.weight"].shape[0]),
        "shared_blocks": max(shared) + 1,
        "upscale_blocks": max(upscale) + 1,
        "scales": scales,
    }


def _module(scope: str, index: int, last: int) -> str:
    """Our module path of the index-th convolution of a scope whose last convolution is numbered last."""
    if scope == "first_conv":
        return scope
    block, half = divmod(index, 2)
    parts = scope.split("/")
    if parts[0] == "initial_blocks":
        return f"initial_blocks.{parts[1]}.{block}.conv{half + 1}"
    if parts[0] == "upscaling" and len(parts) == 2:
        return f"final_conv.{parts[1]}"
    prefix = parts[0]
    if parts[0] == "upscaling":
        prefix = f"upscaling.{parts[1]}.{parts[2][1:]}.residual_modules.{parts[3][2:]}"
    return f"{prefix}.conv" if index == last else f"{prefix}.blocks.{block}.conv{half + 1}"
