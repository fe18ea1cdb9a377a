"""How the application listens: silent connections give way, a stop finishes what runs, ids stay out of logs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from fourpass.server.settings import Settings

_LINGER = 5  # seconds for connections to end once the jobs have
_ID = re.compile(r"(/v1/jobs/)[^/?]+|(/v1/archive\?).*")


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 where the head of a request has a deadline, and waiting connections give way to new ones.

    `uvicorn` ends a connection that is idle after an answer, but not one that never sends a request or that sends its
    head in small pieces; and its limit on connections counts those too, so that they shut out everybody else.
    """

    head_seconds: float
    most: int

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, and end the connection that has waited longest where there are too many."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            waiting = [each for each in self.connections if isinstance(each, DeadlineProtocol) and each._waits]
            min(waiting, key=lambda each: each._since, default=self)._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        super().connection_lost(exc)
        if self._deadline:
            self._deadline.cancel()

    def on_response_complete(self) -> None:
        """Start the clock for the next request."""
        self._wait()
        super().on_response_complete()

    @property
    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._since = self.loop.time()
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.head_seconds, self._expire)

    def _expire(self) -> None:
        if self._waits:
            self._drop()

    def _drop(self) -> None:
        self.connections.discard(self)
        self.transport.abort()


class Server(uvicorn.Server):
    """A server whose stop takes no new jobs, finishes the running ones within their time, and then closes."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, started: Callable[[int], object]) -> None:
        super().__init__(config)
        self._app, self._started = app, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._started(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the jobs first: their states and results can be asked for while they end."""
        await self._app.state.jobs.close()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Treat a closed terminal like SIGTERM, unless it is to be ignored, as ``nohup`` has it."""
        with super().capture_signals(), contextlib.ExitStack() as restore:
            with contextlib.suppress(ValueError, AttributeError):  # not in the main thread; no such signal here
                if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                    before = signal.signal(signal.SIGHUP, self.handle_exit)
                    restore.callback(signal.signal, signal.SIGHUP, before)
            yield


def address(settings: Settings, port: int) -> str:
    """Return the page's address for a browser on this machine, the token behind the #, which is never sent."""
    everywhere = settings.host in ("", "0.0.0.0", "::")
    host = "127.0.0.1" if everywhere else f"[{settings.host}]" if ":" in settings.host else settings.host
    token = f"#token={quote(settings.token)}" if settings.token else ""
    return f"http://{host}:{port}/{token}"


def make(
    app: FastAPI, settings: Settings, *, started: Callable[[int], object] = lambda port: None, **options: Any
) -> Server:
    """Return a server for an application of `fourpass.server.app.create_app`.

    Args:
        app: the application.
        settings: what it was made with.
        started: called with the port once it listens.
        options: of `uvicorn.Config`, instead of ours.
    """
    bounds = {"head_seconds": settings.head_seconds, "most": 2 * settings.requests}
    ours: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_level": "info",
        "http": type("BoundedProtocol", (DeadlineProtocol,), bounds),
        "ws": "none",
        "server_header": False,
        "timeout_keep_alive": 10,
        "timeout_graceful_shutdown": _LINGER,
        "h11_max_incomplete_event_size": 2**16,
    }
    config = uvicorn.Config(app, **{**ours, **options})
    logging.getLogger("uvicorn.access").addFilter(_without_ids)
    return Server(config, app, started)


def _without_ids(record: logging.LogRecord) -> bool:
    """Whoever knows a job's id may see its picture, so the access log does not tell it."""
    if isinstance(record.args, tuple):
        record.args = tuple(_ID.sub(r"\1\2...", value) if isinstance(value, str) else value for value in record.args)
    return True
