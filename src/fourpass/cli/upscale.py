"""``fourpass upscale``: pictures in, larger pictures out. Options mean what they mean in Real-ESRGAN."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fourpass.defaults import DEFAULT_MODEL
from fourpass.errors import ConfigError

if TYPE_CHECKING:
    from fourpass.jobs.one_file import UpscaleOptions
    from fourpass.jobs.pairs import FilePair
    from fourpass.jobs.record import Keeping
    from fourpass.jobs.report import FileOutcome
    from fourpass.upscaling.model import Model
    from fourpass.upscaling.upscaler import Upscaler


def upscale(
    pictures: list[str] | None = typer.Argument(
        None, metavar="INPUT...", help="Pictures, folders, or - for standard input."
    ),
    inputs: list[str] | None = typer.Option(None, "-i", "--input", help="Another input; may be repeated."),
    output: str | None = typer.Option(
        None,
        "-o",
        "--output",
        help="Output file or folder, or - for standard output. Default: NAME_x4 beside the input.",
    ),
    scale: float | None = typer.Option(None, "-s", "--scale", help="Factor, any number. Default: 4."),
    model: str = typer.Option(
        DEFAULT_MODEL,
        "-n",
        "--model",
        help="A packaged model (fourpass models lists them), or a .safetensors, .onnx, .param or .pth file.",
    ),
    tile: int = typer.Option(0, "-t", "--tile", help="Tile size in input pixels; 0 picks one to fit the free memory."),
    width: int | None = typer.Option(None, help="Output width in pixels, instead of a factor."),
    height: int | None = typer.Option(None, help="Output height in pixels, instead of a factor."),
    longest: int | None = typer.Option(None, help="Longer side of the output in pixels, instead of a factor."),
    megapixels: float | None = typer.Option(None, help="Output area in megapixels, instead of a factor."),
    fit: str | None = typer.Option(
        None, metavar="WxH", help="The largest output that fits inside WxH, such as 1920x1080."
    ),
    strength: float | None = typer.Option(None, help="From 0, faithful to the input, to 1, the sharpest look."),
    strength_map: Path | None = typer.Option(
        None, metavar="MASK", help="Vary the strength across the image: black in MASK is 0, white is 1."
    ),
    restore: str = typer.Option(
        "auto", help="From 0, as it is, to 1, cleaned of JPEG blocks, noise and blur; auto: as each picture needs."
    ),
    perceptual: str | None = typer.Option(
        None, metavar="MODEL", help="The perceptual model to blend with -n. Default: its packaged partner."
    ),
    blend_pixels: bool = typer.Option(
        False,
        "--blend-pixels",
        help="Blend the two outputs instead of the weights, for models that were not trained together.",
    ),
    consistency: bool = typer.Option(
        False, "--consistency", help="Correct the output until it shrinks back to the input, to within 1/255."
    ),
    disagreement: Path | None = typer.Option(
        None, metavar="MAP", help="Also write a map that is white where detail may be invented; takes one input."
    ),
    self_ensemble: bool = typer.Option(
        False, "-x", "--self-ensemble", help="Average 8 rotations and flips: slightly better, 8 times slower."
    ),
    wrap: bool = typer.Option(False, "--wrap", help="Treat the picture as a repeating texture: no seam at its edges."),
    fp32: bool = typer.Option(False, "--fp32", help="Use full precision even where bf16 would be faster."),
    backend: str = typer.Option("auto", help="auto, ncnn, openvino, onnxruntime or torch."),
    device: str = typer.Option(
        "auto", help="auto, cpu, gpu, gpu:1 (the second GPU) or npu; fourpass doctor lists them."
    ),
    threads: int | None = typer.Option(None, help="Processor threads. Default: the backend decides."),
    max_memory: str | None = typer.Option(None, help="Memory limit, such as 2G. Default: half of the free memory."),
    max_pixels: str | None = typer.Option(None, help="Largest input accepted, in pixels. Default: 250M."),
    suffix: str | None = typer.Option(None, help="Add _SUFFIX to output names."),
    ext: str = typer.Option(
        "auto", "-f", "--ext", help="Output format: jpg, png, webp, tif, avif, gif, or auto to keep the input's."
    ),
    quality: int | None = typer.Option(
        None, help="1..100. Default: JPEG and WebP 95, AVIF 80. 100 is lossless in WebP and AVIF."
    ),
    strip: bool = typer.Option(False, "--strip", help="Drop metadata, but keep the colour profile."),
    recursive: bool = typer.Option(False, "-r", "--recursive", help="Include subfolders, and keep their structure."),
    resume: bool = typer.Option(False, "--resume", help="Skip files that an earlier run has finished."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be done; write nothing."),
    report: str | None = typer.Option(
        None, "--json", metavar="REPORT", help="Write a JSON report; - for standard output."
    ),
) -> None:
    """Upscale pictures; metadata, colour profiles, transparency and frames are preserved.

    Exit code: 0 all done; 1 some pictures failed, the others are done; 2 nothing was started.
    """
    from fourpass.cli import options, words
    from fourpass.disk import overwriting
    from fourpass.imaging.files import MAX_PIXELS
    from fourpass.jobs import pairs, record, settings
    from fourpass.jobs.one_file import UpscaleOptions
    from fourpass.upscaling.model import blend

    names = [*(pictures or []), *(inputs or [])]
    wanted = UpscaleOptions(
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
    options.check(wanted, output, report, resume)
    precision = "fp32" if fp32 else "auto"
    cleaned = options.restore(restore)
    about = settings.settings(
        wanted,
        model=model,
        strength=strength,
        restore=cleaned,
        backend=backend,
        precision=precision,
        perceptual=perceptual,
        mask=strength_map,
        consistency=consistency,
        blend_pixels=blend_pixels,
        wrap=wrap,
    )
    if wrap and consistency:
        raise ConfigError(
            "--wrap and --consistency cannot be combined: the correction does not support repeating pictures"
        )
    held = {"mask": _mask(strength_map), "consistent": consistency, "disagreement": disagreement is not None}
    if blend_pixels and perceptual is None:
        raise ConfigError("--blend-pixels needs two models", hint="name the second one with --perceptual")
    chosen: Model = model
    if perceptual is not None:
        chosen = blend(model, perceptual, 0.5 if strength is None else strength, pixels=blend_pixels)
    looks_back = any(value is not None and value is not False for value in held.values())
    upscaler = _upscaler(
        chosen,
        held if looks_back else None,
        backend=backend,
        device=device,
        precision=precision,
        threads=threads,
        tile=tile or None,
        max_memory=options.number("--max-memory", max_memory),
        wrap=wrap,
        strength=strength if perceptual is None else None,
        restore=cleaned,
    )
    if scale is not None and scale > max(upscaler.scales):
        raise ConfigError(
            f"-s {scale:g} exceeds this model's largest factor, {max(upscaler.scales)}", hint="upscale twice"
        )
    keeping = record.keep(output, names, settings.digest_of(about), resume=resume)
    found = pairs.pairs(
        names,
        output,
        tag=options.tag(wanted, upscaler.default_scale),
        suffix=suffix,
        ext=ext,
        recursive=recursive,
        made=keeping.record.made() if keeping else (),
        streams=words.STREAMS,
    )
    if output is None:
        _keep_what_is_there(found)
    if disagreement and len(found) != 1:
        raise ConfigError(f"--disagreement takes one picture, not {len(found)}")
    beside = [each for each in (None if report == "-" else report, disagreement) if each is not None]
    beside += [keeping.record.file] if keeping else []
    others = [*([strength_map] if strength_map else []), *settings.weights_files(model, perceptual)]
    overwriting.check([*pairs.reads(found), *others], [*pairs.writes(found), *beside], streams=words.STREAMS)
    said = {"model": model, "strength": strength, "restore": cleaned, **_how(upscaler), "settings": about}
    failed = _run(found, wanted, upscaler, keeping, report, said, dry_run, disagreement, bool(report) or looks_back)
    raise typer.Exit(1 if failed else 0)


def _run(
    pairs: list[FilePair],
    wanted: UpscaleOptions,
    upscaler: Upscaler,
    keeping: Keeping | None,
    path: str | None,
    about: dict[str, Any],
    dry_run: bool,
    disagreement: Path | None,
    measure: bool,
) -> bool:
    """Run, and report the outcome; returns whether a file failed."""
    from fourpass.cli.report import Display, describe
    from fourpass.jobs import work
    from fourpass.jobs.report import Report

    outcomes: list[FileOutcome] = []
    streams = _streams(pairs)
    report = Report(path, about)
    if keeping and not dry_run:
        keeping.record.begin()
    report.begin()
    complete = False
    try:
        items = work.plan(pairs, wanted, upscaler, streams)
        with Display(sum(item.pixels for item in items), len(items)) as display:
            if dry_run:
                for item in items:
                    work.foresee(item, upscaler, wanted, streams)
                    display.end(item.outcome, 0) if item.outcome.status == "failed" else print(describe(item.outcome))
                    outcomes.append(item.outcome)
            else:
                for outcome in work.upscale(
                    items, upscaler, wanted, display, keeping, streams, measure=measure, disagreement=disagreement
                ):
                    outcomes.append(outcome)
                display.summary(outcomes)
        complete = True
    except KeyboardInterrupt:
        again = "; run the same command to resume" if keeping and keeping.skip else ""
        print(f"fourpass: stopped after {len(outcomes)} of {len(pairs)}{again}", file=sys.stderr)
        raise typer.Exit(130) from None
    finally:
        report.finish(outcomes, complete=complete)
    return any(each.status == "failed" for each in outcomes)


def _keep_what_is_there(pairs: list[FilePair]) -> None:
    """Refuse to replace a file whose name the user did not give."""
    for pair in pairs:
        if os.path.exists(pair.target):
            raise ConfigError("already exists", subject=pair.target, hint="delete it, or name an output with -o")


def _upscaler(model: Model, held: dict[str, Any] | None, **options: Any) -> Upscaler:
    """Return the plain Upscaler, or the one that compares results with their input."""
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


def _streams(pairs: list[FilePair]) -> Any:
    from fourpass.cli import terminal, words
    from fourpass.jobs.pairs import STANDARD
    from fourpass.jobs.work import Streams

    data, output = b"", None
    if any(pair.source == STANDARD for pair in pairs):
        data = terminal.standard_input().read()
    if any(pair.target == STANDARD for pair in pairs):
        output = terminal.standard_output()
    return Streams(data, output, *words.STREAMS.values())
