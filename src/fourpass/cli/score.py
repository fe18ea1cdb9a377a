"""``fourpass score``: how people would rate pictures, and the no-reference metrics of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from fourpass.cli import words
from fourpass.cli.terminal import printable

KINDS = ("aesthetic", "subjective")
METRICS = ("niqe", "brisque", "ma", "pi")


def score(
    images: list[Path] = typer.Argument(..., help="Pictures."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object per picture."),
    heat_map: Path | None = typer.Option(None, "--map", help="Write a heat map of the scores; takes one picture."),
    aesthetic: str = typer.Option("aesthetic", help="Weights of the aesthetic predictor: a packaged name or a file."),
    subjective: str = typer.Option("subjective", help="Weights of the subjective predictor."),
    metrics: str = typer.Option("niqe", help="Metrics to add, separated by commas: niqe, brisque, ma, pi, or none."),
    ma_model: Path | None = typer.Option(None, help="The authors' model.mat, for ma and pi."),
    backend: str = typer.Option("auto", help="auto, ncnn, openvino or onnxruntime."),
    threads: int | None = typer.Option(None, help="Processor threads. Default: all."),
) -> None:
    """Predict how people would rate pictures, from 1 to 10: beauty and technical quality."""
    from fourpass.disk import overwriting
    from fourpass.errors import ConfigError
    from fourpass.imaging import files
    from fourpass.upscaling.score import Scorer

    if heat_map and len(images) > 1:
        raise ConfigError(f"--map takes one picture, not {len(images)}")
    if heat_map:
        overwriting.check([*images, *_weights(aesthetic, subjective), *([ma_model] if ma_model else [])], [heat_map])
    wanted = _chosen(metrics)
    scorers = {
        kind: Scorer(_checked(name, kind), backend=backend, threads=threads)
        for kind, name in zip(KINDS, (aesthetic, subjective), strict=True)
    }
    rows = []
    for file in images:
        pixels = files.read(file).pixels
        scores = {kind: scorer.score(pixels) for kind, scorer in scorers.items()}
        row: dict[str, Any] = {"file": str(file), "width": pixels.shape[1], "height": pixels.shape[0]}
        for kind, found in scores.items():
            row[kind] = {
                "mean": round(found.mean, 4),
                "spread": round(found.spread, 4),
                "distribution": [round(float(share), 4) for share in found.distribution],
                "lowest_patch": round(float(found.patches.min()), 4),
                "highest_patch": round(float(found.patches.max()), 4),
            }
        row |= _measured(pixels, wanted, ma_model)
        rows.append(row)
        if heat_map:
            _write_map(heat_map, pixels, scores)
        if as_json:
            print(json.dumps(row), flush=True)
    if not as_json:
        _print_table(rows, wanted)
        if heat_map:
            print(f"{heat_map}: aesthetic on the left, subjective on the right; red is low, blue is high")


def _weights(*names: str) -> list[Path]:
    from fourpass import weights

    return [weights.locate(name) for name in names]


def _chosen(names: str) -> list[str]:
    from fourpass.errors import ConfigError

    chosen = [name.strip() for name in names.split(",") if name.strip() not in ("", "none")]
    for name in chosen:
        if name not in METRICS:
            raise ConfigError(f"metric {name!r} is not one of {', '.join(METRICS)}, none")
    return chosen


def _checked(name: str, kind: str) -> Any:
    """Load weights, and reject those of the other kind of scores."""
    from fourpass import weights
    from fourpass.errors import WeightsError

    loaded = weights.load(name)
    found = loaded.metadata.lineage.split("-")[0]
    if found in KINDS and found != kind:
        raise WeightsError(f"predicts {found} scores, but a predictor of {kind} scores is needed", subject=name)
    return loaded


def _measured(pixels: Any, names: list[str], ma_model: Path | None) -> dict[str, Any]:
    """Measure what can be measured; a picture that a metric is not defined for has the reason in its place."""
    import numpy as np

    from fourpass.errors import MetricError
    from fourpass.metrics.brisque import brisque
    from fourpass.metrics.ma import find_model, load_model, ma_score
    from fourpass.metrics.niqe import niqe
    from fourpass.metrics.pi import perceptual_index

    picture = pixels if pixels.dtype == np.uint8 else pixels / 257
    picture = picture[..., 0] if picture.shape[2] == 1 else picture
    model = load_model(find_model(ma_model)) if find_model(ma_model) else None
    values: dict[str, Any] = {}
    for name in names:
        try:
            if name in ("ma", "pi") and model is None:
                values[name] = "needs model.mat"
            elif name == "niqe":
                values[name] = round(niqe(picture), 4)
            elif name == "brisque":
                values[name] = round(brisque(picture), 4)
            else:
                assert model is not None
                found = ma_score(picture, model)
                values[name] = round(found if name == "ma" else perceptual_index(found, niqe(picture)), 4)
        except MetricError as error:
            values[name] = words.line(error)
    return values


def _write_map(path: Path, pixels: Any, scores: dict[str, Any]) -> None:
    import numpy as np

    from fourpass.imaging import files
    from fourpass.upscaling.score import RANGES
    from fourpass.upscaling.score import heat_map as tint

    files.write(path, np.concatenate([tint(pixels, scores[kind], *RANGES[kind]) for kind in KINDS], axis=1))


def _print_table(rows: list[dict[str, Any]], metrics: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("picture", "aesthetic", "subjective", *(name.upper() for name in metrics), box=None)
    for row in rows:
        scores = [f"{row[kind]['mean']:.2f} ± {row[kind]['spread']:.2f}" for kind in KINDS]
        numbers = [f"{row[name]:.2f}" if isinstance(row[name], float) else row[name] for name in metrics]
        table.add_row(printable(row["file"]), *scores, *numbers)
    Console(soft_wrap=False).print(table)
    print("scores 1..10, higher is better, ± the spread of people's opinions; NIQE, BRISQUE and PI: lower is better")
