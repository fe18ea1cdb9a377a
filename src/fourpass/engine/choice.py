"""The engine that a network runs on: which backend, device, precision and threads, and why."""

from __future__ import annotations

from fourpass.engine import backends
from fourpass.engine.sources import OnnxFile, OurWeights, Source
from fourpass.errors import BackendError, ConfigError

_PRECISIONS = ("auto", "fp32", "bf16")


class Engine:
    """Runs networks. Give one engine to several upscalers, or let each make its own.

    Args:
        backend: a key of `fourpass.engine.backends.BACKENDS`, or ``auto``: the first that is installed and has the
            device.
        device: ``auto``, ``cpu``, ``gpu`` (the first), ``gpu:1`` or ``npu``. ``auto`` is what the backend prefers.
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the processor has instructions for it, else fp32.
        threads: how many on a processor; None leaves it to the backend.

    Attributes:
        backend, device, precision, threads: what runs.
        reason: why this backend, in words.
        bytes_a_feature: see `fourpass.engine.backends.Backend`.

    Raises:
        ConfigError: a value is unknown, or the precision is one that the backend does not run well here.
        BackendError: the backend is not installed, none is, or there is no such device.
    """

    def __init__(
        self,
        backend: str = "auto",
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        if precision not in _PRECISIONS:
            raise ConfigError(f"precision {precision!r} is not one of {', '.join(_PRECISIONS)}")
        if threads is not None and threads < 1:
            raise ConfigError(f"threads is {threads}", hint="it must be at least 1")
        self.backend, self._backend, self.device = _find(backend, device)
        self.reason = (
            "asked for"
            if backend != "auto"
            else f"the first of these that is installed: {', '.join(backends.BACKENDS)}"
        )
        offered = self._backend.precisions(self.device)
        if precision == "auto":
            precision = offered[0]
        elif precision not in offered:
            raise ConfigError(
                f"precision {precision} is not one that {self.backend} runs well on this machine "
                f"({', '.join(offered)})",
                hint="take auto",
            )
        self.precision = precision
        self.threads = threads
        self.bytes_a_feature = self._backend.bytes_a_feature

    def load(self, source: Source) -> backends.Session:
        """Make a network ready to run.

        Raises:
            BackendError: this backend does not load such networks, or not this one.
            ConfigError: the threads cannot be set.
        """
        if not isinstance(source, self._backend.sources):
            able = [name for name in backends.BACKENDS if isinstance(source, backends.get(name).sources)]
            raise BackendError(
                f"the {self.backend} backend does not run {_KINDS[type(source)]}",
                subject=source,
                hint=f"take the backend {' or '.join(able)}",
            )
        return self._backend.load(source, self.device, self.precision, self.threads)


_KINDS = {OurWeights: "weights of ours", OnnxFile: "ONNX files"}


def _find(name: str, device: str) -> tuple[str, backends.Backend, str]:
    """Return the first backend that is installed and has a device, its name, and what the device is to it."""
    reasons = []
    for candidate in backends.BACKENDS if name == "auto" else (name,):
        backend = backends.get(candidate)
        reason = backend.missing()
        if reason is None:
            found = _device(backend, device)
            if found:
                return candidate, backend, found
            reason = f"{candidate} has no device {device} here, only {', '.join(backend.devices())}"
        reasons.append(reason)
    raise BackendError("; ".join(reasons))


def _device(backend: backends.Backend, wanted: str) -> str | None:
    preferred = backend.preferred_device()
    if wanted in ("auto", preferred):
        return preferred
    return next((one for one in backend.devices() if wanted in (one, one.partition(":")[0])), None)
