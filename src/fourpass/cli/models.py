"""``fourpass models``: what is packaged, and what each is for."""

from __future__ import annotations

import json

import typer


def models(
    as_json: bool = typer.Option(False, "--json", help="Print all metadata as JSON."),
) -> None:
    """List the packaged models."""
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
