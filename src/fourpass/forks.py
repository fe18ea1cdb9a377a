"""Native threads do not survive a fork: a child of a process that has used them gets an error, and does not hang.

libvips and OpenVINO keep threads for later work. A forked child inherits the records of these threads but not the
threads themselves, so it would wait for ever. `spawn` and `forkserver`, which start a fresh process, work.
"""

from __future__ import annotations

import os

from fourpass.errors import BackendError

_used = False
_lost = False


def use_threads() -> None:
    """Record that native threads are about to be used.

    Raises:
        BackendError: the process is the forked child of one that has used them.
    """
    global _used
    if _lost:
        raise BackendError(
            "this process was forked from one that had used fourpass, and has lost its threads",
            hint=('start processes with multiprocessing.get_context("spawn"), or fork before the first picture'),
        )
    _used = True


def _in_child() -> None:
    global _lost
    _lost = _lost or _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
