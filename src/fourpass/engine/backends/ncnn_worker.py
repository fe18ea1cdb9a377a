"""Run ncnn in a child process: list the GPUs, and run a network where a crash does not end this process."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourpass.engine.backends import DeviceLost, OutOfDeviceMemory
from fourpass.engine.backends.ncnn_child import HEADER, write
from fourpass.engine.backends.ncnn_network import OUT_OF_MEMORY
from fourpass.engine.sources import NcnnFiles
from fourpass.errors import BackendError, WeightsError

_PROGRAM = (sys.executable, "-m", "fourpass.engine.backends.ncnn_child")
_LOOK_SECONDS = 20
_RUN_SECONDS = 300  # for one tile: a driver that hangs longer is taken for lost
# ncnn prints what Vulkan returned and, in places, goes on: vkQueueSubmit failed -4. Those are VkResult's codes.
_COMPLAINT = re.compile(rb"\b(vk\w+) failed (-\d+)")
_NO_MEMORY = (-1, -2)  # VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY


class Gpu(NamedTuple):
    """A device that Vulkan shows.

    Attributes:
        name: as its driver says it.
        software: whether it is emulated on the processor.
        memory: bytes of its memory that this program may use.
    """

    name: str
    software: bool
    memory: int


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that Vulkan lists, as found by a child process; none if that fails."""
    try:
        ran = subprocess.run([*_PROGRAM, "look"], capture_output=True, timeout=_LOOK_SECONDS, check=True, env=_path())
        return tuple(Gpu(**each) for each in json.loads(ran.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return ()


def check(source: NcnnFiles) -> None:
    """Load and run a pair of files that may be damaged, in a child process.

    Raises:
        WeightsError: they do not load, do not run, or crash ncnn.
        BackendError: ncnn is not installed.
    """
    if not importlib.util.find_spec("ncnn"):
        raise BackendError("ncnn is not installed", hint="install it with: pip install ncnn")
    worker = None
    try:
        worker = Worker(source.param, source.content, source.ends, gpu=None)
        worker.run(np.zeros((3, 64, 64), np.float32))
    except DeviceLost:
        raise WeightsError(
            f"ncnn crashes on it; the file or its {source.content.name} is damaged", subject=source
        ) from None
    except BackendError as error:
        raise WeightsError(str(error), subject=source) from None
    finally:
        if worker is not None:
            worker.close()


def _path() -> dict[str, str]:
    """Give the child this process's import path."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each), "PYTHONSAFEPATH": "1"}


class Worker:
    """A network in a child process; one picture at a time, callers wait in line.

    Args:
        param, content: the two files; they may be deleted once this returns.
        ends: names of the network's input and output.
        gpu, fp16, threads: see `fourpass.engine.backends.ncnn_network.NcnnNetwork`.

    Raises:
        BackendError: the network cannot be loaded.
        OutOfDeviceMemory: it does not fit.
        DeviceLost: the child died.
    """

    def __init__(
        self,
        param: Path,
        content: Path,
        ends: tuple[str, str],
        *,
        gpu: int | None,
        fp16: bool = False,
        threads: int = 1,
    ) -> None:
        wanted: dict[str, object] = {"param": str(param), "content": str(content), "ends": ends}
        wanted |= {"gpu": gpu, "fp16": fp16, "threads": threads}
        self._name = "the processor" if gpu is None else f"GPU {gpu}"
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="fourpass-")
        errors = Path(self._folder.name, "errors")
        self._said = b""
        with errors.open("wb") as said:
            self._process: Any = subprocess.Popen(
                [*_PROGRAM, "run", json.dumps(wanted)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=_path(),
            )
        self._errors = errors.open("rb")
        atexit.register(self.close)
        try:
            self._answer()
        except BackendError:
            self.close()
            raise

    def run(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map float32 (3, H, W) to the output.

        Raises:
            OutOfDeviceMemory: it was too large.
            DeviceLost: the driver crashed, hung, or lost the device; now, or in an earlier run.
            BackendError: ncnn fails for another reason.
        """
        with self._lock:
            timer = threading.Timer(_RUN_SECONDS, self._process.kill)
            timer.start()
            try:
                write(self._process.stdin, np.array((0, *picture.shape), "<i4").tobytes())
                write(self._process.stdin, np.ascontiguousarray(picture, "<f4").tobytes())
                self._process.stdin.flush()
                return self._answer()
            except (OSError, ValueError):
                raise self._lost() from None
            finally:
                timer.cancel()

    def close(self) -> None:
        """End the child."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):  # what was not sent yet
                stream.close()
        self._folder.cleanup()

    def __del__(self) -> None:
        if hasattr(self, "_errors"):
            self.close()

    def _answer(self) -> NDArray[np.float32]:
        header = self._process.stdout.read(HEADER.itemsize)
        if len(header) < HEADER.itemsize:
            raise self._lost()
        code, *shape = (int(each) for each in np.frombuffer(header, "<i4"))
        data = bytearray(4 * int(np.prod(shape)))
        if len(data) and self._process.stdout.readinto(data) < len(data):
            raise self._lost()
        self._complain()
        if code == OUT_OF_MEMORY:
            raise OutOfDeviceMemory(f"{self._name} has too little memory")
        if code:
            raise BackendError(f"ncnn cannot load or run it (code {code}){self._last_words()}")
        result: NDArray[np.float32] = np.frombuffer(data, "<f4").reshape(shape)
        return result

    def _complain(self) -> None:
        """Raise what the driver has said since the last time: ncnn goes on with whatever is in memory then."""
        found = _COMPLAINT.findall(self._news())
        if not found:
            return
        call, code = found[0][0].decode(), int(found[0][1])
        if code in _NO_MEMORY:
            raise OutOfDeviceMemory(f"{self._name} has too little memory ({call})")
        raise DeviceLost(f"{self._name} was lost ({call} gave {code})")

    def _news(self) -> bytes:
        news = self._errors.read()
        self._said = (self._said + news)[-2000:]
        return news

    def _last_words(self) -> str:
        self._news()
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        return f": {lines[-1][:120]}" if lines else ""

    def _lost(self) -> DeviceLost:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        how = f"ended with code {code}" if code is not None else "answers no more"
        return DeviceLost(f"{self._name} was lost: the process of its driver {how}")
