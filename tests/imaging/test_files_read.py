"""Reading picture files: pixels as Pillow decodes them, everything upright and whole, or one line that says why not."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest
import pyvips
from PIL import Image, ImageOps

from fourpass.errors import ImageError
from fourpass.imaging import files

RGB = make.random_pixels(50, 70, 3)
GRAY = make.random_pixels(50, 70)


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        (make.encode(RGB, "PNG"), 0),
        (make.encode(RGB, "JPEG", quality=90, subsampling=0), 1),
        (make.encode(RGB, "WEBP", lossless=True), 0),
        (make.encode(RGB, "TIFF", compression="tiff_lzw"), 0),
        (make.encode(RGB, "AVIF", quality=90, subsampling="4:4:4"), 2),
        (make.encode(RGB, "GIF"), 0),
        (make.encode(Image.fromarray(RGB).convert("P"), "PNG"), 0),
        (make.encode(Image.fromarray(RGB).convert("P"), "TIFF"), 0),
    ],
    ids=["png", "jpeg", "webp", "tiff", "avif", "gif", "png palette", "tiff palette"],
)
def test_colour_is_what_pillow_decodes(data: bytes, tolerance: int) -> None:
    picture = files.read(data)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert picture.frames.shape == (1, 50, 70, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.alpha is None
    assert np.abs(picture.pixels.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_gray_stays_gray(format: str) -> None:
    data = make.encode(GRAY, format)
    picture = files.read(data)
    assert picture.pixels.shape == (50, 70, 1)
    assert np.abs(picture.pixels[..., 0].astype(int) - np.asarray(Image.open(io.BytesIO(data)))).max() <= 1


def test_one_bit_is_black_and_white() -> None:
    bits = Image.fromarray(GRAY).convert("1")
    picture = files.read(make.encode(bits, "PNG"))
    assert np.array_equal(picture.pixels[..., 0], np.asarray(bits) * np.uint8(255))


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_16_bits_are_kept(bands: int) -> None:
    pixels = make.random_pixels(20, 30, bands, dtype=np.uint16)
    picture = files.read(make.png16(pixels))
    assert picture.header.depth == 16
    assert picture.pixels.dtype == np.uint16
    channels = 1 if bands < 3 else 3
    assert np.array_equal(picture.pixels, pixels[..., :channels])
    if bands in (2, 4):
        assert np.array_equal(picture.alpha, pixels[..., -1])


def test_10_bit_avif_has_a_white_that_is_white() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None, :, None].repeat(16, 0).repeat(3, 2)
    image = pyvips.Image.new_from_array(ramp).copy(interpretation="rgb16")
    picture = files.read(image.write_to_buffer(".avif", lossless=True, bitdepth=10, compression="av1"))
    assert picture.header.depth == 10
    assert picture.pixels.max() == 65535
    assert np.abs(picture.pixels.astype(int) - ramp).max() <= 65535 // 1023 + 1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_a_plane_of_its_own(mode: str) -> None:
    alpha = make.random_pixels(50, 70, seed=1)
    image = Image.fromarray(RGB).convert(mode)
    image.putalpha(Image.fromarray(alpha))
    picture = files.read(make.encode(image, "PNG"))
    assert np.array_equal(picture.alpha, alpha)
    assert np.array_equal(picture.pixels, np.asarray(image)[..., :-1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_and_reset(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    options = {"quality": 95, "subsampling": 0} if format == "JPEG" else {}
    data = make.encode(RGB, format, exif=exif.tobytes(), **options)
    picture = files.read(data)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert picture.pixels.shape == expected.shape
    assert picture.header.size == expected.shape[:2]
    assert files.probe(data).size == expected.shape[:2]
    assert np.abs(picture.pixels.astype(int) - expected).max() <= (2 if format in ("JPEG", "WEBP") else 0)
    assert picture.pixels.flags.c_contiguous
    read = Image.Exif()
    read.load(picture.header.metadata.exif)
    assert read.get(0x0112, 1) == 1
    assert read[0x010F] == "Maker"


def test_dpi_turns_with_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = make.encode(RGB, "TIFF", exif=exif, dpi=(300, 150))
    assert files.read(data).header.metadata.dpi == pytest.approx((150, 300))


def test_cmyk_goes_through_its_profile_to_srgb() -> None:
    inks = np.zeros((8, 40, 4), np.uint8)
    inks[:, 8:16, 0] = inks[:, 16:24, 1] = inks[:, 24:32, 2] = inks[:, 32:, 3] = 255
    for data in (make.encode(Image.fromarray(inks, "CMYK"), "TIFF"),):
        picture = files.read(data)
        white, cyan, magenta, yellow, black = (picture.pixels[4, at].astype(int) for at in (4, 12, 20, 28, 36))
        assert white.min() > 250
        assert black.max() < 60
        assert cyan[0] < 60 < 130 < cyan[2]
        assert magenta[1] < 60 < 120 < magenta[0]
        assert yellow[2] < 60 < 200 < yellow[0]
        assert b"RGB" in picture.header.metadata.icc[:40]


def test_inverted_cmyk_of_adobe_jpegs_is_understood() -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    data = make.encode(Image.fromarray(inks, "CMYK"), "JPEG")  # Pillow writes them inverted, with Adobe's marker
    assert files.read(data).pixels.min() > 250


@pytest.mark.parametrize("space", ["lab", "labs"])
def test_lab_becomes_srgb(space: str) -> None:
    image = pyvips.Image.new_from_array(RGB).copy(interpretation="srgb").colourspace(space)
    picture = files.read(image.write_to_buffer(".tif"))
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels.astype(int) / 257 - RGB).max() < 2


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_every_frame_of_an_animation_with_its_timing(format: str) -> None:
    frames = [make.random_pixels(30, 40, 3, seed=seed) for seed in range(3)]
    data = make.animation(
        frames, format, duration=[100, 250, 40], loop=3, **({"lossless": True} if format == "WEBP" else {})
    )
    picture = files.read(data)
    assert picture.frames.shape == (3, 30, 40, 3)
    assert picture.header.delays == (100, 250, 40)
    assert picture.header.loop == (3 if format == "WEBP" else 4)  # Pillow counts repeats in GIF, libvips plays
    reference = Image.open(io.BytesIO(data))
    for index in range(3):
        reference.seek(index)
        assert np.array_equal(picture.frames[index], np.asarray(reference.convert("RGB")))


def test_every_page_of_a_tiff() -> None:
    pages = [make.random_pixels(30, 40, 3, seed=seed) for seed in range(3)]
    picture = files.read(make.animation(pages, "TIFF"))
    assert np.array_equal(picture.frames, np.stack(pages))
    assert picture.header.delays == ()


def test_a_pyramid_is_its_largest_picture() -> None:
    image = pyvips.Image.new_from_array(make.random_pixels(256, 384, 3)).copy(interpretation="srgb")
    data = image.write_to_buffer(".tif", tile=True, pyramid=True, tile_width=64, tile_height=64)
    assert files.read(data).frames.shape == (1, 256, 384, 3)


def test_icc_xmp_iptc_texts_and_dpi() -> None:
    records = b"\x1c\x02\x78\x00\x05hello"
    jpeg = make.with_iptc(
        make.encode(RGB, "JPEG", icc_profile=b"x" * 200, xmp=b"<x:xmpmeta/>", dpi=(300, 300)), records
    )
    metadata = files.read(jpeg).header.metadata
    assert metadata.icc == b"x" * 200
    assert metadata.xmp == b"<x:xmpmeta/>"
    assert metadata.iptc == records
    assert metadata.dpi == pytest.approx((300, 300))
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a cat, steps 20")
    info.add_itxt("Titel", "Kätzchen")
    assert files.probe(make.encode(RGB, "PNG", pnginfo=info)).metadata.texts == (
        ("parameters", "a cat, steps 20"),
        ("Titel", "Kätzchen"),
    )
    assert files.probe(make.encode(RGB, "PNG")).metadata.present == frozenset()


def test_xmp_loses_its_own_orientation() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/><tiff:Orientation>8</tiff:Orientation></x:xmpmeta>'
    kept = files.read(make.encode(RGB, "JPEG", xmp=xmp)).header.metadata.xmp
    assert kept == xmp.replace(b"6", b"1").replace(b"8", b"1")


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    pixels = make.random_pixels(*size, 3)
    assert np.array_equal(files.read(make.encode(pixels, "PNG")).pixels, pixels)


def test_names_that_are_not_ascii_nor_utf8_nor_plain(tmp_path: Path) -> None:
    for name in ("Kätzchen 猫 😀.png", "a[page=2].png", "-o.png", "100%.png", os.fsdecode(b"caf\xe9.png")):
        path = tmp_path / name
        path.write_bytes(make.encode(RGB, "PNG"))
        assert np.array_equal(files.read(path).pixels, RGB)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF", "GIF"])
def test_large_files_are_read_on_where_the_header_ended(tmp_path: Path, format: str) -> None:
    """Texts and directories are read from the same file in between."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 280, 3)).astype(np.uint8)
    path = tmp_path / "large"
    path.write_bytes(make.encode(noise, format, **({"subsampling": "4:4:4"} if format == "AVIF" else {})))
    assert path.stat().st_size > 50_000
    picture = files.read(path)
    expected = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 1


def test_contents_decide_not_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "really.png").write_bytes(make.encode(GRAY, "JPEG"))
    assert files.probe(tmp_path / "really.png").format == "jpeg"


JPEG, PNG = make.encode(make.random_pixels(200, 300, 3), "JPEG"), make.encode(make.random_pixels(200, 300, 3), "PNG")
FRAMES = [RGB, GRAY[..., None].repeat(3, 2)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"just some words\n" * 20, "is a text file, not a picture"),
        ("überall Wörter ".encode() * 20, "is a text file, not a picture"),
        (b"<!DOCTYPE html><p>404", "is a web page"),
        (bytes(range(256)), "of an unknown kind"),
        (make.encode(RGB, "BMP"), "is a BMP"),
        (JPEG[: len(JPEG) // 2], "cut short or damaged"),
        (JPEG[:100], "cut short or damaged"),
        (PNG[: len(PNG) // 2], "cut short or damaged"),
        (PNG[:20], "cut short or damaged"),
        (PNG[:-400] + b"\0" + PNG[-399:], "cut short or damaged"),
        (make.encode(RGB, "WEBP")[:-500], "cut short or damaged"),
        (make.encode(RGB, "GIF")[:900], "cut short or damaged"),
        (make.encode(RGB, "TIFF")[:-500], "cut short or damaged"),
        (make.encode(RGB, "AVIF")[:-200], "cut short or damaged"),
        (make.animation(FRAMES, "PNG", duration=100), "is an animated PNG"),
        (make.animation(FRAMES, "AVIF"), "is an AVIF sequence"),
        (make.animation([RGB, GRAY[:20]], "TIFF"), "its 2 pages differ in size"),
        (make.encode(GRAY.astype(np.float32), "TIFF"), "floating point"),
        (make.encode(GRAY.astype(np.int32), "TIFF"), "32 bits"),
        (make.encode(Image.fromarray(RGB, "LAB"), "TIFF"), "8-bit Lab"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "this build of libvips cannot decode this HEIF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40), "a video"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named_in_one_line(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    for source in (path, data):
        with pytest.raises(ImageError) as caught:
            files.read(source, name=None if source is path else "bad.png")
        message = str(caught.value)
        assert says in message
        assert "bad.png: " in message
        assert "\n" not in message


def test_a_size_that_only_a_header_claims_is_refused_before_decoding() -> None:
    with pytest.raises(
        ImageError, match=r"200000x200000, 40,000 megapixels; the limit is 250; if you trust it, raise the limit$"
    ):
        files.read(make.png_claiming(200_000, 200_000), name="bomb.png")


def test_all_frames_count_for_the_limit() -> None:
    data = make.animation([make.random_pixels(30, 40, 3, seed=s) for s in range(3)], "GIF", duration=50)
    assert files.read(data, max_pixels=3600).header.frames == 3
    with pytest.raises(ImageError, match="40x30 in 3 frames"):
        files.read(data, max_pixels=3599)


def test_folder_missing_file_and_no_permission(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder; name a picture in it"):
        files.read(tmp_path)
    with pytest.raises(ImageError, match=r"absent\.png: no such file"):
        files.read(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        files.read("a\0b")


def test_items_whose_type_is_no_text_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    data = make.encode(RGB, "AVIF", exif=Image.Exif().tobytes())
    at = data.index(b"Exif")
    picture = files.read(data[:at] + b"E\x8fif" + data[at + 4 :], name="x")
    assert picture.header.metadata.unread == (r"item 'E\x8fif'",)
    assert capfd.readouterr().err == ""


def test_damaged_exif_is_left_out_not_fatal() -> None:
    tiff = make.encode(RGB, "TIFF", description="about")
    at = tiff.index(struct.pack("<HH", 270, 2)) + 8
    broken = tiff[:at] + b"\xff\xff\xff\x7f" + tiff[at + 4 :]
    assert np.array_equal(files.read(broken).pixels, RGB)
