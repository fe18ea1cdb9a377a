"""The folder of a running server: private to its user, and removed after a stop, however the stop came."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: what a killed server left stays until somebody removes it
    fcntl = None  # type: ignore[assignment]

_PREFIX, _LOCK = "fourpass-", "lock"


@contextlib.contextmanager
def private(parent: Path | None) -> Iterator[Path]:
    """Make a folder for a server's uploads and results, and remove it in the end.

    What servers that were killed left beside it is removed first: the folders whose lock nobody holds.

    Args:
        parent: where to make it; None: where temporary files go.
    """
    if parent is None:
        parent = Path(tempfile.gettempdir())
    else:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clean(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))  # 0700
    lock = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def _hold(folder: Path) -> BinaryIO:
    """Lock the folder for as long as this process lives; the lock gets its name only once it is held."""
    unnamed = folder / f"{_LOCK}.new"
    lock = unnamed.open("wb")
    os.chmod(unnamed, 0o600)
    if fcntl:
        fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(folder / _LOCK)
    return lock


def _clean(parent: Path) -> None:
    if not fcntl:
        return
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        folder = lock.parent
        with contextlib.suppress(OSError):  # somebody else's, or gone by now
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with lock.open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its server lives
                shutil.rmtree(folder, ignore_errors=True)
