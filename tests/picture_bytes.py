"""Picture files as bytes, made by Pillow or by hand, so that what libvips reads and writes is checked by another."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def random_pixels(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> NDArray[Any]:
    """Smooth random colours: photos rather than noise, so that lossy formats come close."""
    rng = np.random.default_rng(seed)
    height, width, *rest = shape
    coarse = rng.integers(0, np.iinfo(dtype).max, (height // 8 + 2, width // 8 + 2, *rest)).astype(np.float64)
    rows, columns = np.linspace(0, coarse.shape[0] - 1.001, height), np.linspace(0, coarse.shape[1] - 1.001, width)
    r, c = rows.astype(int), columns.astype(int)
    fr = (rows - r).reshape(-1, 1, *[1] * len(rest))
    fc = (columns - c).reshape(1, -1, *[1] * len(rest))
    top = coarse[r][:, c] * (1 - fc) + coarse[r][:, c + 1] * fc
    bottom = coarse[r + 1][:, c] * (1 - fc) + coarse[r + 1][:, c + 1] * fc
    return (top * (1 - fr) + bottom * fr).astype(dtype)


def encode(image: Image.Image | NDArray[Any], format: str, **options: Any) -> bytes:
    """What Pillow writes."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def animation(frames: list[NDArray[Any]], format: str, **options: Any) -> bytes:
    """Several frames in one file."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
    return encode(first, format, save_all=True, append_images=rest, **options)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png16(pixels: NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of (H, W, 1..4), which Pillow does not write in colour."""
    height, width, bands = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims any size, with next to nothing behind it."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
        + png_chunk(b"IEND", b"")
    )


def with_iptc(jpeg: bytes, records: bytes) -> bytes:
    """Put IPTC records into a JPEG, as Photoshop does."""
    resources = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    resources += b"\0" * (len(records) % 2)
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(resources) + 2) + resources + jpeg[2:]


def gray_tiff(pages: list[NDArray[np.uint8]], order: str, big: bool) -> bytes:
    """A TIFF, classic or BigTIFF, of gray pages in either byte order, written by hand from the specification."""
    e = "<" if order == "little" else ">"
    pointer, entry, count = ("Q", "HHQ", "Q") if big else ("I", "HHI", "H")
    data = (b"II" if order == "little" else b"MM") + struct.pack(e + "H", 43 if big else 42)
    data += struct.pack(e + "HH", 8, 0) if big else b""
    link = len(data)
    data += bytes(struct.calcsize(e + pointer))
    for page in pages:
        height, width = page.shape
        pixels = len(data)
        data += page.tobytes() + b"\0" * (page.size % 2)
        start = len(data)
        data = data[:link] + struct.pack(e + pointer, start) + data[link + struct.calcsize(e + pointer) :]
        tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, pixels)]
        tags += [(277, 3, 1), (278, 4, height), (279, 4, page.size)]
        data += struct.pack(e + count, len(tags))
        for tag, kind, value in tags:
            field = struct.pack(e + ("H" if kind == 3 else "I"), value)
            data += struct.pack(e + entry, tag, kind, 1) + field.ljust(8 if big else 4, b"\0")
        link = len(data)
        data += bytes(struct.calcsize(e + pointer))
    return data


def gray_tiff_pages(count: int) -> bytes:
    """A TIFF of so many pages of one pixel, fast."""
    data = bytearray(b"II*\0" + struct.pack("<I", 10) + bytes(2))
    for page in range(count):
        tags = [(256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
        tags += [(277, 3, 1), (278, 4, 1), (279, 4, 1)]
        data += struct.pack("<H", len(tags))
        for tag, kind, value in tags:
            data += struct.pack("<HHII", tag, kind, 1, value)
        data += struct.pack("<I", len(data) + 4 if page + 1 < count else 0)
    return bytes(data)


def box(name: bytes, data: bytes) -> bytes:
    """A box of ISO media files."""
    return struct.pack(">I", 8 + len(data)) + name + data
