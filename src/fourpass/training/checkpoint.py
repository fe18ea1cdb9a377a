"""All that a run needs to go on as if it had never stopped, in one file that is whole or not there."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourpass.errors import WeightsError
from fourpass.weights import write_atomically

FORMAT = "fourpass-checkpoint-1"


def save(
    path: Path,
    *,
    architecture: Mapping[str, Any],
    networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    average: Mapping[str, Tensor],
    progress: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> None:
    """Write a checkpoint atomically.

    Args:
        path: the file; an old one stays whole until the new one is.
        architecture: what the networks are, in plain values; `load` refuses another.
        networks: by name.
        optimizers: by name.
        average: running average of the weights, if there is one.
        progress: plain values.
        recipe: plain values, for the reader's information.

    Raises:
        WeightsError: the folder cannot be written or the disk is full.
    """
    content = {
        "format": FORMAT,
        "architecture": dict(architecture),
        "networks": {name: network.state_dict() for name, network in networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
        "average": dict(average),
        "progress": dict(progress),
        "recipe": dict(recipe),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load(path: Path, architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Read a checkpoint, without running any code that may hide in it.

    Raises:
        WeightsError: the file is damaged, is no checkpoint, or holds another architecture.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"{path}: not a whole checkpoint ({reason}); remove it, or train into another folder"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WeightsError(f"{path}: not a checkpoint of this program; train into another folder")
    for key in sorted(content["architecture"].keys() | architecture.keys()):
        stored, wanted = content["architecture"].get(key), architecture.get(key)
        if stored != wanted:
            raise WeightsError(
                f"{path}: is a checkpoint of another architecture: {key} is {stored!r}, and {wanted!r} in the recipe; "
                "train into another folder"
            )
    return content


def restore(content: Mapping[str, Any], networks: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer]) -> None:
    """Put the state that `load` returned back into networks and optimizers."""
    for name, network in networks.items():
        network.load_state_dict(content["networks"][name])
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(content["optimizers"][name])


def link(source: Path, target: Path) -> None:
    """Make `target` a second name of the checkpoint `source`; a later `save` to `source` leaves it as it is."""
    temporary = target.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # a file system without hard links
        write_atomically(target, source.read_bytes())
    else:
        temporary.replace(target)
