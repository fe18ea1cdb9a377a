"""ONNX Runtime: on CUDA when its build and the machine have it, else on the CPU. Float32."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import hardware
from fourpass.engine.backends import Model, Session
from fourpass.errors import BackendError


class ONNXRuntime:
    """See `fourpass.engine.backends.Backend`."""

    def missing(self) -> str | None:
        if importlib.util.find_spec("onnxruntime"):
            return None
        return "onnxruntime is not installed; bring it with: pip install 'fourpass[onnxruntime]'"

    def precisions(self) -> tuple[str, ...]:
        return ("fp32",)

    def load(self, model: Model, precision: str, threads: int | None) -> Session:
        return _Session(model, threads)


class _Session:
    backend = "onnxruntime"
    precision = "fp32"

    def __init__(self, model: Model, threads: int | None) -> None:
        import onnxruntime

        forks.use_threads()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # it raises what it logs
        options.intra_op_num_threads = threads or hardware.usable_cpus()
        # The arena keeps the largest buffers of every shape that it has seen; tiles of other pictures then add up.
        options.enable_cpu_mem_arena = False
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        source = model.onnx()
        try:
            self._session = onnxruntime.InferenceSession(
                str(source) if isinstance(source, Path) else source, options, providers=providers
            )
        except Exception as error:
            raise BackendError(f"onnxruntime cannot load the model: {_one_line(error)}") from None
        self._input = self._session.get_inputs()[0].name
        # A provider that cannot start falls back to the next one; say what runs, not what was asked for.
        self.device = "CUDA" if self._session.get_providers()[0].startswith("CUDA") else "CPU"
        self.threads: int | None = options.intra_op_num_threads if self.device == "CPU" else None

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        forks.use_threads()
        try:
            result: NDArray[np.float32] = self._session.run(None, {self._input: image})[0]
        except Exception as error:
            raise BackendError(f"onnxruntime failed on an input of shape {image.shape}: {_one_line(error)}") from None
        return result


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
