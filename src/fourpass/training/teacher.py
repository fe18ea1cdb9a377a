"""Targets from a stronger network: what a teacher makes of each low-resolution picture, computed once and kept.

A small network learns faster from a large one's output than from the truth, which holds detail that it cannot know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fourpass import conversion
from fourpass.data.training_images import TrainingImage, cached_array, default_cache
from fourpass.errors import ConfigError, WeightsError
from fourpass.training import distributed
from fourpass.upscaling.upscaler import Upscaler


def teach(
    pictures: Sequence[TrainingImage],
    teachers: Sequence[str],
    scales: Iterable[int],
    *,
    cache: Path | None = None,
    report: Callable[[str], None] = print,
) -> list[TrainingImage]:
    """Add to pictures what teachers make of their shrunk copies, from the cache where it is there.

    Args:
        pictures: with their `low` pictures.
        teachers: ONNX files, weights files or packaged names; each teaches those of its scales that are trained.
        scales: those trained.
        cache: folder of the results, found again by the picture's content and the teacher's; default as
            `fourpass.data.training_images.default_cache`.
        report: takes a line now and then while a teacher works.

    Returns:
        the pictures, with `taught` filled in, by whole low-resolution pictures, float32, rounded to uint8.

    Raises:
        ConfigError: two teachers for one scale, or a teacher of none that is trained.
        WeightsError: a teacher is missing, damaged, or no super-resolution network.
    """
    wanted = tuple(scales)
    folder = cache or default_cache()
    result = list(pictures)
    for name in teachers:
        upscaler, key = _load(name)
        teaches = [scale for scale in upscaler.scales if scale in wanted]
        if not teaches:
            raise ConfigError(
                (
                    f"teacher {name}: upscales by {', '.join(map(str, upscaler.scales))}, but this recipe "
                    f"trains {', '.join(map(str, wanted))}"
                ),
                hint="leave it out or change the scales",
            )
        for scale in teaches:
            if scale in result[0].taught:
                raise ConfigError(f"teacher {name}: another teacher has scale {scale} already", hint="give one a scale")
            upscaled = _upscale_all(result, upscaler, scale, key, folder, report)
            result = [
                replace(picture, taught={**picture.taught, scale: target})
                for picture, target in zip(result, upscaled, strict=True)
            ]
    return result


def _upscale_all(
    pictures: Sequence[TrainingImage],
    upscaler: Upscaler,
    scale: int,
    key: str,
    folder: Path,
    report: Callable[[str], None],
) -> list[NDArray[np.uint8]]:
    """Each process computes its own share first, so that none waits for the whole."""
    files = [folder / f"{picture.key}-x{scale}-by-{key}.npy" for picture in pictures]
    missing = [index for index, file in enumerate(files) if not file.exists()][
        distributed.rank() :: distributed.world()
    ]
    for done, index in enumerate(missing):
        if done % 20 == 0:
            report(f"teacher: {done} of {len(missing)} pictures at x{scale}")
        cached_array(files[index], partial(upscaler.upscale, pictures[index].low[scale], scale))
    return [
        cached_array(file, partial(upscaler.upscale, picture.low[scale], scale))
        for file, picture in zip(files, pictures, strict=True)
    ]


def _load(name: str) -> tuple[Upscaler, str]:
    """Return a teacher and a short hash of what it computes."""
    path = Path(name)
    if path.suffix.lower() != ".onnx":
        weights = conversion.load(name)
        return Upscaler(weights, precision="fp32", threads=torch.get_num_threads()), weights.sha256[:16]
    try:
        key = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError as error:
        raise WeightsError(f"teacher {name}: cannot be read ({error.strerror})") from None
    return Upscaler(path, precision="fp32", threads=torch.get_num_threads()), key
