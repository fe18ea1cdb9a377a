"""One picture file from reading to writing: what the command line and others do to each file, with identical bytes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import alpha, files, formats, limits, writer
from fourpass.imaging.jpeg_tables import luma_table
from fourpass.imaging.picture import Header, Picture, Pixels
from fourpass.upscaling.frames import upscale_picture
from fourpass.upscaling.results import FrameFacts, UpscaleResult
from fourpass.upscaling.sizes import plan_size, trained_scale
from fourpass.upscaling.upscaler import ProgressCallback, Upscaler
from fourpass.wear.restore import Restore


@dataclass(frozen=True)
class UpscaleOptions:
    """The request, which is the same for every picture of a run.

    Attributes:
        scale, width, height, longest, megapixels, fit: as `sizes.plan_size` takes them; at most one of them. None at
            all: the model's usual scale.
        quality: of lossy formats, 1..100; None: the format's own.
        strip: leave out all metadata but the colour profile.
        self_ensemble: average over the eight rotations and flips.
        max_pixels: the most that a file may have.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    longest: int | None = None
    megapixels: float | None = None
    fit: tuple[int, int] | None = None
    quality: int | None = None
    strip: bool = False
    self_ensemble: bool = False
    max_pixels: int = files.MAX_PIXELS

    @property
    def size(self) -> dict[str, Any]:
        """The size that is asked for, as keyword arguments; empty for the model's usual scale."""
        names = ("scale", "width", "height", "longest", "megapixels", "fit")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True)
class FilePlan:
    """The planned output of one file, from its header alone.

    Attributes:
        source: header of the input, without its metadata.
        size: (rows, columns) of a frame of the output.
        key: its format, in `formats.FORMATS`.
        lost: in words, what that format cannot keep of the input.
    """

    source: Header
    size: tuple[int, int]
    key: str
    lost: tuple[str, ...]

    @property
    def pixels(self) -> int:
        """Of the output, all frames together."""
        return self.size[0] * self.size[1] * self.source.frames


def check(wanted: UpscaleOptions) -> None:
    """Reject options that are invalid for any picture.

    Raises:
        ConfigError: a value is out of range, or more than one size is asked for.
    """
    if wanted.size:
        plan_size((1000, 1000), **wanted.size)
    if wanted.quality is not None and not 1 <= wanted.quality <= 100:
        raise ConfigError(
            f"quality {wanted.quality} is not within 1..100", key="quality", values={"quality": wanted.quality}
        )


def output_key(source: str, wanted: str | None = None) -> str:
    """Return the format to write: the wanted one, else the input's own, or the nearest that is written."""
    return wanted or formats.written_as(source)


def plan(
    upscaler: Upscaler,
    source: files.Source,
    wanted: UpscaleOptions,
    *,
    key: str | None,
    name: str,
    source_name: str | None = None,
) -> FilePlan:
    """Plan the output of a file, and reject at once what its format cannot hold.

    Args:
        upscaler: what is going to upscale it.
        source: path or bytes of the input.
        wanted: what is asked for.
        key: format of the output; None: that of the input.
        name: of the output, for messages.
        source_name: of the input, for messages; None: its path.

    Raises:
        ImageError: the input cannot be read, or the output could not be written.
        ConfigError: a size that makes no sense, or is out of the model's reach.
    """
    header = files.probe(source, name=_name(source, source_name), max_pixels=wanted.max_pixels)
    size = plan_size(header.size, **(wanted.size or {"scale": upscaler.default_scale}))
    trained_scale(header.size, size, upscaler.scales)
    key = output_key(header.format, key)
    # Whether any pixel is transparent is not known yet; many files with transparency are opaque throughout.
    limits.check(replace(header.resized(size), alpha=False), key, name, wanted.quality)
    lost = limits.lost(header, key, strip=wanted.strip)
    return FilePlan(replace(header, metadata=type(header.metadata)()), size, key, lost)


def upscale_file(
    upscaler: Upscaler,
    source: files.Source,
    target: str | os.PathLike[str] | BinaryIO,
    planned: FilePlan,
    wanted: UpscaleOptions,
    *,
    progress: ProgressCallback | None = None,
    measure: bool = False,
    source_name: str | None = None,
    target_name: str | None = None,
) -> UpscaleResult[str | os.PathLike[str] | BinaryIO]:
    """Read, upscale and write one file; the output is never whole in memory.

    Args:
        upscaler: what to upscale with.
        source: path or bytes of the input.
        target: path of the output, replaced only by a whole new file; or an open stream, which gets all or nothing.
        planned: what `plan` said of this file.
        wanted: what is asked for.
        progress: called with the fraction that is done, 0..1; an exception that it raises stops the work.
        measure: whether to find the facts of each frame; the result has none otherwise.
        source_name, target_name: for messages; None: the paths, "data" for bytes and "output" for a stream.

    Returns:
        the result, whose image is the target; lost is what the plan said, and what only the pixels tell.

    Raises:
        ImageError: the input cannot be read, or the output not written.
        ConfigError, BackendError: as `Upscaler.rows` does.
    """
    began = time.monotonic()
    named = _name(source, source_name)
    picture = files.read(source, name=named, max_pixels=wanted.max_pixels)
    if picture.header.size != planned.source.size or picture.header.frames != planned.source.frames:
        raise ImageError("has changed since its header was read", subject=named, hint="run again")
    picture = _opaque_where_it_must_be(picture, planned.key)
    header = picture.header.resized(planned.size)
    name = target_name or (os.fspath(target) if isinstance(target, (str, os.PathLike)) else "output")
    limits.check(header, planned.key, name, wanted.quality)
    settled, restore = upscaler.for_picture(picture.pixels, luma_table(source))
    facts: list[FrameFacts] = []
    bands = upscale_picture(
        settled,
        picture,
        planned.size,
        self_ensemble=wanted.self_ensemble,
        progress=progress,
        facts=facts.append if measure else None,
    )
    options: dict[str, Any] = {"strip": wanted.strip, "quality": wanted.quality}
    if isinstance(target, (str, os.PathLike)):
        files.write_rows(target, bands, header, key=planned.key, **options)
    else:
        _pour(target, bands, header, planned.key, name, options)
    lost = (*planned.lost, *limits.lost_pixels(picture, planned.key))
    seconds = round(time.monotonic() - began, 3)
    return UpscaleResult(target, planned.size, lost, tuple(facts), seconds, restore)


def restore_of(
    upscaler: Upscaler, source: files.Source, wanted: UpscaleOptions, *, source_name: str | None = None
) -> Restore | None:
    """Return how much `upscale_file` would restore, and why; None where nothing is to be decided.

    Raises:
        ImageError: the input cannot be read.
    """
    if not upscaler.decides:
        return None
    picture = files.read(source, name=_name(source, source_name), max_pixels=wanted.max_pixels)
    return upscaler.for_picture(picture.pixels, luma_table(source))[1]


def _pour(
    target: BinaryIO, bands: Iterator[Pixels], header: Header, key: str, name: str, options: dict[str, Any]
) -> None:
    """Write to a stream, by way of a file that has no name, so that it gets a whole picture or nothing."""
    try:
        with tempfile.TemporaryFile(buffering=0) as whole:
            writer.encode(whole, bands, header, key, name=name, **options)
            whole.seek(0)
            shutil.copyfileobj(whole, target)
            target.flush()
    except OSError as error:
        raise ImageError(f"cannot be written ({error.strerror or error})", subject=name) from None


def _opaque_where_it_must_be(picture: Picture, key: str) -> Picture:
    """Leave out a transparency that hides nothing, for a format that has none."""
    if picture.alphas is None or formats.FORMATS[key].alpha:
        return picture
    if alpha.constant(picture.alphas) != np.iinfo(picture.alphas.dtype).max:
        return picture
    return Picture(replace(picture.header, alpha=False), picture.frames)


def _name(source: files.Source, given: str | None) -> str:
    if given is not None and given != "-":
        return given
    return "data" if isinstance(source, bytes) else os.fspath(source)
