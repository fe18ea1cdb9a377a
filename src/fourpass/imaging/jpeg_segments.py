"""The segments of JPEG files: what is read before the pixels, what lies behind them, and what is written.

Sources: ITU-T T.81, annex B; JFIF 1.02; EXIF 2.32, section 4.7; Adobe, XMP Specification Part 3; CIPA DC-007 (MPO).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from fourpass.errors import ImageError
from fourpass.imaging import photoshop
from fourpass.imaging.budget import MOST_ASIDE, MOST_PARTS, MOST_SCANS, Budget
from fourpass.imaging.found import FoundParts
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.splice import Part, Spliced

EXIF: Final = b"Exif\0\0"
XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_EXTENSION: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_GAIN_MAP: Final = b"urn:iso:std:iso:ts:21496:-1"
LARGEST: Final = 65_533  # bytes of a segment's data
_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SMALL, _PIECE = 2**12, 2**20  # bytes that are searched at once


def scan(stream: BinaryIO, budget: Budget) -> FoundParts:
    """Find what an open JPEG file holds.

    Raises:
        ImageError: it has more scans than any picture needs; the message does not name the file.
    """
    parts: list[Part] = [(0, 2)]
    found = FoundParts(Spliced(stream, []))
    profile: dict[int, bytes] = {}
    resources: list[bytes] = []
    comments: list[bytes] = []
    multiple = False
    components: set[int] = set()
    at = 2
    for at, marker, length in _segments(stream):
        if marker in (_SOS, _EOI):
            break
        data = b""
        if 0xE0 <= marker <= 0xEF or marker == _COM:
            stream.seek(at + 4)
            start = stream.read(min(length, 40))
            kept = marker in (0xE0, 0xEE) and not start.startswith(b"JFXX\0")
            if not kept and not budget.take(length):
                continue
            data = start + stream.read(length - len(start))
            if len(data) < length:
                break
            if kept:
                parts.append((at, 4 + length))
        else:
            parts.append((at, 4 + length))
            if marker in _FRAMES:
                stream.seek(at + 4)
                frame = stream.read(min(length, 6 + 3 * 4))
                components = set(frame[6::3])
        if marker == 0xE0 and data.startswith(b"JFIF\0"):
            _density(data, found)
        elif marker == 0xE1 and data.startswith(EXIF[:5]):
            if found.exif is None:
                found.exif = data[len(EXIF) :]
            else:
                found.note("further EXIF")
        elif marker == 0xE1 and data.startswith(XMP) and found.xmp is None:
            found.xmp = data[len(XMP) :]
        elif marker == 0xE1 and data.startswith(_XMP_EXTENSION):
            found.note("extended XMP")
        elif marker == 0xE2 and data.startswith(_ICC) and len(data) > 14:
            profile[data[12]] = data[14:]
        elif marker == 0xE2 and data.startswith((b"MPF\0", _GAIN_MAP)):
            multiple = True
        elif marker == 0xED and data.startswith(photoshop.PREFIX):
            resources.append(data[len(photoshop.PREFIX) :])
        elif marker == _COM:
            comments.append(data)
        elif marker == 0xEB and data.startswith(b"JP"):
            found.note("content credentials or other JUMBF")
        elif data and marker not in (0xE0, 0xEE):
            found.note(f"APP{marker - 0xE0} segment")
    if profile:
        found.icc = b"".join(profile[number] for number in sorted(profile))
    found.comment = b"\n".join(comments) or None
    if resources:
        block = b"".join(resources)
        found.iptc = photoshop.records(block)
        if photoshop.has_others(block):
            found.note("Photoshop image resources")
    scans = []
    end = at
    for kind, end in _behind(stream, at):
        if kind == _SOS:
            stream.seek(end)
            scans.append(stream.read(64))
            if len(scans) > MOST_SCANS:
                raise ImageError(
                    f"has more than {MOST_SCANS} scans, which take too long to decode", hint="open it and save it again"
                )
        if kind == _EOI:
            end += 2
            break
    else:
        end = stream.seek(0, os.SEEK_END)
        if _complete(scans, components):
            found.mended = True
            found.left_out.append("end marker (the input lacks it, and nothing else)")
    parts.append((at, end - at))
    if found.mended:
        parts.append(b"\xff\xd9")
    _trailer(stream, end, found, multiple)
    found.view = Spliced(stream, parts)
    return found


def head(metadata: PictureMetadata) -> bytes:
    """Return the segments to stand right behind the start of a JPEG; what is too large for one is left out."""
    unit, x, y = (1, *(round(each) for each in metadata.dpi)) if metadata.dpi else (0, 1, 1)
    if not (0 < x < 2**16 and 0 < y < 2**16):
        unit, x, y = 0, 1, 1
    found = [_segment(0xE0, b"JFIF\0\1\1" + struct.pack(">BHHBB", unit, x, y, 0, 0))]
    if metadata.exif:
        found.append(_segment(0xE1, EXIF + metadata.exif))
    if metadata.xmp:
        found.append(_segment(0xE1, XMP + metadata.xmp))
    if metadata.icc:
        step = LARGEST - 14
        pieces = [metadata.icc[start : start + step] for start in range(0, len(metadata.icc), step)]
        for number, piece in enumerate(pieces):
            found.append(_segment(0xE2, _ICC + bytes([number + 1, len(pieces)]) + piece))
    if metadata.iptc:
        found.append(_segment(0xED, photoshop.wrapped(metadata.iptc)))
    if metadata.comment:
        found.append(_segment(_COM, metadata.comment))
    return b"".join(found)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _segments(stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, marker, length of its data) up to the first scan, whose length is 0, or to what is no segment."""
    at = 2
    for _ in range(MOST_ASIDE):
        stream.seek(at)
        start = stream.read(4)
        if len(start) < 4 or start[0] != 0xFF:
            break
        if start[1] == 0xFF:  # fill bytes
            at += 1
            continue
        if start[1] in (_SOS, _EOI):
            yield at, start[1], 0
            return
        length = int.from_bytes(start[2:], "big") - 2
        if length < 0:
            break
        yield at, start[1], length
        at += 4 + length
    else:
        raise ImageError(f"has more than {MOST_ASIDE:,} segments", hint="open it and save it again")
    yield at, _EOI, 0


def _behind(stream: BinaryIO, at: int) -> Iterator[tuple[int, int]]:
    """Yield (marker, offset) from the first scan on, to the end of the picture, if the file has one."""
    length = _SMALL
    for _ in range(MOST_PARTS):
        stream.seek(at)
        piece = stream.read(length)
        match = _MARKER.search(piece)
        if match is None:
            if len(piece) < length:
                return
            at += length - 1
            length = min(2 * length, _PIECE)
            continue
        length = _SMALL
        at += match.start()
        marker = match[0][1]
        yield marker, at
        if marker == _EOI:
            return
        stream.seek(at + 2)
        at += 2 + max(2, int.from_bytes(stream.read(2), "big"))


def _complete(scans: list[bytes], components: set[int]) -> bool:
    """Whether scans bring every coefficient of every component in full; they do in the order of their headers."""
    left = {(component, place) for component in components for place in range(64)}
    for each in scans:
        count = each[4] if len(each) > 4 else 0
        if len(each) < 8 + 2 * count:
            return False
        first, last, bits = each[5 + 2 * count : 8 + 2 * count]
        if bits & 15 == 0:
            left -= {
                (component, place) for component in each[5 : 5 + 2 * count : 2] for place in range(first, last + 1)
            }
    return bool(components) and not left


def _density(data: bytes, found: FoundParts) -> None:
    unit, x, y = struct.unpack(">BHH", data[7:12]) if len(data) >= 12 else (0, 1, 1)
    if unit in (1, 2) and x and y:
        found.dpi = (x, y) if unit == 1 else (x * 2.54, y * 2.54)
    elif x != y and x and y:
        found.note("pixel aspect ratio")


def _trailer(stream: BinaryIO, at: int, found: FoundParts, multiple: bool) -> None:
    """Record what follows the picture."""
    size = stream.seek(0, os.SEEK_END) - at
    stream.seek(at)
    start = stream.read(min(max(size, 0), 2**16))
    if not start.strip(b"\0\xff"):
        return
    if start[4:8] == b"ftyp" or b"ftypmp4" in start or b"MotionPhoto_Data" in start:
        found.left_out.append("the video of the motion photo")
    elif start.lstrip(b"\0\xff").startswith(b"\xd8\xff") or multiple:
        gain = found.xmp is not None and b"gain-map" in found.xmp.lower()
        gain = gain or b"gain-map" in start or b"HDRGainMap" in start or _GAIN_MAP in start
        found.left_out.append("the gain map (HDR)" if gain else "the further pictures in the file (MPO)")
    else:
        found.left_out.append(f"{size:,} bytes behind the picture")
