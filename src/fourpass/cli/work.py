"""Work through the files of a run: plan each from its header, upscale it, and never let one stop the others."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fourpass.cli.manifest import Manifest
from fourpass.cli.plan import STANDARD, Pair
from fourpass.cli.report import Display, Outcome
from fourpass.errors import FourpassError, WeightsError
from fourpass.imaging import files
from fourpass.imaging.formats import FORMATS
from fourpass.inference import job
from fourpass.inference.consistency import disagreement_picture
from fourpass.inference.faithful import Facts, FaithfulUpscaler
from fourpass.inference.upscaler import Upscaler


@dataclass(frozen=True)
class Streams:
    """Standard input's contents, and standard output, where they stand in for files."""

    data: bytes = b""
    output: BinaryIO | None = None


@dataclass(frozen=True)
class Item:
    """One file of the run: what it would become, or an outcome that says why it will not."""

    pair: Pair
    plan: job.Plan | None
    outcome: Outcome

    @property
    def pixels(self) -> int:
        """Of the output; 0 where there will be none."""
        return self.plan.pixels if self.plan is not None else 0


def plan(pairs: Sequence[Pair], wishes: job.Wishes, upscaler: Upscaler, streams: Streams) -> list[Item]:
    """Read the header of every input, and say what becomes of it."""
    items = []
    for pair in pairs:
        outcome = Outcome(pair.source, pair.target, "planned")
        planned = None
        try:
            planned = job.plan(upscaler, _source(pair, streams), wishes, key=pair.key, name=pair.target)
        except Exception as error:
            _fail(outcome, error)
        else:
            outcome.input_size = [planned.source.width, planned.source.height]
            outcome.output_size = list(planned.size[::-1])
            outcome.frames = planned.source.frames
            outcome.format = FORMATS[planned.key].name
            outcome.lost = planned.lost
        items.append(Item(pair, planned, outcome))
    return items


def upscale(
    items: Sequence[Item],
    upscaler: Upscaler,
    wishes: job.Wishes,
    display: Display,
    manifest: Manifest | None,
    streams: Streams,
    *,
    disagreement: Path | None = None,
) -> Iterator[Outcome]:
    """Upscale the planned files one after the other; yields what became of each, the ones that cannot be included.

    Where the upscaler finds it, the disagreement of a file's first frame is written to ``disagreement``.
    """
    for item in items:
        outcome = item.outcome
        if item.plan is not None and outcome.status == "planned":
            source, target = Path(item.pair.source), Path(item.pair.target)
            if manifest is not None and manifest.is_done(source, target):
                outcome.status = "skipped"
            else:
                _upscale(item, item.plan, upscaler, wishes, display, streams, disagreement)
                if manifest is not None and outcome.status == "done":
                    manifest.add(source, target)
        display.end(outcome, item.pixels)
        yield outcome


def _upscale(
    item: Item,
    planned: job.Plan,
    upscaler: Upscaler,
    wishes: job.Wishes,
    display: Display,
    streams: Streams,
    disagreement: Path | None,
) -> None:
    pair, outcome = item.pair, item.outcome
    progress = display.begin(Path(pair.source).name, planned.pixels)
    target: str | BinaryIO = pair.target
    if pair.target == STANDARD:
        assert streams.output is not None
        target = streams.output
    began = time.monotonic()
    try:
        outcome.lost = job.upscale_file(upscaler, _source(pair, streams), target, planned, wishes, progress=progress)
        if isinstance(upscaler, FaithfulUpscaler):
            _note(outcome, upscaler.take_facts(), disagreement)
    except WeightsError:  # no other file would fare better
        raise
    except Exception as error:
        _fail(outcome, error)
        return
    outcome.status = "done"
    outcome.seconds = round(time.monotonic() - began, 3)
    outcome.megapixels_per_second = round(planned.pixels / 1e6 / max(outcome.seconds, 1e-3), 3)
    if isinstance(target, str):
        outcome.bytes = os.path.getsize(target)


def _note(outcome: Outcome, facts: Sequence[Facts], disagreement: Path | None) -> None:
    """Keep what is known of a file's frames: the worst of each."""
    found = [each.lr_psnr for each in facts if math.isfinite(each.lr_psnr)]
    outcome.lr_psnr = round(min(found), 3) if found else None
    if facts and facts[0].consistent is not None:
        outcome.consistent = all(each.consistent for each in facts)
        outcome.corrections = max(each.steps or 0 for each in facts)
    if disagreement and facts and facts[0].disagreement is not None:
        files.write(str(disagreement), disagreement_picture(facts[0].disagreement)[..., None])


def _fail(outcome: Outcome, error: Exception) -> None:
    """Say why a file failed; what nobody foresaw is kept whole for the report, and does not stop the other files."""
    outcome.status = "failed"
    if isinstance(error, FourpassError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = "not enough memory; give it less with --max-memory, or close other programs"
    else:
        text = f"unforeseen {type(error).__name__}: {error}; please report it, with the traceback that --json records"
        outcome.traceback = "".join(traceback.format_exception(error))
    text = " ".join(text.split())
    named = outcome.input if outcome.input != STANDARD else "standard input"
    known = (named, outcome.output, "standard output")
    outcome.error = text if text.startswith(known) else f"{named}: {text}"


def _source(pair: Pair, streams: Streams) -> str | bytes:
    return streams.data if pair.source == STANDARD else pair.source
