"""``fourpass batch``: a folder, a list or an object store, over the cores of this machine or a Ray cluster."""

from __future__ import annotations

import sys
from typing import Any

import typer

from fourpass.cli import words
from fourpass.cli.terminal import printable
from fourpass.defaults import DEFAULT_MODEL


def batch(
    source: str = typer.Argument(
        ..., metavar="INPUT", help="A folder, a .txt list, or a URL such as s3://bucket/photos."
    ),
    target: str = typer.Argument(
        ..., metavar="OUTPUT", help="A folder or URL; it also holds the manifest to resume from."
    ),
    address: str | None = typer.Option(None, help="Address of a Ray cluster. Default: this machine."),
    workers: int = typer.Option(1, help="Worker processes; each loads the network."),
    threads: int | None = typer.Option(None, help="Processor threads of each worker. Default: the backend decides."),
    attempts: int = typer.Option(3, help="Set a picture aside after it has crashed this many workers."),
    scale: float | None = typer.Option(None, "-s", "--scale", help="Factor, any number. Default: 4."),
    longest: int | None = typer.Option(None, help="Longer side of the output in pixels, instead of a factor."),
    megapixels: float | None = typer.Option(None, help="Output area in megapixels, instead of a factor."),
    model: str = typer.Option(DEFAULT_MODEL, "-n", "--model", help="A packaged model, or a weights file."),
    strength: float | None = typer.Option(None, help="From 0, faithful to the input, to 1, the sharpest look."),
    restore: str = typer.Option(
        "auto", help="From 0, as it is, to 1, cleaned of JPEG blocks, noise and blur; auto: as each picture needs."
    ),
    fp32: bool = typer.Option(False, "--fp32", help="Use full precision even where bf16 would be faster."),
    ext: str = typer.Option("auto", "-f", "--ext", help="Output format; auto keeps the input's."),
    quality: int | None = typer.Option(None, help="1..100, for JPEG, WebP and AVIF."),
    strip: bool = typer.Option(False, "--strip", help="Drop metadata, but keep the colour profile."),
) -> None:
    """Upscale many pictures on one machine or a cluster; rerun the same command to resume.

    Exit code: 0 all done; 1 some pictures failed.
    """
    from fourpass import batch as module
    from fourpass.cli import options
    from fourpass.imaging import formats
    from fourpass.jobs.one_file import UpscaleOptions

    work = module.Work(
        UpscaleOptions(scale=scale, longest=longest, megapixels=megapixels, quality=quality, strip=strip),
        model=model,
        strength=strength,
        restore=options.restore(restore),
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
    """Report failures on standard error, and progress if it is a terminal."""

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
