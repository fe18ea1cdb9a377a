"""The quantisation table of a JPEG file's luma, which libvips reads but does not tell (ITU-T T.81, annex B)."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_MOST_SEGMENTS = 4096  # before the first scan; files have some dozens
_SOI, _EOI, _SOS, _DQT, _TEM = 0xD8, 0xD9, 0xDA, 0xDB, 0x01
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # every coding: baseline, progressive, arithmetic, lossless
# Row and column of each coefficient in the order of the file (figure A.6): along the diagonals, back and forth.
_ZIGZAG = sorted(
    ((row, column) for row in range(8) for column in range(8)),
    key=lambda at: (sum(at), at[0] if sum(at) % 2 else at[1]),
)


def luma_table(source: str | os.PathLike[str] | bytes) -> NDArray[np.uint16] | None:
    """Return the steps by which a JPEG file's luma is quantised.

    Only the segments before the first scan are looked at, a thumbnail's not among them; no pixel is decoded.

    Args:
        source: a path, or the bytes of a file, of any kind.

    Returns:
        uint16 (8, 8), rows of vertical frequency; of the first component: luma, gray, or CMYK's cyan. None where there
        is no such file, it is no JPEG, or it is damaged before its first scan.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as stream:
            return _first_table(stream)
    except (OSError, ValueError):
        return None


def _first_table(stream: BinaryIO) -> NDArray[np.uint16] | None:
    if stream.read(2) != bytes((0xFF, _SOI)):
        return None
    tables: dict[int, NDArray[np.uint16]] = {}
    number = 0  # of the first component's table
    for _ in range(_MOST_SEGMENTS):
        marker = _next_marker(stream)
        if marker in (None, _EOI, _SOS):
            break
        if marker == _TEM or marker in _RESTARTS:
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        if length < 0:
            break
        if marker == _DQT:
            tables.update(_tables(stream.read(length)))
        elif marker in _FRAMES:
            frame = stream.read(length)
            number = frame[8] if len(frame) > 8 else 0
        else:
            stream.seek(length, os.SEEK_CUR)
    return tables.get(number)


def _next_marker(stream: BinaryIO) -> int | None:
    """Return the next marker, or None where there is none; any number of 0xFF may come before it."""
    if stream.read(1) != b"\xff":
        return None
    code = b"\xff"
    while code == b"\xff":
        code = stream.read(1)
    return code[0] if code else None


def _tables(segment: bytes) -> dict[int, NDArray[np.uint16]]:
    """Return the tables of one segment by number; a table that is cut short or has a step of 0 is left out."""
    found: dict[int, NDArray[np.uint16]] = {}
    at = 0
    while at < len(segment):
        wide, number = segment[at] >> 4, segment[at] & 15
        size = 128 if wide else 64
        data = segment[at + 1 : at + 1 + size]
        at += 1 + size
        steps = np.frombuffer(data, ">u2" if wide else "u1") if len(data) == size else np.zeros(64, np.uint8)
        if steps.all():
            table = np.empty((8, 8), np.uint16)
            table[tuple(zip(*_ZIGZAG, strict=True))] = steps
            found[number] = table
    return found
