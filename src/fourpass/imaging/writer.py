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
from fourpass.disk.atomic import unwritable
from fourpass.errors import ImageError
from fourpass.imaging import exif, metadata, png_chunks
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
    kept = header.metadata.only(format.keeps & {"icc"} if strip else format.keeps)
    if kept.icc and not metadata.usable(kept.icc, header.channels):
        kept = kept.only(kept.present - {"icc"})
    feed = Feed()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            image = pyvips.Image.pngload_source(feed.source, access="sequential", fail_on="error")
            if header.metadata.icc and "icc" not in format.keeps:
                image = _as_srgb(image, header.metadata.icc)
            image = _as_frames(metadata.attach(image, key, kept), header)
            method, options = _WRITERS[key]
            target = pyvips.Target.new_to_descriptor(stream.fileno())
            size = math.prod((*sent.size, sent.frames, sent.bands, sent.dtype.itemsize))
            chosen = options(quality or format.quality or 0, depth, size)
            getattr(image, method)(target, keep=_keep(kept), **chosen)
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
        raise _failure(name, failures[0]) from None
    if key == "tiff" and (kept.exif or kept.iptc):
        exif.into_tiff(stream, kept.exif, kept.iptc)
    if key == "png":
        png_chunks.append_texts(stream, metadata.png_texts(kept))


def _keep(kept: metadata.Metadata) -> int:
    """Return libvips's flags for the metadata that is there; it would make an EXIF block of its own otherwise."""
    flags = pyvips.enums.ForeignKeep
    named = {"icc": flags.ICC, "exif": flags.EXIF, "xmp": flags.XMP, "iptc": flags.IPTC, "dpi": flags.EXIF}
    total = 0
    for part in kept.present & named.keys():
        total |= named[part]
    return total


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
    if isinstance(error, pyvips.Error):
        said = str(error.detail or error.message)
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            if os.strerror(code) in said:
                return unwritable(name, OSError(code, os.strerror(code)), ImageError)
        lines = "; ".join(line.strip() for line in said.splitlines() if line.strip())
        return ImageError(f"{name}: cannot be encoded ({lines}); try another format with --ext")
    return ImageError(f"{name}: cannot be encoded ({error}); try another format with --ext")
