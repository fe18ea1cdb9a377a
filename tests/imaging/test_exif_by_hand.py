"""EXIF blocks written by hand in both byte orders: what is read of them, and which bytes change, and no others."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from fourpass.imaging import directories, exif
from fourpass.imaging.budget import Budget
from fourpass.imaging.directories import TagEntry

ORDERS = ("<", ">")
Field = tuple[int, int, int, bytes]  # tag, kind, count, four bytes


def table(order: str, fields: list[Field], following: int = 0) -> bytes:
    entries = b"".join(struct.pack(order + "HHI", *field[:3]) + field[3] for field in fields)
    return struct.pack(order + "H", len(fields)) + entries + struct.pack(order + "I", following)


def block(order: str, fields: list[Field], following: int = 0, behind: bytes = b"") -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "I", 8) + table(order, fields, following) + behind


def short(order: str, tag: int, value: int) -> Field:
    return tag, 3, 1, struct.pack(order + "H", value) + b"\xaa\xbb"


def long(order: str, tag: int, value: int) -> Field:
    return tag, 4, 1, struct.pack(order + "I", value)


def pair(order: str, upper: int, lower: int) -> bytes:
    return struct.pack(order + "II", upper, lower)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("stated", range(11))
def test_orientation(order: str, stated: int) -> None:
    for field in (short, long):
        made = block(order, [short(order, 0x0100, 7), field(order, 0x0112, stated)])
        assert exif.orientation(made) == (stated if 1 <= stated <= 8 else 1)
        inner = block(order, [long(order, 0x8769, 26)], behind=table(order, [field(order, 0x0112, stated)]))
        assert exif.orientation(inner) == (stated if 1 <= stated <= 8 else 1)
    assert exif.orientation(block(order, [short(order, 0x0100, 7)])) == 1


@pytest.mark.parametrize("damaged", [b"", b"II*\0", b"XX*\0\x08\0\0\0\0\0", b"II*\0\xff\0\0\0", b"II+\0" + bytes(12)])
def test_what_does_not_hold_together_says_nothing_and_stays(damaged: bytes) -> None:
    assert exif.orientation(damaged) == 1
    assert exif.upright(damaged, 6) == exif.resized(damaged, (3, 4)) == damaged
    assert exif.resolution(damaged) is None
    assert exif.with_fields(damaged, exif.resolution_fields((72, 72))) == damaged


def test_a_directory_cut_by_a_byte_is_not_believed() -> None:
    whole = block("<", [short("<", 0x0112, 6)])
    assert exif.orientation(whole) == 6
    assert exif.orientation(whole[:-1]) == 1


@pytest.mark.parametrize("order", ORDERS)
def test_upright_changes_the_orientation_alone(order: str) -> None:
    fields = [short(order, 0x0100, 7), short(order, 0x0112, 6), short(order, 0x0128, 2)]
    fields[1] = (0x0112, 4, 1, struct.pack(order + "I", 6))
    one = struct.pack(order + "H", 1) + b"\0\0"
    assert exif.upright(block(order, fields), 6) == block(order, [fields[0], (0x0112, 3, 1, one), fields[2]])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("turn", range(1, 9))
def test_resolutions_change_places_with_the_sides(order: str, turn: int) -> None:
    x, y = (0x011A, 5, 1, struct.pack(order + "I", 38)), (0x011B, 5, 1, struct.pack(order + "I", 46))
    behind = pair(order, 300, 1) + pair(order, 150, 1)
    turned = [(x[0], *y[1:]), (y[0], *x[1:])] if turn >= 5 else [x, y]
    assert exif.upright(block(order, [x, y], behind=behind), turn) == block(order, turned, behind=behind)
    alone = block(order, [x], behind=behind)
    assert exif.upright(alone, turn) == alone


def with_thumbnail(order: str, thumbnail: bytes, behind: bytes = b"", start: int = 0, length: int = 0) -> bytes:
    """A field of eight bytes (at 26), the thumbnail's directory (at 34) and the thumbnail (at 64)."""
    second = table(order, [long(order, 0x0201, start or 64), long(order, 0x0202, length or len(thumbnail))])
    first = [(0x010F, 2, 8, struct.pack(order + "I", 26))]
    return block(order, first, 34, b"a maker\0" + second + thumbnail + behind)


@pytest.mark.parametrize("order", ORDERS)
def test_a_thumbnail_is_cut_off_or_wiped_out(order: str) -> None:
    unlinked = with_thumbnail(order, b"picture", b"note")
    unlinked = unlinked[:22] + bytes(4) + unlinked[26:]
    assert exif.upright(with_thumbnail(order, b"picture", b"note"), 1) == unlinked.replace(b"picture", bytes(7))
    at_the_end = with_thumbnail(order, b"picture")
    assert exif.upright(at_the_end, 1) == at_the_end[:22] + bytes(4) + at_the_end[26:64]


@pytest.mark.parametrize(
    ("start", "length"), [(26, 8), (20, 7), (33, 40), (19, 3), (1, 20), (64, 8), (65, 7), (80, 1), (70, 0xFFFFFFFF)]
)
def test_a_thumbnail_that_lies_on_something_else_or_nowhere_stays(start: int, length: int) -> None:
    made = with_thumbnail("<", b"picture", start=start, length=length)
    assert exif.upright(made, 1) == made[:22] + bytes(4) + made[26:]


def test_a_thumbnail_of_no_stated_length_or_place_stays() -> None:
    for field in (0x0201, 64), (0x0202, 7):
        second = table("<", [long("<", *field), long("<", 0x0103, 6)])
        made = block("<", [(0x010F, 2, 8, struct.pack("<I", 26))], 34, b"a maker\0" + second + b"picture" + b"note")
        assert exif.upright(made, 1) == made[:22] + bytes(4) + made[26:]


def test_a_thumbnail_right_beside_a_value_is_wiped_out() -> None:
    """The value at 26..33; what is said to be the thumbnail ends before it, or begins behind it."""
    made = with_thumbnail("<", b"picture", start=34, length=3)
    assert exif.upright(made, 1) == made[:22] + bytes(4) + made[26:34] + bytes(3) + made[37:]


@pytest.mark.parametrize("order", ORDERS)
def test_stated_sizes_follow(order: str) -> None:
    fields = [short(order, 0x0100, 7), long(order, 0x0101, 9), long(order, 0x8769, 50)]
    inner = [short(order, 0xA002, 7), long(order, 0xA003, 9), (0x0100, 3, 1, b"same")]
    made = block(order, fields, behind=table(order, inner))
    rows, columns = struct.pack(order + "I", 70_000), struct.pack(order + "I", 300)
    fields[:2] = [(0x0100, 4, 1, columns), (0x0101, 4, 1, rows)]
    inner[:2] = [(0xA002, 4, 1, columns), (0xA003, 4, 1, rows)]
    assert exif.resized(made, (70_000, 300)) == block(order, fields, behind=table(order, inner))
    outer = block(order, [short(order, 0xA002, 7), (0x0100, 3, 2, bytes(4))])
    assert exif.resized(outer, (2, 3)) == outer


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("unit", "x", "y", "dpi"),
    [
        (2, (300, 2), (72, 1), (150, 72)),
        (3, (100, 1), (50, 1), (254, 127)),
        (1, (72, 1), (72, 1), None),
        (2, (72, 0), (72, 1), None),
        (2, (72, 1), (72, 0), None),
        (2, (0, 1), (72, 1), None),
        (2, (72, 1), (0, 1), None),
    ],
)
def test_resolution(
    order: str, unit: int, x: tuple[int, int], y: tuple[int, int], dpi: tuple[float, float] | None
) -> None:
    fields = [(tag, 5, 1, struct.pack(order + "I", at)) for tag, at in ((0x011A, 50), (0x011B, 58))]
    behind = pair(order, *x) + pair(order, *y)
    made = block(order, [*fields, short(order, 0x0128, unit)], behind=behind)
    assert exif.resolution(made) == (None if dpi is None else pytest.approx(dpi))
    assert exif.resolution(block(order, fields, behind=behind)) is None
    kept = exif.with_resolution(made, (96, 48))
    assert kept == made if dpi else exif.resolution(kept) == pytest.approx((96, 48))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("behind", [b"", b"x", b"xy"])
def test_fields_are_added_behind_a_block_that_stays_where_it_is(order: str, behind: bytes) -> None:
    made = block(order, [short(order, 0x0100, 7), short(order, 0x0128, 3)], 99, behind)
    added = exif.with_resolution(made, (72.5, 1e9))
    assert added[:4] + added[8 : len(made)] == made[:4] + made[8:]
    at = int.from_bytes(added[4:8], "little" if order == "<" else "big")
    assert at == len(made) + len(made) % 2
    fields = {entry.tag: entry for entry in exif.read(added).first}
    assert list(fields) == [0x0100, 0x011A, 0x011B, 0x0128]
    assert (fields[0x0100].number, fields[0x0128].number) == (7, 2)
    assert struct.unpack("<II", fields[0x011A].data) == (725_000, 10_000)
    assert struct.unpack("<II", fields[0x011B].data) == (2**32 - 1, 10_000)
    assert added[at + 2 + 4 * 12 :][:4] == bytes(4)


def test_a_resolution_of_its_own_is_what_pillow_reads() -> None:
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + exif.with_resolution(None, (300, 150)))
    assert dict(tags) == {0x011A: 300, 0x011B: 150, 0x0128: 2}


def test_directories_below_are_what_pillow_reads() -> None:
    made = exif.serialised(
        [TagEntry(0x010F, 2, 6, b"maker\0"), TagEntry(0x0112, 3, 1, b"\3\0")],
        [TagEntry(0x9003, 2, 5, b"2020\0"), TagEntry(0xA002, 4, 1, b"\x07\0\0\0")],
        [TagEntry(1, 2, 2, b"N\0"), TagEntry(2, 5, 3, struct.pack("<6I", 1, 1, 2, 1, 3, 1))],
        [TagEntry(1, 2, 4, b"R98\0")],
    )
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + made)
    assert (tags[0x010F], tags[0x0112]) == ("maker", 3)
    assert tags.get_ifd(0x8769)[0x9003] == "2020"
    assert tags.get_ifd(0x8769)[0xA002] == 7
    assert tags.get_ifd(0x8825) == {1: "N", 2: (1, 2, 3)}
    assert tags.get_ifd(0x8769)[0xA005] == {1: "R98"} or tags.get_ifd(0xA005) == {1: "R98"}
    read = exif.read(made)
    assert [len(each) for each in (read.first, read.exif, read.gps, read.interoperability)] == [2, 2, 2, 1]
    assert exif.read(exif.serialised([TagEntry(0x0112, 3, 1, b"\3\0")])).missing == 0


def test_what_is_wanted_and_what_is_missing() -> None:
    fields = [(1, 2, 9, struct.pack("<I", 80)), short("<", 2, 5), (3, 99, 1, b"?..."), short("<", 4, 6), (5, 2, 0, b"")]
    fields[4] = (5, 2, 0, bytes(4))
    made = block("<", fields, behind=b"beyond")
    found = directories.fields(io.BytesIO(made), Budget())
    assert ([entry.tag for entry in found.first], found.missing) == ([2, 4], 3)
    found = directories.fields(io.BytesIO(made), Budget(), wanted={1, 4})
    assert ([entry.tag for entry in found.first], found.missing) == ([4], 1)
    long_text = block("<", [(1, 2, 6, struct.pack("<I", 26)), (1, 2, 6, struct.pack("<I", 26))], behind=bytes(20))
    assert directories.fields(io.BytesIO(long_text), Budget(11)).missing == 1
