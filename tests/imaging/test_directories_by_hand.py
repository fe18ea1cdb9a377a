"""Directories of fields in both byte orders and widths: what is written is read again, within limits."""

from __future__ import annotations

import io
import struct

import pytest

from fourpass.imaging import directories
from fourpass.imaging.budget import Budget
from fourpass.imaging.directories import DamagedDirectoryError, Layout, TagEntry

ORDERS = ("<", ">")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_values_and_pointers_in_both_widths(order: str, big: bool) -> None:
    layout = Layout(order, big)
    assert (layout.pointer, layout.width, layout.counter) == ((8, 20, 8) if big else (4, 12, 2))
    entries = [
        TagEntry(3, 3, 3, b"\1\0\2\0\3\0"),
        TagEntry(2, 12, 1, struct.pack("<d", 1.5)),
        TagEntry(1, 1, 4, b"abcd"),
        TagEntry(9, 2, 9, b"odd text\0"),
    ]
    below = {7: ([TagEntry(5, 4, 1, b"\x01\x02\x03\x04")], {}), 8: ([], {})}
    made = directories.directory(layout, 16, entries, below, [], layout.pack(77, layout.pointer))
    head = layout.pack(0x4949 if order == "<" else 0x4D4D, 2) + layout.pack(43 if big else 42, 2)
    head += layout.pack(8, 2) + bytes(2) + layout.pack(16, 8) if big else layout.pack(16, 4) + bytes(8)
    found = directories.fields(io.BytesIO(head + made), Budget())
    assert [entry.tag for entry in found.first] == [1, 2, 3, 7, 9]
    assert {entry.tag: entry for entry in found.first if entry.tag != 7} == {entry.tag: entry for entry in entries}
    raws, following = directories.raw_entries(io.BytesIO(head + made), layout, 16)
    assert layout.number(following) == 77
    inner, _ = directories.raw_entries(io.BytesIO(head + made), layout, layout.inline(raws[3]))
    assert [(layout.tag(raw), layout.inline(raw)) for raw in inner] == [(5, 0x04030201)]
    assert directories.header(head[:16]) == (layout, 16)


def test_limits_of_directories() -> None:
    layout = Layout("<", False)
    for count, taken in ((4096, True), (4097, False)):
        stream = io.BytesIO(struct.pack("<H", count) + bytes(12 * count + 4))
        if taken:
            assert len(directories.raw_entries(stream, layout, 0)[0]) == count
        else:
            with pytest.raises(DamagedDirectoryError):
                directories.raw_entries(stream, layout, 0)
    for at in (-1, 2**62, 3):
        with pytest.raises(DamagedDirectoryError):
            directories.raw_entries(io.BytesIO(bytes(6)), layout, at)


@pytest.mark.parametrize(
    ("kind", "width"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 4), (7, 1), (8, 2), (10, 4), (12, 8), (16, 8)]
)
def test_values_in_the_other_byte_order(kind: int, width: int) -> None:
    data = bytes(range(16))
    assert directories.swapped(data, kind) == b"".join(data[at : at + width][::-1] for at in range(0, 16, width))
