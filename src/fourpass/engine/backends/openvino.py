"""OpenVINO on the CPU: the default backend; bfloat16 where the processor has instructions for it."""

from __future__ import annotations

import importlib.util
import os
import queue
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import hardware
from fourpass.engine.backends import Model, Session
from fourpass.errors import BackendError

_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVINO:
    """See `fourpass.engine.backends.Backend`."""

    def missing(self) -> str | None:
        if importlib.util.find_spec("openvino"):
            return None
        return "openvino is not installed; bring it with: pip install openvino"

    def precisions(self) -> tuple[str, ...]:
        return ("bf16", "fp32") if hardware.bf16_instructions() else ("fp32",)

    def load(self, model: Model, precision: str, threads: int | None) -> Session:
        return _Session(model, precision, threads)


class _Session:
    backend = "openvino"
    device = "CPU"

    def __init__(self, model: Model, precision: str, threads: int | None) -> None:
        forks.use_threads()
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
        }
        if threads is None and hardware.cpu_quota() is not None:
            threads = hardware.usable_cpus()  # OpenVINO sees the machine's processors, not the container's share
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        source = model.onnx()
        try:
            core = _core(os.getpid())
            # Shapes stay free: measured, that costs no speed, needs one compilation for all shapes, and a shorter one.
            graph = core.read_model(str(source) if isinstance(source, Path) else source)
            self._compiled = core.compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise BackendError(f"openvino cannot load the model: {_first_line(error)}") from None
        self.precision = precision
        self.threads: int | None = int(self._compiled.get_property("INFERENCE_NUM_THREADS"))
        # A request holds the buffers of one run, so that each thread that runs at the same time takes its own.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

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
            raise BackendError(f"openvino failed on an input of shape {image.shape}: {_first_line(error)}") from None
        finally:
            self._idle.put(request)


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
