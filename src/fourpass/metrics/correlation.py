"""How well predicted scores follow true ones: Pearson's, Spearman's and Kendall's correlation coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError

_ROWS = 256  # pairs are counted this many rows at a time, to bound memory


def pearson(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """PLCC of two (N,) arrays, without a fitted curve in between.

    Raises:
        ConfigError: lengths differ, fewer than two values, values that are not finite, or all values of one are equal.
    """
    x, y = _checked(a, b)
    x, y = x - x.mean(), y - y.mean()
    return float((x @ y) / np.sqrt((x @ x) * (y @ y)))


def spearman(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """SROCC of two (N,) arrays: Pearson's coefficient of their ranks, ties sharing the mean. Raises as `pearson`."""
    x, y = _checked(a, b)
    return pearson(ranks(x), ranks(y))


def kendall(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """KROCC (tau-b) of two (N,) arrays: pairs in the same order less pairs in the other. Raises as `pearson`."""
    x, y = _checked(a, b)
    agreement, untied_x, untied_y = 0.0, 0.0, 0.0
    for start in range(0, len(x), _ROWS):
        signs_x = np.sign(x[start : start + _ROWS, None] - x[None])
        signs_y = np.sign(y[start : start + _ROWS, None] - y[None])
        agreement += float((signs_x * signs_y).sum())
        untied_x += float(np.abs(signs_x).sum())
        untied_y += float(np.abs(signs_y).sum())
    return agreement / float(np.sqrt(untied_x * untied_y))


def ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Ranks 1..N of (N,) values; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def _checked(a: NDArray[np.generic], b: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise ConfigError(f"a correlation needs two lists of the same length, at least 2, not {x.shape} and {y.shape}")
    for values in (x, y):
        if not np.isfinite(values).all():
            raise ConfigError("a correlation needs finite values", hint="one value is not finite")
        if (values == values[0]).all():
            raise ConfigError(f"all {len(x)} values are {values[0]:g}: a correlation with them is meaningless")
    return x, y
