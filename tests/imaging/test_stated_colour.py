"""Colour that a file states by numbers is honoured: turned into a profile, or kept; never relabelled."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest
import pyvips
from PIL import Image

from fourpass.imaging import files, limits, profiles
from fourpass.imaging.metadata import PictureMetadata, usable
from fourpass.imaging.picture import Picture

PLAIN = np.zeros((16, 16, 3), np.uint8) + np.array([200, 40, 30], np.uint8)


def png_with(*chunks: tuple[bytes, bytes], pixels: np.ndarray = PLAIN) -> bytes:
    data = make.encode(pixels, "PNG")
    return data[:33] + b"".join(make.png_chunk(*each) for each in chunks) + data[33:]


def shown(data: bytes) -> np.ndarray:
    """The colour in sRGB, as a program that honours profiles shows it."""
    image = Image.open(io.BytesIO(data))
    from PIL import ImageCms

    icc = image.info.get("icc_profile")
    if icc is None:
        return np.asarray(image.convert("RGB"))[8, 8].astype(int)
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return np.asarray(converted)[8, 8].astype(int)


def p3_to_srgb(rgb: np.ndarray) -> np.ndarray:
    """By hand, from the primaries' well-known matrices (CSS Color 4, section 17)."""
    linear = np.where(rgb / 255 <= 0.04045, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[1.2249402, -0.2249402, 0], [-0.0420570, 1.0420570, 0], [-0.0196376, -0.0786361, 1.0982735]])
    mixed = np.clip(matrix @ linear, 0, 1)
    return np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif"])
def test_display_p3_by_numbers(tmp_path: Path, suffix: str) -> None:
    muted = np.zeros((16, 16, 3), np.uint8) + np.array([150, 100, 90], np.uint8)
    picture = files.read(png_with((b"cICP", bytes([12, 13, 0, 1])), pixels=muted))
    files.write(tmp_path / f"o.{suffix}", picture, quality=100)
    assert np.abs(shown((tmp_path / f"o.{suffix}").read_bytes()) - p3_to_srgb(muted[0, 0])).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "gif"])
def test_linear_light_by_gamma(tmp_path: Path, suffix: str) -> None:
    gray = np.full((16, 16, 3), 55, np.uint8)
    picture = files.read(png_with((b"gAMA", struct.pack(">I", 100_000)), pixels=gray))
    files.write(tmp_path / f"o.{suffix}", picture, quality=100)
    expected = (1.055 * (55 / 255) ** (1 / 2.4) - 0.055) * 255
    assert np.abs(shown((tmp_path / f"o.{suffix}").read_bytes()) - expected).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "avif", "gif"])
def test_gray_by_gamma_and_gray_profiles(tmp_path: Path, suffix: str) -> None:
    """Formats that hold no gray hold no gray profile either: the pixels are converted."""
    gray = np.full((16, 16), 55, np.uint8)
    data = png_with((b"gAMA", struct.pack(">I", 100_000)), pixels=gray)
    header = files.probe(data)
    assert usable(header.metadata.icc, 1)
    files.write(tmp_path / f"o.{suffix}", files.read(data), quality=100)
    back = files.read(tmp_path / f"o.{suffix}")
    if suffix in ("png", "jpg", "tif"):
        assert back.header.metadata.icc == header.metadata.icc
        assert abs(int(back.pixels[8, 8, 0]) - 55) <= 1
        assert limits.lost(header, back.header.format) == ()
    else:
        assert back.header.metadata.icc is None
        expected = (1.055 * (55 / 255) ** (1 / 2.4) - 0.055) * 255
        assert np.abs(back.pixels[8, 8] - expected).max() <= 2
        assert "ICC profile (converted to sRGB)" in limits.lost(header, back.header.format)


def test_usual_numbers_mean_srgb() -> None:
    usual = (b"gAMA", struct.pack(">I", 45_455))
    primaries = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    for chunks in ((usual,), (usual, primaries), ((b"cICP", bytes([1, 13, 0, 1])),), ((b"cICP", bytes([1, 1, 0, 1])),)):
        assert files.probe(png_with(*chunks)).metadata == PictureMetadata()


def test_the_stronger_statement_counts() -> None:
    icc = profiles.of_codes(9, 1, 3)
    profile = (b"iCCP", b"x\0\0" + zlib.compress(icc))
    gamma = (b"gAMA", struct.pack(">I", 100_000))
    assert files.probe(png_with(profile, gamma)).metadata.icc == icc
    assert files.probe(png_with(gamma, (b"sRGB", b"\0"))).metadata.icc is None
    p3 = files.probe(png_with((b"cICP", bytes([12, 13, 0, 1])), profile)).metadata.icc
    assert p3 == profiles.of_codes(12, 13, 3)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_kept(tmp_path: Path, transfer: int) -> None:
    pixels = make.random_pixels(16, 16, 3, dtype=np.uint16)
    for suffix, quality in (("png", None), ("avif", 80), ("avif", 100)):
        files.write(
            tmp_path / f"o.{suffix}", Picture.of(pixels, metadata=PictureMetadata(cicp=(9, transfer))), quality=quality
        )
        back = files.read(tmp_path / f"o.{suffix}")
        assert back.header.metadata.cicp == (9, transfer)
        files.write(tmp_path / f"plain.{suffix}", Picture.of(pixels), quality=quality)
        assert np.array_equal(back.pixels, files.read(tmp_path / f"plain.{suffix}").pixels)


@pytest.mark.skipif(shutil.which("avifdec") is None, reason="wants avifdec, of libavif")
@pytest.mark.parametrize("quality", [80, 100])
def test_another_decoder_agrees_on_hdr_avif(tmp_path: Path, quality: int) -> None:
    pixels = PLAIN.astype(np.uint16) * 257
    files.write(tmp_path / "o.avif", Picture.of(pixels, metadata=PictureMetadata(cicp=(9, 16))), quality=quality)
    said = subprocess.run(["avifdec", "--info", tmp_path / "o.avif"], capture_output=True, text=True, check=True).stdout
    assert "Color Primaries: 9" in said
    assert "Transfer Char. : 16" in said
    subprocess.run(["avifdec", tmp_path / "o.avif", tmp_path / "o.png"], capture_output=True, check=True)
    assert np.abs(files.read(tmp_path / "o.png").pixels.astype(int) - pixels).max() < 200


# x and y of white, red, green and blue: ITU-T H.273, table 2.
H273 = {
    1: (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    4: (0.31, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (0.3127, 0.329, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (0.3127, 0.329, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (0.3127, 0.329, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    8: (0.31, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    22: (0.3127, 0.329, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}


@pytest.mark.parametrize("code", H273)
def test_a_profile_holds_the_primaries_of_its_code(code: int) -> None:
    """rXYZ, gXYZ and bXYZ sum to D50, and undone from it by Bradford's way they are the table's."""
    profile = profiles.of_codes(code, 8, 3)
    found = []
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        at = profile.index(name, 128)
        offset = int.from_bytes(profile[at + 4 : at + 8], "big")
        found.append(np.frombuffer(profile, ">i4", 3, offset + 8) / 65536)
    columns = np.array(found).T
    np.testing.assert_allclose(columns.sum(1), [0.9642, 1, 0.8249], atol=2e-4)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    x, y = H273[code][:2]
    white = np.array([x / y, 1, (1 - x - y) / y])
    back = np.linalg.inv(bradford) @ np.diag(bradford @ white / (bradford @ [0.9642, 1, 0.8249])) @ bradford @ columns
    np.testing.assert_allclose((back[:2] / back.sum(0)).T.ravel(), H273[code][2:], atol=4e-4)


@pytest.mark.parametrize(("gamma", "taken"), [(0.049, False), (0.051, True), (9.9, True), (10.1, False)])
def test_a_gamma_that_makes_no_sense(gamma: float, taken: bool) -> None:
    if taken:
        assert profiles.of_gamma(gamma, None, 3)
    else:
        with pytest.raises(ValueError, match="gamma"):
            profiles.of_gamma(gamma, None, 3)


def test_profiles_are_what_littlecms_reads() -> None:
    """White stays white, and a Display P3 profile agrees with the one that libvips packs."""
    image = pyvips.Image.new_from_array(make.random_pixels(16, 16, 3)).copy(interpretation="srgb")
    packed = bytes(pyvips.Operation.call("profile_load", "p3"))
    converted = []
    for icc in (profiles.of_codes(12, 13, 3), packed):
        tagged = image.copy()
        tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        converted.append(tagged.icc_transform("srgb", embedded=True).numpy().astype(int))
    assert np.abs(converted[0] - converted[1]).max() <= 2
    for codes in ((9, 1), (12, 8), (5, 5), (4, 4), (11, 17), (22, 13)):
        white = image.copy() * 0 + 255
        white = white.cast("uchar").copy(interpretation="srgb")
        white.set_type(pyvips.GValue.blob_type, "icc-profile-data", profiles.of_codes(*codes, 3))
        assert white.icc_transform("srgb", embedded=True, intent="relative").min() >= 254
