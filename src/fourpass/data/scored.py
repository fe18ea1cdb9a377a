"""Pictures with the distribution of the scores that people gave them, and crops of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import DatasetError

CROP = 192  # pixels; pictures are never rescaled (4PP-EUSR paper, section 4.2)


@dataclass(frozen=True)
class ScoredPictures:
    """Pictures and how people scored them.

    Attributes:
        names: one a picture.
        distributions: (N, 10) float32 shares of the scores 1..10.
        scores: (N,) mean scores on 1..10; finer than the distributions' means where those were made of bins.
        read: index -> (H, W, 3) uint8 RGB; raises DatasetError for a picture that cannot be read.
        skipped: names of pictures that turned out to be unreadable or smaller than a crop, and why; filled on the way.
        ladders: (L, rungs) indices of one crop at growing levels of a distortion, mildest first; scores must fall.
    """

    names: Sequence[str]
    distributions: NDArray[np.float32]
    scores: NDArray[np.float64]
    read: Callable[[int], NDArray[np.uint8]]
    skipped: dict[str, str] = field(default_factory=dict)
    ladders: NDArray[np.intp] = field(default_factory=lambda: np.empty((0, 1), np.intp))

    def __len__(self) -> int:
        return len(self.names)

    def crop(self, index: int, random: np.random.Generator | None = None) -> NDArray[np.uint8]:
        """Cut 192x192 pixels out of a picture.

        Args:
            index: which picture.
            random: chooses the place and the flips, both ways; None for the middle, unflipped.

        Returns:
            (192, 192, 3) uint8.

        Raises:
            DatasetError: the picture cannot be read or is smaller; it is noted in `skipped`.
        """
        try:
            picture = self.read(index)
            rows, columns = picture.shape[0] - CROP, picture.shape[1] - CROP
            if rows < 0 or columns < 0:
                size = f"{picture.shape[1]}x{picture.shape[0]}"
                raise DatasetError(f"{size} pixels, smaller than a {CROP}x{CROP} crop", subject=self.names[index])
        except DatasetError as error:
            self.skipped[self.names[index]] = str(error)
            raise
        if random is None:
            row, column = rows // 2, columns // 2
        else:
            row, column = int(random.integers(rows + 1)), int(random.integers(columns + 1))
        crop = picture[row : row + CROP, column : column + CROP]
        if random is not None:
            if random.random() < 0.5:
                crop = crop[:, ::-1]
            if random.random() < 0.5:
                crop = crop[::-1]
        return np.ascontiguousarray(crop)

    def batch(
        self, indices: Sequence[int], random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Cut a random crop of each picture; an unreadable one is noted and another drawn in its place.

        Returns:
            crops (N, 3, 192, 192) uint8 and distributions (N, 10) float32.

        Raises:
            DatasetError: a hundred pictures in a row cannot be read.
        """
        crops, rows = [], []
        for wanted in indices:
            index = int(wanted)
            for _ in range(100):
                try:
                    crops.append(self.crop(index, random))
                    break
                except DatasetError:
                    index = int(random.integers(len(self)))
            else:
                raise DatasetError(
                    "a hundred pictures in a row cannot be used", hint=f"the last: {self.skipped[self.names[index]]}"
                )
            rows.append(index)
        return np.stack(crops).transpose(0, 3, 1, 2), self.distributions[rows]

    def joined(self, other: ScoredPictures) -> ScoredPictures:
        """Return these pictures and then another's; only one of the two may have ladders."""
        count = len(self)
        return ScoredPictures(
            [*self.names, *other.names],
            np.concatenate([self.distributions, other.distributions]),
            np.concatenate([self.scores, other.scores]),
            lambda index: self.read(index) if index < count else other.read(index - count),
            ladders=self.ladders if len(self.ladders) else other.ladders + count,
        )


def mean_scores(distributions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean scores (N,) on 1..10 of distributions (N, 10)."""
    return np.asarray(distributions, np.float64) @ np.arange(1.0, 11.0)


def earth_movers_distance(
    a: NDArray[np.floating], b: NDArray[np.floating], *, squared: bool = False
) -> NDArray[np.float64]:
    """Earth mover's distances (N,) of distributions (N, 10) over ordered scores.

    Args:
        a, b: distributions.
        squared: the sum over scores of the squared difference of the cumulated shares (4PP-EUSR paper, equation 1);
            otherwise the root of its mean, NIMA's r = 2, which the authors' program uses.
    """
    squares = (np.cumsum(a, axis=1, dtype=np.float64) - np.cumsum(b, axis=1, dtype=np.float64)) ** 2
    return np.asarray(squares.sum(axis=1) if squared else np.sqrt(squares.mean(axis=1)))
