"""Explain in one line, with a suggested fix, why libvips cannot decode a picture file."""

from __future__ import annotations

import re
from typing import Final

import pyvips

from fourpass.errors import ImageError

DAMAGED: Final = "get the file again, or open it in an editor and export what is left"
# What libvips, libtiff, libjpeg and libheif say of codings that they know, or may know, and were built without.
_UNSUPPORTED: Final = re.compile(
    r"not (?:been )?(?:configured|supported|implemented|compiled)|unsupported|cannot handle|compression scheme",
    re.IGNORECASE,
)


def refusal(name: str, key: str, error: pyvips.Error) -> ImageError:
    """Return the error to raise: what is damaged is told from what this build of libvips has no decoder for.

    Args:
        name: of the file, for messages.
        key: its format, in `formats.FORMATS`.
        error: that libvips gave up with.
    """
    said = str(error)
    if key == "heif":
        return ImageError(
            f"this build of libvips cannot decode this HEIF ({_reason(error)})",
            subject=name,
            hint="export it as JPEG, PNG or AVIF first",
        )
    if "labq" in said:
        return ImageError("is 8-bit Lab, which libvips does not read", subject=name, hint="convert it to RGB first")
    if "differs from page" in said:
        return ImageError("its pages differ in kind", subject=name, hint="split it into one file per page")
    if _UNSUPPORTED.search(said):
        return ImageError(
            f"uses an encoding that this build of libvips does not support ({_reason(error)})",
            subject=name,
            hint="convert it to PNG or a plain TIFF first",
        )
    return ImageError(f"is cut short or damaged ({_reason(error)})", subject=name, hint=DAMAGED)


def _reason(error: pyvips.Error) -> str:
    """Return libvips's message about a failure as one short line."""
    said = [line.strip() for line in str(error.detail or error.message).splitlines()]
    lines = [line for line in said if line and "bad seek to" not in line]  # libheif only feels for the end so
    return lines[0] if lines else "libvips gives no reason"
