"""The boxes of AVIF and HEIF files, and the items that they describe.

Sources: ISO/IEC 14496-12 (boxes, items), ISO/IEC 23008-12 (HEIF: properties, Exif items), AV1 Image File Format 1.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from fourpass.imaging.budget import MOST_FIELDS

_MOST_BOXES: Final = 20_000
_LARGEST_META: Final = 2**24  # bytes of the box that describes the items
_XMP_TYPE: Final = b"application/rdf+xml\0"


@dataclass
class BoxItem:
    """An item of the file, as far as it says: its type, where its type is stated, and where its data lies."""

    kind: bytes = b""
    kind_at: int = 0
    is_xmp: bool = False
    extents: list[tuple[int, int]] = field(default_factory=list)
    lengths: list[tuple[int, int]] = field(default_factory=list)  # where the length of each is stated, in bytes
    inside: bool = False  # in the idat box


class DamagedBoxError(Exception):
    """Damaged boxes."""


class Reader:
    """Read numbers from a box, most significant byte first."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def bytes(self, length: int) -> bytes:
        if self.at + length > len(self.data):
            raise DamagedBoxError
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.bytes(length), "big")


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def boxes_of(data: bytes, at: int, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset of the content and size, header included, of each box."""
    end = len(data) if end is None else end
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8 or at + size > end:
            raise DamagedBoxError
        yield data[at + 4 : at + 8], at + 8, size
        at += size
    raise DamagedBoxError


def meta_of(stream: BinaryIO) -> tuple[int, bytes]:
    """Return offset and bytes of the box that describes the items."""
    at = 0
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        start = stream.read(16)
        if len(start) < 8:
            break
        size = int.from_bytes(start[:4], "big")
        if size == 1:
            size = int.from_bytes(start[8:], "big")
        if start[4:8] == b"meta" and 12 <= size <= _LARGEST_META:
            stream.seek(at)
            data = stream.read(size)
            if len(data) == size:
                return at, data
            break
        if size < 8:
            break
        at += size
        if at >= 2**62:
            break
    raise DamagedBoxError


def items_of(meta: bytes, start: int) -> dict[int, BoxItem]:
    """Return the items that a file has, with where they lie."""
    items: dict[int, BoxItem] = {}
    for name, at, size in boxes_of(meta, 12):
        if name == b"iinf":
            first = at + (6 if meta[at : at + 1] == b"\0" else 8)
            for kind, inner, length in boxes_of(meta, first, at - 8 + size):
                if kind == b"infe" and meta[inner : inner + 1] in (b"\2", b"\3"):
                    _item(meta[inner : inner - 8 + length], start + inner, items)
        elif name == b"iloc":
            for identity, method, extents, lengths in locations_of(Reader(meta[: at - 8 + size], at)):
                item = items.setdefault(identity, BoxItem())
                item.inside, item.extents, item.lengths = method == 1, extents, lengths
    return items


def _item(box: bytes, at: int, items: dict[int, BoxItem]) -> None:
    reader = Reader(box)
    width = 2 if reader.number(4) >> 24 == 2 else 4
    item = items.setdefault(reader.number(width), BoxItem())
    reader.number(2)
    item.kind_at = at + reader.at
    item.kind = reader.bytes(4)
    item.is_xmp = item.kind == b"mime" and _XMP_TYPE in box


def locations_of(reader: Reader) -> Iterator[tuple[int, int, list[tuple[int, int]], list[tuple[int, int]]]]:
    """Yield (item, construction method, extents as (offset, length), where those lengths stand) of an iloc box."""
    version = reader.number(4) >> 24
    widths = reader.number(2)
    offset_width, length_width, base_width, index_width = ((widths >> shift) & 15 for shift in (12, 8, 4, 0))
    if not {offset_width, length_width, base_width} <= {0, 4, 8}:
        raise DamagedBoxError
    wide = 4 if version == 2 else 2
    left = MOST_FIELDS
    for _ in range(reader.number(wide)):
        identity = reader.number(wide)
        method = reader.number(2) & 15 if version in (1, 2) else 0
        reader.number(2)
        base = reader.number(base_width)
        extents, lengths = [], []
        count = reader.number(2)
        left -= 1 + count
        if left < 0:
            raise DamagedBoxError
        for _ in range(count):
            if version in (1, 2):
                reader.number(index_width)
            offset = reader.number(offset_width)
            lengths.append((reader.at, length_width))
            extents.append((base + offset, reader.number(length_width)))
        yield identity, method, extents, lengths


def descriptions_of(meta: bytes, start: int) -> list[int]:
    """Return where the file says that an item describes another, as metadata do."""
    found = []
    for name, at, size in boxes_of(meta, 12):
        if name == b"iref":
            for kind, inner, _ in boxes_of(meta, at + 4, at - 8 + size):
                if kind == b"cdsc":
                    found.append(start + inner - 4)
    return found


def primary_of(meta: bytes) -> int:
    for name, at, _ in boxes_of(meta, 12):
        if name == b"pitm":
            reader = Reader(meta, at)
            return reader.number(2 if reader.number(4) >> 24 == 0 else 4)
    raise DamagedBoxError


def properties_of(meta: bytes, identity: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, content) of the properties of an item."""
    container = next(((at, size) for name, at, size in boxes_of(meta, 12) if name == b"iprp"), None)
    if container is None:
        return
    properties: list[tuple[bytes, bytes]] = []
    for name, at, size in boxes_of(meta, container[0], container[0] - 8 + container[1]):
        if name == b"ipco":
            properties = [
                (kind, meta[inner : inner - 8 + length]) for kind, inner, length in boxes_of(meta, at, at - 8 + size)
            ]
        elif name == b"ipma":
            for item, indices in _associations(Reader(meta[: at - 8 + size], at)):
                if item == identity:
                    yield from (properties[index - 1] for index in indices if 0 < index <= len(properties))


def _associations(reader: Reader) -> Iterator[tuple[int, list[int]]]:
    head = reader.number(4)
    wide, long = (4 if head >> 24 else 2), head & 1
    for _ in range(reader.number(4)):
        item = reader.number(wide)
        indices = [reader.number(1 + long) & (0x7FFF if long else 0x7F) for _ in range(reader.number(1))]
        yield item, indices
