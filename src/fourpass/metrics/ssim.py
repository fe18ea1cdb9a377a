"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004) with the usual 11x11 Gaussian window."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from fourpass.errors import ConfigError, MetricError
from fourpass.metrics.filters import filter_valid, gaussian
from fourpass.metrics.protocol import Channel, Image, Plane, plane_pairs

_WINDOW = gaussian(11, 1.5)
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2

Region = Literal["valid", "same"]


class Moments(NamedTuple):
    """Mean and variance under the window, each (H - 10, W - 10)."""

    mean: Plane
    variance: Plane


def ssim(reference: Image, image: Image, *, channel: Channel = "y", border: int = 4, region: Region = "valid") -> float:
    """Return the mean structural similarity of two pictures.

    Window: 11x11 Gaussian, sigma 1.5, weights summing to 1; K1 0.01, K2 0.03, range 255; covariances divided by
    n, not n - 1. The region ``valid`` is Wang's ``ssim_index.m`` without its automatic downsampling, and
    scikit-image's ``structural_similarity`` with ``gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=255``; ``same`` is MATLAB's own ``ssim``.

    Args:
        reference: ground truth, (H, W, 3) RGB or (H, W) gray on 0..255, integer or float.
        image: what is measured; the same height and width.
        channel: ``y`` (the paper's), ``y8``, ``gray`` or ``rgb`` (the mean of the three channels' values).
        border: pixels left out on each side before the window is laid on.
        region: mean over the positions where the window lies wholly inside (``valid``), or over every pixel with
            the outermost ones repeated beyond the border (``same``).

    Returns:
        at most 1, which equal pictures have.

    Raises:
        MetricError: shapes that differ, values outside 0..255, or less than 11x11 pixels inside the border.
        ConfigError: an unknown channel or region, or a negative border.
    """
    if region not in get_args(Region):
        raise ConfigError(f"region {region!r} is not one of {', '.join(get_args(Region))}")
    pairs = plane_pairs(reference, image, channel, border)
    height, width = pairs[0][0].shape
    if min(height, width) < len(_WINDOW):
        raise MetricError(
            "SSIM's window is 11x11", hint=f"only {width}x{height} pixels are left inside a border of {border}"
        )
    reach = len(_WINDOW) // 2 if region == "same" else 0
    return float(np.mean([_similarity(np.pad(a, reach, "edge"), np.pad(b, reach, "edge")) for a, b in pairs]))


def local_moments(plane: Plane) -> Moments:
    """Return mean and variance under the window at each position where it lies wholly inside.

    Args:
        plane: (H, W) float64 on 0..255, at least 11x11.
    """
    mean, square = filter_valid(np.stack([plane, plane * plane]), _WINDOW)
    return Moments(mean, square - mean * mean)


def structure(left: Plane, right: Plane, of_left: Moments, of_right: Moments) -> Plane:
    """Return the map of SSIM's contrast-structure term, (2 cov + C2) / (var + var + C2).

    Args:
        left, right: (H, W) float64 on 0..255.
        of_left, of_right: their `local_moments`.
    """
    covariance = filter_valid(left * right, _WINDOW) - of_left.mean * of_right.mean
    return (2 * covariance + _C2) / (of_left.variance + of_right.variance + _C2)


def _similarity(left: Plane, right: Plane) -> float:
    of_left, of_right = local_moments(left), local_moments(right)
    luminance = (2 * of_left.mean * of_right.mean + _C1) / (of_left.mean**2 + of_right.mean**2 + _C1)
    return float(np.mean(luminance * structure(left, right, of_left, of_right)))
