"""Encode rows into a file while they are still being made, so that a large picture is never whole in memory."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import pyvips

from fourpass import forks
from fourpass.disk.atomic import unwritable, write_all
from fourpass.errors import ImageError
from fourpass.imaging import avif, exif, jpeg_segments, limits, metadata, png_chunks, tiff_tags, webp_chunks
from fourpass.imaging.carrier import Feed, png
from fourpass.imaging.formats import FORMATS
from fourpass.imaging.limits import stored_depth
from fourpass.imaging.picture import Header, Pixels

# format -> libvips's writer, and its options for a quality, the bits a channel and the bytes of all pixels.
_Options = Callable[[int, int, int], dict[str, Any]]
_WRITERS: Mapping[str, tuple[str, _Options]] = {
    "jpeg": ("jpegsave_target", lambda quality, depth, size: {"Q": quality}),
    "png": ("pngsave_target", lambda quality, depth, size: {"compression": 6, "filter": "all"}),
    "webp": (
        "webpsave_target",
        lambda quality, depth, size: {"Q": quality, "alpha_q": 100, "lossless": quality == 100},
    ),
    "tiff": (
        "tiffsave_target",
        lambda quality, depth, size: {"compression": "deflate", "predictor": "horizontal", "bigtiff": size > 3.5e9},
    ),
    "avif": (
        "heifsave_target",
        lambda quality, depth, size: {
            "compression": "av1",
            "Q": quality,
            "bitdepth": depth,
            "effort": 2,
            "lossless": quality == 100,
        },
    ),
    "gif": ("gifsave_target", lambda quality, depth, size: {"keep_duplicate_frames": True}),
}

# What libvips writes of metadata itself, where that comes out as it went in; `_Headed` and `finish` do the rest.
_KEEP: Mapping[str, int] = {
    "tiff": pyvips.enums.ForeignKeep.ICC,
    "avif": pyvips.enums.ForeignKeep.ICC | pyvips.enums.ForeignKeep.XMP,
}


def encode(
    stream: BinaryIO,
    bands: Iterable[Pixels],
    header: Header,
    key: str,
    *,
    name: str,
    strip: bool = False,
    quality: int | None = None,
) -> None:
    """Encode bands of rows into an open file: libvips works in a thread of its own, this one makes the bands.

    Args:
        stream: open for reading and writing, unbuffered, empty.
        bands, header, strip, quality: as `files.write_rows` takes them.
        key: the format, in `formats.FORMATS`.
        name: of the file, for messages.

    Raises:
        ImageError: it cannot be written. What the bands raise passes through.
    """
    forks.use_threads()
    format = FORMATS[key]
    depth = stored_depth(header, format)
    sent = replace(header, depth=8 if depth == 8 else 16)
    kept = limits.kept(header, key, strip=strip)
    convert = header.metadata.icc if kept.icc is None else None
    feed = Feed()
    headed = _Headed(stream, key, kept)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            image = pyvips.Image.pngload_source(feed.source, access="sequential", fail_on="error")
            if convert:
                image = _as_srgb(image, convert)
            image = _as_frames(_carrying(image, kept), header)
            method, options = _WRITERS[key]
            size = math.prod((*sent.size, sent.frames, sent.bands, sent.dtype.itemsize))
            chosen = options(quality or format.quality or 0, depth, size)
            getattr(image, method)(headed.target, keep=_KEEP.get(key, 0), **chosen)
        except BaseException as error:
            failures.append(error)
        finally:
            feed.stop()

    thread = threading.Thread(target=run, name="fourpass-encoder", daemon=True)
    thread.start()
    try:
        for chunk in png((_at_depth(band, header, depth) for band in bands), sent):
            if not feed.put(chunk):
                break
        feed.put(b"")
        thread.join()
    except BaseException:
        feed.stop()
        thread.join(timeout=5)
        raise
    if failures:
        raise _failure(name, headed.error or failures[0]) from None
    if key == "tiff":
        tiff_tags.finish(stream, kept)
    elif key == "webp":
        webp_chunks.finish(stream, _with_resolution(kept), header.size, alpha=header.alpha)
    elif key == "avif":
        avif.finish(stream, _with_resolution(kept))


class _Headed:
    """Where libvips writes to: the file, but for JPEG and PNG with our metadata put into the start of what comes.

    libvips would rewrite EXIF, and leave out what it does not know, what is large, or what it deems wrong.

    Attributes:
        target: for libvips.
        error: of the system, where writing failed.
    """

    def __init__(self, stream: BinaryIO, key: str, kept: metadata.PictureMetadata) -> None:
        self._stream, self._kept = stream, kept
        self._start: bytes | None = b""
        self._png = key == "png"
        self.error: OSError | None = None
        if key in ("jpeg", "png"):
            self.target = pyvips.TargetCustom()
            self.target.on_write(self._write)
        else:
            self.target = pyvips.Target.new_to_descriptor(stream.fileno())

    def _write(self, data: Any) -> int:
        whole = bytes(data)
        try:
            if self._start is not None:
                whole = self._start + whole
                if len(whole) < png_chunks.HEAD:
                    self._start = whole
                    return len(data)
                whole, self._start = self._headed(whole), None
            write_all(self._stream, whole)
        except OSError as error:
            self.error = error
            return -1
        return len(data)

    def _headed(self, data: bytes) -> bytes:
        if self._png:
            return png_chunks.head(self._kept, data[: png_chunks.HEAD]) + data[png_chunks.HEAD :]
        return data[:2] + jpeg_segments.head(self._kept) + data[2:]


def _carrying(image: pyvips.Image, kept: metadata.PictureMetadata) -> pyvips.Image:
    """Return a copy of an image that carries, into libvips's writer, the metadata that is left to it, and no other."""
    image = image.copy()
    for name in image.get_fields():
        if name.startswith(("png-", "bits-per-sample", "palette", "icc-", "exif-", "xmp-", "iptc-")):
            image.remove(name)
    for name, value in {"icc-profile-data": kept.icc, "xmp-data": kept.xmp}.items():
        if value:
            image.set_type(pyvips.GValue.blob_type, name, value)
    return image


def _with_resolution(kept: metadata.PictureMetadata) -> metadata.PictureMetadata:
    """State the resolution in EXIF, for formats that have no other place for it."""
    return replace(kept, exif=exif.with_resolution(kept.exif, kept.dpi)) if kept.dpi else kept


def _as_srgb(image: pyvips.Image, icc: bytes) -> pyvips.Image:
    """Convert to sRGB for a format that holds no profile; a profile that does not fit is left out of account."""
    with contextlib.suppress(pyvips.Error):
        tagged = image.copy()
        tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        converted: pyvips.Image = tagged.icc_transform("srgb", embedded=True)
        return converted
    return image


def _as_frames(image: pyvips.Image, header: Header) -> pyvips.Image:
    """Say where a frame ends, and how long it is shown; changes the image, a copy of one's own."""
    if header.frames > 1:
        image.set_type(pyvips.GValue.gint_type, "page-height", header.height)
        if header.delays:
            image.set_type(pyvips.GValue.array_int_type, "delay", list(header.delays))
            image.set_type(pyvips.GValue.gint_type, "loop", header.loop)
    return image


def _at_depth(band: Pixels, header: Header, depth: int) -> Pixels:
    """Round pixels, over the whole range of their type, to what the format stores; 10 and 12 bits stay at the top."""
    if header.dtype == np.uint8 or depth == 16:
        return band
    most = 2**depth - 1
    rounded = (band.astype(np.uint32) * most + 32_767) // 65_535
    if depth == 8:
        return np.asarray(rounded, np.uint8)
    return np.asarray(rounded << (16 - depth), np.uint16)


def _failure(name: str, error: BaseException) -> ImageError:
    if isinstance(error, OSError):
        return unwritable(name, error, ImageError)
    if isinstance(error, pyvips.Error):
        said = str(error.detail or error.message)
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            if os.strerror(code) in said:
                return unwritable(name, OSError(code, os.strerror(code)), ImageError)
        lines = "; ".join(line.strip() for line in said.splitlines() if line.strip())
        return ImageError(f"cannot be encoded ({lines})", subject=name, hint="try another format", key="format")
    return ImageError(f"cannot be encoded ({error})", subject=name, hint="try another format", key="format")
