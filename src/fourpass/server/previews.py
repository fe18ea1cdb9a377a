"""What a person waits for at the screen: small parts, and pictures to look at, by a warm worker of their own."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import Request

from fourpass.server import problems
from fourpass.server.pool import Failure, Pool
from fourpass.server.problems import ProblemError

_SECONDS = 60.0
_WAITING = 16


class Previews:
    """One at a time, in the order they came; one whose client has gone is left off.

    Args:
        pool: of one worker.
        folder: where uploads lie for a moment.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.pool, self._folder = pool, folder
        self._turn = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Path]:
        """Take a place in the queue, and a folder of one's own while there."""
        if self._waiting >= _WAITING:
            raise ProblemError(429, "too many previews wait already; come back later", {"Retry-After": "2"})
        self._waiting += 1
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield folder
        finally:
            self._waiting -= 1
            shutil.rmtree(folder, ignore_errors=True)

    async def run(self, request: Request, task: Any) -> dict[str, Any]:
        """Have the worker do a task, unless the client goes away.

        Raises:
            ProblemError: it failed, or the client has gone.
        """
        left = threading.Event()
        gone = asyncio.create_task(disconnected(request))
        gone.add_done_callback(lambda _: left.set())
        try:
            async with self._turn:
                outcome = await asyncio.to_thread(
                    self.pool.run, task, seconds=_SECONDS, cancelled=left, progress=lambda share: None
                )
        finally:
            gone.cancel()
        if isinstance(outcome, Failure):
            raise problems.of_failure(outcome)
        return outcome


async def disconnected(request: Request) -> None:
    """Return when the client of a request, whose body has been read, goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
