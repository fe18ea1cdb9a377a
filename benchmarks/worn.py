"""Methods on worn pictures: PSNR, SSIM, NIQE by method, set and kind of wear, as CSV and as a table.

    python benchmarks/worn.py --data Set14 --methods bicubic,eusr:0,fourpass:0.9,span,clearreality --out worn.csv
    python benchmarks/worn.py --data Set14 --methods a.safetensors+b.safetensors@0.5,a.safetensors+b.safetensors@auto

Truth is cropped to a multiple of the scale, shrunk by MATLAB's bicubic, then worn (`fourpass.data.wear_names`). Y of
the paper's protocol, 4 pixels cropped. Methods, separated by commas:

    bicubic              MATLAB's
    NAME, NAME:STRENGTH  a packaged name or a file; NAME:STRENGTH:RESTORE where this version has a restore dial
    A+B@RESTORE          weights of one lineage blended: (1 - restore) A + restore B; `auto`: as each picture calls for
    span, clearreality, realesrgan    peers, where they are installed (see benchmarks/peers.py)

Without --data: the middle of the two lossless examples, for a try.
"""

from __future__ import annotations

import argparse
import csv
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import peers

import fourpass
from fourpass import weights
from fourpass.data.training_images import decode, find_images, shrink
from fourpass.data.wear_names import named
from fourpass.errors import ConfigError, FourpassError, MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.niqe import niqe
from fourpass.metrics.psnr import psnr
from fourpass.metrics.ssim import ssim
from fourpass.wear.estimate import estimate
from fourpass.wear.restore import restore_for

BORDER = 4
WEAR = "none,jpeg:30,jpeg:50,jpeg:75,jpeg:90,jpeg:97,noise:10"
HEADER = ("dataset", "scale", "wear", "method", "images", "psnr_y_db", "ssim_y", "niqe", "restore")
RgbImage = np.ndarray
Method = Callable[[RgbImage], tuple[RgbImage, float]]  # the upscaled picture, and the restore that it was made at


def main() -> None:
    """Measure, print a line a row, and write the CSV."""
    options = _options()
    rows = []
    methods = [(name, method(name, options.scale, options.threads)) for name in options.methods.split(",")]
    kinds = [(text.strip(), named(text.strip())) for text in options.wear.split(",")]
    print(*HEADER, sep="\t")
    for folder in options.data or [None]:
        truths = list(_truths(folder, options.scale, options.every))
        for text, wear in kinds:
            inputs = [wear(shrink(truth, options.scale), seed) for seed, truth in enumerate(truths)]
            for name, run in methods:
                found = [_measure(truth, *run(low)) for truth, low in zip(truths, inputs, strict=True)]
                means = [np.nanmean(one) if np.isfinite(one).any() else np.nan for one in np.transpose(found)]
                set_name = folder.name if folder else "examples"
                row = (set_name, options.scale, text, name, len(truths), *(f"{value:.4f}" for value in means))
                rows.append(row)
                print(*row, sep="\t", flush=True)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with options.out.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle, lineterminator="\n").writerows([HEADER, *rows])


def method(name: str, scale: int, threads: int | None = None) -> Method:
    """Return what a method's name stands for.

    Raises:
        ConfigError: it cannot be had.
    """
    if name == "bicubic":
        return lambda low: (imresize(low, scale), 0.0)
    if name in peers.FILES:
        package = peers.missing(name)
        if package or scale != peers.SCALE:
            reason = f"{package} is not installed" if package else f"it upscales by {peers.SCALE} alone"
            raise ConfigError(f"method {name}: {reason}; see benchmarks/peers.py, or leave it out")
        run = peers.peer(name, threads or 1)
        return lambda low: (run(low), 0.0)
    if "@" in name:
        return _blended(name, scale, threads)
    model, *numbers = name.split(":")
    settings = dict(zip(("strength", "restore"), numbers, strict=False))
    options = {key: value if value == "auto" else _number(name, value) for key, value in settings.items() if value}
    if "restore" in options and "restore" not in inspect.signature(fourpass.Upscaler).parameters:
        raise ConfigError(f"method {name}: this version has no restore dial; blend two files instead: A+B@RESTORE")
    upscaler = fourpass.Upscaler(model, precision="fp32", threads=threads, **options)
    at = options.get("restore", 0.0)
    return lambda low: (upscaler.upscale(low, scale), np.nan if at == "auto" else at)


def blend(clean: str, worn: str, threads: int | None = None) -> Callable[[float], fourpass.Upscaler]:
    """Return a function from restore, 0..1, to the upscaler of two blended sets of weights; the latest are kept."""
    ends = weights.load(clean), weights.load(worn)

    @lru_cache(8)
    def at(restore: float) -> fourpass.Upscaler:
        return fourpass.Upscaler(weights.interpolate(*ends, restore), precision="fp32", threads=threads)

    return at


def _blended(name: str, scale: int, threads: int | None) -> Method:
    pair, _, share = name.partition("@")
    if pair.count("+") != 1:
        raise ConfigError(f"method {name}: not of the form CLEAN+WORN@RESTORE")
    at = blend(*pair.split("+"), threads)
    fixed = None if share == "auto" else _number(name, share)

    def run(low: RgbImage) -> tuple[RgbImage, float]:
        restore = round(restore_for(estimate(low)).value * 20) / 20 if fixed is None else fixed
        return at(restore).upscale(low, scale), restore

    return run


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"method {name}: {text!r} is not a number") from None


def _measure(truth: RgbImage, upscaled: RgbImage, restore: float) -> tuple[float, float, float, float]:
    try:
        natural = niqe(upscaled, border=BORDER)
    except MetricError:
        natural = np.nan  # too small for it
    return psnr(truth, upscaled, border=BORDER), ssim(truth, upscaled, border=BORDER), natural, restore


def _truths(folder: Path | None, scale: int, every: int) -> Iterator[RgbImage]:
    if folder is None:
        examples = Path(__file__).parents[1] / "examples"
        folder, files = examples, [examples / "chelsea.png", examples / "astronaut.webp"]
    else:
        files = find_images(folder)
    for file in files[::every]:
        picture = decode(file)
        yield picture[: picture.shape[0] // scale * scale, : picture.shape[1] // scale * scale]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", type=Path)
    parser.add_argument("--methods", default="bicubic")
    parser.add_argument("--wear", default=WEAR)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="every so many of each folder's pictures")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except FourpassError as error:
        sys.exit(f"worn.py: {error}")
