"""Grain laid over training pictures, such as film and sensors leave and as photos made small for the web have lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fourpass.imaging.resize import imresize

COLOUR = 0.3  # of the grain's deviation, each channel by itself


def add_grain(
    low: NDArray[np.uint8], high: NDArray[np.uint8], level: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return both patches with the same grain: Gaussian, white, mostly the same in all channels.

    Args:
        low: (3, h, w), the shrunk patch; it gets what shrinking leaves of the grain.
        high: (3, s * h, s * w).
        level: its standard deviation in grey levels; scanned film has 2 to 3, photos for the web 0.8.
        rng: what it is drawn from.
    """
    shape = high.shape[1:]
    grain = rng.standard_normal((*shape, 1)) + COLOUR * rng.standard_normal((*shape, 3))
    grain *= level / np.hypot(1, COLOUR)
    shrunk = imresize(grain, low.shape[1] / shape[0])
    return _plus(low, shrunk), _plus(high, grain)


def _plus(patch: NDArray[np.uint8], grain: NDArray[np.float64]) -> NDArray[np.uint8]:
    summed: NDArray[np.uint8] = np.clip(np.rint(patch + grain.transpose(2, 0, 1)), 0, 255).astype(np.uint8)
    return summed
