"""Share one GPU between processes: each waits for its turn at every tile, so together they do not fill its memory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, whose drivers queue by themselves
    fcntl = None  # type: ignore[assignment]


def cache_folder() -> Path:
    """Return the cache folder of fourpass: ``~/.cache/fourpass``, or as the system has it.

    Raises:
        RuntimeError: the user has no home.
    """
    if sys.platform == "win32":
        home: str | Path = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "fourpass")


@contextlib.contextmanager
def turn(gpu: int | None) -> Iterator[None]:
    """Wait until no other process of this user runs on a GPU, and hold it.

    Args:
        gpu: its number; None for the processor, which needs no turns. If no lock can be created, nobody waits.
    """
    held = None
    if gpu is not None and fcntl:
        with contextlib.suppress(OSError, RuntimeError):
            folder = cache_folder()
            folder.mkdir(parents=True, exist_ok=True)
            held = os.open(folder / f"gpu-{gpu}.lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)
