"""Wear laid over training inputs: blur, other filters, noise, JPEG and WebP, as pictures from the web and phones have.

Mild wear dominates, because most photos are JPEGs of quality 75 to 95, and a share of the patches stays clean. What is
done to a patch is drawn as a `WearPlan`, a function of (seed, number of the patch), and then carried out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.data import wear_steps as steps
from fourpass.data.patches import PatchBatch, Patches
from fourpass.errors import ConfigError

GRID = 16  # pixels after which JPEG's blocks repeat where chroma is halved; WebP's are as large
MARGIN = GRID  # pixels that patches are cut larger by, on each side: blocks that a patch shares are then whole
_STREAM = 7  # keeps what is drawn here apart from what else is drawn from a step's seed
_RANGES = {  # of the numbers that have other limits than 0..1
    "blur_sigma": (0.05, 4.0),
    "blur_stretch": (1.0, 10.0),
    "noise_sigma": (0.05, 100.0),
    "quality_mild": (1, 100),
    "quality_strong": (1, 100),
    "twice_size": (0.25, 4.0),
}


@dataclass(frozen=True, kw_only=True)
class Wear:
    """How often what is done to inputs, and how strongly; a recipe's table ``[wear]``. Odds and shares are 0..1.

    Ranges are (least, most), drawn from evenly, and evenly in the logarithm where it says so.

    Attributes:
        clean: share of the patches that stay as they are.
        filter: odds that a patch is shrunk from the truth by another filter than MATLAB's bicubic.
        filters: which, each as often: some of ``box``, ``bilinear``, ``hamming``, ``bicubic``, ``lanczos`` (Pillow's).
        blur: odds of a blur.
        blur_sigma: standard deviation of its Gaussian, in input pixels, even in the logarithm.
        long: share of the blurs whose kernel is longer than wide, in a random direction.
        blur_stretch: how much longer.
        noise: odds of sensor noise.
        noise_sigma: its standard deviation at mid-grey, in grey levels, even in the logarithm.
        noise_colour: share of its variance that each channel has by itself; 0 is gray.
        noise_shot: share of its variance that grows with the brightness.
        saved: odds that the patch was saved by a lossy codec, at a random place of the codec's grid.
        webp: share of the saves that are WebP; the others are JPEG.
        strong: share of the saves whose quality is drawn from `quality_strong` rather than `quality_mild`.
        quality_mild, quality_strong: quality, 1..100, of JPEG and WebP.
        chroma_odds: how often JPEG's chroma is 4:4:4, 4:2:2 and 4:2:0, as weights. WebP's is always 4:2:0.
        twice: share of the saved patches that were saved once before, at another size.
        twice_size: sides of that earlier picture, as a multiple of the input's, even in the logarithm; filter, blur and
            noise are then the earlier picture's.
    """

    clean: float = 0.15
    filter: float = 0.25
    filters: tuple[str, ...] = ("box", "bilinear", "hamming", "lanczos")
    blur: float = 0.15
    blur_sigma: tuple[float, ...] = (0.3, 1.8)
    long: float = 0.4
    blur_stretch: tuple[float, ...] = (1.5, 4.0)
    noise: float = 0.3
    noise_sigma: tuple[float, ...] = (0.7, 15.0)
    noise_colour: tuple[float, ...] = (0.0, 1.0)
    noise_shot: tuple[float, ...] = (0.0, 1.0)
    saved: float = 0.85
    webp: float = 0.1
    strong: float = 0.3
    quality_mild: tuple[int, ...] = (75, 97)
    quality_strong: tuple[int, ...] = (25, 74)
    chroma_odds: tuple[float, ...] = (0.3, 0.1, 0.6)
    twice: float = 0.2
    twice_size: tuple[float, ...] = (0.8, 2.0)

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name in ("filters", "chroma_odds"):
                continue
            least, most = _RANGES.get(item.name, (0, 1))
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(least <= number <= most for number in numbers):
                raise ConfigError(f"{item.name} = {_said(value)} is not within {least}..{most}", subject="recipe")
            if isinstance(value, tuple) and (len(value) != 2 or value[0] > value[1]):
                raise ConfigError(f"{item.name} = {_said(value)} is not a range [least, most]", subject="recipe")
        if not self.filters or not set(self.filters) <= set(steps.FILTERS):
            raise ConfigError(
                f"filters {list(self.filters)} must be chosen from {', '.join(steps.FILTERS)}", subject="recipe"
            )
        odds = self.chroma_odds
        if len(odds) != len(steps.CHROMA) or not all(0 <= one < math.inf for one in odds) or not sum(odds):
            raise ConfigError(
                (f"chroma_odds {list(odds)} must be weights of {', '.join(steps.CHROMA)}, not all of them 0"),
                subject="recipe",
            )


@dataclass(frozen=True)
class Save:
    """One lossy save, ``jpeg`` or ``webp``; the picture begins `row` and `column` pixels (0..15) into a block."""

    codec: str
    quality: int
    chroma: str
    row: int
    column: int


@dataclass(frozen=True)
class WearPlan:
    """What is done to one patch, in this order; the default is nothing.

    Attributes:
        kernel: filter that the truth is shrunk by; empty: the input is MATLAB's bicubic already.
        size: sides of the picture that is shrunk to, as a multiple of the input's.
        blur: (deviation along, across, angle), or None.
        noise: (deviation, share of colour, share of shot noise), or None.
        first: save before the picture gets its final size, or None.
        last: save at its final size, or None.
    """

    kernel: str = ""
    size: float = 1.0
    blur: tuple[float, float, float] | None = None
    noise: tuple[float, float, float] | None = None
    first: Save | None = None
    last: Save | None = None


def draw(wear: Wear, rng: np.random.Generator) -> WearPlan:
    """Draw what happens to one patch."""
    if rng.random() < wear.clean:
        return WearPlan()
    kernel = wear.filters[rng.integers(len(wear.filters))] if rng.random() < wear.filter else ""
    blur = noise = first = last = None
    if rng.random() < wear.blur:
        across = _even_in_logarithm(rng, wear.blur_sigma)
        stretch = _evenly(rng, wear.blur_stretch) if rng.random() < wear.long else 1.0
        blur = (across * stretch, across, rng.uniform(0, math.pi))
    if rng.random() < wear.noise:
        sigma = _even_in_logarithm(rng, wear.noise_sigma)
        noise = (sigma, _evenly(rng, wear.noise_colour), _evenly(rng, wear.noise_shot))
    size = 1.0
    if rng.random() < wear.saved:
        last = _draw_save(wear, rng)
        if rng.random() < wear.twice:
            first, size = _draw_save(wear, rng), _even_in_logarithm(rng, wear.twice_size)
    return WearPlan(kernel, size, blur, noise, first, last)


def carry_out(
    plan: WearPlan, low: NDArray[np.uint8], high: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the input of a patch as a plan leaves it.

    Args:
        plan: what to do.
        low: (H, W, 3), H and W alike.
        high: (s * H, s * W, 3), the truth that `low` shows.
        rng: what noise is drawn from.

    Returns:
        (H, W, 3); the outer `MARGIN` pixels are not to be used: their blocks end where a picture's would go on.
    """
    side = low.shape[0]
    worn, between = low, min(round(side * plan.size), high.shape[0])
    if plan.kernel or between != side:
        truth = _last_axis(high.transpose(2, 0, 1))
        worn = steps.resize(truth, (between, between), plan.kernel or "bicubic")
    if plan.blur or plan.noise:
        values: NDArray[Any] = steps.blur(worn, *plan.blur) if plan.blur else worn
        if plan.noise:
            sigma, colour, shot = plan.noise
            values = steps.noise(values, sigma, rng, colour, shot)
        worn = steps.to_uint8(values)
    if plan.first:
        worn = _saved(worn, plan.first)
    if between != side:
        worn = steps.resize(worn, (side, side), "bicubic")
    return _saved(worn, plan.last) if plan.last else worn


def cut_worn(patches: Patches, wear: Wear | None, seed: Sequence[int], count: int, first: int = 0) -> PatchBatch:
    """Cut the patches of one step as `Patches.batch` does, with `worn` inputs; without wear, just so."""
    if wear is None:
        return patches.batch(seed, count, first)
    return lay(patches.batch(seed, count, first, margin=MARGIN), wear, seed, first)


def lay(batch: PatchBatch, wear: Wear, seed: Sequence[int], first: int = 0) -> PatchBatch:
    """Wear the inputs of patches that were cut with a margin.

    Args:
        batch: of `Patches.batch` with ``margin=MARGIN``.
        wear: how.
        seed, first: as `Patches.batch` takes them; patch k of a seed is worn alike whichever batch it comes in.

    Returns:
        the same patches without their margin: `low` and `high` clean as they were, and `worn`.
    """
    inner, outer = slice(MARGIN, -MARGIN), slice(MARGIN * batch.scale, -MARGIN * batch.scale)
    low = np.ascontiguousarray(batch.low[..., inner, inner])
    high = np.ascontiguousarray(batch.high[..., outer, outer])
    worn = low.copy()
    for slot in range(len(low)):
        rng = np.random.default_rng([*seed, _STREAM, first + slot, 1])
        plan = draw(wear, rng)
        if plan != WearPlan():
            done = carry_out(plan, _last_axis(batch.low[slot]), batch.high[slot].transpose(1, 2, 0), rng)
            worn[slot] = done[inner, inner].transpose(2, 0, 1)
    return PatchBatch(low, high, batch.scale, worn)


def _draw_save(wear: Wear, rng: np.random.Generator) -> Save:
    codec = "webp" if rng.random() < wear.webp else "jpeg"
    least, most = wear.quality_strong if rng.random() < wear.strong else wear.quality_mild
    quality = int(rng.integers(least, most, endpoint=True))
    shares = np.cumsum(wear.chroma_odds) / sum(wear.chroma_odds)
    chroma = "4:2:0" if codec == "webp" else steps.CHROMA[np.searchsorted(shares[:-1], rng.random(), side="right")]
    row, column = rng.integers(GRID, size=2)
    return Save(codec, quality, chroma, int(row), int(column))


def _saved(image: NDArray[np.uint8], save: Save) -> NDArray[np.uint8]:
    padded = _mirrored(image, save.row, save.column)
    done = steps.webp(padded, save.quality) if save.codec == "webp" else steps.jpeg(padded, save.quality, save.chroma)
    return done[save.row :, save.column :]


def _mirrored(image: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """Mirror the first rows and columns before the picture: `numpy.pad`, symmetric, in a tenth of its time."""
    height, width = image.shape[:2]
    result = np.empty((height + rows, width + columns, 3), np.uint8)
    result[rows:, columns:] = image
    result[:rows, columns:] = image[:rows][::-1]
    result[:, :columns] = result[:, columns : 2 * columns][:, ::-1]
    return result


def _last_axis(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make (3, H, W) a contiguous (H, W, 3); plane by plane, which is six times as fast as numpy's own way."""
    result = np.empty((*image.shape[1:], len(image)), np.uint8)
    for number, plane in enumerate(image):
        result[..., number] = plane
    return result


def _even_in_logarithm(rng: np.random.Generator, limits: tuple[float, ...]) -> float:
    least, most = limits
    return float(least * (most / least) ** rng.random())


def _evenly(rng: np.random.Generator, limits: tuple[float, ...]) -> float:
    least, most = limits
    return float(rng.uniform(least, most))


def _said(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
