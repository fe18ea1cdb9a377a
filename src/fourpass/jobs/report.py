"""The outcomes of a run's files as values, and the JSON report of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from fourpass.disk import atomic
from fourpass.errors import ConfigError, FourpassError

if TYPE_CHECKING:
    from fourpass.upscaling.upscaler import ProgressCallback


@dataclass
class FileOutcome:
    """The outcome of one file; the fields are those of the JSON report.

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
        consistent, corrections: where consistency was asked for: whether the difference is within 1/255 everywhere,
            and the corrections that it took.
        restore, restore_reason: how much was cleaned, 0..1, and why, where that was found out for the file.
        input_sha256: of the input's contents, where a record of what is done is kept.
        traceback: of an unexpected error.
        cause: the error in its parts, whose hint `error` has too; not in the report.
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
    restore: float | None = None
    restore_reason: str | None = None
    input_sha256: str | None = None
    traceback: str | None = None
    cause: FourpassError | None = None

    @property
    def output_pixels(self) -> int:
        """Of all frames of the output together; 0 where it is not known."""
        columns, rows = self.output_size or (0, 0)
        return columns * rows * (self.frames or 1)

    def fields(self) -> dict[str, Any]:
        """Return what the JSON report says of it."""
        return {name: value for name, value in asdict(replace(self, cause=None)).items() if name != "cause"}

    def entry(self, settings: str) -> dict[str, Any]:
        """Return what the record of a folder keeps of it."""
        kept = {"input": self.input, "status": self.status, "settings": settings, "input_sha256": self.input_sha256}
        if self.status == "failed":
            return kept | {"error": self.error}
        return kept | {"bytes": self.bytes, "output_pixels": self.output_pixels, "seconds": self.seconds}


class Watcher(Protocol):
    """A listener to a run's progress."""

    def begin(self, name: str, pixels: int) -> ProgressCallback:
        """Called with the next file; returns the function to report its progress to, 0..1."""

    def end(self, outcome: FileOutcome, pixels: int) -> None:
        """Called with the outcome of a file."""


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
        """Write a report in which nothing is done yet.

        Raises:
            ConfigError: the file cannot be written.
        """
        if self._path != "-":
            self.finish([], complete=False)

    def finish(self, outcomes: Sequence[FileOutcome], *, complete: bool) -> None:
        """Write the outcomes; complete is False if the run was stopped.

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
            "files": [each.fields() for each in outcomes],
        }
        text = json.dumps(whole, indent=2) + "\n"
        if self._path == "-":
            sys.stdout.write(text)
            return
        try:
            atomic.write(self._path, text.encode(), ConfigError)
        except ConfigError as error:
            raise ConfigError(
                error.reason,
                subject=f"the report {error.subject}",
                hint=error.hint,
                key="report",
                values={"path": error.subject},
            ) from None
