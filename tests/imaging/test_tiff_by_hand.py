"""TIFF directory by directory, without pixels: which pages are pictures, what is raw, named, written."""

from __future__ import annotations

import io
import struct

import pytest

from fourpass.errors import ImageError
from fourpass.imaging import directories, exif, photoshop, tiff_tags
from fourpass.imaging.budget import MOST_FRAMES, Budget
from fourpass.imaging.directories import Layout, TagEntry
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata

LAYOUTS = [Layout(order, big) for order in "<>" for big in (False, True)]
LITTLE = LAYOUTS[0]
Fields = dict[int, int | bytes]


def entry(tag: int, value: int | bytes) -> TagEntry:
    if isinstance(value, bytes):
        return TagEntry(tag, 7, len(value), value)
    return TagEntry(tag, 4, 1, struct.pack("<I", value))


def header(layout: Layout, first: int) -> bytes:
    start = (b"II" if layout.order == "<" else b"MM") + layout.pack(43 if layout.big else 42, 2)
    return start + (layout.pack(8, 2) + bytes(2) if layout.big else b"") + layout.pack(first, layout.pointer)


def tiff(*pages: Fields, layout: Layout = LITTLE, below: Fields | None = None, first: int = 16) -> bytes:
    """A TIFF of directories; the first has a sub-directory of the EXIF fields `below`."""
    data = header(layout, first).ljust(first, b"\0")
    for number, page in enumerate(pages):
        inner = {0x8769: ([entry(*each) for each in below.items()], {})} if below and not number else {}
        fields = [entry(*each) for each in page.items()]
        length = len(directories.directory(layout, 0, fields, inner, [], bytes(layout.pointer)))
        following = len(data) + length if number + 1 < len(pages) else 0
        data += directories.directory(layout, len(data), fields, inner, [], layout.pack(following, layout.pointer))
    return data


def scan(data: bytes, budget: int = 10_000) -> FoundParts:
    return tiff_tags.scan(io.BytesIO(data), Budget(budget))


def size(rows: int, columns: int, **more: int) -> Fields:
    return {256: columns, 257: rows, **{int(tag.removeprefix("t")): value for tag, value in more.items()}}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize(
    ("pages", "frames", "left_out"),
    [
        ([size(8, 9), size(8, 9), size(8, 9)], 3, []),
        ([size(8, 9), size(4, 4, t254=1)], 1, []),
        ([size(8, 9), size(8, 9, t254=4)], 1, ["the transparency mask on a page of its own"]),
        ([size(8, 9, t254=2), size(8, 9, t254=2)], 2, []),
        ([size(8, 9, t254=1)], 1, []),
        ([size(8, 9, t254=1), size(8, 9, t254=1)], 1, []),
        ([size(80, 90), size(40, 45), size(20, 22)], 1, []),
        ([size(80, 90), size(41, 46)], 1, []),
        ([size(80, 90), size(39, 44)], 1, []),
        ([size(2, 2), size(2, 2)], 2, []),
    ],
)
def test_which_pages_are_pictures(layout: Layout, pages: list[Fields], frames: int, left_out: list[str]) -> None:
    found = scan(tiff(*pages, layout=layout))
    assert (found.frames, found.left_out) == (frames, left_out)


@pytest.mark.parametrize(
    "pages", [[size(80, 90), size(42, 45)], [size(80, 90), size(40, 90)], [size(8, 9), size(9, 8)]]
)
def test_pages_of_other_sizes_are_refused(pages: list[Fields]) -> None:
    with pytest.raises(ImageError, match="2 pages differ in size"):
        scan(tiff(*pages))


def plain_pages(count: int, fields: int) -> bytes:
    """Pages of so many private fields each, made fast."""
    raws = b"".join(struct.pack("<HHII", 60_000 + each, 4, 1, 1) for each in range(fields))
    length = 2 + len(raws) + 4
    links = (8 + length * (page + 1) if page + 1 < count else 0 for page in range(count))
    return header(LITTLE, 8) + b"".join(struct.pack("<H", fields) + raws + struct.pack("<I", link) for link in links)


def test_many_pages_and_circles() -> None:
    assert scan(plain_pages(MOST_FRAMES, 0)).frames == MOST_FRAMES
    with pytest.raises(ImageError, match="more than 4,000 pages"):
        scan(plain_pages(MOST_FRAMES + 1, 0))
    assert scan(plain_pages(200, 1000)).frames == 200
    with pytest.raises(ImageError, match="more than 200,000 fields"):
        scan(plain_pages(201, 1000))
    circle = bytearray(tiff(size(8, 9), size(8, 9)))
    circle[-4:] = struct.pack("<I", 16)
    assert scan(bytes(circle)).frames == 2
    lost = bytearray(tiff(size(8, 9), size(8, 9)))
    lost[-4:] = struct.pack("<I", 10**6)
    assert scan(bytes(lost)).frames == 2
    assert scan(header(LITTLE, 0)).frames == 1


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_camera_raw_is_refused(layout: Layout) -> None:
    for fields in ({262: 32803}, {262: 34892}, {50706: 0x01040000}):
        with pytest.raises(ImageError, match="camera raw"):
            scan(tiff(fields, layout=layout))
    assert scan(tiff({262: 2}, layout=layout)).frames == 1
    for photometric, raw in ((32803, True), (2, False)):
        for count in (1, 2):
            inner = tiff({262: photometric}, layout=layout)[16:]
            whole = tiff({330: b"", 262: 2}, layout=layout)
            offsets = [len(whole) + 100, len(whole) + 32][2 - count :]
            listed = b"".join(layout.pack(each, 8 if layout.big else 4) for each in offsets)
            kind = 18 if layout.big else 4
            value = listed if count == 1 else layout.pack(len(whole), layout.pointer)
            field = layout.pack(330, 2) + layout.pack(kind, 2) + layout.pack(count, layout.pointer) + value
            raws = [layout.pack(262, 2) + layout.pack(4, 2) + layout.pack(1, layout.pointer)]
            raws = [(raws[0] + layout.pack(2, 4)).ljust(layout.width, b"\0"), field]
            first = layout.pack(2, layout.counter) + b"".join(raws) + bytes(layout.pointer)
            data = (header(layout, 16).ljust(16, b"\0") + first).ljust(len(whole), b"\0")
            data = (data + (listed if count > 1 else b"")).ljust(len(whole) + 32, b"\0") + inner
            if raw:
                with pytest.raises(ImageError, match="camera raw"):
                    scan(data)
            else:
                assert scan(data).unread == ["further pictures in sub-directories"]


def test_canon_s_raw_by_its_mark() -> None:
    data = bytearray(tiff(size(8, 9)))
    assert scan(bytes(data)).frames == 1
    data[8:10] = b"CR"
    with pytest.raises(ImageError, match="camera raw"):
        scan(bytes(data))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_libvips_sees_pixels_and_nothing_else(layout: Layout) -> None:
    pixels = {254: 0, **size(8, 9), 258: 8, 262: 1, 266: 2, 273: 8}
    about = {270: b"words", 315: b"artist", 34675: b"profile", 700: b"<x/>", 65000: 1, 263: 1}
    found = scan(tiff({**pixels, **about}, {**size(8, 9), 270: b"words"}, {254: 1}, layout=layout))
    found.view.seek(0)
    seen = io.BytesIO(found.view.read(10**5))
    kept = []
    at = 16
    while at:
        raws, following = directories.raw_entries(seen, layout, at)
        kept.append([layout.tag(raw) for raw in raws])
        at = layout.number(following)
    assert kept == [sorted(pixels), [256, 257]]
    assert (found.icc, found.xmp) == (b"profile", b"<x/>")
    assert found.unread == ["TIFF tag 65000", "tags of the pages after the first"]


def test_tags_that_are_not_kept_are_named() -> None:
    names = {
        33550: "GeoTIFF", 34264: "GeoTIFF", 34735: "GeoTIFF", 34736: "GeoTIFF", 34737: "GeoTIFF", 33922: "GeoTIFF",
        42112: "GDAL metadata", 42113: "GDAL metadata", 37724: "Photoshop layers",
        50838: "ImageJ metadata", 50839: "ImageJ metadata",
    }  # fmt: skip
    for tag, name in names.items():
        assert scan(tiff({tag: 1})).unread == [name]
    for count, words in (
        (1, "TIFF tag 60000"),
        (3, "TIFF tags 60000, 60001, 60002"),
        (5, "TIFF tags 60000, 60001, 60002 and 2 more"),
    ):
        assert scan(tiff(dict.fromkeys(range(60_000, 60_000 + count), 1))).unread == [words]
    # What says how pixels are stored or printed means nothing for others.
    stored = dict.fromkeys(
        (263, 264, 265, 280, 281, 288, 289, 290, 291, 297, 301, 318, 319, 321, 326, 327, 328, 333), 1
    )
    found = scan(tiff(stored, {**size(0, 0), **stored, 34675: b"icc"}))
    assert (found.unread, found.exif) == ([], None)
    assert scan(tiff({270: b"beyond the budget"}), 5).unread == ["damaged TIFF fields"]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_what_it_tells_about_the_picture_becomes_exif(layout: Layout) -> None:
    about = dict.fromkeys(
        (11, 269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(0x9C9B, 0x9CA0))
    )
    first: Fields = {tag: f"of tag {tag}".encode() for tag in about} | {274: 6}
    found = scan(tiff(first, layout=layout, below={0x9003: b"2020:01:01", 0x927C: b"\1\0 absolute"}))
    assert found.exif is not None
    read = exif.read(found.exif)
    assert {each.tag: each.data for each in read.first} == {tag: first[tag] for tag in about}
    assert [(each.tag, each.data) for each in read.exif] == [(0x9003, b"2020:01:01")]
    assert (found.turn, found.unread) == (6, ["maker note"])
    assert scan(tiff(size(8, 9), layout=layout)).exif is None


def test_resolution_and_records() -> None:
    records = b"\x1c\2\5\0\3abc\x1c\2\5\0\0"[:12]
    resources = photoshop.wrapped(records).removeprefix(photoshop.PREFIX)
    for fields in ({33723: records}, {33723: directories.swapped(records, 4)}, {34377: resources}):
        found = scan(tiff(fields))
        assert (found.iptc, found.unread) == (records, [])
    assert scan(tiff({33723: records[:11]})).iptc == records[:11]
    assert scan(tiff({33723: b"neither!"})).iptc == b"neither!"
    both = scan(tiff({33723: b"\x1cown", 34377: resources + b"8BIM\x07\xd0\0\0\0\0\0\0"}))
    assert (both.iptc, both.unread) == (b"\x1cown", ["Photoshop image resources"])


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("odd", [b"", b"x"])
def test_metadata_are_put_into_a_finished_tiff(layout: Layout, odd: bytes) -> None:
    resolution = {
        each.tag: struct.unpack("<I", each.data[:4].ljust(4, b"\0"))[0] for each in exif.resolution_fields((9, 9))
    }
    block = exif.serialised(
        [TagEntry(271, 2, 6, b"Maker\0"), TagEntry(256, 4, 1, bytes(4)), TagEntry(50706, 1, 4, bytes(4))],
        [TagEntry(0x9003, 2, 5, b"2020\0"), TagEntry(0x927C, 7, 9, b"\1\0 not so")],
        [TagEntry(1, 2, 2, b"N\0")],
        [TagEntry(1, 2, 4, b"R98\0")],
    )
    data = tiff({**size(8, 9), 270: b"old words"} | resolution, {**size(8, 9)} | resolution, layout=layout) + odd
    stream = io.BytesIO(data)
    metadata = PictureMetadata(exif=block, iptc=b"\x1ciptc", xmp=b"<x/>", dpi=(300, 150))
    tiff_tags.finish(stream, metadata)
    made = stream.getvalue()
    _, at = directories.header(made[:16])
    assert (at % 2, at - len(data)) == (0, len(data) % 2)
    read = directories.fields(io.BytesIO(made), Budget())
    found = {each.tag: each.data for each in read.first}
    assert (found[271], found[700], found[33723], found[270]) == (b"Maker\0", b"<x/>", b"\x1ciptc", b"old words")
    assert struct.unpack("<I", found[256]) == (9,)
    assert 50706 not in found
    assert [(each.tag, each.data) for each in read.exif] == [(0x9003, b"2020\0")]
    assert [each.data for each in read.gps + read.interoperability] == [b"N\0", b"R98\0"]
    assert scan(made).dpi == (300, 150)
    raws, following = directories.raw_entries(io.BytesIO(made), layout, at)
    second, last = directories.raw_entries(io.BytesIO(made), layout, layout.number(following))
    assert [layout.tag(raw) for raw in second] == [256, 257]
    assert (layout.number(last), len(raws)) == (0, len({*found, 0x8769, 0x8825}))
    bare = io.BytesIO(data)
    tiff_tags.finish(bare, PictureMetadata())
    assert scan(bare.getvalue()).dpi is None
