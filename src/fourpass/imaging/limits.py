"""What a format cannot hold: rejected before any work starts, or reported afterwards."""

from __future__ import annotations

import numpy as np

from fourpass.errors import ImageError
from fourpass.imaging import jpeg_segments, tiff_tags
from fourpass.imaging.formats import FORMATS, WRITTEN, Format
from fourpass.imaging.metadata import PictureMetadata, usable
from fourpass.imaging.picture import Header, Picture
from fourpass.imaging.profiles import HDR


def check(header: Header, key: str, name: str, quality: int | None = None) -> None:
    """Check that a format can hold a picture, before any work starts.

    Args:
        header: of the picture to be written.
        key: the format, in `formats.FORMATS`.
        name: of the file, for messages.
        quality: that it is to be written with.

    Raises:
        ImageError: it cannot; the message says why, and which formats can.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ImageError(f"quality {quality} is not within 1..100", subject=name)
    problem = _obstacle(header, FORMATS[key], quality)
    if problem:
        able = [FORMATS[each].suffixes[0] for each in WRITTEN if not _obstacle(header, FORMATS[each], quality)]
        way_out = f"write {' or '.join(able)}" if able else "make it smaller, or crop or split it first"
        raise ImageError(problem, subject=name, hint=way_out)


def _obstacle(header: Header, format: Format, quality: int | None) -> str | None:
    if max(header.size) > format.max_side:
        return (
            f"{header.width}x{header.height} is beyond {format.name}'s limit of {format.max_side:,} pixels along a side"
        )
    limit = format.lossless_pixels if quality == 100 else format.max_pixels
    if limit and header.width * header.height > limit:
        millions = header.width * header.height / 1e6
        how = " losslessly" if quality == 100 else ""
        return (
            f"{millions:,.0f} megapixels are more than the {limit / 1e6:,.0f} that {format.name} is written with{how}"
        )
    if header.frames > 1 and not format.frames:
        return f"{header.frames} frames do not fit into one {format.name}"
    if header.frames > 1 and bool(header.delays) != format.timing:
        if header.delays:
            return f"{format.name} cannot hold how long each of the {header.frames} frames is shown"
        return f"{header.frames} pages without timing are no animation, as {format.name} would make of them"
    if header.alpha and not format.alpha:
        return f"{format.name} has no transparency, and the picture does"
    if header.metadata.cicp and "cicp" not in format.keeps:
        return f"the picture is HDR ({HDR[header.metadata.cicp[1]]}), which {format.name} cannot say"
    return None


def lost(header: Header, key: str, *, strip: bool = False) -> tuple[str, ...]:
    """Return, in words, what the output will lack, as far as the header tells; for pixels see `lost_pixels`.

    Args:
        header: of the input.
        key: the output's format, in `formats.FORMATS`.
        strip: metadata are to be left out, which is then no loss.
    """
    format = FORMATS[key]
    words = list(header.left_out)
    if not strip:
        words += header.metadata.unread
    words += _unkept(header, key, strip)[1]
    if key == "gif" and header.format != "gif":
        words.append("all but 256 colours a frame")
    depth = stored_depth(header, format)
    if depth < header.depth:
        words.append(f"{header.depth} bits a channel (now {depth})")
    return tuple(dict.fromkeys(words))


def lost_pixels(picture: Picture, key: str) -> tuple[str, ...]:
    """Return, in words, what the output will lack of the pixels themselves."""
    if key != "gif" or picture.alphas is None:
        return ()
    soft = (picture.alphas > 0) & (picture.alphas < np.iinfo(picture.alphas.dtype).max)
    return ("soft transparency (now on or off)",) if soft.any() else ()


def kept(header: Header, key: str, *, strip: bool = False) -> PictureMetadata:
    """Return the metadata that goes into the output; arguments as `lost` has them."""
    return _unkept(header, key, strip)[0]


def _unkept(header: Header, key: str, strip: bool) -> tuple[PictureMetadata, list[str]]:
    """Return the metadata that a format keeps, and words for the rest."""
    format, metadata = FORMATS[key], header.metadata
    parts = metadata.present & format.keeps
    words = {
        "icc": "ICC profile (converted to sRGB)",
        "texts": "PNG texts",
        "comment": "comment",
        "dpi": "resolution",
        "cicp": "HDR colour",
    }
    gone = [words.get(part, part.upper()) for part in sorted(metadata.present - parts)]
    if "icc" in parts and metadata.icc and not usable(metadata.icc, header.channels):
        gone.append("ICC profile (damaged, or for other channels)")
        parts -= {"icc"}
    elif "icc" in parts and header.channels == 1 and not format.gray:
        gone.append(words["icc"])
        parts -= {"icc"}
    if key == "jpeg":
        for part, overhead in {"exif": 6, "xmp": 29, "iptc": 27, "comment": 0}.items():
            value = getattr(metadata, part)
            if value and len(value) + overhead > jpeg_segments.LARGEST:
                gone.append(words.get(part, part.upper()))
                parts -= {part}
        if metadata.icc and "icc" in parts and len(metadata.icc) > 255 * (jpeg_segments.LARGEST - 14):
            gone.append(words["icc"])
            parts -= {"icc"}
    if key == "tiff" and metadata.exif and "exif" in parts:
        unfit = tiff_tags.unfit(metadata.exif)
        gone += unfit
        parts -= {"exif"} & set(map(str.lower, unfit))
    if strip:
        parts &= {"icc", "cicp"}
        gone = [word for word in gone if word.startswith("ICC")]
    return metadata.only(parts), gone


def stored_depth(header: Header, format: Format) -> int:
    """Return the bits per channel of the output: the picture's own, the next higher, or the highest available."""
    return min((depth for depth in format.depths if depth >= header.depth), default=format.depths[-1])
