"""What is in a file and not in its output is named, and nothing is in the output that was not in the file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest
from PIL import Image

from fourpass.errors import ImageError
from fourpass.imaging import exif, files, limits
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.picture import Header, Picture

RGB = make.random_pixels(24, 36, 3)
PRIVATE = dict.fromkeys(range(65000, 65004), "x")
EVERY = ("jpeg", "png", "webp", "tiff", "avif")
DESCRIPTION = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" %s</rdf:Description></rdf:RDF></x:xmpmeta>'
)


def lost(data: bytes, key: str) -> tuple[str, ...]:
    return limits.lost(files.probe(data, name="x"), key)


def block(**directories: dict[int, object]) -> bytes:
    """An EXIF block with fields of the first directory, and of those below it."""
    tags = Image.Exif()
    for tag, value in directories.get("first", {}).items():
        tags[tag] = value
    for name, pointer in {"exif": 0x8769, "gps": 0x8825}.items():
        if name in directories:
            tags[pointer] = directories[name]
    return tags.tobytes().removeprefix(b"Exif\0\0")


def rewritten(data: bytes, key: str, folder: Path) -> bytes:
    path = folder / "out"
    picture = files.read(data)
    files.write_rows(path, picture.frames, picture.header, key=key)
    return path.read_bytes()


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def in_jpeg(*segments: bytes) -> bytes:
    data = make.encode(RGB, "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


@pytest.mark.parametrize("key", EVERY)
def test_no_tag_is_dropped_because_a_library_does_not_know_it(tmp_path: Path, key: str) -> None:
    first = {11: "processing", 316: "host", 18246: 4, 18249: 75, 285: "page"}
    data = make.encode(RGB, "JPEG", exif=b"Exif\0\0" + block(first=first, exif={0x9400: 21, 0x9405: 3}))
    back = Image.Exif()
    back.load(files.read(rewritten(data, key, tmp_path)).header.metadata.exif)
    assert {tag: back.get(tag) for tag in first} == first
    assert set(back.get_ifd(0x8769)) >= {0x9400, 0x9405}
    assert lost(data, key) == ()


@pytest.mark.parametrize("key", ["png", "webp", "tiff", "avif", "jpeg"])
def test_exif_beyond_64_kib_is_kept_where_the_format_has_room(tmp_path: Path, key: str) -> None:
    large = block(first={270: "w" * 100_000, 271: "Maker"})
    data = make.encode(RGB, "WEBP", exif=large)
    back = files.read(rewritten(data, key, tmp_path)).header.metadata.exif
    if key == "jpeg":
        assert back is None
        assert lost(data, key) == ("EXIF",)
    else:
        assert exif.read(back).first == exif.read(large).first
        assert lost(data, key) == ()


def test_xmp_beyond_64_kib_to_jpeg_is_named(tmp_path: Path) -> None:
    data = make.encode(RGB, "WEBP", xmp=DESCRIPTION % (b'x:y="' + b"h" * 70_000 + b'">'))
    assert lost(data, "jpeg") == ("XMP",)
    assert lost(data, "png") == ()
    assert files.read(rewritten(data, "png", tmp_path)).header.metadata.xmp == files.probe(data).metadata.xmp


def test_exif_stays_where_it_was_byte_for_byte(tmp_path: Path) -> None:
    """Maker notes count offsets from the start of the block."""
    whole = block(first={271: "Canon"}, exif={0x927C: b"\x01\x00 absolute offsets" + bytes(range(64))})
    data = make.encode(RGB, "JPEG", exif=b"Exif\0\0" + whole)
    for key in ("jpeg", "png", "webp", "avif"):
        assert files.read(rewritten(data, key, tmp_path)).header.metadata.exif == whole
        assert lost(data, key) == ()


def test_a_maker_note_that_cannot_be_moved_is_left_out_of_a_tiff_and_named(tmp_path: Path) -> None:
    for note, moves in (
        (b"\x01\x00 absolute offsets", False),
        (b"Apple iOS\0\0\1MM", True),
        (b"Nikon\0\2\x11\0\0II", True),
    ):
        data = make.encode(RGB, "JPEG", exif=b"Exif\0\0" + block(exif={0x927C: note, 0x9003: "2020"}))
        assert lost(data, "tiff") == (() if moves else ("maker note",))
        tiff = rewritten(data, "tiff", tmp_path)
        fields = {entry.tag: entry.data for entry in exif.read(files.read(tiff).header.metadata.exif).exif}
        assert fields.get(0x927C) == (note if moves else None)
        assert fields[0x9003] == b"2020\0"
        assert lost(tiff, "jpeg") == ()  # it is not there any more


def test_stated_sizes_and_resolutions_follow_the_picture(tmp_path: Path) -> None:
    first = {0x0112: 6, 0x011A: 300.0, 0x011B: 150.0, 0x0128: 2}
    data = make.encode(RGB, "JPEG", exif=b"Exif\0\0" + block(first=first, exif={0xA002: 36, 0xA003: 24}))
    picture = files.read(data)
    header = picture.header.resized((72, 48))
    rows = picture.frames.repeat(2, 1).repeat(2, 2)
    files.write_rows(tmp_path / "out.jpg", rows, header)
    with Image.open(tmp_path / "out.jpg") as image:
        back = image.getexif()
    assert (back.get_ifd(0x8769)[0xA002], back.get_ifd(0x8769)[0xA003]) == (48, 72)
    assert (back[0x011A], back[0x011B], back[0x0112]) == (150, 300, 1)


@pytest.mark.parametrize("key", EVERY)
def test_nothing_is_made_up(tmp_path: Path, key: str) -> None:
    bare = rewritten(make.encode(RGB, "PNG"), key, tmp_path)
    assert files.probe(bare).metadata == PictureMetadata()
    for tag in (b"Exif", b"eXIf", b"EXIF", b"pHYs"):
        assert tag not in bare
    if key == "tiff":
        assert not {282, 283, 296} & set(Image.open(io.BytesIO(bare)).tag_v2)
    with_dpi = files.probe(rewritten(make.encode(RGB, "PNG", dpi=(300, 150)), key, tmp_path)).metadata
    assert with_dpi.dpi == pytest.approx((300, 150), rel=1e-4)
    if with_dpi.exif is not None:  # WebP and AVIF state it there, and nothing else
        fields = exif.read(with_dpi.exif)
        assert {entry.tag for entry in fields.first} == {0x011A, 0x011B, 0x0128}
        assert fields.exif == fields.gps == []


def test_webp_has_exif_without_the_prefix_of_jpeg(tmp_path: Path) -> None:
    data = make.encode(RGB, "JPEG", exif=b"Exif\0\0" + block(first={271: "Maker"}))
    webp = rewritten(data, "webp", tmp_path)
    at = webp.index(b"EXIF")
    assert webp[at + 8 : at + 12] in (b"II*\0", b"MM\0*")
    assert Image.open(io.BytesIO(webp)).getexif()[271] == "Maker"


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_orientation_in_xmp_alone_turns_the_picture(format: str) -> None:
    from PIL.PngImagePlugin import PngInfo

    packet = DESCRIPTION % b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6">'
    options: dict[str, object] = {"xmp": packet}
    if format == "PNG":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())  # type: ignore[attr-defined]
    elif format == "TIFF":
        options = {"tiffinfo": {700: packet}}
    picture = files.read(make.encode(RGB, format, **options))
    assert picture.header.size == (36, 24)
    assert b'Orientation="1"' in picture.header.metadata.xmp
    assert np.abs(picture.pixels.astype(int) - np.rot90(RGB, 3)).mean() < 6


def test_exif_decides_over_xmp() -> None:
    packet = DESCRIPTION % b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6">'
    data = make.encode(RGB, "JPEG", xmp=packet, exif=b"Exif\0\0" + block(first={0x0112: 3}))
    assert files.probe(data).size == (24, 36)


def test_exif_in_texts_of_old_pngs() -> None:
    from PIL.PngImagePlugin import PngInfo

    whole = b"Exif\0\0" + block(first={271: "Maker", 0x0112: 6})
    for kind in ("exif", "APP1"):
        info = PngInfo()
        digits = whole.hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        info.add_text(f"Raw profile type {kind}", f"\n{kind}\n{len(whole):8}\n{lines}\n", zip=True)
        header = files.probe(make.encode(RGB, "PNG", pnginfo=info))
        assert header.size == (36, 24)
        assert exif.read(header.metadata.exif).first[0].data == b"Maker\0"
        assert header.metadata.texts == ()


def test_comments(tmp_path: Path) -> None:
    jpeg = make.encode(RGB, "JPEG", comment=b"a caption")
    assert files.read(rewritten(jpeg, "jpeg", tmp_path)).header.metadata.comment == b"a caption"
    assert Image.open(io.BytesIO(rewritten(jpeg, "png", tmp_path))).info["Comment"] == "a caption"
    assert lost(jpeg, "webp") == ("comment",)
    gif = make.encode(Image.fromarray(RGB).convert("P"), "GIF", comment=b"a caption")
    assert files.probe(gif).metadata.comment == b"a caption"
    assert lost(gif, "gif") == ("comment",)


def test_xmp_of_a_gif(tmp_path: Path) -> None:
    packet = DESCRIPTION % b">"
    gif = make.encode(Image.fromarray(RGB).convert("P"), "GIF")
    at = gif.index(b"\x2c")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    gif = gif[:at] + b"\x21\xff\x0bXMP DataXMP" + packet + trailer + gif[at:]
    assert files.read(rewritten(gif, "png", tmp_path)).header.metadata.xmp == packet
    assert lost(gif, "gif") == ("XMP",)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (in_jpeg(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + b"<x/>")), "extended XMP"),
        (in_jpeg(segment(0xEB, b"JP\0\1\0\0\0\1jumb")), "content credentials or other JUMBF"),
        (in_jpeg(segment(0xEC, b"Ducky\0\1")), "APP12 segment"),
        (in_jpeg(segment(0xED, b"Photoshop 3.0\x008BIM\x07\xd0\0\0\0\0\0\x02ab")), "Photoshop image resources"),
        (in_jpeg(segment(0xE1, b"Exif\0\0" + block(first={271: "a"})) * 2), "further EXIF"),
        (make.encode(RGB, "JPEG") + b"\0\0\0\x18ftypmp42" + bytes(99), "the video of the motion photo"),
        (make.animation([RGB, RGB], "MPO"), "the further pictures in the file (MPO)"),
        (make.encode(RGB, "JPEG", xmp=b"<x y='hdr-gain-map'/>") + make.encode(RGB, "JPEG"), "the gain map (HDR)"),
        (make.encode(RGB, "JPEG") + b"left over", "9 bytes behind the picture"),
        (make.encode(RGB, "TIFF", tiffinfo={33550: (10.0, 10.0, 0.0), 33922: (0.0,) * 6}), "GeoTIFF"),
        (make.encode(RGB, "TIFF", tiffinfo={65000: "private"}), "TIFF tag 65000"),
        (make.encode(RGB, "TIFF", tiffinfo=PRIVATE), "TIFF tags 65000, 65001, 65002 and 1 more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_no_format_keeps_is_named(data: bytes, says: str) -> None:
    for key in ("jpeg", "tiff"):
        assert says in lost(data, key)


def test_chunks_that_nobody_knows_are_named() -> None:
    png = make.encode(RGB, "PNG")
    assert lost(png[:33] + make.png_chunk(b"caBX", b"jumb") + png[33:], "png") == ("PNG chunk caBX",)
    assert lost(png[:33] + make.png_chunk(b"tIME", bytes(7)) + png[33:], "png") == ()


def test_texts_and_documents(tmp_path: Path) -> None:
    tiff = make.encode(RGB, "TIFF", tiffinfo={269: "document", 270: "description", 285: "page"})
    assert lost(tiff, "tiff") == ()
    assert Image.open(io.BytesIO(rewritten(tiff, "tiff", tmp_path))).tag_v2[269] == "document"


def test_xmp_claims_no_video_and_no_gain_map_that_is_gone(tmp_path: Path) -> None:
    packet = DESCRIPTION % (
        b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
        b' xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        b' GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion=\'1\' GCamera:Other="2" hdrgm:Version="1.0"'
        b' dc:source="a camera"><Container:Directory><rdf:Seq><rdf:li/></rdf:Seq></Container:Directory>'
    )
    data = make.encode(RGB, "JPEG", xmp=packet) + b"\0\0\0\x18ftypmp42" + bytes(99)
    kept = files.read(rewritten(data, "jpeg", tmp_path)).header.metadata.xmp
    for gone in (b"MotionPhoto", b"Version", b"Directory"):
        assert gone not in kept
    for stays in (b'GCamera:Other="2"', b'dc:source="a camera"', b"</rdf:Description>"):
        assert stays in kept
    assert lost(data, "jpeg") == ("the video of the motion photo",)


def test_soft_transparency_to_gif() -> None:
    soft, hard = np.full((24, 36), 100, np.uint8), np.zeros((24, 36), np.uint8)
    assert limits.lost_pixels(Picture.of(RGB, soft), "gif") == ("soft transparency (now on or off)",)
    assert limits.lost_pixels(Picture.of(RGB, hard), "gif") == ()
    assert limits.lost_pixels(Picture.of(RGB, soft), "png") == ()
    assert limits.lost_pixels(Picture.of(RGB), "gif") == ()


def test_strip_is_no_loss_of_metadata_but_of_pictures() -> None:
    data = make.encode(RGB, "JPEG", comment=b"x", exif=b"Exif\0\0" + block(first={271: "a"})) + b"\0\0\0\x18ftypmp42"
    assert limits.lost(files.probe(data), "webp", strip=True) == ("the video of the motion photo",)


def test_a_page_that_is_a_mask_is_no_picture() -> None:
    mask = Image.fromarray(RGB[..., 0] > 90)
    data = make.encode(RGB, "TIFF", save_all=True, append_images=[mask])
    second = data.index(struct.pack("<HHI", 262, 3, 1) + b"\1\0", 8)
    assert second > 0
    stream = bytearray(data)
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    at = int.from_bytes(data[first + 2 + 12 * count :][:4], "little")
    stream[at + 2 : at + 14] = struct.pack("<HHII", 254, 4, 1, 4)  # in place of the first field, the width
    picture = files.read(bytes(stream))
    assert picture.header.frames == 1
    assert np.array_equal(picture.pixels, RGB)
    assert picture.header.left_out == ("the transparency mask on a page of its own",)


def test_more_pages_with_tags_of_their_own_are_named() -> None:
    pages = [Image.fromarray(make.random_pixels(9, 9, seed=seed)) for seed in range(2)]
    assert lost(make.encode(pages[0], "TIFF", save_all=True, append_images=pages[1:], description="each"), "tiff") == (
        "tags of the pages after the first",
    )


def test_hdr_is_refused_by_formats_that_would_show_it_wrong() -> None:
    hdr = Header("png", 9, 9, depth=16, metadata=PictureMetadata(cicp=(9, 16)))
    for key in ("jpeg", "webp", "tiff", "gif"):
        with pytest.raises(ImageError, match=r"the picture is HDR \(PQ\), which .* cannot say; write .png or .avif"):
            limits.check(hdr, key, "x")
    for key in ("png", "avif"):
        limits.check(hdr, key, "x")
