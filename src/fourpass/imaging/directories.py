"""Read, within limits, and write the directories of fields in TIFF files and EXIF blocks.

Sources: TIFF 6.0, section 2; the BigTIFF design; EXIF 2.32, section 4.6.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from fourpass.imaging.budget import Budget

IMAGE_WIDTH, IMAGE_LENGTH, ORIENTATION = 0x0100, 0x0101, 0x0112
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
XMP, IPTC, PHOTOSHOP, ICC = 0x02BC, 0x83BB, 0x8649, 0x8773
EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
PIXEL_WIDTH, PIXEL_HEIGHT, MAKER_NOTE = 0xA002, 0xA003, 0x927C
SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WORDS: Final = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_MOST_ENTRIES: Final = 4096


@dataclass(frozen=True)
class TagEntry:
    """One field of a directory; `data` is its value, little-endian."""

    tag: int
    kind: int
    count: int
    data: bytes

    @property
    def number(self) -> int:
        """The first value, if it is an integer."""
        return int.from_bytes(self.data[: _WORDS.get(self.kind, 1)], "little")


@dataclass(frozen=True)
class Layout:
    """Byte order of a file, and the widths that BigTIFF doubles."""

    order: str
    big: bool

    @property
    def pointer(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    @property
    def width(self) -> int:
        """Bytes of an entry."""
        return 20 if self.big else 12

    @property
    def counter(self) -> int:
        """Bytes of the number of entries."""
        return 8 if self.big else 2

    def pack(self, value: int, width: int) -> bytes:
        """Return a whole number as the file stores it."""
        return value.to_bytes(width, "little" if self.order == "<" else "big")

    def number(self, data: bytes) -> int:
        """Return the whole number that the file stores so."""
        return int.from_bytes(data, "little" if self.order == "<" else "big")

    def tag(self, raw: bytes) -> int:
        """Return the tag of an entry."""
        return self.number(raw[:2])

    def inline(self, raw: bytes) -> int:
        """Return the value of an entry that holds one whole number, or the offset of a longer value."""
        kind, count = self.number(raw[2:4]), self.number(raw[4 : 4 + self.pointer])
        width = _WORDS.get(kind, 1) if count == 1 and SIZES.get(kind, 9) <= self.pointer else self.pointer
        return self.number(raw[4 + self.pointer : 4 + self.pointer + width])


# Tag -> fields of the sub-directory that it points to, and of those below that.
Below = Mapping[int, tuple[Sequence[TagEntry], Mapping[int, Sequence[TagEntry]]]]


class DamagedDirectoryError(Exception):
    """A damaged directory."""


@dataclass
class Fields:
    """The directories that describe a picture: the first one and those that it points to.

    Attributes:
        first, exif, gps, interoperability: fields of each.
        missing: how many fields were left out because they were damaged or exceeded the budget.
    """

    first: list[TagEntry]
    exif: list[TagEntry]
    gps: list[TagEntry]
    interoperability: list[TagEntry]
    missing: int = 0


def header(data: bytes) -> tuple[Layout | None, int]:
    """Return layout and offset of the first directory from the first 16 bytes; None where they are no such header."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None, 0
    layout = Layout(order, Layout(order, False).number(data[2:4]) == 43)
    return layout, layout.number(data[8:16] if layout.big else data[4:8])


def raw_entries(stream: BinaryIO, layout: Layout, at: int) -> tuple[list[bytes], bytes]:
    """Return the entries of a directory as they are stored, and the pointer to the next directory.

    Raises:
        DamagedError: they lie beyond the end of the file, or are too many.
    """
    if not 0 <= at < 2**62:
        raise DamagedDirectoryError
    stream.seek(at)
    count = layout.number(_exactly(stream, layout.counter))
    if count > _MOST_ENTRIES:
        raise DamagedDirectoryError
    data = _exactly(stream, layout.width * count + layout.pointer)
    return [data[layout.width * at :][: layout.width] for at in range(count)], data[layout.width * count :]


def fields(stream: BinaryIO, budget: Budget, at: int | None = None, wanted: Container[int] | None = None) -> Fields:
    """Read the directories of a TIFF file or an EXIF block.

    Args:
        stream: the file, or the block.
        budget: what may be read; what no longer fits is left out.
        at: where the first directory is; None: where the header says.
        wanted: tags of the first directory to be read; None: all.

    Raises:
        DamagedError: there is no header, or a directory lies beyond the end.
    """
    stream.seek(0)
    layout, start = header(stream.read(16))
    if layout is None:
        raise DamagedDirectoryError
    first, missing = _entries(stream, layout, start if at is None else at, budget, wanted)
    found = Fields(first, [], [], [], missing)

    def below(entries: list[TagEntry], tag: int) -> list[TagEntry]:
        pointer = next((entry for entry in entries if entry.tag == tag), None)
        if pointer is None:
            return []
        entries.remove(pointer)
        inner, missing = _entries(stream, layout, pointer.number, budget)
        found.missing += missing
        return inner

    found.exif, found.gps = below(first, EXIF_DIRECTORY), below(first, GPS_DIRECTORY)
    found.interoperability = below(found.exif, INTEROPERABILITY)
    return found


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise DamagedDirectoryError
    return data


def _entries(
    stream: BinaryIO, layout: Layout, at: int, budget: Budget, wanted: Container[int] | None = None
) -> tuple[list[TagEntry], int]:
    """Return the fields of a directory, and how many were left out."""
    entries, missing = [], 0
    for raw in raw_entries(stream, layout, at)[0]:
        if wanted is not None and layout.tag(raw) not in wanted:
            continue
        kind = layout.number(raw[2:4])
        count = layout.number(raw[4 : 4 + layout.pointer])
        length = SIZES.get(kind, 0) * count
        data: bytes | None = raw[4 + layout.pointer :][:length]
        if length > layout.pointer:
            data = budget.read(stream, layout.number(raw[4 + layout.pointer :]), length)
        if data:
            entries.append(TagEntry(layout.tag(raw), kind, count, swapped(data, kind) if layout.order == ">" else data))
        else:
            missing += 1
    return entries, missing


def swapped(data: bytes, kind: int) -> bytes:
    """Return values of a kind in the other byte order."""
    width = _WORDS.get(kind, 1)
    if width == 1:
        return data
    turned = bytearray(len(data))
    for at in range(width):
        turned[at::width] = data[width - 1 - at :: width]
    return bytes(turned)


def directory(
    layout: Layout,
    start: int,
    entries: Iterable[TagEntry],
    below: Below,
    kept: Iterable[bytes],
    following: bytes,
) -> bytes:
    """Return a directory to stand at an offset, with its values and sub-directories right behind it.

    Args:
        layout: of the file.
        start: the offset.
        entries: new fields.
        below: tag -> fields of the sub-directory that it points to, and of those below that; empty ones are left out.
        kept: fields as they are stored, whose values lie elsewhere in the file.
        following: the pointer to the next directory, as it is stored.
    """
    entries = list(entries)
    below = {tag: inner for tag, inner in below.items() if inner[0]}
    stored = list(kept)
    total = len(stored) + len(entries) + len(below)
    offset = start + layout.counter + layout.width * total + layout.pointer
    tail = bytearray()

    def place(data: bytes) -> bytes:
        nonlocal tail
        at = offset + len(tail)
        tail += data + b"\0" * (len(data) % 2)
        return layout.pack(at, layout.pointer)

    def add(tag: int, kind: int, count: int, value: bytes) -> None:
        head = layout.pack(tag, 2) + layout.pack(kind, 2) + layout.pack(count, layout.pointer)
        stored.append(head + value.ljust(layout.pointer, b"\0"))

    for entry in entries:
        data = swapped(entry.data, entry.kind) if layout.order == ">" else entry.data
        add(entry.tag, entry.kind, entry.count, place(data) if len(data) > layout.pointer else data)
    for tag, (inner, further) in below.items():
        nested: Below = {each: (deeper, {}) for each, deeper in further.items()}
        block = directory(layout, offset + len(tail), inner, nested, [], layout.pack(0, layout.pointer))
        add(tag, 18 if layout.big else 4, 1, place(block))
    stored.sort(key=layout.tag)
    return layout.pack(total, layout.counter) + b"".join(stored) + following + bytes(tail)
