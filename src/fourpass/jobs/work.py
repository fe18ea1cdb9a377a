"""Work through the files of a run: plan each from its header, upscale it, and never let one stop the others."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fourpass.errors import FourpassError, ImageError, WeightsError
from fourpass.imaging import files
from fourpass.imaging.formats import FORMATS
from fourpass.jobs import one_file, stores
from fourpass.jobs.pairs import STANDARD, FilePair
from fourpass.jobs.record import Keeping, RecordEntry, digest, is_done
from fourpass.jobs.report import FileOutcome, Watcher
from fourpass.upscaling.consistency import disagreement_picture
from fourpass.upscaling.results import UpscaleResult, rounded
from fourpass.upscaling.upscaler import ProgressCallback, Upscaler
from fourpass.wear.restore import Restore


@dataclass(frozen=True)
class Streams:
    """Data and streams used in place of files.

    Attributes:
        data: contents of the input.
        output: where the result goes.
        input_name, output_name: what messages call the two.
    """

    data: bytes = b""
    output: BinaryIO | None = None
    input_name: str = "data"
    output_name: str = "output"

    def named(self, pair: FilePair) -> tuple[str, str]:
        """Return what messages call an input and its output."""
        return (
            self.input_name if pair.source == STANDARD else pair.source,
            self.output_name if pair.target == STANDARD else pair.target,
        )


@dataclass(frozen=True)
class PlannedFile:
    """One file of the run: what it would become, or an outcome that says why it will not."""

    pair: FilePair
    plan: one_file.FilePlan | None
    outcome: FileOutcome

    @property
    def pixels(self) -> int:
        """Of the output; 0 where there will be none."""
        return self.plan.pixels if self.plan is not None else 0


def plan(
    pairs: Sequence[FilePair], wanted: one_file.UpscaleOptions, upscaler: Upscaler, streams: Streams
) -> list[PlannedFile]:
    """Read the header of every input, and say what becomes of it."""
    return [
        plan_one(pair, FileOutcome(pair.source, pair.target, "planned"), wanted, upscaler, streams) for pair in pairs
    ]


def plan_one(
    pair: FilePair,
    outcome: FileOutcome,
    wanted: one_file.UpscaleOptions,
    upscaler: Upscaler,
    streams: Streams,
    content: files.Source | None = None,
) -> PlannedFile:
    """Read one input's header; content is the input itself, where it was read already."""
    planned = None
    try:
        source = _source(pair, streams) if content is None else content
        source_name, name = streams.named(pair)
        planned = one_file.plan(upscaler, source, wanted, key=pair.key, name=name, source_name=source_name)
    except WeightsError:
        raise
    except Exception as error:
        fail(outcome, error, streams.named(pair))
    else:
        outcome.input_size = [planned.source.width, planned.source.height]
        outcome.output_size = list(planned.size[::-1])
        outcome.frames = planned.source.frames
        outcome.format = FORMATS[planned.key].name
        outcome.lost = planned.lost
    return PlannedFile(pair, planned, outcome)


def upscale(
    items: Sequence[PlannedFile],
    upscaler: Upscaler,
    wanted: one_file.UpscaleOptions,
    watcher: Watcher,
    keeping: Keeping | None,
    streams: Streams,
    *,
    measure: bool = False,
    disagreement: Path | None = None,
) -> Iterator[FileOutcome]:
    """Upscale the planned files one after the other; yields what became of each, the ones that cannot be included.

    Args:
        measure: whether the outcomes are to say how true each file is to its input.
        disagreement: where to write the disagreement of a file's first frame, if the upscaler finds it.
    """
    for item in items:
        outcome, target = item.outcome, item.pair.target
        if item.plan is not None and outcome.status == "planned":
            if keeping is not None and _skipped(item, keeping, streams):
                outcome.status = "skipped"
            elif outcome.status == "planned":
                if keeping is not None and keeping.begun:
                    keeping.record.add(target, {"status": "begun", "settings": keeping.settings})
                progress = watcher.begin(Path(item.pair.source).name, item.plan.pixels)
                upscale_one(item, upscaler, wanted, streams, progress, measure=measure, disagreement=disagreement)
        if keeping is not None and outcome.status in ("done", "failed"):
            keeping.record.add(target, outcome.entry(keeping.settings))
        watcher.end(outcome, item.pixels)
        yield outcome


def upscale_one(
    item: PlannedFile,
    upscaler: Upscaler,
    wanted: one_file.UpscaleOptions,
    streams: Streams,
    progress: ProgressCallback | None = None,
    *,
    content: files.Source | None = None,
    measure: bool = False,
    disagreement: Path | None = None,
) -> None:
    """Upscale one file, and note in its outcome what became of it.

    Args: as `upscale` has them; content is the input itself, where it was read already.

    Raises:
        WeightsError: the weights are at fault, so that no other file would fare better.
    """
    pair, outcome, planned = item.pair, item.outcome, item.plan
    if planned is None:
        return
    began = time.monotonic()

    def make(target: str | BinaryIO) -> UpscaleResult[Any]:
        source = _source(pair, streams) if content is None else content
        names = dict(zip(("source_name", "target_name"), streams.named(pair), strict=True))
        return one_file.upscale_file(
            upscaler, source, target, planned, wanted, progress=progress, measure=measure, **names
        )

    try:
        if pair.target == STANDARD:
            assert streams.output is not None
            result = make(streams.output)
        else:
            result = stores.write(pair.target, make)
        _note(outcome, result, disagreement)
    except WeightsError:
        raise
    except Exception as error:
        fail(outcome, error, streams.named(pair))
        return
    outcome.status = "done"
    outcome.seconds = round(time.monotonic() - began, 3)
    outcome.megapixels_per_second = round(planned.pixels / 1e6 / max(outcome.seconds, 1e-3), 3)
    if pair.target != STANDARD:
        outcome.bytes = stores.size(pair.target)


def foresee(item: PlannedFile, upscaler: Upscaler, wanted: one_file.UpscaleOptions, streams: Streams) -> None:
    """Note in a planned file's outcome how much would be restored, which takes reading its pixels."""
    if item.plan is None or not upscaler.decides:
        return
    try:
        source = _source(item.pair, streams)
        note_restore(item.outcome, one_file.restore_of(upscaler, source, wanted, source_name=item.pair.source))
    except Exception as error:
        fail(item.outcome, error)


def note_restore(outcome: FileOutcome, decided: Restore | None) -> None:
    """Keep how much was restored, and why."""
    if decided is not None:
        outcome.restore, outcome.restore_reason = decided.value, decided.reason


def is_over(
    pair: FilePair, content: files.Source, outcome: FileOutcome, entry: RecordEntry | None, settings: str
) -> bool:
    """Whether an output is there already, made of this very input; notes the input's hash in the outcome.

    Raises:
        ImageError: the input cannot be read.
    """
    if not isinstance(content, bytes) and not os.path.isfile(content):
        return False  # what is wrong is said by who reads it; opening a pipe would wait for ever
    try:
        outcome.input_sha256 = digest(content)
    except OSError as error:
        raise ImageError(
            f"cannot be read ({error.strerror or error})", subject=pair.source, hint="check its permissions"
        ) from None
    return is_done(entry, outcome.input_sha256, settings, stores.size(pair.target))


def source_of(pair: FilePair) -> files.Source:
    """Return an input as `files.read` takes it: a path, or the contents of a URL.

    Raises:
        ImageError, ConfigError: as `stores.read` does.
    """
    return stores.read(pair.source) if stores.is_url(pair.source) else pair.source


def fail(outcome: FileOutcome, error: Exception, names: tuple[str, str] | None = None) -> None:
    """Record why a file failed; an unexpected error keeps its traceback for the report and does not stop other files.

    Args:
        outcome: of the file.
        error: that stopped it.
        names: what messages call its input and its output; None: their paths.
    """
    outcome.status = "failed"
    names = names or (outcome.input, outcome.output)
    if isinstance(error, MemoryError):
        error = ImageError("not enough memory", hint="allow it less memory, or close other programs", key="memory")
    elif not isinstance(error, FourpassError):
        outcome.traceback = "".join(traceback.format_exception(error))
        error = ImageError(
            f"unexpected {type(error).__name__}: {error}", hint="please report it, with its traceback", key="unforeseen"
        )
    if not error.subject.startswith(names):
        error = error.about(f"{names[0]}: {error.subject}" if error.subject else names[0])
    outcome.cause = error
    outcome.error = str(error)


def _skipped(item: PlannedFile, keeping: Keeping, streams: Streams) -> bool:
    pair, outcome = item.pair, item.outcome
    try:
        content = _source(pair, streams)
        over = is_over(pair, content, outcome, keeping.record.entry(pair.target), keeping.settings)
    except FourpassError as error:
        fail(outcome, error, streams.named(pair))
        return False
    return over and keeping.skip


def _note(outcome: FileOutcome, result: UpscaleResult[Any], disagreement: Path | None) -> None:
    """Keep what is known of a file, and of its frames the worst of each."""
    outcome.lost = result.lost
    note_restore(outcome, result.restore)
    outcome.lr_psnr = rounded(result.lr_psnr)
    outcome.consistent = result.consistent
    outcome.corrections = result.corrections
    first = result.frames[0].disagreement if result.frames else None
    if disagreement and first is not None:
        files.write(str(disagreement), disagreement_picture(first)[..., None])


def _source(pair: FilePair, streams: Streams) -> files.Source:
    return streams.data if pair.source == STANDARD else source_of(pair)
