"""Separable filtering of planes in numpy, fast enough for megapixels: banded matrix products in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 32  # output samples in one product: the banded matrix stays small and nearly dense


def gaussian(size: int, sigma: float) -> NDArray[np.float64]:
    """Return the taps of a Gaussian of an odd size, summing to 1; their outer product is MATLAB's ``fspecial``.

    Args:
        size: number of taps, odd.
        sigma: standard deviation in samples.
    """
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum())


def filter_valid(plane: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the rows and the columns of a plane with the taps, where they lie wholly inside.

    Args:
        plane: (..., H, W) float64, H and W at least the number of taps.
        taps: (n,), used along both axes.

    Returns:
        (..., H - n + 1, W - n + 1) float64.
    """
    reach = len(taps) - 1
    matrix = np.zeros((_BLOCK, _BLOCK + reach))
    for row in range(_BLOCK):
        matrix[row, row : row + len(taps)] = taps
    height, width = plane.shape[-2] - reach, plane.shape[-1] - reach
    down = np.empty((*plane.shape[:-2], height, width + reach))
    for start in range(0, height, _BLOCK):
        rows = min(_BLOCK, height - start)
        np.matmul(
            matrix[:rows, : rows + reach],
            plane[..., start : start + rows + reach, :],
            out=down[..., start : start + rows, :],
        )
    across = np.empty((*plane.shape[:-2], height, width))
    for start in range(0, width, _BLOCK):
        columns = min(_BLOCK, width - start)
        across[..., start : start + columns] = (
            down[..., start : start + columns + reach] @ matrix[:columns, : columns + reach].T
        )
    return across
