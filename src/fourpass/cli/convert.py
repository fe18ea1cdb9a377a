"""``fourpass convert``: convert weight files from other projects to fourpass."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def convert(
    source: Path = typer.Argument(..., help="A .pb, .pt, .pth, .ckpt, .npz or foreign .safetensors file."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Output file. Default: beside the source."),
    lineage: str | None = typer.Option(None, help="Lineage to record. Default: derived from the contents."),
    licence: str = typer.Option("unknown", help="Licence to record, as an SPDX identifier."),
    full: bool = typer.Option(False, "--fp32", help="Store float32 instead of float16."),
) -> None:
    """Convert released TensorFlow or PyTorch weights to fourpass safetensors."""
    from fourpass import weights
    from fourpass.conversion import convert as read
    from fourpass.disk import overwriting
    from fourpass.errors import ConfigError

    target = output or source.with_suffix(".safetensors")
    overwriting.check([source], [target], way_out="name another file with --output")
    if output is None and os.path.exists(target):
        raise ConfigError("already exists", subject=target, hint="delete it, or name another file with --output")
    converted = read(source, lineage=lineage, licence=licence)
    weights.save(converted, target, half=not full)
    metadata = converted.metadata
    numbers = ", ".join(f"{key} {value}" for key, value in metadata.numbers.items())
    count = sum(value.size for value in converted.tensors.values())
    print(f"{target}: {metadata.architecture} ({numbers}), {count:,} parameters, lineage {metadata.lineage}")
