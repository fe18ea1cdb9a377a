"""How well wear is told from pixels: estimates against what was done to photos, and the restore that clean ones get.

    python benchmarks/wear.py --data PHOTOS --every 10        (default: examples)

Each photo is taken as it is (its top left 512x512) and shrunk by 4. After it was worn, 3 rows and 5 columns are cut
off, so that JPEG's grid does not lie where the picture begins. Printed for each kind of wear: quantiles 5, 50 and 95 %
of each estimate over the photos, and of the restore that follows, by pixels alone.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fourpass.data.training_images import decode, find_images, shrink
from fourpass.data.wear_names import named
from fourpass.wear.estimate import estimate
from fourpass.wear.restore import KINDS, restore_for

WEAR = "none,jpeg:30,jpeg:50,jpeg:75,jpeg:90,jpeg:97,jpeg:30+jpeg:100,jpeg:50+jpeg:90,noise:2,noise:5,noise:10"
WEAR += ",graynoise:5,noise:5+jpeg:90,blur:0.8,blur:1.2,blur:1.6,blur:2.4,webp:50"


def main() -> None:
    """Print a table a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "examples")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--wear", default=WEAR)
    options = parser.parse_args()
    photos = [decode(file)[:512, :512] for file in find_images(options.data)[:: options.every]]
    for size, pictures in (("512x512", photos), ("shrunk by 4", [shrink(photo, 4) for photo in photos])):
        print(f"\n{len(pictures)} photos, {size}")
        print(f"{'wear':16s} {'quality':>15s} {'noise':>15s} {'blur':>15s} {'restore':>15s}")
        for text in options.wear.split(","):
            wear = named(text)
            found = [estimate(wear(picture, seed)[3:, 5:]) for seed, picture in enumerate(pictures)]
            columns = {kind: [asdict(one)[kind] for one in found] for kind in KINDS}
            columns["restore"] = [restore_for(one).value for one in found]
            cells = ["/".join(f"{each:.4g}" for each in _quantiles(values)) for values in columns.values()]
            print(f"{text:16s} " + " ".join(f"{cell:>15s}" for cell in cells) + _accuracy(text, columns), flush=True)


def _quantiles(values: list[float]) -> list[float]:
    return [round(float(each), 2) for each in np.quantile(values, (0.05, 0.5, 0.95))]


def _accuracy(text: str, columns: dict[str, list[float]]) -> str:
    """What of one kind of wear can be compared with what was done."""
    kind, _, amount = text.partition(":")
    if kind == "jpeg" and "+" not in text:
        away = np.abs(np.array(columns["quality"]) - float(amount))
        return f"  quality within 1: {(away <= 1).sum()} of {len(away)}, mean error {away.mean():.2f}"
    if kind in ("noise", "graynoise") and "+" not in text:
        away = np.array(columns["noise"]) - float(amount)
        return f"  noise: mean error {away.mean():+.2f}, mean distance {np.abs(away).mean():.2f}"
    return ""


if __name__ == "__main__":
    main()
