"""What the estimates look at: a picture's samples as float planes, or those of some tiles where it is large."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ImageError

Plane = NDArray[np.float32]
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # JPEG's (JFIF), over the full range
TILE = 256  # a multiple of 16, so that blocks lie alike in all tiles
_ACROSS = 4  # tiles a side, of pictures that are larger than so many of them


def tiles(pixels: NDArray[Any]) -> list[Plane]:
    """Return the parts of a picture that estimates are made from.

    Args:
        pixels: (H, W), (H, W, 1) or (H, W, 3); uint8, uint16, or floats on 0..1.

    Returns:
        float32 (h, w, C) on 0..255: the whole picture, or 16 tiles of 256x256, evenly spread, of one with more than
        1024 rows or columns. Each begins at multiples of 16 pixels.

    Raises:
        ImageError: the array is no such picture.
    """
    image = pixels[..., None] if pixels.ndim == 2 else pixels
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ImageError(f"array of shape {pixels.shape} is not (H, W), (H, W, 1) or (H, W, 3)")
    top = 1.0 if image.dtype.kind == "f" else float(np.iinfo(image.dtype).max)
    spans = [_spans(length) for length in image.shape[:2]]
    factor = np.float32(255 / top)
    return [np.asarray(image[rows, columns], np.float32) * factor for rows in spans[0] for columns in spans[1]]


def luma(tile: Plane) -> Plane:
    """Return JPEG's luma of a tile, (h, w)."""
    return tile[..., 0] if tile.shape[2] == 1 else np.asarray(tile @ LUMA, np.float32)


def _spans(length: int) -> list[slice]:
    if length <= _ACROSS * TILE:
        return [slice(0, length)]
    starts = np.linspace(0, length - TILE, _ACROSS).astype(int) // 16 * 16
    return [slice(start, start + TILE) for start in map(int, starts)]
