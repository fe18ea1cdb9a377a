"""PyTorch, if it is installed: on CUDA, Intel's XPU or Apple's MPS, else on the processor; also spandrel's models."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import hardware
from fourpass.engine.backends import Session, failure
from fourpass.engine.sources import OurWeights, Source, TorchFile
from fourpass.errors import BackendError, ConfigError, WeightsError


class Torch:
    """See `fourpass.engine.backends.Backend`."""

    sources: tuple[type, ...] = (OurWeights, TorchFile)

    def missing(self) -> str | None:
        if importlib.util.find_spec("torch"):
            return None
        return "torch is not installed; install it with: pip install 'fourpass[train]'"

    def preferred_device(self) -> str:
        return self.devices()[0]

    def devices(self) -> tuple[str, ...]:
        import torch

        count = torch.cuda.device_count() or torch.xpu.device_count() or int(torch.backends.mps.is_available())
        return (*(f"gpu:{number}" for number in range(count)), "cpu")

    def describe(self, device: str) -> str:
        import torch

        there = _their_name(device).partition(":")[0]
        if there not in ("cuda", "xpu"):
            return "" if device == "cpu" else there
        return str(getattr(torch, there).get_device_name(int(device.partition(":")[2])))

    def emulated(self) -> tuple[str, ...]:
        return ()

    def precisions(self, device: str) -> tuple[str, ...]:
        import torch

        if device == "cpu":
            return ("bf16", "fp32") if hardware.bf16_instructions() else ("fp32",)
        cuda = torch.cuda.is_available()
        return ("fp32", "bf16") if cuda and torch.cuda.is_bf16_supported() else ("fp32",)

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        if isinstance(source, TorchFile):
            return _Session(_of_others(source.path), None, device, precision, threads)
        assert isinstance(source, OurWeights)
        if source.scale is None:
            raise BackendError(
                "scores run on the backends openvino, ncnn and onnxruntime, not on torch", subject=source
            )
        from fourpass.models import build

        return _Session(build(source.weights), source.scale, device, precision, threads)


def _of_others(path: Path) -> Any:
    """Load a file with spandrel, which unpickles no code, and return the module.

    Raises:
        BackendError: spandrel is not installed.
        WeightsError: it does not know the architecture, or the file is damaged.
    """
    try:
        spandrel: Any = importlib.import_module("spandrel")
    except ImportError as error:
        raise BackendError(
            f"not one of fourpass's own architectures, and {error.name}, which supports others, is not installed",
            subject=path,
            hint="install it with: pip install 'fourpass[spandrel]'",
        ) from None
    try:
        found = spandrel.ModelLoader(device="cpu").load_from_file(str(path))
    except Exception as error:  # spandrel raises many kinds for a file that it does not know
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"spandrel cannot load it ({line})", subject=path) from None
    if not isinstance(found, spandrel.ImageModelDescriptor) or (found.input_channels, found.output_channels) != (3, 3):
        raise WeightsError(
            f"a model of {found.architecture.name} that does not turn one RGB picture into another", subject=path
        )
    return found.model


def _their_name(device: str) -> str:
    import torch

    if device == "cpu":
        return device
    if torch.backends.mps.is_available():
        return "mps"
    return device.replace("gpu", "cuda" if torch.cuda.is_available() else "xpu")


_BYTES = 18.5  # for each feature of a pixel, measured


class _Session:
    backend = "torch"
    budget: int | None = None

    def __init__(self, network: Any, scale: int | None, device: str, precision: str, threads: int | None) -> None:
        import torch

        forks.use_threads()
        if threads is not None and threads != torch.get_num_threads():
            raise ConfigError(
                (
                    f"threads {threads} cannot be set for the torch backend: the whole program shares its "
                    f"{torch.get_num_threads()}"
                ),
                hint="set OMP_NUM_THREADS, or use another backend",
            )
        self.device, self.precision = device, precision
        self.threads: int | None = torch.get_num_threads() if device == "cpu" else None
        self._scale, self._device = scale, _their_name(device)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        network = network.eval().requires_grad_(False).to(self._device)
        self._network = network.to(memory_format=torch.channels_last)

    def bytes_a_pixel(self, features: float) -> float:
        return _BYTES * features

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        forks.use_threads()
        narrow = torch.autocast(self._device.partition(":")[0], self._dtype, enabled=self.precision == "bf16")
        try:
            with torch.inference_mode(), narrow:
                batch = torch.from_numpy(image).to(self._device)
                batch = batch.contiguous(memory_format=torch.channels_last)
                result = self._network(batch) if self._scale is None else self._network(batch, self._scale)
                array: NDArray[np.float32] = np.ascontiguousarray(result.float().cpu().numpy())
        except RuntimeError as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise failure(self.device, f"torch failed on an input of shape {image.shape}: {lines[0]}") from None
        return array
