"""Maker notes: which of them may be moved to another place in a file.

Most count offsets from the start of the EXIF block, so that they are wrong anywhere else. Source: ExifTool's
documentation of maker notes, and its MakerNotes.pm for the headers.
"""

from __future__ import annotations

from typing import Final

# With a TIFF header of their own, or offsets that count from their own start.
_HEADERS: Final = (
    b"Nikon\0\x02",
    b"OLYMPUS\0",
    b"OM SYSTEM\0",
    b"FUJIFILM",
    b"Apple iOS\0",
    b"PENTAX \0",
)


def stands_alone(note: bytes) -> bool:
    """Return whether a maker note can be moved, because its offsets are relative to itself."""
    return note.startswith(_HEADERS)
