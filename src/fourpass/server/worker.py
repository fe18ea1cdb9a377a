"""What a worker process does with one task: read, upscale, write; the same calls as the command line makes."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourpass import conversion
from fourpass.errors import ConfigError, FourpassError, WeightsError
from fourpass.server.pool import Handler
from fourpass.server.settings import Settings

_KEPT = 3  # networks of different strengths that stay loaded
_MEDIA_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "tiff": "image/tiff",
    "avif": "image/avif",
}


class TooLargeError(FourpassError):
    """An output larger than this request may ask for."""


@dataclass(frozen=True)
class Argument:
    """What a worker needs to know of the server."""

    model: str
    threads: int
    max_pixels: int

    @classmethod
    def of(cls, settings: Settings) -> Argument:
        """Take it from the settings."""
        threads = settings.threads or max(1, (os.cpu_count() or 1) // settings.workers)
        return cls(settings.model, threads, settings.max_pixels)


@dataclass(frozen=True)
class Task:
    """One picture.

    Attributes:
        source: the uploaded file.
        folder: where the result goes, under a name of our own.
        options: fields of `fourpass.server.options.Options`.
        limit: most output pixels, all frames together.
    """

    source: str
    folder: str
    options: dict[str, Any]
    limit: int


def check(model: str) -> None:
    """Find out whether a model can be served, before a client does.

    Raises:
        WeightsError: its file is missing, damaged, or is not a network that upscales.
    """
    from fourpass.jobs.settings import weights_files

    for file in weights_files(model):
        if file.suffix.lower() != ".onnx" and "scales" not in conversion.load(file).metadata.numbers:
            raise WeightsError(f"{model}: is not a network that upscales; see: fourpass models")


def start(argument: Argument) -> Handler:
    """Return the function that does tasks; it keeps the last few networks loaded."""
    from fourpass.imaging import formats
    from fourpass.jobs import job
    from fourpass.server.options import Options
    from fourpass.upscaling.upscaler import Upscaler

    loaded: OrderedDict[float | None, Upscaler] = OrderedDict()

    def upscaler(strength: float | None) -> Upscaler:
        if strength not in loaded:
            if len(loaded) >= _KEPT:
                loaded.popitem(last=False)
            loaded[strength] = Upscaler(argument.model, threads=argument.threads, strength=strength)
        loaded.move_to_end(strength)
        return loaded[strength]

    def handle(task: Task, progress: Callable[[float], None]) -> dict[str, Any]:
        began = time.monotonic()
        options = Options(**task.options)
        wishes = job.Wishes(
            **options.size(),
            quality=options.quality,
            strip=options.strip,
            self_ensemble=options.self_ensemble,
            max_pixels=argument.max_pixels,
        )
        network = upscaler(options.strength)
        try:
            planned = job.plan(
                network, task.source, wishes, key=_format(options.format), name="result", source_name="image"
            )
            if planned.pixels > task.limit:
                raise TooLargeError(
                    f"{planned.size[1]}x{planned.size[0]} is {planned.pixels / 1e6:.4g} megapixels, more than the "
                    f"{task.limit / 1e6:.4g} that are taken here; ask for less, or send it to /v1/jobs"
                )
            suffix = formats.FORMATS[planned.key].suffixes[0]
            target = Path(task.folder) / f"result{suffix}"
            lost = job.upscale_file(
                network,
                task.source,
                target,
                planned,
                wishes,
                progress=progress,
                source_name="image",
                target_name="result",
            )
        except FourpassError as error:  # where the upload lies is nobody's business
            raise type(error)(str(error).replace(task.source, "image").replace(task.folder, "")) from None
        return {
            "file": target.name,
            "suffix": suffix,
            "format": planned.key,
            "media_type": _MEDIA_TYPES.get(planned.key, f"image/{planned.key}"),
            "input_size": [planned.source.width, planned.source.height],
            "output_size": [planned.size[1], planned.size[0]],
            "output_pixels": planned.pixels,
            "lost": list(lost),
            "factor": max(planned.size) / max(planned.source.size),
            "bytes": target.stat().st_size,
            "seconds": round(time.monotonic() - began, 3),
        }

    return handle


def _format(name: str | None) -> str | None:
    """Return the format that a client named, by key or suffix."""
    from fourpass.imaging import formats

    if name is None:
        return None
    key = name.lower().lstrip(".")
    key = formats.SUFFIXES.get(f".{key}", key)
    if key not in formats.WRITTEN:
        raise ConfigError(f"format: {name[:20]!r} is not one of {', '.join(formats.WRITTEN)}")
    return key
