"""The blocks of GIF files: comments, XMP, and how many pictures there are.

Sources: CompuServe, Graphics Interchange Format, version 89a; Adobe, XMP Specification Part 3, "GIF".
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO, Final

from fourpass.imaging.budget import MOST_FRAMES, MOST_PARTS, Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.splice import Spliced

_IMAGE, _EXTENSION = b"\x2c", b"\x21"
_TEXT, _COMMENT, _APPLICATION = 0x01, 0xFE, 0xFF
_XMP_TRAILER: Final = 257  # bytes behind an XMP packet, which lead readers of sub-blocks to its end


def scan(stream: BinaryIO, budget: Budget) -> FoundParts:
    """Find what an open GIF file holds; libvips reads the file itself, as it skips what it does not know."""
    found = FoundParts(Spliced(stream, [(0, 2**62)]))
    buffered = _Buffered(stream)
    start = buffered.read(13)
    if len(start) == 13 and start[10] & 0x80:
        buffered.skip(3 << (start[10] & 7) + 1)
    found.frames = 0
    comments = []
    while found.frames <= MOST_FRAMES and buffered.parts < MOST_PARTS:
        kind = buffered.read(1)
        if kind == _IMAGE:
            found.frames += 1
            descriptor = buffered.read(9)
            if len(descriptor) == 9 and descriptor[8] & 0x80:
                buffered.skip(3 << (descriptor[8] & 7) + 1)
            buffered.skip(1)
            buffered.blocks(None)
        elif kind == _EXTENSION:
            label = int.from_bytes(buffered.read(1), "big")
            if label == _COMMENT:
                comments.append(buffered.blocks(budget) or b"")
            elif label == _APPLICATION:
                _application(buffered, budget, found)
            else:
                buffered.blocks(None)
                if label == _TEXT:
                    found.note("GIF text block")
        else:
            break
    found.comment = b"\n".join(comments) or None
    found.frames = max(found.frames, 1)
    return found


def _application(buffered: _Buffered, budget: Budget, found: FoundParts) -> None:
    name = buffered.read(int.from_bytes(buffered.read(1), "big"))
    if name == b"XMP DataXMP":
        packet = buffered.blocks(budget, with_lengths=True)
        if packet is not None and len(packet) > _XMP_TRAILER:
            found.xmp = packet[:-_XMP_TRAILER]
        return
    buffered.blocks(None)
    if name[:8] not in (b"NETSCAPE", b"ANIMEXTS"):
        found.note("ICC profile in a GIF block" if name.startswith(b"ICCRGB") else "GIF application block")


class _Buffered:
    """A GIF is read in pieces of up to 255 bytes: from a buffer, as calls to the system would take too long."""

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self._stream = stream
        self._data = io.BytesIO()
        self._left = 0
        self.parts = 0

    def read(self, length: int) -> bytes:
        if self._left < length:
            data = self._data.read() + self._stream.read(2**16)
            self._data, self._left = io.BytesIO(data), len(data)
        self._left -= min(length, self._left)
        return self._data.read(length)

    def skip(self, length: int) -> None:
        if self._left >= length:
            self._data.seek(length, os.SEEK_CUR)
            self._left -= length
        else:
            self.read(length)

    def blocks(self, budget: Budget | None, *, with_lengths: bool = False) -> bytes | None:
        """Return what sub-blocks hold, up to their end; without a budget they are skipped."""
        kept: list[bytes] | None = [] if budget is not None else None
        while length := int.from_bytes(self.read(1), "big"):
            self.parts += 1
            if kept is None or budget is None:
                self.skip(length)
                if self.parts > MOST_PARTS:
                    break
            elif budget.take(length + 1):
                kept.append(bytes([length]) * with_lengths + self.read(length))
            else:
                kept = None
                self.skip(length)
        return None if kept is None else b"".join(kept)
