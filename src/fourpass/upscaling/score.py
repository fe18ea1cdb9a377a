"""Predict how people would score a picture, with the aesthetic and subjective predictors. No torch."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass import weights
from fourpass.engine.engine import Engine
from fourpass.engine.sources import OurWeights
from fourpass.errors import ImageError, WeightsError
from fourpass.imaging.color import luma

PATCH = 192  # pixels, what the predictors were trained on (4PP-EUSR paper, section 4.2); nothing is rescaled
SMALLEST = 32
_STRIDE = 96
_MOST_PATCHES = 400  # larger pictures have them further apart
_BATCH = 8
# Scores that the map shows as its coldest and warmest colour.
RANGES = {"aesthetic": (2.5, 6.0), "subjective": (1.0, 7.5)}
_COLOURS = np.array([[48, 58, 140], [60, 150, 200], [235, 235, 150], [235, 140, 60], [180, 30, 40]], np.float64)[::-1]


@dataclass(frozen=True)
class Score:
    """A picture's predicted score.

    Attributes:
        mean: of the scores 1..10 that people would give, over all patches.
        spread: standard deviation of those scores.
        distribution: (10,) shares of the scores 1..10.
        patches: (N,) mean score of each patch.
        places: (N, 4) row, column, height and width of each patch.
    """

    mean: float
    spread: float
    distribution: NDArray[np.float64]
    patches: NDArray[np.float64]
    places: NDArray[np.int64]


class Scorer:
    """A score predictor that is ready to run.

    Args:
        model: a packaged name (``aesthetic``, ``subjective``), a ``.safetensors`` file, or weights.
        backend, precision, threads: see `fourpass.Engine`; the torch backend cannot run predictors.

    Raises:
        WeightsError: the weights are missing, damaged or not those of a predictor.
        BackendError: the backend is missing or fails.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | weights.Weights,
        *,
        backend: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        loaded = model if isinstance(model, weights.Weights) else weights.load(model)
        if loaded.metadata.architecture != "nima":
            found = loaded.metadata.architecture
            raise WeightsError(f"weights of {found}, not of a score predictor (nima)", subject=loaded.source)
        engine = Engine(backend, precision=precision, threads=threads)
        self._session = engine.load(OurWeights(loaded, None))

    def score(self, image: NDArray[Any]) -> Score:
        """Score a picture: the mean over patches of 192x192 pixels, half overlapping, none rescaled.

        Args:
            image: (H, W, 3), (H, W, 1) or (H, W), uint8, or uint16 over its whole range. A picture that is smaller
                than a patch along an axis is taken whole along it.

        Raises:
            ImageError: the array is not such a picture, or has fewer than 32 rows or columns.
        """
        pixels = _as_rgb(image)
        places = patch_places(pixels.shape[0], pixels.shape[1])
        found = []
        for start in range(0, len(places), _BATCH):
            group = places[start : start + _BATCH]
            batch = np.stack([pixels[row : row + high, column : column + wide] for row, column, high, wide in group])
            found.append(self._session.run(np.ascontiguousarray(batch.transpose(0, 3, 1, 2), np.float32)))
        shares = np.concatenate(found).astype(np.float64)
        scores = np.arange(1.0, 11.0)
        distribution = shares.mean(axis=0)
        mean = float(distribution @ scores)
        spread = math.sqrt(float(distribution @ (scores - mean) ** 2))
        return Score(mean, spread, distribution, shares @ scores, places)


def patch_places(rows: int, columns: int) -> NDArray[np.int64]:
    """Return (N, 4) row, column, height, width of patches that cover a picture, evenly spaced, half overlapping."""
    stride = max(_STRIDE, math.ceil(math.sqrt(rows * columns / _MOST_PATCHES)))
    starts, sides = [], []
    for length in (rows, columns):
        side = min(PATCH, length)
        count = math.ceil((length - side) / stride) + 1
        starts.append(np.round(np.linspace(0, length - side, count)).astype(np.int64))
        sides.append(side)
    return np.array([(row, column, *sides) for row in starts[0] for column in starts[1]], np.int64)


def heat_map(image: NDArray[Any], score: Score, low: float, high: float) -> NDArray[np.uint8]:
    """Tint a picture by the scores of its patches: red for `low` and below, over yellow, to blue for `high`.

    Args:
        image: as `Scorer.score` takes it.
        score: what that returned.
        low, high: scores at the ends of the colour scale.

    Returns:
        (H, W, 3) uint8: the picture in gray under the colours.
    """
    pixels = _as_rgb(image)
    total, count = np.zeros(pixels.shape[:2]), np.zeros(pixels.shape[:2])
    for (row, column, height, width), value in zip(score.places, score.patches, strict=True):
        area = np.s_[row : row + height, column : column + width]
        bell = np.outer(_bell(int(height)), _bell(int(width)))
        total[area] += value * bell
        count[area] += bell
    # Where patches are far apart, their mean fills what none of them covers.
    values = np.where(count > 0, total / np.maximum(count, 1e-9), score.patches.mean())
    place = np.clip((values - low) / (high - low), 0, 1) * (len(_COLOURS) - 1)
    colours = np.stack([np.interp(place, np.arange(len(_COLOURS)), channel) for channel in _COLOURS.T], axis=2)
    gray = (luma(pixels)[..., None] - 16) * 255 / 219
    return np.asarray(np.clip(0.45 * gray + 0.55 * colours, 0, 255).round(), np.uint8)


def _bell(length: int) -> NDArray[np.float64]:
    """Weights that fall towards a patch's edges, so that the map has no seams."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) + 0.01


def _as_rgb(image: NDArray[Any]) -> NDArray[np.float32]:
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f"{pixels.dtype} array of shape {image.shape}: a picture to score is uint8 or uint16, gray or RGB"
        )
    if min(pixels.shape[:2]) < SMALLEST:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise ImageError(f"{size} pixels are too few to score", hint=f"at least {SMALLEST}x{SMALLEST} are needed")
    values = pixels.astype(np.float32) / (257 if pixels.dtype == np.uint16 else 1)
    return np.asarray(np.broadcast_to(values, (*pixels.shape[:2], 3)), np.float32)
