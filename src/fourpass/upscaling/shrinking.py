"""The LR-PSNR of a picture that comes in bands: how closely it downscales to its input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.imaging.resize import contributions, imresize

_ROWS = 64  # rows that are downscaled at a time


class ShrinkMeter:
    """Measures the LR-PSNR of a picture that comes in bands, in about the memory that its input takes.

    Args:
        image: the input, (H, W) or (H, W, C), uint8, uint16 or float32 on 0..1.
        size: (rows, columns) of the picture, at least the input's.
    """

    def __init__(self, image: NDArray[Any], size: tuple[int, int]) -> None:
        self._input = image
        self._weights, self._indices = contributions(size[0], image.shape[0], image.shape[0] / size[0])
        self._shrunk = np.zeros(image.shape, np.float32)
        self._row = 0

    def add(self, band: NDArray[Any]) -> None:
        """Take the next rows, (rows, columns) or (rows, columns, C) as the input, of its dtype."""
        for start in range(0, len(band), _ROWS):
            block = band[start : start + _ROWS].astype(np.float32)
            narrow = imresize(block, size=(len(block), self._input.shape[1]))
            inside = (self._indices >= self._row) & (self._indices < self._row + len(block))
            touched = np.flatnonzero(inside.any(axis=1))
            matrix = np.zeros((len(touched), len(block)), np.float32)
            at, tap = np.nonzero(inside[touched])
            np.add.at(matrix, (at, self._indices[touched][at, tap] - self._row), self._weights[touched][at, tap])
            self._shrunk[touched] += np.tensordot(matrix, narrow, axes=1)
            self._row += len(block)

    def decibels(self) -> float:
        """The LR-PSNR, once every row has been taken; infinite where nothing differs."""
        top = 1.0 if self._input.dtype.kind == "f" else float(np.iinfo(self._input.dtype).max)
        difference = (self._shrunk - self._input.astype(np.float32)) / np.float32(top)
        error = float(np.mean(np.square(difference), dtype=np.float64))
        return -10 * math.log10(error) if error else math.inf


def lr_psnr(picture: NDArray[Any], image: NDArray[Any]) -> float | None:
    """Return the LR-PSNR of a whole picture (H, W, C) in dB; None where it is smaller than its input (h, w, C)."""
    meter = meter_of(image, picture.shape[:2])
    if meter is None:
        return None
    meter.add(picture)
    return meter.decibels()


def meter_of(image: NDArray[Any], size: tuple[int, ...]) -> ShrinkMeter | None:
    """Return a meter for a picture of (rows, columns), or None where that is smaller than its input (h, w, C)."""
    if size[0] < image.shape[0] or size[1] < image.shape[1]:
        return None
    return ShrinkMeter(image, (size[0], size[1]))
