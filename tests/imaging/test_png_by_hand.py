"""PNG chunk by chunk, without pixels, and Photoshop's resources: what each one means, and what is written."""

from __future__ import annotations

import io
import struct
import zlib

import picture_bytes as make
import pytest

from fourpass.errors import ImageError
from fourpass.imaging import photoshop, png_chunks
from fourpass.imaging.budget import MOST_ASIDE, Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
REST = [(b"PLTE", b"abc"), (b"tRNS", b"a"), (b"IDAT", b"pixels"), (b"IDAT", b"more"), (b"IEND", b"")]
RESOURCE = b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\2\5\0\1z"


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return SIGNATURE + b"".join(make.png_chunk(*each) for each in (HEADER, *chunks, *REST))


def scan(*chunks: tuple[bytes, bytes], budget: int = 10_000) -> FoundParts:
    return png_chunks.scan(io.BytesIO(png(*chunks)), Budget(budget))


def raw(kind: str, block: bytes) -> tuple[bytes, bytes]:
    return b"tEXt", f"Raw profile type {kind}\0\n{kind}\n{len(block):8}\n{block.hex()}\n".encode()


def test_what_decoding_needs_is_left_and_nothing_else() -> None:
    found = scan(
        (b"tEXt", b"Title\0hello"), (b"eXIf", b"II*\0"), (b"sBIT", b"abc"), (b"gAMA", struct.pack(">I", 45_455))
    )
    found.view.seek(0)
    assert found.view.read(10_000) == png()
    behind = png_chunks.scan(io.BytesIO(png() + make.png_chunk(b"tEXt", b"Late\0text")), Budget())
    assert behind.texts == []


def test_texts_of_each_kind() -> None:
    found = scan(
        (b"tEXt", b"Title\0gr\xfcn"),
        (b"zTXt", b"Author\0\0" + zlib.compress(b"me")),
        (b"iTXt", b"Plain\0\0\0de\0Titel\0" + "grün".encode()),
        (b"iTXt", b"Packed\0\1\0de\0Titel\0" + zlib.compress(b"blau")),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<y/>"),
    )
    assert found.texts == [("Title", "grün"), ("Author", "me"), ("Plain", "grün"), ("Packed", "blau")]
    assert (found.xmp, found.unread) == (b"<x/>", [])


def test_a_packed_text_beyond_the_budget_is_left_out() -> None:
    packed = zlib.compress(b"a" * 5000)
    assert scan((b"zTXt", b"A\0\0" + packed), budget=5000 + 3 + len(packed)).texts == [("A", "a" * 5000)]
    assert scan((b"zTXt", b"A\0\0" + packed), budget=4999 + 3 + len(packed)).texts == []


@pytest.mark.parametrize(
    ("kind", "block", "found"),
    [
        ("exif", b"Exif\0\0II*\0", {"exif": b"II*\0"}),
        ("APP1", b"Exif\0\0II*\0", {"exif": b"II*\0"}),
        ("APP1", b"http://ns.adobe.com/xap/1.0/\0<x/>", {"xmp": b"<x/>"}),
        ("xmp", b"<x/>", {"xmp": b"<x/>"}),
        ("icc", b"profile", {"icc": b"profile"}),
        ("icm", b"profile", {"icc": b"profile"}),
        ("iptc", RESOURCE, {"iptc": b"\x1c\2\5\0\1z"}),
        ("8bim", RESOURCE, {"iptc": b"\x1c\2\5\0\1z"}),
        ("iptc", b"8BIM\x07\xd0\0\0\0\0\0\2ab", {"unread": ["Photoshop image resources"]}),
        ("strange", b"?", {"unread": ["raw profile 'strange'"]}),
        ("a" * 30, b"?", {"unread": [f"raw profile '{'a' * 20}'"]}),
    ],
)
def test_metadata_dressed_as_texts(kind: str, block: bytes, found: dict[str, object]) -> None:
    whole = scan(raw(kind, block), raw(kind, block + b"!"))
    nothing = {"exif": None, "xmp": None, "icc": None, "iptc": None, "unread": [], "texts": []}
    assert {name: getattr(whole, name) for name in nothing} == nothing | found
    chunks = {"exif": (b"eXIf", b"own"), "icc": (b"iCCP", b"x\0\0" + zlib.compress(b"own"))}
    for name, chunk in chunks.items():
        if name in found:  # the chunk of its own counts, wherever it is
            assert getattr(scan(raw(kind, block), chunk), name) == b"own"


@pytest.mark.parametrize(
    ("stated", "dpi", "unread"),
    [
        ((11_811, 5_906, 1), (299.9994, 150.0124), []),
        ((0, 5, 1), None, ["pixel aspect ratio"]),
        ((5, 0, 1), None, ["pixel aspect ratio"]),
        ((2, 1, 0), None, ["pixel aspect ratio"]),
        ((3, 3, 0), None, []),
        ((0, 0, 1), None, []),
    ],
)
def test_resolution(stated: tuple[int, int, int], dpi: tuple[float, float] | None, unread: list[str]) -> None:
    found = scan((b"pHYs", struct.pack(">IIB", *stated)))
    assert (found.dpi, found.unread) == (dpi, unread)


def test_colour_by_numbers() -> None:
    numbers = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    found = scan(
        (b"gAMA", struct.pack(">I", 45_455)), (b"cHRM", struct.pack(">8I", *numbers)), (b"cICP", b"\x09\x10\0\1")
    )
    assert found.gamma == pytest.approx(0.45455)
    assert found.chromaticities == tuple(each / 100_000 for each in numbers)
    assert (found.cicp, found.is_srgb) == ((9, 16), False)
    assert scan((b"sRGB", b"\0")).is_srgb
    assert scan((b"cICP", b"\x09\x10\0")).cicp is None


@pytest.mark.parametrize(
    "chunk",
    [(b"pHYs", b"short"), (b"gAMA", b"x"), (b"cHRM", bytes(31)), (b"iCCP", b"x\0\0junk"), (b"zTXt", b"A\0\0junk")],
    ids=lambda chunk: chunk[0].decode(),
)
def test_damaged_chunks_are_named(chunk: tuple[bytes, bytes]) -> None:
    found = scan(chunk, (b"eXIf", b"II*\0"))
    assert found.unread == [f"damaged {chunk[0].decode()}"]
    assert found.exif == b"II*\0"


def test_chunks_of_others_are_named_animations_and_floods_refused() -> None:
    assert scan((b"vpAg", b"x"), (b"a1b2", b"x")).unread == ["PNG chunk vpAg", "unnamed PNG chunks"]
    with pytest.raises(ImageError, match="animated PNG"):
        scan((b"acTL", bytes(8)))
    assert scan(*[(b"tIME", b"")] * MOST_ASIDE).unread == []
    with pytest.raises(ImageError, match="more than 20,000 chunks apart from its pixels"):
        scan(*[(b"tIME", b"")] * (MOST_ASIDE + 1))


WRITTEN = PictureMetadata(
    icc=b"profile",
    exif=b"II*\0",
    xmp=b"<x/>",
    iptc=b"\x1c\2\5\0\1z" * 20,
    comment=b"a caption",
    texts=(("Title", "grün"), ("Autor", "Łukasz")),
    dpi=(300, 150),
    cicp=(9, 16),
)


def test_what_is_written_is_read_again() -> None:
    start = png()[: png_chunks.HEAD]
    data = png_chunks.head(WRITTEN, start) + png()[png_chunks.HEAD :]
    found = png_chunks.scan(io.BytesIO(data), Budget())
    assert (found.icc, found.exif, found.xmp, found.iptc) == (WRITTEN.icc, WRITTEN.exif, WRITTEN.xmp, WRITTEN.iptc)
    assert found.texts == [*WRITTEN.texts, ("Comment", "a caption")]
    assert (found.dpi, found.cicp, found.unread) == (
        (pytest.approx(300, abs=0.02), pytest.approx(150, abs=0.02)),
        (9, 16),
        [],
    )
    found.view.seek(0)
    assert found.view.read(10_000) == png()
    assert b"pHYs" + struct.pack(">IIB", 11_811, 5_906, 1) in data
    assert b"cICP\x09\x10\0\1" in data
    names = [bytes(data[at + 4 : at + 8]) for at in chunk_starts(data)]
    assert names.index(b"cICP") < names.index(b"iCCP") < names.index(b"PLTE")


def chunk_starts(data: bytes) -> list[int]:
    at, found = 8, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        assert data[at : at + 12 + length] == make.png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        found.append(at)
        at += 12 + length
    return found


def test_a_resolution_that_libvips_made_up_is_replaced() -> None:
    made_up = make.png_chunk(b"pHYs", struct.pack(">IIB", 1000, 1000, 1))
    start = SIGNATURE + make.png_chunk(*HEADER) + made_up
    assert len(start) == png_chunks.HEAD
    assert png_chunks.head(PictureMetadata(), start) == start[:33]
    for dpi in ((1e9, 72.0), (72.0, 1e9), (0.01, 72.0), (72.0, 0.01)):
        assert b"pHYs" not in png_chunks.head(PictureMetadata(dpi=dpi), start)


def test_texts_as_they_are_written() -> None:
    start = png()[: png_chunks.HEAD]
    written = png_chunks.head(PictureMetadata(comment=b"gr\xfcn", texts=(("k" * 90, "v"),)), start)
    assert make.png_chunk(b"tEXt", b"Comment\0gr\xfcn") in written
    assert make.png_chunk(b"tEXt", b"k" * 79 + b"\0v") in written
    both = png_chunks.head(PictureMetadata(comment=b"new", texts=(("Comment", "own"),)), start)
    assert both.count(b"Comment") == 1
    other = png_chunks.head(PictureMetadata(texts=(("Ort", "Łódź"),)), start)
    assert make.png_chunk(b"iTXt", b"Ort\0\0\0\0\0" + "Łódź".encode()) in other
    records = b"\x1c" * 101
    digits = photoshop.wrapped(records).removeprefix(photoshop.PREFIX).hex()
    text = png_chunks.head(PictureMetadata(iptc=records), start).partition(b"Raw profile type iptc\0")[2]
    lines = text.split(b"\n")
    assert (lines[1], int(lines[2])) == (b"iptc", len(digits) // 2)
    assert lines[3] == digits[:72].encode()
    assert b"".join(lines[3:6]) + lines[6] == digits.encode()


def test_photoshop_resources_by_hand() -> None:
    records = b"\x1c\2\5\0\3abc"
    for block in (records, photoshop.wrapped(records), photoshop.wrapped(records)[len(photoshop.PREFIX) :]):
        assert photoshop.records(block) == records
    assert photoshop.wrapped(b"\x1cab") == b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\3\x1cab\0"
    assert photoshop.wrapped(b"\x1cab1") == b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\4\x1cab1"
    named = b"8BIM\x03\xed\3abc\0\0\0\x03" + b"123\0"  # names are padded to an even length with their own, values too
    even = b"MeSa\x04\x25\4abcd\0\0\0\0\2xy"
    for negligible in (named, even, b"8BIM\x04\x09\0\0\0\0\0\1a\0", b"8BIM\x04\x0c\0\0\0\0\0\0"):
        block = negligible + photoshop.wrapped(records)[len(photoshop.PREFIX) :]
        assert photoshop.records(block) == records
        assert not photoshop.has_others(block)
        assert photoshop.has_others(block + b"8BIM\x07\xd0\0\0\0\0\0\0")
        assert photoshop.records(negligible) is None
    assert not photoshop.has_others(b"XXXX\x07\xd0\0\0\0\0\0\0")
    assert photoshop.records(b"8BIM\x04\x04") is None
    assert photoshop.records(b"8BIM\x04\x04\0\0\0\0\0\0") is None
