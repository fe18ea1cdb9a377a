"""Weights of the score predictors under other people's names: Keras' (the authors'), and torchvision's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import WeightsError

Arrays = Mapping[str, NDArray[Any]]

_KERAS_EPSILON, _TORCHVISION_EPSILON = 1e-3, 1e-5
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
_IMAGENET_STD = np.array([0.229, 0.224, 0.225])
_BLOCKS = 17
# Keras' width multipliers: channels of the first layer, and into the last.
_WIDTHS = {0.35: (16, 112), 0.5: (16, 160), 0.75: (24, 240), 1.0: (32, 320), 1.3: (40, 416), 1.4: (48, 448)}


def recognises(tensors: Arrays) -> bool:
    """Say whether these are a Keras MobileNetV2's variables, or a score predictor under our own names."""
    return any("block_16_project/kernel" in name for name in tensors) or "trunk.features.18.0.weight" in tensors


def nima(tensors: Arrays) -> tuple[str, dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Convert a score predictor, for `fourpass.conversion.convert`: architecture, numbers, tensors.

    Raises:
        WeightsError: a layer is missing, or the network has no dense layer of ten, or a width that was never published.
    """
    ours = "trunk.features.18.0.weight" in tensors
    renamed = (
        {name: value.astype(np.float32) for name, value in tensors.items()}
        if ours
        else from_keras(tensors, "this MobileNetV2")
    )
    if "dense.weight" not in renamed:
        raise WeightsError(
            "a MobileNetV2 without a dense layer of ten outputs cannot score",
            hint="to train a predictor on it, give it as the trunk",
        )
    channels = renamed["trunk.features.0.0.weight"].shape[0], renamed["trunk.features.18.0.weight"].shape[1]
    width = next((width for width, found in _WIDTHS.items() if found == channels), None)
    if width is None:
        raise WeightsError(f"a MobileNetV2 of {channels[0]} to {channels[1]} channels has none of Keras' widths")
    return "nima", {"width": width}, renamed


def from_keras(arrays: Arrays, source: str) -> dict[str, NDArray[np.float32]]:
    """Rename the variables of a Keras MobileNetV2, with or without NIMA's dense layer, to those of `models.nima.NIMA`.

    Args:
        arrays: variable name to value in Keras' layouts (kernels HWIO, depthwise HWIM, dense (in, out)). Prefixes
            (``mobilenetv2_1.00_192/``) and ``:0`` are ignored, and so are variables that are no MobileNetV2's.
        source: name of the file, for messages.

    Returns:
        tensors in PyTorch's layouts; without ``dense.weight`` and ``dense.bias`` where the file
        has no dense layer of ten.

    Raises:
        WeightsError: a layer of MobileNetV2 is missing.
    """
    stored: dict[str, dict[str, NDArray[Any]]] = {}
    for name, value in arrays.items():
        parts = name.split(":")[0].split("/")
        if len(parts) >= 2:
            stored.setdefault(parts[-2], {})[parts[-1]] = np.asarray(value)
    tensors: dict[str, NDArray[np.float32]] = {}
    for keras_conv, keras_norm, conv, norm in layers():
        tensors[f"trunk.{conv}.weight"] = _kernel(stored, keras_conv, source)
        for keras_name, ours in NORM.items():
            number = stored.get(keras_norm, {}).get(keras_name)
            if number is None:
                raise WeightsError(f"lacks {keras_norm}/{keras_name}, so it is not a Keras MobileNetV2", subject=source)
            tensors[f"trunk.{norm}.{ours}"] = number.astype(np.float32)
    for dense in stored.values():
        kernel = dense.get("kernel")
        if kernel is not None and kernel.ndim == 2 and kernel.shape[1] == 10 and "bias" in dense:
            tensors["dense.weight"] = np.ascontiguousarray(kernel.T, np.float32)
            tensors["dense.bias"] = dense["bias"].astype(np.float32)
    return tensors


def from_torchvision(state: Arrays, source: str) -> dict[str, NDArray[np.float32]]:
    """Turn torchvision's MobileNetV2 into our trunk.

    torchvision normalises with ImageNet's mean and deviation and has a batch norm epsilon of 1e-5; both are folded
    into the weights. What remains different: torchvision's stride-2 convolutions pad all round, ours right and bottom,
    so features are sampled one pixel further on, and its border is padded with the mean colour, ours with mid-gray.

    Args:
        state: torchvision's names (``features.0.0.weight``); its classifier is ignored.
        source: name of the file, for messages.

    Raises:
        WeightsError: a tensor of the trunk is missing.
    """
    tensors: dict[str, NDArray[np.float32]] = {}
    for _, _, conv, norm in layers():
        names = [f"{conv}.weight", *(f"{norm}.{part}" for part in NORM.values())]
        for name in names:
            if name not in state:
                raise WeightsError(f"lacks {name}, so it is not a torchvision MobileNetV2", subject=source)
        kernel, gamma, beta, mean, variance = (np.asarray(state[name], np.float64) for name in names)
        gamma = gamma * np.sqrt((variance + _KERAS_EPSILON) / (variance + _TORCHVISION_EPSILON))
        if conv == "features.0.0":
            # ((x + 1) / 2 - mean) / std with x on -1..1: the slope goes into the kernel, the rest into the mean.
            offset = (0.5 - _IMAGENET_MEAN) / _IMAGENET_STD
            mean = mean - (kernel * offset[:, None, None]).sum(axis=(1, 2, 3))
            kernel = kernel * (0.5 / _IMAGENET_STD)[:, None, None]
        for name, value in zip(names, (kernel, gamma, beta, mean, variance), strict=True):
            tensors[f"trunk.{name}"] = value.astype(np.float32)
    return tensors


def layers() -> list[tuple[str, str, str, str]]:
    """Each convolution and its batch norm: Keras' two names, then ours."""
    found = [("Conv1", "bn_Conv1", "features.0.0", "features.0.1")]
    for index in range(_BLOCKS):
        keras, ours = ("expanded_conv" if index == 0 else f"block_{index}"), f"features.{index + 1}.conv"
        names = ["depthwise"] if index == 0 else ["expand", "depthwise"]
        for place, name in enumerate(names):
            found.append((f"{keras}_{name}", f"{keras}_{name}_BN", f"{ours}.{place}.0", f"{ours}.{place}.1"))
        place = len(names)
        found.append((f"{keras}_project", f"{keras}_project_BN", f"{ours}.{place}", f"{ours}.{place + 1}"))
    found.append(("Conv_1", "Conv_1_bn", "features.18.0", "features.18.1"))
    return found


def _kernel(stored: Mapping[str, Mapping[str, NDArray[Any]]], name: str, source: str) -> NDArray[np.float32]:
    part = "depthwise_kernel" if name.endswith("depthwise") else "kernel"
    value = stored.get(name, {}).get(part)
    if value is None:
        raise WeightsError(f"lacks {name}/{part}, so it is not a Keras MobileNetV2", subject=source)
    axes = (2, 3, 0, 1) if part == "depthwise_kernel" else (3, 2, 0, 1)
    return np.ascontiguousarray(value.transpose(axes), np.float32)
