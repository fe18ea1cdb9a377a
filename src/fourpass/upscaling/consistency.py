"""How faithful an upscaled picture is: back-projection onto its input, its colours, and detail that may be invented."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError, ImageError
from fourpass.imaging.resize import imresize

_Pixels = TypeVar("_Pixels", bound=np.generic)
_DTYPES = (np.uint8, np.uint16, np.float32)


@dataclass(frozen=True)
class Projection:
    """The outcome of `back_project`.

    Attributes:
        steps: corrections made.
        worst: largest difference between the downscaled result and the input, as a fraction of the full range.
        lr_psnr: PSNR of the downscaled result against the input, in dB; infinite if they are equal.
        reached: whether `worst` is within the tolerance.
    """

    steps: int
    worst: float
    lr_psnr: float
    reached: bool


def back_project(
    upscaled: NDArray[_Pixels],
    low_resolution: NDArray[_Pixels],
    *,
    tolerance: float = 1 / 255,
    steps: int = 20,
    report: Callable[[int, float], None] | None = None,
) -> tuple[NDArray[_Pixels], Projection]:
    """Correct an upscaled picture so that it downscales to its input (Irani and Peleg, 1991).

    Each step downscales the picture with MATLAB's antialiased bicubic, enlarges the difference with the same kernel and
    adds it. The error is measured on the picture as it is returned: rounded and clipped.

    Args:
        upscaled: (H, W) or (H, W, C), uint8, uint16 or float32 on 0..1.
        low_resolution: its input, of the same dtype and channels, and no larger along either axis.
        tolerance: largest difference to allow at any pixel, as a fraction of the full range.
        steps: the most corrections to make; where clipping gets in the way, no number is enough.
        report: called with (steps made, largest difference) before each correction.

    Returns:
        the picture, in the shape and dtype of `upscaled` (the best one found, if none met the tolerance); the outcome.

    Raises:
        ImageError: dtypes or channels differ, a dtype is not among the three, or the input is larger than the picture.
        ConfigError: a negative tolerance or number of steps.
    """
    top = check_pair(upscaled, low_resolution, "upscaled", "low_resolution", same_size=False)
    if any(small > big for small, big in zip(low_resolution.shape[:2], upscaled.shape[:2], strict=True)):
        raise ImageError(
            (
                f"input of {size_text(low_resolution)} pixels is larger than its upscaled picture of "
                f"{size_text(upscaled)}"
            ),
            hint="consistency works only for enlarging",
        )
    if not (tolerance >= 0 and steps >= 0):
        raise ConfigError(f"tolerance {tolerance} and steps {steps} must not be negative")
    target = low_resolution.astype(np.float32)
    current = upscaled.astype(np.float32)
    best, best_result = upscaled, Projection(0, math.inf, -math.inf, False)
    for step in range(steps + 1):
        candidate = upscaled if step == 0 else as_dtype(current, upscaled.dtype)
        missing = target - imresize(candidate.astype(np.float32), size=target.shape[:2])
        worst = float(np.abs(missing).max()) / top
        if worst < best_result.worst:
            error = float(np.mean(np.square(missing, dtype=np.float64))) / top**2
            decibels = -10 * math.log10(error) if error else math.inf
            best, best_result = candidate, Projection(step, worst, decibels, worst <= tolerance)
        if report:
            report(step, worst)
        if worst <= tolerance or step == steps:
            break
        current = np.clip(current + imresize(missing, size=current.shape[:2]), 0, top)
    return best, best_result


def keep_colour(
    upscaled: NDArray[np.float32],
    low_resolution: NDArray[np.float32],
    *,
    radius: int = 2,
    gains: Sequence[float] = (1.0, 2.0, 2.0),
) -> NDArray[np.float32]:
    """Remove slow colour shifts from a network's output without changing its detail.

    Each round compares the mean of every cell of output pixels with the input pixel that it comes from, smooths the
    difference twice over a square, and adds it back, enlarged. The first round is enough where nothing clips; in a
    saturated colour about half the pixels do, and hide half of the shift, hence the later gains of 2.

    Args:
        upscaled: (s * H, s * W, C) on 0..255, not clipped; s a whole number.
        low_resolution: (H, W, C) on 0..255.
        radius: of the squares, in input pixels.
        gains: of each round. A round reaches ``2 * radius + 2`` input pixels far.

    Returns:
        the corrected output, not clipped.
    """
    height, width, channels = low_resolution.shape
    scale = upscaled.shape[0] // height
    result = upscaled
    for gain in gains:
        cells = np.clip(result, 0, 255).reshape(height, scale, width, scale, channels)
        missing: NDArray[Any] = low_resolution - cells.mean(axis=(1, 3))
        for axis in (0, 1, 0, 1):
            missing = _box(missing, radius, axis)
        result = result + imresize((gain * missing).astype(np.float32), scale)
    return result


def disagreement(faithful: NDArray[_Pixels], perceptual: NDArray[_Pixels], *, radius: int = 2) -> NDArray[np.float32]:
    """Map where two outputs differ; there, the perceptual one may show invented detail.

    Args:
        faithful, perceptual: (H, W) or (H, W, C) of one shape, uint8, uint16 or float32 on 0..1.
        radius: the difference at a pixel is the mean over a square that extends this far to each side, so the map
            shows regions and not single pixels.

    Returns:
        float32 (H, W) on 0..1: the mean absolute difference of the channels, of the full range.

    Raises:
        ImageError: shapes or dtypes differ, or a dtype is not among the three.
        ConfigError: a negative radius.
    """
    top = check_pair(faithful, perceptual, "faithful", "perceptual", same_size=True)
    if radius < 0:
        raise ConfigError(f"radius {radius} must not be negative")
    difference = np.abs(faithful.astype(np.float32) - perceptual.astype(np.float32)) / np.float32(top)
    gray: NDArray[Any] = difference.mean(axis=2) if difference.ndim == 3 else difference
    for axis in (0, 1):
        gray = _box(gray, radius, axis)
    return gray.astype(np.float32)


def disagreement_picture(disagreement_map: NDArray[np.float32], *, white: float = 1 / 8) -> NDArray[np.uint8]:
    """Turn a `disagreement` map into a gray picture: black where they agree, white from a difference of `white`.

    Returns:
        uint8 (H, W).

    Raises:
        ConfigError: white is not within 0..1, or 0.
    """
    if not 0 < white <= 1:
        raise ConfigError(f"white {white} is not within 0..1, above 0")
    return as_dtype(np.clip(disagreement_map / np.float32(white), 0, 1) * 255, np.dtype(np.uint8))


def _box(values: NDArray[Any], radius: int, axis: int) -> NDArray[Any]:
    """Mean over 2 * radius + 1 samples of one axis; the edge sample is repeated beyond the border."""
    pads: Sequence[tuple[int, int]] = [(radius, radius) if axis == each else (0, 0) for each in range(values.ndim)]
    padded = np.pad(values, pads, mode="edge")
    length = values.shape[axis]
    parts = [padded.take(range(start, start + length), axis) for start in range(2 * radius + 1)]
    return np.asarray(np.sum(parts, axis=0) / np.float32(2 * radius + 1))


def as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Turn numbers on a dtype's range into that dtype: integers rounded half up and clipped, floats as they are."""
    if dtype.kind == "f":
        return values.astype(dtype)
    return np.asarray(np.clip(np.floor(values + 0.5), 0, np.iinfo(dtype).max), dtype)


def full_range(image: NDArray[Any], name: str) -> float:
    """Return the value of white of a picture's dtype: 255, 65535 or 1.

    Raises:
        ImageError: the array is not a picture of uint8, uint16 or float32; the message calls it `name`.
    """
    if image.dtype not in _DTYPES or image.ndim not in (2, 3) or 0 in image.shape:
        raise ImageError(
            (f"{image.dtype} array of shape {image.shape} is not (H, W) or (H, W, C) of uint8, uint16 or float32"),
            subject=name,
        )
    return float(np.iinfo(image.dtype).max) if image.dtype.kind == "u" else 1.0


def check_pair(
    first: NDArray[Any], second: NDArray[Any], first_name: str, second_name: str, *, same_size: bool
) -> float:
    """Return the value of white of two pictures that must agree.

    Raises:
        ImageError: dtype, channels or, with ``same_size``, shapes differ.
    """
    top = full_range(first, first_name)
    full_range(second, second_name)
    start = 0 if same_size else 2
    if first.dtype != second.dtype or first.shape[start:] != second.shape[start:] or first.ndim != second.ndim:
        raise ImageError(
            (f"{first_name} is {first.dtype} {first.shape} and {second_name} is {second.dtype} {second.shape}"),
            hint=f"they must agree in dtype and {'shape' if same_size else 'channels'}",
        )
    return top


def size_text(image: NDArray[Any]) -> str:
    """Return a picture's size as people write it: 640x480."""
    return f"{image.shape[1]}x{image.shape[0]}"
