"""GIF and WebP block by block, without pixels: what each one means, and where each ends."""

from __future__ import annotations

import io
import struct

import pytest

from fourpass.imaging import gif_blocks, webp_chunks
from fourpass.imaging.budget import MOST_FRAMES, Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata

XMP_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def blocks(*pieces: bytes) -> bytes:
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def gif(*parts: bytes, colours: int | None = None) -> bytes:
    flags, table = (0, b"") if colours is None else (0x80 | colours, b"\x2c" * (3 * 2 ** (colours + 1)))
    return b"GIF89a" + struct.pack("<HHBBB", 2, 2, flags, 0, 0) + table + b"".join(parts) + b"\x3b"


def image(colours: int | None = None) -> bytes:
    flags, table = (0, b"") if colours is None else (0x80 | colours, b"\x21" * (3 * 2 ** (colours + 1)))
    return b"\x2c" + struct.pack("<HHHHB", 0, 0, 2, 2, flags) + table + b"\x02" + blocks(b"\x21\xfe\x03", b"ab")


def comment(*pieces: bytes) -> bytes:
    return b"\x21\xfe" + blocks(*pieces)


def of_gif(data: bytes, budget: int = 10_000) -> FoundParts:
    return gif_blocks.scan(io.BytesIO(data), Budget(budget))


@pytest.mark.parametrize("colours", [None, 0, 1, 7])
@pytest.mark.parametrize("local", [None, 0, 2, 7])
def test_colour_tables_are_passed_over_by_their_size(colours: int | None, local: int | None) -> None:
    found = of_gif(gif(image(local), comment(b"hello ", b"there"), image(), comment(b"again"), colours=colours))
    assert (found.frames, found.comment, found.unread) == (2, b"hello there\nagain", [])


def test_a_gif_of_nothing_shows_one_frame() -> None:
    for data in (gif(), b"GIF89a", gif(comment(b"x"))):
        assert of_gif(data).frames == 1
    assert of_gif(gif(image(), image(), image())).frames == 3
    assert of_gif(gif(*[image()] * (MOST_FRAMES + 9))).frames == MOST_FRAMES + 1
    assert of_gif(gif(image())).comment is None


def application(name: bytes, *pieces: bytes) -> bytes:
    return b"\x21\xff" + bytes([len(name)]) + name + blocks(*pieces)


@pytest.mark.parametrize(
    ("block", "unread"),
    [
        (application(b"NETSCAPE2.0", b"\1\0\0"), []),
        (application(b"ANIMEXTS1.0", b"\1\0\0"), []),
        (application(b"ICCRGBG1012", b"profile"), ["ICC profile in a GIF block"]),
        (application(b"MGK8BIM0000", b"records"), ["GIF application block"]),
        (b"\x21\xf9" + blocks(b"\0\0\0\0"), []),
        (b"\x21\x01" + blocks(bytes(12), b"text"), ["GIF text block"]),
        (b"\x21\x77" + blocks(b"nobody knows"), []),
    ],
)
def test_extensions(block: bytes, unread: list[str]) -> None:
    found = of_gif(gif(image(), block, comment(b"after"), image()))
    assert (found.unread, found.comment, found.frames) == (unread, b"after", 2)


def test_xmp_is_kept_with_what_look_like_lengths() -> None:
    packet = b"<x:xmpmeta>" + bytes(range(32, 127)) * 3 + b"</x:xmpmeta>"
    found = of_gif(gif(b"\x21\xff\x0bXMP DataXMP" + packet + XMP_TRAILER, comment(b"after"), image()))
    assert (found.xmp, found.comment, found.frames, found.unread) == (packet, b"after", 1, [])
    assert of_gif(gif(application(b"XMP DataXMP", b"short"), image())).xmp is None


def test_a_comment_beyond_the_budget_is_left_out_whole() -> None:
    data = gif(comment(b"x" * 100, b"y" * 100), comment(b"z" * 9), image())
    assert of_gif(data, 212).comment == b"x" * 100 + b"y" * 100 + b"\n" + b"z" * 9
    assert of_gif(data, 211).comment == b"x" * 100 + b"y" * 100 + b"\n"
    budget = Budget(1000)
    gif_blocks.scan(io.BytesIO(data), budget)
    assert budget.left == 1000 - 101 - 101 - 10


def test_blocks_that_cross_what_is_read_at_once() -> None:
    """The file is read in pieces of 64 KiB."""
    for before in (*range(255, 262), 300):
        filler = b"\x21\x77" + blocks(*[bytes(255)] * (before - 4), b"1234567")
        found = of_gif(gif(image(), filler, comment(*[b"c" * 255] * 300), image(), comment(b"end")), 10**6)
        assert found.comment == b"c" * 255 * 300 + b"\nend"
        assert found.frames == 2


def webp(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body) if size is None else size) + b"WEBP" + body


def of_webp(data: bytes, budget: int = 10_000) -> FoundParts:
    return webp_chunks.scan(io.BytesIO(data), Budget(budget))


def seen(found: FoundParts) -> bytes:
    found.view.seek(0)
    return found.view.read(10**6)


EXTENDED = bytes([0x3E, 0, 0, 0, 9, 0, 0, 7, 0, 0])


def test_metadata_come_out_and_the_flags_say_so() -> None:
    pixels = [(b"ALPH", b"abc"), (b"VP8 ", b"pixels")]
    metadata = [(b"ICCP", b"icc"), (b"EXIF", b"Exif\0\0II*\0"), (b"XMP ", b"<x/>")]
    found = of_webp(webp((b"VP8X", EXTENDED), metadata[0], *pixels, *metadata[1:], (b"ODD ", b"?")))
    assert (found.icc, found.exif, found.xmp) == (b"icc", b"II*\0", b"<x/>")
    assert (found.frames, found.unread) == (1, ["WebP chunk 'ODD '"])
    assert seen(found) == webp((b"VP8X", bytes([0x12]) + EXTENDED[1:]), *pixels)


def test_frames_are_counted_and_the_first_metadata_count() -> None:
    found = of_webp(webp((b"ANIM", b"123456"), *[(b"ANMF", b"12345")] * 3, (b"XMP ", b"one"), (b"XMP ", b"two")))
    assert (found.frames, found.xmp) == (3, b"one")
    for name, attribute in ((b"ICCP", "icc"), (b"EXIF", "exif")):
        assert getattr(of_webp(webp((name, b"one"), (name, b"two"))), attribute) == b"one"


def test_what_lies_beyond_the_stated_size_is_no_chunk() -> None:
    two = [(b"VP8L", b"pixels"), (b"XMP ", b"<x/>")]
    start = len(webp(two[0])) - 8
    for size, found in ((start, None), (start + 7, None), (start + 8, b"<x/>"), (start + 12, b"<x/>")):
        assert of_webp(webp(*two, size=size)).xmp == found
    assert of_webp(webp(*two) + b"XMP").xmp == b"<x/>"


def test_webp_metadata_beyond_the_budget() -> None:
    found = of_webp(webp((b"XMP ", b"x" * 50), (b"EXIF", b"e" * 20), (b"VP8 ", b"p")), 40)
    assert (found.xmp, found.exif) == (None, b"e" * 20)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_metadata_are_added_to_a_finished_webp(extended: bool, alpha: bool) -> None:
    flags = 0x02 | 0x10 * alpha  # animated
    own = [(b"VP8X", bytes([flags, 0, 0, 0, 9, 0, 0, 7, 0, 0]))] if extended else []
    for icc, exif, xmp in ((b"icc", None, None), (None, b"exif!", None), (None, None, b"x"), (b"i", b"e", b"x")):
        stream = io.BytesIO(webp(*own, (b"VP8L", b"pixels!")))
        webp_chunks.finish(stream, PictureMetadata(icc=icc, exif=exif, xmp=xmp), (70_000, 300), alpha=alpha)
        stated = 0x20 * bool(icc) | 0x08 * bool(exif) | 0x04 * bool(xmp)
        stated |= flags if extended else 0x10 * alpha
        head = bytes([stated, 0, 0, 0]) + (299).to_bytes(3, "little") + (69_999).to_bytes(3, "little")
        parts = [(b"VP8X", head), (b"ICCP", icc), (b"VP8L", b"pixels!"), (b"EXIF", exif), (b"XMP ", xmp)]
        assert stream.getvalue() == webp(*((name, data) for name, data in parts if data))


def test_without_metadata_a_webp_stays_as_it_is() -> None:
    data = webp((b"VP8L", b"pixels"))
    stream = io.BytesIO(data)
    webp_chunks.finish(stream, PictureMetadata(dpi=(72, 72)), (2, 2), alpha=True)
    assert stream.getvalue() == data


def test_a_comment_beyond_the_budget_leaves_what_follows_in_step() -> None:
    long = comment(*[bytes(200)] * 3)  # zeros, which end a block where a length is expected
    found = of_gif(gif(image(), long, comment(b"short"), image()), budget=300)
    assert found.frames == 2
    assert b"short" in (found.comment or b"")
