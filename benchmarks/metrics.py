"""Time of each metric on a 1080x800 picture, one core, beside scikit-image's where it has one, in one run.

The picture is an example photo, its rival the same blurred. Ours and scikit-image's take turns, so that a busy
machine slows both alike; the best round counts. `cpu` is processor time: what it takes on a free core.

    python benchmarks/metrics.py [--rounds 7] [--width 1080] [--height 800]
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from fourpass.imaging.resize import imresize
from fourpass.metrics.brisque import brisque
from fourpass.metrics.consistency import lr_psnr
from fourpass.metrics.ma_features import all_features
from fourpass.metrics.niqe import niqe
from fourpass.metrics.protocol import planes
from fourpass.metrics.psnr import psnr, rmse
from fourpass.metrics.ssim import ssim

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
EXAMPLE = Path(__file__).parents[1] / "examples" / "coffee.jpg"
Work = Callable[[], object]


def works(width: int, height: int) -> dict[str, tuple[Work, Work | None]]:
    """Name of the metric -> ours, scikit-image's; both from uint8 RGB to a number."""
    photo = Image.open(EXAMPLE).convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    truth = np.asarray(photo)
    low = imresize(truth, 0.25)
    result = imresize(low, size=(height, width))
    luma = planes(truth, "y8", 4)[0]

    def their_psnr() -> float:
        left, right = (planes(image, "y", 4)[0] for image in (truth, result))
        return float(peak_signal_noise_ratio(left, right, data_range=255))

    def their_ssim() -> float:
        left, right = (planes(image, "y", 4)[0] for image in (truth, result))
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        return float(structural_similarity(left, right, data_range=255, **settings))

    return {
        "PSNR": (lambda: psnr(truth, result), their_psnr),
        "RMSE": (lambda: rmse(truth, result), None),
        "SSIM": (lambda: ssim(truth, result), their_ssim),
        "LR consistency": (lambda: lr_psnr(result, low), None),
        "NIQE": (lambda: niqe(truth), None),
        "BRISQUE": (lambda: brisque(truth), None),
        "Ma's features": (lambda: all_features(luma), None),
    }


def timed(work: Work) -> tuple[float, float]:
    """Wall and processor seconds of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure in turns and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--width", type=int, default=1080)
    parser.add_argument("--height", type=int, default=800)
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":  # numpy reads it when it is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    rows = works(options.width, options.height)
    taken: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for round_ in range(options.rounds + 1):
        for name, pair in rows.items():
            for side, work in enumerate(pair):
                if work is not None:
                    spent = timed(work)
                    if round_:  # the first one warms up
                        taken.setdefault((name, side), []).append(spent)
    best = {key: tuple(min(column) * 1000 for column in zip(*spent, strict=True)) for key, spent in taken.items()}
    print(f"{options.width}x{options.height}, one core ({platform.machine()}), load {os.getloadavg()[0]:.1f}, ms\n")
    print("| metric | wall | cpu | scikit-image wall | cpu | times faster (cpu) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in rows:
        wall, cpu = best[name, 0]
        theirs = best.get((name, 1))
        right = f"{theirs[0]:.0f} | {theirs[1]:.0f} | {theirs[1] / cpu:.1f}" if theirs else "- | - | -"
        print(f"| {name} | {wall:.0f} | {cpu:.0f} | {right} |")


if __name__ == "__main__":
    main()
