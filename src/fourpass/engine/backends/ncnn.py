"""ncnn: on the processor, by Winograd's convolutions, and on any GPU with a Vulkan driver. Float32."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import graphs, hardware
from fourpass.engine.backends import Session
from fourpass.engine.sources import OurWeights, Source
from fourpass.errors import BackendError

# What a child process runs to see GPUs: a driver that crashes or talks does so there.
_LOOK = (
    "import json, ncnn; print(json.dumps([ncnn.get_gpu_info(i).device_name() for i in range(ncnn.get_gpu_count())]))"
)
_LOOK_SECONDS = 20


class Ncnn:
    """See `fourpass.engine.backends.Backend`."""

    sources: tuple[type, ...] = (OurWeights,)
    bytes_a_feature = 70.0  # of EUSR at x2; 41 at x4, and 9 to 12 of Swift: Winograd unfolds what it convolves

    def missing(self) -> str | None:
        if importlib.util.find_spec("ncnn"):
            return None
        return "ncnn is not installed; bring it with: pip install 'fourpass[ncnn]'"

    def preferred_device(self) -> str:
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"gpu:{number}" for number in range(len(gpus()))))

    def precisions(self, device: str) -> tuple[str, ...]:
        return ("fp32",)

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        assert isinstance(source, OurWeights)
        return _Session(source, device, threads)


@cache
def gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that Vulkan shows, found out by a child process; none where that fails."""
    try:
        ran = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, timeout=_LOOK_SECONDS, check=True)
        return tuple(json.loads(ran.stdout.decode().strip().splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return ()


class _Session:
    backend = "ncnn"
    precision = "fp32"

    def __init__(self, source: OurWeights, device: str, threads: int | None) -> None:
        from fourpass.engine.graphs.ncnn import NcnnLayers

        forks.use_threads()
        if source.scale is None:
            param, content = graphs.write_scores(source.weights, NcnnLayers).files()
        else:
            param, content = graphs.write(source.weights, source.scale, NcnnLayers).files()
        self.device = device
        on_gpu = device.startswith("gpu")
        self.threads: int | None = None if on_gpu else threads or hardware.usable_cpus()
        self._network = _load(param, content, int(device.partition(":")[2]) if on_gpu else None, self.threads)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        forks.use_threads()
        if image.ndim != 4 or image.shape[1] != 3 or not image.size:
            raise BackendError(f"ncnn failed on an input of shape {image.shape}: it takes (N, 3, H, W)")
        return np.stack([self._once(picture) for picture in image])

    def _once(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        import ncnn

        picture = np.ascontiguousarray(picture, np.float32)  # the Mat borrows it until it is cloned
        extractor = self._network.create_extractor()
        extractor.input("image", ncnn.Mat(picture).clone())
        failed, result = extractor.extract("upscaled")
        if failed:
            shape = (1, *picture.shape)
            raise BackendError(f"ncnn failed on an input of shape {shape}: out of memory, or a device that went away")
        return np.array(result)


def _load(param: str, content: bytes, gpu: int | None, threads: int | None) -> Any:
    """Load a network by way of files: ncnn keeps no copy of weights that it reads from memory."""
    import ncnn

    network = ncnn.Net()
    options = network.opt
    options.num_threads = threads or 1
    options.use_vulkan_compute = gpu is not None
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
    options.use_bf16_storage = False
    if gpu is not None:
        network.set_vulkan_device(gpu)
    with tempfile.TemporaryDirectory(prefix="fourpass-") as folder:
        files = Path(folder, "network.param"), Path(folder, "network.bin")
        files[0].write_text(param, encoding="ascii")
        files[1].write_bytes(content)
        if network.load_param(str(files[0])) or network.load_model(str(files[1])):
            raise BackendError("ncnn cannot load the model: not a network that this version of it knows")
    return network
