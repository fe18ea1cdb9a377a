"""``fourpass batch``: a folder, a list or an object store, over the cores of this machine or a Ray cluster."""

from __future__ import annotations

import sys
from typing import Any

import typer

from fourpass import DEFAULT_MODEL
from fourpass.cli import words
from fourpass.cli.terminal import printable


def batch(
    source: str = typer.Argument(..., metavar="INPUT", help="Folder, .txt list, or URL like s3://bucket/photos."),
    target: str = typer.Argument(..., metavar="OUTPUT", help="Folder or URL; also holds the manifest to resume from."),
    address: str | None = typer.Option(None, help="Of a Ray cluster; default: this machine."),
    workers: int = typer.Option(1, help="Actors, each with its own network."),
    threads: int | None = typer.Option(None, help="Processors for each worker; default: as the backend sees fit."),
    attempts: int = typer.Option(3, help="How many workers a picture may take with it before it is set aside."),
    scale: float | None = typer.Option(None, "-s", "--scale", help="Factor; default: 4."),
    longest: int | None = typer.Option(None, help="Pixels of the longer side, instead of a factor."),
    megapixels: float | None = typer.Option(None, help="Output area, instead of a factor."),
    model: str = typer.Option(DEFAULT_MODEL, "-n", "--model", help="Packaged name or path of the weights."),
    strength: float | None = typer.Option(None, help="0: true to the input ... 1: sharpest look."),
    fp32: bool = typer.Option(False, "--fp32", help="Full precision, also where bf16 would be faster."),
    ext: str = typer.Option("auto", "-f", "--ext", help="Output format; auto: that of each input."),
    quality: int | None = typer.Option(None, help="1..100 for JPEG, WebP, AVIF."),
    strip: bool = typer.Option(False, "--strip", help="Drop metadata but for the colour profile."),
) -> None:
    """Upscale many pictures; the same command goes on where a run was stopped. Exit code 1: some failed."""
    from fourpass import batch as module
    from fourpass.imaging import formats
    from fourpass.jobs.job import Wishes

    work = module.Work(
        Wishes(scale=scale, longest=longest, megapixels=megapixels, quality=quality, strip=strip),
        model=model,
        strength=strength,
        precision="fp32" if fp32 else "auto",
        threads=threads,
        key=None if ext == "auto" else formats.of_suffix(ext),
    )
    tally = module.run(source, target, work, address=address, workers=workers, attempts=attempts, report=_reporter())
    speed = tally.pixels / 1e6 / tally.seconds if tally.seconds else 0.0
    print(
        f"{tally.done} done, {tally.skipped} skipped, {tally.failed} failed, {tally.retried} retried; "
        f"{tally.seconds:.1f} s, {speed:.3g} MP/s"
    )
    raise typer.Exit(1 if tally.failed else 0)


def _reporter() -> Any:
    """Say on standard error what failed, and on a terminal how far the run is."""

    def report(outcome: Any, tally: Any, total: int) -> None:
        over = tally.done + tally.skipped + tally.failed
        if outcome.status == "failed":
            print(
                f"fourpass: {printable(words.line(outcome.cause) if outcome.cause else outcome.error)}", file=sys.stderr
            )
        if sys.stderr.isatty():
            left = tally.seconds / over * (total - over)
            print(
                f"\r{over}/{total}, {left:.0f} s left ", end="" if over < total else "\n", file=sys.stderr, flush=True
            )

    return report
