"""Measure how fast a network runs with each backend and device, in about a second, and remember it in a small file."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fourpass.disk import atomic
from fourpass.engine import backends, hardware
from fourpass.engine.sources import OurWeights, Source
from fourpass.engine.turns import cache_folder
from fourpass.errors import FourpassError

LARGE = 512 * 512  # pixels of input from which on measuring may pay
_WORTH = 10.0  # seconds that the work takes as it is, from which on others are tried
_SECONDS = 1.0  # after so much measuring no other way is begun
SIDE = 64  # of the picture that is measured
_KEPT = 100  # entries of the file


class Way(NamedTuple):
    """A way to run networks: backend, device and precision."""

    backend: str
    device: str
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} on {self.device} in {self.precision}"


def ways(source: Source, device: str, precision: str, *, every: bool = False) -> Iterator[Way]:
    """Yield the ways that a network can run here, the usual ones first.

    Args:
        source: the network.
        device: ``auto``, or the only one to take.
        precision: ``auto``, or the only one to take.
        every: also torch, which is slow to start, and precisions that ``auto`` would not take.
    """
    for name in backends.order():
        backend = backends.get(name)
        if backend.missing() or not isinstance(source, backend.sources) or (name == "torch" and not every):
            continue
        for there in backend.devices():
            if device not in ("auto", there, there.partition(":")[0]):
                continue
            if device == "auto" and there in backend.emulated():
                continue
            offered = backend.precisions(there)
            if precision != "auto":
                offered = tuple(each for each in offered if each == precision)
            yield from (Way(name, there, each) for each in (offered if every else offered[:1]))


def rate(way: Way, source: Source, threads: int | None, *, side: int = SIDE) -> float:
    """Return the megapixels of output per second, from one run after a warm-up run.

    Raises:
        FourpassError: the network does not run.
    """
    session = backends.get(way.backend).load(source, way.device, way.precision, threads)
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, side, side)).astype(np.float32)
    session.run(picture[..., :16, :16])
    start = time.perf_counter()
    result = session.run(picture)
    spent = time.perf_counter() - start
    return float(result[0, 0].size) / 1e6 / max(spent, 1e-9)


def compare(source: Source, device: str, precision: str, threads: int | None, pixels: int) -> dict[Way, float]:
    """Measure the ways to run a network for about a second; fewer than two measurements decide nothing.

    Args:
        source, device, precision, threads: see `Engine`.
        pixels: of the picture that is to run. Where the first way has done it in a few seconds, that is all.

    Returns:
        way -> megapixels of output per second.
    """
    start = time.monotonic()
    found: dict[Way, float] = {}
    for way in ways(source, device, precision):
        try:
            found[way] = rate(way, source, threads)
        except FourpassError:
            continue
        factor = source.scale if isinstance(source, OurWeights) and source.scale else 1
        if len(found) == 1 and pixels * factor**2 / 1e6 / found[way] < _WORTH:
            return {}
        if time.monotonic() - start > _SECONDS:
            break
    return found


def key(source: Source, device: str, precision: str, threads: int | None) -> str:
    """Return what a measurement is valid for: the machine, the versions, the network and the request."""
    versions = {name: _version(name) for name in backends.BACKENDS}
    if isinstance(source, OurWeights):
        about: Any = [source.weights.metadata.architecture, dict(source.weights.metadata.numbers), source.scale]
    else:
        about = str(source)
    machine = [platform.machine(), hardware.processor(), hardware.usable_cpus()]
    return json.dumps(
        [_version("fourpass"), machine, versions, about, device, precision, threads], sort_keys=True, default=str
    )


def kept(wanted: str) -> dict[Way, float]:
    """Return the measurements of a key; empty if there are none."""
    try:
        return {Way(*name.split("|")): float(value) for name, value in _entries().get(wanted, {}).items()}
    except (TypeError, ValueError, AttributeError):
        return {}


def keep(wanted: str, found: Mapping[Way, float]) -> None:
    """Save measurements; if the folder cannot be written, they are lost."""
    entries = _entries()
    entries.pop(wanted, None)
    entries[wanted] = {"|".join(way): value for way, value in found.items()}
    latest = dict(list(entries.items())[-_KEPT:])
    try:
        with atomic.whole(file(), durable=False) as stream:
            atomic.write_all(stream, json.dumps(latest, indent=1).encode())
    except (OSError, RuntimeError):
        return


def file() -> Path:
    """Return the file that measurements are saved in."""
    return cache_folder() / "speeds.json"


def _entries() -> dict[str, Any]:
    try:
        found = json.loads(file().read_bytes())
    except (OSError, ValueError, RuntimeError):  # no home, for example
        return {}
    return found if isinstance(found, dict) else {}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
