"""The application: routes of the API and of the page, over jobs and workers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from fourpass import __version__
from fourpass.server import options, problems, worker
from fourpass.server.folder import private
from fourpass.server.guard import Guard
from fourpass.server.jobs import DONE, Job, Jobs, QueueFullError
from fourpass.server.pool import FULL, Failure, Handler, Pool
from fourpass.server.problems import ProblemError
from fourpass.server.settings import Settings

PAGE = Path(__file__).parent / "page"
_HEARTBEAT = 10.0
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1")  # of a form; pictures have none
# The page runs what it brings along, shows pictures it made itself, and talks to this server alone.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
        "connect-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class JobState(BaseModel):
    """A job as clients see it."""

    id: str = Field(examples=["Jr1kB6Vn0hC9nZk5dZbqk2b7bBq0m2xw"])
    state: str = Field(description="queued, running, done, failed or cancelled.", examples=["running"])
    progress: float = Field(ge=0, le=1, examples=[0.4])
    detail: str | None = Field(None, description="Why it failed.")
    report: dict[str, Any] = Field({}, description="Sizes, format and time, once it is done.")


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
            app.state.pool, app.state.jobs = pool, Jobs(settings, pool, folder)
            app.state.jobs.start()
            try:
                yield
            finally:
                await app.state.jobs.close()
                await asyncio.to_thread(pool.close)

    app = FastAPI(
        title="fourpass",
        version=__version__,
        summary="Makes photos larger: faithfully, perceptually, or in between.",
        lifespan=lifespan,
        docs_url=None,  # the usual page would load its scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)
    _add_upscaling(app, settings)
    _add_jobs(app)
    _add_about(app, settings)
    guard_counts: dict[str, Guard] = {}

    def make_guard(inner: Any, **kwargs: Any) -> Guard:
        guard_counts["guard"] = Guard(inner, settings, lambda: app.state.jobs.closing)
        return guard_counts["guard"]

    app.add_middleware(make_guard)  # type: ignore[arg-type]
    app.state.guard = lambda: guard_counts["guard"]
    return app


def _form(example_scale: int) -> dict[str, Any]:
    schema = options.Options.model_json_schema()
    properties = {
        "image": {"type": "string", "format": "binary", "description": "The picture."},
        **schema["properties"],
    }
    body = {"type": "object", "properties": properties, "required": ["image"], "additionalProperties": False}
    example = {"image": "(the file)", "scale": example_scale, "strength": 0.5, "format": "png"}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body, "example": example}}}}


def _add_upscaling(app: FastAPI, settings: Settings) -> None:
    refusals = (400, 401, 403, 408, 413, 415, 422, 429, 500, 507, 503, 504)

    @app.post(
        "/v1/upscale",
        response_class=Response,
        responses={200: {"description": "The picture.", "content": {"image/*": {}}}, **problems.documented(*refusals)},
        openapi_extra=_form(2),
    )
    async def upscale(request: Request) -> Response:
        """Upscale a small picture and answer with the result."""
        jobs: Jobs = app.state.jobs
        job = await _accept(request, jobs, settings, limit=settings.small_pixels)
        try:
            gone = asyncio.create_task(_disconnected(request))
            waiting = asyncio.create_task(jobs.wait(job))
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not job.over:
                waiting.cancel()
                raise ProblemError(503, "the client went away")  # nobody reads it
            _raise_failure(job)
            content = await asyncio.to_thread((job.folder / job.report["file"]).read_bytes)
            return Response(content, media_type=job.report["media_type"], headers=_disposition(job))
        finally:
            jobs.forget(job)

    @app.post(
        "/v1/jobs",
        status_code=202,
        response_model=JobState,
        responses=problems.documented(*refusals[:-1]),
        openapi_extra=_form(4),
    )
    async def create_job(request: Request, response: Response) -> JobState:
        """Queue a picture of any size that the server takes."""
        job = await _accept(request, app.state.jobs, settings, limit=settings.max_output_pixels)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return _state(job)


def _add_jobs(app: FastAPI) -> None:
    def find(id: str) -> Job:
        job: Job | None = app.state.jobs.find(id)
        if job is None:
            raise ProblemError(404, "there is no such job, or it was removed since")
        return job

    @app.get("/v1/jobs/{id}", response_model=JobState, responses=problems.documented(401, 404))
    async def job_state(id: str) -> JobState:
        """Say how far a job is."""
        return _state(find(id))

    @app.get(
        "/v1/jobs/{id}/events",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "States of the job, each as a server-sent event.",
                "content": {"text/event-stream": {}},
            },
            **problems.documented(401, 404),
        },
    )
    async def job_events(id: str) -> StreamingResponse:
        """Stream a job's states until it is over."""
        job = find(id)

        async def events() -> AsyncIterator[str]:
            async for changed in app.state.jobs.watch(job, _HEARTBEAT):
                yield f"data: {_state(changed).model_dump_json()}\n\n" if changed else ": still there\n\n"

        return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @app.get(
        "/v1/jobs/{id}/result",
        response_class=FileResponse,
        responses={
            200: {"description": "The picture.", "content": {"image/*": {}}},
            **problems.documented(401, 404, 409, 413, 422, 500, 504),
        },
    )
    async def job_result(id: str) -> FileResponse:
        """Download the result of a job that is done."""
        job = find(id)
        if not job.over:
            raise ProblemError(409, f"the job is {job.state}; ask again when it is done", {"Retry-After": "2"})
        _raise_failure(job)
        file = job.folder / job.report["file"]
        return FileResponse(file, media_type=job.report["media_type"], headers=_disposition(job))

    @app.delete("/v1/jobs/{id}", status_code=204, responses=problems.documented(401, 404))
    async def delete_job(id: str) -> Response:
        """Cancel a job if it is not over, and remove it and its result."""
        app.state.jobs.forget(find(id))
        return Response(status_code=204)


def _add_about(app: FastAPI, settings: Settings) -> None:
    @app.get("/v1/models", responses=problems.documented(401))
    async def models() -> dict[str, Any]:
        """List the packaged weights, and what this server takes."""
        return {"models": await asyncio.to_thread(_models), "default": settings.model, "limits": _limits(settings)}

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", responses=problems.documented(503))
    async def health() -> dict[str, Any]:
        """Say whether the server takes work."""
        if app.state.jobs.closing or not app.state.pool.alive:
            raise ProblemError(503, "the server is shutting down or has no worker")
        return {"status": "ok", "workers": app.state.pool.alive}

    @app.get("/metrics", response_class=PlainTextResponse, responses=problems.documented(401))
    async def metrics() -> PlainTextResponse:
        """Counts in the text format of Prometheus."""
        return PlainTextResponse(_metrics(app), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=_HEADERS)

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


async def _accept(request: Request, jobs: Jobs, settings: Settings, limit: int) -> Job:
    """Take a place in the queue, read the form, queue the job."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ProblemError(
            415, f"content type {kind or '(none)'} is not multipart/form-data; send the picture as a form"
        )
    charset = Message()
    charset["Content-Type"] = request.headers["content-type"]
    if charset.get_content_charset("utf-8") not in _CHARSETS:
        raise ProblemError(415, "the form's charset is not utf-8; leave it out or send utf-8")
    try:
        job = jobs.admit()
    except QueueFullError:
        headers = {"Retry-After": "10", "Connection": "close"}
        raise ProblemError(429, f"{settings.queue} jobs wait already; come back later", headers) from None
    except OSError as error:
        raise _disk(error) from None
    try:
        await _read_form(request, job, limit)
    except OSError as error:
        jobs.refuse(job)
        raise _disk(error) from None
    except BaseException:
        jobs.refuse(job)
        raise
    jobs.submit(job)
    return job


async def _read_form(request: Request, job: Job, limit: int) -> None:
    try:
        async with request.form(max_files=1, max_fields=20, max_part_size=4096) as form:
            image = form.get("image")
            if not isinstance(image, UploadFile):
                raise ProblemError(422, "image: the form has no file of this name")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            chosen = options.parse(fields)
            source = job.folder / "upload"
            size = await asyncio.to_thread(_keep, image, source)
            if not size:
                raise ProblemError(422, "image: the file is empty")
            stem = Path((image.filename or "").replace("\\", "/")).name.rpartition(".")[0] or "picture"
            job.download = "".join(character for character in stem if character.isprintable())[:100]
            job.task = worker.Task(str(source), str(job.folder), chosen.model_dump(), limit)
    except MultiPartException as error:
        raise ProblemError(400, f"the form cannot be read ({error.message})") from None
    except (UnicodeError, LookupError):
        raise ProblemError(400, "the form's names are not utf-8; send them as utf-8") from None


def _disk(error: OSError) -> Exception:
    """Return what to tell of an upload that cannot be kept; anything but a full disk is ours to look into."""
    return problems.of_failure("full", "") if error.errno in FULL else error


def _keep(image: UploadFile, target: Path) -> int:
    with open(target, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        shutil.copyfileobj(image.file, file)
        return file.tell()


async def _disconnected(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.5)


def _raise_failure(job: Job) -> None:
    if job.state != DONE:
        failure = job.failure or Failure("internal", "the job failed")
        raise problems.of_failure(failure.kind, failure.detail)


def _state(job: Job) -> JobState:
    detail = problems.of_failure(job.failure.kind, job.failure.detail).detail if job.failure else None
    report = {name: value for name, value in job.report.items() if name != "file"}
    return JobState(id=job.id, state=job.state, progress=round(job.progress, 4), detail=detail, report=report)


def _disposition(job: Job) -> dict[str, str]:
    name = f"{job.download}_x{job.report['factor']:.3g}{job.report['suffix']}"
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Cache-Control": "no-store"}


def _models() -> list[dict[str, Any]]:
    from fourpass import weights

    found = []
    for name in weights.available():
        metadata = weights.load(name).metadata
        if "scales" in metadata.numbers:  # those that upscale
            found.append({"name": name, **json.loads(json.dumps(asdict(metadata), default=list))})
    return found


def _limits(settings: Settings) -> dict[str, int]:
    names = ("max_bytes", "max_pixels", "max_output_pixels", "small_pixels")
    return {name: getattr(settings, name) for name in names}


def _metrics(app: FastAPI) -> str:
    jobs: Jobs = app.state.jobs
    lines = ["# HELP fourpass_requests_total Requests answered.", "# TYPE fourpass_requests_total counter"]
    for (method, status), count in sorted(app.state.guard().answered.items()):
        lines.append(f'fourpass_requests_total{{method="{method}",status="{status}"}} {count}')
    lines += ["# HELP fourpass_jobs_total Jobs that are over.", "# TYPE fourpass_jobs_total counter"]
    lines += [f'fourpass_jobs_total{{state="{state}"}} {count}' for state, count in sorted(jobs.counts.items())]
    for name, kind, help_text, value in (
        ("jobs_waiting", "gauge", "Jobs queued or being uploaded.", jobs.waiting),
        ("jobs_running", "gauge", "Jobs that workers are at.", jobs.running),
        ("job_seconds_total", "counter", "Time that workers spent on jobs.", round(jobs.seconds, 3)),
        ("output_pixels_total", "counter", "Pixels made.", jobs.pixels),
        ("workers", "gauge", "Workers alive.", app.state.pool.alive),
        ("workers_replaced_total", "counter", "Workers that died or were stopped.", app.state.pool.replaced),
    ):
        lines += [f"# HELP fourpass_{name} {help_text}", f"# TYPE fourpass_{name} {kind}", f"fourpass_{name} {value}"]
    return "\n".join(lines) + "\n"
