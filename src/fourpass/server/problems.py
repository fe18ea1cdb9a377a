"""Errors as RFC 9457 problem details: one JSON object with a status, a title and a one-line reason."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from fourpass.errors import FourpassError, line
from fourpass.server.pool import Failure

# What the failure of a job tells the client; other kinds are the server's own fault.
_STATUS = {
    "ImageError": 422,
    "ConfigError": 422,
    "TooLargeError": 413,
    "timeout": 504,
    "cancelled": 409,
    "crash": 500,
    "full": 507,
}
# What a client is told instead of a way out that it does not have, by the key of the error.
_HINTS = {
    "max-pixels": "make it smaller first",
    "memory": "ask for a smaller output",
    "disk-full": "",
    "file-too-large": "",
    "name-too-long": "",
    "unwritable": "",
}
_FULL = "the server's disk is full; try again later, or ask for a smaller output or format"

MEDIA_TYPE = "application/problem+json"
GUARDED = (401, 403, 503)  # what any call but /healthz may be answered with before its route is asked


class Problem(BaseModel):
    """A problem as RFC 9457 has it."""

    type: str = Field("about:blank", description="What kind of problem; about:blank: as the status says.")
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["scale is -2; it must be a positive number"])


class ProblemError(Exception):
    """Raised to answer a request with a problem.

    Args:
        status: HTTP status.
        detail: one line: the value, the rule, the way out.
        headers: to send along, ``Retry-After`` say.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def of_failure(failure: Failure) -> ProblemError:
    """Return the problem that a job's failure is."""
    if failure.kind == "full":
        return ProblemError(507, _FULL)
    detail = failure.detail if failure.error is None else _told(failure.error)
    return ProblemError(_STATUS.get(failure.kind, 500), detail)


def of_error(error: FourpassError) -> ProblemError:
    """Return the problem that an error is."""
    return ProblemError(_STATUS.get(type(error).__name__, 500), _told(error))


def of_full_disk() -> ProblemError:
    """Return the problem of a server whose disk is full."""
    return ProblemError(507, _FULL)


def _told(error: FourpassError) -> str:
    return line(error.subject, error.reason, _HINTS.get(error.key, error.hint))


def response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the answer that tells a problem."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)  # type: ignore[call-arg]
    return JSONResponse(problem.model_dump(), status, dict(headers or {}), media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of these statuses as problems."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make an application answer all its errors as problems."""

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> JSONResponse:
        return response(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_allowed(app, request)))
        return response(error.status_code, str(error.detail), headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "request"
        return response(422, f"{where}: {first['msg']}")

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        return response(500, "the server failed; its log says why")


def _allowed(app: FastAPI, request: Request) -> set[str]:
    """Return the methods of all routes of a request's path; the framework names those of the first one alone."""
    found = (route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in found for method in getattr(route, "methods", None) or ()}
