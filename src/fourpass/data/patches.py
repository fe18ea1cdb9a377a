"""Random patches of pictures and of their shrunk copies, a pure function of (seed, step): nothing to save or resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourpass.data.training_images import CELL, TrainingImage
from fourpass.errors import DatasetError

DRAWS = ("area", "picture")


@dataclass(frozen=True)
class PatchBatch:
    """Patches of one scale.

    Attributes:
        low: (N, 3, size, size) uint8.
        high: (N, 3, scale * size, scale * size) uint8, what `low` shows: the truth, or a teacher's idea of it.
        scale: their ratio.
        worn: `low` as a worn picture would show it, see `fourpass.data.wear`; None where nothing wears it.
    """

    low: NDArray[np.uint8]
    high: NDArray[np.uint8]
    scale: int
    worn: NDArray[np.uint8] | None = None

    @property
    def seen(self) -> NDArray[np.uint8]:
        """What a network is shown: `worn`, or `low` where there is none."""
        return self.low if self.worn is None else self.worn


class Patches:
    """Draws batches of patches; any step's batch can be asked for at any time, from any thread.

    Args:
        pictures: where patches are cut from.
        scales: factors to draw from, each with its odds and its patch side.
        odds: how often each scale is drawn, as weights.
        sizes: side of the low-resolution patch of each scale, in pixels.
        candidates: each patch is chosen from this many positions, in proportion to its mean gradient, so that flat sky
            does not fill the batch; 1 takes the first place as it comes (the paper).
        draw: ``area``, larger pictures are drawn more often, in proportion to their area; ``picture``, all alike.
        report: takes one line when pictures are too small for a scale's patch, and so not used for it.
        teacher_share: how many of the patches of pictures that a teacher enlarged show what it made, not the truth.

    Raises:
        DatasetError: for one of the scales, no picture is as large as a patch.
    """

    def __init__(
        self,
        pictures: Sequence[TrainingImage],
        scales: Sequence[int],
        odds: Sequence[float],
        sizes: Sequence[int],
        candidates: int = 1,
        report: Callable[[str], None] = print,
        draw: str = "area",
        teacher_share: float = 1.0,
    ) -> None:
        self.teacher_share = teacher_share
        self.scales = tuple(scales)
        self.odds = np.asarray(odds, np.float64) / np.sum(odds)
        self.sizes = dict(zip(scales, sizes, strict=True))
        self.candidates = candidates
        self._pictures = {scale: _large_enough(pictures, scale, self.sizes[scale], report) for scale in self.scales}
        self._share = {scale: _shares(chosen, draw) for scale, chosen in self._pictures.items()}

    def scale_at(self, seed: Sequence[int]) -> int:
        """Return the scale that `batch` draws for a seed."""
        return int(np.random.default_rng(list(seed)).choice(self.scales, p=self.odds))

    def batch(self, seed: Sequence[int], count: int, first: int = 0, margin: int = 0) -> PatchBatch:
        """Cut the patches of one step.

        Args:
            seed: non-negative whole numbers, say (run's seed, step); equal seeds give equal batches.
            count: patches in the batch.
            first: number of the first patch. Patch k of a seed is the same whichever batch it comes in, so two
                processes that cut patches 0..7 and 8..15 have together what one has that cuts 0..15.
            margin: low-resolution pixels by which the patches are cut larger on each side, at the same places; beyond
                the picture's edge they mirror it.

        Returns:
            ``count`` patches, turned and flipped at random, low and high alike.
        """
        scale = self.scale_at(seed)
        size = self.sizes[scale]
        side = size + 2 * margin
        low = np.empty((count, 3, side, side), np.uint8)
        high = np.empty((count, 3, side * scale, side * scale), np.uint8)
        for slot in range(count):
            rng = np.random.default_rng([*seed, 1 + first + slot])
            picture, row, column = self._place(rng, scale)
            turn = int(rng.integers(8))
            target = picture.high[: picture.low[scale].shape[0] * scale, : picture.low[scale].shape[1] * scale]
            if scale in picture.taught and rng.random() < self.teacher_share:
                target = picture.taught[scale]
            low[slot] = _cut(picture.low[scale], row, column, size, turn, margin)
            high[slot] = _cut(target, row * scale, column * scale, size * scale, turn, margin * scale)
        return PatchBatch(low, high, scale)

    def _place(self, rng: np.random.Generator, scale: int) -> tuple[TrainingImage, int, int]:
        size = self.sizes[scale]
        places = []
        for _ in range(self.candidates):
            index = int(np.searchsorted(self._share[scale], rng.random(), side="right"))
            picture = self._pictures[scale][index]
            rows, columns = picture.low[scale].shape[:2]
            places.append((picture, int(rng.integers(rows - size + 1)), int(rng.integers(columns - size + 1))))
        if len(places) == 1:
            return places[0]
        weights = np.array([_mean_gradient(p, r * scale, c * scale, size * scale) for p, r, c in places]) + 1e-3
        return places[int(rng.choice(len(places), p=weights / weights.sum()))]


def _large_enough(
    pictures: Sequence[TrainingImage], scale: int, size: int, report: Callable[[str], None]
) -> list[TrainingImage]:
    chosen = [picture for picture in pictures if min(picture.low[scale].shape[:2]) >= size]
    if not chosen:
        largest = max(pictures, key=lambda picture: min(picture.high.shape[:2]))
        rows, columns = largest.high.shape[:2]
        raise DatasetError(
            f"is the largest picture, with {columns}x{rows} pixels",
            subject=largest.source,
            hint=(
                f"x{scale} patches need {size * scale}x{size * scale}: give larger pictures or a "
                "smaller patch in the recipe"
            ),
        )
    if len(chosen) < len(pictures):
        small = next(picture for picture in pictures if min(picture.low[scale].shape[:2]) < size)
        report(
            f"{len(pictures) - len(chosen)} of {len(pictures)} pictures are smaller than a patch of x{scale} "
            f"({size * scale}x{size * scale}) and not used for it; the first: {small.source}"
        )
    return chosen


def _shares(pictures: Sequence[TrainingImage], draw: str) -> NDArray[np.float64]:
    """Cumulated odds of the pictures."""
    odds = np.ones(len(pictures))
    if draw == "area":
        odds = np.array([picture.high.shape[0] * picture.high.shape[1] for picture in pictures], np.float64)
    shares: NDArray[np.float64] = np.cumsum(odds / odds.sum())
    shares[-1] = 1.0
    return shares


def _mean_gradient(picture: TrainingImage, row: int, column: int, side: int) -> float:
    table = picture.gradient
    top, left = min(row // CELL, table.shape[0] - 2), min(column // CELL, table.shape[1] - 2)
    bottom = min(max(-(-(row + side) // CELL), top + 1), table.shape[0] - 1)
    right = min(max(-(-(column + side) // CELL), left + 1), table.shape[1] - 1)
    total = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return float(total / ((bottom - top) * (right - left)))


def _cut(image: NDArray[np.uint8], row: int, column: int, side: int, turn: int, margin: int = 0) -> NDArray[np.uint8]:
    """Cut a square and its margin, and turn (by quarter turns) and flip it: `turn` is one of the 8 symmetries, 0..7."""
    top, left, bottom, right = row - margin, column - margin, row + side + margin, column + side + margin
    height, width = image.shape[:2]
    patch = image[max(top, 0) : bottom, max(left, 0) : right]
    beyond = ((max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0))
    if any(map(any, beyond)):
        patch = np.pad(patch, beyond, "symmetric")
    patch = np.rot90(patch, turn % 4)
    return (patch[:, ::-1] if turn >= 4 else patch).transpose(2, 0, 1)
