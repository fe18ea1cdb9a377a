"""The chunks of WebP files: what lies beside the pixels, and how it is added to a finished file.

Source: WebP Container Specification (RFC 9649, section 2).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from fourpass.disk.atomic import write_all
from fourpass.imaging.budget import MOST_ASIDE, Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.splice import Part, Spliced

_ICC, _ALPHA, _EXIF, _XMP, _ANIMATED = 0x20, 0x10, 0x08, 0x04, 0x02
_PIXELS: Final = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")


def scan(stream: BinaryIO, budget: Budget) -> FoundParts:
    """Find what an open WebP file holds."""
    found = FoundParts(Spliced(stream, []))
    parts: list[Part] = []
    size = 4
    found.frames = 0
    for name, at, length in _chunks(stream):
        padded = length + length % 2
        if name == b"VP8X":
            stream.seek(at)
            data = stream.read(length)
            if len(data) == length and data:
                data = bytes([data[0] & ~(_ICC | _EXIF | _XMP)]) + data[1:]
            parts.append(_header(name, length) + data)
        elif name in _PIXELS:
            parts.append((at - 8, 8 + padded))
            found.frames += name == b"ANMF"
        elif name in (b"ICCP", b"EXIF", b"XMP "):
            value = budget.read(stream, at, length)
            if name == b"ICCP":
                found.icc = found.icc or value
            elif name == b"EXIF":
                found.exif = found.exif or (value and value.removeprefix(b"Exif\0\0"))
            else:
                found.xmp = found.xmp or value
            continue
        else:
            found.note(f"WebP chunk {name.decode('latin-1')!a}")
            continue
        size += 8 + padded
    found.frames = max(found.frames, 1)
    found.view = Spliced(stream, [b"RIFF" + struct.pack("<I", min(size, 2**32 - 2)) + b"WEBP", *parts])
    return found


def finish(stream: BinaryIO, metadata: PictureMetadata, size: tuple[int, int], *, alpha: bool) -> None:
    """Add metadata to a finished WebP, open for reading and writing.

    Args:
        stream: the file.
        metadata: what it is to carry: ICC, EXIF, XMP.
        size: (rows, columns) of the picture.
        alpha: whether it has transparency.
    """
    if not (metadata.icc or metadata.exif or metadata.xmp):
        return
    flags = _ALPHA * alpha
    start = 12
    stream.seek(0)
    first = stream.read(30)
    if first[12:16] == b"VP8X":
        flags, start = first[20], 30
    flags |= _ICC * bool(metadata.icc) | _EXIF * bool(metadata.exif) | _XMP * bool(metadata.xmp)
    dimensions = (size[1] - 1).to_bytes(3, "little") + (size[0] - 1).to_bytes(3, "little")
    head = _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + dimensions)
    head += _chunk(b"ICCP", metadata.icc) if metadata.icc else b""
    tail = _chunk(b"EXIF", metadata.exif) if metadata.exif else b""
    tail += _chunk(b"XMP ", metadata.xmp) if metadata.xmp else b""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(start)
    pixels = stream.read(end - start)  # whole in memory, as it was until just now
    stream.seek(0)
    write_all(stream, b"RIFF" + struct.pack("<I", 4 + len(head) + len(pixels) + len(tail)) + b"WEBP" + head)
    write_all(stream, pixels)
    write_all(stream, tail)


def _header(name: bytes, length: int) -> bytes:
    return name + struct.pack("<I", length)


def _chunk(name: bytes, data: bytes) -> bytes:
    return _header(name, len(data)) + data + b"\0" * (len(data) % 2)


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset and length of the data of each chunk."""
    stream.seek(4)
    end = 8 + int.from_bytes(stream.read(4), "little")
    at = 12
    for _ in range(MOST_ASIDE):
        stream.seek(at)
        start = stream.read(8)
        if len(start) < 8 or at + 8 > end:
            return
        length = int.from_bytes(start[4:], "little")
        yield start[:4], at + 8, length
        at += 8 + length + length % 2
