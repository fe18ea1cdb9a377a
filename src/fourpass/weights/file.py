"""Weights on disk: safetensors with strict metadata and a content hash. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.disk import atomic
from fourpass.errors import WeightsError

FORMAT = "fourpass-1"
PACKAGED = Path(__file__).parents[1] / "packaged"


@dataclass(frozen=True)
class Metadata:
    """The metadata of a weights file.

    Attributes:
        architecture: key of the network, for example ``eusr`` (see `fourpass.models.BUILDERS`).
        numbers: the numbers that the network is built from, for example ``{"features": 64, ...}``.
        lineage: id of the run that these weights descend from; weights of one lineage can be interpolated.
        data: what they were trained on, in words.
        steps: training steps behind them, all phases together.
        licence: SPDX identifier of the licence that the weights are under.
        note: anything else worth knowing; may be empty.
        family: packaged weights that blend with each other carry one name, see `fourpass.weights.family`.
        corner: axis -> 0 or 1, where in its family these weights lie; an axis that is left out is 0.
        defaults: axis -> scale -> position, the default positions of the family's dials; stored in the weights whose
            corner is 0 on every axis.
    """

    architecture: str
    numbers: Mapping[str, Any]
    lineage: str
    data: str
    steps: int
    licence: str
    note: str = ""
    family: str = ""
    corner: Mapping[str, float] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


_OPTIONAL = ("family", "corner", "defaults")  # written only where they say something; older files lack them
_AS_JSON = ("numbers", "corner", "defaults")


@dataclass(frozen=True)
class Weights:
    """Named float32 arrays (PyTorch layouts: convolutions OIHW, linear layers (out, in)) and their metadata."""

    tensors: Mapping[str, NDArray[np.float32]]
    metadata: Metadata
    source: str = field(default="memory")

    @property
    def sha256(self) -> str:
        """Hash of the tensors' names, shapes and float32 values; equal weights have equal hashes in any file."""
        return _digest(self.tensors)


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Read the metadata of a weights file without its tensors. Raises as `load` does."""
    file = locate(path)
    with _opened(file) as handle:
        return _parse(handle.metadata() or {}, file)[0]


def load(path: str | os.PathLike[str]) -> Weights:
    """Read and check a weights file.

    Args:
        path: a ``.safetensors`` file written by `save`, or the name of a packaged one (``eusr``).

    Returns:
        the weights, as float32 whatever the file stores.

    Raises:
        WeightsError: the file is missing, cut short, damaged, or its metadata has a missing or unknown key.
    """
    file = locate(path)
    with _opened(file) as handle:
        header = handle.metadata() or {}
        stored = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    metadata, sha256 = _parse(header, file)
    if _digest(stored) != sha256:
        raise WeightsError(
            "contents do not match their sha256, so the file is damaged", subject=file, hint="fetch it again"
        )
    tensors = {name: np.asarray(value, np.float32) for name, value in stored.items()}
    return Weights(tensors, metadata, str(file))


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a safetensors file; its library's errors become fourpass errors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as handle:
            yield handle
    except SafetensorError as error:
        raise WeightsError(
            f"not a complete safetensors file ({error})", subject=file, hint="fetch or convert it again"
        ) from None
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error})", subject=file) from None


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
            raise WeightsError(
                f"contains values that are not finite in {np.dtype(dtype)}", subject=name, hint="nothing was written"
            )
    header = {"format": FORMAT, "sha256": _digest(stored)}
    for item in fields(Metadata):
        value = getattr(weights.metadata, item.name)
        if value or item.name not in _OPTIONAL:
            header[item.name] = json.dumps(value, sort_keys=True) if item.name in _AS_JSON else str(value)
    atomic.write(path, serialise(stored, metadata=header), WeightsError)


def locate(name: str | os.PathLike[str]) -> Path:
    """Return the file that a name or path of weights means.

    Raises:
        WeightsError: no such file and no such packaged name.
    """
    path = Path(name)
    if path.is_file():
        return path
    packaged = PACKAGED / f"{name}.safetensors"
    if os.sep not in str(name) and packaged.is_file():
        return packaged
    known = ", ".join(available()) or "none"
    raise WeightsError(f"no such weights file, and not one of the packaged ones ({known})", subject=name)


def is_ours(path: str | os.PathLike[str]) -> bool:
    """Return whether a file claims to be fourpass weights, even if it is damaged."""
    try:
        with _opened(Path(path)) as handle:
            return str((handle.metadata() or {}).get("format", "")) == FORMAT
    except WeightsError:
        return False


def available() -> list[str]:
    """Names of the packaged weights, sorted."""
    return sorted(file.stem for file in PACKAGED.glob("*.safetensors"))


def _parse(header: Mapping[str, str], file: Path) -> tuple[Metadata, str]:
    known = {item.name for item in fields(Metadata)} | {"format", "sha256"}
    if header.get("format") != FORMAT:
        raise WeightsError(
            f"metadata has format {header.get('format')!r}, not {FORMAT!r}",
            subject=file,
            hint=f"convert it with: fourpass convert {file.name}",
        )
    for key in sorted(known - header.keys() - set(_OPTIONAL)):
        raise WeightsError(f"metadata lacks the key {key!r}", subject=file, hint="write the file with fourpass")
    for key in sorted(header.keys() - known):
        raise WeightsError(
            f"metadata has the unknown key {key!r}", subject=file, hint=f"known keys are {', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {key: value for key, value in header.items() if key not in ("format", "sha256")}
    try:
        values["steps"] = int(values["steps"])
        for key in values.keys() & set(_AS_JSON):
            values[key] = json.loads(values[key])
            if not isinstance(values[key], dict):
                raise ValueError(f"{key} is not an object")
    except ValueError as error:
        raise WeightsError(f"metadata is damaged ({error})", subject=file, hint="fetch the file again") from None
    return Metadata(**values), header["sha256"]


def _digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Hash over float32 values, so that a float16 file and its float32 reading hash alike."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name], np.float32)
        digest.update(f"{name} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
