"""The two dials of what ships, at 25 points: no blend may darken a photo, shift its colours, or tint a flat patch."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fourpass import Upscaler
from fourpass.imaging import files
from fourpass.weights import family

POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
PHOTO = Path(__file__).parents[2] / "examples" / "chelsea.png"
COLOURS = ((0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 60), (20, 90, 160), (250, 240, 5))
GRID = [
    pytest.param(name, positions, scale, marks=[] if scale == 4 else [pytest.mark.slow])
    for name, found in family.families().items()
    for positions in product(*([POSITIONS] * len(found.axes)))
    for scale in (2, 4, 8)
    if found.axes == ("strength", "restore")
]


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return np.asarray(files.read(PHOTO).pixels[40:88, 50:114], np.uint8)


@pytest.mark.parametrize(("name", "positions", "scale"), GRID)
def test_colour_stays(photo: NDArray[np.uint8], name: str, positions: tuple[float, float], scale: int) -> None:
    strength, restore = positions
    upscaler = Upscaler(name, strength=strength, restore=restore)
    upscaled = upscaler.upscale(photo, scale).astype(float)
    shift = upscaled.mean((0, 1)) - photo.mean((0, 1))
    assert np.abs(shift).max() < 0.5, shift
    # By regions as well: one that darkens and one that brightens do not cancel out.
    blocks = upscaled.reshape(3, 16 * scale, 4, 16 * scale, 3).mean((1, 3)) - photo.reshape(3, 16, 4, 16, 3).mean(
        (1, 3)
    )
    assert np.abs(blocks).max() < 2.5, blocks
    for colour in COLOURS:
        flat = np.full((16, 16, 3), colour, np.uint8)
        assert np.abs(upscaler.upscale(flat, scale).mean((0, 1)) - colour).max() < 1, colour


def test_the_grid_has_25_points_of_what_runs_by_default() -> None:
    assert sum(not case.marks for case in GRID) % 25 == 0
    assert ("swift", (1.0, 1.0), 4) in [case.values for case in GRID]
