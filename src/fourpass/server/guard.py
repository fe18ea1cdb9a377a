"""What stands before the application: limits on bodies and requests, the token or the site, and counts of answers."""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fourpass.server import sites
from fourpass.server.problems import response
from fourpass.server.settings import Settings

# Reachable without the token: is it up, and the page that asks for the token.
_OPEN = ("/healthz", "/", "/worker.js", "/page/")


class Guard:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, settings: Settings, closing: Callable[[], bool]) -> None:
        self._app, self._settings, self._closing = app, settings, closing
        self.answered: Counter[tuple[str, int]] = Counter()
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings = self._settings
        status = 0
        started = False

        async def bounded_send(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message = {**message, "headers": [*message.get("headers", ()), _NO_SNIFFING]}
            # A client that stops reading would hold its answer for ever.
            await asyncio.wait_for(send(message), settings.idle_seconds)

        counted = scope["path"] != "/healthz"  # which is answered however busy the server is
        self._active += counted
        refusal = self._refusal(scope)
        try:
            if refusal is None:
                await self._app(scope, self._bounded(receive), bounded_send)
            else:
                await response(*refusal)(scope, receive, bounded_send)
        except _RefusedError as error:
            if not started:
                headers = {"Connection": "close"}
                await response(error.status_code, error.detail, headers)(scope, receive, bounded_send)
        except (asyncio.TimeoutError, ConnectionError, ClientDisconnect):
            status = status or 499  # the client went away, or might as well have
        finally:
            self._active -= counted
            self.answered[scope["method"] if scope["method"] in _METHODS else "other", status] += 1

    def _refusal(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        settings = self._settings
        path = scope["path"]
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        public = path in _OPEN or path.startswith("/page/")
        if settings.token is not None and not public:
            given = headers.get("authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {settings.token}".encode()):
                detail = "this server wants its bearer token: send the header 'Authorization: Bearer TOKEN'"
                return 401, detail, {"WWW-Authenticate": "Bearer", "Connection": "close"}
        if settings.token is None and path != "/healthz":
            foreign = sites.refusal(headers, settings) if not public else sites.unknown_host(headers, settings)
            if foreign:
                return 403, foreign, {"Connection": "close"}
        if self._active > settings.requests and path != "/healthz":
            return 503, "the server is busy; try again soon", {"Retry-After": "5", "Connection": "close"}
        if self._closing() and scope["method"] == "POST":
            return 503, "the server is shutting down; try again later", {"Retry-After": "30", "Connection": "close"}
        length = headers.get("content-length", b"0")
        if length.isdigit() and int(length) > self._limit:
            return 413, self._too_large, {"Connection": "close"}
        return None

    @property
    def _limit(self) -> int:
        return self._settings.max_bytes + 2**16  # the form around the file

    @property
    def _too_large(self) -> str:
        return f"the upload is larger than this server takes, {self._settings.max_bytes / 2**20:.4g} MiB"

    def _bounded(self, receive: Receive) -> Receive:
        settings = self._settings
        deadline = asyncio.get_running_loop().time() + settings.upload_seconds
        taken = 0
        complete = False

        async def bounded_receive() -> Message:
            nonlocal taken, complete
            if complete:  # what comes now is the disconnect, which may be long in coming
                return await receive()
            left = deadline - asyncio.get_running_loop().time()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, min(settings.idle_seconds, left)))
            except asyncio.TimeoutError:
                raise _RefusedError(
                    408, "the upload did not arrive in time; check the connection and send it again"
                ) from None
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._limit:
                    raise _RefusedError(413, self._too_large)
                complete = not message.get("more_body", False)
            return message

        return bounded_receive


class _RefusedError(HTTPException):
    """Raised while a body is read; FastAPI lets this kind of exception pass through its form parser."""


_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
