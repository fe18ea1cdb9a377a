"""How far the edges of 8x8 blocks stand out, wherever the grid lies: the trace of an earlier JPEG after later saves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fourpass.wear.planes import Plane, luma

_LIMIT = 12.0  # grey levels; what is steeper is an edge of the picture
_FLOOR = 0.1  # grey levels, so that flat pictures have no ratio of nothing to nothing


def blockiness(parts: Sequence[Plane]) -> float:
    """Return how much larger the steps at one place in eight are than elsewhere, 0 for no blocks.

    A step is what two neighbours differ by, less than what the slopes on both sides explain. Of the two directions the
    one with less counts, since pictures may have lines at such a distance in one.

    Args:
        parts: float32 (h, w, C) on 0..255, tiles of a picture that begin at multiples of 8 pixels.

    Returns:
        0..: JPEG of quality 75 has 0.3 or more mostly, quality 30 1 or more, clean photos less than 0.1.
    """
    sums, counts = np.zeros((2, 8)), np.zeros((2, 8))
    for part in parts:
        plane = luma(part)
        for axis, turned in enumerate((plane, plane.T)):
            if turned.shape[1] < 16:
                continue
            steps = _steps(turned)
            place = (np.arange(len(steps)) + 2) % 8
            sums[axis] += np.bincount(place, steps, minlength=8)
            counts[axis] += np.bincount(place, minlength=8)
    if not counts.all():
        return 0.0
    found = []
    for means in sums / counts:
        usual = float(np.median(np.sort(means)[:-1]))
        found.append((float(means.max()) - usual) / (usual + _FLOOR))
    return min(found)


def _steps(plane: Plane) -> NDArray[np.float32]:
    """Mean step between each two neighbouring columns, from that between the second and third on."""
    slopes = np.diff(plane, axis=1)
    steps = np.abs(slopes[:, 1:-1] - 0.5 * (slopes[:, :-2] + slopes[:, 2:]))
    means: NDArray[np.float32] = np.minimum(steps, _LIMIT).mean(axis=0)
    return means
