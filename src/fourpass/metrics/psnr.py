"""Peak signal-to-noise ratio and root mean squared error, on the channel and crop that a table states."""

from __future__ import annotations

import math

import numpy as np

from fourpass.metrics.protocol import Channel, Image, plane_pairs


def psnr(reference: Image, image: Image, *, channel: Channel = "y", border: int = 4) -> float:
    """Return the peak signal-to-noise ratio in dB, with a peak of 255 (4PP-EUSR paper, section 5).

    Args:
        reference: ground truth, (H, W, 3) RGB or (H, W) gray on 0..255, integer or float.
        image: what is measured; the same height and width.
        channel: ``y`` (the paper's), ``y8``, ``gray`` or ``rgb`` (one mean over all three channels); see
            `fourpass.metrics.protocol.planes`.
        border: pixels left out on each side; the paper leaves out as many as the scale, 4.

    Returns:
        decibels; infinity for pictures that are equal.

    Raises:
        MetricError: shapes that differ, values outside 0..255, or nothing left inside the border.
        ConfigError: an unknown channel or a negative border.
    """
    error = rmse(reference, image, channel=channel, border=border)
    return 20 * math.log10(255 / error) if error > 0 else math.inf


def rmse(reference: Image, image: Image, *, channel: Channel = "y", border: int = 4) -> float:
    """Return the root of the mean squared difference, on the 0..255 scale.

    Args, Raises: as `psnr`.

    Returns:
        0 for pictures that are equal; 255 at most.
    """
    pairs = plane_pairs(reference, image, channel, border)
    return math.sqrt(sum(float(np.mean(np.square(a - b))) for a, b in pairs) / len(pairs))
