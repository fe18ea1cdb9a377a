"""What a run tells the world: a JSONL log, TensorBoard, sample pictures, and the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from fourpass.errors import ConfigError, missing_extra


class Journal:
    """Writes into a run's folder and to standard error; a silent one writes nothing at all.

    Args:
        out: folder of the run; ``log.jsonl``, ``tensorboard/`` and ``samples/`` come to lie in it.
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
            raise ConfigError(f"{out}: cannot be written ({error.strerror}); name another with --out") from None
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
            print(line, file=sys.stderr, flush=True)

    def event(self, kind: str, step: int, **values: Any) -> None:
        """Log something that happened."""
        if not self._silent:
            self._write({"event": kind, "step": step, **values})

    def terms(self, step: int, values: Mapping[str, float], *, kind: str = "train") -> None:
        """Log numbers of a step, and print them where there is no progress bar."""
        if self._silent:
            return
        self._write({"event": kind, "step": step, **{name: _short(value) for name, value in values.items()}})
        for name, value in values.items():
            self._board.add_scalar(f"{kind}/{name}", value, step)
        if not self._bar or kind != "train":
            self.say(f"step {step} {kind}: " + "  ".join(f"{name} {_short(value)}" for name, value in values.items()))

    def progress(self, step: int, done: float, remaining: float, loss: float) -> None:
        """Move the progress bar.

        Args:
            step: steps done.
            done: share of the run, 0..1.
            remaining: seconds, as far as one can tell.
            loss: of the last step.
        """
        if self._bar:
            left = time.strftime("%H:%M:%S", time.gmtime(remaining % 86400))
            days = f"{remaining // 86400:.0f} d " if remaining >= 86400 else ""
            self._bar.update(
                self._task, description=f"step {step}", completed=done, remaining=days + left, terms=f"loss {loss:.4g}"
            )

    def pictures(self, step: int, samples: Mapping[str, NDArray[np.uint8]]) -> None:
        """Keep sample pictures, (H, W, 3) uint8, as PNG files and in TensorBoard."""
        if self._silent:
            return
        for name, image in samples.items():
            file = self._out / "samples" / name / f"{step:08d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            pyvips.Image.new_from_array(image, interpretation="srgb").write_to_file(str(file))
            self._board.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Finish the files and the progress bar."""
        if self._silent:
            return
        if self._bar:
            self._bar.stop()
        self._log.close()
        self._board.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        self._log.write(json.dumps(record) + "\n")
        self._log.flush()


def _short(value: float) -> float:
    return float(f"{value:.6g}")
