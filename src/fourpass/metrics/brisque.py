"""BRISQUE, the blind image spatial quality evaluator (Mittal, Moorthy and Bovik 2012), with LIVE's own regression."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.natural_scene import fit_asymmetric, fit_symmetric, neighbour_products, normalise
from fourpass.metrics.protocol import Channel, Image, Plane, single_plane

_SMALLEST = 16  # pixels: at half size a 7x7 window must still fit


class Regression(NamedTuple):
    """A support vector regression with a Gaussian kernel, on features that are first scaled to -1..1."""

    coefficients: NDArray[np.float64]
    vectors: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    gamma: float
    rho: float


def brisque(image: Image, *, channel: Channel = "gray", border: int = 0) -> float:
    """Return LIVE's BRISQUE score; lower is better, good photographs lie near 0 to 30, bad ones near 100.

    Args:
        image: (H, W, 3) RGB or (H, W) gray on 0..255, integer or float.
        channel: ``gray`` (MATLAB's ``rgb2gray``, as LIVE's program), ``y8`` or ``y``.
        border: pixels left out on each side.

    Returns:
        the score; the regression is not bounded, so it can lie a little outside 0..100.

    Raises:
        MetricError: less than 16x16 pixels inside the border, or a picture too flat to have statistics.
        ConfigError: an unknown channel, ``rgb``, or a negative border.
    """
    model = live_model()
    scaled = 2 * (features(single_plane(image, channel, border)) - model.low) / (model.high - model.low) - 1
    distances = np.sum((model.vectors - scaled) ** 2, axis=1)
    return float(model.coefficients @ np.exp(-model.gamma * distances) - model.rho)


def features(plane: Plane) -> NDArray[np.float64]:
    """Return the paper's 36 features: 18 at full size, 18 at half size (its Table I).

    Args:
        plane: (H, W) float64 on 0..255, at least 16x16.

    Returns:
        (36,) float64, for each size: shape and variance of the normalised luminance; then shape, mean, left and
        right variance of its products with the neighbours to the left, above and along the two diagonals.

    Raises:
        MetricError: too small, or too flat for one of the features.
    """
    if min(plane.shape) < _SMALLEST:
        raise MetricError(
            f"BRISQUE needs {_SMALLEST}x{_SMALLEST} pixels", hint=f"this picture has {plane.shape[1]}x{plane.shape[0]}"
        )
    found: list[float] = []
    for half in (False, True):
        plane = imresize(plane, 0.5) if half else plane
        normal = normalise(plane, "constant")
        if not normal.any():
            raise MetricError("the picture is flat", hint="its BRISQUE statistics are not defined")
        found.extend(fit_symmetric(normal))
        for product in neighbour_products(normal[None]):
            alpha, mean, left, right = (float(row[0]) for row in fit_asymmetric(product))
            # The regression was trained on the plain variance of each side, without the distribution's factor.
            variance = math.gamma(3 / alpha) / math.gamma(1 / alpha)
            found += [alpha, mean, left**2 * variance, right**2 * variance]
    if not np.isfinite(found).all():
        raise MetricError("the picture is too flat", hint="its BRISQUE statistics are not defined")
    return np.array(found)


@lru_cache(maxsize=1)
def live_model() -> Regression:
    """Return LIVE's regression, trained on the LIVE database (`data/LIVE_NOTICE.txt`)."""
    path = resources.files("fourpass.metrics") / "data" / "brisque_live.npz"
    with path.open("rb") as file, np.load(file) as stored:
        arrays = {name: np.asarray(stored[name], np.float64) for name in stored.files}
    gamma, rho = float(arrays.pop("gamma")), float(arrays.pop("rho"))
    return Regression(**arrays, gamma=gamma, rho=rho)
