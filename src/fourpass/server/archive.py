"""Several results as one ZIP, made while it is sent: nothing of it lies on the disk or is whole in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

_PIECE = 2**20


class _Outlet(io.RawIOBase):
    """What `zipfile` writes to; it cannot seek back, so sizes go behind each file."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(cast(bytes, data))
        self.pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def stream(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield the pieces of a ZIP.

    Args:
        files: the name of each in the ZIP, and where it lies. Pictures are compressed already, so they are stored. A
            name that comes again gets a number. A file that is gone by now is left out.
    """
    outlet, given = _Outlet(), set[str]()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as made:
        for name, file in files:
            try:
                source = file.open("rb")
            except OSError:
                continue
            with source, made.open(_other(name, given), "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield outlet.take()
    yield outlet.take()


def _other(name: str, given: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    count, tried = 1, name
    while tried in given:
        count += 1
        tried = f"{stem or suffix} ({count}){dot if stem else ''}{suffix if stem else ''}"
    given.add(tried)
    return tried
