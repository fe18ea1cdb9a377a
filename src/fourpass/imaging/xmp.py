"""XMP packets, as text: the orientation that they state, and claims that no longer hold once only the picture is left.

Sources: Adobe, XMP Specification Part 1 and 3; Google, Motion Photo format 1.0 and Ultra HDR image format 1.1.
"""

from __future__ import annotations

import re

_ORIENTATION = re.compile(
    rb"(tiff:Orientation\s{0,9}=\s{0,9}[\"']\s{0,9}|<tiff:Orientation>\s{0,9})([1-8])(?=\s{0,9}(?:[\"']|</))"
)
_SIZES = {b"exif:PixelYDimension": 0, b"tiff:ImageLength": 0, b"exif:PixelXDimension": 1, b"tiff:ImageWidth": 1}
# Namespaces that describe further pictures, videos or depth in the same file, and the names that do so; b"" for all.
_CLAIMS = {
    b"http://ns.google.com/photos/1.0/camera/": rb"(?:Motion|Micro)\w{1,60}",
    b"http://ns.google.com/photos/1.0/container/": rb"\w{1,60}",
    b"http://ns.google.com/photos/1.0/depthmap/": rb"\w{1,60}",
    b"http://ns.google.com/photos/1.0/image/": rb"\w{1,60}",
    b"http://ns.google.com/photos/1.0/audio/": rb"\w{1,60}",
    b"http://ns.adobe.com/hdr-gain-map/1.0/": rb"\w{1,60}",
    b"http://ns.apple.com/HDRGainMap/1.0/": rb"\w{1,60}",
    b"http://ns.adobe.com/xmp/note/": rb"HasExtendedXMP",
}


def orientation(packet: bytes) -> int:
    """Return how a packet says that the picture is turned and flipped: 1..8, as EXIF has it; 1 where it does not."""
    found = _ORIENTATION.search(packet) if b"tiff:Orientation" in packet else None
    return int(found[2]) if found else 1


def upright(packet: bytes) -> bytes:
    """Return a packet whose orientation, if it has one, says upright."""
    return _ORIENTATION.sub(rb"\g<1>1", packet) if orientation(packet) != 1 else packet


def resized(packet: bytes, size: tuple[int, int]) -> bytes:
    """Return a packet that states (rows, columns), where it states any size of the picture."""
    for name, length in _SIZES.items():
        if name in packet:
            stated = rb"(" + name + rb"(?:\s{0,9}=\s{0,9}[\"']|>)\s{0,9})\d{1,9}(?=\s{0,9}[\"'<])"
            packet = re.sub(stated, rb"\g<1>%d" % size[length], packet)
    return packet


def mended(packet: bytes) -> bytes:
    """Return a packet without what it says of videos, gain maps, depth and pictures that lay in the same file."""
    for namespace, names in _CLAIMS.items():
        declared = rb"xmlns:([A-Za-z_][\w.-]{0,40})\s{0,9}=\s{0,9}[\"']" + re.escape(namespace) + rb"[\"']"
        for prefix in sorted(set(re.findall(declared, packet)))[:4]:
            name = re.escape(prefix) + rb":" + names
            packet = re.sub(rb"\s{1,9}" + name + rb"\s{0,9}=\s{0,9}(?:\"[^\"<]*\"|'[^'<]*')", b"", packet)
            packet = _without_elements(packet, name)
    return packet


def _without_elements(packet: bytes, name: bytes) -> bytes:
    """Leave out every element of a name, with all that is in it; one that is never closed stays."""
    kept, at = [], 0
    for start in re.finditer(rb"<(" + name + rb")(?=[\s/>])", packet):
        if start.start() < at:
            continue
        opened = packet.find(b">", start.end())
        if opened < 0:
            break
        end = opened + 1
        if packet[opened - 1 : opened] != b"/":
            closing = b"</" + start[1] + b">"
            end = packet.find(closing, opened)
            if end < 0:
                break
            end += len(closing)
        kept.append(packet[at : start.start()])
        at = end
    return b"".join(kept) + packet[at:]
