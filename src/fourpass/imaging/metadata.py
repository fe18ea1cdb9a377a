"""The metadata of a picture file, adjusted to the upright picture."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import pyvips

from fourpass.imaging import exif as exif_blocks
from fourpass.imaging import profiles
from fourpass.imaging import xmp as xmp_packets
from fourpass.imaging.found import FoundParts


@dataclass(frozen=True)
class PictureMetadata:
    """The metadata that is copied from the input to the output.

    Attributes:
        icc: colour profile.
        exif: EXIF block from its TIFF header on, its orientation reset.
        xmp: XMP packet.
        iptc: IPTC-IIM records (they start with 0x1C).
        dpi: (horizontal, vertical) pixels per inch; None if the file does not say.
        texts: (keyword, text) of a PNG.
        comment: of a JPEG or GIF.
        cicp: (primaries, transfer) of ITU-T H.273, for HDR, which no profile describes.
        unread: in words, what was there beside all this and is kept by no format.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    cicp: tuple[int, int] | None = None
    unread: tuple[str, ...] = ()

    @property
    def present(self) -> frozenset[str]:
        """The names of the parts that exist and could be kept."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name)) - {"unread"}

    def only(self, parts: frozenset[str]) -> PictureMetadata:
        """Return a copy without the parts that are not named."""
        gone = {name: () if name == "texts" else None for name in self.present - parts}
        return replace(self, **gone)  # type: ignore[arg-type]

    def resized(self, size: tuple[int, int]) -> PictureMetadata:
        """Return a copy that states (rows, columns), if it states a size at all."""
        exif = exif_blocks.resized(self.exif, size) if self.exif else None
        return replace(self, exif=exif, xmp=xmp_packets.resized(self.xmp, size) if self.xmp else None)


def orientation(found: FoundParts, key: str) -> int:
    """Return the orientation of a picture, 1..8 as in EXIF.

    EXIF decides; XMP where EXIF does not say. In AVIF, HEIF and JPEG XL, what turns is a property that decoding obeys,
    and EXIF and XMP only repeat it.
    """
    if key in ("avif", "heif", "jxl"):
        return 1
    if key == "tiff" and 1 <= found.turn <= 8 and found.turn != 1:
        return found.turn
    turn = exif_blocks.orientation(found.exif) if found.exif else 1
    return xmp_packets.orientation(found.xmp) if turn == 1 and found.xmp else turn


def collect(found: FoundParts, channels: int, turn: int) -> PictureMetadata:
    """Make what lies in a file fit for the picture alone, upright.

    Args:
        found: what the scan found.
        channels: 1 for gray, 3 for RGB.
        turn: as `orientation` says.
    """
    unread = list(found.unread)
    exif = exif_blocks.upright(found.exif, turn) if found.exif else None
    xmp = None
    if found.xmp:
        upright = xmp_packets.upright(found.xmp)
        xmp = xmp_packets.mended(upright)
        if xmp != upright and not found.left_out:
            unread.append("what XMP says of further pictures")
    dpi = found.dpi[::-1] if found.dpi and turn >= 5 else found.dpi
    if dpi is None and exif:
        dpi = exif_blocks.resolution(exif)
    icc, cicp = found.icc, None
    if found.cicp is not None and profiles.is_hdr(found.cicp[1]):
        icc, cicp = None, found.cicp
    else:
        try:
            stated = _stated(found, channels)
        except (KeyError, ValueError):
            unread.append("colour that is stated by numbers which make no sense")
        else:
            icc = stated or icc
    return PictureMetadata(icc, exif, xmp, found.iptc, dpi, tuple(found.texts), found.comment, cicp, tuple(unread))


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


def _stated(found: FoundParts, channels: int) -> bytes | None:
    """Return the profile of colour that is stated by numbers, where that counts."""
    if found.cicp is not None:
        return profiles.of_codes(*found.cicp, channels)
    if found.icc is None and not found.is_srgb and (found.gamma or found.chromaticities):
        return profiles.of_gamma(found.gamma, found.chromaticities, channels)
    return None
