"""A session that survives its device: if that runs out of memory, fails or returns nonsense, another one takes over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fourpass.engine.backends import DeviceLost, OutOfDeviceMemory, Session

_SMALLEST = 64  # side in pixels; where so little does not fit, the processor takes over
_log = logging.getLogger("fourpass")

# Loads the same network: (device, precision) -> session.
Loader = Callable[[str, str], Session]


def load(loader: Loader, device: str, precision: str) -> Session:
    """Load a network on a device, or on the processor if the device cannot, with a one-line warning.

    A network on the processor is returned as it is.
    """
    if device == "cpu":
        return loader(device, precision)
    try:
        return _Guarded(loader, loader(device, precision))
    except (DeviceLost, OutOfDeviceMemory) as error:
        _warn(f"{error}; the processor takes over")
        return loader("cpu", "fp32")


def _warn(message: str) -> None:
    _log.warning("fourpass: %s", message)


class _Guarded:
    """See `fourpass.engine.backends.Session`. One thread at a time uses the device; the others wait."""

    def __init__(self, loader: Loader, session: Session) -> None:
        self._loader, self._session = loader, session
        self._lock = threading.Lock()
        self._too_large = float("inf")  # pixels that did not fit

    @property
    def backend(self) -> str:
        return self._session.backend

    @property
    def device(self) -> str:
        return self._session.device

    @property
    def precision(self) -> str:
        return self._session.precision

    @property
    def threads(self) -> int | None:
        return self._session.threads

    @property
    def budget(self) -> int | None:
        return self._session.budget

    def bytes_a_pixel(self, features: float) -> float:
        return self._session.bytes_a_pixel(features)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._lock:
            session = self._session
            if session.device != "cpu":
                return self._on_device(image)
        return session.run(image)

    def _on_device(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = image.shape[2] * image.shape[3]
        try:
            if pixels >= self._too_large:
                raise OutOfDeviceMemory("a smaller input did not fit")
            result = self._session.run(image)
        except OutOfDeviceMemory as error:
            if min(image.shape[2:]) > _SMALLEST:
                if self._too_large == float("inf"):
                    _warn(f"{error}; smaller tiles are used")
                self._too_large = min(self._too_large, pixels)
                raise
            return self._move("cpu", "fp32", str(error), image)
        except DeviceLost as error:
            return self._move("cpu", "fp32", str(error), image)
        if self._session.precision != "fp32" and not np.isfinite(result).all():
            narrow = self._session.precision
            return self._move(self.device, "fp32", f"{narrow} produced values that are not finite", image)
        return result

    def _move(self, device: str, precision: str, why: str, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Switch to another device permanently."""
        _warn(f"{why}; {'the processor' if device == 'cpu' else precision} takes over")
        try:
            self._session = self._loader(device, precision)
        except (DeviceLost, OutOfDeviceMemory) as error:
            return self._move("cpu", "fp32", str(error), image)
        return self._session.run(image) if device == "cpu" else self._on_device(image)
