"""Which rounding, channel and crop give the paper's bicubic rows (Table 2)? Every variant's distance from them.

python benchmarks/bicubic_protocol.py SET5 [SET14 BSD100]    # folders of ground truth, named like the sets
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from fourpass.imaging.resize import imresize
from fourpass.metrics.niqe import niqe
from fourpass.metrics.psnr import psnr
from fourpass.metrics.ssim import ssim

# PSNR (dB), SSIM, NIQE of bicubic x4.
PAPER = {
    "Set5": (28.4178, 0.8098, 8.5404),
    "Set14": (26.0906, 0.7050, 7.7637),
    "BSD100": (25.9566, 0.6693, 7.7120),
}
Values = dict[tuple[str, ...], list[float]]


def variants(truth: np.ndarray) -> dict[str, np.ndarray]:
    """The picture enlarged from its 8-bit quarter: rounded after each pass as MATLAB does, once, or not at all."""
    low = imresize(truth, 0.25)
    exact = np.clip(imresize(low.astype(np.float64), 4.0), 0, 255)
    once = np.floor(exact + 0.5).astype(np.uint8)
    return {"after each pass": imresize(low, 4.0), "once": once, "never": exact}


def measure(folder: Path) -> tuple[Values, Values]:
    """Every variant's values of every picture: of bicubic, and the ground truth's NIQE."""
    found: Values = defaultdict(list)
    truths: Values = defaultdict(list)
    for path in sorted(file for file in folder.iterdir() if file.is_file()):
        picture = np.asarray(Image.open(path).convert("RGB"))
        truth = picture[: picture.shape[0] // 4 * 4, : picture.shape[1] // 4 * 4]
        for rounding, result in variants(truth).items():
            for channel in ("y", "y8"):
                found["PSNR", rounding, channel].append(psnr(truth, result, channel=channel))
                for region in ("valid", "same"):
                    value = ssim(truth, result, channel=channel, region=region)
                    found["SSIM", rounding, f"{channel}, {region}"].append(value)
            for channel in ("y", "y8", "gray"):
                for border in (0, 4):
                    setting = f"{channel}, border {border}"
                    found["NIQE", rounding, setting].append(niqe(result, channel=channel, border=border))
                    if rounding == "once":
                        truths["NIQE", "ground truth", setting].append(niqe(truth, channel=channel, border=border))
    return found, truths


def main() -> None:
    """Measure each set and print a Markdown table of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args().folders:
        found, truths = measure(folder)
        paper = dict(zip(("PSNR", "SSIM", "NIQE"), PAPER[folder.name], strict=True))
        print(f"\n{folder.name}\n\n| metric | 8-bit rounding | setting | value | from the paper's |")
        print("| --- | --- | --- | ---: | ---: |")
        for (metric, rounding, setting), values in found.items():
            mean = float(np.mean(values))
            far = f"{100 * (mean / paper[metric] - 1):+.2f} %" if metric == "NIQE" else f"{mean - paper[metric]:+.4f}"
            print(f"| {metric} | {rounding} | {setting} | {mean:.4f} | {far} |")
        for (metric, rounding, setting), values in truths.items():
            print(f"| {metric} | {rounding} | {setting} | {np.mean(values):.4f} | |")


if __name__ == "__main__":
    main()
