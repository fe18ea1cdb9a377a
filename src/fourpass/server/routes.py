"""The routes of the API: one picture at once, jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from fourpass.server import archive, intake, preview_routes, problems
from fourpass.server.jobs import DONE, Job, Jobs
from fourpass.server.pool import Failure
from fourpass.server.previews import disconnected
from fourpass.server.problems import ProblemError
from fourpass.server.settings import Settings

_HEARTBEAT = 10.0


class JobState(BaseModel):
    """A job as clients see it."""

    id: str = Field(examples=["Jr1kB6Vn0hC9nZk5dZbqk2b7bBq0m2xw"])
    state: str = Field(description="queued, running, done, failed or cancelled.", examples=["running"])
    progress: float = Field(ge=0, le=1, examples=[0.4])
    detail: str | None = Field(None, description="Why it failed.")
    name: str = Field("", description="Of the upload, as the client gave it.", examples=["photo.jpg"])
    options: dict[str, Any] = Field({}, description="Those that were sent.", examples=[{"scale": 2}])
    report: dict[str, Any] = Field({}, description="Sizes, format and time, once it is done.")


def add_upscaling(app: FastAPI, settings: Settings) -> None:
    """Add the calls that take a picture."""
    refusals = (*problems.GUARDED, 400, 408, 413, 415, 422, 429, 500, 507, 504)

    @app.post(
        "/v1/upscale",
        response_class=Response,
        responses={200: {"description": "The picture.", "content": {"image/*": {}}}, **problems.documented(*refusals)},
        openapi_extra=preview_routes.form(2),
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
        openapi_extra=preview_routes.form(4),
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

    @app.get("/v1/jobs/{id}", response_model=JobState, responses=problems.documented(*problems.GUARDED, 404, 422))
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
            **problems.documented(*problems.GUARDED, 404, 422),
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
            **problems.documented(*problems.GUARDED, 404, 409, 413, 422, 500, 504),
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

    @app.delete("/v1/jobs/{id}", status_code=204, responses=problems.documented(*problems.GUARDED, 404, 422))
    async def delete_job(id: str) -> Response:
        """Cancel a job if it is not over, and remove it and its result."""
        app.state.jobs.forget(find(id))
        return Response(status_code=204)

    @app.get(
        "/v1/jobs/{id}/source",
        response_class=FileResponse,
        responses={
            200: {"description": "The upload.", "content": {"application/octet-stream": {}}},
            **problems.documented(*problems.GUARDED, 404, 422),
        },
    )
    async def job_source(id: str) -> FileResponse:
        """Download the picture that a job was given, while it is kept."""
        job = find(id)
        if not (job.folder / "upload").is_file():
            raise ProblemError(404, "the upload is not kept any more")
        return FileResponse(job.folder / "upload", media_type="application/octet-stream", headers=_attachment(job.name))

    @app.get(
        "/v1/jobs/{id}/view",
        response_class=Response,
        responses={**preview_routes.PNG, **problems.documented(*problems.GUARDED, 404, 409, 422, 429, 504)},
    )
    async def job_view(id: str, request: Request) -> Response:
        """Return the result as a PNG that any browser shows, at most 40 megapixels."""
        job = find(id)
        if job.state != DONE:
            raise ProblemError(409, f"the job is {job.state}")
        return await preview_routes.look(app.state.previews, request, job.folder / job.report["file"])

    @app.get(
        "/v1/archive",
        response_class=StreamingResponse,
        responses={
            200: {"description": "The results.", "content": {"application/zip": {}}},
            **problems.documented(*problems.GUARDED, 404, 422),
        },
    )
    async def archive_of(id: list[str] = Query(max_length=1000)) -> StreamingResponse:
        """Download the results of several jobs as one ZIP; those that are not done are left out."""
        done = [job for each in id if (job := app.state.jobs.find(each)) is not None and job.state == DONE]
        if not done:
            raise ProblemError(404, "none of these jobs has a result, or they were removed since")
        files = [(_download(job), job.folder / job.report["file"]) for job in done]
        return StreamingResponse(
            archive.stream(files), media_type="application/zip", headers=_attachment("fourpass.zip")
        )


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
