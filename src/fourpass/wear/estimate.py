"""How worn a picture is, as one value from its file and its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.wear.blocks import blockiness
from fourpass.wear.blur import blur
from fourpass.wear.jpeg import find_grid, quality_of_table
from fourpass.wear.noise import noise
from fourpass.wear.planes import tiles

# Blockiness above which 19 of 20 photos were saved at no more than such a quality, and what it is of most of them.
_BLOCKS_AT_MOST = (0.45, 0.8, 1.4, 2.8, 4.4)
_BLOCKS_MOSTLY = (0.2, 0.25, 0.4, 0.65, 1.0)
_QUALITIES = (97.0, 90.0, 75.0, 50.0, 30.0)
_ROUGHLY = 10.0  # by how much blocks must speak of a lower quality than something finer does


@dataclass(frozen=True)
class Estimate:
    """How worn a picture is.

    Attributes:
        quality: JPEG quality, 1..100, of the worst save that shows; 100 for none.
        evidence: where it is from: ``tables`` of the file, ``coefficients`` or ``blocks`` of the pixels, or ``none``.
        blocks: how far the edges of blocks stand out, see `fourpass.wear.blocks`.
        noise: its standard deviation in grey levels of 255.
        blur: standard deviation of the sharpest edges, in pixels; sharp photos have 0.3 to 0.8.
    """

    quality: float
    evidence: str
    blocks: float
    noise: float
    blur: float


def estimate(pixels: NDArray[Any], table: NDArray[np.generic] | None = None) -> Estimate:
    """Estimate how worn a picture is.

    Args:
        pixels: (H, W), (H, W, 1) or (H, W, 3); uint8, uint16, or floats on 0..1. Large pictures are judged by 16 tiles.
        table: the luma table of the JPEG file that it comes from, see `fourpass.imaging.jpeg_tables`; it is believed
            when it speaks of more wear than the pixels show, and not when of less.

    Raises:
        ImageError: the array is no such picture.
    """
    parts = tiles(pixels)
    stand_out = blockiness(parts)
    quality, evidence = _quality(parts, stand_out, table)
    return Estimate(quality, evidence, stand_out, noise(parts), blur(parts))


def _quality(parts: Any, stand_out: float, table: NDArray[np.generic] | None) -> tuple[float, str]:
    said = [] if table is None else [(float(quality_of_table(table)), "tables")]
    grid = find_grid(parts)
    if grid:
        said.append((float(grid.quality), "coefficients"))
    best = min(said, default=(100.0, "none"), key=lambda one: one[0])
    # Blocks tell roughly. Where something finer is there, only what can hardly be otherwise counts.
    levels, lead = (_BLOCKS_AT_MOST, _ROUGHLY) if said else (_BLOCKS_MOSTLY, 0.0)
    by_blocks = float(np.interp(stand_out, levels, _QUALITIES)) if stand_out > levels[0] else 100.0
    return (by_blocks, "blocks") if by_blocks < best[0] - lead else best
