"""Make before_after.png and worn.png from parts of free photos, with the default model.

before_after.png: shrunk by 4 and enlarged again, by bicubic interpolation and by fourpass, beside the original.
worn.png: a photo that was saved as JPEG, enlarged by 4: bicubic interpolation, fourpass with restore 0, and fourpass.

python docs/images/before_after.py      (needs the dev extra, for scikit-image's photos)
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
WORN = ("coins.png", (150, 420))  # gray, with traces of JPEG
SIDE, GAP = 128, 4


def main() -> None:
    """Write the pictures beside this script."""
    folder = Path(skimage.__file__).parent / "data"
    upscaler = Upscaler()
    rows = []
    for name, (top, left) in PARTS.items():
        original = files.read(folder / name).pixels
        original = original[: original.shape[0] // 4 * 4, : original.shape[1] // 4 * 4]
        small = imresize(original, 0.25)
        rows.append(_row([imresize(small, 4.0), upscaler.upscale(small, 4), original], top, left))
    files.write(Path(__file__).with_name("before_after.png"), np.concatenate(_spaced(rows, 0)))
    small = files.read(folder / WORN[0]).pixels
    shown = [imresize(small, 4.0), Upscaler(restore=0).upscale(small, 4), upscaler.upscale(small, 4)]
    files.write(Path(__file__).with_name("worn.png"), _row(shown, *WORN[1]))


def _row(shown: list[np.ndarray], top: int, left: int) -> np.ndarray:
    """The same part of each picture, side by side, every pixel doubled."""
    parts = [each[top : top + SIDE, left : left + SIDE].repeat(2, axis=0).repeat(2, axis=1) for each in shown]
    return np.concatenate(_spaced(parts, 1), axis=1)


def _spaced(parts: list[np.ndarray], axis: int) -> list[np.ndarray]:
    """Put a white gap between parts."""
    gap = np.full_like(parts[0].take(range(GAP), axis), 255)
    return [each for part in parts for each in (part, gap)][:-1]


if __name__ == "__main__":
    main()
