"""The engine: which backend, device, precision and threads a network runs with, and why."""

from __future__ import annotations

from collections.abc import Sequence

from fourpass.engine import backends, guard, measuring
from fourpass.engine.sources import NcnnFiles, OnnxFile, OurWeights, Source, TorchFile
from fourpass.errors import BackendError, ConfigError

_PRECISIONS = ("auto", "fp32", "bf16", "fp16")


class Engine:
    """Runs networks. Give one engine to several upscalers, or let each make its own.

    Args:
        backend: a key of `fourpass.engine.backends.BACKENDS`, or ``auto``: what was measured to be fastest, else the
            first that is installed and has the device. Name one if results must be the same to the last digit.
        device: ``auto``, ``cpu``, ``gpu`` (the first), ``gpu:1``, ``npu``, or part of a GPU's name. ``auto`` is what
            was measured, or what the backend prefers.
        precision: ``fp32``, ``bf16``, ``fp16``, or ``auto``: bf16 where the processor has instructions for it, fp16 on
            a GPU whose results stay within 1/255 with it, else fp32.
        threads: processor threads. Default: the backend decides.

    Attributes:
        backend, device, precision, threads: what runs; ``auto`` may change it when a network is loaded.
        reason: why this backend was chosen, in words.

    Raises:
        ConfigError: an unknown value, or a precision that the backend does not run well on this machine.
        BackendError: the backend is not installed, no backend is installed, or there is no such device.
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
        self._asked = (backend, device, precision)
        self.threads = threads
        self.backend, self._backend, self.device = _find(backends.order() if backend == "auto" else [backend], device)
        self.reason = "asked for" if backend != "auto" else "the first that is installed"
        offered = self._backend.precisions(self.device)
        if precision == "auto":
            precision = offered[0]
        elif precision not in offered:
            raise ConfigError(
                f"precision {precision} does not run well with {self.backend} on this machine ({', '.join(offered)})",
                hint="use auto",
            )
        self.precision = precision
        self._settled = backend != "auto" or device not in ("auto", "gpu")

    def load(self, source: Source, pixels: int = 0) -> backends.Session:
        """Make a network ready to run.

        Args:
            source: the network.
            pixels: number of pixels of the picture. For a large one, ``auto`` measures what is fastest, once for
                each machine and network; for others it uses earlier measurements or its first choice.

        Raises:
            BackendError: this backend does not load such networks, or not this one.
            ConfigError: the threads cannot be set.
        """
        if self._asked[0] == "auto":
            self._choose(source, pixels)
        if not isinstance(source, self._backend.sources):
            able = [name for name in backends.BACKENDS if isinstance(source, backends.get(name).sources)]
            raise BackendError(
                f"the {self.backend} backend does not run {_KINDS[type(source)]}",
                subject=source,
                hint=f"use the backend {' or '.join(able)}",
            )

        def loader(device: str, precision: str) -> backends.Session:
            return self._backend.load(source, device, precision, self.threads)

        return guard.load(loader, self.device, self.precision)

    def may_measure(self, pixels: int) -> bool:
        """Return whether `load` may choose again for a picture of this many pixels."""
        return not self._settled and pixels >= measuring.LARGE

    def _choose(self, source: Source, pixels: int) -> None:
        """Choose what was measured to be fastest, or at least something that runs such networks."""
        _, device, precision = self._asked
        if not self._settled:
            key = measuring.key(source, device, precision, self.threads)
            found = measuring.kept(key)
            if not found and self.may_measure(pixels):
                found = measuring.compare(source, device, precision, self.threads, pixels)
                if found:
                    measuring.keep(key, found)
            here = {way: rate for way, rate in found.items() if _runs(way, source)}
            if here:
                best = max(here, key=lambda way: here[way])
                self._backend = backends.get(best.backend)
                self.backend, self.device, self.precision = best
                self.reason = f"the fastest of {len(here)} that were measured, {here[best]:.2f} megapixels a second"
                return
        if not isinstance(source, self._backend.sources):
            able = [name for name in backends.order() if isinstance(source, backends.get(name).sources)]
            self.backend, self._backend, self.device = _find(able, device)
            offered = self._backend.precisions(self.device)
            self.precision = precision if precision in offered else offered[0]
            self.reason = f"the first that is installed and runs {_KINDS[type(source)]}"


def _runs(way: measuring.Way, source: Source) -> bool:
    """Say whether what was measured is still here; cheap, so that a GPU that went away is noticed later."""
    return (
        way.backend in backends.BACKENDS
        and backends.get(way.backend).missing() is None
        and isinstance(source, backends.get(way.backend).sources)
    )


_KINDS: dict[type, str] = {
    OurWeights: "weights of ours",
    OnnxFile: "ONNX files",
    NcnnFiles: "ncnn's files",
    TorchFile: "PyTorch files of other makers",
}


def _find(names: Sequence[str], device: str) -> tuple[str, backends.Backend, str]:
    """Return the first backend that is installed and has a device, its name, and what the device is to it."""
    reasons = []
    for name in names:
        backend = backends.get(name)
        reason = backend.missing()
        if reason is None:
            found = _device(backend, device)
            if found:
                return name, backend, found
            reason = f"{name} has no device {device} here, only {', '.join(backend.devices())}"
        reasons.append(reason)
    raise BackendError("; ".join(reasons))


def _device(backend: backends.Backend, wanted: str) -> str | None:
    preferred = backend.preferred_device()
    if wanted in ("auto", preferred):
        return preferred
    devices = backend.devices()
    named = (one for one in devices if wanted.lower() in backend.describe(one).lower())
    return next((one for one in devices if wanted in (one, one.partition(":")[0])), None) or next(named, None)
