"""Make the small files that fuzzing starts from: every format that is read, with every kind of metadata in it.

python tests/imaging/make_seeds.py writes them into tests/imaging/seeds. They show colours made by a random generator.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import picture_bytes as make
import pyvips
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fourpass.imaging import files, profiles
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.picture import Header, Picture

FOLDER = Path(__file__).parent / "seeds"
RGB = make.random_pixels(12, 16, 3)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" '
    b'xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="1" '
    b'xmlns:C="http://ns.google.com/photos/1.0/container/"><C:Directory><rdf:Seq/></C:Directory>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x78\x00\x05hello"


def exif() -> bytes:
    """A block with every directory, a maker note and a thumbnail's place."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x4746] = 6, "Maker", 4
    tags[0x011A], tags[0x011B], tags[0x0128] = 300.0, 150.0, 2
    tags[0x8769] = {
        0x9003: "2020:01:02 03:04:05",
        0xA002: 16,
        0xA003: 12,
        0x927C: b"Apple iOS\0\0\1MM\0\1",
        0xA005: {1: "R98"},
    }
    tags[0x8825] = {1: "N", 2: (48.0, 12.0, 3.25)}
    return tags.tobytes().removeprefix(b"Exif\0\0")


def seeds() -> dict[str, bytes]:
    """Return name -> file."""
    icc = profiles.of_codes(12, 13, 3)
    assert icc is not None
    kept = PictureMetadata(
        icc, exif(), XMP, IPTC, (300.0, 150.0), (("parameters", "a cat"), ("Titel", "Kätzchen 猫")), b"hi"
    )
    alpha = make.random_pixels(12, 16)
    found = {}
    for suffix in ("jpg", "png", "webp", "tif", "avif"):
        found[f"all.{suffix}"] = _written(Picture.of(RGB, metadata=kept), suffix)
    for suffix in ("png", "webp", "tif", "avif", "gif"):
        found[f"alpha.{suffix}"] = _written(Picture.of(RGB, alpha), suffix)
    deep = make.random_pixels(12, 16, 3, dtype=np.uint16)
    for suffix in ("png", "tif", "avif"):
        found[f"deep.{suffix}"] = _written(
            Picture.of(deep, metadata=PictureMetadata(cicp=(9, 16)) if suffix != "tif" else None), suffix
        )
    frames = np.stack([make.random_pixels(8, 8, 3, seed=seed) for seed in range(3)])
    for suffix in ("gif", "webp"):
        header = Header("", 8, 8, frames=3, delays=(20, 30, 40))
        found[f"frames.{suffix}"] = _written(Picture(header, frames), suffix)
    found["pages.tif"] = _written(Picture(Header("", 8, 8, frames=3), frames), "tif")
    found["big_endian.tif"] = make.gray_tiff([RGB[..., 0]], "big", False)
    found["bigtiff.tif"] = make.gray_tiff([RGB[..., 0]] * 2, "little", True)
    found["progressive.jpg"] = make.encode(RGB, "JPEG", progressive=True, exif=b"Exif\0\0" + exif(), xmp=XMP)
    found["cmyk.jpg"] = make.encode(Image.fromarray(RGB).convert("CMYK"), "JPEG")
    found["no_end.jpg"] = make.encode(RGB, "JPEG", comment="hello")[:-2]
    found["motion.jpg"] = make.encode(RGB, "JPEG", xmp=XMP) + b"\0\0\0\x18ftypmp42" + bytes(20)
    found["frames.mpo"] = make.encode(RGB, "MPO", save_all=True, append_images=[Image.fromarray(RGB[::-1].copy())])
    found["palette.png"] = make.encode(Image.fromarray(RGB).convert("P"), "PNG", transparency=3)
    found["interlaced.png"] = _vips(RGB, ".png", interlace=True)
    info = PngInfo()
    info.add_text("Software", "x", zip=True)
    info.add_itxt("Titel", "Kätzchen", zip=True)
    info.add_text("Raw profile type exif", f"\nexif\n{len(exif()) + 6:8}\n{(b'Exif' + bytes(2) + exif()).hex()}\n")
    old = make.encode(RGB[..., 0], "PNG", pnginfo=info)
    colour = make.png_chunk(b"gAMA", struct.pack(">I", 100_000)) + make.png_chunk(
        b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
    )
    found["texts.png"] = old[:33] + colour + old[33:]
    gif = make.encode(Image.fromarray(RGB).convert("P"), "GIF", comment=b"hello")
    xmp = b"\x21\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    at = gif.index(b"\x21\xfe")
    found["comment.gif"] = gif[:at] + xmp + gif[at:]
    found["tiles.tif"] = _vips(
        make.random_pixels(48, 64, 3), ".tif", tile=True, tile_width=16, tile_height=16, pyramid=True
    )
    found["lab.tif"] = (
        pyvips.Image.new_from_array(RGB).copy(interpretation="srgb").colourspace("labs").write_to_buffer(".tif")
    )
    found["palette.tif"] = make.encode(Image.fromarray(RGB).convert("P"), "TIFF", compression="tiff_lzw")
    found["header.heic"] = found["all.avif"].replace(b"ftypavif", b"ftypheic").replace(b"av01", b"hvc1")
    return found


def _written(picture: Picture, suffix: str) -> bytes:
    path = FOLDER / f"new.{suffix}"
    files.write(path, picture, quality=100 if suffix in ("webp", "avif") else None)
    data = path.read_bytes()
    path.unlink()
    return data


def _vips(pixels: np.ndarray, suffix: str, **options: object) -> bytes:
    return bytes(pyvips.Image.new_from_array(pixels).copy(interpretation="srgb").write_to_buffer(suffix, **options))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (FOLDER / name).write_bytes(data)
        if name != "header.heic":
            files.read(data, name=name)
        print(name, len(data))
