"""Photoshop's image resources, as far as IPTC records lie in them; JPEG, PNG and TIFF carry those that way.

Source: Adobe, Photoshop File Formats Specification, "Image Resource Blocks".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

PREFIX: Final = b"Photoshop 3.0\0"
_IPTC: Final = 0x0404
# Resolution, the checksum of the IPTC records, and thumbnails: written anew, or of no more use.
_NEGLIGIBLE: Final = {_IPTC, 0x03ED, 0x0425, 0x0409, 0x040C}


def records(block: bytes) -> bytes | None:
    """Return the IPTC records inside image resources, or the block itself when it is records already."""
    if block[:1] == b"\x1c":
        return block
    return next((data for kind, data in _resources(block) if kind == _IPTC and data), None)


def has_others(block: bytes) -> bool:
    """Whether image resources hold more than IPTC records: paths, slices, print settings, layer comps."""
    return any(kind not in _NEGLIGIBLE for kind, _ in _resources(block))


def wrapped(iptc: bytes) -> bytes:
    """Return IPTC records as image resources, as JPEG carries them."""
    return PREFIX + b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = len(PREFIX) if block.startswith(PREFIX) else 0
    while block[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") and at + 7 <= len(block):
        kind = int.from_bytes(block[at + 4 : at + 6], "big")
        size = at + 6 + (block[at + 6] + 2) // 2 * 2
        length = int.from_bytes(block[size : size + 4], "big")
        yield kind, block[size + 4 : size + 4 + length]
        at = size + 4 + length + length % 2
