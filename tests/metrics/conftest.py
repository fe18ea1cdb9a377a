"""Pictures for the metrics' tests: a small made one, and two TID2013 samples made again from their references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fourpass.imaging.color import rgb_to_ycbcr, ycbcr_to_rgb

RgbImage = NDArray[np.uint8]

# Sample -> Kodak image, crop's first row and column, factor on Cb and Cr. TID2013's type 18 (colour saturation):
# MATLAB's YCbCr in whole numbers, chroma drawn towards 128, rounded. Equals the database's files bit for bit.
SATURATION = {"I04": (4, 206, 0, 0.09375), "I06": (6, 43, 66, 0.434)}


@pytest.fixture(scope="session")
def saturation_sample(shared: Path) -> Callable[[str], RgbImage]:
    """Make the TID2013 image that MATLAB's values of NIQE and BRISQUE are known for: ``I04`` or ``I06``."""

    def make(name: str) -> RgbImage:
        number, row, column, factor = SATURATION[name]
        whole = np.asarray(Image.open(shared / "data/tid2013/kodak" / f"{number}.png").convert("RGB"))
        ycbcr = np.floor(rgb_to_ycbcr(whole[row : row + 384, column : column + 512]) + 0.5)
        ycbcr[..., 1:] = np.floor(128 + factor * (ycbcr[..., 1:] - 128) + 0.5)
        return np.clip(np.floor(ycbcr_to_rgb(ycbcr) + 0.5), 0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def picture() -> RgbImage:
    """(200, 300, 3) uint8 with slopes, edges, texture and noise; no two channels alike."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:200, :300]
    base = 120 + 50 * np.sin(x / 9) * np.cos(y / 13) + 40 * (x + y > 260) + 0.1 * x
    channels = [base * gain + random.normal(0, 6, base.shape) for gain in (1, 0.9, 0.8)]
    return np.clip(np.stack(channels, axis=2), 0, 255).astype(np.uint8)
