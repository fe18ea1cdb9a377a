"""The chunks of PNG files that libvips does not read or garbles: texts, also behind the pixels, and animation."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from fourpass.disk.atomic import write_all

_LARGEST = 2**24  # bytes of one text, unpacked; more is no metadata
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk as it lies in a file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def is_animated(stream: BinaryIO) -> bool:
    """Whether an animation control chunk comes before the pixels."""
    for name, _ in _chunks(stream):
        if name in (b"acTL", b"IDAT"):
            return name == b"acTL"
    return False


def texts(stream: BinaryIO) -> list[tuple[str, str]]:
    """Return the (keyword, text) of every text chunk, in order; damaged ones are left out."""
    found = []
    for name, length in _chunks(stream):
        if name in _TEXTS and length <= _LARGEST:
            try:
                found.append(_text(name, stream.read(length)))
            except (ValueError, zlib.error):
                continue
    return found


def append_texts(stream: BinaryIO, pairs: Iterable[tuple[str, str]]) -> None:
    """Add texts to a finished PNG, before its end."""
    added = b""
    for keyword, text in pairs:
        key = keyword.encode("latin-1", "replace") + b"\0"
        try:
            added += chunk(b"tEXt", key + text.encode("latin-1"))
        except UnicodeEncodeError:
            added += chunk(b"iTXt", key + b"\0\0\0\0" + text.encode())
    if added:
        stream.seek(-12, os.SEEK_END)
        end = stream.read(12)
        stream.seek(-12, os.SEEK_END)
        write_all(stream, added + end)


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield name and length of each chunk, the stream standing at its data."""
    at = 8
    stream.seek(at)
    while len(start := stream.read(8)) == 8:
        length = int.from_bytes(start[:4], "big")
        yield start[4:], length
        at += 12 + length
        stream.seek(at)


def _text(name: bytes, data: bytes) -> tuple[str, str]:
    keyword, _, rest = data.partition(b"\0")
    encoding = "latin-1"
    if name == b"iTXt":
        packed = rest[:1] == b"\1"
        _, _, rest = rest[2:].partition(b"\0")  # language
        _, _, rest = rest.partition(b"\0")  # translated keyword
        encoding = "utf-8"
    else:
        packed = name == b"zTXt"
        rest = rest[1:] if packed else rest
    if packed:
        unpacker = zlib.decompressobj()
        rest = unpacker.decompress(rest, _LARGEST)
        if not unpacker.eof:
            raise ValueError("longer than any text")
    return keyword.decode("latin-1"), rest.decode(encoding)
