"""What wears pictures, one function each: other filters for shrinking, blur, sensor noise, JPEG and WebP.

All take and give uint8 (H, W, 3) RGB, but for `blur` and `noise`, which give float32 so that both are rounded once.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import missing_extra

FILTERS = ("box", "bilinear", "hamming", "bicubic", "lanczos")
CHROMA = ("4:4:4", "4:2:2", "4:2:0")  # in the order of Pillow's numbers
_ROUND = 16  # Fourier transforms are of multiples of it: quick, whatever the kernel
_MIDDLE = 128.0

Pixels = NDArray[np.uint8]


def resize(image: Pixels, size: tuple[int, int], kernel: str) -> Pixels:
    """Resize with one of Pillow's `FILTERS`, antialiased; `size` is (rows, columns)."""
    pillow = _pillow()
    done = pillow.fromarray(image).resize(size[::-1], getattr(pillow.Resampling, kernel.upper()))
    return np.asarray(done)


def blur(image: Pixels, along: float, across: float, angle: float = 0.0) -> NDArray[np.float32]:
    """Blur with a Gaussian that may be longer than wide; borders are mirrored.

    Args:
        image: (H, W, 3) uint8.
        along, across: standard deviations in pixels along the kernel's axis and across it.
        angle: of the axis, in radians from the columns' direction (left to right) towards the rows' (down).
    """
    if along == across:
        down, right = (_gaussian_rows(length, along) for length in image.shape[:2])
        return np.asarray(
            np.einsum("rcb,dc->rdb", np.tensordot(down, image.astype(np.float32), 1), right, optimize=True)
        )
    pad = math.ceil(3 * max(along, across))
    rows, columns = (-(-(length + 2 * pad) // _ROUND) * _ROUND for length in image.shape[:2])
    after = rows - image.shape[0] - pad, columns - image.shape[1] - pad
    wide = np.pad(image, ((pad, after[0]), (pad, after[1]), (0, 0)), "symmetric")
    v, u = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
    first, second = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
    response = np.exp(-2 * math.pi**2 * ((along * first) ** 2 + (across * second) ** 2))[..., None]
    blurred = np.fft.irfft2(np.fft.rfft2(wide, axes=(0, 1)) * response, s=(rows, columns), axes=(0, 1))
    return np.asarray(blurred[pad : -after[0], pad : -after[1]], np.float32)


@lru_cache(64)
def _offsets(length: int, reach: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For the samples that a blurred one may see: which they are, mirrored at the borders, and how far away."""
    away = np.arange(-reach, reach + 1)
    at = np.mod(np.arange(length)[:, None] + away, 2 * length)
    return np.where(at < length, at, 2 * length - 1 - at), away.astype(np.float64)


def _gaussian_rows(length: int, sigma: float) -> NDArray[np.float32]:
    """The matrix that blurs `length` samples."""
    indices, away = _offsets(length, max(2, math.ceil(4 * sigma)))
    taps = np.exp(-0.5 * (away / sigma) ** 2)
    matrix = np.zeros((length, length), np.float32)
    np.add.at(matrix, (np.arange(length)[:, None], indices), (taps / taps.sum()).astype(np.float32))
    return matrix


def noise(
    image: NDArray[Any], sigma: float, rng: np.random.Generator, colour: float = 1.0, shot: float = 0.0
) -> NDArray[np.float32]:
    """Add Gaussian noise, white in space.

    Args:
        image: (H, W, 3) on 0..255.
        sigma: standard deviation of each channel, in grey levels, where the picture is mid-grey (128).
        rng: what it is drawn from.
        colour: share of the variance that each channel has by itself, 0 (gray noise) to 1.
        shot: share of the variance that grows in proportion to the level, as photons' does; the rest is the same
            everywhere, as an amplifier's.
    """
    height, width = image.shape[:2]
    drawn = np.float32(np.sqrt(colour)) * rng.standard_normal((height, width, 3), np.float32)
    if colour < 1:
        drawn += np.float32(np.sqrt(1 - colour)) * rng.standard_normal((height, width, 1), np.float32)
    level = np.float32(sigma)
    if shot:
        return np.asarray(image + level * np.sqrt(1 - shot + shot / _MIDDLE * image.clip(0, 255)) * drawn, np.float32)
    return np.asarray(image + level * drawn, np.float32)


def to_uint8(values: NDArray[Any]) -> Pixels:
    """Round to the nearest level, within 0..255."""
    rounded: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def jpeg(image: Pixels, quality: int, chroma: str = "4:2:0", **options: Any) -> Pixels:
    """Return what is left of a picture that Pillow saved as JPEG; `options` go to its `save`."""
    return _reopened(image, "JPEG", quality=quality, subsampling=CHROMA.index(chroma), **options)


def webp(image: Pixels, quality: int) -> Pixels:
    """Return what is left of a picture that Pillow saved as lossy WebP, whose chroma is always 4:2:0."""
    return _reopened(image, "WEBP", quality=quality, method=0)


def _reopened(image: Pixels, codec: str, **options: Any) -> Pixels:
    pillow = _pillow()
    stream = io.BytesIO()
    pillow.fromarray(image).save(stream, codec, **options)
    with pillow.open(stream) as opened:
        return np.asarray(opened)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise missing_extra("train", "pillow") from None
    return Image
