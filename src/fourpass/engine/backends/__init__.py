"""The backends that run a network, behind one Protocol: one small file each, one visible dict."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import BackendError, ConfigError
from fourpass.weights import Weights


@dataclass(frozen=True)
class Model:
    """What a backend loads: one network at one scale.

    Attributes:
        scale: output pixels an input pixel, along each axis.
        onnx: returns the ONNX model, as bytes or as the path of a file.
        weights: the same network as weights of ours; None when it came as an ONNX file.
    """

    scale: int
    onnx: Callable[[], bytes | Path]
    weights: Weights | None = None


class Session(Protocol):
    """A network that is ready to run. `run` may be called from several threads at once."""

    backend: str
    device: str
    precision: str
    threads: int | None

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (1, 3, H, W) to (1, 3, scale * H, scale * W), both in the model's own range, C-contiguous."""
        ...


class Backend(Protocol):
    """A way to run networks; each module of this package that `BACKENDS` names is one."""

    def missing(self) -> str | None:
        """Return why it cannot run here, as one line with the way out, or None when it can."""
        ...

    def precisions(self) -> tuple[str, ...]:
        """Return the precisions that it runs well here, the one that ``auto`` means first: of fp32, bf16."""
        ...

    def load(self, model: Model, precision: str, threads: int | None) -> Session:
        """Make a model ready to run, in one of `precisions()`, on so many threads (None: as it sees fit)."""
        ...


# name -> "module:class"; imported when used. ``auto`` is the first that is installed.
BACKENDS: Mapping[str, str] = {
    "openvino": "fourpass.engine.backends.openvino:OpenVINO",
    "onnxruntime": "fourpass.engine.backends.onnxruntime:ONNXRuntime",
    "torch": "fourpass.engine.backends.torch:Torch",
}


@dataclass(frozen=True)
class Choice:
    """Which backend runs, and why: what `choose` decided."""

    name: str
    backend: Backend
    precision: str
    threads: int | None
    reason: str


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


def choose(backend: str = "auto", precision: str = "auto", threads: int | None = None) -> Choice:
    """Decide which backend runs, in which precision.

    Args:
        backend: a key of `BACKENDS`, or ``auto``: the first that is installed.
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the processor has instructions for it, else fp32.
        threads: how many; None leaves it to the backend.

    Raises:
        ConfigError: a value is unknown, or the precision is one that the backend does not run well here.
        BackendError: the backend is not installed, or none is.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise ConfigError(f"precision {precision!r} is not one of auto, fp32, bf16")
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}; it must be at least 1")
    reasons = []
    for name in BACKENDS if backend == "auto" else (backend,):
        candidate = get(name)
        reason = candidate.missing()
        if reason is None:
            break
        reasons.append(reason)
    else:
        raise BackendError("; ".join(reasons))
    offered = candidate.precisions()
    why = "asked for" if backend != "auto" else "the first of these that is installed: " + ", ".join(BACKENDS)
    if precision == "auto":
        precision = offered[0]
    elif precision not in offered:
        raise ConfigError(
            f"precision {precision} is not one that {name} runs well on this machine ({', '.join(offered)}); take auto"
        )
    return Choice(name, candidate, precision, threads, why)
