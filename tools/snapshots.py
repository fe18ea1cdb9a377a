"""Write what the tests expect of packaged networks' pixels and of metrics' features: tests/references/snapshots.npz.

Run it after you change packaged weights, or anything that is meant to change pixels. It prints how far each one moved;
say so in the commit.

python tools/snapshots.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fourpass import Upscaler, weights
from fourpass.engine import graphs
from fourpass.imaging.files import read
from fourpass.metrics import brisque, ma_features, niqe
from fourpass.metrics.protocol import planes

ROOT = Path(__file__).parents[1]
SNAPSHOTS = ROOT / "tests" / "references" / "snapshots.npz"
SIDE = 40  # of the upper left corner of the output that is kept


def main() -> None:
    """Upscale a corner of a photo with every packaged network at every scale."""
    before = dict(np.load(SNAPSHOTS)) if SNAPSHOTS.exists() else {}
    photo = read(ROOT / "examples" / "chelsea.png").pixels[60:80, 60:80]  # an eye
    found = {"input": photo}
    for name in weights.available():
        known = weights.load(name)
        if known.metadata.architecture not in graphs.ARCHITECTURES:
            continue
        for scale in graphs.scales(known):
            upscaled = Upscaler(name, backend="openvino", precision="fp32").upscale(photo, scale)
            found[f"{name}_x{scale}"] = upscaled[:SIDE, :SIDE]
    plane = planes(read(ROOT / "examples" / "coffee.jpg").pixels[40:200, 30:230], "gray", 0)[0]
    for name, family in zip(("local", "global", "spatial"), ma_features.all_features(plane), strict=True):
        found[f"ma {name}"] = family
    found["brisque features"], found["niqe features"] = brisque.features(plane), niqe.block_features(plane)
    found["plane"] = plane.astype(np.uint8)
    for key, pixels in found.items():
        if key not in before:
            print(f"{key}: new")
        elif not np.array_equal(pixels, before[key]):
            difference = np.abs(pixels.astype(float) - before[key])
            print(f"{key}: moved by {difference.mean():.3g} on average, {difference.max():.3g} at most")
    np.savez_compressed(SNAPSHOTS, **found)


if __name__ == "__main__":
    main()
