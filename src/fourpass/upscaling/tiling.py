"""Choose the tiles for a picture: by the given side or memory limit, or by the free memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fourpass.engine import hardware
from fourpass.errors import ConfigError
from fourpass.imaging import tiles
from fourpass.upscaling.network import Network

SMALLEST = 16  # side of a tile, in input pixels
# Bytes that output pixels take on their way out of the network, and those of the process beside the tiles
# (docs/explanation/engine.md has the measurements).
_BYTES_OUT = 64.0
_RESIDENT = 320 * 2**20
# More memory than this makes tiles larger, but hardly less of them halo, and so hardly faster. It also makes the tiles,
# and with them the last digits, the same on most machines.
_MOST = 1792 * 2**20


@dataclass(frozen=True)
class Limits:
    """What determines the tiles besides the picture.

    Attributes:
        tile: their side, if given.
        max_memory: the memory limit, if given.
        exact: the output comes as the network makes it, and is not resampled.
        turned: the network also runs on each tile rotated by 90 degrees.
    """

    tile: int | None
    max_memory: int | None
    exact: bool
    turned: bool


def plan(
    network: Network,
    image: NDArray[Any],
    scale: int,
    limits: Limits,
    bytes_a_pixel: float = 0,
    budget: int | None = None,
) -> tuple[list[tiles.Span], list[tiles.Span]]:
    """Cut a picture into rows and columns of tiles.

    Args:
        network: what runs.
        image: (H, W) or (H, W, C); only shape and dtype matter.
        scale: one of the network's, or 1 where nothing runs.
        limits: the other constraints.
        bytes_a_pixel: memory that the network takes for each pixel of a tile.
        budget: bytes of a device's own memory where it runs on one; the process then holds only what comes out.

    Raises:
        ConfigError: the tile is too small for the network, or the memory is too small for the smallest tile.
    """
    height, width = image.shape[:2]
    if scale == 1:  # bands of rows are all that is needed
        return tiles.spans(height, 256, 0), [tiles.Span(0, width, 0, width)]
    if network.fixed is not None:
        sides = (min(network.fixed), min(network.fixed)) if limits.turned else network.fixed
    elif limits.tile is not None:
        if limits.tile < network.multiple:
            raise ConfigError(
                f"tile {limits.tile} is too small: {network.name} takes sides that are multiples of {network.multiple}"
            )
        sides = (limits.tile, limits.tile)
    else:
        out = _BYTES_OUT * scale**2
        a_pixel = bytes_a_pixel + out if budget is None else out
        # A band as it is yielded and as its taker copies it; when resampled, in float32 as it came, as it is narrowed,
        # and twice as it is held.
        a_value = 2 * image.dtype.itemsize + (0 if limits.exact else 4 * 4)
        a_row = 3 * a_value * scale**2 * width
        smallest = max(SMALLEST, network.multiple)
        area = _area(a_pixel, a_row, scale, limits, smallest)
        if budget is not None:
            area = min(area, max(int(min(budget, _MOST) / bytes_a_pixel), smallest**2))
        sides = tiles.square(area, height, width)
    cut = []
    for length, side in zip((height, width), sides, strict=True):
        halo = min(network.halo, side // 4)
        cut.append(tiles.spans(length, side, halo, blend=halo < network.halo, multiple=network.multiple))
    return cut[0], cut[1]


def _area(a_pixel: float, a_row: float, scale: int, limits: Limits, smallest: int) -> int:
    """Return the pixels of the largest tile that fits: of side t, it takes a_pixel * t^2, and its band a_row * t."""
    memory = limits.max_memory or min(hardware.free_memory() // 2, _MOST)
    left = max(memory - _RESIDENT, 0)
    side = (-a_row + (a_row**2 + 4 * a_pixel * left) ** 0.5) / (2 * a_pixel)
    if side < smallest:
        least = _RESIDENT + a_pixel * smallest**2 + a_row * smallest
        origin = "half of the free memory" if limits.max_memory is None else "max_memory"
        raise ConfigError(
            (f"{origin}, {memory / 2**20:.0f} MiB, is not enough for the smallest tile at scale {scale}"),
            hint=f"it takes {least / 2**20:.0f} MiB",
        )
    return int(side**2)
