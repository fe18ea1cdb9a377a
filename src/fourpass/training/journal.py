"""What a run tells the world: a JSONL log, TensorBoard, sample pictures, and the terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from fourpass.errors import ConfigError, missing_extra
from fourpass.imaging import files
from fourpass.training.progress import TrainingProgress
from fourpass.training.recipes import Recipe


class Journal:
    """Writes into a run's folder and to standard error; a silent one writes nothing at all.

    Args:
        out: folder of the run; ``log.jsonl``, ``tensorboard/`` and ``samples/`` are written there.
        first_step: step that the run goes on from; what TensorBoard holds of later ones is hidden.
        silent: for the processes of a distributed run that are not the first.

    Raises:
        ConfigError: the folder cannot be written.
        BackendError: TensorBoard is not installed.
    """

    def __init__(self, out: Path, first_step: int = 0, silent: bool = False) -> None:
        self._out = out
        self._silent = silent
        self._bar: Progress | None = None
        if silent:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise missing_extra("train", "tensorboard") from None
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._log = (out / "log.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot be written ({error.strerror})", subject=out, hint="name another", key="out"
            ) from None
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=first_step or None)
        console = Console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:5.1f}%"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[remaining]} left  {task.fields[terms]}"),
            )
            self._bar = Progress(*columns, console=console, refresh_per_second=2)
            self._task = self._bar.add_task("", total=1.0, remaining="?", terms="")
            self._bar.start()

    def say(self, line: str) -> None:
        """Print a line, above the progress bar if there is one."""
        if self._silent:
            return
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            try:
                print(line, file=sys.stderr, flush=True)
            except BrokenPipeError:  # Ctrl-C ended the `tee` that we were piped into, but not the run
                sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115

    def event(self, kind: str, step: int, **values: Any) -> None:
        """Log something that happened."""
        if not self._silent:
            self._write({"event": kind, "step": step, **values})

    def terms(self, step: int, values: Mapping[str, float], *, kind: str = "train") -> None:
        """Log the numbers of a step, and print them if there is no progress bar."""
        if self._silent:
            return
        self._write({"event": kind, "step": step, **{name: _short(value) for name, value in values.items()}})
        with self._disk():
            for name, value in values.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)
        if not self._bar or kind != "train":
            self.say(f"step {step} {kind}: " + "  ".join(f"{name} {_short(value)}" for name, value in values.items()))

    def progress(self, progress: TrainingProgress, recipe: Recipe, seconds_per_step: float, loss: float) -> None:
        """Move the progress bar; the time left is by the clock, or by the speed of late."""
        if not self._bar:
            return
        left = (recipe.steps - progress.step) * seconds_per_step
        if recipe.hours:
            left = max(0.0, recipe.hours * 3600 - progress.seconds)
        days, clock = divmod(left, 86400)
        remaining = time.strftime("%H:%M:%S", time.gmtime(clock))
        self._bar.update(
            self._task,
            description=f"step {progress.step}",
            completed=progress.done(recipe),
            remaining=f"{days:.0f} d {remaining}" if days else remaining,
            terms=f"loss {loss:.4g}",
        )

    def pictures(self, step: int, samples: Mapping[str, NDArray[np.uint8]]) -> None:
        """Keep sample pictures, (H, W, 3) uint8, as PNG files and in TensorBoard."""
        if self._silent:
            return
        for name, image in samples.items():
            files.write(self._out / "samples" / name / f"{step:08d}.png", image)
            with self._disk():
                self._board.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Finish the files and the progress bar."""
        if self._silent:
            return
        if self._bar:
            self._bar.stop()
        with self._disk():
            self._log.close()
            self._board.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        with self._disk():
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(
                f"cannot be written ({error.strerror or error})",
                subject=self._out,
                hint="fix that, then run the same command to resume",
            ) from None


def _short(value: float) -> float:
    return float(f"{value:.6g}")
