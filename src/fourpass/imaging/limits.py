"""What a format cannot hold of a picture: refused before any work goes into it, or said afterwards."""

from __future__ import annotations

from fourpass.errors import ImageError
from fourpass.imaging.formats import FORMATS, WRITTEN, Format
from fourpass.imaging.metadata import usable
from fourpass.imaging.picture import Header


def check(header: Header, key: str, name: str, quality: int | None = None) -> None:
    """Make sure that a format can hold a picture, before any work goes into it.

    Args:
        header: of the picture to be written.
        key: the format, in `formats.FORMATS`.
        name: of the file, for messages.
        quality: that it is to be written with.

    Raises:
        ImageError: it cannot; the message says why, and which formats can.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ImageError(f"{name}: quality {quality} is not within 1..100")
    problem = _obstacle(header, FORMATS[key], quality)
    if problem:
        able = [FORMATS[each].suffixes[0] for each in WRITTEN if not _obstacle(header, FORMATS[each], quality)]
        way_out = f"write {' or '.join(able)}" if able else "make it smaller, or crop or split it first"
        raise ImageError(f"{name}: {problem}; {way_out}")


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
    return None


def lost(header: Header, key: str, *, strip: bool = False) -> tuple[str, ...]:
    """Return, in words, what a format cannot keep of a picture."""
    format = FORMATS[key]
    words = {"icc": "ICC profile (converted to sRGB)", "texts": "PNG texts"}
    gone = sorted(header.metadata.present - format.keeps) if not strip else []
    depth = stored_depth(header, format)
    losses = [words.get(each, each.upper()) for each in gone]
    icc = header.metadata.icc
    if icc and "icc" in format.keeps and not usable(icc, header.channels):
        losses.append("ICC profile (damaged, or for other channels)")
    if key == "gif" and header.format != "gif":
        losses.append("all but 256 colours a frame")
    return (*losses, f"{header.depth} bits a channel (now {depth})") if depth < header.depth else tuple(losses)


def stored_depth(header: Header, format: Format) -> int:
    """Return the bits a channel that a picture is written with: its own, the next higher, or the most there are."""
    return min((depth for depth in format.depths if depth >= header.depth), default=format.depths[-1])
