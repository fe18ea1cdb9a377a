"""Files that are there whole or not at all: the one way in which this program puts a file in its place."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from fourpass.errors import FourpassError, ImageError

_Kind = TypeVar("_Kind", bound=FourpassError)


@contextlib.contextmanager
def whole(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a new file next to a path, and move it to the path once the block has succeeded.

    Folders are made, links are followed, the mode of a file that was there is kept.

    Args:
        path: the file to be written.
        durable: have the contents on the disk before the new file takes the old one's place; not worth its time for
            what can be made again.

    Yields:
        the new file, unbuffered, open for reading and writing.

    Raises:
        OSError: it cannot be written, or something else than a file is in its place. Then, and after any other
            exception, nothing is left of it.
    """
    target = Path(os.path.realpath(path))
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(target)  # finds out now, and not after the work, that the name is too long
    if os.path.exists(target) and not os.path.isfile(target):
        kind = "is a folder" if os.path.isdir(target) else "is not a regular file"
        raise _InTheWayError(kind)
    temporary = target.parent / f"{_prefix(target)}{secrets.token_hex(6)}.tmp"
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            yield stream
            if durable:
                os.fsync(stream.fileno())
        if os.path.exists(target):
            with contextlib.suppress(OSError):
                os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], kind: type[FourpassError] = ImageError) -> Iterator[BinaryIO]:
    """Do as `whole` does, and say in one line what is wrong.

    Raises:
        FourpassError: of the given kind: the file cannot be written.
    """
    try:
        with whole(path) as stream:
            yield stream
    except OSError as error:
        raise unwritable(path, error, kind) from None


def write(path: str | os.PathLike[str], data: bytes, kind: type[FourpassError] = ImageError) -> None:
    """Write bytes to a file so that, whatever happens, either the old or the new file exists.

    Raises:
        FourpassError: of the given kind: the file cannot be written.
    """
    with replacing(path, kind) as stream:
        write_all(stream, data)


def write_all(stream: BinaryIO, data: bytes) -> None:
    """Write all of the data to an unbuffered stream, whose own `write` may stop short.

    Raises:
        OSError: it cannot be written, because the disk is full for example.
    """
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def forget(path: str | os.PathLike[str]) -> None:
    """Remove the temporary files of a killed process next to a file; no other process may be writing that file."""
    target = Path(os.path.realpath(path))
    for left in target.parent.glob(f"{_prefix(target)}*.tmp"):
        left.unlink(missing_ok=True)


def unwritable(path: str | os.PathLike[str], error: OSError, kind: type[_Kind]) -> _Kind:
    """Return the error that says in one line why a file cannot be written."""
    picture = kind is ImageError  # only pictures go where the user said by an option that all commands share

    def told(reason: str, hint: str, key: str) -> _Kind:
        return kind(reason, subject=os.fspath(path), hint=hint, key=key if picture else "")

    if isinstance(error, _InTheWayError):
        return told(f"{error}, where {'a picture' if picture else 'a file'} is to be written", "name a file", "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return told("the disk is full", "free some space, or write to another", "disk-full")
    if error.errno == errno.EFBIG:
        smaller = "a smaller format, or " if picture else ""
        return told("larger than files may be here", f"write {smaller}elsewhere", "file-too-large")
    if error.errno == errno.ENAMETOOLONG:
        return told("the name is longer than names may be here", "name a shorter one", "name-too-long")
    return told(f"cannot be written ({error.strerror or error})", "write to another folder", "unwritable")


class _InTheWayError(OSError):
    """Something other than a file exists where one is to be written."""


def _prefix(target: Path) -> str:
    """How the new file's name begins: by it `forget` tells those of one target, however long its own name is."""
    return f".fourpass-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:8]}-"
