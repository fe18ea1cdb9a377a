"""Read and write picture files through libvips, preserving metadata, transparency and frames."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from fourpass import forks
from fourpass.disk import atomic
from fourpass.errors import ImageError
from fourpass.imaging import formats, limits, reader, writer
from fourpass.imaging.picture import Header, Picture, Pixels

MAX_PIXELS: Final = 250_000_000  # of a file, all its frames together
Source = str | os.PathLike[str] | bytes


def probe(source: Source, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the header of a picture file without decoding pixels.

    Args, Raises: as `read`; damage beyond the header goes unnoticed.
    """
    with _opened(source, name) as (stream, key, name):
        return reader.header(stream, key, name, max_pixels)


def read(source: Source, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture: upright, palette expanded, gray left gray, CMYK and Lab turned into sRGB, every frame.

    Args:
        source: a path, or the bytes of a file.
        name: what messages call it; None: the path.
        max_pixels: the most that its frames may have together; checked before anything is decoded.

    Returns:
        the picture, its pixels uint8, or uint16 where the file has more than 8 bits.

    Raises:
        ImageError: the file cannot be opened, is empty, is no picture of a known format, is cut short or damaged, is
            larger than max_pixels, or is of a kind that cannot be kept whole (floating point, animated PNG).
    """
    with _opened(source, name) as (stream, key, name):
        return reader.decode(stream, key, name, max_pixels)


def write(
    path: str | os.PathLike[str],
    picture: Picture | Pixels,
    *,
    strip: bool = False,
    quality: int | None = None,
) -> None:
    """Write a picture to a file; the suffix selects the format. An existing file is kept until the new one is complete.

    Args:
        path: of the file.
        picture: the picture, or an array (H, W), (H, W, 1) or (H, W, 3), uint8 or uint16.
        strip: leave out everything but pixels and colour profile.
        quality: 1..100 for JPEG, WebP, AVIF; 100 is lossless in the last two. None: the format's own.

    Raises:
        ImageError: the format cannot hold the picture, or the file cannot be written.
    """
    if not isinstance(picture, Picture):
        picture = Picture.of(picture)
    frames = picture.frames
    if picture.alphas is not None:
        frames = np.concatenate([frames, picture.alphas[..., None]], axis=3)
    write_rows(path, frames, picture.header, strip=strip, quality=quality)


def write_rows(
    path: str | os.PathLike[str],
    bands: Iterable[Pixels],
    header: Header,
    *,
    key: str | None = None,
    strip: bool = False,
    quality: int | None = None,
) -> None:
    """Write a picture that comes as bands of rows, so that it is never whole in memory.

    Args:
        path: of the file.
        bands: arrays (rows, W, C), C counting transparency, from top to bottom, one frame after another.
        header: of what is written: its size is the output's, its dtype that of the bands.
        key: of the format, in `formats.FORMATS`; None: the one that the path's suffix means.
        strip, quality: as `write` takes them.

    Raises:
        ImageError: the format cannot hold the picture, or the file cannot be written. What the bands raise passes
            through. In either case, and on Ctrl-C, the old file is as it was and no other is left.
    """
    key = key or formats.of_path(path)
    name = os.fspath(path)
    limits.check(header, key, name, quality)
    with atomic.replacing(Path(path)) as stream:
        writer.encode(stream, bands, header, key, name=name, strip=strip, quality=quality)


@contextlib.contextmanager
def _opened(source: Source, name: str | None) -> Iterator[tuple[BinaryIO, str, str]]:
    """Open a file, and find out what it is: (stream, format key, name for messages)."""
    name = name or ("data" if isinstance(source, bytes) else os.fspath(source))
    forks.use_threads()
    try:
        if not isinstance(source, bytes):
            _refuse_devices(source, name)
        stream: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb", buffering=0)  # noqa: SIM115
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unopened(error, name) from None
    with stream:
        try:
            key = formats.sniff(stream)
        except ImageError as error:
            raise error.about(name) from None
        except OSError as error:
            raise _unopened(error, name) from None
        yield stream, key, name


def _refuse_devices(path: str | os.PathLike[str], name: str) -> None:
    """Reject pipes and devices: opening or reading them could block for ever."""
    mode = os.stat(path).st_mode
    if stat.S_ISFIFO(mode):
        raise ImageError("is a pipe and not a file", subject=name, hint="read it and pass its contents", key="pipe")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ImageError("is a device or a socket and not a file", subject=name, hint="name a picture")


def _unopened(error: OSError | ValueError, name: str) -> ImageError:
    code = getattr(error, "errno", None)
    if code == errno.EISDIR:
        return ImageError("is a folder", subject=name, hint="name a picture in it")
    if code == errno.ENOENT:
        return ImageError("no such file", subject=name, hint="check the spelling")
    said = getattr(error, "strerror", None) or error
    return ImageError(f"cannot be opened ({said})", subject=name, hint="check the file and its permissions")
