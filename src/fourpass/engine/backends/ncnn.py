"""ncnn: on the processor, by Winograd's convolutions, and on any GPU with a Vulkan driver, in a process of its own."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import forks
from fourpass.engine import graphs, hardware
from fourpass.engine.backends import Session, ncnn_worker
from fourpass.engine.graphs import ncnn_files
from fourpass.engine.sources import NcnnFiles, OurWeights, Source
from fourpass.errors import BackendError

_MARGIN = 1.15  # over the estimate from the graph; docs/explanation/engine.md compares it with measurements
_SHARE = 0.7  # of a GPU's free memory: others use it too
_NEAR = 1.0  # largest error of half precision, in levels of 255


class Ncnn:
    """See `fourpass.engine.backends.Backend`."""

    sources: tuple[type, ...] = (OurWeights, NcnnFiles)

    def missing(self) -> str | None:
        if importlib.util.find_spec("ncnn"):
            return None
        return "ncnn is not installed; install it with: pip install ncnn"

    def preferred_device(self) -> str:
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"gpu:{number}" for number in range(len(ncnn_worker.gpus()))))

    def describe(self, device: str) -> str:
        return "" if device == "cpu" else ncnn_worker.gpus()[int(device.partition(":")[2])].name

    def emulated(self) -> tuple[str, ...]:
        return tuple(f"gpu:{number}" for number, gpu in enumerate(ncnn_worker.gpus()) if gpu.software)

    def precisions(self, device: str) -> tuple[str, ...]:
        return ("fp32",) if device == "cpu" else ("fp16", "fp32")

    def load(self, source: Source, device: str, precision: str, threads: int | None) -> Session:
        forks.use_threads()
        if isinstance(source, NcnnFiles):
            layers = ncnn_files.parse(source.param.read_text(encoding="ascii"))
            return _session(source.param, source.content, source.ends, layers, device, precision, threads)
        assert isinstance(source, OurWeights)
        from fourpass.engine.graphs.ncnn import NcnnLayers

        if source.scale is None:
            param, content = graphs.write_scores(source.weights, NcnnLayers).files()
        else:
            param, content = graphs.write(source.weights, source.scale, NcnnLayers).files()
        # By way of files: ncnn keeps no copy of weights that it reads from memory.
        with tempfile.TemporaryDirectory(prefix="fourpass-") as folder:
            files = Path(folder, "network.param"), Path(folder, "network.bin")
            files[0].write_text(param, encoding="ascii")
            files[1].write_bytes(content)
            ends = NcnnLayers.image, NcnnLayers.output
            return _session(*files, ends, ncnn_files.parse(param), device, precision, threads)


def _session(
    param: Path,
    content: Path,
    ends: tuple[str, str],
    layers: list[ncnn_files.Layer],
    device: str,
    precision: str,
    threads: int | None,
) -> Session:
    bytes_a_pixel = _MARGIN * ncnn_files.bytes_a_pixel(layers)
    if device == "cpu":
        from fourpass.engine.backends.ncnn_network import NcnnNetwork

        threads = threads or hardware.usable_cpus()
        network = NcnnNetwork(param, content, ends, threads=threads)
        return _Session(network, device, "fp32", threads, bytes_a_pixel, None)
    gpu = int(device.partition(":")[2])
    worker = ncnn_worker.Worker(param, content, ends, gpu=gpu)
    if precision == "fp16":
        narrow = ncnn_worker.Worker(param, content, ends, gpu=gpu, fp16=True)
        if _agree(worker, narrow):
            worker = narrow
        else:
            precision = "fp32"
    budget = int(_SHARE * ncnn_worker.gpus()[gpu].memory)
    return _Session(worker, device, precision, None, bytes_a_pixel, budget)


def _agree(wide: ncnn_worker.Worker, narrow: ncnn_worker.Worker) -> bool:
    """Check whether half precision changes a small picture by almost nothing; NaN counts as a change."""
    y, x = np.mgrid[0:16, 0:16].astype(np.float32) / 16
    picture = np.stack([255 * x, 255 * y, 255 * (x > y)]).astype(np.float32)
    expected, found = wide.run(picture), narrow.run(picture)
    # Networks for 0..1 and for 0..255 alike: near white's value, whichever that is.
    return bool(np.abs(found - expected).max() <= _NEAR * max(float(np.abs(expected).max()), 1) / 255)


class _Session:
    backend = "ncnn"

    def __init__(
        self,
        network: Any,
        device: str,
        precision: str,
        threads: int | None,
        bytes_a_pixel: float,
        budget: int | None,
    ) -> None:
        self.device, self.precision, self.threads, self.budget = device, precision, threads, budget
        self._network, self._bytes = network, bytes_a_pixel

    def bytes_a_pixel(self, features: float) -> float:
        return self._bytes

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        from fourpass.engine.backends.ncnn_network import Failed

        forks.use_threads()
        if image.ndim != 4 or image.shape[1] != 3 or not image.size:
            raise BackendError(f"ncnn failed on an input of shape {image.shape}: it takes (N, 3, H, W)")
        try:
            return np.stack([self._network.run(picture) for picture in image])
        except Failed as error:
            raise BackendError(
                f"ncnn failed on an input of shape {image.shape} (code {error}): out of memory"
            ) from None
