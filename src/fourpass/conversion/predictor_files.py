"""Files that the score predictors start from: ImageNet's MobileNetV2 in several formats, and the aesthetic teacher."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.conversion.predictors import NORM, from_keras, from_torchvision, layers
from fourpass.conversion.vgg import read_h5
from fourpass.errors import WeightsError, missing_extra

TORCHVISION_URL = "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth"


def from_keras_h5(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read MobileNetV2 from a Keras ``.h5`` file, without Keras.

    Raises:
        BackendError: h5py is not installed.
        WeightsError: the file cannot be read or holds no MobileNetV2.
    """
    return from_keras(read_h5(Path(path)), str(path))


def download_torchvision(url: str = TORCHVISION_URL, folder: str | None = None) -> dict[str, NDArray[np.float32]]:
    """Fetch torchvision's ImageNet MobileNetV2 once through torch.hub, check its hash, and turn it into our trunk.

    Args:
        url: its address; the hash is the part of the name after the dash.
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
            f"cannot be fetched ({error})",
            subject=url,
            hint='without a network, give a file instead: trunk = "PATH" in the recipe',
        ) from None
    except RuntimeError as error:
        raise WeightsError(
            f"the downloaded file is not the published one ({error})", subject=url, hint="try again"
        ) from None
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
        raise WeightsError(
            "no such trunk weights file", subject=source, hint="give one, or 'torchvision' to fetch them"
        )
    if path.suffix in (".h5", ".hdf5", ".keras"):
        tensors = from_keras_h5(path)
    elif path.suffix in (".pth", ".pt"):
        tensors = _from_pickle(path)
    elif path.suffix == ".safetensors":
        tensors = _from_safetensors(path)
    else:
        raise WeightsError(
            f"trunk weights are .safetensors, .h5 or .pth, not {path.suffix or 'without suffix'}", subject=source
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
        raise WeightsError("no such teacher weights file", subject=source)
    try:
        stored = load_file(source)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"not a complete safetensors file ({error})", subject=source) from None
    if "conv_dw_1.weight" not in stored:
        raise WeightsError("lacks conv_dw_1.weight, so it is not a NIMA on MobileNetV1", subject=source)
    return {name: value.astype(np.float32) for name, value in stored.items()}


def _from_pickle(path: Path) -> dict[str, NDArray[np.float32]]:
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError) as error:
        raise WeightsError(f"not a readable state dict ({str(error).splitlines()[0]})", subject=path) from None
    return from_torchvision({name: value.numpy() for name, value in state.items()}, str(path))


def _from_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"not a complete safetensors file ({error})", subject=path) from None
    prefix = "trunk." if "trunk.features.0.0.weight" in stored else ""
    tensors: dict[str, NDArray[np.float32]] = {}
    for _, _, conv, norm in layers():
        for name in (f"{conv}.weight", *(f"{norm}.{part}" for part in NORM.values())):
            if prefix + name not in stored:
                raise WeightsError(f"lacks {prefix}{name}, so it contains no MobileNetV2", subject=path)
            tensors[f"trunk.{name}"] = stored[prefix + name].astype(np.float32)
    return tensors
