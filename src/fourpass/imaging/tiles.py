"""Tiles: how a picture is cut for the network and put together again. Geometry only, no model.

A tile is larger than the part of it that is used: the rest, its halo, is there so that the network sees the same
surroundings as in the whole picture. Tiles never reach beyond the picture: what a network does at a border (zero
padding, as a rule) is part of it, so the outermost tiles end where the picture does.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in input pixels.

    Attributes:
        start, stop: what the network sees.
        first, last: what of it is used, ``start <= first < last <= stop``.
        fade_in, fade_out: how many of the used pixels, from either end, are shared with the neighbour.
    """

    start: int
    stop: int
    first: int
    last: int
    fade_in: int = 0
    fade_out: int = 0

    def weights(self, scale: int) -> NDArray[np.float32]:
        """Return the share that this tile has in each of its used output pixels.

        The shares of all tiles at one output pixel sum to 1.

        Args:
            scale: output pixels per input pixel.

        Returns:
            float32 array (scale * (last - first),) on 0..1.
        """
        weights = np.ones((self.last - self.first) * scale, np.float32)
        if self.fade_in:
            weights[: self.fade_in * scale] = _ramp(self.fade_in * scale)
        if self.fade_out:
            weights[-self.fade_out * scale :] = 1 - _ramp(self.fade_out * scale)
        return weights


def spans(length: int, tile: int, halo: int, *, blend: bool = False, multiple: int = 1) -> list[Span]:
    """Cut one axis into tiles of equal length, as few as the greatest length allows.

    Args:
        length: pixels of the picture along this axis.
        tile: greatest length of a tile, its halo included.
        halo: pixels that a tile sees beyond what is used of it, wherever the picture goes on.
        blend: fade from one tile to the next over the middle half of what both see, instead of changing over at once.
        multiple: the tiles' length is one, unless the picture is shorter.

    Returns:
        the tiles from first to last; their used parts cover the picture.

    Raises:
        ConfigError: the tile is too small for its halo.
    """
    if length <= tile:
        return [Span(0, length, 0, length)]
    tile -= tile % multiple
    if tile <= 2 * halo:
        raise ConfigError(
            f"a tile of {tile} pixels has no room for a halo of {halo} on each side", hint="use a larger tile"
        )
    count = math.ceil((length - 2 * halo) / (tile - 2 * halo))
    tile = min(tile, multiple * math.ceil((math.ceil((length - 2 * halo) / count) + 2 * halo) / multiple))
    starts = [round(index * (length - tile) / (count - 1)) for index in range(count)]
    apart = min(b - a for a, b in itertools.pairwise(starts))  # so that no pixel fades between three tiles
    result = []
    first, fade_in = 0, 0
    for index, start in enumerate(starts):
        if index == count - 1:
            result.append(Span(start, start + tile, first, length, fade_in))
            break
        following = starts[index + 1]
        shared = start + tile - following
        fade = min(shared // 2, apart - 1) if blend else 0
        middle = following + (shared - fade) // 2
        result.append(Span(start, start + tile, first, middle + fade, fade_in, fade))
        first, fade_in = middle, fade
    return result


def square(area: int, height: int, width: int) -> tuple[int, int]:
    """Return the (rows, columns) of the largest tile of so many pixels, square unless the picture is narrower."""
    side = math.isqrt(area)
    if height <= side:
        return height, area // height
    if width <= side:
        return area // width, width
    return side, side


def _ramp(length: int) -> NDArray[np.float32]:
    return ((np.arange(length) + 0.5) / length).astype(np.float32)
