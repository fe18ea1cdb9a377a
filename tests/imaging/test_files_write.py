"""Writing picture files: pixels and everything beside them come back, or are refused before any work."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest
import pyvips
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from fourpass.disk import atomic
from fourpass.errors import ImageError
from fourpass.imaging import exif, files, limits, tiff_tags, writer
from fourpass.imaging.budget import Budget
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.picture import Header, Picture

RGB = make.random_pixels(50, 70, 3)
ALPHA = make.random_pixels(50, 70, seed=1)
RECORDS = b"\x1c\x02\x78\x00\x05hello\x1c\x02\x50\x00\x02me"


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "avif", "gif"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_8_bits_come_back(tmp_path: Path, suffix: str, bands: int) -> None:
    pixels = make.random_pixels(37, 41, 4, seed=bands)
    colours = pixels[..., : 1 if bands < 3 else 3]
    # GIF: a shape cut out, and few colours
    alpha = np.where(pixels[..., 3] > 127, 255, 0).astype(np.uint8) if suffix == "gif" else pixels[..., 3]
    if suffix == "gif":
        colours = colours // 64 * 64
    path = tmp_path / f"out.{suffix}"
    files.write(path, Picture.of(colours, alpha if bands in (2, 4) else None), quality=100)
    back = files.read(path)
    shown = alpha > 0 if bands in (2, 4) else np.full((37, 41), True)
    difference = back.pixels.astype(int) - colours
    assert np.abs(difference[shown]).max() == 0
    if bands in (2, 4):
        assert np.array_equal(back.alpha, alpha)
    if suffix in ("png", "tif"):
        assert back.header.channels == colours.shape[2]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_16_bits_come_back(tmp_path: Path, suffix: str, bands: int) -> None:
    pixels = make.random_pixels(37, 41, 4, dtype=np.uint16)
    picture = Picture.of(pixels[..., : 1 if bands < 3 else 3], pixels[..., 3] if bands in (2, 4) else None)
    files.write(tmp_path / f"out.{suffix}", picture)
    back = files.read(tmp_path / f"out.{suffix}")
    assert back.header.depth == 16
    assert np.array_equal(back.pixels, picture.pixels)
    if bands in (2, 4):
        assert np.array_equal(back.alpha, picture.alpha)


def test_fewer_bits_are_rounded_not_cut(tmp_path: Path) -> None:
    ramp = np.arange(0, 65536, 16).astype(np.uint16).reshape(64, 64)
    files.write(tmp_path / "out.webp", np.stack([ramp] * 3, 2), quality=100)
    back = files.read(tmp_path / "out.webp").pixels[..., 0]
    assert np.array_equal(back, np.floor(ramp / 257 + 0.5))
    header = Picture.of(ramp).header
    assert limits.lost(header, "webp") == ("16 bits a channel (now 8)",)
    assert limits.lost(header, "png") == ()


def test_avif_takes_12_of_16_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    files.write(tmp_path / "out.avif", np.stack([ramp] * 3, 2), quality=100)
    back = files.read(tmp_path / "out.avif")
    assert back.header.depth == 12
    assert np.abs(back.pixels[..., 0].astype(int) - ramp).max() <= 65535 / 4095 / 2 + 1


def test_jpeg_at_its_usual_quality_keeps_colour_edges(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 31:, 0] = 255
    files.write(tmp_path / "out.jpg", pixels)
    assert np.abs(files.read(tmp_path / "out.jpg").pixels.astype(int) - pixels).max() < 12


def whole_metadata() -> PictureMetadata:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x013B] = 6, "Maker", "Jürgen".encode()
    tags[0x8769] = {0x9003: "2020:01:02 03:04:05", 0x829A: IFDRational(1, 125), 0x927C: b"Apple iOS\0\0\1"}
    tags[0x8825] = {1: "N", 2: (48.0, 12.0, 3.25)}
    block = exif.upright(tags.tobytes().removeprefix(b"Exif\0\0"), 6)
    from PIL import ImageCms

    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    texts = (("parameters", "a cat"), ("Titel", "Kätzchen 猫"))
    return PictureMetadata(icc, block, b"<x:xmpmeta/>", RECORDS, (300.0, 150.0), texts)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "gif"])
def test_metadata_comes_back(tmp_path: Path, suffix: str) -> None:
    kept = whole_metadata()
    path = tmp_path / f"out.{suffix}"
    picture = Picture.of(RGB, metadata=kept)
    files.write(path, picture)
    back = files.read(path).header.metadata
    format = limits.FORMATS[files.probe(path).format]
    missing = {"iptc": ("webp", "avif", "gif"), "texts": ("jpg", "webp", "tif", "avif", "gif")}
    for part in ("icc", "xmp", "iptc", "texts"):
        expected = getattr(kept, part) if part in format.keeps else getattr(PictureMetadata(), part)
        assert (part not in format.keeps) == (suffix in missing.get(part, ("gif",)))
        assert getattr(back, part) == expected, part
    assert back.dpi == (pytest.approx((300, 150), rel=1e-4) if suffix != "gif" else None)
    if suffix == "gif":
        assert "EXIF" in limits.lost(picture.header, "gif")
        return
    for read in (Image.open(io.BytesIO(path.read_bytes())).getexif(), _loaded(back.exif)):
        assert read[0x010F] == "Maker"
        assert read.get(0x0112, 1) == 1
        assert read.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert read.get_ifd(0x8769)[0x829A] == pytest.approx(1 / 125)
        assert read.get_ifd(0x8769)[0x927C] == b"Apple iOS\0\0\1"
        assert read.get_ifd(0x8825)[2] == (48.0, 12.0, 3.25)
    assert "Jürgen".encode() in path.read_bytes()


def _loaded(block: bytes) -> Image.Exif:
    read = Image.Exif()
    read.load(block)
    return read


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_thumbnails_are_not_kept(tmp_path: Path, suffix: str) -> None:
    """They would lie on their side, and show the picture before it was upscaled."""
    thumbnail = make.encode(RGB[:16, :16], "JPEG")
    first = [(0x0112, 3, 6), (0x0100, 4, 70)]
    second = [(0x0103, 3, 6), (0x0201, 4, 0), (0x0202, 4, len(thumbnail))]
    start = 8 + 2 + 12 * len(first) + 4
    second[1] = (0x0201, 4, start + 2 + 12 * len(second) + 4)
    block = b"II*\0\x08\0\0\0"
    for entries, following in ((first, start), (second, 0)):
        block += struct.pack("<H", len(entries)) + b"".join(
            struct.pack("<HHII", *each[:2], 1, each[2]) for each in entries
        )
        block += struct.pack("<I", following)
    data = make.encode(RGB, "JPEG", exif=b"Exif\0\0" + block + thumbnail)
    assert thumbnail in data
    files.write(tmp_path / f"out.{suffix}", files.read(data))
    assert thumbnail not in (tmp_path / f"out.{suffix}").read_bytes()


def test_metadata_survives_a_round_of_formats(tmp_path: Path) -> None:
    """IPTC lies in a different wrapping in each of them, EXIF in TIFF even in the file's own directories."""
    picture = Picture.of(RGB, metadata=whole_metadata())
    for number, suffix in enumerate(("jpg", "tif", "png", "tif", "jpg")):
        path = tmp_path / f"{number}.{suffix}"
        files.write(path, picture)
        picture = files.read(path)
    assert picture.header.metadata.iptc == RECORDS
    assert picture.header.metadata.dpi == pytest.approx((300, 150), rel=1e-4)
    read = _loaded(picture.header.metadata.exif)
    assert read.get_ifd(0x8825)[2] == (48.0, 12.0, 3.25)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_strip_leaves_pixels_and_colour_profile(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    files.write(path, Picture.of(RGB, metadata=whole_metadata()), strip=True)
    data = path.read_bytes()
    back = files.read(path).header.metadata
    assert back.present - {"dpi"} == {"icc"}
    assert back.dpi in (None, (72.0, 72.0))  # TIFF has to say something
    assert b"Maker" not in data
    assert b"Apple iOS" not in data
    assert b"hello" not in data
    assert b"a cat" not in data


def test_a_damaged_profile_does_not_stop_the_picture(tmp_path: Path) -> None:
    cmyk = bytes(pyvips.Operation.call("profile_load", "cmyk"))
    for icc in (b"x" * 200, whole_metadata().icc[:200], cmyk):
        picture = Picture.of(RGB, metadata=PictureMetadata(icc=icc))
        assert limits.lost(picture.header, "png") == ("ICC profile (damaged, or for other channels)",)
        for suffix in ("png", "jpg", "webp", "tif", "avif", "gif"):
            files.write(tmp_path / f"out.{suffix}", picture)
            assert files.probe(tmp_path / f"out.{suffix}").size == (50, 70)


def test_nothing_is_made_up(tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "webp", "tif", "avif", "gif"):
        path = tmp_path / f"out.{suffix}"
        files.write(path, RGB)
        assert files.read(path).header.metadata.present <= {"dpi"}
        assert b"Exif" not in path.read_bytes()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["little", "big"])
def test_exif_into_foreign_tiffs(order: str, big: bool) -> None:
    """Tiles, byte orders and page chains of other programs survive; Pillow reads the result."""
    pages = [make.random_pixels(16, 24, seed=seed) for seed in range(2)]
    stream = io.BytesIO(make.gray_tiff(pages, order, big))
    block = whole_metadata().exif
    tiff_tags.finish(stream, PictureMetadata(exif=block, iptc=RECORDS))
    found = tiff_tags.scan(stream, Budget())
    back = found.exif
    assert found.iptc == RECORDS
    assert _loaded(back).get_ifd(0x8825)[2] == (48.0, 12.0, 3.25)
    assert _loaded(back)[0x010F] == "Maker"
    assert np.array_equal(files.read(stream.getvalue()).frames[..., 0], np.stack(pages))
    if not big:
        assert Image.open(io.BytesIO(stream.getvalue())).getexif().get_ifd(0x8769)[0x829A] == pytest.approx(1 / 125)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animations_come_back_with_their_timing(tmp_path: Path, suffix: str) -> None:
    frames = np.stack([make.random_pixels(30, 40, 3, seed=seed) // 64 * 64 for seed in (0, 1, 1)])
    header = Header("", 40, 30, frames=3, delays=(100, 250, 40), loop=3)
    files.write(tmp_path / f"out.{suffix}", Picture(header, frames), quality=100)
    back = files.read(tmp_path / f"out.{suffix}")
    assert sum(back.header.delays) == 390
    assert back.header.loop == 3
    if suffix == "gif":
        assert back.header.delays == (100, 250, 40)
        assert np.abs(back.frames.astype(int) - frames).max() == 0
    reference = Image.open(io.BytesIO((tmp_path / f"out.{suffix}").read_bytes()))
    assert reference.is_animated


def test_long_animations_and_tall_stacks(tmp_path: Path) -> None:
    """Frames are handed to libvips one below another; together they are taller than any single picture may be."""
    rows = (np.full((16_000, 1, 3), value, np.uint8) for value in range(70))
    header = Header("", 1, 16_000, frames=70, delays=(20,) * 70)
    files.write_rows(tmp_path / "out.webp", rows, header, quality=100)
    assert files.probe(tmp_path / "out.webp").frames == 70


def test_pages_of_a_tiff_come_back(tmp_path: Path) -> None:
    pages = np.stack([make.random_pixels(30, 40, 4, dtype=np.uint16, seed=seed) for seed in range(3)])
    header = Header("", 40, 30, alpha=True, depth=16, frames=3, metadata=whole_metadata())
    files.write(tmp_path / "out.tif", Picture(header, pages[..., :3], pages[..., 3]))
    back = files.read(tmp_path / "out.tif")
    assert np.array_equal(back.frames, pages[..., :3])
    assert np.array_equal(back.alphas, pages[..., 3])
    assert back.header.metadata.iptc == RECORDS


def test_gif_of_another_colour_space_becomes_srgb(tmp_path: Path) -> None:
    p3 = bytes(pyvips.Operation.call("profile_load", "p3"))
    pixels = np.zeros((16, 16, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    files.write(tmp_path / "out.gif", Picture.of(pixels, metadata=PictureMetadata(icc=p3)))
    red, green, blue = files.read(tmp_path / "out.gif").pixels[8, 8]
    assert red > 210
    assert green < 100
    assert blue < 45


def header(**changes: object) -> Header:
    return replace(Header("png", 100, 80), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "key", "quality", "says"),
    [
        (header(width=20_000), "webp", None, "20000x80 is beyond WebP's limit of 16,383 .*write .jpg or .png or "),
        (header(height=70_000), "jpeg", None, "beyond JPEG's limit of 65,500 .*write .png or .tif"),
        (header(width=16_000, height=16_000), "avif", None, "256 megapixels .*write .jpg or .png or .tif"),
        (header(width=8_000, height=8_000), "webp", 100, "64 megapixels are more than the 45 .* with losslessly"),
        (header(alpha=True), "jpeg", None, "JPEG has no transparency.*write .png or .webp or .tif or .avif or .gif"),
        (header(frames=3, delays=(1, 2, 3)), "png", None, "3 frames do not fit into one PNG; write .webp or .gif"),
        (header(frames=3, delays=(1, 2, 3)), "tiff", None, "TIFF cannot hold how long .*; write .webp or .gif"),
        (header(frames=3), "gif", None, "3 pages without timing are no animation.*; write .tif"),
        (header(width=2_000_000), "png", None, "make it smaller, or crop"),
        (header(), "jpeg", 101, "quality 101 is not within 1..100"),
        (header(), "jpeg", 0, "quality 0 is not within 1..100"),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_refused_first(
    tmp_path: Path, said: Header, key: str, quality: int | None, says: str
) -> None:
    with pytest.raises(ImageError, match=says):
        limits.check(said, key, "x", quality)

    def bands() -> Iterator[np.ndarray]:
        raise AssertionError("work began")
        yield

    with pytest.raises(ImageError, match=says):
        files.write_rows(tmp_path / "x", bands(), said, key=key, quality=quality)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("out", "no suffix"), ("out.bmp", ".bmp: not a format"), ("out.heic", "HEIF is read but not written; use .avif")],
)
def test_suffixes_that_are_not_written(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        files.write(tmp_path / name, RGB)


def test_arrays_that_are_no_pictures(tmp_path: Path) -> None:
    for array in (RGB[..., :2], RGB.astype(np.float32), RGB[:0], RGB[None]):
        with pytest.raises(ImageError, match=r"is not|not one of"):
            files.write(tmp_path / "out.png", array)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "gif"])
def test_the_old_file_stays_when_making_rows_fails(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    path.write_bytes(b"old")

    def bands() -> Iterator[np.ndarray]:
        yield RGB[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_rows(path, bands(), Picture.of(RGB).header)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == [path.name]


def test_bands_that_do_not_add_up_are_noticed(tmp_path: Path) -> None:
    said = Picture.of(RGB).header
    for bands in ([RGB[:20]], [RGB, RGB[:1]], [RGB[:, :5]], [RGB.astype(np.uint16)]):
        with pytest.raises(ValueError, match=r"rows together|band of"):
            files.write_rows(tmp_path / "out.png", bands, said)
    assert leftovers(tmp_path) == []


def test_replaced_files_keep_their_mode_and_links_stay_links(tmp_path: Path) -> None:
    path = tmp_path / "real.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    (tmp_path / "link.png").symlink_to(path)
    files.write(tmp_path / "link.png", RGB)
    assert (tmp_path / "link.png").is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert np.array_equal(files.read(path).pixels, RGB)


def test_folders_are_made_and_things_in_the_way_are_named(tmp_path: Path) -> None:
    files.write(tmp_path / "a" / "b" / "out.png", RGB)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageError, match=r"out\.png: cannot be written \(.*\); write to another folder$"):
        files.write(tmp_path / "file" / "out.png", RGB)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=r"folder\.png: is a folder, where a picture is to be written"):
        files.write(tmp_path / "folder.png", RGB)
    with pytest.raises(ImageError, match=r"/dev/null: is not a regular file"):
        files.write_rows("/dev/null", [RGB], Picture.of(RGB).header, key="png")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="wants Linux's /proc")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"/proc/out\.png: cannot be written"):
        files.write("/proc/out.png", RGB)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="wants Linux's /dev/full")
@pytest.mark.parametrize("key", ["jpeg", "png", "webp", "tiff", "avif", "gif"])
def test_a_full_disk_is_called_so(key: str) -> None:
    with (
        open("/dev/full", "r+b", buffering=0) as stream,
        pytest.raises(ImageError, match=r"^x: the disk is full; free some space, or write to another$"),
    ):
        writer.encode(stream, [RGB], Picture.of(RGB).header, key, name="x")


@pytest.mark.skipif(sys.platform == "win32", reason="wants a limit on the size of files")
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_a_disk_that_fills_up_leaves_the_old_file_and_no_other(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    path.write_bytes(b"old")
    script = (
        "import resource, sys, numpy as np; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from fourpass.imaging import files;"
        "from fourpass.errors import ImageError;"
        "noise = np.random.default_rng(0).integers(0, 255, (2000, 300, 3)).astype(np.uint8)\n"
        "try: files.write(sys.argv[1], noise)\n"
        "except ImageError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert "larger than files may be here" in done.stdout
    assert done.stdout.count("\n") == 1
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == [path.name]


def test_temporary_files_lie_beside_and_are_hidden(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "x.png") as stream:
        (name,) = leftovers(tmp_path)
        assert name.startswith(".fourpass-")
        assert name.endswith(".tmp")
        stream.write(b"new")
    assert leftovers(tmp_path) == ["x.png"]
    assert (tmp_path / "x.png").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
