"""Everything an output's bytes depend on besides its input; a resumed run compares it with the earlier one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fourpass import __version__, weights
from fourpass.errors import ConfigError, WeightsError, missing_extra
from fourpass.jobs.one_file import UpscaleOptions
from fourpass.jobs.record import digest
from fourpass.weights import family


def settings(
    wanted: UpscaleOptions,
    *,
    model: str,
    strength: float | None = None,
    restore: float | str = "auto",
    backend: str = "auto",
    precision: str = "auto",
    perceptual: str | None = None,
    mask: Path | None = None,
    consistency: bool = False,
    blend_pixels: bool = False,
    wrap: bool = False,
) -> dict[str, Any]:
    """Return everything that an output depends on, as plain values: files by their contents, not by their names.

    Args:
        wanted: size and file options.
        model, strength, restore, backend, precision, perceptual, mask, consistency, blend_pixels, wrap:
            as ``fourpass upscale`` and the Upscalers take them.

    Raises:
        WeightsError: a weights file is not there, or cannot be read.
        ConfigError: the mask cannot be read.
    """
    used = weights_files(model, perceptual)
    try:
        hashes = [digest(file) for file in used]
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error})", subject=error.filename) from None
    try:
        painted = None if mask is None else digest(mask)
    except OSError as error:
        raise ConfigError(f"the strength map cannot be read ({error.strerror or error})", subject=mask) from None
    held = {
        "consistency": consistency,
        "strength_map": painted,
        "perceptual": perceptual is not None,
        "blend_pixels": blend_pixels,
        "wrap": wrap,
    }
    return {
        "fourpass": __version__,
        "model": model if model in weights.available() and not Path(model).exists() else None,
        "sha256": hashes,
        "strength": strength,
        "restore": restore,
        "backend": backend,
        "precision": precision,
        "self_ensemble": wanted.self_ensemble,
        "quality": wanted.quality,
        "strip": wanted.strip,
        "size": wanted.size,
        **{name: value for name, value in held.items() if value},
    }


def digest_of(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings, in hexadecimal."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def weights_files(model: str, perceptual: str | None = None) -> list[Path]:
    """Return every file of weights that a model and what it is blended with are read from.

    Raises:
        WeightsError: one is not there.
    """
    found = family.find(model)
    names = [model] if found is None else [*found[0].members.values()]
    if perceptual is not None:
        names.append(perceptual)
    files = [weights.locate(name) for name in names]
    return [*files, *(part for file in files for part in _beside(file))]


def _beside(file: Path) -> list[Path]:
    """Return the files that belong to a model's: ncnn's weights, and an ONNX file's tensors too large for it."""
    if file.suffix.lower() == ".param":
        return [part] if (part := file.with_suffix(".bin")).is_file() else []
    if file.suffix.lower() != ".onnx":
        return []
    try:
        import onnx
    except ModuleNotFoundError:
        raise missing_extra("openvino", "onnx") from None

    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception:  # damaged: whoever loads it says so
        return []
    named = {
        entry.value
        for tensor in onnx.external_data_helper._get_all_tensors(model)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [part for name in sorted(named) if (part := file.parent / name).is_file()]
