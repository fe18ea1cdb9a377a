"""Weights of the score predictors from where others keep them: Keras (frozen graph, .h5), torchvision, and our own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.conversion.vgg import read_h5
from fourpass.errors import WeightsError, missing_extra

Arrays = Mapping[str, NDArray[Any]]

TORCHVISION_URL = "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"
_KERAS_EPSILON, _TORCHVISION_EPSILON = 1e-3, 1e-5
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
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
            "a MobileNetV2 without a dense layer of ten scores nothing; to train a predictor on it, name it as trunk"
        )
    channels = renamed["trunk.features.0.0.weight"].shape[0], renamed["trunk.features.18.0.weight"].shape[1]
    width = next((width for width, found in _WIDTHS.items() if found == channels), None)
    if width is None:
        raise WeightsError(f"a MobileNetV2 of {channels[0]} to {channels[1]} channels is of none of Keras' widths")
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
    layers: dict[str, dict[str, NDArray[Any]]] = {}
    for name, value in arrays.items():
        parts = name.split(":")[0].split("/")
        if len(parts) >= 2:
            layers.setdefault(parts[-2], {})[parts[-1]] = np.asarray(value)
    tensors: dict[str, NDArray[np.float32]] = {}
    for keras_conv, keras_norm, conv, norm in _layers():
        tensors[f"trunk.{conv}.weight"] = _kernel(layers, keras_conv, source)
        for keras_name, ours in _NORM.items():
            number = layers.get(keras_norm, {}).get(keras_name)
            if number is None:
                raise WeightsError(f"{source}: lacks {keras_norm}/{keras_name}, so it is no Keras MobileNetV2")
            tensors[f"trunk.{norm}.{ours}"] = number.astype(np.float32)
    for dense in layers.values():
        kernel = dense.get("kernel")
        if kernel is not None and kernel.ndim == 2 and kernel.shape[1] == 10 and "bias" in dense:
            tensors["dense.weight"] = np.ascontiguousarray(kernel.T, np.float32)
            tensors["dense.bias"] = dense["bias"].astype(np.float32)
    return tensors


def from_keras_h5(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read MobileNetV2 from a Keras ``.h5`` file, without Keras.

    Raises:
        BackendError: h5py is not installed.
        WeightsError: the file cannot be read or holds no MobileNetV2.
    """
    return from_keras(read_h5(Path(path)), str(path))


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
    for _, _, conv, norm in _layers():
        names = [f"{conv}.weight", *(f"{norm}.{part}" for part in _NORM.values())]
        for name in names:
            if name not in state:
                raise WeightsError(f"{source}: lacks {name}, so it is no torchvision MobileNetV2")
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


def download_torchvision(url: str = TORCHVISION_URL, folder: str | None = None) -> dict[str, NDArray[np.float32]]:
    """Fetch torchvision's ImageNet MobileNetV2 once through torch.hub, check its hash, and turn it into our trunk.

    Args:
        url: where it lies; the hash is the part of the name after the dash.
        folder: where to keep it; torch.hub's own folder by default.

    Raises:
        BackendError: torch is not installed.
        WeightsError: it cannot be fetched, or what came does not have the right hash.
    """
    try:
        import torch
    except ImportError:
        raise missing_extra("train", "torch") from None
    try:
        state = torch.hub.load_state_dict_from_url(
            url, model_dir=folder, map_location="cpu", check_hash=True, progress=False, weights_only=True
        )
    except OSError as error:
        raise WeightsError(
            f'{url}: cannot be fetched ({error}); without a network, give a file instead: trunk = "PATH" in the recipe'
        ) from None
    except RuntimeError as error:
        raise WeightsError(f"{url}: what came is not the published file ({error}); try again") from None
    return from_torchvision({name: value.numpy() for name, value in state.items()}, url)


def read_trunk(source: str) -> dict[str, NDArray[np.float32]]:
    """Read ImageNet weights for the trunk from wherever they are.

    Args:
        source: ``torchvision`` (fetched once), a Keras ``.h5``, torchvision's ``.pth``, or a ``.safetensors`` with
            torchvision's names and Keras' conventions or in our own format.

    Returns:
        tensors named as in `models.nima.NIMA`, ``trunk.`` only.

    Raises:
        WeightsError: the file is missing, of no known kind, or not a MobileNetV2.
    """
    if source == "torchvision":
        return download_torchvision()
    path = Path(source)
    if not path.is_file():
        raise WeightsError(f"{source}: no such file of trunk weights; give one, or 'torchvision' to fetch them")
    if path.suffix in (".h5", ".hdf5", ".keras"):
        tensors = from_keras_h5(path)
    elif path.suffix in (".pth", ".pt"):
        tensors = _from_pickle(path)
    elif path.suffix == ".safetensors":
        tensors = _from_safetensors(path)
    else:
        raise WeightsError(
            f"{source}: trunk weights are .safetensors, .h5 or .pth, not {path.suffix or 'without suffix'}"
        )
    return {name: value for name, value in tensors.items() if name.startswith("trunk.")}


def read_teacher(source: str) -> dict[str, NDArray[np.float32]]:
    """Read the published NIMA on MobileNetV1 (idealo's names, PyTorch's layouts), for `models.mobilenet_v1`.

    Raises:
        WeightsError: the file is missing, damaged, or another network's.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not Path(source).is_file():
        raise WeightsError(f"{source}: no such file of a teacher's weights")
    try:
        stored = load_file(source)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{source}: not a whole safetensors file ({error})") from None
    if "conv_dw_1.weight" not in stored:
        raise WeightsError(f"{source}: lacks conv_dw_1.weight, so it is no NIMA on MobileNetV1")
    return {name: value.astype(np.float32) for name, value in stored.items()}


def _from_pickle(path: Path) -> dict[str, NDArray[np.float32]]:
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise WeightsError(f"{path}: not a readable state dict ({str(error).splitlines()[0]})") from None
    return from_torchvision({name: value.numpy() for name, value in state.items()}, str(path))


def _from_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a whole safetensors file ({error})") from None
    prefix = "trunk." if "trunk.features.0.0.weight" in stored else ""
    tensors: dict[str, NDArray[np.float32]] = {}
    for _, _, conv, norm in _layers():
        for name in (f"{conv}.weight", *(f"{norm}.{part}" for part in _NORM.values())):
            if prefix + name not in stored:
                raise WeightsError(f"{path}: lacks {prefix}{name}, so it holds no MobileNetV2")
            tensors[f"trunk.{name}"] = stored[prefix + name].astype(np.float32)
    return tensors


def _layers() -> list[tuple[str, str, str, str]]:
    """Each convolution and its batch norm: Keras' two names, then ours."""
    layers = [("Conv1", "bn_Conv1", "features.0.0", "features.0.1")]
    for index in range(_BLOCKS):
        keras, ours = ("expanded_conv" if index == 0 else f"block_{index}"), f"features.{index + 1}.conv"
        names = ["depthwise"] if index == 0 else ["expand", "depthwise"]
        for place, name in enumerate(names):
            layers.append((f"{keras}_{name}", f"{keras}_{name}_BN", f"{ours}.{place}.0", f"{ours}.{place}.1"))
        place = len(names)
        layers.append((f"{keras}_project", f"{keras}_project_BN", f"{ours}.{place}", f"{ours}.{place + 1}"))
    layers.append(("Conv_1", "Conv_1_bn", "features.18.0", "features.18.1"))
    return layers


def _kernel(layers: Mapping[str, Mapping[str, NDArray[Any]]], name: str, source: str) -> NDArray[np.float32]:
    part = "depthwise_kernel" if name.endswith("depthwise") else "kernel"
    value = layers.get(name, {}).get(part)
    if value is None:
        raise WeightsError(f"{source}: lacks {name}/{part}, so it is no Keras MobileNetV2")
    axes = (2, 3, 0, 1) if part == "depthwise_kernel" else (3, 2, 0, 1)
    return np.ascontiguousarray(value.transpose(axes), np.float32)
