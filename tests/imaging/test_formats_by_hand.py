"""Which format a file is of, by its first bytes, and what is said of files that are none."""

from __future__ import annotations

import io
import struct

import pytest

from fourpass.errors import ImageError
from fourpass.imaging import formats, limits
from fourpass.imaging.picture import Header


def media(major: bytes, *compatible: bytes, size: int | None = None) -> bytes:
    body = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(body) if size is None else size) + b"ftyp" + body


@pytest.mark.parametrize(
    ("head", "key"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        *((each, "tiff") for each in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
        *((each, "jxl") for each in (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
        *((each, "jp2") for each in (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
        *((b"P%d\n" % number, "ppm") for number in range(1, 7)),
        (b"P6#", "ppm"),
        *((b"BM" + bytes(12) + struct.pack("<I", size), "bmp") for size in (12, 16, 40, 52, 56, 64, 108, 124)),
        (b"RIFF\0\0\0\0WEBP", "webp"),
        (media(b"avif"), "avif"),
        (media(b"mif1", b"avif"), "avif"),
        (media(b"mif1", b"miaf", b"MA1B", b"avif"), "avif"),
        *((media(each), "heif") for each in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx")),
        (media(b"XXXX", b"miaf", b"heic"), "heif"),
    ],
)
def test_formats_by_their_first_bytes(head: bytes, key: str) -> None:
    stream = io.BytesIO(head.ljust(100, b"\1"))
    stream.seek(7)
    assert formats.sniff(stream) == key
    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"P7\n", "is a PAM"),
        (b"P0\n", "is a text file"),
        (b"P6x", "is a text file"),
        (b"PF\n", "is a PFM"),
        (b"8BPS", "is a Photoshop document"),
        (b"%PDF-1.4", "is a PDF"),
        (b"\n <svg", "is an SVG drawing"),
        (b"FUJIFILMCCD-RAW ", "camera raw file; develop it with a raw converter first, and export it"),
        (b"IIU\0", "camera raw file"),
        (b"BM" + bytes(12) + struct.pack("<I", 41), "a file of an unknown kind"),
        (b"RIFF\0\0\0\0WAVE", "a file of an unknown kind"),
        (b"\x01\x02\xfe", "a file of an unknown kind"),
        (b"some words", "is a text file"),
        (b"a" * 57 + "€".encode(), "is a text file"),
        (b"a" * 59 + "é".encode(), "is a text file"),
        (b"a" * 56 + b"\xe2aaa", "a file of an unknown kind"),
        (b"a" * 57 + b"\xe2aa\0", "a file of an unknown kind"),
        (b"words\0", "a file of an unknown kind"),
        (media(b"avis", b"avif"), "is an AVIF sequence"),
        (media(b"crx ", b"heic"), "camera raw file"),
        (media(b"isom", b"mp42"), "is a video or another ISO media file"),
        # Brands lie inside their box; the minor version, 4 bytes before them, is none of them.
        (media(b"isom", size=16) + b"avif", "is a video or another ISO media file"),
        (media(b"isom", b"mp42", size=20) + b"avif", "is a video or another ISO media file"),
        (b"\0\0\0\x14ftypisomavifmp42", "is a video or another ISO media file"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(head: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        formats.sniff(io.BytesIO(head))


def test_what_is_written_when_nobody_chooses() -> None:
    chosen = {key: formats.written_as(key) for key in formats.FORMATS if formats.written_as(key) != key}
    assert chosen.pop("heif") == chosen.pop("jxl") == "avif"
    assert set(chosen.values()) == {"png"}


def test_suffixes() -> None:
    for suffix, key in ((".JPG", "jpeg"), ("jpg", "jpeg"), (".tiff", "tiff"), ("tif", "tiff"), (".PNG", "png")):
        assert formats.of_suffix(suffix) == formats.of_path(f"a{'.' * (suffix[0] != '.')}{suffix}") == key
    with pytest.raises(ImageError, match="HEIF is read but not written"):
        formats.of_suffix(".heic")
    with pytest.raises(ImageError, match=r"^no suffix: not a format that can be written; use one of .jpg"):
        formats.of_suffix("")
    with pytest.raises(ImageError, match=r"^dir/a.xyz: .xyz: not a format that can be written"):
        formats.of_path("dir/a.xyz")


# docs/reference/files.md: pixels along a side; pixels, lossy and lossless.
SIDES = {"jpeg": 65_500, "png": 1_000_000, "webp": 16_383, "tiff": 1_000_000, "avif": 16_384, "gif": 65_535}
PIXELS = {"webp": (100_000_000, 45_000_000), "avif": (60_000_000, 60_000_000), "gif": (120_000_000, 120_000_000)}


def test_the_limits_of_each_format() -> None:
    assert set(formats.WRITTEN) == set(SIDES)
    for key, side in SIDES.items():
        for width, height in ((side, 1), (1, side)):
            limits.check(Header("png", width, height), key, "x")
            with pytest.raises(ImageError, match=f"limit of {side:,} pixels along a side"):
                limits.check(Header("png", width + (height == 1), height + (width == 1)), key, "x")
        for quality, most in zip((None, 100), PIXELS.get(key, (None, None)), strict=True):
            limits.check(Header("png", 10_000, most // 10_000 if most else 10_000), key, "x", quality)
            if most:
                with pytest.raises(ImageError, match=f"more than the {most / 1e6:.0f} that"):
                    limits.check(Header("png", 10_000, most // 10_000 + 1), key, "x", quality)
