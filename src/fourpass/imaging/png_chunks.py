"""The chunks of PNG files: what is read around the pixels, and what is written before them.

Sources: Portable Network Graphics (PNG) Specification, third edition, chapter 11; ExifTool's PNG tags for the "Raw
profile type" texts that ImageMagick began.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from fourpass.errors import ImageError
from fourpass.imaging import photoshop
from fourpass.imaging.budget import MOST_ASIDE, MOST_PARTS, Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.splice import Part, Spliced

_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_PIXELS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_READ: Final = (*_TEXTS, b"iCCP", b"eXIf", b"pHYs", b"gAMA", b"cHRM", b"cICP", b"sRGB")
# How to show the picture on few colours or over a background, and when the file was last changed: not its content.
_NEGLIGIBLE: Final = (b"bKGD", b"hIST", b"sPLT", b"sBIT", b"tIME", b"pCAL", b"sTER", b"oFFs")
_XMP_KEYWORD: Final = "XML:com.adobe.xmp"
_RAW: Final = "Raw profile type "
COMMENT: Final = "Comment"
HEAD: Final = 54  # bytes of libvips's files that `head` replaces: signature, IHDR, and a pHYs that it makes up


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk as it is stored in a file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def scan(stream: BinaryIO, budget: Budget) -> FoundParts:
    """Find what an open PNG file holds.

    Raises:
        ImageError: it is animated, or has more chunks than any picture needs; the message does not name the file.
    """
    parts: list[Part] = [(0, 8)]
    found = FoundParts(Spliced(stream, []))
    raw: dict[str, bytes] = {}
    aside = 0
    for name, at, length in _chunks(stream):
        aside += name not in _PIXELS
        if aside > MOST_ASIDE:
            raise ImageError(
                f"has more than {MOST_ASIDE:,} chunks apart from its pixels", hint="open it and save it again"
            )
        if name in _PIXELS:
            parts.append((at - 8, 12 + length))
        elif name in _READ:
            data = budget.read(stream, at, length)
            if data is None:
                continue
            try:
                _read(name, data, found, raw, budget)
            except (ValueError, KeyError, struct.error, zlib.error):
                found.note(f"damaged {name.decode()}")
        elif name == b"acTL":  # libvips reads the first frame only
            raise ImageError(
                "is an animated PNG, and only still PNGs are read", hint="convert it to animated WebP or GIF first"
            )
        elif name not in _NEGLIGIBLE:
            found.note(f"PNG chunk {name.decode('ascii')}" if name.isalpha() else "unnamed PNG chunks")
    found.exif = found.exif or raw.get("exif")
    found.xmp = found.xmp or raw.get("xmp")
    found.iptc = raw.get("iptc")
    found.icc = found.icc or raw.get("icc")
    found.view = Spliced(stream, parts)
    return found


def head(metadata: PictureMetadata, start: bytes) -> bytes:
    """Return the start of a PNG with metadata.

    Args:
        metadata: what it is to carry.
        start: the first `HEAD` bytes, as libvips wrote them.
    """
    added = start[:33]
    if metadata.cicp:
        added += chunk(b"cICP", bytes((*metadata.cicp, 0, 1)))
    if metadata.icc:
        added += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        x, y = (round(each / 0.0254) for each in metadata.dpi)
        if 0 < x < 2**31 and 0 < y < 2**31:
            added += chunk(b"pHYs", struct.pack(">IIB", x, y, 1))
    if metadata.exif:
        added += chunk(b"eXIf", metadata.exif)
    if metadata.xmp:
        added += chunk(b"iTXt", _XMP_KEYWORD.encode() + b"\0\0\0\0\0" + metadata.xmp)
    pairs = list(metadata.texts)
    if metadata.comment and COMMENT not in dict(pairs):
        pairs.append((COMMENT, _decoded(metadata.comment)))
    if metadata.iptc:
        digits = photoshop.wrapped(metadata.iptc).removeprefix(photoshop.PREFIX).hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        pairs.append((_RAW + "iptc", f"\niptc\n{len(digits) // 2:8}\n{lines}\n"))
    return added + b"".join(_written(*pair) for pair in pairs) + (b"" if start[37:41] == b"pHYs" else start[33:])


def _written(keyword: str, text: str) -> bytes:
    key = keyword.encode("latin-1", "replace")[:79] + b"\0"
    try:
        return chunk(b"tEXt", key + text.encode("latin-1"))
    except UnicodeEncodeError:
        return chunk(b"iTXt", key + b"\0\0\0\0" + text.encode("utf-8", "replace"))


def _decoded(comment: bytes) -> str:
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset and length of the data of each chunk, up to the end of the picture."""
    at = 8
    for _ in range(MOST_PARTS):
        stream.seek(at)
        start = stream.read(8)
        if len(start) < 8:
            return
        length = int.from_bytes(start[:4], "big")
        yield start[4:], at + 8, length
        if start[4:] == b"IEND":
            return
        at += 12 + length


def _read(name: bytes, data: bytes, found: FoundParts, raw: dict[str, bytes], budget: Budget) -> None:
    """Read one chunk."""
    if name in _TEXTS:
        keyword, text, encoding = _text(name, data, budget)
        if text is None:
            return
        if keyword == _XMP_KEYWORD:
            found.xmp = found.xmp or text
        elif keyword.startswith(_RAW):
            _keep_raw(keyword, text, found, raw)
        else:
            found.texts.append((keyword, text.decode(encoding)))
    elif name == b"iCCP":
        _, _, rest = data.partition(b"\0")
        found.icc = budget.unpack(rest[1:])
    elif name == b"eXIf":
        found.exif = data.removeprefix(b"Exif\0\0")
    elif name == b"pHYs":
        x, y, unit = struct.unpack(">IIB", data)
        if unit == 1 and x and y:
            found.dpi = (round(x * 0.0254, 4), round(y * 0.0254, 4))
        elif x != y:
            found.note("pixel aspect ratio")
    elif name == b"gAMA":
        found.gamma = struct.unpack(">I", data)[0] / 100_000
    elif name == b"cHRM":
        x = [each / 100_000 for each in struct.unpack(">8I", data)]
        found.chromaticities = (x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
    elif name == b"cICP":
        found.cicp = (data[0], data[1]) if len(data) == 4 else None
    elif name == b"sRGB":
        found.is_srgb = True


def _keep_raw(keyword: str, text: bytes, found: FoundParts, raw: dict[str, bytes]) -> None:
    """Take other metadata that is dressed as a text: a name, a length, and hexadecimal digits."""
    kind = keyword.removeprefix(_RAW).lower()
    block = binascii.unhexlify(b"".join(text.split()[2:]))
    if kind == "app1" and block.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        raw.setdefault("xmp", block.partition(b"\0")[2])
    elif kind in ("exif", "app1"):
        raw.setdefault("exif", block.removeprefix(b"Exif\0\0"))
    elif kind == "xmp":
        raw.setdefault("xmp", block)
    elif kind in ("icc", "icm"):
        raw.setdefault("icc", block)
    elif kind in ("iptc", "8bim"):
        records = photoshop.records(block)
        if records:
            raw.setdefault("iptc", records)
        if photoshop.has_others(block):
            found.note("Photoshop image resources")
    else:
        found.note(f"raw profile {kind[:20]!a}")


def _text(name: bytes, data: bytes, budget: Budget) -> tuple[str, bytes | None, str]:
    """Return the keyword, the text (None where it no longer fits) and the encoding of a chunk."""
    keyword, _, rest = data.partition(b"\0")
    encoding = "latin-1"
    if name == b"iTXt":
        packed = rest[:1] == b"\1"
        _, _, rest = rest[2:].partition(b"\0")  # language
        _, _, rest = rest.partition(b"\0")  # translated keyword
        encoding = "utf-8"
    else:
        packed = name == b"zTXt"
        rest = rest[1:] if packed else rest
    unpacked = budget.unpack(rest) if packed else rest
    return keyword.decode("latin-1"), unpacked, encoding
