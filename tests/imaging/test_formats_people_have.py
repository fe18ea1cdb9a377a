"""Formats that people have: read, or named for what they are; never called damaged when they are whole."""

from __future__ import annotations

import io
import struct

import numpy as np
import picture_bytes as make
import pytest
from PIL import Image

from fourpass.errors import ImageError
from fourpass.imaging import files, formats, reader

RGB = make.random_pixels(40, 56, 3)
TIFF = make.encode(RGB, "TIFF")


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        files.read(data, name="x")
    return str(caught.value)


def tiff(
    entries: list[tuple[int, int, int, int]], *more: list[tuple[int, int, int, int]], start: bytes = b"II*\0"
) -> bytes:
    """A TIFF of directories by hand, one behind the other but not linked, each at a multiple of 512; pixels at 256."""
    data = bytearray(2048)
    data[:8] = start + struct.pack("<I", 512)
    for number, directory in enumerate((entries, *more)):
        block = struct.pack("<H", len(directory)) + b"".join(struct.pack("<HHII", *each) for each in directory)
        data[512 * (number + 1) :][: len(block)] = b""
        data[512 * (number + 1) : 512 * (number + 1) + len(block)] = block
    return bytes(data)


PREVIEW = [
    (254, 4, 1, 1),
    (256, 4, 1, 4),
    (257, 4, 1, 4),
    (258, 3, 1, 8),
    (259, 3, 1, 1),
    (262, 3, 1, 1),
    (273, 4, 1, 256),
]
PREVIEW += [(277, 3, 1, 1), (278, 4, 1, 4), (279, 4, 1, 16)]
SENSOR = [(254, 4, 1, 0), (256, 4, 1, 4000), (257, 4, 1, 3000), (262, 3, 1, 32803)]


@pytest.mark.parametrize(
    "data",
    [
        tiff([*PREVIEW, (330, 4, 1, 1024)], SENSOR),
        tiff([*PREVIEW[:5], (262, 3, 1, 34892), *PREVIEW[6:]]),
        tiff([*PREVIEW, (50706, 1, 4, 0x401)]),
        tiff(PREVIEW, start=b"II*\0")[:8] + b"CR\2\0" + tiff(PREVIEW)[12:],
        b"FUJIFILMCCD-RAW 0201" + bytes(99),
        b"IIRO\x08\0\0\0" + bytes(99),
        b"IIU\0\x18\0\0\0" + bytes(99),
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99),
    ],
    ids=["NEF, ARW", "linear raw", "DNG", "CR2", "RAF", "ORF", "RW2", "CR3"],
)
def test_camera_raw_is_called_so_and_its_preview_is_not_taken_for_it(data: bytes) -> None:
    assert "is a camera raw file; develop it with a raw converter first, and export it as" in refusal(data)


def test_a_tiff_of_the_same_build_that_is_no_raw_is_read() -> None:
    assert files.read(tiff([(254, 4, 1, 0), *PREVIEW[1:]])).header.size == (4, 4)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (make.encode(RGB, "BMP"), "BMP"),
        (make.encode(RGB, "PPM"), "PPM"),
        (make.encode(RGB[..., 0], "PPM"), "PPM"),
        (b"P2\n# by hand\n1 1\n255\n7\n", "PPM"),
        (b"\xff\x0a" + bytes(99), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + bytes(99), "JPEG 2000"),
    ],
)
def test_formats_that_a_build_may_lack(monkeypatch: pytest.MonkeyPatch, data: bytes, name: str) -> None:
    monkeypatch.setattr(reader, "_has_loader", lambda loader: False)
    assert f"is a {name}, which this build of libvips does not read; convert it to PNG first" in refusal(data)


@pytest.mark.parametrize(("format", "loader"), [("BMP", "magickload_buffer"), ("PPM", "ppmload_source")])
def test_formats_that_a_build_may_have(format: str, loader: str) -> None:
    if not reader._has_loader(loader):
        pytest.skip(f"this build of libvips has no {loader}")
    assert np.array_equal(files.read(make.encode(RGB, format)).pixels, RGB)


def compressed(scheme: int) -> bytes:
    """The TIFF with another compression in its header; the pixels do not matter, as no decoder gets to see them."""
    field = struct.pack("<HHI", 259, 3, 1)
    at = TIFF.index(field) + 8
    return TIFF[:at] + struct.pack("<H", scheme) + TIFF[at + 2 :]


def of_twelve_bits() -> bytes:
    data = make.encode(RGB, "JPEG")
    at = data.index(b"\xff\xc0") + 4
    return data[:at] + b"\x0c" + data[at + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        compressed(50000),
        compressed(34925),
        compressed(34712),
        of_twelve_bits(),
        make.encode(RGB, "JPEG").replace(b"\xff\xc0", b"\xff\xc3", 1),
    ],
    ids=["zstd", "lzma", "JPEG 2000 in TIFF", "12-bit JPEG", "lossless JPEG"],
)  # fmt: skip
def test_codings_that_a_build_lacks_are_not_called_damage(data: bytes) -> None:
    said = refusal(data)
    assert "uses an encoding that this build of libvips does not support" in said
    assert "damaged" not in said


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}])
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_that_lacks_its_end_marker_is_read(options: dict[str, object], cut: int) -> None:
    whole = make.encode(RGB, "JPEG", **options)
    picture = files.read(whole[:-cut])
    assert np.array_equal(picture.pixels, files.read(whole).pixels)
    assert picture.header.left_out == ("end marker (the input lacks it, and nothing else)",)


def test_a_jpeg_that_lacks_more_is_not_read() -> None:
    whole = make.encode(make.random_pixels(200, 300, 3), "JPEG", quality=95)
    for cut in (20, 100, len(whole) // 2):
        assert "cut short or damaged" in refusal(whole[:-cut])
    progressive = make.encode(make.random_pixels(200, 300, 3), "JPEG", progressive=True)
    scans = [at for at in range(len(progressive)) if progressive[at : at + 2] == b"\xff\xda"]
    for at in scans[1:]:  # whole scans, but not all: a picture, but not that picture
        table = progressive.rindex(b"\xff\xc4", 0, at)
        assert "cut short or damaged" in refusal(progressive[: min(at, table)])


def test_heif_that_cannot_be_decoded_is_refused_from_its_header_on() -> None:
    """A dry run must not promise what the run cannot keep."""
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "AVIF")
    heic = stream.getvalue().replace(b"avif", b"heic").replace(b"av01", b"hvc1").replace(b"av1C", b"hvcC")
    with pytest.raises(ImageError, match="this build of libvips cannot decode this HEIF"):
        files.probe(heic, name="x")


def test_what_is_written_when_nobody_chooses():
    """Photos stay as small and as deep as they were; the rest stays exact."""
    assert {key: formats.written_as(key) for key in formats.FORMATS if key not in formats.WRITTEN} == {
        "heif": "avif",
        "jxl": "avif",
        "jp2": "png",
        "ppm": "png",
        "bmp": "png",
    }
    assert all(formats.written_as(key) == key for key in formats.WRITTEN)
