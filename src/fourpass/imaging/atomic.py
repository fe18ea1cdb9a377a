"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fourpass.errors import ImageError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside a path, and put it in the path's place once the block has ended well.

    Raises:
        ImageError: it cannot be written. Then, and after any other exception, nothing is left of it.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".fourpass-{secrets.token_hex(6)}.tmp"
    if target.exists() and not target.is_file():
        kind = "is a folder" if target.is_dir() else "is no ordinary file"
        raise ImageError(f"{path}: {kind}, where a picture is to be written; name a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            yield stream
            os.fsync(stream.fileno())
        if target.exists():
            with contextlib.suppress(OSError):
                os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_all(stream: BinaryIO, data: bytes) -> None:
    """Write all of the data to an unbuffered stream, whose own `write` may stop short.

    Raises:
        OSError: it cannot be written, because the disk is full for example.
    """
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def unwritable(path: str | os.PathLike[str], error: OSError) -> ImageError:
    name = os.fspath(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ImageError(f"{name}: the disk is full; free some space, or write to another with -o")
    if error.errno == errno.EFBIG:
        return ImageError(f"{name}: larger than files may be here; write a smaller format, or elsewhere with -o")
    return ImageError(f"{name}: cannot be written ({error.strerror or error}); write to another folder with -o")
