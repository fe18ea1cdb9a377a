"""One ncnn network, loaded from its two files and run on one picture. Used by this process and by its child."""

from __future__ import annotations

import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import BackendError

OUT_OF_MEMORY = -100  # what ncnn's layers return when they cannot allocate


class Failed(Exception):  # noqa: N818
    """ncnn returned a code; `OUT_OF_MEMORY` is one."""


@cache
def module() -> Any:
    """Import ncnn with threads that sleep while they wait for each other.

    By default they spin, which on a processor with other work too makes a network tens of times slower. The library
    reads the setting when it is loaded; whatever is loaded later does not see it.
    """
    name = "OMP_WAIT_POLICY"
    before = os.environ.get(name)
    os.environ.setdefault(name, "passive")
    try:
        return importlib.import_module("ncnn")
    finally:
        if before is None:
            os.environ.pop(name, None)


class NcnnNetwork:
    """A network that is loaded.

    Args:
        param, content: the two files. Not bytes: ncnn keeps no copy of weights that it reads from memory.
        ends: names of its input and output.
        gpu: number of the GPU, None for the processor.
        fp16: half precision, on a GPU.
        threads: on a processor.

    Raises:
        BackendError: ncnn cannot load it.
    """

    def __init__(
        self,
        param: Path,
        content: Path,
        ends: tuple[str, str],
        *,
        gpu: int | None = None,
        fp16: bool = False,
        threads: int = 1,
    ) -> None:
        ncnn = module()
        self._ends = ends
        self._network = ncnn.Net()
        options = self._network.opt
        options.num_threads = threads
        options.use_vulkan_compute = gpu is not None
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = fp16
        options.use_bf16_storage = False
        if gpu is not None:
            self._network.set_vulkan_device(gpu)
        if self._network.load_param(str(param)) or self._network.load_model(str(content)):
            raise BackendError(
                "ncnn cannot load the model: this version does not support it, or the file is incomplete"
            )

    def run(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map float32 (3, H, W) to the output.

        Raises:
            Failed: ncnn says so.
        """
        ncnn = module()
        extractor: Any = self._network.create_extractor()
        picture = np.ascontiguousarray(picture, np.float32)  # named: a Mat borrows its memory until it is cloned
        extractor.input(self._ends[0], ncnn.Mat(picture).clone())
        failed, result = extractor.extract(self._ends[1])
        if failed or result.empty():
            raise Failed(failed or OUT_OF_MEMORY)
        return np.array(result, np.float32)
