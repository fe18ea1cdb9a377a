"""What a picture file says beside its pixels: ICC, EXIF, XMP, IPTC, resolution, texts; from libvips and back to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import BinaryIO

import pyvips

from fourpass.imaging import exif as exif_blocks
from fourpass.imaging import png_chunks

_EXIF_PREFIX = b"Exif\0\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_PNG_DEFAULT = 2.834  # pixels a millimetre that libvips states for a PNG that does not


@dataclass(frozen=True)
class Metadata:
    """What is kept from the input to the output.

    Attributes:
        icc: colour profile.
        exif: EXIF block from its TIFF header on, its orientation reset.
        xmp: XMP packet.
        iptc: IPTC-IIM records (they start with 0x1C).
        dpi: (horizontal, vertical) pixels an inch; None where the file does not say.
        texts: (keyword, text) of a PNG.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()

    @property
    def present(self) -> frozenset[str]:
        """The names of the parts that are there."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name))

    def only(self, parts: frozenset[str]) -> Metadata:
        """Return a copy without the parts that are not named."""
        gone = {name: () if name == "texts" else None for name in self.present - parts}
        return replace(self, **gone)  # type: ignore[arg-type]


def collect(image: pyvips.Image, key: str, stream: BinaryIO) -> Metadata:
    """Take the metadata of an opened picture.

    Args:
        image: as a loader of libvips made it.
        key: its format's, in `formats.FORMATS`.
        stream: the file, for what libvips does not read of it.
    """
    names = set(image.get_fields())

    def blob(name: str) -> bytes | None:
        return bytes(image.get(name)) or None if name in names else None

    exif = blob("exif-data")
    iptc = _records(blob("iptc-data"))
    if key == "tiff":
        exif, iptc = exif_blocks.from_tiff(stream)
    if exif:
        exif = exif_blocks.upright(exif.removeprefix(_EXIF_PREFIX))
    texts = png_chunks.texts(stream) if key == "png" else []
    if key == "png":
        iptc = next((_from_hex(text) for keyword, text in texts if keyword == _IPTC_KEYWORD), None)
    dpi = _resolution(image, key, names)
    if dpi is None and exif:
        dpi = exif_blocks.resolution(exif)
    kept = tuple(pair for pair in texts if not pair[0].startswith(("XML:com.adobe.xmp", "Raw profile type")))
    return Metadata(blob("icc-profile-data"), exif, _upright_xmp(blob("xmp-data")), iptc, dpi, kept)


def attach(image: pyvips.Image, key: str, metadata: Metadata) -> pyvips.Image:
    """Return a copy of an image that carries metadata, and nothing else, into libvips's writer of a format."""
    x, y = (each / 25.4 for each in metadata.dpi or (72, 72))
    if key == "png" and not metadata.dpi:
        x = y = _PNG_DEFAULT
    image = image.copy(xres=x, yres=y)
    for name in image.get_fields():
        if name.startswith(("png-", "bits-per-sample", "palette", "icc-", "exif-", "xmp-", "iptc-")):
            image.remove(name)
    blobs = {
        "icc-profile-data": metadata.icc,
        "exif-data": metadata.exif and _EXIF_PREFIX + metadata.exif,
        "xmp-data": metadata.xmp,
        "iptc-data": metadata.iptc and _photoshop(metadata.iptc),
    }
    for name, value in blobs.items():
        if value:
            image.set_type(pyvips.GValue.blob_type, name, value)
    if metadata.dpi:
        image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
    return image


def usable(icc: bytes, channels: int) -> bool:
    """Whether a colour profile is whole and for gray (1 channel) or RGB (3): whether a PNG would keep it.

    libvips leaves others out of some formats, and gives up on a PNG for some that are damaged.
    """
    image = pyvips.Image.black(1, 1, bands=channels).copy(interpretation="srgb" if channels == 3 else "b-w")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    try:
        back = pyvips.Image.new_from_buffer(image.write_to_buffer(".png"), "")
    except pyvips.Error:
        return False
    return "icc-profile-data" in back.get_fields()


_IPTC_KEYWORD = "Raw profile type iptc"


def png_texts(metadata: Metadata) -> list[tuple[str, str]]:
    """Return the texts that a PNG is to carry: its own, and IPTC in the way that ImageMagick and ExifTool share."""
    pairs = list(metadata.texts)
    if metadata.iptc:
        digits = _photoshop(metadata.iptc).removeprefix(_PHOTOSHOP).hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        pairs.append((_IPTC_KEYWORD, f"\niptc\n{len(digits) // 2:8}\n{lines}\n"))
    return pairs


def _resolution(image: pyvips.Image, key: str, names: set[str]) -> tuple[float, float] | None:
    """Return pixels an inch, or None where libvips only fills in a default."""
    if key == "png":
        stated = abs(image.xres - _PNG_DEFAULT) > 1e-6
    else:
        stated = key in ("jpeg", "tiff") and "resolution-unit" in names
    if not stated:
        return None
    return round(image.xres * 25.4, 4), round(image.yres * 25.4, 4)


def _upright_xmp(xmp: bytes | None) -> bytes | None:
    """Reset the orientation that an XMP packet may repeat."""
    if xmp is None:
        return None
    xmp = re.sub(rb"(tiff:Orientation\s*=\s*[\"'])[2-8]([\"'])", rb"\g<1>1\2", xmp)
    return re.sub(rb"(<tiff:Orientation>)\s*[2-8]\s*(<)", rb"\g<1>1\2", xmp)


def _records(block: bytes | None) -> bytes | None:
    """Return the IPTC records inside Photoshop's image resources, or the block itself when it is records already."""
    if block is None or block[:1] == b"\x1c":
        return block
    at = block.find(b"8BIM\x04\x04")
    if at < 0:
        return None
    name = at + 6
    size = name + (block[name] + 2) // 2 * 2 if name < len(block) else len(block)
    length = int.from_bytes(block[size : size + 4], "big")
    return block[size + 4 : size + 4 + length] or None


def _photoshop(records: bytes) -> bytes:
    """Wrap IPTC records into Photoshop's image resources, as JPEG carries them."""
    return _PHOTOSHOP + b"8BIM\x04\x04\0\0" + len(records).to_bytes(4, "big") + records + b"\0" * (len(records) % 2)


def _from_hex(text: str) -> bytes | None:
    """Read a text of `png_texts`: a name, a length, and hexadecimal digits."""
    try:
        return _records(bytes.fromhex("".join(text.split()[2:])))
    except ValueError:
        return None
