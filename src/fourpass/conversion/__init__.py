"""Other people's weight files turned into ours.

A file is read into named arrays (by suffix), and the first architecture that recognises the names converts them.
To add one: a module with ``recognises`` and a converter, and one line in `CONVERTERS`.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.conversion import baselines, eusr, predictors, vgg
from fourpass.conversion.graphdef import read_constants
from fourpass.errors import WeightsError, missing_extra
from fourpass.weights import Metadata, Weights
from fourpass.weights import load as load_ours
from fourpass.weights.file import is_ours

Tensors = Mapping[str, NDArray[np.float32]]
# What a converter returns: our architecture's name, its numbers, its tensors under our names.
Converted = tuple[str, dict[str, Any], dict[str, NDArray[np.float32]]]


def _eusr(tensors: Tensors) -> Converted:
    ours = "first_conv.weight" in tensors
    renamed = dict(tensors) if ours else eusr.from_tensorflow(tensors)
    return "eusr", eusr.numbers_of(renamed), renamed


CONVERTERS: list[tuple[Callable[[Tensors], bool], Callable[[Tensors], Converted]]] = [
    (eusr.recognises, _eusr),
    (baselines.recognises_edsr, baselines.edsr),
    (baselines.recognises_mdsr, baselines.mdsr),
    (baselines.recognises_srresnet, baselines.srresnet),
    (baselines.recognises_msrresnet, baselines.msrresnet),
    (predictors.recognises, predictors.nima),
    (vgg.recognises, vgg.torchvision),
    (vgg.recognises_hed, vgg.hed),
]


def convert(path: str | os.PathLike[str], *, lineage: str | None = None, licence: str = "unknown") -> Weights:
    """Read a weights file of another program.

    Args:
        path: a frozen TensorFlow GraphDef (``.pb``), a PyTorch checkpoint (``.pt``, ``.pth``, ``.ckpt``; a bare state
            dict or under ``params_ema``, ``params``, ``state_dict``; ``module.`` prefixes are taken off), a
            ``.safetensors`` of another program, a Keras ``.h5``, or a ``.npz`` whose keys may start with ``var:``.
        lineage: id to record; the file's own content decides when not given.
        licence: SPDX identifier to record.

    Raises:
        WeightsError: the file cannot be read, or is of no architecture known here.
    """
    file = Path(path)
    tensors = read_tensors(file)
    for recognises, converter in CONVERTERS:
        if recognises(tensors):
            try:
                architecture, numbers, renamed = converter(tensors)
            except WeightsError as error:
                raise error.about(file) from None
            weights = Weights(renamed, Metadata(architecture, numbers, "", "", 0, licence), str(file))
            metadata = Metadata(
                architecture,
                numbers,
                lineage or f"{architecture}-{weights.sha256[:12]}",
                f"unknown; converted from {file.name}",
                0,
                licence,
            )
            return Weights(renamed, metadata, str(file))
    some = ", ".join(sorted(tensors)[:3])
    raise WeightsError(f"its tensors ({some}, ...) do not belong to any known architecture", subject=file)


def load(name: str | os.PathLike[str]) -> Weights:
    """Read fourpass weights, packaged or in a file, or convert another program's file, recognised by its suffix.

    Raises:
        WeightsError: as `fourpass.weights.load` and `convert` raise it.
    """
    suffix = Path(name).suffix.lower()
    return convert(name) if suffix in READERS and suffix != ".safetensors" else load_ours(name)


def is_unknown(name: str | os.PathLike[str]) -> bool:
    """Say whether a file holds whole PyTorch weights of an architecture that is not known here."""
    suffix = Path(name).suffix.lower()
    if suffix not in (".pt", ".pth", ".ckpt", ".safetensors") or (suffix == ".safetensors" and is_ours(name)):
        return False
    try:
        tensors = read_tensors(Path(name))
    except WeightsError:
        return False
    return not any(recognises(tensors) for recognises, _ in CONVERTERS)


def read_tensors(file: Path) -> dict[str, NDArray[np.float32]]:
    """Read the named float arrays of a weights file, by its suffix.

    Raises:
        WeightsError: the suffix is unknown or the file cannot be read.
    """
    if not file.is_file():
        raise WeightsError("no such file", subject=file)
    if file.suffix.lower() not in READERS:
        raise WeightsError(f"suffix {file.suffix!r} is not one of {', '.join(READERS)}", subject=file)
    return READERS[file.suffix.lower()](file)


def _read_torch(file: Path) -> dict[str, NDArray[np.float32]]:
    try:
        import torch
    except ImportError:
        raise missing_extra("train", "torch") from None
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for a damaged or unsafe file
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"not a PyTorch checkpoint that loads safely ({reason})", subject=file) from None
    for key in ("params_ema", "params", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(
            "contains no state dict (looked for params_ema, params, state_dict and the top level)", subject=file
        )
    return {
        name.removeprefix("module."): value.float().numpy()
        for name, value in content.items()
        if isinstance(value, torch.Tensor)
    }


def _read_npz(file: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            names = [name for name in archive.files if name.startswith("var:")] or archive.files
            return {name.removeprefix("var:"): archive[name].astype(np.float32) for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(f"not a complete .npz file ({error})", subject=file) from None


def _read_safetensors(file: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: np.asarray(value, np.float32) for name, value in load_file(file).items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"not a complete safetensors file ({error})", subject=file) from None


# suffix -> reader
READERS: Mapping[str, Callable[[Path], dict[str, NDArray[np.float32]]]] = {
    ".pb": read_constants,
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".ckpt": _read_torch,
    ".npz": _read_npz,
    ".h5": vgg.read_h5,
    ".safetensors": _read_safetensors,
}
