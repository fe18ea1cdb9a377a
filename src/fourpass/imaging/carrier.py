"""Feed rows to libvips's writers while they are being computed: as an uncompressed PNG, through a queue.

libvips pulls; upscaling pushes. The one stream of raw pixels, of 8 and 16 bits, that every build of libvips reads as it
comes is PNG, and its stored blocks cost no more than a copy and two checksums.
"""

from __future__ import annotations

import queue
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
import pyvips

from fourpass.imaging.picture import Header, Pixels
from fourpass.imaging.png_chunks import chunk

_PIECE = 4 * 2**20  # bytes of rows in one chunk
_STORED = 65_535  # the most that a stored block of zlib holds
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def png(bands: Iterable[Pixels], header: Header) -> Iterator[bytes]:
    """Turn bands of rows into the bytes of a PNG, uncompressed.

    Args:
        bands: (rows, W, C), uint8 or uint16; together `header.frames` frames, one below another.
        header: of the picture.

    Raises:
        ValueError: the bands are not of the header's width, channels or dtype, or not of its number of rows.
    """
    total = header.height * header.frames
    bits = 8 * header.dtype.itemsize
    yield b"\x89PNG\r\n\x1a\n"
    yield chunk(b"IHDR", struct.pack(">IIBBBBB", header.width, total, bits, _COLOUR_TYPES[header.bands], 0, 0, 0))
    yield chunk(b"IDAT", b"\x78\x01")
    adler, done = 1, 0
    line = header.width * header.bands * header.dtype.itemsize
    step = max(1, _PIECE // line)
    for band in bands:
        if band.shape[1:] != (header.width, header.bands) or band.dtype != header.dtype:
            raise ValueError(
                f"band of {band.dtype} {band.shape} is not {header.dtype} (rows, {header.width}, {header.bands})"
            )
        done += len(band)
        for start in range(0, len(band), step):
            rows = band[start : start + step]
            filtered = np.zeros((len(rows), 1 + line), np.uint8)  # each row starts with its filter: 0, none
            big_endian = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">"))
            filtered[:, 1:] = big_endian.view(np.uint8).reshape(len(rows), line)
            data = filtered.reshape(-1).data
            adler = zlib.adler32(data, adler)
            blocks = bytearray()
            for at in range(0, len(data), _STORED):
                block = data[at : at + _STORED]
                blocks += struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
                blocks += block
            yield chunk(b"IDAT", bytes(blocks))
    if done != total:
        raise ValueError(f"the bands have {done} rows together, not {total}")
    yield chunk(b"IDAT", b"\x01\0\0\xff\xff" + struct.pack(">I", adler))
    yield chunk(b"IEND", b"")


class Feed:
    """A queue of bytes from this thread to libvips in another: `put` on this side, `source` on that."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(maxsize=4)
        self._left = memoryview(b"")
        self._stopped = threading.Event()
        self.source = pyvips.SourceCustom()
        self.source.on_read(self._read)

    def put(self, data: bytes) -> bool:
        """Hand over bytes, waiting for room; b"" ends the stream. Returns False if the reader has stopped."""
        while not self._stopped.is_set():
            try:
                self._queue.put(data, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def stop(self) -> None:
        """Give up, from either side: the reader gets the end of a file that is cut short, `put` returns False."""
        self._stopped.set()

    def _read(self, length: int) -> bytes:
        while not self._left:
            if self._stopped.is_set():
                return b""
            try:
                data = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if not data:
                self._stopped.set()
            self._left = memoryview(data)
        part = bytes(self._left[:length])
        self._left = self._left[length:]
        return part
