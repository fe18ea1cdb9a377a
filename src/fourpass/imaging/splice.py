"""A file of which parts are left out or replaced, without a copy: what libvips gets to see of a picture file."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable
from typing import BinaryIO, Final

import pyvips

Part = bytes | tuple[int, int]  # bytes of its own, or (start, length) in the file
_MOST: Final = 1 << 62


class Spliced:
    """Parts of a file, and bytes of one's own, one after another; reads as a file does.

    Everything that is not pixels stays out of it, so that libvips never unpacks or copies metadata: `Budget` says how
    much of that is read, and by whom.

    Args:
        stream: the file.
        parts: what is seen of it, in order; ranges that go beyond the end of the file are cut there.
    """

    def __init__(self, stream: BinaryIO, parts: Iterable[Part]) -> None:
        size = stream.seek(0, os.SEEK_END)
        self._stream = stream
        self._at = 0
        self._parts: list[Part] = []
        self._starts = [0]
        for part in parts:
            if isinstance(part, tuple):
                start, length = part
                length = max(0, min(length, size - start))
                last = self._parts[-1] if self._parts else b""
                if length and isinstance(last, tuple) and sum(last) == start:
                    self._parts[-1] = (last[0], last[1] + length)
                    self._starts[-1] += length
                    continue
                part = (start, length)
            else:
                length = len(part)
            if length:
                self._parts.append(part)
                self._starts.append(self._starts[-1] + length)

    def __len__(self) -> int:
        return self._starts[-1]

    def read(self, length: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        found = []
        while length > 0 and 0 <= self._at < len(self):
            index = bisect.bisect_right(self._starts, self._at) - 1
            part = self._parts[index]
            inside = self._at - self._starts[index]
            count = min(length, self._starts[index + 1] - self._at)
            if isinstance(part, bytes):
                data = part[inside : inside + count]
            else:
                self._stream.seek(part[0] + inside)
                data = self._stream.read(count)
            if not data:
                break
            found.append(data)
            self._at += len(data)
            length -= len(data)
        return found[0] if len(found) == 1 else b"".join(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, as files do; returns it, or -1 for one before the start."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self)}[whence]
        if not 0 <= at < _MOST:
            return -1
        self._at = at
        return at

    def source(self) -> pyvips.SourceCustom:
        """Return it as libvips reads it, from the start; to be held until the picture is decoded."""
        self._at = 0
        source = pyvips.SourceCustom()
        source.on_read(self._serve)
        source.on_seek(self.seek)
        return source

    def _serve(self, length: int) -> bytes:
        try:
            return self.read(length)
        except OSError:  # a disk that went away: libvips gets the end of the file, and says so
            return b""
