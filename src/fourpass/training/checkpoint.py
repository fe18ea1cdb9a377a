"""All that a run needs to go on as if it had never stopped, in one file that is whole or not there."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fourpass.disk import atomic
from fourpass.errors import WeightsError

FORMAT = "fourpass-checkpoint-1"


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically.

    Args:
        path: the file; an old one stays whole until the new one is.
        content: tensors and plain values alone, in dicts and lists; ``architecture`` must be among the keys.

    Raises:
        WeightsError: the folder cannot be written or the disk is full.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    atomic.write(path, buffer.getvalue(), WeightsError)


def load(path: Path, architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Read a checkpoint, without running any code that may hide in it.

    Args:
        path: the file.
        architecture: what the run's networks are; must equal what `save` was given.

    Raises:
        WeightsError: the file is damaged, is no checkpoint, or holds another architecture.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"not a complete checkpoint ({reason})", subject=path, hint="remove it, or train in another folder"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WeightsError("not a checkpoint of this program", subject=path, hint="train in another folder")
    for key in sorted(content["architecture"].keys() | architecture.keys()):
        stored, wanted = content["architecture"].get(key), architecture.get(key)
        if stored != wanted:
            raise WeightsError(
                (f"is a checkpoint of another architecture: {key} is {stored!r} in it, and {wanted!r} here"),
                subject=path,
                hint="train in another folder",
            )
    return content


def link(source: Path, target: Path) -> None:
    """Make `target` a second name of the checkpoint `source`; a later `save` to either leaves the other as it is.

    Raises:
        WeightsError: the folder cannot be written or the disk is full.
    """
    temporary = target.with_suffix(".tmp")
    try:
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        temporary.replace(target)
    except OSError:  # a file system without hard links
        atomic.write(target, source.read_bytes(), WeightsError)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with their tuples as lists, as a checkpoint stores them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
