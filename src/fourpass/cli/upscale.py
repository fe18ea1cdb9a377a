"""``fourpass upscale``: pictures in, larger pictures out. Options mean what they mean in Real-ESRGAN."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fourpass import DEFAULT_MODEL
from fourpass.errors import ConfigError

if TYPE_CHECKING:
    from fourpass.jobs.job import Wishes
    from fourpass.jobs.pairs import Pair
    from fourpass.jobs.record import Keeping
    from fourpass.jobs.report import Outcome
    from fourpass.upscaling.model import Model
    from fourpass.upscaling.upscaler import Upscaler


def upscale(
    pictures: list[str] | None = typer.Argument(None, metavar="INPUT...", help="Pictures, folders, or - for stdin."),
    inputs: list[str] | None = typer.Option(None, "-i", "--input", help="The same as INPUT; may be repeated."),
    output: str | None = typer.Option(
        None, "-o", "--output", help="File or folder to write, or - for stdout; default: beside the input, as NAME_x4."
    ),
    scale: float | None = typer.Option(None, "-s", "--scale", help="Factor, any number; default: 4."),
    model: str = typer.Option(
        DEFAULT_MODEL,
        "-n",
        "--model",
        help="Packaged model (see: fourpass models), or a file: .safetensors, .onnx, .param, .pth.",
    ),
    tile: int = typer.Option(0, "-t", "--tile", help="Side of a tile, in input pixels; 0: from the memory at hand."),
    width: int | None = typer.Option(None, help="Output width, instead of a factor."),
    height: int | None = typer.Option(None, help="Output height, instead of a factor."),
    longest: int | None = typer.Option(None, help="Pixels of the output's longer side, instead of a factor."),
    megapixels: float | None = typer.Option(None, help="Output area in millions of pixels, instead of a factor."),
    fit: str | None = typer.Option(None, metavar="WxH", help="The largest output that fits into a box of this size."),
    strength: float | None = typer.Option(None, help="0: true to the input ... 1: sharpest look."),
    strength_map: Path | None = typer.Option(
        None, metavar="MASK", help="Picture that says the strength by place: black 0, white 1."
    ),
    perceptual: str | None = typer.Option(
        None, metavar="MODEL", help="What -n is blended with at a strength above 0; default: the packaged pair."
    ),
    blend_pixels: bool = typer.Option(
        False, "--blend-pixels", help="Blend what the two give, not their weights; for models of different lineages."
    ),
    consistency: bool = typer.Option(
        False, "--consistency", help="Correct the output until it shrinks back to its input within 1/255."
    ),
    disagreement: Path | None = typer.Option(
        None, metavar="MAP", help="Picture to write: white where the sharp look may be invented; takes one input."
    ),
    self_ensemble: bool = typer.Option(
        False, "-x", "--self-ensemble", help="Average over 8 turns and flips: a little better, 8 times the time."
    ),
    wrap: bool = typer.Option(
        False, "--wrap", help="The picture repeats, as a texture does: no seam where its edges meet."
    ),
    fp32: bool = typer.Option(False, "--fp32", help="Full precision, also where bf16 would be faster."),
    backend: str = typer.Option("auto", help="auto, ncnn, openvino, onnxruntime or torch."),
    device: str = typer.Option("auto", help="auto, cpu, gpu, gpu:1 (the second) or npu; see fourpass doctor."),
    threads: int | None = typer.Option(None, help="Processors to use; default: as the backend sees fit."),
    max_memory: str | None = typer.Option(
        None, help="Memory for upscaling, such as 2G; default: half of what is free."
    ),
    max_pixels: str | None = typer.Option(None, help="Refuse inputs with more pixels; default: 250M."),
    suffix: str | None = typer.Option(None, help="Append _SUFFIX to the names of outputs."),
    ext: str = typer.Option(
        "auto", "-f", "--ext", help="Output format: auto (that of each input), jpg, png, webp, tif, avif or gif."
    ),
    quality: int | None = typer.Option(
        None, help="1..100 for JPEG (default 95), WebP (95), AVIF (80); 100 is lossless in the last two."
    ),
    strip: bool = typer.Option(False, "--strip", help="Drop EXIF, XMP, IPTC, resolution; the colour profile stays."),
    recursive: bool = typer.Option(False, "-r", "--recursive", help="Also folders inside folders; the tree is kept."),
    resume: bool = typer.Option(False, "--resume", help="Remember finished files in the output folder; skip those."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be done; write nothing."),
    report: str | None = typer.Option(None, "--json", metavar="REPORT", help="Write a report as JSON; - for stdout."),
) -> None:
    """Upscale pictures; metadata, colour profile, transparency and every frame are kept.

    Exit code: 0 all done; 1 a picture failed, the others are done; 2 nothing was begun.
    """
    from fourpass.cli import options
    from fourpass.disk import overwriting
    from fourpass.imaging.files import MAX_PIXELS
    from fourpass.jobs import pairs, record, settings
    from fourpass.jobs.job import Wishes
    from fourpass.upscaling.model import blend

    names = [*(pictures or []), *(inputs or [])]
    wishes = Wishes(
        scale=scale,
        width=width,
        height=height,
        longest=longest,
        megapixels=megapixels,
        fit=options.box(fit),
        quality=quality,
        strip=strip,
        self_ensemble=self_ensemble,
        max_pixels=options.number("--max-pixels", max_pixels) or MAX_PIXELS,
    )
    options.check(wishes, output, report, resume)
    precision = "fp32" if fp32 else "auto"
    about = settings.settings(
        wishes,
        model=model,
        strength=strength,
        backend=backend,
        precision=precision,
        perceptual=perceptual,
        mask=strength_map,
        consistency=consistency,
        blend_pixels=blend_pixels,
        wrap=wrap,
    )
    if wrap and consistency:
        raise ConfigError("--wrap and --consistency do not go together: the correction knows no picture that repeats")
    held = {"mask": _mask(strength_map), "consistent": consistency, "disagreement": disagreement is not None}
    if blend_pixels and perceptual is None:
        raise ConfigError("--blend-pixels wants two models; say what to blend with by --perceptual")
    chosen: Model = model
    if perceptual is not None:
        chosen = blend(model, perceptual, 0.5 if strength is None else strength, pixels=blend_pixels)
    upscaler = _upscaler(
        chosen,
        held if report or any(value is not None and value is not False for value in held.values()) else None,
        backend=backend,
        device=device,
        precision=precision,
        threads=threads,
        tile=tile or None,
        max_memory=options.number("--max-memory", max_memory),
        wrap=wrap,
        strength=strength if perceptual is None else None,
    )
    if scale is not None and scale > max(upscaler.scales):
        raise ConfigError(f"-s {scale:g} is beyond this model's largest factor, {max(upscaler.scales)}; upscale twice")
    keeping = record.keep(output, names, settings.digest_of(about), resume=resume)
    found = pairs.pairs(
        names,
        output,
        tag=options.tag(wishes, upscaler.default_scale),
        suffix=suffix,
        ext=ext,
        recursive=recursive,
        made=keeping.record.made() if keeping else (),
    )
    if output is None:
        _keep_what_is_there(found)
    if disagreement and len(found) != 1:
        raise ConfigError(f"--disagreement takes one picture, not {len(found)}")
    beside = [each for each in (None if report == "-" else report, disagreement) if each is not None]
    beside += [keeping.record.file] if keeping else []
    others = [*([strength_map] if strength_map else []), *settings.weights_files(model, perceptual)]
    overwriting.check([*pairs.reads(found), *others], [*pairs.writes(found), *beside])
    said = {"model": model, "strength": strength, **_how(upscaler), "settings": about}
    failed = _run(found, wishes, upscaler, keeping, report, said, dry_run, disagreement)
    raise typer.Exit(1 if failed else 0)


def _run(
    pairs: list[Pair],
    wishes: Wishes,
    upscaler: Upscaler,
    keeping: Keeping | None,
    path: str | None,
    about: dict[str, Any],
    dry_run: bool,
    disagreement: Path | None,
) -> bool:
    """Do the work, and say what became of it; returns whether a file failed."""
    from fourpass.cli.report import Display, describe
    from fourpass.jobs import work
    from fourpass.jobs.report import Report

    outcomes: list[Outcome] = []
    streams = _streams(pairs)
    report = Report(path, about)
    if keeping and not dry_run:
        keeping.record.begin()
    report.begin()
    complete = False
    try:
        items = work.plan(pairs, wishes, upscaler, streams)
        with Display(sum(item.pixels for item in items), len(items)) as display:
            if dry_run:
                for item in items:
                    display.end(item.outcome, 0) if item.plan is None else print(describe(item.outcome))
                    outcomes.append(item.outcome)
            else:
                for outcome in work.upscale(
                    items, upscaler, wishes, display, keeping, streams, disagreement=disagreement
                ):
                    outcomes.append(outcome)
                display.summary(outcomes)
        complete = True
    except KeyboardInterrupt:
        again = "; the same command goes on from here" if keeping and keeping.skip else ""
        print(f"fourpass: stopped after {len(outcomes)} of {len(pairs)}{again}", file=sys.stderr)
        raise typer.Exit(130) from None
    finally:
        report.finish(outcomes, complete=complete)
    return any(each.status == "failed" for each in outcomes)


def _keep_what_is_there(pairs: list[Pair]) -> None:
    """Refuse to replace a file in a place that nobody named."""
    for pair in pairs:
        if os.path.exists(pair.target):
            raise ConfigError(f"{pair.target}: is there already; delete it, or say with -o where to write")


def _upscaler(model: Model, held: dict[str, Any] | None, **options: Any) -> Upscaler:
    """Return the plain Upscaler, or the one that looks back at its input."""
    if held is None:
        from fourpass.upscaling.upscaler import Upscaler

        return Upscaler(model, **options)
    from fourpass.upscaling.faithful import FaithfulUpscaler

    return FaithfulUpscaler(model, **held, **options)


def _mask(path: Path | None) -> Any:
    from fourpass.imaging import files

    return None if path is None else files.read(str(path)).pixels


def _how(upscaler: Upscaler) -> dict[str, Any]:
    engine = upscaler.engine
    return {name: getattr(engine, name) for name in ("backend", "device", "precision", "threads")}


def _streams(pairs: list[Pair]) -> Any:
    from fourpass.cli import terminal
    from fourpass.jobs.pairs import STANDARD
    from fourpass.jobs.work import Streams

    data, output = b"", None
    if any(pair.source == STANDARD for pair in pairs):
        data = terminal.standard_input().read()
    if any(pair.target == STANDARD for pair in pairs):
        output = terminal.standard_output()
    return Streams(data, output)
