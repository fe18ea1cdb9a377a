"""Open and decode picture files with libvips: reject, convert, and list frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final

import numpy as np
import pyvips
from numpy.typing import NDArray

from fourpass.errors import ImageError
from fourpass.imaging import avif, formats, gif_blocks, jpeg_segments, metadata, png_chunks, tiff_tags, webp_chunks
from fourpass.imaging.budget import MOST, MOST_FRAMES, Budget
from fourpass.imaging.failures import DAMAGED, refusal
from fourpass.imaging.found import FoundParts
from fourpass.imaging.picture import Header, Picture, Pixels
from fourpass.imaging.splice import Spliced


def _text(pointer: Any) -> str:
    """Turn a message of libvips into text; pyvips's own way stumbles, loudly, over the bytes of damaged files."""
    return "" if pointer == pyvips.ffi.NULL else bytes(pyvips.ffi.string(pointer)).decode("utf-8", "replace")


pyvips._to_string = pyvips.error._to_string = _text  # what its handler of warnings calls, and its errors

_LOADERS: Final = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "webp": "webpload_source",
    "tiff": "tiffload_source",
    "avif": "heifload_source",
    "heif": "heifload_source",
    "gif": "gifload_source",
    "jxl": "jxlload_source",
    "jp2": "jp2kload_source",
    "ppm": "ppmload_source",
    "bmp": "magickload_buffer",
}
_SCANS: Final[Mapping[str, Callable[[BinaryIO, Budget], FoundParts]]] = {
    "jpeg": jpeg_segments.scan,
    "png": png_chunks.scan,
    "webp": webp_chunks.scan,
    "tiff": tiff_tags.scan,
    "avif": avif.scan,
    "heif": avif.scan,
    "gif": gif_blocks.scan,
}
_BLOBS: Final = {"icc": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}
_KINDS: Final = {"float": "floating point", "double": "floating point", "int": "32 bits", "uint": "32 bits"}
_LAB: Final = ("lab", "labs", "labq")


@dataclass(frozen=True)
class _Opened:
    """A file that libvips has opened, and what was found besides the pixels.

    Attributes:
        image: its pixels are decoded when they are asked for, from top to bottom.
        found: what else is there.
        source: that the image reads from, which has to live as long.
    """

    image: pyvips.Image
    found: FoundParts
    source: Any


def header(stream: BinaryIO, key: str, name: str, max_pixels: int) -> Header:
    """Read what an open file says of its picture; decodes nothing, but HEIF, which says too little of what it is.

    Args:
        stream: the file.
        key: its format, in `formats.FORMATS`.
        name: what messages call it.
        max_pixels: the most that its frames may have together.

    Raises:
        ImageError: as `files.read`.
    """
    opened = _open(stream, key, name)
    said = _said(opened, key, name, max_pixels)
    if key == "heif":
        _decoded(opened.image, said, name, key)
    return said


def decode(stream: BinaryIO, key: str, name: str, max_pixels: int) -> Picture:
    """Read a picture from an open file; arguments and errors as `header` has them."""
    opened = _open(stream, key, name)
    said = _said(opened, key, name, max_pixels)
    turn = metadata.orientation(opened.found, key)
    image = opened.image
    if opened.found.icc and image.interpretation == "cmyk":
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", opened.found.icc)
    pixels = _decoded(image, said, name, key)
    if said.depth in (10, 12):  # libvips leaves the low bits 0, so that white would not be white
        pixels = pixels | (pixels >> said.depth)
    shape = said.size if turn < 5 else said.size[::-1]
    frames = _turned(pixels.reshape(said.frames, *shape, said.bands), turn)
    if not said.alpha:
        return Picture(said, np.ascontiguousarray(frames))
    return Picture(said, np.ascontiguousarray(frames[..., :-1]), np.ascontiguousarray(frames[..., -1]))


def _decoded(image: pyvips.Image, said: Header, name: str, key: str) -> NDArray[Any]:
    try:
        return np.frombuffer(_as_rgb(image, deep=said.depth > 8).write_to_memory(), said.dtype)
    except pyvips.Error as error:
        raise refusal(name, key, error) from None


def _open(stream: BinaryIO, key: str, name: str) -> _Opened:
    """Open a picture, every frame of it."""
    if key not in _SCANS and not _has_loader(_LOADERS[key]):
        raise ImageError(
            f"is a {formats.FORMATS[key].name}, which this build of libvips does not read",
            subject=name,
            hint="convert it to PNG first, for example with ImageMagick",
        )
    budget = Budget()
    try:
        found = _SCANS[key](stream, budget) if key in _SCANS else FoundParts(Spliced(stream, [(0, 2**62)]))
    except ImageError as error:
        raise error.about(name) from None
    except OSError as error:
        raise ImageError(
            f"cannot be read ({error.strerror or error})", subject=name, hint="check the disk it is on"
        ) from None
    if budget.exceeded:
        found.note(f"metadata beyond {MOST >> 20} MiB")
    if found.frames > MOST_FRAMES:
        raise ImageError(
            f"has more than {MOST_FRAMES:,} frames", subject=name, hint="split it into several files first"
        )
    options: dict[str, Any] = {"access": "sequential", "fail_on": "warning" if found.mended else "error"}
    if formats.FORMATS[key].frames:
        options["n"] = -1
    whole = _LOADERS[key].endswith("_buffer")  # ImageMagick takes no streams
    source = found.view.read(len(found.view)) if whole else found.view.source()
    try:
        image: pyvips.Image = getattr(pyvips.Image, _LOADERS[key])(source, **options)
    except pyvips.Error as error:
        raise refusal(name, key, error) from None
    if key not in _SCANS:
        names = set(image.get_fields())
        for part, field in _BLOBS.items():
            if field in names:
                setattr(found, part, bytes(image.get(field)).removeprefix(b"Exif\0\0"))
    return _Opened(image, found, source)


def _has_loader(name: str) -> bool:
    try:
        pyvips.Introspect.get(name)
    except pyvips.Error:
        return False
    return True


def _said(opened: _Opened, key: str, name: str, max_pixels: int) -> Header:
    """Read the header; names of fields that are no text come from damaged files, and stop pyvips."""
    try:
        return _header(opened.image, opened.found, key, name, max_pixels)
    except (UnicodeDecodeError, pyvips.Error) as error:
        raise ImageError(
            f"is cut short or damaged ({error.__class__.__name__} in its header)", subject=name, hint=DAMAGED
        ) from None


def _header(image: pyvips.Image, found: FoundParts, key: str, name: str, max_pixels: int) -> Header:
    """Describe a picture, and reject what cannot be preserved.

    Raises:
        ImageError: too many pixels, or a kind of pixels that is not read.
    """
    names = set(image.get_fields())
    rows = int(image.get("page-height")) if "page-height" in names else image.height
    frames = image.height // rows
    pixels = image.width * image.height
    if pixels > max_pixels:
        what = f"{image.width}x{rows}" + (f" in {frames} frames" if frames > 1 else "")
        raise ImageError(
            f"claims {what}, {_millions(pixels)} megapixels; the limit is {_millions(max_pixels)}",
            subject=name,
            hint="if you trust it, raise the limit",
            key="max-pixels",
            values={"pixels": pixels},
        )
    if key in ("avif", "heif") and "n-pages" in names and int(image.get("n-pages")) > 1:
        raise ImageError(
            f"holds {image.get('n-pages')} pictures", subject=name, hint="export the one that you want as PNG first"
        )
    if image.interpretation in ("cmyk", *_LAB):
        channels, alpha = 3, bool(image.hasalpha())
        deep = image.format != "uchar" and image.interpretation != "labq"
    elif image.format in ("uchar", "ushort") and image.bands <= 4:
        channels, alpha = (1 if image.bands < 3 else 3), image.bands in (2, 4)
        deep = image.format == "ushort"
    else:
        raise ImageError(
            f"has {image.bands} channels of {_KINDS.get(image.format, image.format)}",
            subject=name,
            hint="convert it to 1 to 4 channels of 8 or 16 bits first",
        )
    bits = int(image.get("bits-per-sample")) if key in ("avif", "heif") and "bits-per-sample" in names else 16
    turn = metadata.orientation(found, key)
    width, height = (image.width, rows) if turn < 5 else (rows, image.width)
    kept = metadata.collect(found, channels, turn)
    if image.interpretation in ("cmyk", *_LAB):
        kept = replace(kept, icc=bytes(pyvips.Operation.call("profile_load", "srgb")))
    timed = frames > 1 and "delay" in names
    return Header(
        format=key,
        width=width,
        height=height,
        channels=channels,
        alpha=alpha,
        depth=(bits if bits in (10, 12) else 16) if deep else 8,
        frames=frames,
        delays=tuple(int(each) for each in image.get("delay"))[:frames] if timed else (),
        loop=int(image.get("loop")) if timed and "loop" in names else 0,
        metadata=kept,
        left_out=tuple(found.left_out),
    )


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f}" if pixels >= 10_000_000 else f"{pixels / 1e6:.4g}"


def _turned(frames: Pixels, turn: int) -> Pixels:
    """Turn (N, H, W, C) upright."""
    if turn in (5, 6, 7, 8):
        frames = frames.swapaxes(1, 2)
    if turn in (2, 3, 6, 7):
        frames = frames[:, :, ::-1]
    if turn in (3, 4, 7, 8):
        frames = frames[:, ::-1]
    return frames


def _as_rgb(image: pyvips.Image, *, deep: bool) -> pyvips.Image:
    """Turn CMYK, through its profile or a common one, and Lab into sRGB; leave gray and RGB as they are."""
    if image.interpretation == "cmyk":
        return image.icc_transform(
            "srgb",
            embedded=True,
            input_profile="cmyk",
            intent="relative",
            black_point_compensation=True,
            depth=16 if deep else 8,
        )
    if image.interpretation in _LAB:
        return image.colourspace("rgb16" if deep else "srgb")
    return image
