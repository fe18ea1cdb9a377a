"""The backends that run a network: one protocol, one small module per backend, one dict that lists them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fourpass.engine import hardware
from fourpass.engine.sources import Source
from fourpass.errors import BackendError, ConfigError


class OutOfDeviceMemory(BackendError):  # noqa: N818
    """An input is too large for the memory of the device; a smaller one may fit."""


class DeviceLost(BackendError):  # noqa: N818
    """The device or its driver failed and cannot be used again in this session."""


class Session(Protocol):
    """A network that is ready to run. `run` may be called from several threads at once.

    Attributes:
        backend, device, precision, threads: what runs.
        budget: bytes of the device's own memory that this program may use; None on a processor or if it is
            unknown.
    """

    @property
    def backend(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def budget(self) -> int | None: ...

    def bytes_a_pixel(self, features: float) -> float:
        """Return the memory that `run` takes for each pixel of its input, measured (docs/explanation/engine.md).

        Args:
            features: channels of the network's widest layers, times their pixels for each pixel of the input.
        """
        ...

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 3, H, W) to the network's output, both in its own range, C-contiguous.

        An upscaling network takes N = 1 and returns (1, 3, scale * H, scale * W); a score predictor returns (N, 10).

        Raises:
            OutOfDeviceMemory, DeviceLost: as their names say; another engine, or a smaller input, may do.
            BackendError: it fails for another reason.
        """
        ...


class Backend(Protocol):
    """A library that runs networks, and what it supports.

    Attributes:
        sources: kinds of `Source` that it loads.
    """

    sources: tuple[type, ...]

    def missing(self) -> str | None:
        """Return why it cannot run here, as one line with a suggested fix, or None if it can."""
        ...

    def preferred_device(self) -> str:
        """Return the device that ``auto`` means; quick, because it inspects only the hardware it must."""
        ...

    def devices(self) -> tuple[str, ...]:
        """Return what it can run on here: ``cpu``, ``gpu:0``, ``gpu:1``, ``npu``."""
        ...

    def describe(self, device: str) -> str:
        """Return the product name of one of `devices()`, or an empty string if it is unknown."""
        ...

    def emulated(self) -> tuple[str, ...]:
        """Return those of `devices()` that are emulated on the processor, and so too slow for ``auto``."""
        ...

    def precisions(self, device: str) -> tuple[str, ...]:
        """Return which of fp32, bf16 and fp16 it runs well on a device; the one that ``auto`` means comes first."""
        ...

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        """Make a network ready to run.

        Args:
            source: of one of `sources`.
            device: one of `devices()`.
            precision: one of `precisions(device)`.
            threads: how many on ``cpu``; None: the backend decides.

        Raises:
            BackendError: the network cannot be loaded, or not on this device.
            ConfigError: the threads cannot be set.
        """
        ...


# name -> "module:class"; imported when used. The core install brings the first.
BACKENDS: Mapping[str, str] = {
    "ncnn": "fourpass.engine.backends.ncnn:Ncnn",
    "openvino": "fourpass.engine.backends.openvino:OpenVINO",
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


def order() -> list[str]:
    """Return the names in the order in which ``auto`` tries them if nothing was measured.

    OpenVINO comes first where the processor has instructions for bfloat16, which ncnn does not use.
    """
    return sorted(BACKENDS, key=lambda name: name != "openvino" or not hardware.bf16_instructions())


def failure(device: str, message: str) -> BackendError:
    """Convert a library's message about a failed run to an error: out of memory, device lost, or something else."""
    if device != "cpu":
        text = message.lower()
        if any(words in text for words in _MEMORY_WORDS):
            return OutOfDeviceMemory(message)
        if any(words in text for words in _LOST_WORDS):
            return DeviceLost(message)
    return BackendError(message)


_MEMORY_WORDS = ("out of memory", "failed to allocate", "out_of_device_memory", "out_of_resources", "e_outofmemory")
_LOST_WORDS = (
    "device lost",
    "device_lost",
    "device removed",
    "cuda error",
    "device hung",
    "unspecified launch failure",
)
