"""What the user sees of a run: progress on a terminal, one line for each failure, and a report in JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from fourpass.errors import ConfigError, ImageError

Progress = Callable[[float], None]


@dataclass
class Outcome:
    """What became of one file; the fields are those of the JSON report.

    Attributes:
        input, output: paths, or ``-``.
        status: planned, done, skipped or failed.
        error: why it failed, in one line.
        input_size, output_size: [columns, rows] of a frame.
        frames: pictures in the file.
        format: that was written.
        lost: what of the input that format could not keep.
        seconds, megapixels_per_second: of the work on it, output pixels counted.
        bytes: of the output file.
        lr_psnr: PSNR, in dB, of the output shrunk again against the input, lowest of the frames; None where it shrinks
            back to the very input, or is smaller than it.
        consistent, corrections: with --consistency: whether the difference is within 1/255 everywhere, and the
            corrections that it took.
        traceback: of an error that nobody foresaw.
    """

    input: str
    output: str
    status: str
    error: str | None = None
    input_size: list[int] | None = None
    output_size: list[int] | None = None
    frames: int | None = None
    format: str | None = None
    lost: Sequence[str] = ()
    seconds: float | None = None
    megapixels_per_second: float | None = None
    bytes: int | None = None
    lr_psnr: float | None = None
    consistent: bool | None = None
    corrections: int | None = None
    traceback: str | None = None


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

    def begin(self, name: str, pixels: int) -> Progress:
        """Say which file is next; returns what to tell its progress, 0..1."""
        self._number += 1
        if self._bar is None:
            return lambda share: None
        number = f"{self._number}/{self._count} " if self._count > 1 else ""
        self._bar.update(self._task, description=number + _escaped(_shortened(name)))
        return lambda share: self._bar.update(self._task, completed=self._done + share * pixels)

    def end(self, outcome: Outcome, pixels: int) -> None:
        """Say what became of the file."""
        if outcome.status == "done":
            self._done += pixels
        else:  # no work went into it, so it must not count as speed
            self._total -= pixels
        if outcome.status == "failed":
            self._say(f"fourpass: {outcome.error}")
        elif self._bar is not None:
            self._say(_line(outcome))
        elif outcome.status == "done" and outcome.lost:
            self._say(printable(f"fourpass: {outcome.output}: without {', '.join(outcome.lost)}"))
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, total=max(self._total, 1))

    def summary(self, outcomes: Sequence[Outcome]) -> None:
        """Count what became of the files, on a terminal, where there were several."""
        if self._bar is None or self._count < 2:
            return
        counts = {status: sum(each.status == status for each in outcomes) for status in ("done", "skipped", "failed")}
        text = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        self._say(f"{text or 'nothing done'} in {time.monotonic() - self._began:.1f} s")

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr)


def describe(outcome: Outcome) -> str:
    """Return the line of a dry run."""
    return printable(_line(outcome))


def printable(text: str) -> str:
    """Replace what cannot be printed: the bytes of names that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Report:
    """The JSON report: begun before the work, so that an unwritable path is found out then, and finished after it.

    Args:
        path: where to write it; ``-`` for standard output, after the work; None for nowhere.
        about: what holds for the whole run.
    """

    def __init__(self, path: str | None, about: dict[str, Any]) -> None:
        self._path = path
        self._about = about
        self._began = time.monotonic()

    def begin(self) -> None:
        """Write that nothing is done yet.

        Raises:
            ConfigError: the file cannot be written.
        """
        if self._path != "-":
            self.finish([], complete=False)

    def finish(self, outcomes: Sequence[Outcome], *, complete: bool) -> None:
        """Write what became of the files; complete is False when the run was stopped.

        Raises:
            ConfigError: the file cannot be written.
        """
        if self._path is None:
            return
        counts = {
            status: sum(each.status == status for each in outcomes)
            for status in ("planned", "done", "skipped", "failed")
        }
        whole = {
            **self._about,
            "complete": complete,
            "seconds": round(time.monotonic() - self._began, 3),
            "counts": counts,
            "files": [asdict(each) for each in outcomes],
        }
        text = json.dumps(whole, indent=2) + "\n"
        if self._path == "-":
            sys.stdout.write(text)
            return
        from fourpass.imaging.atomic import replacing, write_all

        try:
            with replacing(Path(self._path)) as stream:
                write_all(stream, text.encode())
        except ImageError as error:
            raise ConfigError(f"--json {error}") from None


def _line(outcome: Outcome) -> str:
    size = "x".join(map(str, outcome.output_size or ()))
    if outcome.status == "skipped":
        return f"{outcome.output}: is done already"
    text = f"{outcome.input} -> {outcome.output}  {size}"
    if outcome.frames and outcome.frames > 1:
        text += f", {outcome.frames} frames"
    if outcome.seconds is not None:
        text += f", {outcome.seconds:.1f} s, {outcome.megapixels_per_second:.2f} MP/s"
    if outcome.lost:
        text += f"  (without {', '.join(outcome.lost)})"
    return text


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        """Output megapixels a second."""

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
