"""The dial measured: PSNR, NIQE and LR-PSNR against strength on folders of photos, as CSV, plot and sheet of crops.

    python benchmarks/dial.py --data Set5 Set14 --perceptual runs/perceptual/best.safetensors --out runs/dial

Y of the paper's protocol (4 pixels cropped), x4 or ``--scale``. Weights of one lineage are blended before the network
is built, as `fourpass upscale --strength` does. `dial.csv` has a row a folder and strength, `dial.svg` the curve,
`sheet.png` the middle of a few pictures beside bicubic and the truth: to be looked at before any weights ship.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from fourpass import weights
from fourpass.data.training_images import decode, find_images, shrink
from fourpass.imaging import files
from fourpass.imaging.resize import imresize
from fourpass.metrics.consistency import lr_psnr
from fourpass.metrics.niqe import niqe
from fourpass.metrics.psnr import psnr
from fourpass.upscaling.upscaler import Upscaler

BORDER = 4
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SIDE = 160  # pixels of a crop on the sheet
HEADER = ("dataset", "strength", "images", "psnr_y_db", "niqe", "lr_psnr_db")


def main() -> None:
    """Measure, and write the three files."""
    options = _options()
    out, scale = Path(options.out), options.scale
    out.mkdir(parents=True, exist_ok=True)
    ends = weights.load(options.faithful), weights.load(options.perceptual)
    blended = {t: weights.interpolate(*ends, t) for t in STRENGTHS}
    upscalers = {t: Upscaler(each, precision="fp32", threads=options.threads) for t, each in blended.items()}
    rows, strips = [], []
    for folder in map(Path, options.data):
        found: dict[float, list[tuple[float, float, float]]] = {t: [] for t in STRENGTHS}
        chosen = find_images(folder)[: options.images or None]
        for file in chosen:
            high = decode(file)
            high = high[: high.shape[0] // scale * scale, : high.shape[1] // scale * scale]
            low = shrink(high, scale)
            results = {t: upscaler.upscale(low, scale) for t, upscaler in upscalers.items()}
            for t, result in results.items():
                values = psnr(high, result, border=BORDER), niqe(result, border=BORDER), lr_psnr(result, low)
                found[t].append(values)
            if file.stem in options.sheet:
                strips.append(_strip([imresize(low, scale), *(results[t] for t in (0.0, 0.5, 1.0)), high]))
        for t in STRENGTHS:
            means = np.mean(found[t], axis=0)
            rows.append((folder.name, t, len(chosen), *(f"{value:.4f}" for value in means)))
            print(*rows[-1], sep="\t", flush=True)
    with (out / "dial.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows([HEADER, *rows])
    if strips:
        files.write(out / "sheet.png", np.concatenate(strips))
    _plot(rows, out / "dial.svg")


def _strip(pictures: list[np.ndarray]) -> np.ndarray:
    """The middle of each picture, side by side, every pixel doubled."""
    row, column = ((length - SIDE) // 2 for length in pictures[0].shape[:2])
    crops = [picture[row : row + SIDE, column : column + SIDE] for picture in pictures]
    return np.concatenate(crops, axis=1).repeat(2, axis=0).repeat(2, axis=1)


def _plot(rows: list[tuple], path: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: pip install 'fourpass[plots]'")
        return
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="NIQE (lower: more natural)", ylabel="PSNR of Y, dB (higher: more faithful)")
    for name in dict.fromkeys(row[0] for row in rows):
        points = [(float(row[4]), float(row[3]), row[1]) for row in rows if row[0] == name]
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], marker="o", label=name)
        for x, y, strength in points:
            axes.annotate(f"{strength:g}", (x, y), textcoords="offset points", xytext=(4, 4), fontsize=8)
    axes.legend()
    figure.savefig(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--faithful", default="eusr")
    parser.add_argument("--perceptual", default="fourpass")
    parser.add_argument("--images", type=int, default=0, help="only so many of each folder")
    parser.add_argument("--sheet", nargs="*", default=["comic", "baboon", "zebra", "butterfly"])
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    main()
