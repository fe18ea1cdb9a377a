"""What the user sees during a run: progress on a terminal, and one line for each failure."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from fourpass.cli import words
from fourpass.cli.terminal import printable
from fourpass.jobs.report import FileOutcome
from fourpass.upscaling.upscaler import ProgressCallback


class Display:
    """Progress on standard error where that is a terminal; elsewhere nothing but failures.

    Args:
        total: output pixels of the whole run.
        count: files of the whole run.
    """

    def __init__(self, total: int, count: int) -> None:
        self._total, self._count = total, count
        self._done = self._number = 0
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Display:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("", total=max(self._total, 1))
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, name: str, pixels: int) -> ProgressCallback:
        """Announce the next file; return the function to report its progress to, 0..1."""
        self._number += 1
        if self._bar is None:
            return lambda share: None
        number = f"{self._number}/{self._count} " if self._count > 1 else ""
        self._bar.update(self._task, description=number + _escaped(_shortened(name)))
        return lambda share: self._bar.update(self._task, completed=self._done + share * pixels)

    def end(self, outcome: FileOutcome, pixels: int) -> None:
        """Report the outcome of the file."""
        if outcome.status == "done":
            self._done += pixels
        else:  # no work went into it, so it must not count as speed
            self._total -= pixels
        if outcome.status == "failed":
            self._say(f"fourpass: {words.line(outcome.cause) if outcome.cause else outcome.error}")
        elif self._bar is not None:
            self._say(_line(outcome))
        elif outcome.status == "done" and outcome.lost:
            self._say(printable(f"fourpass: {outcome.output}: without {', '.join(outcome.lost)}"))
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, total=max(self._total, 1))

    def summary(self, outcomes: Sequence[FileOutcome]) -> None:
        """Print a summary on a terminal if there were several files."""
        if self._bar is None or self._count < 2:
            return
        counts = {status: sum(each.status == status for each in outcomes) for status in ("done", "skipped", "failed")}
        text = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        self._say(f"{text or 'nothing done'} in {time.monotonic() - self._began:.1f} s")

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
        else:
            print(printable(line), file=sys.stderr)


def describe(outcome: FileOutcome) -> str:
    """Return the line of a dry run."""
    return printable(_line(outcome))


def _line(outcome: FileOutcome) -> str:
    size = "x".join(map(str, outcome.output_size or ()))
    if outcome.status == "skipped":
        return f"{outcome.output}: is done already"
    text = f"{outcome.input} -> {outcome.output}  {size}"
    if outcome.frames and outcome.frames > 1:
        text += f", {outcome.frames} frames"
    if outcome.seconds is not None:
        text += f", {outcome.seconds:.1f} s, {outcome.megapixels_per_second:.2f} MP/s"
    if outcome.restore_reason is not None:
        text += f", restore {outcome.restore:g} ({outcome.restore_reason})"
    if outcome.lost:
        text += f"  (without {', '.join(outcome.lost)})"
    return text


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        """Output megapixels per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed / 1e6:.2f} MP/s" if task.speed else "- MP/s")

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        Speed(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=60,
        transient=True,
    )


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))


def _shortened(name: str, width: int = 40) -> str:
    return name if len(name) <= width else "…" + name[1 - width :]
