"""Draw the methods of Figs. 7 and 9 to 11 side by side on free photos (the paper's pictures are not free to pass on).

    python docs/images/methods.py fig7 "SRResNet-MSE=runs/srresnet-mse/last.safetensors,..."      (wants the dev extra)

Names are those of `fourpass reproduce FIGURE`, which draws the same on the evaluation sets.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import skimage

from fourpass.evaluation import plots
from fourpass.evaluation.figures import PANELS, SCALE, TRUTH, Panel, Region, Strip
from fourpass.evaluation.images import load_picture
from fourpass.evaluation.methods import build, packaged_methods, parse_methods
from fourpass.imaging import files
from fourpass.imaging.resize import imresize

# Photo, and the top left corner of the part that is shown.
PARTS = {"astronaut.png": (64, 160)}
SIDE = 96


def main() -> None:
    """Write the figure beside this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", choices=PANELS)
    parser.add_argument("methods", nargs="*")
    options = parser.parse_args()
    given = {method.label: method for method in parse_methods(options.methods)} if options.methods else {}
    methods = {method.label: method for method in packaged_methods(options.figure)} | given
    networks = {label: build(methods[label], SCALE) for label in PANELS[options.figure] if label in methods}
    strips = []
    for name, (top, left) in PARTS.items():
        truth = load_picture(Path(skimage.__file__).parent / "data" / name)
        truth = np.ascontiguousarray(truth[: truth.shape[0] // SCALE * SCALE, : truth.shape[1] // SCALE * SCALE])
        low = imresize(truth, 1 / SCALE)
        panels = [Panel(label, networks[label](low) if label in networks else None) for label in PANELS[options.figure]]
        region = Region("scikit-image", Path(name).stem, top, left, SIDE, SIDE)
        strips.append(Strip(region, (Panel(TRUTH, truth), *panels)))
    figure = plots.crops(strips, f"As Fig. {options.figure[3:]}, x4, on free photos")
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "figure.png"
        plots.save(figure, drawn)
        files.write(Path(__file__).with_name(f"{options.figure}.webp"), load_picture(drawn))


if __name__ == "__main__":
    main()
