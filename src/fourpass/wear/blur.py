"""How wide a picture's sharpest edges are: their gradient before and after one more blur (Zhuo and Sim, 2011).

A step that a Gaussian of deviation s blurred has a gradient in proportion to 1 / s, and to 1 / sqrt(s^2 + t^2) after
one more of deviation t. What is out of focus does not count where something else is in focus.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fourpass.wear.planes import Plane, luma

_AGAIN = 1.0  # pixels, t
_STEEPEST = 0.98  # quantile of the gradients above which an edge is looked at
_SHARPEST = 0.75  # quantile of their ratios
_FAINTEST = 4.0  # grey levels a pixel: below it there is no edge to judge by
_WIDEST = 5.0


def blur(parts: Sequence[Plane]) -> float:
    """Estimate the standard deviation of the blur, in pixels.

    Args:
        parts: float32 (h, w, C) on 0..255, tiles of a picture.

    Returns:
        0..5: sharp photos have 0.3 to 0.8, as pixels have a width; 0 where there is no edge to judge by.
    """
    first, second = [], []
    for part in parts:
        plane = luma(part)
        if min(plane.shape) >= 16:
            first.append(_gradient(plane).ravel())
            second.append(_gradient(_blurred(plane)).ravel())
    if not first:
        return 0.0
    before, after = np.concatenate(first), np.concatenate(second)
    least = float(np.quantile(before, _STEEPEST))
    if least < _FAINTEST:
        return 0.0
    edges = before >= least
    ratio = float(np.quantile(before[edges] / np.maximum(after[edges], 1e-3), _SHARPEST))
    return float(min(_AGAIN / np.sqrt(max(ratio * ratio - 1, 1e-6)), _WIDEST))


def _gradient(plane: Plane) -> NDArray[np.float32]:
    rows, columns = np.gradient(plane)
    return np.asarray(np.hypot(rows, columns), np.float32)


def _blurred(plane: Plane) -> Plane:
    reach = 4
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _AGAIN) ** 2)
    taps /= taps.sum()
    for _ in range(2):
        wide = np.pad(plane, ((reach, reach), (0, 0)), "edge")
        shifted = np.stack([wide[at : at + len(plane)] for at in range(len(taps))])
        plane = np.tensordot(taps.astype(np.float32), shifted, 1).T
    return plane
