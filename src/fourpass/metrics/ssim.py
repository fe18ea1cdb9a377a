"""Structural similarity (Wang et al. 2004), as the paper takes it: 11x11 Gaussian window, valid region."""

from __future__ import annotations

import numpy as np

from fourpass.errors import MetricError
from fourpass.metrics.filters import filter_valid, gaussian
from fourpass.metrics.protocol import Channel, Image, Plane, plane_pairs

_WINDOW = gaussian(11, 1.5)
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


def ssim(reference: Image, image: Image, *, channel: Channel = "y", border: int = 4) -> float:
    """Return the mean structural similarity of two pictures.

    Window: 11x11 Gaussian, sigma 1.5, weights summing to 1; K1 0.01, K2 0.03, range 255; covariances divided by
    1 (not n / (n - 1)); the mean over the positions where the window lies wholly inside. That is Wang's
    ``ssim_index.m`` without its automatic downsampling, and scikit-image's ``structural_similarity`` with
    ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255``.

    Args:
        reference: ground truth, (H, W, 3) RGB or (H, W) gray on 0..255, integer or float.
        image: what is measured; the same height and width.
        channel: ``y`` (the paper's), ``y8``, ``gray`` or ``rgb`` (the mean of the three channels' values).
        border: pixels left out on each side before the window is laid on.

    Returns:
        at most 1, which equal pictures have.

    Raises:
        MetricError: shapes that differ, values outside 0..255, or less than 11x11 pixels inside the border.
        ConfigError: an unknown channel or a negative border.
    """
    pairs = plane_pairs(reference, image, channel, border)
    height, width = pairs[0][0].shape
    if min(height, width) < len(_WINDOW):
        raise MetricError(f"SSIM's window is 11x11; only {width}x{height} pixels are left inside a border of {border}")
    return float(np.mean([_similarity(left, right) for left, right in pairs]))


def _similarity(left: Plane, right: Plane) -> float:
    moments = np.stack([left, right, left * left, right * right, left * right])
    mean_left, mean_right, square_left, square_right, product = filter_valid(moments, _WINDOW)
    means = mean_left * mean_right
    squares = mean_left**2 + mean_right**2
    above = (2 * means + _C1) * (2 * (product - means) + _C2)
    below = (squares + _C1) * (square_left + square_right - squares + _C2)
    return float(np.mean(above / below))
