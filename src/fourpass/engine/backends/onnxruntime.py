"""ONNX Runtime: on the GPU that its build is made for (CUDA, DirectML, CoreML), else on the processor. Float32."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import graphs, hardware
from fourpass.engine.backends import Session, failure
from fourpass.engine.sources import OnnxFile, OurWeights, Source
from fourpass.errors import BackendError

# Of its execution providers, those that are a GPU to us; CoreML may run on Apple's neural engine as well.
_GPUS = ("CUDAExecutionProvider", "DmlExecutionProvider", "ROCMExecutionProvider", "CoreMLExecutionProvider")


class ONNXRuntime:
    """See `fourpass.engine.backends.Backend`."""

    sources: tuple[type, ...] = (OurWeights, OnnxFile)

    def missing(self) -> str | None:
        for package in ("onnxruntime", "onnx"):
            if not importlib.util.find_spec(package):
                return f"{package} is not installed; install it with: pip install 'fourpass[onnxruntime]'"
        return None

    def preferred_device(self) -> str:
        return self.devices()[0]

    def devices(self) -> tuple[str, ...]:
        return ("gpu:0", "cpu") if _gpu_provider() else ("cpu",)

    def describe(self, device: str) -> str:
        return "" if device == "cpu" else (_gpu_provider() or "").removesuffix("ExecutionProvider")

    def emulated(self) -> tuple[str, ...]:
        return ()

    def precisions(self, device: str) -> tuple[str, ...]:
        return ("fp32",)

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        return _Session(source, device, threads)


def _gpu_provider() -> str | None:
    import onnxruntime

    there = onnxruntime.get_available_providers()
    return next((name for name in _GPUS if name in there), None)


_BYTES = 22.0  # for each feature of a pixel, measured


class _Session:
    backend = "onnxruntime"
    budget: int | None = None
    precision = "fp32"

    def __init__(self, source: Source, device: str, threads: int | None) -> None:
        import onnxruntime

        forks.use_threads()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # it raises what it logs
        options.intra_op_num_threads = threads or hardware.usable_cpus()
        # The arena keeps the largest buffers of every shape that it has seen; tiles of other pictures then add up.
        options.enable_cpu_mem_arena = False
        providers: list[Any] = [_gpu_provider()] if device != "cpu" else []
        model = graphs.onnx_bytes(source) if isinstance(source, OurWeights) else str(source)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=[*providers, "CPUExecutionProvider"])
        except Exception as error:
            raise BackendError(f"onnxruntime cannot load the model: {_one_line(error)}") from None
        self._input = self._session.get_inputs()[0].name
        # A provider that cannot start falls back to the next one; say what runs, not what was asked for.
        self.device = device if self._session.get_providers()[0] in _GPUS else "cpu"
        self.threads: int | None = options.intra_op_num_threads if self.device == "cpu" else None

    def bytes_a_pixel(self, features: float) -> float:
        return _BYTES * features

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        forks.use_threads()
        try:
            result: NDArray[np.float32] = self._session.run(None, {self._input: image})[0]
        except Exception as error:
            raise failure(
                self.device, f"onnxruntime failed on an input of shape {image.shape}: {_one_line(error)}"
            ) from None
        return result


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
