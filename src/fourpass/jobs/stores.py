"""Where files are stored: local folders, and object stores through fsspec (extra ``batch``)."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeVar

from fourpass.disk import atomic, overwriting
from fourpass.errors import ConfigError, ImageError, missing_extra

_Made = TypeVar("_Made")
# Each process has a memory of its own, so that what one worker writes there no other finds.
_PRIVATE = ("memory",)


def is_url(name: str) -> bool:
    """Whether a name is a URL of a store, and no path of this machine; ``file://`` and ``local://`` are paths."""
    return "://" in overwriting.local(name)


def join(folder: str, place: str) -> str:
    """Return the name of a file in a folder of either kind; the place has the machine's or a store's separators."""
    if not is_url(folder):
        return os.path.join(overwriting.local(folder), place)
    head, chain, rest = folder.partition("::")
    return posixpath.join(head.rstrip("/") + "/" if head.rstrip("/")[-1:] != ":" else head, place) + chain + rest


def read(url: str) -> bytes:
    """Read a whole file of a store.

    Raises:
        ImageError: it cannot be read.
        ConfigError, BackendError: as `opened` does.
    """
    store, path = opened(url)
    try:
        return bytes(store.cat_file(path))
    except Exception as error:  # stores raise what their clients raise
        raise ImageError(f"cannot be read ({_said(error)})", subject=url) from None


def size(name: str) -> int | None:
    """Return the bytes of a file; None where there is none."""
    try:
        if not is_url(name):
            return os.path.getsize(overwriting.local(name))
        store, path = opened(name)
        return int(store.size(path)) if store.exists(path) else None
    except OSError:
        return None


def write(name: str, make: Callable[[str | BinaryIO], _Made]) -> _Made:
    """Write a file completely or not at all.

    Args:
        name: its path or URL.
        make: given the path; of a store, given a stream whose contents are sent once it returns.

    Returns:
        what `make` returned.

    Raises:
        ImageError: it cannot be written. What `make` raises passes through.
    """
    if not is_url(name):
        return make(overwriting.local(name))
    whole = io.BytesIO()
    made = make(whole)
    put(name, whole.getvalue())
    return made


def put(url: str, data: bytes) -> None:
    """Write a whole file of a store.

    Raises:
        ImageError: it cannot be written.
    """
    store, path = opened(url)
    try:
        store.makedirs(posixpath.dirname(path), exist_ok=True)
        store.pipe_file(path, data)
    except Exception as error:
        raise ImageError(f"cannot be written ({_said(error)})", subject=url, hint="name another output") from None


def check_target(url: str) -> None:
    """Find out whether a store can be written at all, before any work is done for it.

    Raises:
        ConfigError: it is inside a file, only this process would see it, or it cannot be opened.
        BackendError: fsspec is not installed.
    """
    if "::" in url:
        raise ConfigError("is inside another file, so nothing can be written there", subject=url, hint="name a folder")
    opened(url)


def forget(name: str) -> None:
    """Remove what a process that was killed left of a file that it wrote."""
    if not is_url(name):
        atomic.forget(overwriting.local(name))


def listed(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (URL, place below the folder) of every file of a store's folder, sorted by place.

    Raises:
        ConfigError: there is no such folder.
    """
    store, root = opened(folder)
    try:
        if not store.isdir(root):
            raise ConfigError("no such folder", subject=folder, hint="give a folder, or a URL like s3://bucket/photos")
        for path in sorted(store.find(root)):
            place = posixpath.relpath(path, root or "/") if root else path.lstrip("/")
            yield join(folder, place), place
    except (OSError, NotImplementedError) as error:
        raise ConfigError(f"cannot be listed ({_said(error)})", subject=folder) from None


def opened(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path in it.

    Raises:
        ConfigError: it cannot be opened, or only this process would see what is in it.
        BackendError: fsspec is not installed.
    """
    try:
        import fsspec
    except ImportError:
        raise missing_extra("batch", "fsspec") from None
    if url.split("://", 1)[0].lower() in _PRIVATE:
        raise ConfigError(
            "is the memory of one process, which other processes cannot see",
            subject=url,
            hint="name a folder or a store",
        )
    try:
        store, path = fsspec.core.url_to_fs(url)
    except Exception as error:  # stores raise what their clients raise
        raise ConfigError(f"cannot be opened ({_said(error)})", subject=url) from None
    return store, str(path).rstrip("/")


def _said(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
