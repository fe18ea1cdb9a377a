"""JPEG segment by segment, without pixels: what each one means, where each ends, and what comes behind the last."""

from __future__ import annotations

import io
import struct

import pytest

from fourpass.errors import ImageError
from fourpass.imaging import jpeg_segments
from fourpass.imaging.budget import Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata

ICC, XMP = b"ICC_PROFILE\0", b"http://ns.adobe.com/xap/1.0/\0"
FRAME = (0xC0, b"\x08\0\x10\0\x10\x03" + b"\x01\x11\0\x02\x11\0\x03\x11\0")
SCAN = b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0"


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(*segments: tuple[int, bytes], behind: bytes = SCAN + b"\x12\x34\xff\0\xff\xd3\x56\xff\xd9") -> bytes:
    return b"\xff\xd8" + b"".join(segment(*each) for each in (*segments, FRAME)) + behind


def scan(data: bytes, budget: int = 10_000) -> FoundParts:
    return jpeg_segments.scan(io.BytesIO(data), Budget(budget))


def view(found: FoundParts) -> bytes:
    found.view.seek(0)
    return found.view.read(10**6)


def jfif(unit: int, x: int, y: int) -> tuple[int, bytes]:
    return 0xE0, b"JFIF\0\1\2" + struct.pack(">BHHBB", unit, x, y, 0, 0)


def test_what_decoding_needs_is_left_and_nothing_else() -> None:
    tables, adobe = (0xDB, bytes(65)), (0xEE, b"Adobe\0\x64\0\0\0\0\1")
    aside = [(0xE1, b"Exif\0\0II*\0"), (0xE0, b"JFXX\0\x10thumb"), (0xFE, b"hello"), (0xE5, b"x"), (0xEF, b"y")]
    data = jpeg(jfif(0, 1, 1), tables, *aside, adobe)
    found = scan(data)
    assert view(found) == jpeg(jfif(0, 1, 1), tables, adobe)
    assert (found.exif, found.comment) == (b"II*\0", b"hello")
    assert found.unread == ["APP5 segment", "APP15 segment"]
    assert (found.left_out, found.mended, found.dpi) == ([], False, None)


@pytest.mark.parametrize(
    ("density", "dpi", "unread"),
    [
        ((1, 300, 150), (300, 150), []),
        ((2, 100, 50), (254, 127), []),
        ((0, 1, 1), None, []),
        ((0, 2, 1), None, ["pixel aspect ratio"]),
        ((0, 0, 2), None, []),
        ((0, 2, 0), None, []),
        ((1, 0, 72), None, []),
        ((1, 72, 0), None, []),
        ((3, 72, 72), None, []),
    ],
)
def test_density(density: tuple[int, int, int], dpi: tuple[float, float] | None, unread: list[str]) -> None:
    found = scan(jpeg(jfif(*density)))
    assert found.dpi == (None if dpi is None else pytest.approx(dpi))
    assert found.unread == unread
    assert scan(jpeg((0xE0, b"JFIF\0\1\1\1\0"))).dpi is None  # cut short


def test_a_profile_in_pieces_is_put_in_order() -> None:
    pieces = [(0xE2, ICC + bytes([number, 3]) + text) for number, text in ((3, b"c"), (1, b"a"), (2, b"b"))]
    assert scan(jpeg(*pieces)).icc == b"abc"
    assert scan(jpeg((0xE2, ICC + b"\1\1"))).icc is None  # a piece of nothing
    for count in (1, 2, 3):
        profile = bytes(range(256)) * 256 * count
        made = b"\xff\xd8" + jpeg_segments.head(PictureMetadata(icc=profile))
        assert scan(made + jpeg()[2:], 10**6).icc == profile
        sizes = [int.from_bytes(made[at + 2 : at + 4], "big") for at in _starts(made)]
        assert max(sizes) == 65_535


def _starts(data: bytes) -> list[int]:
    at, found = 2, []
    while at < len(data):
        found.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found


def test_what_is_written_is_read_again() -> None:
    written = PictureMetadata(dpi=(300, 150), exif=b"II*\0abcd", xmp=b"<x/>", iptc=b"\x1c\2\5\0\1z", comment=b"hm")
    head = jpeg_segments.head(written)
    assert head.startswith(b"\xff\xe0\0\x10JFIF\0\1\1\1\x01\x2c\0\x96\0\0")
    found = scan(b"\xff\xd8" + head + jpeg()[2:])
    assert (found.dpi, found.exif, found.xmp) == (written.dpi, written.exif, written.xmp)
    assert (found.iptc, found.comment, found.unread) == (written.iptc, written.comment, [])
    for dpi in (None, (0.4, 72.0), (72.0, 0.4), (70_000.0, 72.0), (72.0, 65_536.0)):
        assert jpeg_segments.head(PictureMetadata(dpi=dpi)) == b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    most = jpeg_segments.head(PictureMetadata(dpi=(65_535.0, 1.0)))
    assert most.endswith(b"\1\xff\xff\0\1\0\0")


def test_the_first_of_a_kind_counts() -> None:
    found = scan(jpeg((0xE1, b"Exif\0\0one"), (0xE1, b"Exif\0\0two"), (0xE1, XMP + b"three"), (0xE1, XMP + b"four")))
    assert (found.exif, found.xmp) == (b"one", b"three")
    assert found.unread == ["further EXIF", "APP1 segment"]
    assert scan(jpeg((0xFE, b"a"), (0xFE, b"b"))).comment == b"a\nb"


def test_jumbf_is_a_marker_and_a_mark() -> None:
    for marker, data, says in (
        (0xEB, b"JP\0\1jumb", "content credentials or other JUMBF"),
        (0xEB, b"other", "APP11 segment"),
        (0xE5, b"JP\0\1jumb", "APP5 segment"),
    ):
        assert scan(jpeg((marker, data))).unread == [says]


def test_what_does_not_fit_the_budget_is_passed_over() -> None:
    found = scan(jpeg((0xFE, b"x" * 100), (0xFE, b"y" * 10), (0xE1, b"Exif\0\0")), budget=20)
    assert (found.comment, found.exif) == (b"y" * 10, b"")
    budget = Budget(110)
    jpeg_segments.scan(io.BytesIO(jpeg((0xFE, b"x" * 100), (0xFE, b"y" * 10))), budget)
    assert (budget.left, budget.exceeded) == (0, False)


def test_fill_bytes_before_a_marker() -> None:
    data = jpeg((0xFE, b"first"), (0xFE, b"second"))
    at = data.index(b"\xff\xfe", 5)
    found = scan(data[:at] + b"\xff\xff\xff" + data[at:])
    assert found.comment == b"first\nsecond"


def test_a_segment_cut_short_ends_the_search() -> None:
    whole = b"\xff\xd8" + segment(0xFE, b"hello")
    assert scan(whole).comment == b"hello"
    assert scan(whole[:-1]).comment is None
    assert (
        scan(whole + b"\xff\xfe\0\1" + segment(0xFE, b"more")).comment == b"hello"
    )  # a length below its own two bytes
    assert scan(whole + b"\xff\xfe\0\2" + segment(0xFE, b"more")).comment == b"hello\n\nmore"


@pytest.mark.parametrize(
    ("behind", "left_out"),
    [
        (b"", []),
        (b"\0\0\xff\0", []),
        (b"12345", ["5 bytes behind the picture"]),
        (b"x" * 1234, ["1,234 bytes behind the picture"]),
        (b"\0\0\0\x18ftypmp42", ["the video of the motion photo"]),
        (b"junk....ftypmp4", ["the video of the motion photo"]),
        (b"SEF MotionPhoto_Data", ["the video of the motion photo"]),
        (b"\0\xff\xd8\xff\xe0", ["the further pictures in the file (MPO)"]),
        (b"\xff\xd8\xff.HDRGainMap", ["the gain map (HDR)"]),
        (b"\xff\xd8\xff.hdr-gain-map", ["the gain map (HDR)"]),
        (b"\xff\xd8\xff.urn:iso:std:iso:ts:21496:-1", ["the gain map (HDR)"]),
    ],
)
def test_what_lies_behind_the_picture(behind: bytes, left_out: list[str]) -> None:
    data = jpeg()
    found = scan(data + behind)
    assert found.left_out == left_out
    assert view(found) == data


def test_a_directory_of_pictures_says_what_comes_behind() -> None:
    for mark, xmp, says in (
        (b"MPF\0", b"", "the further pictures in the file (MPO)"),
        (b"urn:iso:std:iso:ts:21496:-1\0", b"", "the further pictures in the file (MPO)"),
        (b"MPF\0", b"hdr-Gain-Map", "the gain map (HDR)"),
    ):
        found = scan(jpeg((0xE2, mark), (0xE1, XMP + xmp)) + b"abc")
        assert found.left_out == [says]
        assert found.unread == []


def scan_of(components: list[int], first: int, last: int, bits: int) -> bytes:
    body = bytes([len(components)]) + b"".join(bytes([each, 0]) for each in components) + bytes([first, last, bits])
    return segment(0xDA, body) + b"\x11\x22"


@pytest.mark.parametrize(
    ("scans", "complete"),
    [
        ([([1, 2, 3], 0, 63, 0)], True),
        ([([1, 2], 0, 63, 0)], False),
        ([([1, 2, 3], 0, 62, 0)], False),
        ([([1, 2, 3], 1, 63, 0)], False),
        ([([1, 2, 3], 0, 63, 1)], False),
        ([([1, 2, 3], 0, 63, 0x10)], True),
        ([([1, 2, 3], 0, 0, 0), ([1], 1, 63, 0), ([2], 1, 63, 0), ([3], 1, 63, 0)], True),
        ([([1, 2, 3], 0, 0, 1), ([1, 2, 3], 1, 63, 0), ([1, 2, 3], 0, 0, 0x10)], True),
        ([], False),
    ],
)
def test_a_file_without_an_end_is_mended_where_every_coefficient_came(
    scans: list[tuple[list[int], int, int, int]], complete: bool
) -> None:
    data = jpeg(behind=b"".join(scan_of(*each) for each in scans))
    found = scan(data)
    assert found.mended == complete
    assert view(found) == data + b"\xff\xd9" * complete
    assert found.left_out == ["end marker (the input lacks it, and nothing else)"] * complete


def test_a_scan_header_cut_short_is_not_whole() -> None:
    assert not scan(jpeg(behind=b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f")).mended
    assert scan(jpeg(behind=SCAN)).mended


@pytest.mark.parametrize("gap", [0, 1, 4089, 4090, 4091, 4092, 4093, 4094, 4095, 4096, 4097, 12_287, 12_288, 50_000])
def test_the_end_is_found_wherever_a_piece_of_reading_ends(gap: int) -> None:
    data = jpeg(behind=SCAN + b"\x55" * gap + b"\xff\xd9")
    assert view(scan(data + b"\xff\xd8\xff more")) == data


def test_scans_and_segments_have_a_limit() -> None:
    each = scan_of([1], 0, 0, 0)
    assert scan(jpeg(behind=100 * each + b"\xff\xd9")).left_out == []
    with pytest.raises(ImageError, match="more than 100 scans"):
        scan(jpeg(behind=101 * each + b"\xff\xd9"))
    with pytest.raises(ImageError, match="more than 20,000 segments"):
        scan(b"\xff\xd8" + 20_001 * segment(0xDB, b""))
