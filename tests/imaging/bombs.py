"""Small files that ask for much: gigabytes of metadata, thousands of pages, hundreds of scans."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import picture_bytes as make
from PIL import Image

MIB = 2**20
_SMALL = np.full((8, 8, 3), 90, np.uint8)


def packed_texts() -> bytes:
    """A PNG with 150 texts of 16 MiB."""
    text = b"parameters\0\0" + zlib.compress(bytes([65]) * (16 * MIB - 1))
    return _png(make.png_chunk(b"zTXt", text) * 150)


def wide_texts() -> bytes:
    """A PNG with 150 texts of 15 MiB that Python stores in four bytes a character."""
    text = b"parameters\0\1\0\0\0" + zlib.compress("😀".encode() + bytes([65]) * (15 * MIB))
    return _png(make.png_chunk(b"iTXt", text) * 150)


def many_chunks() -> bytes:
    """A PNG with 300,000 chunks of different names."""
    letters = [bytes([97 + n % 26, 97 + n // 26 % 26, 65 + n // 676 % 26, 97 + n // 17_576]) for n in range(300_000)]
    return _png(b"".join(make.png_chunk(each, b"") for each in letters))


def shared_fields(count: int = 150) -> bytes:
    """An EXIF block whose fields all name the same 16 MiB as their value."""
    entries = [(40_000 + n, 7, 16 * MIB, 8 + 2 + 12 * count + 4) for n in range(count)]
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", count)
    block += b"".join(struct.pack("<HHII", *each) for each in entries) + bytes(4)
    return block + bytes([66]) * 16 * MIB


def shared_about_fields() -> bytes:
    """The same with tags that are kept, under the EXIF directory too."""
    tags = sorted((11, 269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432))
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    inner = start + 2 + 12 * 150 + 4
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags) + 1)
    block += b"".join(struct.pack("<HHII", tag, 2, 15 * MIB, inner) for tag in tags)
    block += struct.pack("<HHII", 0x8769, 4, 1, start) + bytes(4)
    block += struct.pack("<H", 150) + b"".join(struct.pack("<HHII", 40_000 + n, 7, 15 * MIB, inner) for n in range(150))
    return block + bytes(4) + bytes([66]) * 15 * MIB


def shared_tiff_fields() -> bytes:
    """A TIFF of 16.8 MB with 150 fields that share one value."""
    stream = io.BytesIO()
    pixels = make.gray_tiff([_SMALL[..., 0]], "little", False)
    at = int.from_bytes(pixels[4:8], "little")
    count = int.from_bytes(pixels[at : at + 2], "little")
    raws = pixels[at + 2 : at + 2 + 12 * count]
    value = len(pixels) + 2 + 12 * (count + 150) + 4
    stream.write(pixels[:4] + struct.pack("<I", len(pixels)) + pixels[8:])
    stream.write(struct.pack("<H", count + 150) + raws)
    for n in range(150):
        stream.write(struct.pack("<HHII", 700 if n == 0 else 40_000 + n, 1, 16 * MIB, value))
    stream.write(bytes(4) + bytes([60]) * 16 * MIB)
    return stream.getvalue()


def pages(count: int = 20_000) -> bytes:
    """A TIFF of so many pages."""
    return make.gray_tiff_pages(count)


def pages_that_differ() -> bytes:
    """A TIFF of 3,000 pages of two sizes."""
    return make.gray_tiff([np.zeros((2 + n % 2, 2), np.uint8) for n in range(3_000)], "little", False)


def overlapping_directories() -> bytes:
    """A TIFF of 3,900 pages with 4,096 fields each, in the same bytes."""
    count, step = 3_900, 12
    data = bytearray(b"II*\0\x08\0\0\0" + bytes(step * (count + 4_200)))
    for n in range(count):
        at = 8 + step * n
        data[at : at + 2] = struct.pack("<H", 4_096)
    for n in range(count):
        link = 8 + step * n + 2 + 12 * 4_096
        data[link : link + 4] = struct.pack("<I", 8 + step * (n + 1))
    return bytes(data)


def frames(format: str, count: int = 20_000) -> bytes:
    """An animation of so many frames."""
    alternating = [np.full((2, 2, 3), n % 2 * 255, np.uint8) for n in range(4)]
    short = make.animation(alternating, format, duration=20)
    if format == "GIF":
        start = short.index(b"\x21\xf9")
        return short[:start] + short[start:-1] * (count // 4) + b"\x3b"
    start = short.index(b"ANMF")
    body = short[start:] * (count // 4)
    return b"RIFF" + struct.pack("<I", start - 8 + len(body)) + short[8:start] + body


def shared_items() -> bytes:
    """An AVIF whose 200 items of EXIF are the same 8 MiB."""
    data = make.encode(_SMALL, "AVIF")
    meta = data.index(b"meta") - 4
    size = int.from_bytes(data[meta : meta + 4], "big")
    boxes = data[meta + 12 : meta + size]
    payload = bytes(6) + b"II*\0" + bytes([67]) * (8 * MIB)
    infe = b"".join(make.box(b"infe", b"\2\0\0\1" + struct.pack(">HH", 100 + n, 0) + b"Exif\0") for n in range(200))
    iref = b"".join(make.box(b"cdsc", struct.pack(">HHH", 100 + n, 1, 1)) for n in range(200))
    at, found = 0, b""
    grown = 200 * (8 + 4 + 4 + 5) + 12 + 200 * 14 + 200 * 14  # infe, iref, iloc
    while at < len(boxes):
        length = int.from_bytes(boxes[at : at + 4], "big")
        name, body = boxes[at + 4 : at + 8], boxes[at + 8 : at + length]
        at += length
        if name == b"iinf":
            body = body[:4] + struct.pack(">H", int.from_bytes(body[4:6], "big") + 200) + body[6:] + infe
        elif name == b"iloc":
            count = int.from_bytes(body[6:8], "big")
            assert body[:6] == b"\0\0\0\0\x44\0" or body[:6] == b"\0\0\0\0\x44\x40", body[:8].hex()
            old = bytearray(body[8:])
            base = 4 if body[5] == 0x40 else 0
            for n in range(count):  # one extent each
                place = n * (14 + base) + 6 + base
                moved = int.from_bytes(old[place : place + 4], "big") + grown + 200 * base
                old[place : place + 4] = struct.pack(">I", moved)
            end = len(data) + grown + 200 * base + 8
            new = b"".join(
                struct.pack(">HH", 100 + n, 0) + bytes(base) + struct.pack(">HII", 1, end, len(payload))
                for n in range(200)
            )
            body = body[:6] + struct.pack(">H", count + 200) + bytes(old) + new
        found += make.box(name, body)
    found += make.box(b"iref", bytes(4) + iref)
    head = data[:meta] + struct.pack(">I", 12 + len(found)) + data[meta + 4 : meta + 12]
    return head + found + data[meta + size :] + make.box(b"mdat", payload)


def many_scans() -> bytes:
    """A progressive JPEG of 60 megapixels with 500 scans."""
    data = make.encode(Image.new("L", (10_000, 6_000)), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xda", first + 2)
    return data[:second] + data[second : data.index(b"\xff\xda", second + 2)] * 500 + data[-2:]


def long_packet() -> bytes:
    """A WebP whose XMP is 15 MiB of elements that never end."""
    start = b'<x xmlns:C="http://ns.google.com/photos/1.0/container/">'
    return make.encode(_SMALL, "WEBP", xmp=start + b"<C:a C:b='" * (15 * MIB // 10))


def many_comments() -> bytes:
    """A JPEG with 500,000 comments."""
    data = make.encode(_SMALL, "JPEG")
    return data[:2] + b"\xff\xfe\0\x03a" * 500_000 + data[2:]


def _png(chunks: bytes) -> bytes:
    data = make.encode(_SMALL, "PNG")
    return data[:33] + chunks + data[33:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "texts.png": packed_texts,
    "wide_texts.png": wide_texts,
    "chunks.png": many_chunks,
    "exif.png": lambda: _png(make.png_chunk(b"eXIf", shared_fields())),
    "exif_about.png": lambda: _png(make.png_chunk(b"eXIf", shared_about_fields())),
    "exif.webp": lambda: make.encode(_SMALL, "WEBP", exif=shared_fields()),
    "exif_about.webp": lambda: make.encode(_SMALL, "WEBP", exif=shared_about_fields()),
    "xmp.webp": long_packet,
    "items.avif": shared_items,
    "fields.tif": shared_tiff_fields,
    "pages.tif": pages,
    "pages_that_differ.tif": pages_that_differ,
    "directories.tif": overlapping_directories,
    "frames.gif": lambda: frames("GIF"),
    "frames.webp": lambda: frames("WEBP"),
    "scans.jpg": many_scans,
    "comments.jpg": many_comments,
}


if __name__ == "__main__":  # python tests/imaging/bombs.py FOLDER
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in BOMBS.items():
        (folder / name).write_bytes(build())
        print(name, (folder / name).stat().st_size)
