"""Transparency: fill in the colour of hidden pixels, and resize edges without ringing or leaking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.imaging.picture import Pixels
from fourpass.imaging.resize import contributions, imresize

_BAND = 64  # rows of a band of enlarged transparency


def bleed(colours: Pixels, alpha: Pixels) -> Pixels:
    """Fill fully transparent pixels with nearby colours, so that no hidden colour shows at upscaled edges.

    Pull and push over a pyramid (Gortler et al., The Lumigraph, 1996, section 3.3): each level averages 2x2 pixels,
    weighted by their transparency; holes are filled from the level above.

    Args:
        colours: (H, W, C), uint8 or uint16.
        alpha: (H, W), same dtype; 0 is fully transparent.

    Returns:
        (H, W, C) of the same dtype; pixels that are not fully transparent keep their value. Where all are, nothing
        changes.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return colours
    weights = alpha.astype(np.float32)[..., None]
    weights /= np.iinfo(alpha.dtype).max
    filled = _pull_push(colours.astype(np.float32), weights)
    filled += 0.5
    result = filled.astype(colours.dtype)
    np.copyto(result, colours, where=~hidden[..., None])
    return result


def _pull_push(colours: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return colours (H, W, C) with those of weight 0 (H, W, 1) filled from the others."""
    height, width = weights.shape[:2]
    if (weights > 0).all() or max(height, width) == 1:
        return colours
    total = _sums_of_cells(weights)
    means = np.divide(_sums_of_cells(colours * weights), np.maximum(total, np.float32(1e-12)), dtype=np.float32)
    above = _pull_push(means, np.minimum(total, np.float32(1)))
    result = above.repeat(2, axis=0)[:height].repeat(2, axis=1)[:, :width]
    np.copyto(result, colours, where=weights > 0)
    return result


def _sums_of_cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sums over cells of 2x2; cells at the end of an odd side are smaller."""
    height, width = values.shape[:2]
    sums = np.zeros((-(-height // 2), -(-width // 2), values.shape[2]), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            part = values[row::2, column::2]
            sums[: part.shape[0], : part.shape[1]] += part
    return sums


def constant(alpha: Pixels) -> int | None:
    """Return the value of a constant plane, or None if it has several values."""
    first = alpha.flat[0]
    return int(first) if (alpha == first).all() else None


def enlarge(alpha: Pixels, size: tuple[int, int]) -> Iterator[Pixels]:
    """Resize transparency: bicubic, antialiased, as a stream.

    A network draws dotted lines along the hard edges that masks have, and transparency is no photo; so none is used.

    Args:
        alpha: (H, W), uint8 or uint16.
        size: (rows, columns) of the result.

    Yields:
        (rows, columns) of the same dtype, from top to bottom. Where a plane grows, each value is within the least and
        the greatest of the 3x3 input pixels around it: what is fully opaque, or fully transparent, stays exactly so,
        and edges do not ring.
    """
    weights, indices = contributions(alpha.shape[0], size[0], size[0] / alpha.shape[0])
    grows = size[0] >= alpha.shape[0] and size[1] >= alpha.shape[1]
    least, greatest = _extremes(alpha) if grows else (alpha, alpha)
    columns = _sources(np.arange(size[1]), size[1], alpha.shape[1])
    top = np.iinfo(alpha.dtype).max
    for start in range(0, size[0], _BAND):
        rows = slice(start, min(start + _BAND, size[0]))
        taps = alpha[indices[rows]].astype(np.float32)  # (rows, taps, W)
        narrow = np.einsum("rt,rtw->rw", weights[rows].astype(np.float32), taps)
        values = np.floor(imresize(narrow, size=(len(narrow), size[1])) + np.float32(0.5))
        band = np.clip(values, 0, top).astype(alpha.dtype)
        if grows:
            around = _sources(np.arange(rows.start, rows.stop), size[0], alpha.shape[0])[:, None]
            band = np.clip(band, least[around, columns], greatest[around, columns])
        yield band


def _extremes(alpha: Pixels) -> tuple[Pixels, Pixels]:
    """Return the least and the greatest value of the 3x3 pixels around each."""
    least = greatest = np.pad(alpha, 1, mode="edge")
    for axis in (0, 1):
        shifted = [np.take(least, range(at, at + alpha.shape[axis]), axis) for at in range(3)]
        least = np.minimum(np.minimum(*shifted[:2]), shifted[2])
        shifted = [np.take(greatest, range(at, at + alpha.shape[axis]), axis) for at in range(3)]
        greatest = np.maximum(np.maximum(*shifted[:2]), shifted[2])
    return least, greatest


def _sources(outputs: NDArray[Any], out_length: int, in_length: int) -> NDArray[np.intp]:
    """Return the input sample in which the centre of each output sample lies."""
    return ((2 * outputs + 1) * in_length // (2 * out_length)).astype(np.intp)
