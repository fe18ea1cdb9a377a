"""How much each term of a recipe counts: the norm of its weighted gradient on the upscaled picture, as a table.

    python benchmarks/gradients.py --data PHOTOS recipes/authors/perceptual.toml recipes/paper/perceptual.toml
    python benchmarks/gradients.py --data PHOTOS --phase srgan-mse --init START recipes/cpu/published/srgan-mse.toml

One row a recipe. The patches are the recipe's own (of its last steps, where they change) unless --patch and --batch say
otherwise; the network is its start weights, and the discriminator has had --lessons updates. The more values a mean is
over, the smaller the slope on each, so compare rows of equal patches and batch.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import numpy as np

from fourpass.cli.train import PHASES
from fourpass.losses.terms import TERMS
from fourpass.training import recipes
from fourpass.training.gradients import weighted_gradients


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--phase", default="perceptual")
    parser.add_argument("--init", default="")
    parser.add_argument("--batches", type=int, default=8, help="the mean over so many")
    parser.add_argument("--lessons", type=int, default=0, help="updates of the discriminator before it is asked")
    parser.add_argument("--patch", type=int, default=0, help="side of the low-resolution patches")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    module = importlib.import_module(PHASES[options.phase])
    kind = module.RECIPES[options.phase] if hasattr(module, "RECIPES") else module.RECIPE
    rows = {}
    for file in options.recipes:
        changes = dict(recipes.parse_override(text) for text in options.settings)
        if options.init:
            changes["init"] = options.init
        if options.batch:
            changes["batch"] = options.batch
        if options.phase == "perceptual":
            late_patch, late_batch = recipes.load(kind, file, changes).patch_at(10**9)
            changes |= {"patch": options.patch or late_patch, "late_share": 0.0}
            changes["batch"] = options.batch or late_batch
        elif options.patch:
            changes["patches"] = [options.patch] * len(recipes.load(kind, file, changes).scales)
        phase = module.prepare(recipes.load(kind, file, changes), options.data, report=lambda line: None)
        steps = [
            weighted_gradients(phase, step=options.lessons + number, lessons=0 if number else options.lessons)
            for number in range(options.batches)
        ]
        rows[file] = {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    symbols = [TERMS[name].symbol if options.phase == "perceptual" else name for name in names]
    print(f"| recipe | {' | '.join(symbols)} |\n| --- |{' ---: |' * len(names)}")
    for file, row in rows.items():
        print(f"| {file} | {' | '.join(f'{row[name]:.1e}' if name in row else '-' for name in names)} |")


if __name__ == "__main__":
    main()
