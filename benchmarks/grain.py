"""How much grain photos have where they are flattest, in grey levels.

    python benchmarks/grain.py BSD100 kodak photos       (default: examples)

What a mean of 5x5 leaves over of the luma deviates by so much within 9x9, on the average over the tenth of all places
where the means themselves deviate least within 17x17. Printed is the median over a folder's pictures, of the top left
500x500 of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from fourpass.data.training_images import decode, find_images
from fourpass.imaging.color import luma

MARGIN = 8


def deviation(plane: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Standard deviation within a square around each pixel."""
    mean, square = uniform_filter(plane, side), uniform_filter(plane * plane, side)
    inside = slice(MARGIN, -MARGIN)
    spread: NDArray[np.float64] = np.sqrt(np.maximum(square - mean * mean, 0))[inside, inside]
    return spread


def grain(picture: NDArray[np.uint8]) -> float:
    """Of one picture, (H, W, 3)."""
    plane = luma(picture) * 255 / 219
    coarse = uniform_filter(plane, 5)
    contrast = deviation(coarse, 17)
    return float(deviation(plane - coarse, 9)[contrast <= np.quantile(contrast, 0.1)].mean())


def main() -> None:
    """Print one line a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[Path(__file__).parents[1] / "examples"])
    for folder in parser.parse_args().folders:
        levels = [grain(decode(file)[:500, :500]) for file in find_images(folder)]
        print(f"{folder.name}: {np.median(levels):.2f} grey levels, {len(levels)} pictures")


if __name__ == "__main__":
    main()
