"""The luma table of JPEG files, against Pillow's reading, and of files that are odd or damaged."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from picture_bytes import encode, random_pixels
from PIL import Image

from fourpass.imaging.jpeg_tables import luma_table

PIXELS = random_pixels(40, 56, 3)


def of_pillow(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).quantization[0]).reshape(8, 8)


@pytest.mark.parametrize(
    "data",
    [
        encode(PIXELS, "JPEG", quality=75),
        encode(PIXELS, "JPEG", quality=98, subsampling=0),
        encode(PIXELS, "JPEG", quality=30, progressive=True),
        encode(PIXELS[..., 0], "JPEG", quality=60),
        encode(Image.fromarray(PIXELS).convert("CMYK"), "JPEG", quality=88),
        encode(PIXELS[:2, :3], "JPEG", quality=50),
        encode(PIXELS, "JPEG", qtables=[list(range(1, 65)), [99] * 64]),
        encode(PIXELS, "JPEG", quality=75, icc_profile=bytes(200_000)),
    ],
    ids=["plain", "fine", "progressive", "gray", "cmyk", "2x3", "own tables", "long profile"],
)
def test_it_is_what_pillow_reads(data: bytes, tmp_path: Path) -> None:
    table = luma_table(data)
    assert table is not None
    np.testing.assert_array_equal(table, of_pillow(data))
    (tmp_path / "picture").write_bytes(data)
    np.testing.assert_array_equal(luma_table(tmp_path / "picture"), table)


def test_a_thumbnails_table_is_not_the_pictures() -> None:
    thumbnail = encode(PIXELS[:16, :16], "JPEG", quality=5)
    data = encode(PIXELS, "JPEG", quality=90, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail)
    np.testing.assert_array_equal(luma_table(data), of_pillow(encode(PIXELS, "JPEG", quality=90)))


def test_arithmetic_coding_wide_steps_and_fill_bytes() -> None:
    plain = encode(PIXELS, "JPEG", quality=40)
    frame = plain.index(b"\xff\xc0")
    arithmetic = plain[:frame] + b"\xff\xc9" + plain[frame + 2 :]
    np.testing.assert_array_equal(luma_table(arithmetic), of_pillow(plain))
    at = plain.index(b"\xff\xdb")
    filled = plain[:at] + b"\xff\xff" + plain[at:]
    np.testing.assert_array_equal(luma_table(filled), of_pillow(plain))
    wide = b"\xff\xdb\0\x83\x10" + b"".join(int(step).to_bytes(2, "big") for step in range(300, 364))
    table = luma_table(b"\xff\xd8" + wide + plain[frame:])
    assert table is not None
    # Figure A.6: the first steps lie at (0,0), (0,1), (1,0), (2,0), (1,1), (0,2), (0,3); the last at (7,7).
    places = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (7, 7)]
    assert [int(table[at]) for at in places] == [300, 301, 302, 303, 304, 305, 306, 363]


def test_the_first_components_table_counts_whichever_its_number() -> None:
    plain = encode(PIXELS[..., 0], "JPEG", quality=40)
    segment, frame = plain.index(b"\xff\xdb"), plain.index(b"\xff\xc0")
    other = b"\xff\xdb\0\x43\0" + bytes([7] * 64)
    moved = bytearray(plain[:segment] + other + plain[segment:])
    moved[segment + len(other) + 4] = 3  # the real table's number
    moved[frame + len(other) + 12] = 3
    np.testing.assert_array_equal(luma_table(bytes(moved)), of_pillow(plain))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"\xff\xd8" + b"\xff" * 100_000,
        b"\xff\xd8\xff\xdb",
        b"\xff\xd8\xff\xdb\0\0",
        b"\xff\xd8\xff\xdb\0\x43\0" + bytes(64),
        b"\xff\xd8\xff\xdb\0\x20\0" + bytes(30),
        b"\xff\xd8\xff\xc0\0\x03\x08\xff\xda",
        b"\xff\xd8" + b"\xff\xe0\xff\xff" * 10,
        encode(PIXELS, "PNG"),
    ],
)
def test_damaged_files_and_others_have_none(data: bytes) -> None:
    assert luma_table(data) is None


def test_files_that_cannot_be_opened_have_none(tmp_path: Path) -> None:
    assert luma_table(tmp_path) is None
    assert luma_table(tmp_path / "none.jpg") is None
    assert luma_table("a\0b") is None


def test_every_cut_of_a_file_is_read_without_an_error() -> None:
    data = encode(PIXELS[:8, :8], "JPEG", quality=75)
    found = [luma_table(data[:length]) for length in range(0, len(data), 3)]
    assert found[0] is None
    assert found[-1] is not None
