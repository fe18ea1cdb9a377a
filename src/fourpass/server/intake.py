"""Uploads: a form with a picture and options, read into a file of ours, within bounds and in words for the client."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from fourpass.server import options, problems, worker
from fourpass.server.jobs import Job, Jobs, QueueFullError
from fourpass.server.pool import FULL
from fourpass.server.problems import ProblemError
from fourpass.server.settings import Settings

_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1")  # of a form; pictures have none


@dataclass(frozen=True)
class Upload:
    """A picture that came, under a name of ours, the name that its client gave it, and what is wished."""

    file: Path
    name: str
    options: options.Options


async def accept(request: Request, jobs: Jobs, settings: Settings, limit: int) -> Job:
    """Take a place in the queue, read the form, queue the job.

    Raises:
        ProblemError: the queue is full, or the form, an option or the disk is no good.
    """
    check_type(request)
    try:
        job = jobs.admit()
    except QueueFullError:
        headers = {"Retry-After": "10", "Connection": "close"}
        raise ProblemError(429, f"{settings.queue} jobs wait already; come back later", headers) from None
    except OSError as error:
        raise _disk(error) from None
    try:
        upload = await read_form(request, job.folder / "upload")
    except BaseException:
        jobs.refuse(job)
        raise
    job.name, job.options = upload.name, upload.options
    job.task = worker.Task(str(upload.file), str(job.folder), upload.options.model_dump(), limit)
    jobs.submit(job)
    return job


def check_type(request: Request) -> None:
    """Refuse what is no form, before its body is read."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ProblemError(
            415, f"content type {kind or '(none)'} is not multipart/form-data; send the picture as a form"
        )
    charset = Message()
    charset["Content-Type"] = request.headers["content-type"]
    if charset.get_content_charset("utf-8") not in _CHARSETS:
        raise ProblemError(415, "the form's charset is not utf-8; leave it out or send utf-8")


async def read_form(request: Request, target: Path) -> Upload:
    """Read a form of a picture and options; the picture goes into a file of ours.

    Raises:
        ProblemError: the form, an option or the disk is no good.
    """
    try:
        async with request.form(max_files=1, max_fields=20, max_part_size=4096) as form:
            image = form.get("image")
            if not isinstance(image, UploadFile):
                raise ProblemError(422, "image: the form has no file of this name")
            chosen = options.parse({name: value for name, value in form.items() if isinstance(value, str)})
            if not await asyncio.to_thread(_keep, image, target):
                raise ProblemError(422, "image: the file is empty")
            return Upload(target, _printable(image.filename or ""), chosen)
    except MultiPartException as error:
        raise ProblemError(400, f"the form cannot be read ({error.message})") from None
    except OSError as error:
        raise _disk(error) from None
    except (UnicodeError, LookupError):
        raise ProblemError(400, "the form's names are not utf-8; send them as utf-8") from None


def _disk(error: OSError) -> Exception:
    """Return what to tell of an upload that cannot be kept; anything but a full disk is ours to look into."""
    return problems.of_full_disk() if error.errno in FULL else error


def _keep(image: UploadFile, target: Path) -> int:
    with open(target, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        shutil.copyfileobj(image.file, file)
        return file.tell()


def _printable(name: str) -> str:
    """Return the last part of a client's file name, to be offered again; it never reaches the file system."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[-150:] or "picture"
