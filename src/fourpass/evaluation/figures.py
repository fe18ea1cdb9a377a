"""The paper's picture figures: which methods stand side by side, on which picture, and what region is marked."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fourpass.data.layouts import Dataset, ImagePair
from fourpass.data.results import find_results
from fourpass.errors import ConfigError, DatasetError
from fourpass.evaluation.images import RgbImage, load_pair, load_result
from fourpass.evaluation.methods import NAMES, SHIPPED, Method, build

SCALE = 4
TRUTH = "Ground-truth"
PUBLISHED = NAMES["4pp-eusr"]
_REGIONS = Path(__file__).parent / "results" / "figures.csv"

_BASELINES = (
    "Bicubic",
    "SRResNet-MSE",
    "SRResNet-VGG22",
    "EDSR",
    "MDSR",
    "EUSR",
    "SRGAN-MSE",
    "SRGAN-VGG22",
    "SRGAN-VGG54",
    "CX",
    "4PP-EUSR",
)
# figure -> methods after the ground truth, in the paper's order
PANELS = {
    "fig1": ("Bicubic", "EUSR", "4PP-EUSR"),
    "fig7": _BASELINES,
    "fig8": _BASELINES,
    "fig9": ("x4", "x2-x2", "x8-downscale"),
    "fig10": ("with all losses", "without l_r", "without l_g", "without l_as,l_ar", "without l_ss,l_sr"),
    "fig11": ("alpha_r=0.3", "alpha_r=0.03", "alpha_r=0.003"),
}


@dataclass(frozen=True)
class Region:
    """A picture of a set, and the rectangle of it that is shown enlarged, in pixels of the cropped ground truth."""

    dataset: str
    image: str
    top: int
    left: int
    height: int
    width: int
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """A cell of a figure: the whole picture, or None where the method is not at hand."""

    label: str
    picture: RgbImage | None


@dataclass(frozen=True)
class Strip:
    """One row of a figure: the ground truth and each method on one picture."""

    region: Region
    panels: tuple[Panel, ...]


def regions(figure: str) -> list[Region]:
    """Regions that a figure marks, from ``results/figures.csv``; one is one row of the figure."""
    with _REGIONS.open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["figure"] == figure]
    found = []
    for row in rows:
        top, left, height, width = (int(row[name]) for name in ("top", "left", "height", "width"))
        found.append(Region(row["dataset"], row["image"], top, left, height, width, row["note"]))
    return found


def strips(figure: str, datasets: Sequence[Dataset], methods: Sequence[Method]) -> list[Strip]:
    """Upscale, or take from disk, what a figure shows.

    Args:
        figure: key of PANELS.
        datasets: must hold the sets of the figure's regions.
        methods: those at hand; each panel takes the one with its label.

    Raises:
        DatasetError: a picture is not in the sets, or a result is missing.
        ConfigError: a region does not lie within its picture.
    """
    at_hand = {method.label: method for method in methods}
    if PUBLISHED not in at_hand and SHIPPED in at_hand:  # named for what it is, below
        at_hand[PUBLISHED] = at_hand[SHIPPED]
    wanted = [at_hand[label] for label in PANELS[figure] if label in at_hand]
    networks = {method.label: build(method, SCALE) for method in wanted if method.kind in ("bicubic", "model")}
    result = []
    for region in regions(figure):
        dataset, pair = _find(region, datasets)
        truth, low = load_pair(pair, SCALE)
        if region.top + region.height > truth.shape[0] or region.left + region.width > truth.shape[1]:
            raise ConfigError(
                f"{region} extends beyond its picture of {truth.shape[1]}x{truth.shape[0]}", subject=figure
            )
        panels = [Panel(TRUTH, truth)]
        for label in PANELS[figure]:
            method = at_hand.get(label)
            picture = None
            if method and method.kind == "folder":
                alone = Dataset(dataset.name, dataset.layout, (pair,))
                picture = load_result(find_results(Path(method.source), alone, SCALE)[pair.name], truth, SCALE)
            elif method:
                picture = networks[method.label](low)
            panels.append(Panel(method.label if method and method.label == SHIPPED else label, picture))
        result.append(Strip(region, tuple(panels)))
    return result


def _find(region: Region, datasets: Sequence[Dataset]) -> tuple[Dataset, ImagePair]:
    for dataset in datasets:
        for pair in dataset.pairs:
            if (dataset.name, pair.name) == (region.dataset, region.image):
                return dataset, pair
    given = ", ".join(dataset.name for dataset in datasets)
    raise DatasetError(
        f"{region.dataset}/{region.image} is not in the given sets ({given})", hint="add its folder", key="data"
    )
