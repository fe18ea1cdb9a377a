"""Weights on disk: safetensors with strict metadata, a content hash, and interpolation between relatives. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.disk import atomic
from fourpass.errors import ConfigError, WeightsError

FORMAT = "fourpass-1"
PACKAGED = Path(__file__).parent / "packaged"


@dataclass(frozen=True)
class Metadata:
    """What a weights file says of itself.

    Attributes:
        architecture: key of the network, for example ``eusr`` (see `fourpass.models.BUILDERS`).
        numbers: the numbers that the network is built from, for example ``{"features": 64, ...}``.
        lineage: id of the run that these weights descend from; weights of one lineage can be interpolated.
        data: what they were trained on, in words.
        steps: training steps behind them, all phases together.
        licence: SPDX identifier of the licence that the weights are under.
        note: anything else worth knowing; may be empty.
    """

    architecture: str
    numbers: Mapping[str, Any]
    lineage: str
    data: str
    steps: int
    licence: str
    note: str = ""


@dataclass(frozen=True)
class Weights:
    """Named float32 arrays (PyTorch layouts: convolutions OIHW, linear layers (out, in)) and their metadata."""

    tensors: Mapping[str, NDArray[np.float32]]
    metadata: Metadata
    source: str = field(default="memory")

    @property
    def sha256(self) -> str:
        """Hash of the tensors' names, shapes and float32 values; equal for equal weights wherever they lie."""
        return _digest(self.tensors)


def load(path: str | os.PathLike[str]) -> Weights:
    """Read and check a weights file.

    Args:
        path: a ``.safetensors`` file written by `save`, or the name of a packaged one (``eusr``).

    Returns:
        the weights, as float32 whatever the file stores.

    Raises:
        WeightsError: the file is missing, cut short, damaged, or its metadata has a missing or unknown key.
    """
    from safetensors import SafetensorError, safe_open

    file = locate(path)
    try:
        with safe_open(file, framework="numpy") as handle:
            header = handle.metadata() or {}
            stored = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{file}: not a whole safetensors file ({error}); fetch or convert it again") from None
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror or error})") from None
    metadata, sha256 = _parse(header, file)
    if _digest(stored) != sha256:
        raise WeightsError(f"{file}: contents do not match their sha256, so the file is damaged; fetch it again")
    tensors = {name: np.asarray(value, np.float32) for name, value in stored.items()}
    return Weights(tensors, metadata, str(file))


def save(weights: Weights, path: str | os.PathLike[str], *, half: bool = True) -> None:
    """Write weights atomically: the old file stays whole until the new one is.

    Args:
        weights: what to write.
        path: the ``.safetensors`` file.
        half: store float16; float32 otherwise.

    Raises:
        WeightsError: a value is not finite (or does not fit float16), or the folder cannot be written.
    """
    from safetensors.numpy import save as serialise

    dtype = np.float16 if half else np.float32
    with np.errstate(over="ignore"):
        stored = {name: np.ascontiguousarray(value, dtype) for name, value in weights.tensors.items()}
    for name, value in stored.items():
        if not np.isfinite(value).all():
            raise WeightsError(f"{name}: holds values that are not finite in {np.dtype(dtype)}; nothing was written")
    header = {"format": FORMAT, "sha256": _digest(stored)}
    for item in fields(Metadata):
        value = getattr(weights.metadata, item.name)
        header[item.name] = json.dumps(dict(value), sort_keys=True) if item.name == "numbers" else str(value)
    atomic.write(path, serialise(stored, metadata=header), WeightsError)


def locate(name: str | os.PathLike[str]) -> Path:
    """Return the file that a name or path of weights means.

    Raises:
        WeightsError: there is no such file and no such packaged name.
    """
    path = Path(name)
    if path.is_file():
        return path
    packaged = PACKAGED / f"{name}.safetensors"
    if os.sep not in str(name) and packaged.is_file():
        return packaged
    known = ", ".join(available()) or "none"
    raise WeightsError(f"{name}: no such weights file, and not one of the packaged ones ({known})")


def available() -> list[str]:
    """Names of the packaged weights, sorted."""
    return sorted(file.stem for file in PACKAGED.glob("*.safetensors"))


def interpolate(a: Weights, b: Weights, t: float) -> Weights:
    """Blend two sets of weights of one lineage: (1 - t) * a + t * b.

    Args:
        a: weights at t = 0.
        b: weights at t = 1.
        t: 0..1.

    Raises:
        ConfigError: t is outside 0..1.
        WeightsError: architecture, numbers, lineage or tensor names differ.
    """
    if not 0 <= t <= 1:
        raise ConfigError(f"interpolation factor {t} is not within 0..1")
    _check_relatives(a, b, "interpolated", "; blend their pixels instead (--blend-pixels)")
    if t in (0, 1):
        return (a, b)[int(t)]
    mixed = {
        name: (np.float32(1 - t) * value + np.float32(t) * b.tensors[name]).astype(np.float32)
        for name, value in a.tensors.items()
    }
    first, second = a.metadata, b.metadata
    note = f"{1 - t:g} of {first.note or 'the first'} and {t:g} of {second.note or 'the second'}"
    return Weights(mixed, replace(first, note=note), f"{a.source} + {b.source}")


def average(members: Sequence[Weights]) -> Weights:
    """Average weights of one lineage, say of runs that start alike and draw other patches (arXiv 2203.05482).

    What each of them found by itself fades; what all found stays.

    Args:
        members: at least one.

    Returns:
        float32 weights with the first one's metadata.

    Raises:
        WeightsError: none are given, or architecture, numbers, lineage or tensor names differ.
    """
    if not members:
        raise WeightsError("no weights to average; give at least one")
    first = members[0]
    for other in members[1:]:
        _check_relatives(first, other, "averaged")
    tensors = {
        name: np.asarray(np.mean([np.asarray(member.tensors[name], np.float32) for member in members], axis=0))
        for name in first.tensors
    }
    return Weights(tensors, first.metadata, " + ".join(member.source for member in members))


def _check_relatives(a: Weights, b: Weights, done: str, hint: str = "") -> None:
    for name in ("architecture", "numbers", "lineage"):
        one, other = getattr(a.metadata, name), getattr(b.metadata, name)
        if one != other:
            raise WeightsError(
                f"{a.source} and {b.source} cannot be {done}: {name} is {one!r} in one and {other!r} in the other{hint}"
            )
    if a.tensors.keys() != b.tensors.keys():
        odd = sorted(a.tensors.keys() ^ b.tensors.keys())[0]
        raise WeightsError(f"{a.source} and {b.source} cannot be {done}: {odd} is in one only")


def _parse(header: Mapping[str, str], file: Path) -> tuple[Metadata, str]:
    known = {item.name for item in fields(Metadata)} | {"format", "sha256"}
    if header.get("format") != FORMAT:
        raise WeightsError(
            f"{file}: metadata has format {header.get('format')!r}, not {FORMAT!r}; turn it into ours with: "
            f"fourpass convert {file.name}"
        )
    for key in sorted(known - header.keys()):
        raise WeightsError(f"{file}: metadata lacks the key {key!r}; write the file with fourpass")
    for key in sorted(header.keys() - known):
        raise WeightsError(f"{file}: metadata has the unknown key {key!r}; known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {key: header[key] for key in known - {"format", "sha256"}}
    try:
        values["numbers"] = json.loads(values["numbers"])
        values["steps"] = int(values["steps"])
        if not isinstance(values["numbers"], dict):
            raise ValueError("numbers is not an object")
    except ValueError as error:
        raise WeightsError(f"{file}: metadata is damaged ({error}); fetch the file again") from None
    return Metadata(**values), header["sha256"]


def _digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Hash over float32 values, so that a float16 file and its float32 reading hash alike."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name], np.float32)
        digest.update(f"{name} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
