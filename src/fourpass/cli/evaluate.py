"""``fourpass evaluate``: upscale, or read results from disk, and measure as the paper did."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fourpass import weights
from fourpass.disk import atomic, overwriting
from fourpass.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fourpass.data.layouts import Dataset
    from fourpass.evaluation.evaluate import Measurement
    from fourpass.evaluation.measures import MeasuringProtocol
    from fourpass.evaluation.methods import Method

_FILES = (
    *("summary.csv", "summary.md", "summary.tex", "summary.json"),
    *("comparisons.csv", "comparisons.md", "comparisons.json"),
    *("per_image.csv", "per_image.json"),
)
_MOST_PAIRS = 24  # more pairs than these are in the files, and not in the terminal


def evaluate(
    more: list[Path] = typer.Argument(None, hidden=True),
    data: list[Path] = typer.Option(..., help="Folders of ground-truth pictures, or a folder of such folders."),
    methods: list[str] = typer.Option(
        ["bicubic,eusr"],
        help="[NAME=]SOURCE[@PATH],... A source is bicubic, ground-truth, a packaged model, a .safetensors or .onnx "
        "file, or a folder of results; a path is @x2-x2, @x8-downscale, @self-ensemble or @strength:0.5.",
    ),
    scale: int = typer.Option(4, help="Upscaling factor: 2, 4 or 8 (3 for results and networks that support it)."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for the tables."),
    metrics: str = typer.Option("psnr,ssim,niqe,ma", help="Any of psnr, rmse, ssim, niqe, brisque, ma, pi, lr_psnr."),
    ma_model: Path | None = typer.Option(None, help="The authors' model.mat, for ma and pi."),
    channel: str = typer.Option(
        "y", help="Channel for PSNR, RMSE and SSIM: y, y8 (rounded, as in the paper), gray or rgb."
    ),
    ssim_region: str = typer.Option(
        "valid", help="valid: only where SSIM's window fits; same: every pixel, as in MATLAB and the paper."
    ),
    border: int = typer.Option(4, help="Pixels to crop from each side; the paper crops 4."),
    self_ensemble: bool = typer.Option(False, help="Average each network over 8 rotations and flips."),
    save_images: bool = typer.Option(False, help="Save the upscaled pictures in the output folder."),
    workers: int = typer.Option(0, help="Measuring processes; 0: one per core."),
) -> None:
    """Measure methods on test sets, with confidence intervals and significance tests."""
    from fourpass.engine.hardware import usable_cpus
    from fourpass.evaluation.evaluate import evaluate as run
    from fourpass.evaluation.measures import choose
    from fourpass.evaluation.methods import parse_methods
    from fourpass.evaluation.summary import comparison_table, image_table, summarise, summary_table, with_means_of_runs
    from fourpass.evaluation.tables import render, show

    names = list(choose([name.strip() for name in metrics.split(",") if name.strip()]))
    protocol = protocol_of(scale, channel, border, ma_model, ssim_region)
    rows = parse_methods(methods, self_ensemble=self_ensemble)
    folders = [*data, *(more or [])]
    refuse_overwriting(folders, rows, ma_model, [output / name for name in _FILES])
    datasets = find(folders, scale)
    images = output / "images"
    if save_images:
        pictures = [images / row.label / dataset.name for row in rows for dataset in datasets]
        refuse_overwriting(folders, rows, ma_model, [file for folder in pictures for file in _files_in(folder)])
    make_folder(output)
    with _Progress(len(rows) * sum(len(dataset.pairs) for dataset in datasets)) as step:
        measured = run(
            datasets,
            rows,
            names,
            protocol,
            workers=workers or usable_cpus(),
            save_images=images if save_images else None,
            progress=step,
        )
    measured, rows = with_means_of_runs(measured, rows)
    summaries, comparisons = summarise(measured)
    tables = {
        "summary": summary_table(summaries, rows, protocol, command_line()),
        "comparisons": comparison_table(comparisons, protocol),
        "per_image": image_table(measured, protocol),
    }
    for file in _FILES:
        name, suffix = file.split(".")
        write(output / file, render(tables[name], suffix))
    for dataset in datasets:
        print(f"{dataset.name}: {len(dataset.pairs)} pictures, layout: {dataset.layout}")
    show(tables["summary"])
    if 0 < len(comparisons) <= _MOST_PAIRS:
        show(tables["comparisons"])
    print(f"Tables and every number: {output}")


def refuse_overwriting(
    folders: Sequence[Path], methods: Sequence[Method], ma_model: Path | None, outputs: Sequence[Path]
) -> None:
    """Refuse to overwrite an input of the measurement; raises ConfigError."""
    from fourpass.imaging.formats import SUFFIXES

    sources = [method.source for method in methods if method.source]
    reads = [*folders, *(weights.locate(each) if each in weights.available() else each for each in sources)]
    overwriting.check([*reads, *([ma_model] if ma_model else [])], outputs, suffixes=SUFFIXES)


def _files_in(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []


def protocol_of(
    scale: int, channel: str, border: int, ma_model: Path | None, region: str = "valid"
) -> MeasuringProtocol:
    """Return the protocol that the options mean; raises ConfigError where one is out of range."""
    from fourpass.evaluation.measures import MeasuringProtocol, as_channel, as_region
    from fourpass.metrics.ma import find_model

    if scale not in (2, 3, 4, 8):
        raise ConfigError(f"--scale {scale} is not one of 2, 4, 8 (or 3)")
    return MeasuringProtocol(scale, as_channel(channel), border, find_model(ma_model), as_region(region))


def find(folders: list[Path], scale: int) -> list[Dataset]:
    """Return the sets in all the folders; raises DatasetError, also where two sets have one name."""
    from fourpass.data.layouts import find_datasets

    datasets = [dataset for folder in folders for dataset in find_datasets(folder, scale)]
    names = [dataset.name for dataset in datasets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two sets are called {name}", hint="rename a folder, or evaluate them one by one")
    return datasets


def make_folder(path: Path) -> None:
    """Make the output folder before the work starts; raises ConfigError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot be created ({error.strerror})", subject=path) from None


def write(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; raises ConfigError."""
    atomic.write(path, text.encode(), ConfigError)


def command_line() -> str:
    """The command as it was typed, which is saved with every number that it produced."""
    return shlex.join(["fourpass", *sys.argv[1:]])


class _Progress:
    """A progress bar on standard error if it is a terminal."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("measuring", total=total)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, measurement: Measurement) -> None:
        name = f"{measurement.dataset}/{measurement.image}, {measurement.method}"
        self._bar.update(self._task, advance=1, description=name)
