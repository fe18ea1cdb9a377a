"""``fourpass models``: the packaged models and what each is for."""

from __future__ import annotations

import json
from pathlib import Path

import typer

_SUFFIXES = (".safetensors", ".onnx", ".param", ".pth", ".pt")


def models(
    as_json: bool = typer.Option(False, "--json", help="Print all metadata as JSON."),
    folder: Path | None = typer.Option(
        None, metavar="DIR", help="List the models in a folder instead (.safetensors, .onnx, .param, .pth, .pt)."
    ),
) -> None:
    """List the packaged models, or those in a folder."""
    if folder is not None:
        _folder(folder, as_json)
        return
    from dataclasses import asdict

    from fourpass import weights
    from fourpass.engine import graphs

    rows = []
    for name in weights.available():
        loaded = weights.load(name)
        numbers = dict(loaded.metadata.numbers)
        rows.append(
            {
                "name": name,
                "scales": list(graphs.scales(loaded)) if loaded.metadata.architecture in graphs.ARCHITECTURES else [],
                "parameters": sum(value.size for value in loaded.tensors.values()),
                **asdict(loaded.metadata),
                "numbers": numbers,
                "sha256": loaded.sha256,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        print("No weights are packaged; give upscale a .safetensors or .onnx file with -n.")
    for row in rows:
        use = f"upscales by {', '.join(map(str, row['scales']))}" if row["scales"] else "does not upscale"
        print(f"{row['name']}: {use}; {row['architecture']}, {row['parameters']:,} parameters, {row['licence']}")
        print(f"    trained on {row['data']}, {row['steps']:,} steps; lineage {row['lineage']}")
        if row["note"]:
            print(f"    {row['note']}")


def _folder(folder: Path, as_json: bool) -> None:
    """Say of each file in a folder whether, and by what, it upscales; unusable files do not stop it."""
    from fourpass.errors import ConfigError, FourpassError
    from fourpass.upscaling.upscaler import Upscaler

    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read as a folder ({error.strerror})") from None
    rows = []
    for file in files:
        row: dict[str, object] = {"file": str(file), "scales": [], "backend": None, "error": None}
        try:
            upscaler = Upscaler(file)
            row |= {"scales": list(upscaler.scales), "backend": upscaler.engine.backend}
        except FourpassError as error:
            row["error"] = str(error)
        rows.append(row)
        if not as_json:
            if row["error"]:
                print(f"{file.name}: cannot be used; {row['error']}")
            else:
                print(f"{file.name}: upscales by {', '.join(map(str, upscaler.scales))}, with {row['backend']}")
    if as_json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print(f"{folder} contains no models ({', '.join(_SUFFIXES)})")
