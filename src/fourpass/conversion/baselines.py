"""EDSR, MDSR and SRResNet under other people's names: the authors', BasicSR's and two SRGAN re-implementations'."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import WeightsError

Tensors = Mapping[str, NDArray[np.float32]]
Renamed = dict[str, NDArray[np.float32]]

_DIV2K_MEAN = (0.4488 * 255, 0.4371 * 255, 0.4040 * 255)  # as models/edsr.py has it, which brings torch
_BASICSR = (
    (re.compile(r"^conv_first\."), "head.0."),
    (re.compile(r"^body\.(\d+)\.conv1\."), r"body.\1.body.0."),
    (re.compile(r"^body\.(\d+)\.conv2\."), r"body.\1.body.2."),
    (re.compile(r"^upsample\.(\d+)\."), r"tail.0.\1."),
    (re.compile(r"^conv_last\."), "tail.1."),
)


def recognises_edsr(tensors: Tensors) -> bool:
    """Say whether these tensors carry EDSR's names, the authors' (which are ours) or BasicSR's."""
    return {"head.0.weight", "tail.0.0.weight"} <= tensors.keys() or "conv_after_body.weight" in tensors


def edsr(tensors: Tensors) -> tuple[str, dict[str, Any], Renamed]:
    """Convert EDSR.

    Residual scaling is not in a file. It is 1 for networks of 64 features and 0.1 for others, as in all that the
    authors and BasicSR released.

    Raises:
        WeightsError: parts are missing.
    """
    renamed = _from_basicsr(tensors) if "conv_after_body.weight" in tensors else dict(tensors)
    features = _rows(renamed, "head.0.weight")
    numbers = {
        "features": features,
        "blocks": _count(renamed, r"body\.(\d+)\.body\.0\.weight"),
        "scales": [_scale(renamed, "tail.0", features)],
        "residual_scaling": 1.0 if features == 64 else 0.1,
    }
    return "edsr", numbers, renamed


def recognises_mdsr(tensors: Tensors) -> bool:
    """Say whether these tensors carry MDSR's names, the authors' (which are ours)."""
    return {"head.0.weight", "pre_process.0.0.body.0.weight"} <= tensors.keys()


def mdsr(tensors: Tensors) -> tuple[str, dict[str, Any], Renamed]:
    """Convert MDSR, whose residuals the authors never scaled.

    Raises:
        WeightsError: parts are missing.
    """
    features = _rows(tensors, "head.0.weight")
    paths = _count(tensors, r"pre_process\.(\d+)\.0\.body\.0\.weight")
    numbers = {
        "features": features,
        "blocks": _count(tensors, r"body\.(\d+)\.body\.0\.weight"),
        "scales": [_scale(tensors, f"upsample.{index}", features) for index in range(paths)],
        "residual_scaling": 1.0,
    }
    return "mdsr", numbers, dict(tensors)


def recognises_msrresnet(tensors: Tensors) -> bool:
    """Say whether these tensors carry the names of BasicSR's MSRResNet."""
    return {"conv_first.weight", "upconv1.weight", "conv_last.weight"} <= tensors.keys()


def msrresnet(tensors: Tensors) -> tuple[str, dict[str, Any], Renamed]:
    """Refuse MSRResNet, which is another network.

    Raises:
        WeightsError: always.
    """
    raise WeightsError(
        "is BasicSR's MSRResNet, which has no batch norm and is not SRGAN's SRResNet",
        hint="export it to ONNX and use that",
    )


@dataclass(frozen=True)
class _Naming:
    """How a program names SRResNet; ``{}`` is a number.

    `parts` are a block's conv1, norm1, activation, conv2, norm2; `up` the convolution and activation of an upsampling
    block; `unit` tells that the output is on 0..1, and `tanh` that it is squashed into -1..1 first.
    """

    first: str
    first_activation: str
    block: str
    parts: tuple[str, str, str, str, str]
    trunk: tuple[str, str]
    upsampling: str
    up: tuple[str, str]
    last: str
    tanh: bool
    unit: bool


_OURS = _Naming(
    "first_conv",
    "first_activation",
    "blocks.{}",
    ("conv1", "norm1", "activation", "conv2", "norm2"),
    ("trunk_conv", "trunk_norm"),
    "upsampling.{}",
    ("conv", "activation"),
    "final_conv",
    tanh=False,
    unit=False,
)


def _lornatang(stem: str) -> _Naming:
    return _Naming(
        f"{stem}1.0",
        f"{stem}1.1",
        "trunk.{}",
        ("rcb.0", "rcb.1", "rcb.2", "rcb.3", "rcb.4"),
        (f"{stem}2.0", f"{stem}2.1"),
        "upsampling.{}",
        ("upsample_block.0", "upsample_block.2"),
        f"{stem}3",
        tanh=False,
        unit=True,
    )


def _leftthomas(blocks: int) -> _Naming:
    """Blocks are numbered on from the first convolution, block1; the last two end the trunk, and enlarge."""
    tail = f"block{blocks + 3}"
    return _Naming(
        "block1.0",
        "block1.1",
        "block{}",
        ("conv1", "bn1", "prelu", "conv2", "bn2"),
        (f"block{blocks + 2}.0", f"block{blocks + 2}.1"),
        f"{tail}.{{}}",
        ("conv", "prelu"),
        "",
        tanh=True,
        unit=False,
    )


def recognises_srresnet(tensors: Tensors) -> bool:
    """Say whether these tensors carry SRResNet's names: ours, or those of a common SRGAN re-implementation."""
    return any(mark in tensors for mark in ("blocks.0.norm1.weight", "trunk.0.rcb.1.weight", "block2.bn1.weight"))


def srresnet(tensors: Tensors) -> tuple[str, dict[str, Any], Renamed]:
    """Convert SRResNet: rename, fold biases in front of batch norms into these, bring the output to -1..1.

    Raises:
        WeightsError: parts are missing, or there are tensors that SRResNet has not.
    """
    tensors = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    naming, first_block = _naming(tensors)
    blocks = _count(tensors, _pattern(f"{naming.block}.{naming.parts[0]}.weight"))
    ups = _count(tensors, _pattern(f"{naming.upsampling}.{naming.up[0]}.weight"))
    last = naming.last or naming.upsampling.format(ups)
    renamed: Renamed = {}
    left = dict(tensors)

    def move(source: str, target: str, kinds: Sequence[str]) -> None:
        for kind in kinds:
            if f"{source}.{kind}" not in left:
                raise WeightsError(
                    f"lacks the tensor {source}.{kind}, which this kind of SRResNet has", hint="is the file complete?"
                )
            renamed[f"{target}.{kind}"] = left.pop(f"{source}.{kind}")

    def move_normalised(conv: str, norm: str, target_conv: str, target_norm: str) -> None:
        move(conv, target_conv, ["weight"])
        move(norm, target_norm, ["weight", "bias", "running_mean", "running_var"])
        bias = left.pop(f"{conv}.bias", None)
        if bias is not None:  # the norm subtracts the mean of what it gets: a bias before it moves that mean, no more
            renamed[f"{target_norm}.running_mean"] = renamed[f"{target_norm}.running_mean"] - bias

    move(naming.first, "first_conv", ["weight", "bias"])
    move(naming.first_activation, "first_activation", ["weight"])
    for index in range(blocks):
        source, target = naming.block.format(first_block + index), f"blocks.{index}"
        conv1, norm1, activation, conv2, norm2 = (f"{source}.{part}" for part in naming.parts)
        move_normalised(conv1, norm1, f"{target}.conv1", f"{target}.norm1")
        move(activation, f"{target}.activation", ["weight"])
        move_normalised(conv2, norm2, f"{target}.conv2", f"{target}.norm2")
    move_normalised(*naming.trunk, "trunk_conv", "trunk_norm")
    for index in range(ups):
        source, target = naming.upsampling.format(index), f"upsampling.{index}"
        move(f"{source}.{naming.up[0]}", f"{target}.conv", ["weight", "bias"])
        move(f"{source}.{naming.up[1]}", f"{target}.activation", ["weight"])
    move(last, "final_conv", ["weight", "bias"])
    if left:
        raise WeightsError(f"has the tensor {sorted(left)[0]}, which SRResNet does not have")
    if naming.unit:  # 0..1 -> -1..1
        renamed["final_conv.weight"] = 2 * renamed["final_conv.weight"]
        renamed["final_conv.bias"] = 2 * renamed["final_conv.bias"] - 1
    numbers = {
        "features": _rows(renamed, "first_conv.weight"),
        "blocks": blocks,
        "scales": [2**ups],
        "slopes": int(renamed["first_activation.weight"].size),
        "tanh": naming.tanh,
    }
    return "srresnet", numbers, {name: np.ascontiguousarray(value, np.float32) for name, value in renamed.items()}


def _naming(tensors: Tensors) -> tuple[_Naming, int]:
    """Whose names these are, and the number of the first residual block."""
    if "first_conv.weight" in tensors:
        return _OURS, 0
    if "trunk.0.rcb.1.weight" in tensors:
        return _lornatang("conv_block" if "conv_block1.0.weight" in tensors else "conv"), 0
    return _leftthomas(_count(tensors, r"block(\d+)\.conv1\.weight")), 2


def _from_basicsr(tensors: Tensors) -> Renamed:
    """Rename BasicSR's EDSR, whose mean colour is a constant of the program and not in the file."""
    blocks = _count(tensors, r"body\.(\d+)\.conv1\.weight")
    renamed: Renamed = {}
    for name, value in tensors.items():
        target = name.replace("conv_after_body.", f"body.{blocks}.")
        for pattern, replacement in _BASICSR:
            target = pattern.sub(replacement, target)
        renamed[target] = value
    for name, sign in (("sub_mean", -1.0), ("add_mean", 1.0)):
        renamed[f"{name}.weight"] = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
        renamed[f"{name}.bias"] = np.array(_DIV2K_MEAN, np.float32) * np.float32(sign)
    return renamed


def _pattern(template: str) -> str:
    return re.escape(template).replace(r"\{\}", r"(\d+)")


def _rows(tensors: Tensors, name: str) -> int:
    if name not in tensors:
        raise WeightsError(f"lacks the tensor {name}", hint="is the file complete?")
    return int(tensors[name].shape[0])


def _count(tensors: Tensors, pattern: str) -> int:
    """How many tensors have names of a pattern.

    Raises:
        WeightsError: none has.
    """
    count = sum(1 for name in tensors if re.fullmatch(pattern, name))
    if not count:
        raise WeightsError(f"has no tensor named like {pattern}", hint="is the file complete?")
    return count


def _scale(tensors: Tensors, prefix: str, features: int) -> int:
    """The factor of an upsampler: one convolution to 9 times the channels, or some to 4 times."""
    widths = [
        value.shape[0] // features
        for name, value in tensors.items()
        if re.fullmatch(rf"{re.escape(prefix)}\.\d+\.weight", name)
    ]
    if not widths:
        raise WeightsError(f"has no tensor named like {prefix}.0.weight", hint="is the file complete?")
    return math.isqrt(math.prod(widths))
