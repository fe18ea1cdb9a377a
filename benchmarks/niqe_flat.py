"""Why ports of NIQE drift on flat regions: the same pictures with rounding errors kept, or taken away, one by one.

python benchmarks/niqe_flat.py FOLDER    # I03.bmp, I04.bmp, I06.bmp, I08.bmp, I19.bmp; see docs/reference/metrics.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from fourpass.metrics import natural_scene, niqe

# LIVE's program under MATLAB.
MATLAB = {"I03": 15.7536293917814, "I04": 3.6549215235377, "I06": 3.23547743716998}
MATLAB |= {"I08": 3.18403333858339, "I19": 8.63519663862637}
Plane = np.ndarray
_TAPS = natural_scene.gaussian(7, 7 / 6)
_LEFT, _SIZE, _RIGHT = np.linalg.svd(np.outer(_TAPS, _TAPS))


def at_once(plane: Plane) -> Plane:
    """49 products, summed row by row."""
    padded, window = np.pad(plane, 3, mode="edge"), np.outer(_TAPS, _TAPS)
    total = np.zeros_like(plane)
    for row, column in np.ndindex(7, 7):
        total += window[row, column] * padded[row : row + plane.shape[0], column : column + plane.shape[1]]
    return total


def in_two_passes(down: Plane, across: Plane) -> Callable[[Plane], Plane]:
    """Columns, then rows, as MATLAB's imfilter does with a window of rank 1."""

    def apply(plane: Plane) -> Plane:
        padded = np.pad(plane, 3, mode="edge")
        once = sum(down[row] * padded[row : row + plane.shape[0]] for row in range(7))
        return np.asarray(sum(across[column] * once[:, column : column + plane.shape[1]] for column in range(7)))

    return apply


def keeping(smooth: Callable[[Plane], Plane], *, difference: bool, deviation: bool) -> Callable[[Plane, str], Plane]:
    """`normalise` with a filter of one's choice, keeping or taking away the rounding errors of flat parts."""

    def normalise(plane: Plane, _: str) -> Plane:
        mean = smooth(plane)
        off, spread = plane - mean, np.sqrt(np.abs(smooth(plane * plane) - mean * mean))
        flat = np.abs(off) < 1e-10
        if not difference:
            off[flat] = 0
        if not deviation:
            spread[spread < 1e-4] = 0
        return np.asarray(off / (spread + 1))

    return normalise


def main() -> None:
    """Print NIQE of each picture under each variant, and how far it lies from MATLAB's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    root = np.sqrt(_SIZE[0])
    twice = in_two_passes(_LEFT[:, 0] * root, _RIGHT[0] * root)
    rows = {
        "neither kept": keeping(twice, difference=False, deviation=False),
        "deviation's kept (ours)": keeping(twice, difference=False, deviation=True),
        "difference's kept": keeping(twice, difference=True, deviation=False),
        "both kept, two passes (SVD)": keeping(twice, difference=True, deviation=True),
        "both kept, two passes (exp)": keeping(in_two_passes(_TAPS, _TAPS), difference=True, deviation=True),
        "both kept, 49 products": keeping(at_once, difference=True, deviation=True),
    }
    print("| rounding errors | " + " | ".join(f"{name} ({value:.4f})" for name, value in MATLAB.items()) + " |")
    print("| --- |" + " ---: |" * len(MATLAB))
    for label, normalise in rows.items():
        cells = []
        for name, expected in MATLAB.items():
            image = np.asarray(Image.open(folder / f"{name}.bmp"))
            with mock.patch.object(niqe, "normalise", normalise):
                value = niqe.niqe(image, channel="gray", border=0)
            cells.append(f"{value:.4f} ({100 * (value / expected - 1):+.2f} %)")
        print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
