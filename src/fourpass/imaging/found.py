"""The result of scanning a picture file: pixels to be decoded, and everything else."""

from __future__ import annotations

from dataclasses import dataclass, field

from fourpass.imaging.profiles import Chromaticities
from fourpass.imaging.splice import Spliced

_MOST_WORDS = 20


@dataclass
class FoundParts:
    """What a scan of a file found, unchanged.

    Attributes:
        view: the file without what is not pixels, for libvips.
        icc, exif, xmp, iptc, comment, texts, dpi: as `metadata.Metadata` has them, but not yet upright.
        cicp: colour by numbers of ITU-T H.273: (primaries, transfer); None where the file does not say.
        gamma, chromaticities: colour as PNG's gAMA and cHRM state it.
        is_srgb: the file says that it is sRGB.
        unread: in words, metadata that is there and is not kept.
        left_out: in words, what else is there and is not kept: further pictures, videos, gain maps.
        turn: orientation, beside that in EXIF and XMP: 1..8.
        frames: how many pictures the file shows.
        mended: bytes were added to make it whole, so that nothing that a decoder warns of may pass.
    """

    view: Spliced
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None
    texts: list[tuple[str, str]] = field(default_factory=list)
    dpi: tuple[float, float] | None = None
    cicp: tuple[int, int] | None = None
    gamma: float | None = None
    chromaticities: Chromaticities | None = None
    is_srgb: bool = False
    unread: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    turn: int = 1
    frames: int = 1
    mended: bool = False

    def note(self, word: str) -> None:
        """Say of metadata that it is not kept, once; a file may hold more kinds of it than anyone wants to read of."""
        if len(self.unread) == _MOST_WORDS:
            self.unread.append("more of the like")
        elif word not in self.unread and len(self.unread) < _MOST_WORDS:
            self.unread.append(word)
