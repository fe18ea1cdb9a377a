"""``fourpass convert``: other people's weight files into ours."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def convert(
    source: Path = typer.Argument(..., help="A .pb, .pt, .pth, .ckpt, .npz or foreign .safetensors file."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Where to write; default: beside the source."),
    lineage: str | None = typer.Option(None, help="Lineage id to record; default: from the contents."),
    licence: str = typer.Option("unknown", help="SPDX identifier of the weights' licence, to record."),
    full: bool = typer.Option(False, "--fp32", help="Store float32 instead of float16."),
) -> None:
    """Convert released weights (frozen TensorFlow graphs, PyTorch checkpoints) to fourpass safetensors."""
    from fourpass import weights
    from fourpass.conversion import convert as read
    from fourpass.disk import overwriting
    from fourpass.errors import ConfigError

    target = output or source.with_suffix(".safetensors")
    overwriting.check([source], [target], way_out="name another file with --output")
    if output is None and os.path.exists(target):
        raise ConfigError("is there already", subject=target, hint="delete it, or say with --output where to write")
    converted = read(source, lineage=lineage, licence=licence)
    weights.save(converted, target, half=not full)
    metadata = converted.metadata
    numbers = ", ".join(f"{key} {value}" for key, value in metadata.numbers.items())
    count = sum(value.size for value in converted.tensors.values())
    print(f"{target}: {metadata.architecture} ({numbers}), {count:,} parameters, lineage {metadata.lineage}")
