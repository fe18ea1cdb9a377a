"""NIQE, the natural image quality evaluator (Mittal, Soundararajan and Bovik 2013), as LIVE's MATLAB program has it."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.natural_scene import fit_asymmetric, neighbour_products, normalise
from fourpass.metrics.protocol import Channel, Image, Plane, single_plane

BLOCK = 96


def niqe(image: Image, *, channel: Channel = "y8", border: int = 4) -> float:
    """Return how far a picture's statistics lie from those of pristine photographs; lower is better.

    Statistics of 96x96 blocks at full and half size, their mean and covariance against LIVE's published model
    (`data/LIVE_NOTICE.txt`). Rows and columns that fill no whole block, at the bottom and the right, are left out.

    Args:
        image: (H, W, 3) RGB or (H, W) gray on 0..255, integer or float.
        channel: ``y8`` (Y of BT.601 in whole numbers: the paper's values), ``y`` (unrounded: 5 % more on bicubic
            results, whose smooth parts lack the rounding noise), or ``gray`` (what LIVE's program does with a
            colour picture; it takes a gray one as it is).
        border: pixels left out on each side.

    Returns:
        0 or more; photographs lie at 2 to 5, blurred ones above.

    Raises:
        MetricError: less than two blocks inside the border, or fewer than two of them have any texture.
        ConfigError: an unknown channel, ``rgb``, or a negative border.
    """
    features = block_features(single_plane(image, channel, border))
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        raise MetricError(
            f"{len(whole)} of {len(features)} blocks have texture", hint="NIQE of a flat picture is not defined"
        )
    mean, covariance = pristine_model()
    difference = mean - np.nanmean(features, axis=0)
    pooled = (covariance + np.cov(whole, rowvar=False)) / 2
    return float(np.sqrt(difference @ np.linalg.pinv(pooled) @ difference))


def block_features(plane: Plane) -> NDArray[np.float64]:
    """Return the 36 features of each 96x96 block: 18 at full size, 18 at half size.

    Args:
        plane: (H, W) float64 on 0..255, at least two blocks large.

    Returns:
        (blocks, 36) float64, blocks row by row; NaN where a block is too flat for a feature.

    Raises:
        MetricError: less than two whole blocks.
    """
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    if rows * columns < 2:
        raise MetricError(
            f"{plane.shape[1]}x{plane.shape[0]} pixels hold {rows * columns} blocks of 96x96",
            hint="NIQE needs at least 2",
        )
    plane = plane[: rows * BLOCK, : columns * BLOCK]
    scales = []
    for size in (BLOCK, BLOCK // 2):
        normal = normalise(plane, "edge").reshape(rows, size, columns, size)
        scales.append(np.concatenate([_features(normal[row].swapaxes(0, 1)) for row in range(rows)]))
        if size == BLOCK:
            plane = imresize(plane, 0.5)
    return np.concatenate(scales, axis=1)


@lru_cache(maxsize=1)
def pristine_model() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return LIVE's model of pristine photographs: mean (36,) and covariance (36, 36)."""
    path = resources.files("fourpass.metrics") / "data" / "niqe_pristine.npz"
    with path.open("rb") as file, np.load(file) as stored:
        return stored["mean"], stored["covariance"]


def _features(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 18): shape and scale of each block, then shape, mean, left and right scale of four products."""
    own = fit_asymmetric(np.ascontiguousarray(blocks).reshape(len(blocks), -1))
    columns = [own.alpha, (own.left + own.right) / 2]
    for product in neighbour_products(blocks):
        columns.extend(fit_asymmetric(product))
    return np.stack(columns, axis=1)
