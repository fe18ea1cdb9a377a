"""OpenVINO, on processors and on Intel's GPUs and NPUs; bfloat16 where the processor has instructions for it."""

from __future__ import annotations

import importlib.util
import os
import queue
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import graphs, hardware
from fourpass.engine.backends import Session, failure
from fourpass.engine.sources import OnnxFile, OurWeights, Source
from fourpass.errors import BackendError

_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVINO:
    """See `fourpass.engine.backends.Backend`."""

    sources: tuple[type, ...] = (OurWeights, OnnxFile)

    def missing(self) -> str | None:
        for package in ("openvino", "onnx"):
            if not importlib.util.find_spec(package):
                return f"{package} is not installed; install it with: pip install 'fourpass[openvino]'"
        return None

    def preferred_device(self) -> str:
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return tuple(_our_name(name) for name in _core(os.getpid()).available_devices)

    def describe(self, device: str) -> str:
        return "" if device == "cpu" else str(_core(os.getpid()).get_property(_their_name(device), "FULL_DEVICE_NAME"))

    def emulated(self) -> tuple[str, ...]:
        return ()

    def precisions(self, device: str) -> tuple[str, ...]:
        return ("bf16", "fp32") if device == "cpu" and hardware.bf16_instructions() else ("fp32",)

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        return _Session(source, device, precision, threads)


_BYTES = 12.5  # for each feature of a pixel, measured


class _Session:
    backend = "openvino"
    budget: int | None = None

    def __init__(self, source: Source, device: str, precision: str, threads: int | None) -> None:
        forks.use_threads()
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
        }
        if threads is None and hardware.cpu_quota() is not None:
            threads = hardware.usable_cpus()  # OpenVINO sees the machine's processors, not the container's share
        if threads is not None and device == "cpu":
            settings["INFERENCE_NUM_THREADS"] = threads
        model = graphs.onnx_bytes(source) if isinstance(source, OurWeights) else str(source)
        try:
            core = _core(os.getpid())
            # Shapes stay free: measured, that costs no speed, needs one compilation for all shapes, and a shorter one.
            self._compiled = core.compile_model(core.read_model(model), _their_name(device), settings)
        except RuntimeError as error:
            raise BackendError(f"openvino cannot load the model: {_first_line(error)}") from None
        self.device, self.precision = device, precision
        self.threads: int | None = None
        if device == "cpu":
            self.threads = int(self._compiled.get_property("INFERENCE_NUM_THREADS"))
        # A request holds the buffers of one run, so that each thread that runs at the same time takes its own.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def bytes_a_pixel(self, features: float) -> float:
        return _BYTES * features

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        forks.use_threads()
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer([image], share_inputs=True)
            return np.array(request.get_output_tensor(0).data)
        except RuntimeError as error:
            raise failure(
                self.device, f"openvino failed on an input of shape {image.shape}: {_first_line(error)}"
            ) from None
        finally:
            self._idle.put(request)


def _our_name(device: str) -> str:
    """``GPU.1`` is ``gpu:1``; a GPU without a number is the first."""
    kind, _, number = device.lower().partition(".")
    return f"gpu:{number or 0}" if kind == "gpu" else kind


def _their_name(device: str) -> str:
    return "GPU" if device == "gpu:0" else device.upper().replace(":", ".")


@cache
def _core(process: int) -> Any:
    """Return the process's one Core, which is never let go: that keeps the CPU plugin loaded.

    The plugin gives the thread that loads it a stack for signals, and takes that memory away when it is unloaded, in
    whichever thread. If that is another one, the next signal, Ctrl-C say, kills the process (seen in 2026.4.1).
    """
    import openvino

    return openvino.Core()


def _first_line(error: Exception) -> str:
    """OpenVINO's messages run over many lines of source places; the last one that is not empty says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
