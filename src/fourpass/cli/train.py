"""``fourpass train``: run a training phase, or resume a stopped one with the same command."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from fourpass.cli import help as help_text

# phase -> module with RECIPE, the dataclass of its settings (or RECIPES, one a phase), and prepare(recipe, data, ...),
# which returns the phase.
PHASES = {
    "eusr": "fourpass.training.pretrain",
    "swift": "fourpass.training.pretrain",
    "aesthetic": "fourpass.training.aesthetic",
    "subjective": "fourpass.training.subjective",
    "srresnet-mse": "fourpass.training.baselines",
    "srresnet-vgg22": "fourpass.training.baselines",
    "srgan-mse": "fourpass.training.baselines",
    "srgan-vgg22": "fourpass.training.baselines",
    "srgan-vgg54": "fourpass.training.baselines",
    "cx": "fourpass.training.baselines",
    "edsr": "fourpass.training.baselines",
    "mdsr": "fourpass.training.baselines",
    "perceptual": "fourpass.training.perceptual",
}


def train(
    phase: str = typer.Argument(..., help=f"What to train: {', '.join(PHASES)}."),
    data: list[Path] = typer.Option(..., help="Folder of training data; may be repeated."),
    out: Path = typer.Option(..., help="Folder of the run; an existing checkpoint in it is resumed."),
    recipe: str | None = typer.Option(
        None,
        autocompletion=help_text.recipes,
        help="What differs from the paper's settings: a packaged recipe such as cpu/eusr (fourpass recipes lists them) "
        "or a TOML file.",
    ),
    init: str = typer.Option("", help="Weights to start from: a packaged name or a file."),
    validation: Path | None = typer.Option(None, help="Folder of held-out pictures to validate on; not a test set."),
    time_budget: str = typer.Option("", help="Stop after this long, to resume later: 90s, 20m, 3h."),
    cache: Path | None = typer.Option(None, help="Folder for decoded pictures. Default: below ~/.cache."),
    device: str = typer.Option("auto", help="auto, cpu or cuda."),
    settings: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Override one setting of the recipe; may be repeated."
    ),
) -> None:
    """Train a network; rerun the same command to resume."""
    from fourpass.errors import ConfigError, missing_extra
    from fourpass.training import recipe_files

    if phase not in PHASES:
        raise ConfigError(f"phase {phase!r} is not one of {', '.join(PHASES)}")
    recipe_file = recipe_files.find(recipe) if recipe else None
    budget = parse_duration(time_budget) if time_budget else None
    if importlib.util.find_spec("torch") is None:
        raise missing_extra("train", "torch")
    from fourpass.training import distributed, loop, recipes
    from fourpass.training.precision import keep_freed_memory, pick_device

    keep_freed_memory()
    overrides = dict(recipes.parse_override(text) for text in settings)
    if init:
        overrides["init"] = init
    module = importlib.import_module(PHASES[phase])
    kind = module.RECIPES[phase] if hasattr(module, "RECIPES") else module.RECIPE
    chosen = recipes.load(kind, recipe_file, overrides)
    named = [value for value in asdict(chosen).values() if isinstance(value, str)]
    _refuse_overwriting(out, [*data, *([validation] if validation else [])], [recipe_file, *named])
    distributed.start(pick_device(device))
    try:
        prepared = module.prepare(chosen, data, validation=validation, cache=cache, device=device, report=_report)
        outcome = loop.train(prepared, out, time_budget=budget)
    finally:
        distributed.stop()
    best = "" if outcome.best is None else f", best score {outcome.best:.4f}"
    print(f"{out}: {outcome.reason} at step {outcome.step}{best}")
    if outcome.reason.startswith("SIG"):
        raise typer.Exit(128 + signal.Signals[outcome.reason])


def _refuse_overwriting(out: Path, folders: Sequence[Path], files: Sequence[Path | str | None]) -> None:
    """Refuse a run whose output would overwrite or mix with its training data."""
    from fourpass.disk import overwriting
    from fourpass.errors import ConfigError
    from fourpass.training.loop import FILES

    for folder in folders:
        if overwriting.inside(out, [folder]):
            raise ConfigError(
                f"lies in {folder}, where the pictures are read",
                subject=out,
                hint="name a folder outside it with --out",
            )
    overwriting.check(
        [*folders, *(file for file in files if file and os.path.isfile(file))],
        [*(out / name for name in FILES), *(file for file in out.glob("samples/**/*") if file.is_file())],
        way_out="name another folder with --out",
    )


def parse_duration(text: str) -> float:
    """Return the seconds that ``90``, ``90s``, ``20m`` or ``1.5h`` mean.

    Raises:
        ConfigError: it means none, or none that is positive.
    """
    from fourpass.errors import ConfigError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if seconds <= 0:
        raise ConfigError(f"--time-budget {text}: not a positive time like 90s, 20m or 1.5h")
    return seconds


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
