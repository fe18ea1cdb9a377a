"""Edit EXIF blocks in place, because maker notes hold offsets from the start of the block.

Source: EXIF 2.32, section 4.6.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import Final

from fourpass.imaging import directories
from fourpass.imaging.budget import MOST, Budget
from fourpass.imaging.directories import DamagedDirectoryError, Fields, Layout, TagEntry

_JPEG_OFFSET, _JPEG_LENGTH = 0x0201, 0x0202  # of the thumbnail
_LITTLE: Final = Layout("<", False)


def read(block: bytes) -> Fields:
    """Return the fields of a block.

    Raises:
        DamagedError: it does not hold together.
    """
    return directories.fields(io.BytesIO(block), Budget(min(MOST, 2 * len(block) + 1024)))


def orientation(block: bytes) -> int:
    """Return the orientation in a block, 1..8; 1 if it has none."""
    for layout, at, _ in _positions(block):
        if layout.tag(block[at : at + 2]) == directories.ORIENTATION:
            turn = layout.inline(block[at : at + 12])
            return turn if 1 <= turn <= 8 else 1
    return 1


def upright(block: bytes, turn: int) -> bytes:
    """Return a block (starting with its TIFF header) whose orientation, if it has one, says upright.

    Where the picture was turned on its side, horizontal and vertical resolution change places. The thumbnail, which
    would lie on its side and show less than the picture, is cut off.
    """
    changed = bytearray(block)
    resolutions = {}
    for layout, at, _ in _positions(block):
        tag = layout.tag(block[at : at + 2])
        if tag == directories.ORIENTATION:
            changed[at + 2 : at + 12] = layout.pack(3, 2) + layout.pack(1, 4) + layout.pack(1, 2) + b"\0\0"
        elif tag in (directories.X_RESOLUTION, directories.Y_RESOLUTION):
            resolutions[tag] = at
    if turn >= 5 and len(resolutions) == 2:
        x, y = resolutions.values()
        changed[x + 2 : x + 12], changed[y + 2 : y + 12] = block[y + 2 : y + 12], block[x + 2 : x + 12]
    _cut_thumbnail(changed)
    return bytes(changed)


def resized(block: bytes, size: tuple[int, int]) -> bytes:
    """Return a block that states (rows, columns), if it states a size at all."""
    changed = bytearray(block)
    stated = {
        (False, directories.IMAGE_WIDTH): size[1],
        (False, directories.IMAGE_LENGTH): size[0],
        (True, directories.PIXEL_WIDTH): size[1],
        (True, directories.PIXEL_HEIGHT): size[0],
    }
    for layout, at, inner in _positions(block):
        length = stated.get((inner, layout.tag(block[at : at + 2])))
        if length is not None and layout.number(block[at + 4 : at + 8]) == 1:
            changed[at + 2 : at + 4] = layout.pack(4, 2)
            changed[at + 8 : at + 12] = layout.pack(length, 4)
    return bytes(changed)


def resolution(block: bytes) -> tuple[float, float] | None:
    """Return the (horizontal, vertical) pixels per inch that a block states, or None."""
    try:
        stated = {entry.tag: entry.data for entry in read(block).first}
        unit = int.from_bytes(stated[directories.RESOLUTION_UNIT], "little")
        pairs = [struct.unpack("<II", stated[tag][:8]) for tag in (directories.X_RESOLUTION, directories.Y_RESOLUTION)]
        x, y = ({2: 1.0, 3: 2.54}[unit] * upper / lower for upper, lower in pairs)
    except (DamagedDirectoryError, KeyError, struct.error, ZeroDivisionError):
        return None
    return (x, y) if x > 0 and y > 0 else None


def with_resolution(block: bytes | None, dpi: tuple[float, float]) -> bytes:
    """Return a block that states a resolution; an existing one is kept."""
    if block is not None and resolution(block) is not None:
        return block
    entries = resolution_fields(dpi)
    if block is None:
        return serialised(entries)
    return with_fields(block, entries)


def resolution_fields(dpi: tuple[float, float]) -> list[TagEntry]:
    """Return the fields of a resolution in pixels per inch."""
    x, y = (struct.pack("<II", min(round(each * 10_000), 2**32 - 1), 10_000) for each in dpi)
    return [
        TagEntry(directories.X_RESOLUTION, 5, 1, x),
        TagEntry(directories.Y_RESOLUTION, 5, 1, y),
        TagEntry(directories.RESOLUTION_UNIT, 3, 1, b"\2\0"),
    ]


def with_fields(block: bytes, entries: Iterable[TagEntry]) -> bytes:
    """Return a block with fields of the first directory added or replaced; it is written anew at the block's end."""
    layout, at = directories.header(block[:16])
    if layout is None or layout.big:
        return block
    try:
        raws, _ = directories.raw_entries(io.BytesIO(block), layout, at)
    except DamagedDirectoryError:
        return block
    entries = list(entries)
    added = {entry.tag for entry in entries}
    kept = [raw for raw in raws if layout.tag(raw) not in added]
    padded = block + b"\0" * (len(block) % 2)
    new = directories.directory(layout, len(padded), entries, {}, kept, bytes(4))
    return padded[:4] + layout.pack(len(padded), 4) + padded[8:] + new


def serialised(
    first: Iterable[TagEntry],
    exif: Iterable[TagEntry] = (),
    gps: Iterable[TagEntry] = (),
    interoperability: Iterable[TagEntry] = (),
) -> bytes:
    """Return a block of the fields of its directories."""
    below = {
        directories.EXIF_DIRECTORY: (list(exif), {directories.INTEROPERABILITY: list(interoperability)}),
        directories.GPS_DIRECTORY: (list(gps), {}),
    }
    return b"II*\0" + struct.pack("<I", 8) + directories.directory(_LITTLE, 8, first, below, [], bytes(4))


def _positions(block: bytes) -> list[tuple[Layout, int, bool]]:
    """Return (layout, offset, whether it is of the EXIF directory) of every entry; none where it is damaged."""
    layout, first = directories.header(block[:16])
    if layout is None or layout.big:
        return []
    found: list[tuple[Layout, int, bool]] = []
    inner = None
    for at, is_inner in ((first, False), (inner, True)):
        at = inner if is_inner else at
        if at is None or at + 2 > len(block):
            continue
        count = layout.number(block[at : at + 2])
        if at + 2 + 12 * count + 4 > len(block):
            continue
        for place in range(at + 2, at + 2 + 12 * count, 12):
            found.append((layout, place, is_inner))
            if not is_inner and layout.tag(block[place : place + 2]) == directories.EXIF_DIRECTORY:
                inner = layout.inline(block[place : place + 12])
    return found


def _cut_thumbnail(block: bytearray) -> None:
    """Unlink the directory of the thumbnail, and wipe the thumbnail out where nothing else lies there."""
    layout, first = directories.header(bytes(block[:16]))
    if layout is None or layout.big:
        return
    stream = io.BytesIO(block)
    try:
        _, link = directories.raw_entries(stream, layout, first)
        end = stream.tell()
        block[end - len(link) : end] = bytes(len(link))
        second = layout.number(link)
        raws, _ = directories.raw_entries(stream, layout, second)
    except DamagedDirectoryError:
        return
    said = {layout.tag(raw): layout.inline(raw) for raw in raws}
    start, length = said.get(_JPEG_OFFSET, 0), said.get(_JPEG_LENGTH, 0)
    used = [(0, end)]
    for place_layout, at, _ in _positions(bytes(block)):
        raw = bytes(block[at : at + 12])
        size = directories.SIZES.get(place_layout.number(raw[2:4]), 0) * place_layout.number(raw[4:8])
        if size > 4:
            used.append((place_layout.number(raw[8:12]), size))
    if not second or not 0 < start < start + length <= len(block):
        return
    if any(start < at + size and at < start + length for at, size in used):
        return
    if start + length == len(block):
        del block[start:]
    else:
        block[start : start + length] = bytes(length)
