"""The standard deviation of a picture's noise, told from texture by how it shrinks.

The residual is that of Immerkaer (Computer Vision and Image Understanding 64, 1996), which lines and slopes do not
enter. Of its mean squares over 8x8 pixels a low quantile is taken, where the picture is flattest. Where all of it is
texture, that is not enough: natural pictures have as much of it in every octave (Field, 1987), and a little less in
the last, so that the residual of the picture at half its size is at least as large; noise has half its deviation there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fourpass.wear.planes import Plane

_SIDE = 8
_SMALLEST = 2 * (_SIDE + 2)  # rows and columns
_QUANTILE = 0.05
_TEXTURE = 1.25  # variance of texture's residual at half the size, against that at the whole
_LOWER = 0.745  # what that quantile has of white noise's deviation
_DARK, _BRIGHT = 6.0, 249.0  # beyond them noise is cut off


def noise(parts: Sequence[Plane]) -> float:
    """Estimate the standard deviation of noise.

    Args:
        parts: float32 (h, w, C) on 0..255, tiles of a picture.

    Returns:
        of one channel, in grey levels: the usual channel's, or what channels do not share if that is more, for texture
        they mostly share. 0 where the picture is too small. Noise that was blurred or saved as JPEG since counts less.
    """
    usable = [part for part in parts if min(part.shape[:2]) >= _SMALLEST]
    if not usable:
        return 0.0
    channels = usable[0].shape[2]
    own = [_deviation([part[..., one] for part in usable], usable) for one in range(channels)]
    if channels == 1:
        return own[0]
    apart = [[(part[..., one] - part[..., 1]) / np.float32(np.sqrt(2)) for part in usable] for one in (0, 2)]
    return max(float(np.median(own)), min(_deviation(planes, usable) for planes in apart))


def _deviation(planes: Sequence[Plane], parts: Sequence[Plane]) -> float:
    """Solve for noise n and texture t: the residual has n^2 + t^2, and that of half the size n^2 / 4 + 1.25 t^2."""
    whole = _flattest(planes, parts)
    half = _flattest([_halved(plane) for plane in planes], [_halved(part) for part in parts])
    return float(np.sqrt(max(0.0, (_TEXTURE * whole - half) / (_TEXTURE - 0.25))))


def _flattest(planes: Sequence[Plane], parts: Sequence[Plane]) -> float:
    """Mean square of the residual where the picture is flattest; white noise has its variance there."""
    found = np.concatenate(
        [_cells(_residual(plane) ** 2)[_evenly_lit(part)] for plane, part in zip(planes, parts, strict=True)]
    )
    return float(np.quantile(found, _QUANTILE)) / _LOWER**2 if len(found) else 0.0


def _residual(plane: Plane) -> Plane:
    twice = plane[:, :-2] - 2 * plane[:, 1:-1] + plane[:, 2:]
    return np.asarray((twice[:-2] - 2 * twice[1:-1] + twice[2:]) / 6, np.float32)


def _halved(image: Plane) -> Plane:
    """Means of 2x2 pixels, of a plane or of all channels."""
    rows, columns = (length // 2 * 2 for length in image.shape[:2])
    across = image[:rows, 0:columns:2] + image[:rows, 1:columns:2]
    return np.asarray((across[0::2] + across[1::2]) / 4, np.float32)


def _evenly_lit(part: Plane) -> NDArray[np.bool_]:
    """Which cells are neither black nor white; all of them where hardly one is."""
    means = [_cells(part[1:-1, 1:-1, one]) for one in range(part.shape[2])]
    inside = np.all([(mean > _DARK) & (mean < _BRIGHT) for mean in means], axis=0)
    return inside if inside.mean() > 0.1 else np.ones_like(inside)


def _cells(plane: Plane) -> NDArray[np.float32]:
    rows, columns = (length // _SIDE for length in plane.shape)
    whole = plane[: rows * _SIDE, : columns * _SIDE]
    means: NDArray[np.float32] = whole.reshape(rows, _SIDE, columns, _SIDE).mean(axis=(1, 3)).ravel()
    return means
