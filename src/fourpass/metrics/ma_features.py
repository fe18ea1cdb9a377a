"""The three families of features of Ma et al.'s SR score (2017, section 4): local, global and spatial.

Local: spread of the DCT coefficients of 7x7 blocks. Global: Gaussian scale mixtures of steerable pyramid bands.
Spatial: singular values of 5x5 blocks. Constants that the paper leaves open are those of the authors' program, which
the published scores come from, its peculiarities included.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.filters import filter_valid, gaussian
from fourpass.metrics.ssim import local_moments, structure
from fourpass.metrics.steerable import steerable_pyramid

SIZES = (18, 45, 75)  # features of the three families
SMALLEST = 84  # pixels: a quarter of each side must hold five blocks of 5x5, so that there are 25 singular values

_Array = NDArray[np.float64]
_ORIENTATIONS, _SCALES = 6, 2
_CHUNK = 4096  # coefficients whose neighbourhoods are weighed at once: they fit in the cache
_GUARD = 16  # pixels cut from each side of a band of the finest scale before its statistics are taken

# Which of three directions (up to 30, 60, 90 degrees) a coefficient of the 7x7 DCT belongs to; the mean to none.
_DIRECTIONS = np.array(
    [
        [0, 1, 1, 1, 1, 1, 1],
        [3, 2, 1, 1, 1, 1, 1],
        [3, 3, 2, 2, 1, 1, 1],
        [3, 3, 2, 2, 2, 1, 1],
        [3, 3, 3, 2, 2, 2, 2],
        [3, 3, 3, 3, 2, 2, 2],
        [3, 3, 3, 3, 2, 2, 2],
    ]
)


def all_features(plane: _Array) -> tuple[_Array, _Array, _Array]:
    """Return the features of the three families: (18,), (45,) and (75,).

    Args:
        plane: (H, W) float64 on 0..255, at least 84x84.

    Raises:
        MetricError: too small, or flat.
    """
    if min(plane.shape) < SMALLEST:
        raise MetricError(
            f"Ma's SR score needs {SMALLEST}x{SMALLEST} pixels",
            hint=f"this picture has {plane.shape[1]}x{plane.shape[0]}",
        )
    if np.ptp(plane) == 0:
        raise MetricError("the picture is flat", hint="Ma's SR score of it is not defined")
    levels = [plane / 255]
    for _ in range(2):
        smooth = filter_valid(np.pad(levels[-1], 1), gaussian(3, 0.5))
        levels.append(smooth[1::2, 1::2])
    local = np.concatenate([local_features(level) for level in levels])
    return local, global_features(plane), np.concatenate([spatial_features(level) for level in levels])


def local_features(plane: _Array) -> _Array:
    """Return 6 features of the DCT of 7x7 blocks that lie 3 pixels apart.

    Args:
        plane: (H, W) float64 on 0..1; beyond its border it is 0.

    Returns:
        (6,): shape of the coefficients' generalised Gaussian (mean of the lowest tenth, mean), their coefficient of
        variation (mean of the highest tenth, mean), the variance of that among three directions (likewise).
    """
    height, width = plane.shape
    padded = np.pad(plane, [(2, 2 + -height % 3), (2, 2 + -width % 3)])
    blocks = np.lib.stride_tricks.sliding_window_view(padded, (7, 7))[::3, ::3].reshape(-1, 49)
    coefficients = blocks @ _dct_matrix().T
    shape = np.sort(gaussian_shape(coefficients[:, 1:]))
    size = np.abs(coefficients)
    variation = np.sort(_variation(size[:, 1:], 1e-7))
    directions = _DIRECTIONS.ravel()
    apart = np.sort(np.var([_variation(size[:, directions == one], 1e-8) for one in (1, 2, 3)], axis=0, ddof=1))
    lowest = shape[: math.ceil(0.1 * len(shape))]
    highest = slice(int(0.9 * len(shape)) - 1, None)
    return np.array(
        [lowest.mean(), shape.mean(), variation[highest].mean(), variation.mean(), apart[highest].mean(), apart.mean()]
    )


def global_features(plane: _Array) -> _Array:
    """Return 45 features of a steerable pyramid of 2 scales and 6 orientations.

    Args:
        plane: (H, W) float64 on 0..255.

    Returns:
        (45,): shape of each of the 12 normalised bands, of the 6 pairs of one orientation, structural correlation of
        each of the 12 bands with the high-pass residual, and of the 15 pairs of normalised bands of the finest scale.
    """
    pyramid = steerable_pyramid(plane, _SCALES, _ORIENTATIONS)
    normal = [
        [_normalised_band(pyramid.bands, scale, band) for band in range(_ORIENTATIONS)] for scale in range(_SCALES)
    ]
    flat = [band.ravel() for bands in normal for band in bands]
    pairs = [np.concatenate([flat[band], flat[band + _ORIENTATIONS]]) for band in range(_ORIENTATIONS)]
    shapes = [float(gaussian_shape(values[None])[0]) for values in flat + pairs]
    high = pyramid.high
    of_high = local_moments(high)
    with_high = []
    for bands in pyramid.bands:
        for band in bands:
            large = imresize(band, size=(high.shape[0], high.shape[1]))
            with_high.append(float(structure(large, high, local_moments(large), of_high).mean()))
    finest = [(band, local_moments(band)) for band in normal[0]]
    across = [float(structure(a, b, of_a, of_b).mean()) for (a, of_a), (b, of_b) in combinations(finest, 2)]
    return np.array(shapes + with_high + across)


def spatial_features(plane: _Array) -> _Array:
    """Return the 25 singular values of the plane's 5x5 blocks, laid side by side without overlap, largest first.

    Args:
        plane: (H, W) float64 on 0..1; blocks that reach beyond the border are filled up with 0.
    """
    padded = np.pad(plane, [(0, -length % 5) for length in plane.shape])
    rows, columns = padded.shape[0] // 5, padded.shape[1] // 5
    blocks = padded.reshape(rows, 5, columns, 5).swapaxes(1, 2).reshape(-1, 25)
    return np.asarray(np.linalg.svd(blocks, compute_uv=False))


def gaussian_shape(samples: _Array) -> _Array:
    """Return the shape of the generalised Gaussian of each row, found by matching moments, on 0.03..10.

    Args:
        samples: (rows, n) float64.
    """
    centred = samples - samples.mean(axis=1, keepdims=True)
    spread = np.abs(centred).mean(axis=1) ** 2
    wanted = np.einsum("ij,ij->i", centred, centred) / (samples.shape[1] - 1) / (spread + 1e-7)
    shapes, ratios = _shapes()
    above = np.clip(np.searchsorted(ratios, wanted), 1, len(ratios) - 1)
    return np.asarray(shapes[np.where(wanted - ratios[above - 1] < ratios[above] - wanted, above - 1, above)])


@lru_cache(maxsize=1)
def _shapes() -> tuple[_Array, _Array]:
    """Shapes from 10 down to 0.03, and variance / (mean |x|)^2 of each one's distribution, rising."""
    shapes = np.arange(10000, 29, -1) / 1000
    gamma = math.gamma
    return shapes, np.array([gamma(1 / g) * gamma(3 / g) / gamma(2 / g) ** 2 for g in shapes])


@lru_cache(maxsize=1)
def _dct_matrix() -> _Array:
    """The orthonormal DCT-II of a 7x7 block as (49, 49), rows and columns in C order."""
    step = np.arange(7)
    single = np.sqrt(2 / 7) * np.cos(np.pi * (2 * step[None] + 1) * step[:, None] / 14)
    single[0] /= math.sqrt(2)
    return np.kron(single, single)


def _variation(size: _Array, floor: float) -> _Array:
    """Standard deviation over mean of each row of magnitudes."""
    return np.asarray(size.std(axis=1, ddof=1) / (size.mean(axis=1) + floor))


def _normalised_band(bands: list[_Array], scale: int, band: int) -> _Array:
    """Return a band divided by its local scale: that of the Gaussian scale mixture of its neighbours.

    Neighbours are the 3x3 coefficients around, the parent at the next scale, and the other orientations.
    """
    own = bands[scale]
    height, width = own.shape[1] - 2, own.shape[2] - 2
    # The authors' program gives the last orientation no parent (its count is one short), and so must we.
    has_parent = scale + 1 < _SCALES and band + 1 < _ORIENTATIONS
    divisor = 10 if has_parent else 9
    neighbours = np.empty((divisor + _ORIENTATIONS - 1, height, width))
    for at, (y, x) in enumerate(np.ndindex(3, 3)):
        neighbours[at] = own[band, y : y + height, x : x + width]
    if has_parent:
        parent = imresize(bands[scale + 1][band], 2.0)
        neighbours[9] = parent[1 : 1 + height, 1 : 1 + width]
    neighbours[divisor:] = np.delete(own, band, axis=0)[:, 1:-1, 1:-1]
    centre = neighbours[4]
    neighbours = neighbours.reshape(len(neighbours), -1)
    covariance = neighbours @ neighbours.T / neighbours.shape[1]
    tolerance = len(covariance) * np.finfo(np.float64).eps  # MATLAB's
    precision = np.linalg.pinv(_without_negative(covariance), rcond=tolerance, hermitian=True)
    scale_square = np.empty(neighbours.shape[1])
    for start in range(0, len(scale_square), _CHUNK):
        some = neighbours[:, start : start + _CHUNK]
        scale_square[start : start + _CHUNK] = np.einsum("ij,ij->j", precision @ some, some) / divisor
    if not (scale_square > 0).all():
        raise MetricError("the picture is too flat", hint="Ma's SR score of it is not defined")
    ratio = (centre - centre.mean()) / np.sqrt(scale_square).reshape(centre.shape)
    guard = _GUARD >> scale
    cut = ratio[guard:-guard, guard:-guard]
    return np.asarray(cut - cut.mean())


def _without_negative(covariance: _Array) -> _Array:
    """Set negative eigenvalues to 0 and keep the trace."""
    values, vectors = np.linalg.eigh(covariance)
    kept = np.maximum(values, 0)
    kept *= values.sum() / kept.sum()
    return np.asarray((vectors * kept) @ vectors.T)
