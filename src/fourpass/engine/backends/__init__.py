"""The backends that run a network, behind one Protocol: one small file each, one visible dict."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fourpass.engine.sources import Source
from fourpass.errors import ConfigError


class Session(Protocol):
    """A network that is ready to run. `run` may be called from several threads at once."""

    backend: str
    device: str
    precision: str
    threads: int | None

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 3, H, W) to the network's output, both in its own range, C-contiguous.

        An upscaling network takes N = 1 and returns (1, 3, scale * H, scale * W); a score predictor returns (N, 10).
        """
        ...


class Backend(Protocol):
    """A way to run networks, and all that is true of it.

    Attributes:
        sources: kinds of `Source` that it loads.
        bytes_a_feature: memory that a running network takes for each feature of an output pixel of a tile, measured
            (docs/explanation/engine.md).
    """

    sources: tuple[type, ...]
    bytes_a_feature: float

    def missing(self) -> str | None:
        """Return why it cannot run here, as one line with the way out, or None when it can."""
        ...

    def preferred_device(self) -> str:
        """Return the device that ``auto`` means; quick, it looks at no hardware that it need not."""
        ...

    def devices(self) -> tuple[str, ...]:
        """Return what it can run on here: ``cpu``, ``gpu:0``, ``gpu:1``, ``npu``."""
        ...

    def precisions(self, device: str) -> tuple[str, ...]:
        """Return the precisions that it runs well on a device, the one that ``auto`` means first: of fp32, bf16."""
        ...

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        """Make a network ready to run.

        Args:
            source: of one of `sources`.
            device: one of `devices()`.
            precision: one of `precisions(device)`.
            threads: how many on ``cpu``; None: as it sees fit.

        Raises:
            BackendError: the network cannot be loaded, or not on this device.
            ConfigError: the threads cannot be set.
        """
        ...


# name -> "module:class"; imported when used. ``auto`` is the first that is installed.
BACKENDS: Mapping[str, str] = {
    "openvino": "fourpass.engine.backends.openvino:OpenVINO",
    "ncnn": "fourpass.engine.backends.ncnn:Ncnn",
    "onnxruntime": "fourpass.engine.backends.onnxruntime:ONNXRuntime",
    "torch": "fourpass.engine.backends.torch:Torch",
}


def get(name: str) -> Backend:
    """Return a backend by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in BACKENDS:
        raise ConfigError(f"backend {name!r} is not one of auto, {', '.join(BACKENDS)}")
    module, attribute = BACKENDS[name].split(":")
    backend: Backend = getattr(importlib.import_module(module), attribute)()
    return backend
