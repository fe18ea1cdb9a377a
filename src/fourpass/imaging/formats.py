"""The picture formats that are read and written: what each can hold, and how to detect it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fourpass.errors import ImageError


@dataclass(frozen=True)
class Format:
    """What one format can hold.

    Attributes:
        name: for messages.
        suffixes: of its files; the first is the usual one.
        max_side: pixels along a side that the format, or libvips's writer of it, allows; of one frame.
        max_pixels: pixels of one frame that its encoder makes within 1.5 GiB; None where rows are written as they come.
        lossless_pixels: the same at quality 100.
        depths: bits per channel that it can store, ascending.
        gray: holds pictures of one channel; else gray is written as RGB.
        alpha: holds transparency.
        frames: holds several pictures in one file.
        timing: also stores how long each is shown.
        keeps: the parts of `metadata.Metadata` that it can store.
        quality: the quality when none is asked for; None where the format is lossless.
    """

    name: str
    suffixes: tuple[str, ...]
    max_side: int
    max_pixels: int | None = None
    lossless_pixels: int | None = None
    depths: tuple[int, ...] = (8,)
    gray: bool = True
    alpha: bool = True
    frames: bool = False
    timing: bool = False
    keeps: frozenset[str] = field(default_factory=frozenset)
    quality: int | None = None


_ALL = frozenset({"icc", "exif", "xmp", "iptc", "dpi"})

# Sides: JPEG's is that of libjpeg, WebP's of its bitstream, AVIF's of libvips's writer. Pixels:
# docs/reference/files.md has the measurement.
FORMATS: Mapping[str, Format] = {
    "jpeg": Format(
        "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), 65_500, alpha=False, keeps=_ALL | {"comment"}, quality=95
    ),
    "png": Format("PNG", (".png",), 1_000_000, depths=(8, 16), keeps=_ALL | {"texts", "comment", "cicp"}),
    "webp": Format(
        "WebP",
        (".webp",),
        16_383,
        max_pixels=100_000_000,
        lossless_pixels=45_000_000,
        gray=False,
        frames=True,
        timing=True,
        keeps=_ALL - {"iptc"},
        quality=95,
    ),
    "tiff": Format("TIFF", (".tif", ".tiff"), 1_000_000, depths=(8, 16), frames=True, keeps=_ALL),
    "avif": Format(
        "AVIF",
        (".avif",),
        16_384,
        max_pixels=60_000_000,
        lossless_pixels=60_000_000,
        depths=(8, 10, 12),
        gray=False,
        keeps=_ALL - {"iptc"} | {"cicp"},
        quality=80,
    ),
    "gif": Format("GIF", (".gif",), 65_535, 120_000_000, 120_000_000, gray=False, frames=True, timing=True),
    # Read where libvips has a decoder for it; never written, as the encoders are not free to pass on.
    "heif": Format("HEIF", (".heic", ".heif", ".hif"), 0),
    # Read where libvips was built with a loader for them, which the one from PyPI is not.
    "jxl": Format("JPEG XL", (".jxl",), 0),
    "jp2": Format("JPEG 2000", (".jp2", ".j2k", ".jpf", ".jpx", ".j2c"), 0),
    "ppm": Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), 0),
    "bmp": Format("BMP", (".bmp", ".dib"), 0),
}
WRITTEN = tuple(key for key, each in FORMATS.items() if each.max_side)
SUFFIXES: Mapping[str, str] = {suffix: key for key, each in FORMATS.items() for suffix in each.suffixes}

_STARTS = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "gif"),
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "tiff"),
    **dict.fromkeys((b"\xff\x0a", b"\0\0\0\x0cJXL "), "jxl"),
    **dict.fromkeys((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "jp2"),
}
_PPM = re.compile(rb"P[1-6](?:\s|#)")
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the versions of its second header
_RAW = "a camera raw file; develop it with a raw converter first"
# First bytes of other kinds of files that people try.
_OTHERS = {
    b"P7": "a PAM",
    b"PF": "a PFM",
    b"Pf": "a PFM",
    b"FUJIFILMCCD-RAW": _RAW,
    **dict.fromkeys((b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"), _RAW),
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file",
    b"<!DOCTYPE html": "a web page",
    b"<html": "a web page",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx"}


def written_as(key: str) -> str:
    """Return the key of the default output format of a picture: its own, or the nearest that can be written.

    Photos in formats that cannot be written become AVIF, which is as small and as deep; the rest becomes PNG.
    """
    if key in WRITTEN:
        return key
    return "avif" if key in ("heif", "jxl") else "png"


def of_suffix(suffix: str) -> str:
    """Return the key in `FORMATS` of a suffix with or without its dot: ``.JPG``, ``jpg``, ``tiff``.

    Raises:
        ImageError: no format that can be written goes by it.
    """
    key = SUFFIXES.get("." + suffix.lower().lstrip("."), "")
    if key == "heif":
        raise ImageError("HEIF is read but not written", subject=suffix, hint="use .avif instead")
    if key not in WRITTEN:
        known = ", ".join(FORMATS[each].suffixes[0] for each in WRITTEN)
        raise ImageError("not a format that can be written", subject=suffix or "no suffix", hint=f"use one of {known}")
    return key


def of_path(path: str | os.PathLike[str]) -> str:
    """Return the key in `FORMATS` of the file to be written at a path.

    Raises:
        ImageError: its suffix is missing or unknown; the message names the path.
    """
    try:
        return of_suffix(Path(path).suffix)
    except ImageError as error:
        reason = f"{error.subject}: {error.reason}"
        raise ImageError(reason, subject=os.fspath(path), hint=error.hint) from None


def sniff(stream: BinaryIO) -> str:
    """Return the key in `FORMATS` of an open file, by its first bytes; its name does not count.

    Raises:
        ImageError: it is empty, or of another kind; the message does not name the file.
    """
    stream.seek(0)
    head = stream.read(64)
    stream.seek(0)
    if not head:
        raise ImageError("is empty (0 bytes)", hint="get the file again")
    for start, key in _STARTS.items():
        if head.startswith(start):
            return key
    if _PPM.match(head):
        return "ppm"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    readable = ", ".join(FORMATS[each].name for each in (*WRITTEN, "heif"))
    other = next((what for start, what in _OTHERS.items() if head.lstrip().startswith(start)), None)
    if other == _RAW:
        raise ImageError(f"is {_RAW}, and export it as TIFF, PNG or JPEG")
    if other is None:
        other = "a text file" if _is_text(head) else "a file of an unknown kind"
    raise ImageError(f"is {other}, not a picture in one of {readable}", hint="convert it to PNG first")


def _iso_media(head: bytes) -> str:
    """Tell AVIF, HEIF and other users of the ISO container apart by their brands."""
    size = int.from_bytes(head[:4], "big")
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(size, len(head)) - 3, 4)}
    if head[8:12] == b"avis":
        raise ImageError(
            "is an AVIF sequence, and only still AVIF pictures are read",
            hint="convert it to animated WebP or GIF first",
        )
    if head[8:12] == b"crx ":
        raise ImageError(f"is {_RAW}, and export it as TIFF, PNG or JPEG")
    if b"avif" in brands:
        return "avif"
    if brands & _HEIF_BRANDS:
        return "heif"
    raise ImageError("is a video or another ISO media file, not a picture", hint="export a frame as PNG first")


def _is_text(head: bytes) -> bool:
    try:
        head[:60].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > 56 and b"\0" not in head  # cut inside a character
    return b"\0" not in head
