"""HEIF box by box, without pixels: items and where they lie, properties, and what is added to a finished AVIF."""

from __future__ import annotations

import io
import struct

import pytest
from picture_bytes import box

from fourpass.imaging import avif
from fourpass.imaging.budget import Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.isobmff import DamagedBoxError, boxes_of, items_of, locations_of, meta_of, primary_of
from fourpass.imaging.isobmff import Reader as BoxReader
from fourpass.imaging.metadata import PictureMetadata

FILE_TYPE = box(b"ftyp", b"avif\0\0\0\0mif1")
COLOUR = box(b"colr", b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0x80))
PROFILE = box(b"colr", b"prof" + b"an icc profile")
Place = tuple[int, int]


def item_entry(identity: int, kind: bytes, rest: bytes = b"", version: int = 2) -> bytes:
    number = struct.pack(">H" if version == 2 else ">I", identity)
    return box(b"infe", bytes([version, 0, 0, 1]) + number + b"\0\0" + kind + b"\0" + rest)


def items_box(*entries: bytes, version: int = 0) -> bytes:
    count = struct.pack(">H" if version == 0 else ">I", len(entries))
    return box(b"iinf", bytes([version, 0, 0, 0]) + count + b"".join(entries))


def places_box(
    places: list[tuple[int, int, list[Place]]], version: int = 0, widths: tuple[int, int, int, int] = (4, 4, 0, 0)
) -> bytes:
    """`iloc`: item, construction method and (offset, length) of each; offsets are told with a base where it has one."""
    offset, length, base, index = widths
    wide = 4 if version == 2 else 2
    data = bytes([version, 0, 0, 0, offset << 4 | length, base << 4 | index]) + len(places).to_bytes(wide, "big")
    for identity, method, extents in places:
        start = min(at for at, _ in extents) if base else 0
        data += identity.to_bytes(wide, "big") + (struct.pack(">H", method) if version else b"") + b"\0\0"
        data += start.to_bytes(base, "big") + struct.pack(">H", len(extents))
        for at, size in extents:
            data += bytes(index if version else 0) + (at - start).to_bytes(offset, "big") + size.to_bytes(length, "big")
    return box(b"iloc", data)


def properties_box(*properties: bytes, of: dict[int, list[int]], version: int = 0, long: bool = False) -> bytes:
    said = bytes([version, 0, 0, long]) + struct.pack(">I", len(of))
    for item, indices in of.items():
        said += struct.pack(">I" if version else ">H", item) + bytes([len(indices)])
        said += b"".join(struct.pack(">H", 0x8000 | each) if long else bytes([0x80 | each]) for each in indices)
    return box(b"iprp", box(b"ipco", b"".join(properties)) + box(b"ipma", said))


def meta_box(*boxes: bytes, primary: int = 1, version: int = 0) -> bytes:
    number = struct.pack(">I" if version else ">H", primary)
    return box(b"meta", bytes(4) + box(b"pitm", bytes([version, 0, 0, 0]) + number) + b"".join(boxes))


EXIF_ITEM = b"\0\0\0\x06Exif\0\0II*\0exif"
XMP_ITEM = b"<x:xmpmeta/>"


def picture(version: int = 0, widths: tuple[int, int, int, int] = (4, 4, 0, 0), **more: bytes) -> bytes:
    """An AVIF whose item 1 is the picture, 2 EXIF, 3 XMP, in that order behind the boxes."""
    names = items_box(item_entry(1, b"av01"), item_entry(2, b"Exif"), item_entry(3, b"mime", b"application/rdf+xml\0"))
    contents = [b"pixels", EXIF_ITEM, XMP_ITEM]

    def made(start: int) -> bytes:
        places, at = [], start
        for number, content in enumerate(contents):
            places.append((number + 1, 0, [(at, 2), (at + 2, len(content) - 2)]))
            at += len(content)
        return FILE_TYPE + meta_box(names, places_box(places, version, widths), *more.values())

    return made(len(made(0)) + 8) + box(b"mdat", b"".join(contents))


def scan(data: bytes, budget: int = 10_000) -> FoundParts:
    return avif.scan(io.BytesIO(data), Budget(budget))


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("widths", [(4, 4, 0, 0), (8, 4, 0, 0), (4, 8, 4, 0), (8, 8, 8, 4), (4, 4, 4, 8)])
def test_metadata_are_found_by_their_items(version: int, widths: tuple[int, int, int, int]) -> None:
    data = picture(version, widths)
    found = scan(data)
    assert (found.exif, found.xmp, found.unread, found.left_out) == (b"II*\0exif", XMP_ITEM, [], [])
    # To decoders, they are items of no kind, of a byte each; the picture stays as it is.
    found.view.seek(0)
    seen = found.view.read(10_000)
    assert len(seen) == len(data)
    start, meta = meta_of(io.BytesIO(seen))
    items = items_of(meta, start)
    assert [items[number].kind for number in (1, 2, 3)] == [b"av01", b"none", b"none"]
    assert [[size for _, size in items[number].extents] for number in (1, 2, 3)] == [[2, 4], [1, 1], [1, 1]]
    assert seen[start + len(meta) :] == data[start + len(meta) :]


def test_items_inside_the_boxes() -> None:
    names = items_box(item_entry(1, b"av01"), item_entry(2, b"Exif", version=3), version=1)
    places = places_box([(2, 1, [(3, len(EXIF_ITEM))])], 1)
    data = FILE_TYPE + meta_box(names, places, box(b"idat", b"..." + EXIF_ITEM))
    assert scan(data).exif == b"II*\0exif"


@pytest.mark.parametrize(
    ("names", "contents", "exif", "xmp", "unread"),
    [
        ([b"Exif", b"Exif"], [EXIF_ITEM, EXIF_ITEM], b"II*\0exif", None, ["further EXIF"]),
        ([b"mime", b"mime"], [b"<x/>", b"<y/>"], None, b"<x/>", ["further XMP"]),
        ([b"Exif"], [b"\0\0\0\0"], None, None, ["further EXIF"]),
        ([b"Exif"], [b"\0\0\0\0I"], b"I", None, []),
        ([b"uri "], [b"?"], None, None, ["item 'uri '"]),
        ([b"Exif"], [b""], None, None, ["damaged EXIF or XMP"]),
        ([b"uri "], [b""], None, None, ["damaged item"]),
    ],
)
def test_items_that_are_not_kept_are_named(
    names: list[bytes], contents: list[bytes], exif: bytes | None, xmp: bytes | None, unread: list[str]
) -> None:
    entries = [item_entry(number + 2, name, b"application/rdf+xml\0") for number, name in enumerate(names)]
    places, at = [], 0
    for number, content in enumerate(contents):
        places.append((number + 2, 1, [(at, len(content))]))
        at += len(content)
    inside = box(b"idat", b"".join(contents))
    found = scan(FILE_TYPE + meta_box(items_box(item_entry(1, b"av01"), *entries), places_box(places, 1), inside))
    assert (found.exif, found.xmp, found.unread) == (exif, xmp, unread)


def test_gain_maps_and_depth_are_named() -> None:
    gain, depth = "the gain map (HDR)", "the depth map"
    assert scan(FILE_TYPE + meta_box(items_box(item_entry(2, b"tmap")))).left_out == [gain]
    for mark, says in (
        (b"urn:com:apple:photo:2020:aux:hdrGainMap\0", gain),
        (b"urn:mpeg:hevc:2015:auxid:2\0", depth),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:aux:depth\0", depth),
    ):
        properties = properties_box(box(b"auxC", bytes(4) + mark), of={1: [1]})
        assert scan(FILE_TYPE + meta_box(items_box(item_entry(1, b"hvc1")), properties)).left_out == [says]


@pytest.mark.parametrize(("version", "long"), [(0, False), (0, True), (1, False), (1, True)])
def test_colour_is_the_primary_item_s(version: int, long: bool) -> None:
    names = items_box(item_entry(1, b"av01"), item_entry(2, b"av01"))
    for of, codes, icc in (
        ({1: [1]}, (9, 16), None),
        ({1: [2]}, None, b"an icc profile"),
        ({1: [1, 2]}, None, b"an icc profile"),
        ({2: [1], 1: [0, 3]}, None, None),
    ):
        made = properties_box(COLOUR, PROFILE, of=of, version=version, long=long)
        found = scan(FILE_TYPE + meta_box(names, made, version=version))
        assert (found.cicp, found.icc, found.unread) == (codes, icc, [])
    made = properties_box(box(b"colr", b"rICC" + b"x" * 50), of={1: [1]})
    assert scan(FILE_TYPE + meta_box(names, made)).icc == b"x" * 50
    assert scan(FILE_TYPE + meta_box(names, made), 53).icc is None


@pytest.mark.parametrize("references", [b"", box(b"iref", bytes(4) + box(b"cdsc", struct.pack(">HHH", 3, 1, 1)))])
@pytest.mark.parametrize("version", [0, 1])
def test_exif_and_colour_are_added(version: int, references: bytes) -> None:
    properties = properties_box(box(b"ispe", bytes(12)), box(b"pixi", b"abc"), of={1: [1, 2], 3: [1]})
    data = picture(version, properties=properties, **({"references": references} if references else {}))
    stream = io.BytesIO(data)
    avif.finish(stream, PictureMetadata(exif=b"II*\0new", cicp=(9, 18)))
    made = stream.getvalue()
    start, meta = meta_of(io.BytesIO(made))
    items = items_of(meta, start)
    contents = {number: b"".join(made[at : at + size] for at, size in item.extents) for number, item in items.items()}
    assert contents == {1: b"pixels", 2: EXIF_ITEM, 3: XMP_ITEM, 4: b"\0\0\0\0II*\0new"}
    assert (items[4].kind, primary_of(meta)) == (b"Exif", 1)
    assert made.endswith(box(b"mdat", b"\0\0\0\0II*\0new"))
    links = next(meta[at + 4 : at - 8 + size] for name, at, size in boxes_of(meta, 12) if name == b"iref")
    assert links == references[12:] + box(b"cdsc", struct.pack(">HHH", 4, 1, 1))
    stated = list(avif.properties_of(meta, 1))
    assert stated[:2] == [(b"ispe", bytes(12)), (b"pixi", b"abc")]
    assert stated[2:] == [(b"colr", b"nclx" + struct.pack(">HHHB", 9, 18, 6, 0x80))]
    assert list(avif.properties_of(meta, 3)) == [(b"ispe", bytes(12))]


def test_stated_colour_is_changed_where_it_is() -> None:
    data = picture(properties=properties_box(COLOUR, of={1: [1]}))
    stream = io.BytesIO(data)
    avif.finish(stream, PictureMetadata(cicp=(1, 18)))
    assert stream.getvalue() == data.replace(b"nclx\0\x09\0\x10", b"nclx\0\x01\0\x12")
    avif.finish(untouched := io.BytesIO(data), PictureMetadata(dpi=(72, 72)))
    assert untouched.getvalue() == data


def test_places_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item counts, and each place where it lies."""
    monkeypatch.setattr("fourpass.imaging.isobmff.MOST_FIELDS", 10)
    for counts, taken in (((9,), True), ((10,), False), ((4, 4), True), ((4, 5), False), ((1,) * 5, True)):
        made = places_box([(number, 0, [(5, 5)] * count) for number, count in enumerate(counts)])
        if taken:
            assert len(list(locations_of(BoxReader(made, 8)))) == len(counts)
        else:
            with pytest.raises(DamagedBoxError):
                list(locations_of(BoxReader(made, 8)))


def test_damaged_boxes() -> None:
    whole = picture()
    assert scan(whole[:100]).unread == ["metadata (damaged)"]
    assert scan(FILE_TYPE + box(b"meta", bytes(4))).unread == ["metadata (damaged)"]
    for data in (struct.pack(">I4s", 7, b"abcd"), struct.pack(">I4s", 9, b"abcd")):
        with pytest.raises(DamagedBoxError):
            list(boxes_of(data, 0))
    assert list(boxes_of(box(b"abcd", b"x") + b"1234567", 0)) == [(b"abcd", 8, 9)]
    large = struct.pack(">I4sQ", 1, b"skip", 16) + whole
    assert meta_of(io.BytesIO(large))[0] == meta_of(io.BytesIO(whole))[0] + 16
    for widths in ((2, 4, 0, 0), (4, 1, 0, 0), (4, 4, 2, 0)):
        with pytest.raises(DamagedBoxError):
            list(locations_of(BoxReader(places_box([(1, 0, [(5, 5)])], 1, widths), 8)))
