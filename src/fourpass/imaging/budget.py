"""How much metadata is read from one file: a single limit for all of it."""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

MOST: Final = 16 * 2**20  # bytes of all metadata of a file, unpacked; photos have some 100 KiB, large workflows 5 MiB
MOST_PARTS: Final = 1_000_000  # chunks or blocks of a file
MOST_ASIDE: Final = 20_000  # chunks, segments or items of a file that hold no pixels
MOST_FIELDS: Final = 200_000  # fields of all directories, or places of all items, of a file
MOST_SCANS: Final = 100  # of a JPEG; progressive ones have some 10
MOST_FRAMES: Final = 4_000  # of an animation, or pages of a TIFF


class Budget:
    """The budget for reading a file's metadata.

    A 2 MB file can hold gigabytes of metadata: texts compressed a thousandfold, or fields that share one value. So
    every reader asks first and leaves out what no longer fits; `exceeded` records that this happened.

    Args:
        most: bytes, all values together.
    """

    def __init__(self, most: int = MOST) -> None:
        self.left = most
        self.exceeded = False

    def take(self, length: int) -> bool:
        """Return whether a value of this many bytes still fits; if so, count it."""
        if length > self.left:
            self.exceeded = True
            return False
        self.left -= length
        return True

    def read(self, stream: BinaryIO, at: int, length: int) -> bytes | None:
        """Return bytes of a file, or None where they no longer fit, or lie beyond its end."""
        if not 0 <= at < 2**62 or not self.take(length):
            return None
        stream.seek(at)
        data = stream.read(length)
        return data if len(data) == length else None

    def unpack(self, data: bytes) -> bytes | None:
        """Return what zlib packed, or None where it no longer fits.

        Raises:
            zlib.error, ValueError: it is damaged, or cut short.
        """
        if self.exceeded:  # else each of many would be unpacked only to be thrown away
            return None
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(data, self.left + 1)
        if len(unpacked) > self.left:
            self.exceeded = True
            return None
        if not unpacker.eof:
            raise ValueError("cut short")
        self.left -= len(unpacked)
        return unpacked
