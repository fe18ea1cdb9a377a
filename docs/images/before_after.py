"""Make before_after.png: parts of free photos, shrunk by 4 and enlarged again, beside the original.

python docs/images/before_after.py      (wants the dev extra, for scikit-image's photos)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage

from fourpass import Upscaler
from fourpass.imaging import files
from fourpass.imaging.resize import imresize

# Photo, and the top left corner of the part that is shown.
PARTS = {"chelsea.png": (72, 92), "astronaut.png": (48, 152), "coffee.png": (140, 240)}
SIDE, GAP = 128, 4


def main() -> None:
    """Write the picture beside this script."""
    folder = Path(skimage.__file__).parent / "data"
    upscaler = Upscaler("eusr")
    rows = []
    for name, (top, left) in PARTS.items():
        original = files.read(folder / name).pixels
        original = original[: original.shape[0] // 4 * 4, : original.shape[1] // 4 * 4]
        small = imresize(original, 0.25)
        shown = [imresize(small, 4.0), upscaler.upscale(small, 4), original]
        parts = [each[top : top + SIDE, left : left + SIDE].repeat(2, axis=0).repeat(2, axis=1) for each in shown]
        gap = np.full((2 * SIDE, GAP, 3), 255, np.uint8)
        rows.append(np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1))
        rows.append(np.full((GAP, rows[0].shape[1], 3), 255, np.uint8))
    files.write(Path(__file__).with_suffix(".png"), np.concatenate(rows[:-1]))


if __name__ == "__main__":
    main()
