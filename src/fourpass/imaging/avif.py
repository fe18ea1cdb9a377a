"""Read the metadata of AVIF and HEIF files, and add EXIF and HDR colour to a finished AVIF.

Sources: ISO/IEC 23008-12 (HEIF: properties, Exif items), AV1 Image File Format 1.1, ITU-T H.273 for colour by numbers.
"""

from __future__ import annotations

import io
import os
import struct
from typing import BinaryIO, Final

from fourpass.disk.atomic import write_all
from fourpass.imaging.budget import Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.isobmff import (
    BoxItem,
    DamagedBoxError,
    Reader,
    box,
    boxes_of,
    descriptions_of,
    items_of,
    locations_of,
    meta_of,
    primary_of,
    properties_of,
)
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.splice import Part, Spliced

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


def scan(stream: BinaryIO, budget: Budget) -> FoundParts:
    """Find what an open AVIF or HEIF file holds."""
    found = FoundParts(Spliced(stream, [(0, 2**62)]))
    try:
        start, meta = meta_of(stream)
        items = items_of(meta, start)
        primary = primary_of(meta)
        _colour(meta, primary, budget, found)
        idat = next((at for name, at, _ in boxes_of(meta, 12) if name == b"idat"), 0)
        changed = dict.fromkeys(descriptions_of(meta, start), b"none")
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
    except (DamagedBoxError, struct.error):
        found.note("metadata (damaged)")
    return found


def finish(stream: BinaryIO, metadata: PictureMetadata) -> None:
    """Add EXIF and HDR colour to a finished AVIF, open for reading and writing, as libheif lays it out.

    Args:
        stream: the file.
        metadata: what it is to carry; ICC and XMP, libvips wrote already.
    """
    if not (metadata.exif or metadata.cicp):
        return
    start, meta = meta_of(stream)
    primary = primary_of(meta)
    boxes = {name: meta[at - 8 : at - 8 + size] for name, at, size in boxes_of(meta, 12)}
    order = [name for name, _, _ in boxes_of(meta, 12)]
    end = stream.seek(0, os.SEEK_END)
    payload = b"\0\0\0\0" + metadata.exif if metadata.exif else b""
    identity = max(items_of(meta, start)) + 1
    if metadata.exif:
        entry = box(b"infe", b"\2\0\0\1" + struct.pack(">HH", identity, 0) + b"Exif\0")
        items = boxes[b"iinf"]
        count = int.from_bytes(items[12:14], "big") + 1
        boxes[b"iinf"] = box(b"iinf", items[8:12] + struct.pack(">H", count) + items[14:] + entry)
        link = box(b"cdsc", struct.pack(">HHH", identity, 1, primary))
        boxes[b"iref"] = box(b"iref", boxes.get(b"iref", bytes(12))[8:12] + boxes.get(b"iref", b"")[12:] + link)
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
        write_all(stream, box(b"mdat", payload))


class _Locations:
    """The box that says where items lie, of the widths that libheif writes: version 0, or 1 with the place of each."""

    def __init__(self, box: bytes) -> None:
        reader = Reader(box, 8)
        self._version = reader.number(1)
        self._flags = reader.bytes(3)
        self.items = []
        for identity, method, extents, _ in locations_of(Reader(box, 8)):
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
        return box(b"iloc", data)


def _read(stream: BinaryIO, item: BoxItem, idat: int, budget: Budget, found: FoundParts) -> None:
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


def _colour(meta: bytes, primary: int, budget: Budget, found: FoundParts) -> None:
    """Take the profile, or else the code points, of the primary item."""
    codes = None
    for name, data in properties_of(meta, primary):
        if name == b"colr" and data[:4] in (b"prof", b"rICC") and budget.take(len(data)):
            found.icc = data[4:]
        elif name == b"colr" and data[:4] == b"nclx" and len(data) >= 8:
            codes = struct.unpack(">HH", data[4:8])
    if found.icc is None and codes is not None:
        found.cicp = (codes[0], codes[1])


def _with_colour(container: bytes, primary: int, codes: tuple[int, int]) -> bytes:
    """State code points among the properties, as the primary item's.

    libheif states them itself where the matrix is not the usual one; else it is BT.601's, of full range.
    """
    stated = container.find(b"colrnclx")
    if stated >= 0:
        return container[: stated + 8] + struct.pack(">HH", *codes) + container[stated + 12 :]
    boxes = {name: container[at : at - 8 + size] for name, at, size in boxes_of(container, 8)}
    count = sum(1 for _ in boxes_of(boxes[b"ipco"], 0)) + 1
    colour = box(b"colr", b"nclx" + struct.pack(">HHHB", *codes, _BT601, 0x80))
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
    return box(b"iprp", box(b"ipco", boxes[b"ipco"] + colour) + box(b"ipma", new))
