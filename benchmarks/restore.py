"""Fits the table from estimates of wear to restore: PSNR at fixed restores against the estimate, by photo and wear.

    python benchmarks/restore.py --clean CLEAN.safetensors --worn WORN.safetensors --data PHOTOS --every 10
    python benchmarks/restore.py --samples runs/restore/samples.csv --write      (fit again, without measuring)

The two are weights of one lineage; they are blended at restore 0, 0.25 ... 1 (`benchmarks/worn.py`). Not for Set5,
Set14 and BSD100, on which the result is judged. `samples.csv` has a row a photo and wear. Each kind of wear is fitted
by itself, on the photos with that wear and, counting as much together, on the clean ones. What is printed then is for
the most of all kinds: how much PSNR is lost against each photo's best of the fixed restores. --write replaces the
packaged table.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from worn import BORDER, blend

from fourpass.data.training_images import decode, find_images, shrink
from fourpass.data.wear_names import named
from fourpass.errors import ConfigError, FourpassError
from fourpass.metrics.psnr import psnr
from fourpass.wear.estimate import Estimate, estimate
from fourpass.wear.fit import WearSample, fit, loss
from fourpass.wear.restore import KINDS, PACKAGED, restore_for, write_table

RESTORES = (0.0, 0.25, 0.5, 0.75, 1.0)
WEAR = "none,jpeg:20,jpeg:30,jpeg:50,jpeg:65,jpeg:75,jpeg:85,jpeg:90,jpeg:95,jpeg:97,jpeg:30+jpeg:90"
WEAR += ",noise:1,noise:2,noise:4,noise:7,noise:10,noise:15,graynoise:3,graynoise:8,blur:0.8,blur:1.2,blur:1.6,blur:2.2"
PLACES = {
    "quality": (20.0, 35.0, 50.0, 65.0, 75.0, 85.0, 90.0, 95.0, 97.0, 99.0),
    "noise": (1.0, 2.0, 3.5, 6.0, 9.0, 14.0),
    "blur": (0.9, 1.2, 1.6, 2.2, 3.0),
}
WORN_BY = {"quality": ("jpeg", "webp"), "noise": ("noise", "graynoise"), "blur": ("blur",)}
NUMBERS = ("quality", "blocks", "noise", "blur")  # of an estimate, in `samples.csv`
HEADER = ("picture", "wear", "evidence", *NUMBERS, *(f"psnr_{restore:g}" for restore in RESTORES))
Row = tuple[str, str, Estimate, tuple[float, ...]]  # picture, wear, estimate, PSNR at each restore


def main() -> None:
    """Measure or read samples, fit, say what it costs, and write the table if asked to."""
    options = _options()
    if options.samples:
        rows = _read(options.samples)
    else:
        rows = _measured(options)
        _write(options.out / "samples.csv", rows)
    table = fitted(rows)
    for kind, knots in table.items():
        print(kind, " ".join(f"{place:g}:{share:g}" for place, share in knots))
    print("\ndB below the best fixed restore of each photo: by the new table, by the packaged one, at restore 0")
    for wear in dict.fromkeys(wear for _, wear, _, _ in rows):
        chosen = [(found, WearSample(0, levels)) for _, name, found, levels in rows if name == wear]
        new, old = (
            [loss(one, RESTORES, restore_for(found, used).value) for found, one in chosen] for used in (table, None)
        )
        none = [loss(one, RESTORES, 0.0) for _, one in chosen]
        print(f"{wear:16s} {np.mean(new):.3f} {np.mean(old):.3f} {np.mean(none):.3f}")
    if options.write:
        write_table(PACKAGED, table)
        print(f"{PACKAGED}: written")


def fitted(rows: list[Row]) -> dict[str, tuple[tuple[float, float], ...]]:
    """Fit each kind by itself."""
    table = {}
    for kind, direction in KINDS.items():
        samples = {True: [], False: []}  # clean or not
        for _, wear, found, levels in rows:
            if wear == "none" or wear.split(":")[0] in WORN_BY[kind]:
                samples[wear == "none"].append(WearSample(getattr(found, kind), levels))
        share = len(samples[False]) / max(1, len(samples[True]))
        clean = [replace(sample, weight=share) for sample in samples[True]]
        table[kind] = fit(clean + samples[False], RESTORES, PLACES[kind], direction)
    return table


def _measured(options: argparse.Namespace) -> list[Row]:
    at = blend(options.clean, options.worn, options.threads)
    upscalers = [at(restore) for restore in RESTORES]
    kinds = [(text, named(text)) for text in options.wear.split(",")]
    rows = []
    for seed, file in enumerate(find_images(options.data)[:: options.every]):
        truth = decode(file)[: options.side, : options.side]
        truth = truth[
            : truth.shape[0] // options.scale * options.scale, : truth.shape[1] // options.scale * options.scale
        ]
        for text, wear in kinds:
            low = wear(shrink(truth, options.scale), seed)
            levels = [psnr(truth, each.upscale(low, options.scale), border=BORDER) for each in upscalers]
            rows.append((file.name, text, estimate(low), tuple(levels)))
        print(f"{len(rows)} samples", file=sys.stderr, flush=True)
    return rows


def _write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        lines = csv.writer(handle, lineterminator="\n")
        lines.writerow(HEADER)
        for picture, wear, found, levels in rows:
            numbers = [f"{getattr(found, name):.4f}" for name in NUMBERS]
            lines.writerow([picture, wear, found.evidence, *numbers, *(f"{level:.4f}" for level in levels)])


def _read(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            lines = list(csv.DictReader(handle))
        return [
            (
                line["picture"],
                line["wear"],
                Estimate(evidence=line["evidence"], **{name: float(line[name]) for name in NUMBERS}),
                tuple(float(line[name]) for name in HEADER[-len(RESTORES) :]),
            )
            for line in lines
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a file of samples that this command wrote ({error})") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", help="weights at restore 0")
    parser.add_argument("--worn", help="weights at restore 1")
    parser.add_argument("--data", type=Path, help="folder of photos")
    parser.add_argument("--every", type=int, default=1, help="every so many of the photos")
    parser.add_argument("--side", type=int, default=512, help="of each photo's top left corner, in pixels")
    parser.add_argument("--wear", default=WEAR)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs/restore"))
    parser.add_argument("--samples", type=Path, help="fit these instead of measuring")
    parser.add_argument("--write", action="store_true", help="replace the packaged table")
    options = parser.parse_args()
    if not options.samples and not (options.clean and options.worn and options.data):
        parser.error("give --clean, --worn and --data to measure, or --samples to fit what was measured")
    return options


if __name__ == "__main__":
    try:
        main()
    except FourpassError as error:
        sys.exit(f"restore.py: {error}")
