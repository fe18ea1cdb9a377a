"""PyTorch, for who has it already: on CUDA or Apple's MPS when there, else on the CPU. Only weights of ours."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import hardware
from fourpass.engine.backends import Model, Session
from fourpass.errors import BackendError, ConfigError


class Torch:
    """See `fourpass.engine.backends.Backend`."""

    def missing(self) -> str | None:
        if importlib.util.find_spec("torch"):
            return None
        return "torch is not installed; bring it with: pip install 'fourpass[train]'"

    def precisions(self) -> tuple[str, ...]:
        import torch

        if _device() == "cuda":
            return ("fp32", "bf16") if torch.cuda.is_bf16_supported() else ("fp32",)
        if _device() == "cpu" and hardware.bf16_instructions():
            return ("bf16", "fp32")
        return ("fp32",)

    def load(self, model: Model, precision: str, threads: int | None) -> Session:
        return _Session(model, precision, threads)


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class _Session:
    backend = "torch"

    def __init__(self, model: Model, precision: str, threads: int | None) -> None:
        import torch

        forks.use_threads()
        if model.weights is None:
            raise BackendError("the torch backend runs weights of ours, not ONNX files; take openvino or onnxruntime")
        if threads is not None and threads != torch.get_num_threads():
            raise ConfigError(
                f"threads {threads} cannot be set for the torch backend: the whole program shares its "
                f"{torch.get_num_threads()}; set OMP_NUM_THREADS, or take another backend"
            )
        from fourpass.models import build

        self.device = _device()
        self.precision = precision
        self.threads: int | None = torch.get_num_threads() if self.device == "cpu" else None
        self._scale = model.scale
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        network: Any = build(model.weights).eval().requires_grad_(False).to(self.device)
        self._network = network.to(memory_format=torch.channels_last)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        forks.use_threads()
        narrow = torch.autocast(self.device, self._dtype, enabled=self.precision == "bf16")
        try:
            with torch.inference_mode(), narrow:
                batch = torch.from_numpy(image).to(self.device)
                result = self._network(batch.contiguous(memory_format=torch.channels_last), self._scale)
                array: NDArray[np.float32] = np.ascontiguousarray(result.float().cpu().numpy())
        except RuntimeError as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise BackendError(f"torch failed on an input of shape {image.shape}: {lines[0]}") from None
        return array
