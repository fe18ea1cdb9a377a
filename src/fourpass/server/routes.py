"""The routes of the API: one picture at once, jobs, previews."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from fourpass.errors import ConfigError
from fourpass.server import about, archive, intake, options, problems, worker
from fourpass.server.jobs import DONE, Job, Jobs
from fourpass.server.pool import Failure
from fourpass.server.previews import Previews, disconnected
from fourpass.server.problems import ProblemError
from fourpass.server.settings import Settings

_HEARTBEAT = 10.0
_PNG: dict[int | str, dict[str, Any]] = {200: {"description": "The picture.", "content": {"image/png": {}}}}
_Side = Annotated[int, Query(ge=1, le=2**31)]
_PLANNED = ("rows", "columns", "source")  # fields of `/v1/plan` that are no options


class JobState(BaseModel):
    """A job as clients see it."""

    id: str = Field(examples=["Jr1kB6Vn0hC9nZk5dZbqk2b7bBq0m2xw"])
    state: str = Field(description="queued, running, done, failed or cancelled.", examples=["running"])
    progress: float = Field(ge=0, le=1, examples=[0.4])
    detail: str | None = Field(None, description="Why it failed.")
    name: str = Field("", description="Of the upload, as the client gave it.", examples=["photo.jpg"])
    options: dict[str, Any] = Field({}, description="Those that were sent.", examples=[{"scale": 2}])
    report: dict[str, Any] = Field({}, description="Sizes, format and time, once it is done.")


class Decision(BaseModel):
    """What `restore` auto makes of a picture."""

    restore: float | None = Field(ge=0, le=1, examples=[0.65])
    reason: str | None = Field(examples=["JPEG of quality 75 by its tables"])


def _form(example_scale: int) -> dict[str, Any]:
    schema = options.Options.model_json_schema()
    properties = {
        "image": {"type": "string", "format": "binary", "description": "The picture."},
        **schema["properties"],
    }
    body = {"type": "object", "properties": properties, "required": ["image"], "additionalProperties": False}
    example = {"image": "(the file)", "scale": example_scale, "strength": 0.5, "format": "png"}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body, "example": example}}}}


def add_upscaling(app: FastAPI, settings: Settings) -> None:
    """Add the calls that take a picture."""
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
        job = await intake.accept(request, jobs, settings, limit=settings.small_pixels)
        try:
            gone = asyncio.create_task(disconnected(request))
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
        job = await intake.accept(request, app.state.jobs, settings, limit=settings.max_output_pixels)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return _state(job)


def add_jobs(app: FastAPI) -> None:
    """Add the calls about a job, for who knows its id."""

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

    @app.get("/v1/jobs/{id}/source", response_class=FileResponse, responses=problems.documented(401, 404))
    async def job_source(id: str) -> FileResponse:
        """Download the picture that a job was given, while it is kept."""
        job = find(id)
        if not (job.folder / "upload").is_file():
            raise ProblemError(404, "the upload is not kept any more")
        return FileResponse(job.folder / "upload", media_type="application/octet-stream", headers=_attachment(job.name))

    @app.get(
        "/v1/jobs/{id}/view",
        response_class=Response,
        responses={**_PNG, **problems.documented(401, 404, 409, 429, 504)},
    )
    async def job_view(id: str, request: Request) -> Response:
        """Return the result as a PNG that any browser shows, at most 40 megapixels."""
        job = find(id)
        if job.state != DONE:
            raise ProblemError(409, f"the job is {job.state}")
        return await _look(app.state.previews, request, job.folder / job.report["file"])

    @app.get("/v1/archive", response_class=StreamingResponse, responses=problems.documented(401, 404))
    async def archive_of(id: list[str] = Query(max_length=1000)) -> StreamingResponse:
        """Download the results of several jobs as one ZIP; those that are not done are left out."""
        done = [job for each in id if (job := app.state.jobs.find(each)) is not None and job.state == DONE]
        if not done:
            raise ProblemError(404, "none of these jobs has a result, or they were removed since")
        files = [(_download(job), job.folder / job.report["file"]) for job in done]
        return StreamingResponse(
            archive.stream(files), media_type="application/zip", headers=_attachment("fourpass.zip")
        )


def add_previews(app: FastAPI, settings: Settings) -> None:
    """Add what a page needs while somebody looks at it."""
    refusals = (400, 401, 403, 408, 413, 415, 422, 429, 500, 504, 507)

    @app.post("/v1/preview", response_class=Response, responses={**_PNG, **problems.documented(*refusals)})
    async def preview(request: Request) -> Response:
        """Upscale a small part, at once, whatever jobs are running; given up where the client goes away."""
        intake.check_type(request)
        previews: Previews = app.state.previews
        async with previews.place() as folder:
            upload = await intake.read_form(request, folder / "upload")
            wished = upload.options.model_dump()
            report = await previews.run(
                request, worker.Task(str(upload.file), str(folder), wished, settings.small_pixels)
            )
            app.state.speeds.note(report)
            content = await asyncio.to_thread((folder / report["file"]).read_bytes)
            return Response(content, media_type=report["media_type"], headers={"Cache-Control": "no-store"})

    @app.post("/v1/view", response_class=Response, responses={**_PNG, **problems.documented(*refusals)})
    async def view(request: Request) -> Response:
        """Return a picture of any format that is read as a PNG that any browser shows."""
        intake.check_type(request)
        async with app.state.previews.place() as folder:
            upload = await intake.read_form(request, folder / "upload")
            return await _look(app.state.previews, request, upload.file)

    @app.post("/v1/restore", response_model=Decision, responses=problems.documented(*refusals))
    async def restore(request: Request) -> Any:
        """Say how much `restore` auto would clean a picture, and why; null where the model has no such dial."""
        intake.check_type(request)
        async with app.state.previews.place() as folder:
            upload = await intake.read_form(request, folder / "upload")
            return await app.state.previews.run(request, worker.Judge(str(upload.file)))

    @app.get("/v1/plan", responses=problems.documented(401, 422))
    async def plan(request: Request, rows: _Side, columns: _Side, source: str = "") -> Any:
        """Say what a picture of so many rows and columns would become with these options, and how long it would take.

        Further fields of the query are the options of `/v1/upscale`.
        """
        own = {name: value for name, value in request.query_params.items() if name not in _PLANNED}
        chosen = options.parse(own)
        try:
            return about.plan(settings, app.state.speeds, rows, columns, source, chosen)
        except ConfigError as error:
            raise problems.of_error(error) from None


async def _look(previews: Previews, request: Request, source: Path) -> Response:
    async with previews.place() as folder:
        target = folder / "view.png"
        size = await previews.run(request, worker.Look(str(source), str(target)))
        content = await asyncio.to_thread(target.read_bytes)
    headers = {"Cache-Control": "no-store", "X-Size": f"{size['width']}x{size['height']}"}
    return Response(content, media_type="image/png", headers=headers)


def _raise_failure(job: Job) -> None:
    if job.state != DONE:
        failure = job.failure or Failure("internal", "the job failed")
        raise problems.of_failure(failure)


def _state(job: Job) -> JobState:
    detail = problems.of_failure(job.failure).detail if job.failure else None
    report = {name: value for name, value in job.report.items() if name != "file"}
    chosen = job.options.model_dump(exclude_unset=True) if job.options else {}
    return JobState(
        id=job.id,
        state=job.state,
        progress=round(job.progress, 4),
        detail=detail,
        name=job.name,
        options=chosen,
        report=report,
    )


def _disposition(job: Job) -> dict[str, str]:
    return _attachment(_download(job))


def _download(job: Job) -> str:
    stem = job.name.rpartition(".")[0] or "picture"
    return f"{stem[:100]}_x{job.report['factor']:.3g}{job.report['suffix']}"


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "Cache-Control": "no-store"}
