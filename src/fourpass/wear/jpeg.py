"""The JPEG quality that a file's table or a picture's pixels speak of, on the scale of libjpeg (1..100).

A picture that was saved as JPEG has DCT coefficients near multiples of the table's steps, on the 8x8 grid of the save
and on no other, and keeps them when it is cropped or saved again without loss. How likely they are under each quality's
table is compared over all 64 places of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourpass.wear.planes import Plane, luma

# ITU-T T.81, table K.1.
_STANDARD = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_FREQUENCIES = sorted(((v, u) for v in range(8) for u in range(8)), key=lambda at: (sum(at), at))[1:21]
_QUALITIES = np.arange(5, 99)  # at 99 and 100 the steps are too small to be seen
_OFFSETS = [(row, column) for row in range(8) for column in range(8)]
_BLOCKS = 1500  # the most that are looked at for each place of the grid
_CELL = 0.25  # of the histograms of coefficients
_CELLS = 640
_SPREAD = 0.42  # deviation of coefficients from multiples of their step: pixels were rounded
_ASTRAY = 0.05  # share of coefficients that follow no step
_MARGIN = 20.0  # by which the logarithm of the best place's likelihood must exceed every other place's ...
_RELATIVE = 0.15  # ... and the share of it


@dataclass(frozen=True)
class Grid:
    """A JPEG grid that was found: its quality, 5..98, and the rows and columns before its first whole block, 0..7."""

    quality: int
    row: int
    column: int


def standard_table(quality: int) -> NDArray[np.int64]:
    """Return libjpeg's luma table of a quality, 1..100: (8, 8)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: NDArray[np.int64] = np.clip((_STANDARD * scale + 50) // 100, 1, 255)
    return table


def quality_of_table(table: NDArray[np.generic]) -> int:
    """Return the quality, 1..100, whose table is nearest to a luma table (8, 8), by the logarithms of the steps."""
    wanted = np.log(np.asarray(table, np.float64))
    distances = [np.abs(np.log(standard_table(quality)) - wanted).sum() for quality in range(1, 101)]
    return int(np.argmin(distances)) + 1


def find_grid(parts: Sequence[Plane]) -> Grid | None:
    """Look for the grid of a JPEG in pixels.

    Args:
        parts: float32 (h, w, C) on 0..255, tiles of a picture that begin at multiples of 8 pixels.

    Returns:
        the grid, or None where none stands out: clean pictures, quality above 98, JPEGs that were resized since.
    """
    usable = [_Part.of(part) for part in parts if min(part.shape[:2]) >= 16]
    if not usable:
        return None
    scores = np.stack([_scores(usable, row, column) for row, column in _OFFSETS])
    best = scores.max(axis=1)
    place = int(best.argmax())
    lead = best[place] - np.delete(best, place).max()
    if lead < max(_MARGIN, _RELATIVE * best[place]):
        return None
    return Grid(int(_QUALITIES[scores[place].argmax()]), *_OFFSETS[place])


@dataclass(frozen=True)
class _Part:
    """A tile as the search takes it: its luma, all 8x8 windows of it, and a summed-area table of clipped pixels."""

    windows: NDArray[np.float32]
    clipped: NDArray[np.int64]

    @classmethod
    def of(cls, tile: Plane) -> _Part:
        clipped = ((tile <= 0) | (tile >= 255)).any(axis=2).cumsum(0).cumsum(1)
        return cls(np.lib.stride_tricks.sliding_window_view(luma(tile), (8, 8)), np.pad(clipped, ((1, 0), (1, 0))))

    def whole(self, row: int, column: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the corners of the blocks without clipped pixels; where there are some, coefficients say nothing."""
        table = self.clipped[row::8, column::8]
        counts = table[1:, 1:] - table[:-1, 1:] - table[1:, :-1] + table[:-1, :-1]
        rows, columns = np.nonzero(counts == 0)
        return row + 8 * rows, column + 8 * columns


def _scores(parts: Sequence[_Part], row: int, column: int) -> NDArray[np.float64]:
    """Return the log-likelihood ratio of each quality, if the grid lies there, to no grid at all."""
    corners = [part.whole(row, column) for part in parts]
    every = max(1, -(-sum(len(rows) for rows, _ in corners) // _BLOCKS))
    blocks = np.concatenate(
        [
            part.windows[rows[::every], columns[::every]].reshape(-1, 64)
            for part, (rows, columns) in zip(parts, corners, strict=True)
        ]
    )
    cells = np.minimum(np.rint(np.abs(blocks @ _BASIS) / _CELL).astype(int), _CELLS)
    counts = np.stack([np.bincount(one, minlength=_CELLS + 1)[:_CELLS] for one in cells.T])
    likelihoods = counts @ _LIKELIHOODS
    total: NDArray[np.float64] = likelihoods[np.arange(len(_FREQUENCIES)), _STEPS - 1].sum(axis=1)
    return total


def _basis() -> NDArray[np.float32]:
    """The orthonormal DCT of an 8x8 block, (64, frequencies)."""
    k = np.arange(8)
    transform = 0.5 * np.cos((2 * k + 1) * k[:, None] * np.pi / 16)
    transform[0] /= np.sqrt(2)
    return np.stack([np.outer(transform[v], transform[u]).ravel() for v, u in _FREQUENCIES], axis=1).astype(np.float32)


def _log_likelihoods(largest: int) -> NDArray[np.float64]:
    """Log-likelihood ratio of a coefficient (rows, by its size in cells) under each step 1..largest, to no step.

    Zeros say nothing, for smooth pictures have them too: coefficients below half a step do not count.
    """
    size = np.arange(_CELLS)[:, None] * _CELL
    steps = np.arange(1, largest + 1)
    off = size - steps * np.rint(size / steps)
    comb = sum(np.exp(-0.5 * ((off + turn * steps) / _SPREAD) ** 2) for turn in (-2, -1, 0, 1, 2))
    comb = comb * steps / (_SPREAD * np.sqrt(2 * np.pi))
    return np.where(size > steps / 2, np.log(_ASTRAY + (1 - _ASTRAY) * comb), 0.0)


_BASIS = _basis()
_STEPS = np.array([[min(int(standard_table(int(q))[at]), 255) for at in _FREQUENCIES] for q in _QUALITIES])
_LIKELIHOODS = _log_likelihoods(255)
