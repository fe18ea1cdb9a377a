"""What a worker process does with one task: read, upscale, write; the same calls as the command line makes."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fourpass import conversion
from fourpass.errors import FourpassError, WeightsError
from fourpass.server.pool import Handler
from fourpass.server.settings import Settings

_KEPT = 3  # networks of different strengths that stay loaded
_KEPT_WARM = 5  # the same for previews, whose dial goes back and forth; some 100 MiB each
_NICE = 5  # jobs yield to previews, which somebody waits for
_MOST = 2**31  # pixels of a result of ours, which is looked at too
_SHOWN = 40_000_000  # pixels of a picture to look at
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
    kept: int = _KEPT
    nice: int = 0
    warm: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Argument:
        """Take it from the settings, for jobs."""
        threads = settings.threads or max(1, (os.cpu_count() or 1) // settings.workers)
        return cls(settings.model, threads, settings.max_pixels, nice=_NICE if hasattr(os, "nice") else 0)

    @classmethod
    def warmed(cls, settings: Settings) -> Argument:
        """Take it from the settings, for previews: loaded before the first one comes."""
        return replace(cls.of(settings), kept=_KEPT_WARM, nice=0, warm=True)


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


@dataclass(frozen=True)
class Look:
    """One picture to be shown by a browser, whatever its format: its first frame as PNG of 8 bits.

    Attributes:
        source: the file.
        target: the PNG.
    """

    source: str
    target: str


@dataclass(frozen=True)
class Judge:
    """One picture whose wear is to be told; `source` is the file."""

    source: str


def check(model: str) -> None:
    """Find out whether a model can be served, before a client does.

    Raises:
        WeightsError: its file is missing, damaged, or is not a network that upscales.
    """
    from fourpass.jobs.settings import weights_files

    for file in weights_files(model):
        foreign = file.suffix.lower() in (".onnx", ".param", ".bin")
        if not foreign and "scales" not in conversion.load(file).metadata.numbers:
            raise WeightsError("is not a network that upscales", subject=model, hint="see: fourpass models")


def start(argument: Argument) -> Handler:
    """Return the function that does tasks; it keeps the last few networks loaded."""
    from fourpass.imaging import formats
    from fourpass.jobs import one_file
    from fourpass.server.options import Options
    from fourpass.upscaling.sizes import trained_scale
    from fourpass.upscaling.upscaler import AUTO, Upscaler

    loaded: OrderedDict[tuple[float | None, float | str], Upscaler] = OrderedDict()
    if argument.nice:
        os.nice(argument.nice)

    def upscaler(strength: float | None, restore: float | str = AUTO) -> Upscaler:
        key = strength, restore
        if key not in loaded:
            if len(loaded) >= argument.kept:
                loaded.popitem(last=False)
            loaded[key] = Upscaler(argument.model, threads=argument.threads, strength=strength, restore=restore)
        loaded.move_to_end(key)
        return loaded[key]

    def handle(task: Task | Look | Judge, progress: Callable[[float], None]) -> dict[str, Any]:
        if isinstance(task, Look):
            return show(task, argument.max_pixels)
        return judge(task) if isinstance(task, Judge) else upscale(task, progress)

    def judge(task: Judge) -> dict[str, Any]:
        wanted = one_file.UpscaleOptions(max_pixels=argument.max_pixels)
        found = one_file.restore_of(upscaler(None), task.source, wanted, source_name="image")
        return {"restore": found.value, "reason": found.reason} if found else {"restore": None, "reason": None}

    def upscale(task: Task, progress: Callable[[float], None]) -> dict[str, Any]:
        began = time.monotonic()
        options = Options(**task.options)
        wanted = one_file.UpscaleOptions(
            **options.size(),
            quality=options.quality,
            strip=options.strip,
            self_ensemble=options.self_ensemble,
            max_pixels=argument.max_pixels,
        )
        network = upscaler(options.strength, options.restore)
        try:
            planned = one_file.plan(network, task.source, wanted, key=options.key(), name="result", source_name="image")
            if planned.pixels > task.limit:
                raise TooLargeError(
                    (
                        f"{planned.size[1]}x{planned.size[0]} is {planned.pixels / 1000000.0:.4g} megapixels, "
                        f"more than the {task.limit / 1000000.0:.4g} that are taken here"
                    ),
                    hint="ask for less, or send it to /v1/jobs",
                )
            scale = trained_scale(planned.source.size, planned.size, network.scales)
            suffix = formats.FORMATS[planned.key].suffixes[0]
            target = Path(task.folder) / f"result{suffix}"
            result = one_file.upscale_file(
                network,
                task.source,
                target,
                planned,
                wanted,
                progress=progress,
                source_name="image",
                target_name="result",
            )
        except FourpassError as error:  # where the upload lies is nobody's business
            if error.subject.startswith((task.source, task.folder)):
                raise error.about("image" if error.subject == task.source else "result") from None
            raise
        return {
            "file": target.name,
            "suffix": suffix,
            "format": planned.key,
            "media_type": _MEDIA_TYPES.get(planned.key, f"image/{planned.key}"),
            "input_size": [planned.source.width, planned.source.height],
            "output_size": [planned.size[1], planned.size[0]],
            "output_pixels": planned.pixels,
            "lost": list(result.lost),
            "restore": result.restore.value if result.restore else None,
            "restore_reason": result.restore.reason if result.restore else None,
            "trained": scale,
            "network_pixels": planned.source.width * planned.source.height * planned.source.frames * scale**2,
            "factor": max(planned.size) / max(planned.source.size),
            "bytes": target.stat().st_size,
            "seconds": round(time.monotonic() - began, 3),
        }

    if argument.warm:
        first = upscaler(None)
        first.prepare(first.default_scale)
    return handle


def show(look: Look, max_pixels: int) -> dict[str, Any]:
    """Write a picture for browsers; one beyond `_SHOWN` pixels is shrunk. Returns its true size.

    Raises:
        ImageError: it cannot be read.
    """
    import numpy as np

    from fourpass.imaging import files
    from fourpass.imaging.picture import Picture

    picture = files.read(look.source, name="image", max_pixels=max(max_pixels, _MOST))
    header, frame = picture.header, picture.frames[:1]
    alphas = None if picture.alphas is None else picture.alphas[:1]
    step = 1
    while header.width * header.height > _SHOWN * step**2:
        step += 1
    frame = frame[:, ::step, ::step]
    alphas = None if alphas is None else alphas[:, ::step, ::step]
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
        alphas = None if alphas is None else (alphas >> 8).astype(np.uint8)
    small = replace(
        header.resized((frame.shape[1], frame.shape[2])), format="png", depth=8, frames=1, delays=(), loop=0
    )
    kept = replace(small, metadata=small.metadata.only(frozenset({"icc"})))
    files.write(look.target, Picture(kept, np.ascontiguousarray(frame), alphas), strip=True)
    return {"width": header.width, "height": header.height}
