"""Open and decode picture files with libvips: what is refused, what is converted, which frames there are."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import Any, BinaryIO, Final

import numpy as np
import pyvips
from numpy.typing import NDArray

from fourpass.errors import ImageError
from fourpass.imaging import formats, metadata
from fourpass.imaging.picture import Header, Picture, Pixels


def _text(pointer: Any) -> str:
    """Turn a message of libvips into text; pyvips's own way stumbles, loudly, over the bytes of damaged files."""
    return "" if pointer == pyvips.ffi.NULL else bytes(pyvips.ffi.string(pointer)).decode("utf-8", "replace")


pyvips._to_string = _text  # what its handler of warnings calls

_LOADERS: Final = {
    "jpeg": "jpegload_source",
    "png": "pngload_source",
    "webp": "webpload_source",
    "tiff": "tiffload_source",
    "avif": "heifload_source",
    "heif": "heifload_source",
    "gif": "gifload_source",
}
_KINDS: Final = {"float": "floating point", "double": "floating point", "int": "32 bits", "uint": "32 bits"}
_LAB: Final = ("lab", "labs", "labq")
_DAMAGED: Final = "get the file again, or open it in an editor and export what is left"


def header(stream: BinaryIO, key: str, name: str, max_pixels: int) -> Header:
    """Read what an open file says of its picture; decodes nothing.

    Args:
        stream: the file.
        key: its format, in `formats.FORMATS`.
        name: what messages call it.
        max_pixels: the most that its frames may have together.

    Raises:
        ImageError: as `files.read`.
    """
    return _said(_load(stream, key, name), stream, key, name, max_pixels)


def decode(stream: BinaryIO, key: str, name: str, max_pixels: int) -> Picture:
    """Read a picture from an open file; arguments and errors as `header` has them."""
    image = _load(stream, key, name)
    said = _said(image, stream, key, name, max_pixels)
    turn = _orientation(image)
    try:
        image = _as_rgb(image, deep=said.depth > 8)
        pixels: NDArray[Any] = np.frombuffer(image.write_to_memory(), said.dtype)
    except pyvips.Error as error:
        raise ImageError(f"{name}: is cut short or damaged ({reason(error)}); {_DAMAGED}") from None
    if said.depth in (10, 12):  # libvips leaves the low bits 0, so that white would not be white
        pixels = pixels | (pixels >> said.depth)
    shape = said.size if turn < 5 else said.size[::-1]
    frames = _turned(pixels.reshape(said.frames, *shape, said.bands), turn)
    if not said.alpha:
        return Picture(said, np.ascontiguousarray(frames))
    return Picture(said, np.ascontiguousarray(frames[..., :-1]), np.ascontiguousarray(frames[..., -1]))


def reason(error: pyvips.Error) -> str:
    """Return what libvips says of a failure, in one short line."""
    lines = [line.strip() for line in str(error.detail or error.message).splitlines() if line.strip()]
    return lines[0] if lines else "libvips gives no reason"


def _load(stream: BinaryIO, key: str, name: str) -> pyvips.Image:
    """Open a picture, every frame of it; pixels are decoded when they are asked for, from top to bottom."""
    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if formats.FORMATS[key].frames:
        options["n"] = -1
    try:
        return _opened_by_vips(stream, key, options)
    except pyvips.Error as error:
        if key == "tiff":
            with contextlib.suppress(pyvips.Error):
                first = _opened_by_vips(stream, key, options | {"n": 1})
                at = stream.tell()
                pyramid = _is_pyramid(stream, first)
                stream.seek(at)
                if pyramid:
                    return first
                raise ImageError(
                    f"{name}: its {first.get('n-pages')} pages differ in size or kind; split it into a file a page"
                ) from None
        if key == "heif":
            raise ImageError(
                f"{name}: libvips here cannot decode this HEIF ({reason(error)}); export it as JPEG, PNG or AVIF first"
            ) from None
        if "labq" in str(error):
            raise ImageError(f"{name}: is 8-bit Lab, which libvips does not read; convert it to RGB first") from None
        raise ImageError(f"{name}: is cut short or damaged ({reason(error)}); {_DAMAGED}") from None


def _opened_by_vips(stream: BinaryIO, key: str, options: dict[str, Any]) -> pyvips.Image:
    stream.seek(0)
    if isinstance(stream, io.BytesIO):
        source = pyvips.Source.new_from_memory(stream.getvalue())
    else:
        source = pyvips.Source.new_from_descriptor(stream.fileno())
    image: pyvips.Image = getattr(pyvips.Image, _LOADERS[key])(source, **options)
    return image


def _is_pyramid(stream: BinaryIO, first: pyvips.Image) -> bool:
    """Whether the pages of a TIFF are one picture, each half the size of the one before."""
    width, height = first.width, first.height
    for page in range(1, int(first.get("n-pages"))):
        smaller = _opened_by_vips(stream, "tiff", {"page": page})
        width, height = width / 2, height / 2
        if abs(smaller.width - width) > 1 or abs(smaller.height - height) > 1:
            return False
        width, height = smaller.width, smaller.height
    return True


def _said(image: pyvips.Image, stream: BinaryIO, key: str, name: str, max_pixels: int) -> Header:
    """Read the header; names of fields that are no text come from damaged files, and stop pyvips."""
    try:
        return _header(image, stream, key, name, max_pixels)
    except (UnicodeDecodeError, pyvips.Error) as error:
        raise ImageError(
            f"{name}: is cut short or damaged ({error.__class__.__name__} in its header); {_DAMAGED}"
        ) from None


def _header(image: pyvips.Image, stream: BinaryIO, key: str, name: str, max_pixels: int) -> Header:
    """Say what a picture is, and refuse what cannot be kept.

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
            f"{name}: claims {what}, {_millions(pixels)} megapixels; the limit is {_millions(max_pixels)}; if you "
            f"trust it, raise the limit with --max-pixels {pixels}"
        )
    if key in ("avif", "heif") and "n-pages" in names and int(image.get("n-pages")) > 1:
        raise ImageError(f"{name}: holds {image.get('n-pages')} pictures; export the one that you want as PNG first")
    if image.interpretation in ("cmyk", *_LAB):
        channels, alpha = 3, bool(image.hasalpha())
        deep = image.format != "uchar" and image.interpretation != "labq"
    elif image.format in ("uchar", "ushort") and image.bands <= 4:
        channels, alpha = (1 if image.bands < 3 else 3), image.bands in (2, 4)
        deep = image.format == "ushort"
    else:
        raise ImageError(
            f"{name}: has {image.bands} channels of {_KINDS.get(image.format, image.format)}; 1 to 4 of 8 or 16 bits "
            "are read, so convert it first"
        )
    bits = int(image.get("bits-per-sample")) if key in ("avif", "heif") and "bits-per-sample" in names else 16
    turn = _orientation(image)
    width, height = (image.width, rows) if turn < 5 else (rows, image.width)
    at = stream.tell()  # libvips reads on from here
    kept = metadata.collect(image, key, stream)
    stream.seek(at)
    if turn >= 5 and kept.dpi:
        kept = replace(kept, dpi=kept.dpi[::-1])
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
    )


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f}" if pixels >= 10_000_000 else f"{pixels / 1e6:.4g}"


def _orientation(image: pyvips.Image) -> int:
    """Return how the picture is turned and flipped: 1..8, as EXIF has it; 1 where it does not say or makes no sense."""
    turn = int(image.get("orientation")) if "orientation" in image.get_fields() else 1
    return turn if 1 <= turn <= 8 else 1


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
