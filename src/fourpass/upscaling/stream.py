"""Stream pictures as bands of rows, from tiles to the output size, so the output need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fourpass.imaging.resize import contributions, imresize
from fourpass.imaging.tiles import Span

Pixels = NDArray[np.generic]
_BLOCK = 64  # output rows that are resampled at a time


def assemble(
    rows: Sequence[Span],
    columns: Sequence[Span],
    scale: int,
    run: Callable[[Span, Span], NDArray[np.float32]],
    finish: Callable[[NDArray[np.float32]], Pixels] | None = None,
) -> Iterator[Pixels]:
    """Run the network tile by tile, and yield bands of the upscaled picture from top to bottom.

    Args:
        rows, columns: the tiles, from `fourpass.imaging.tiles.spans`.
        scale: output pixels per input pixel.
        run: (rows, columns) -> the upscaled tile, float32 (scale * height, scale * width, C).
        finish: turns pixels into what is yielded, for example integers; None: they are yielded as they are.

    Yields:
        arrays (band rows, scale * width, C).
    """
    fading = any(span.fade_in or span.fade_out for span in (*rows, *columns))
    width = scale * columns[-1].last
    carried: NDArray[np.float32] | None = None
    for row in rows:
        band: Pixels | None = None
        for column in columns:
            part = run(row, column)[
                scale * (row.first - row.start) : scale * (row.last - row.start),
                scale * (column.first - column.start) : scale * (column.last - column.start),
            ]
            place = slice(scale * column.first, scale * column.last)
            if fading:
                part = part * row.weights(scale)[:, None, None] * column.weights(scale)[:, None]
                if band is None:
                    band = np.zeros((part.shape[0], width, part.shape[2]), np.float32)
                    if carried is not None:
                        band[: len(carried)] = carried
                band[:, place] += part  # type: ignore[misc]
            else:
                finished = part if finish is None else finish(part)
                if band is None:
                    band = np.empty((part.shape[0], width, *finished.shape[2:]), finished.dtype)
                band[:, place] = finished
        assert band is not None
        if fading:
            kept = len(band) - scale * row.fade_out
            carried = band[kept:].astype(np.float32)
            band = band[:kept]
            yield band if finish is None else finish(band.astype(np.float32, copy=False))
        else:
            yield band


def cut(bands: Iterator[Pixels], border: int, size: tuple[int, int]) -> Iterator[Pixels]:
    """Crop a border from a picture that comes in bands.

    Args:
        bands: arrays (rows, columns, ...), top to bottom.
        border: rows and columns on each side.
        size: (rows, columns) of what is inside.
    """
    start = -border
    for band in bands:
        inside = band[max(-start, 0) : max(size[0] - start, 0), border : border + size[1]]
        if len(inside):
            yield inside
        start += len(band)


def resample(
    bands: Iterator[NDArray[np.float32]], input_size: tuple[int, int], size: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Resize a picture that comes in bands, antialiased, as `imresize` resizes a whole one.

    Args:
        bands: float32 arrays (rows, columns, C), top to bottom.
        input_size: (rows, columns) of all bands together.
        size: (rows, columns) of the result.

    Yields:
        float32 arrays (rows, size[1], C); equal to the whole-picture result but for the order of additions.
    """
    weights, indices = contributions(input_size[0], size[0], size[0] / input_size[0])
    # Mirrored borders make indices turn back, so what a row needs is taken over all rows before it (or after it).
    needs = np.maximum.accumulate(indices.max(axis=1)) + 1
    keeps = np.minimum.accumulate(indices.min(axis=1)[::-1])[::-1]
    start = done = 0
    held: NDArray[np.float32] | None = None
    for band in bands:
        narrow = band if band.shape[1] == size[1] else imresize(band, size=(band.shape[0], size[1]))
        held = narrow if held is None else np.concatenate((held, narrow))
        ready = int(np.searchsorted(needs, start + len(held), side="right"))
        for first in range(done, ready, _BLOCK):
            block = slice(first, min(first + _BLOCK, ready))
            yield _rows(held, start, weights[block], indices[block])
        done = ready
        if done == size[0]:
            return
        spent = int(keeps[done]) - start
        held, start = held[spent:].copy(), start + spent


def cast(pixels: NDArray[np.float32], dtype: DTypeLike) -> Pixels:
    """Turn pixels on 0..255 into a dtype, clipped: uint8, uint16 (both rounded half up), or float32 on 0..1."""
    kind = np.dtype(dtype)
    if kind == np.float32:
        shares: Pixels = np.clip(pixels * np.float32(1 / 255), 0, 1)
        return shares
    top = np.iinfo(kind).max
    values = pixels * np.float32(top / 255) + np.float32(0.5)
    whole: Pixels = np.clip(values, 0, top, out=values).astype(kind)
    return whole


def _rows(
    held: NDArray[np.float32], start: int, weights: NDArray[np.float64], indices: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Make output rows from the held input rows, of which the first is row `start` of the picture."""
    first, last = int(indices.min()), int(indices.max()) + 1
    matrix = np.zeros((len(weights), last - first))
    np.add.at(matrix, (np.arange(len(weights))[:, None], indices - first), weights)
    source = held[first - start : last - start].reshape(last - first, -1)
    product: NDArray[np.float32] = matrix.astype(np.float32) @ source
    return product.reshape(len(weights), *held.shape[1:])
