"""Natural scene statistics that NIQE and BRISQUE share: normalised luminance and generalised Gaussians.

Mittal, Moorthy and Bovik, "No-Reference Image Quality Assessment in the Spatial Domain" (2012), equations 1-13.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourpass.metrics.filters import filter_valid, gaussian

_WINDOW = gaussian(7, 7 / 6)
# A difference this small is the rounding error of the filter: the least true one, of whole-numbered pixels, is 1e-4.
_ROUNDING = 1e-10
# Offsets (rows, columns) of the neighbour that a pixel is multiplied with: left, above, and the two diagonals.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))


class Asymmetric(NamedTuple):
    """Asymmetric generalised Gaussians, one a row of samples: shape, mean, left and right scale."""

    alpha: NDArray[np.float64]
    mean: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]


def normalise(plane: NDArray[np.float64], outside: Literal["edge", "constant"]) -> NDArray[np.float64]:
    """Return mean-subtracted, contrast-normalised luminance: (x - mean) / (standard deviation + 1).

    Mean and deviation are of a 7x7 Gaussian window, sigma 7/6.

    Args:
        plane: (H, W) float64 on 0..255.
        outside: what lies beyond the border: ``edge`` repeats it (NIQE), ``constant`` is 0 (BRISQUE).

    Returns:
        (H, W) float64. Where a pixel equals its window's mean to rounding the result is exactly 0, because
        the sign of a rounding error would decide which side of the distribution it is counted on
        (docs/reference/metrics.md).
    """
    padded = np.pad(plane, len(_WINDOW) // 2, mode=outside)
    mean, square = filter_valid(np.stack([padded, padded * padded]), _WINDOW)
    difference: NDArray[np.float64] = plane - mean
    difference[np.abs(difference) < _ROUNDING] = 0
    np.multiply(mean, mean, out=mean)
    np.subtract(square, mean, out=square)
    np.abs(square, out=square)
    np.sqrt(square, out=square)
    square += 1
    difference /= square
    return difference


def fit_asymmetric(samples: NDArray[np.float64]) -> Asymmetric:
    """Fit an asymmetric generalised Gaussian to each row by matching moments (equations 8-13).

    Args:
        samples: (rows, n) float64.

    Returns:
        four arrays (rows,). As in LIVE's program a row without negative or without positive samples, or of zeros
        alone, has alpha 0.2 and NaN for what is undefined.
    """
    positive = np.maximum(samples, 0)
    right_square, right_sum = _row_dot(positive, positive), positive.sum(axis=1)
    right_count = np.count_nonzero(positive, axis=1)
    negative = np.minimum(samples, 0, out=positive)
    left_square, left_sum = _row_dot(negative, negative), negative.sum(axis=1)
    left_count = np.count_nonzero(negative, axis=1)
    count = samples.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.sqrt(left_square / left_count)
        right = np.sqrt(right_square / right_count)
        ratio = left / right
        peaked = ((right_sum - left_sum) / count) ** 2 / ((right_square + left_square) / count)
        alpha = _shape_of(peaked * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2)
    gamma = np.array([[math.gamma(k / a) for k in (1, 2, 3)] for a in alpha])
    scale = np.sqrt(gamma[:, 0] / gamma[:, 2])
    left, right = left * scale, right * scale
    return Asymmetric(alpha, (right - left) * gamma[:, 1] / gamma[:, 0], left, right)


def fit_symmetric(samples: NDArray[np.float64]) -> tuple[float, float]:
    """Fit a generalised Gaussian by matching moments (equations 4-6).

    Args:
        samples: any shape, float64, not all zero.

    Returns:
        alpha (on 0.2..10) and the variance.
    """
    variance = float(np.mean(np.square(samples)))
    alpha = _shape_of(np.array([float(np.mean(np.abs(samples))) ** 2 / variance]))
    return float(alpha[0]), variance


def neighbour_products(blocks: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return each block times itself moved by each of `NEIGHBOURS`, wrapping around inside the block.

    Args:
        blocks: (n, H, W) float64.

    Returns:
        four arrays (n, H * W).
    """
    return [(blocks * np.roll(blocks, offset, axis=(1, 2))).reshape(len(blocks), -1) for offset in NEIGHBOURS]


@lru_cache(maxsize=1)
def _shapes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The shapes that are tried, 0.2 to 10 by 0.001, and (mean |x|)^2 / mean x^2 of each one's distribution."""
    alphas = np.arange(200, 10001) / 1000
    gamma = math.gamma
    return alphas, np.array([gamma(2 / a) ** 2 / (gamma(1 / a) * gamma(3 / a)) for a in alphas])


def _shape_of(peaked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the alpha whose ratio is nearest, the smaller in a tie; 0.2 for NaN."""
    alphas, ratios = _shapes()
    above = np.clip(np.searchsorted(ratios, peaked), 1, len(ratios) - 1)
    nearest = np.where(peaked - ratios[above - 1] <= ratios[above] - peaked, above - 1, above)
    return np.where(np.isnan(peaked), alphas[0], alphas[nearest])


def _row_dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", left, right))
