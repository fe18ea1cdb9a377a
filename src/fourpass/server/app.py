"""The application: routes of the API and of the page, over jobs and workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from fourpass import __version__
from fourpass.server import about, preview_routes, problems, routes, worker
from fourpass.server.folder import private
from fourpass.server.guard import Guard
from fourpass.server.jobs import Jobs
from fourpass.server.metrics import METRICS_TYPE, metrics_text
from fourpass.server.pool import Handler, Pool
from fourpass.server.previews import Previews
from fourpass.server.problems import ProblemError
from fourpass.server.settings import Settings

_PATIENCE = 30.0  # for previews, whose next one wants the same worker, warm
PAGE = Path(__file__).parent / "page"
# The page runs what it brings along, shows pictures it made itself, and talks to this server alone.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
        "connect-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


def create_app(settings: Settings, start: Callable[[Any], Handler] = worker.start) -> FastAPI:
    """Build the application.

    Args:
        settings: its bounds.
        start: makes a worker's handler; another than the default is for tests.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with private(settings.folder) as folder:
            pool = await asyncio.to_thread(Pool, start, worker.Argument.of(settings), settings.workers)
            warm = await asyncio.to_thread(Pool, start, worker.Argument.warmed(settings), 1, _PATIENCE)
            app.state.pool, app.state.jobs = pool, Jobs(settings, pool, folder, app.state.speeds.note)
            app.state.previews = Previews(warm, folder)
            app.state.jobs.start()
            healing = asyncio.create_task(warm.keep_whole())
            try:
                yield
            finally:
                healing.cancel()
                await app.state.jobs.close()
                await asyncio.to_thread(pool.close)
                await asyncio.to_thread(warm.close)

    app = FastAPI(
        title="fourpass",
        version=__version__,
        summary="Makes photos larger: faithfully, perceptually, or in between.",
        lifespan=lifespan,
        docs_url=None,  # the usual page would load its scripts from elsewhere
        redoc_url=None,
    )
    app.state.speeds = about.Speeds()
    problems.install(app)
    routes.add_upscaling(app, settings)
    routes.add_jobs(app)
    preview_routes.add_previews(app, settings)
    _add_about(app, settings)
    guard_counts: dict[str, Guard] = {}

    def make_guard(inner: Any, **kwargs: Any) -> Guard:
        guard_counts["guard"] = Guard(inner, settings, lambda: app.state.jobs.closing)
        return guard_counts["guard"]

    app.add_middleware(make_guard)  # type: ignore[arg-type]
    app.state.guard = lambda: guard_counts["guard"]
    return app


def _add_about(app: FastAPI, settings: Settings) -> None:
    @app.get("/v1/models", responses=problems.documented(*problems.GUARDED))
    async def models() -> dict[str, Any]:
        """List the packaged weights, the dials of the model that is served, and what this server takes."""
        return await asyncio.to_thread(about.models, settings)

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", responses=problems.documented(503))
    async def health() -> dict[str, Any]:
        """Say whether the server takes work."""
        if app.state.jobs.closing or not app.state.pool.alive:
            raise ProblemError(503, "the server is shutting down or has no worker")
        return {"status": "ok", "workers": app.state.pool.alive}

    @app.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"description": "The counts.", "content": {"text/plain": {}}},
            **problems.documented(*problems.GUARDED),
        },
    )
    async def metrics() -> Response:
        """Counts in the text format of Prometheus."""
        return Response(metrics_text(app), media_type=METRICS_TYPE)

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=_HEADERS)

    @app.get("/worker.js", include_in_schema=False)  # here, because it may answer for its own folder alone
    async def service_worker() -> FileResponse:
        return FileResponse(PAGE / "worker.js", media_type="text/javascript", headers=_HEADERS)

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
