"""The routes of what a page needs while somebody looks at it: parts, pictures to look at, plans."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from fourpass.errors import ConfigError
from fourpass.server import about, intake, options, problems, worker
from fourpass.server.previews import Previews
from fourpass.server.settings import Settings

PNG: dict[int | str, dict[str, Any]] = {200: {"description": "The picture.", "content": {"image/png": {}}}}
_Side = Annotated[int, Query(ge=1, le=2**31)]
_PLANNED = ("rows", "columns", "source")  # fields of `/v1/plan` that are no options


class Decision(BaseModel):
    """What `restore` auto makes of a picture."""

    restore: float | None = Field(ge=0, le=1, examples=[0.65])
    reason: str | None = Field(examples=["JPEG of quality 75 by its tables"])


def form(example_scale: int | None = None) -> dict[str, Any]:
    """Return the OpenAPI description of a form: a picture, and the options where there is an example of them."""
    properties = {"image": {"type": "string", "format": "binary", "description": "The picture."}}
    example: dict[str, Any] = {"image": "(the file)"}
    if example_scale is not None:
        properties |= options.Options.model_json_schema()["properties"]
        example |= {"scale": example_scale, "strength": 0.5, "format": "png"}
    body = {"type": "object", "properties": properties, "required": ["image"], "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body, "example": example}}}}


def add_previews(app: FastAPI, settings: Settings) -> None:
    """Add what a page needs while somebody looks at it."""
    refusals = (*problems.GUARDED, 400, 408, 413, 415, 422, 429, 500, 504, 507)

    @app.post(
        "/v1/preview",
        response_class=Response,
        responses={200: {"description": "The part.", "content": {"image/*": {}}}, **problems.documented(*refusals)},
        openapi_extra=form(4),
    )
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

    @app.post(
        "/v1/view",
        response_class=Response,
        responses={**PNG, **problems.documented(*refusals)},
        openapi_extra=form(),
    )
    async def view(request: Request) -> Response:
        """Return a picture of any format that is read as a PNG that any browser shows."""
        intake.check_type(request)
        async with app.state.previews.place() as folder:
            upload = await intake.read_form(request, folder / "upload")
            return await look(app.state.previews, request, upload.file)

    @app.post(
        "/v1/restore",
        response_model=Decision,
        responses=problems.documented(*refusals),
        openapi_extra=form(),
    )
    async def restore(request: Request) -> Any:
        """Say how much `restore` auto would clean a picture, and why; null where the model has no such dial."""
        intake.check_type(request)
        async with app.state.previews.place() as folder:
            upload = await intake.read_form(request, folder / "upload")
            return await app.state.previews.run(request, worker.Judge(str(upload.file)))

    @app.get("/v1/plan", responses=problems.documented(*problems.GUARDED, 422))
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


async def look(previews: Previews, request: Request, source: Path) -> Response:
    """Answer with a picture as a PNG that any browser shows, and its true size."""
    async with previews.place() as folder:
        target = folder / "view.png"
        size = await previews.run(request, worker.Look(str(source), str(target)))
        content = await asyncio.to_thread(target.read_bytes)
    headers = {"Cache-Control": "no-store", "X-Size": f"{size['width']}x{size['height']}"}
    return Response(content, media_type="image/png", headers=headers)
