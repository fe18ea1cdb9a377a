"""The boxes of AVIF and HEIF files: metadata, colour and what else lies there, and how EXIF is added to a finished one.

Sources: ISO/IEC 14496-12 (boxes, items), ISO/IEC 23008-12 (HEIF: properties, Exif items), AV1 Image File Format 1.1.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from fourpass.imaging.atomic import write_all
from fourpass.imaging.budget import MOST_FIELDS, Budget
from fourpass.imaging.found import Found
from fourpass.imaging.metadata import Metadata
from fourpass.imaging.splice import Part, Spliced

_MOST_BOXES: Final = 20_000
_LARGEST_META: Final = 2**24  # bytes of the box that describes the items
_PICTURES: Final = (
    b"",
    b"av01",
    b"hvc1",
    b"grid",
    b"iovl",
    b"iden",
    b"tmap",
    b"jpeg",
    b"j2k1",
    b"avc1",
    b"vvc1",
    b"unci",
)
_BT601: Final = 6
_XMP_TYPE: Final = b"application/rdf+xml\0"


@dataclass
class _Item:
    """An item of the file, as far as it says: its type, where its type is stated, and where its data lies."""

    kind: bytes = b""
    kind_at: int = 0
    is_xmp: bool = False
    extents: list[tuple[int, int]] = field(default_factory=list)
    lengths: list[tuple[int, int]] = field(default_factory=list)  # where the length of each is stated, in bytes
    inside: bool = False  # in the idat box


class _DamagedError(Exception):
    """Boxes that do not hold together."""


class _Reader:
    """Numbers out of a box, most significant byte first."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def bytes(self, length: int) -> bytes:
        if self.at + length > len(self.data):
            raise _DamagedError
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.bytes(length), "big")


def scan(stream: BinaryIO, budget: Budget) -> Found:
    """Find what an open AVIF or HEIF file holds."""
    found = Found(Spliced(stream, [(0, 2**62)]))
    try:
        start, meta = _meta(stream)
        items = _items(meta, start)
        primary = _primary(meta)
        _colour(meta, primary, budget, found)
        idat = next((at for name, at, _ in _boxes(meta, 12) if name == b"idat"), 0)
        changed = dict.fromkeys(_descriptions(meta, start), b"none")
        for item in items.values():
            if item.kind not in _PICTURES:
                changed[item.kind_at] = b"none"
                changed.update((start + place, (1).to_bytes(width, "big")) for place, width in item.lengths if width)
                _read(stream, item, start + idat, budget, found)
            if item.kind == b"tmap":
                found.left_out.append("the gain map (HDR)")
        if not found.left_out and b"hdrgainmap" in meta.lower():
            found.left_out.append("the gain map (HDR)")
        if b":auxid:2\0" in meta or b":aux:depth\0" in meta:
            found.left_out.append("the depth map")
        parts: list[Part] = []
        at = 0
        for place in sorted(changed):  # to libvips, metadata are items of no type that it knows, and of one byte
            if place >= at:
                parts += [(at, place - at), changed[place]]
                at = place + len(changed[place])
        found.view = Spliced(stream, [*parts, (at, 2**62)])
    except (_DamagedError, struct.error):
        found.note("metadata (damaged)")
    return found


def finish(stream: BinaryIO, metadata: Metadata) -> None:
    """Add EXIF and HDR colour to a finished AVIF, open for reading and writing, as libheif lays it out.

    Args:
        stream: the file.
        metadata: what it is to carry; ICC and XMP, libvips wrote already.
    """
    if not (metadata.exif or metadata.cicp):
        return
    start, meta = _meta(stream)
    primary = _primary(meta)
    boxes = {name: meta[at - 8 : at - 8 + size] for name, at, size in _boxes(meta, 12)}
    order = [name for name, _, _ in _boxes(meta, 12)]
    end = stream.seek(0, os.SEEK_END)
    payload = b"\0\0\0\0" + metadata.exif if metadata.exif else b""
    identity = max(_items(meta, start)) + 1
    if metadata.exif:
        entry = _box(b"infe", b"\2\0\0\1" + struct.pack(">HH", identity, 0) + b"Exif\0")
        items = boxes[b"iinf"]
        count = int.from_bytes(items[12:14], "big") + 1
        boxes[b"iinf"] = _box(b"iinf", items[8:12] + struct.pack(">H", count) + items[14:] + entry)
        link = _box(b"cdsc", struct.pack(">HHH", identity, 1, primary))
        boxes[b"iref"] = _box(b"iref", boxes.get(b"iref", bytes(12))[8:12] + boxes.get(b"iref", b"")[12:] + link)
        if b"iref" not in order:
            order.append(b"iref")
    if metadata.cicp:
        boxes[b"iprp"] = _with_colour(boxes[b"iprp"], primary, metadata.cicp)
    placed = _Locations(boxes[b"iloc"])
    if payload:
        placed.items.append((identity, 0, [(end + 8, len(payload))]))
    size = len(meta[:12]) + sum(len(boxes[name]) for name in order if name != b"iloc") + placed.size
    grown = size - len(meta)
    placed.shift(start + len(meta), grown)
    boxes[b"iloc"] = placed.packed()
    new = struct.pack(">I", size) + meta[4:12] + b"".join(boxes[name] for name in order)
    stream.seek(start + len(meta))
    rest = stream.read(end - start - len(meta))  # whole in memory, as it was until just now
    stream.seek(start)
    write_all(stream, new)
    write_all(stream, rest)
    if payload:
        write_all(stream, _box(b"mdat", payload))


class _Locations:
    """The box that says where items lie, of the widths that libheif writes: version 0, or 1 with the place of each."""

    def __init__(self, box: bytes) -> None:
        reader = _Reader(box, 8)
        self._version = reader.number(1)
        self._flags = reader.bytes(3)
        self.items = []
        for identity, method, extents, _ in _locations(_Reader(box, 8)):
            self.items.append((identity, method, extents))

    @property
    def size(self) -> int:
        return 8 + 4 + 2 + 2 + sum((8 if self._version else 6) + 8 * len(extents) for _, _, extents in self.items)

    def shift(self, beyond: int, grown: int) -> None:
        """Move what lies in the file beyond an offset."""
        self.items = [
            (identity, method, [(at + grown * (method == 0 and at >= beyond), length) for at, length in extents])
            for identity, method, extents in self.items
        ]

    def packed(self) -> bytes:
        data = bytes([1 if self._version else 0]) + self._flags + b"\x44\x00" + struct.pack(">H", len(self.items))
        for identity, method, extents in self.items:
            data += struct.pack(">HH", identity, method) if self._version else struct.pack(">H", identity)
            data += struct.pack(">HH", 0, len(extents)) + b"".join(struct.pack(">II", *each) for each in extents)
        return _box(b"iloc", data)


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def _boxes(data: bytes, at: int, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset of the content and size, header included, of each box."""
    end = len(data) if end is None else end
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8 or at + size > end:
            raise _DamagedError
        yield data[at + 4 : at + 8], at + 8, size
        at += size
    raise _DamagedError


def _meta(stream: BinaryIO) -> tuple[int, bytes]:
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
    raise _DamagedError


def _items(meta: bytes, start: int) -> dict[int, _Item]:
    """Return the items that a file has, with where they lie."""
    items: dict[int, _Item] = {}
    for name, at, size in _boxes(meta, 12):
        if name == b"iinf":
            first = at + (6 if meta[at : at + 1] == b"\0" else 8)
            for kind, inner, length in _boxes(meta, first, at - 8 + size):
                if kind == b"infe" and meta[inner : inner + 1] in (b"\2", b"\3"):
                    _item(meta[inner : inner - 8 + length], start + inner, items)
        elif name == b"iloc":
            for identity, method, extents, lengths in _locations(_Reader(meta[: at - 8 + size], at)):
                item = items.setdefault(identity, _Item())
                item.inside, item.extents, item.lengths = method == 1, extents, lengths
    return items


def _item(box: bytes, at: int, items: dict[int, _Item]) -> None:
    reader = _Reader(box)
    width = 2 if reader.number(4) >> 24 == 2 else 4
    item = items.setdefault(reader.number(width), _Item())
    reader.number(2)
    item.kind_at = at + reader.at
    item.kind = reader.bytes(4)
    item.is_xmp = item.kind == b"mime" and _XMP_TYPE in box


def _locations(reader: _Reader) -> Iterator[tuple[int, int, list[tuple[int, int]], list[tuple[int, int]]]]:
    """Yield (item, construction method, extents as (offset, length), where those lengths stand) of an iloc box."""
    version = reader.number(4) >> 24
    widths = reader.number(2)
    offset_width, length_width, base_width, index_width = ((widths >> shift) & 15 for shift in (12, 8, 4, 0))
    if not {offset_width, length_width, base_width} <= {0, 4, 8}:
        raise _DamagedError
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
            raise _DamagedError
        for _ in range(count):
            if version in (1, 2):
                reader.number(index_width)
            offset = reader.number(offset_width)
            lengths.append((reader.at, length_width))
            extents.append((base + offset, reader.number(length_width)))
        yield identity, method, extents, lengths


def _descriptions(meta: bytes, start: int) -> list[int]:
    """Return where the file says that an item describes another, as metadata do."""
    found = []
    for name, at, size in _boxes(meta, 12):
        if name == b"iref":
            for kind, inner, _ in _boxes(meta, at + 4, at - 8 + size):
                if kind == b"cdsc":
                    found.append(start + inner - 4)
    return found


def _primary(meta: bytes) -> int:
    for name, at, _ in _boxes(meta, 12):
        if name == b"pitm":
            reader = _Reader(meta, at)
            return reader.number(2 if reader.number(4) >> 24 == 0 else 4)
    raise _DamagedError


def _read(stream: BinaryIO, item: _Item, idat: int, budget: Budget, found: Found) -> None:
    """Take what an item of metadata says."""
    pieces = [budget.read(stream, at + (idat if item.inside else 0), length) for at, length in item.extents]
    data = b"".join(piece for piece in pieces if piece is not None)
    if None in pieces or not data:
        found.note("damaged EXIF or XMP" if item.kind in (b"Exif", b"mime") else "damaged item")
    elif item.kind == b"Exif":
        skipped = 4 + int.from_bytes(data[:4], "big")
        if found.exif is None and skipped < len(data):
            found.exif = data[skipped:].removeprefix(b"Exif\0\0")
        else:
            found.note("further EXIF")
    elif item.is_xmp and found.xmp is None:
        found.xmp = data
    elif item.is_xmp:
        found.note("further XMP")
    else:
        found.note(f"item {item.kind.decode('latin-1')!a}")


def _colour(meta: bytes, primary: int, budget: Budget, found: Found) -> None:
    """Take the profile, or else the code points, of the primary item."""
    codes = None
    for name, data in _properties(meta, primary):
        if name == b"colr" and data[:4] in (b"prof", b"rICC") and budget.take(len(data)):
            found.icc = data[4:]
        elif name == b"colr" and data[:4] == b"nclx" and len(data) >= 8:
            codes = struct.unpack(">HH", data[4:8])
    if found.icc is None and codes is not None:
        found.cicp = (codes[0], codes[1])


def _properties(meta: bytes, identity: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, content) of the properties of an item."""
    container = next(((at, size) for name, at, size in _boxes(meta, 12) if name == b"iprp"), None)
    if container is None:
        return
    properties: list[tuple[bytes, bytes]] = []
    for name, at, size in _boxes(meta, container[0], container[0] - 8 + container[1]):
        if name == b"ipco":
            properties = [
                (kind, meta[inner : inner - 8 + length]) for kind, inner, length in _boxes(meta, at, at - 8 + size)
            ]
        elif name == b"ipma":
            for item, indices in _associations(_Reader(meta[: at - 8 + size], at)):
                if item == identity:
                    yield from (properties[index - 1] for index in indices if 0 < index <= len(properties))


def _associations(reader: _Reader) -> Iterator[tuple[int, list[int]]]:
    head = reader.number(4)
    wide, long = (4 if head >> 24 else 2), head & 1
    for _ in range(reader.number(4)):
        item = reader.number(wide)
        indices = [reader.number(1 + long) & (0x7FFF if long else 0x7F) for _ in range(reader.number(1))]
        yield item, indices


def _with_colour(container: bytes, primary: int, codes: tuple[int, int]) -> bytes:
    """State code points among the properties, as the primary item's.

    libheif states them itself where the matrix is not the usual one; else it is BT.601's, of full range.
    """
    stated = container.find(b"colrnclx")
    if stated >= 0:
        return container[: stated + 8] + struct.pack(">HH", *codes) + container[stated + 12 :]
    boxes = {name: container[at : at - 8 + size] for name, at, size in _boxes(container, 8)}
    count = sum(1 for _ in _boxes(boxes[b"ipco"], 0)) + 1
    colour = _box(b"colr", b"nclx" + struct.pack(">HHHB", *codes, _BT601, 0x80))
    old = io.BytesIO(boxes[b"ipma"])
    head = old.read(8)
    new = head
    for _ in range(int.from_bytes(head[4:], "big")):
        item = old.read(2)
        number = old.read(1)[0]
        indices = old.read(number)
        if int.from_bytes(item, "big") == primary:
            number, indices = number + 1, indices + bytes([count])
        new += item + bytes([number]) + indices
    return _box(b"iprp", _box(b"ipco", boxes[b"ipco"] + colour) + _box(b"ipma", new))
