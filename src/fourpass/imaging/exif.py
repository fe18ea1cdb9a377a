"""EXIF blocks and the directories of TIFF files, as far as libvips leaves them to others.

Sources: TIFF 6.0, section 2; the BigTIFF design; EXIF 2.32, section 4.6.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from fourpass.disk.atomic import write_all

ORIENTATION, IPTC, EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY = 0x0112, 0x83BB, 0x8769, 0x8825, 0xA005
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
# What a TIFF's first directory says about the picture, not about how its pixels are stored: description, make, model,
# software, date, artist, rating, copyright, and Windows's title, comment, author, keywords and subject.
_ABOUT = {270, 271, 272, 305, 306, 315, 18246, 18249, 33432, *range(0x9C9B, 0x9CA0)}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_LARGEST = 2**24  # bytes of one value; more is no metadata
_MOST_ENTRIES = 4096


@dataclass(frozen=True)
class Entry:
    """One field of a directory; `data` is its value, little-endian."""

    tag: int
    kind: int
    count: int
    data: bytes


@dataclass(frozen=True)
class _Layout:
    """Byte order of a TIFF file, and the widths that BigTIFF doubles."""

    order: str
    big: bool

    @property
    def pointer(self) -> int:
        return 8 if self.big else 4

    def pack(self, value: int, width: int) -> bytes:
        return value.to_bytes(width, "little" if self.order == "<" else "big")

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.order == "<" else "big")


class _DamagedError(Exception):
    """A directory that does not hold together."""


def upright(exif: bytes) -> bytes:
    """Return an EXIF block (starting with its TIFF header) whose orientation, if it has one, says upright.

    The directory of the thumbnail, which would lie on its side and show less than the picture, is cut off.
    """
    layout, first = _header(exif)
    if layout is None or layout.big or first + 2 > len(exif):
        return exif
    end = first + 2 + 12 * layout.number(exif[first : first + 2])
    if end + 4 > len(exif):
        return exif
    block = bytearray(exif)
    for at in range(first + 2, end, 12):
        if layout.number(exif[at : at + 2]) == ORIENTATION:
            block[at + 8 : at + 10] = layout.pack(1, 2)
    block[end : end + 4] = bytes(4)
    return bytes(block)


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Return the (horizontal, vertical) pixels an inch that an EXIF block states, or None."""
    try:
        fields = {entry.tag: entry for entry in _directories(io.BytesIO(exif))[0]}
        per_inch = {2: 1.0, 3: 2.54}[int.from_bytes(fields[RESOLUTION_UNIT].data, "little")]
        pairs = [struct.unpack("<II", fields[tag].data[:8]) for tag in (X_RESOLUTION, Y_RESOLUTION)]
        x, y = (per_inch * upper / lower for upper, lower in pairs)
    except (_DamagedError, KeyError, struct.error, ZeroDivisionError):
        return None
    return (x, y) if x > 0 and y > 0 else None


def from_tiff(stream: BinaryIO) -> tuple[bytes | None, bytes | None]:
    """Return the EXIF block and the IPTC records of a TIFF file, None for what it lacks or what is damaged."""
    try:
        first, exif, gps = _directories(stream)
    except _DamagedError:
        return None, None
    iptc = next((entry.data for entry in first if entry.tag == IPTC), None)
    if iptc and iptc[0] != 0x1C:  # bytes that are labelled as 32-bit numbers, in a big-endian file
        iptc = _swapped(iptc, 4)
    about = [entry for entry in first if entry.tag in _ABOUT]
    if not (about or exif or gps):
        return None, iptc
    return _serialise(about, {EXIF_DIRECTORY: exif, GPS_DIRECTORY: gps}), iptc


def into_tiff(stream: BinaryIO, exif: bytes | None, iptc: bytes | None) -> None:
    """Add an EXIF block and IPTC records to a finished TIFF file, open for reading and writing.

    The first directory is written anew at the end, with all that it had; pixels and other pages stay as they are.
    """
    stream.seek(0)
    layout, at = _header(stream.read(16))
    if layout is None:
        return
    about: Sequence[Entry] = ()
    below: dict[int, Sequence[Entry]] = {}
    if exif:
        try:
            first, below[EXIF_DIRECTORY], below[GPS_DIRECTORY] = _directories(io.BytesIO(exif))
        except _DamagedError:
            return
        about = [entry for entry in first if entry.tag in _ABOUT]
    if iptc:
        about = [*about, Entry(IPTC, 7, len(iptc), iptc)]
    old, following = _raw_entries(stream, layout, at)
    end = stream.seek(0, os.SEEK_END)
    start = end + end % 2
    added = {entry.tag for entry in about} | {tag for tag, entries in below.items() if entries}
    kept = [raw for raw in old if layout.number(raw[:2]) not in added]
    block = _directory(layout, start, about, below, kept, following)
    write_all(stream, b"\0" * (end % 2) + block)
    stream.seek(8 if layout.big else 4)
    write_all(stream, layout.pack(start, layout.pointer))


def _header(data: bytes) -> tuple[_Layout | None, int]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None, 0
    layout = _Layout(order, _Layout(order, False).number(data[2:4]) == 43)
    return layout, layout.number(data[8:16] if layout.big else data[4:8])


def _raw_entries(stream: BinaryIO, layout: _Layout, at: int) -> tuple[list[bytes], bytes]:
    """Return the entries of a directory as they are stored, and the pointer to the next directory."""
    _seek(stream, at)
    width = 20 if layout.big else 12
    count = layout.number(_exactly(stream, 8 if layout.big else 2))
    if count > _MOST_ENTRIES:
        raise _DamagedError
    return [_exactly(stream, width) for _ in range(count)], _exactly(stream, layout.pointer)


def _seek(stream: BinaryIO, at: int) -> None:
    if at >= 2**62:
        raise _DamagedError
    stream.seek(at)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise _DamagedError
    return data


def _directories(stream: BinaryIO) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Return the first directory of a TIFF stream, and the EXIF and GPS directories that it points to."""
    stream.seek(0)
    layout, at = _header(stream.read(16))
    if layout is None:
        raise _DamagedError
    first = _entries(stream, layout, at)
    below = []
    for tag in (EXIF_DIRECTORY, GPS_DIRECTORY):
        pointer = next((entry.data for entry in first if entry.tag == tag), None)
        entries = _entries(stream, layout, int.from_bytes(pointer, "little")) if pointer else []
        below.append([entry for entry in entries if entry.tag != INTEROPERABILITY])
    return first, below[0], below[1]


def _entries(stream: BinaryIO, layout: _Layout, at: int) -> list[Entry]:
    entries = []
    for raw in _raw_entries(stream, layout, at)[0]:
        tag, kind = layout.number(raw[:2]), layout.number(raw[2:4])
        count = layout.number(raw[4 : 4 + layout.pointer])
        length = _SIZES.get(kind, 0) * count
        if not 0 < length <= _LARGEST:
            continue
        field = raw[4 + layout.pointer :]
        if length > layout.pointer:
            _seek(stream, layout.number(field))
            data = stream.read(length)
            if len(data) != length:
                continue
        else:
            data = field[:length]
        entries.append(Entry(tag, kind, count, _swapped(data, kind) if layout.order == ">" else data))
    return entries


def _swapped(data: bytes, kind: int) -> bytes:
    width = _WORDS.get(kind, 1)
    return b"".join(data[at : at + width][::-1] for at in range(0, len(data), width)) if width > 1 else data


def _serialise(first: Sequence[Entry], below: Mapping[int, Sequence[Entry]]) -> bytes:
    return b"II*\0" + struct.pack("<I", 8) + _directory(_Layout("<", False), 8, first, below, [], b"\0\0\0\0")


def _directory(
    layout: _Layout,
    start: int,
    entries: Iterable[Entry],
    below: Mapping[int, Sequence[Entry]],
    kept: Iterable[bytes],
    following: bytes,
) -> bytes:
    """Return a directory to stand at an offset, with its values and sub-directories right behind it.

    Args:
        entries: new fields.
        below: tag -> fields of the sub-directory that it points to; empty ones are left out.
        kept: fields as they are stored, whose values lie elsewhere in the file.
        following: the pointer to the next directory, as it is stored.
    """
    entries = list(entries)
    below = {tag: fields for tag, fields in below.items() if fields}
    fields = list(kept)
    width, count_width = (20, 8) if layout.big else (12, 2)
    total = len(fields) + len(entries) + len(below)
    offset = start + count_width + width * total + layout.pointer
    tail = b""

    def place(data: bytes) -> int:
        nonlocal tail
        at = offset + len(tail)
        tail += data + b"\0" * (len(data) % 2)
        return at

    def add(tag: int, kind: int, count: int, value: bytes) -> None:
        stored = value.ljust(layout.pointer, b"\0")
        head = layout.pack(tag, 2) + layout.pack(kind, 2) + layout.pack(count, layout.pointer)
        fields.append(head + stored)

    for entry in entries:
        data = _swapped(entry.data, entry.kind) if layout.order == ">" else entry.data
        if len(data) > layout.pointer:
            data = layout.pack(place(data), layout.pointer)
        add(entry.tag, entry.kind, entry.count, data)
    for tag, inner in below.items():
        nested = _directory(layout, offset + len(tail), inner, {}, [], layout.pack(0, layout.pointer))
        add(tag, 18 if layout.big else 4, 1, layout.pack(place(nested), layout.pointer))
    fields.sort(key=lambda raw: layout.number(raw[:2]))
    return layout.pack(total, count_width) + b"".join(fields) + following + tail
