"""MATLAB's ``imresize`` with the bicubic kernel: bit-exact on uint8, and in float for the rest.

MATLAB resizes one axis after the other, the one with the smaller scale first (rows when equal), with the cubic
convolution kernel of Keys (1981, a = -0.5), stretched by 1/scale when it shrinks, symmetric borders, and, for integer
types, a result rounded half up to that type after each axis.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError, ImageError

_Pixels = TypeVar("_Pixels", bound=np.generic)
_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)
_BLOCK = 32  # output rows in one matrix product: keeps the banded weight matrix small and nearly dense


def imresize(
    image: NDArray[_Pixels],
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    antialiasing: bool = True,
) -> NDArray[_Pixels]:
    """Resize as MATLAB's ``imresize(image, scale)`` or ``imresize(image, [rows cols])`` with bicubic does.

    Args:
        image: (H, W) or (H, W, C), uint8, uint16, float32 or float64, any range.
        scale: factor for both axes; the output has ceil(scale * H) rows and ceil(scale * W) columns.
        size: (rows, columns) of the output instead of a scale.
        antialiasing: stretch the kernel when shrinking, as MATLAB does unless told not to.

    Returns:
        array of the same dtype. Integer types are rounded half up and clipped after each axis, as MATLAB does;
        float types are neither rounded nor clipped.

    Raises:
        ImageError: the array has another dtype or number of axes, or an axis of length 0.
        ConfigError: not exactly one of scale and size is given, or it is not positive and finite.
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ImageError(f"array of shape {image.shape} is not a picture", hint="imresize takes (H, W) or (H, W, C)")
    if image.dtype not in _DTYPES:
        raise ImageError(f"dtype {image.dtype} is not one of uint8, uint16, float32, float64", hint="convert it first")
    if (scale is None) == (size is None):
        raise ConfigError("imresize takes exactly one of scale and size")
    height, width = image.shape[:2]
    if scale is not None:
        if not (math.isfinite(scale) and scale > 0):
            raise ConfigError(f"scale {scale} is not a positive number")
        scales = (float(scale), float(scale))
        # MATLAB takes the ceiling of the product as it comes out in double precision.
        size = (math.ceil(scale * height), math.ceil(scale * width))
    else:
        assert size is not None
        if min(size) < 1:
            raise ConfigError(f"size {size} is not at least 1x1")
        scales = (size[0] / height, size[1] / width)
    result = image
    for axis in (0, 1) if scales[0] <= scales[1] else (1, 0):
        result = _resize_axis(result, size[axis], scales[axis], axis, antialiasing)
    return result


def contributions(
    in_length: int, out_length: int, scale: float, antialiasing: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return which input samples make each output sample, and with what weights.

    Args:
        in_length: samples of the input along this axis.
        out_length: samples of the output.
        scale: output samples per input sample.
        antialiasing: stretch the kernel by 1/scale when scale < 1.

    Returns:
        weights (out_length, taps), float64, each row summing to 1; indices (out_length, taps) into the input, from 0,
        mirrored at the borders with the edge sample repeated.
    """
    stretch = min(scale, 1.0) if antialiasing else 1.0
    width = 4.0 / stretch
    centre = np.arange(1, out_length + 1) / scale + 0.5 * (1 - 1 / scale)
    left = np.floor(centre - width / 2)
    indices = left[:, None] + np.arange(math.ceil(width) + 2)
    weights = stretch * _cubic(stretch * (centre[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    period = 2 * in_length
    wrapped = np.mod(indices.astype(np.intp) - 1, period)
    mirrored = np.where(wrapped < in_length, wrapped, period - 1 - wrapped)
    used = np.any(weights != 0, axis=0)
    return weights[:, used], mirrored[:, used]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cubic convolution kernel with a = -0.5 (Keys 1981, equation 15)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _resize_axis(image: NDArray[Any], out_length: int, scale: float, axis: int, antialiasing: bool) -> NDArray[Any]:
    in_length = image.shape[axis]
    if out_length == in_length and scale == 1.0:
        return image
    weights, indices = contributions(in_length, out_length, scale, antialiasing)
    precision = np.float32 if image.dtype == np.float32 else np.float64
    shape = list(image.shape)
    shape[axis] = out_length
    result = np.empty(shape, image.dtype)
    for start in range(0, out_length, _BLOCK):
        rows = slice(start, min(start + _BLOCK, out_length))
        first, last = indices[rows].min(), indices[rows].max() + 1
        matrix = np.zeros((rows.stop - rows.start, last - first))
        at = np.broadcast_to(np.arange(matrix.shape[0])[:, None], indices[rows].shape)
        np.add.at(matrix, (at, indices[rows] - first), weights[rows])
        if axis == 0:
            source = image[first:last].reshape(last - first, -1)
            target = result[rows].reshape(matrix.shape[0], -1)
            for columns in _chunks(source.shape[1]):
                product = matrix.astype(precision) @ source[:, columns].astype(precision)
                target[:, columns] = _as_dtype(product, image.dtype)
        else:
            for lines in _chunks(image.shape[0]):
                source = image[lines, first:last].astype(precision)
                product = np.matmul(matrix.astype(precision), source.reshape(*source.shape[:2], -1))
                result[lines, rows] = _as_dtype(product, image.dtype).reshape(result[lines, rows].shape)
    return result


def _chunks(length: int, chunk: int = 8192) -> list[slice]:
    return [slice(start, min(start + chunk, length)) for start in range(0, length, chunk)]


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round half up and clip for integer types; pass floats on."""
    if dtype.kind == "f":
        return values
    values += 0.5
    np.floor(values, out=values)
    return np.clip(values, 0, np.iinfo(dtype).max, out=values).astype(dtype)
