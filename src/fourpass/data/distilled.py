"""Crops of photos, as they are and degraded, for a published predictor to score: aesthetics without AVA's images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data import tid2013_coding as coding
from fourpass.data import tid2013_noise as noise
from fourpass.data.pictures import decode
from fourpass.data.scored import CROP
from fourpass.errors import DatasetError

CLEAN_SHARE = 0.3  # of the crops are left as they are
MARGIN = 16  # pixels degraded around a crop and cut off, so that no border shows


def blurred(image: noise.Picture, random: noise.Random) -> noise.Picture:
    """Gaussian blur, deviation 0.6..5 pixels."""
    return noise.gaussian_blur(image, _between(0.6, 5, random), random)


def noisy(image: noise.Picture, random: noise.Random) -> noise.Picture:
    """White noise, deviation 4..50."""
    return noise.gaussian_noise(image, _between(4, 50, random), random)


def compressed(image: noise.Picture, random: noise.Random) -> noise.Picture:
    """JPEG, quality 5..60."""
    return coding.jpeg(image, _between(5, 60, random), random)


def recoloured(image: noise.Picture, random: noise.Random) -> noise.Picture:
    """Saturation times 0..2, then red, green and blue times 0.7..1.4."""
    image = noise.saturation_change(image, random.uniform(0, 2), random)
    return np.asarray(image * np.exp(random.uniform(-0.35, 0.35, 3)), np.float32)


def badly_exposed(image: noise.Picture, random: noise.Random) -> noise.Picture:
    """Gamma 0.3..3, and contrast 0.4..1.6."""
    gamma = np.float32(_between(0.3, 3, random))
    exposed = np.asarray(255 * np.clip(image / 255, 0, 1) ** gamma, np.float32)
    return noise.contrast_change(exposed, random.uniform(0.4, 1.6), random)


def enlarged(image: noise.Picture, random: noise.Random) -> noise.Picture:
    """Every second, third or fourth pixel, enlarged again by interpolation: the look of weak upscaling."""
    factor = int(random.integers(2, 5))
    small = noise.blur(image, 0.4 * factor)[::factor, ::factor]
    large = small.repeat(factor, 0).repeat(factor, 1)[: image.shape[0], : image.shape[1]]
    return noise.blur(large, 0.5 * factor)


DEGRADATIONS = (blurred, noisy, compressed, recoloured, badly_exposed, enlarged)


def make_crops(
    files: Sequence[Path], count: int, seed: int, report: Callable[[str], None] = print
) -> NDArray[np.uint8]:
    """Cut random crops out of photos, larger photos giving more, and degrade most of them.

    Args:
        files: photos.
        count: crops wanted.
        seed: decides places, flips and degradations.
        report: takes a line on photos left out because they cannot be read or are smaller than a crop.

    Returns:
        (count, 192, 192, 3) uint8.

    Raises:
        DatasetError: no photo is usable.
    """
    side = CROP + 2 * MARGIN
    photos = []
    for file in files:
        try:
            photo = decode(file)
        except DatasetError as error:
            report(f"{error}; left out")
            continue
        if min(photo.shape[:2]) < side:
            report(f"{file}: {photo.shape[1]}x{photo.shape[0]} pixels, below {side}x{side}; left out")
            continue
        photos.append(photo)
    if not photos:
        raise DatasetError(f"none of {len(files)} photos can be read and has {side}x{side} pixels")
    # The root keeps a few very large photos from being half of everything.
    odds = np.sqrt([float(photo.shape[0] * photo.shape[1]) for photo in photos])
    order = np.random.default_rng((seed, 0)).choice(len(photos), count, p=odds / odds.sum())
    crops = np.empty((count, CROP, CROP, 3), np.uint8)
    for index, chosen in enumerate(order):
        crops[index] = _crop(photos[chosen], np.random.default_rng((seed, 1, index)))
    return crops


def _crop(photo: NDArray[np.uint8], random: noise.Random) -> NDArray[np.uint8]:
    side = CROP + 2 * MARGIN
    row = int(random.integers(photo.shape[0] - side + 1))
    column = int(random.integers(photo.shape[1] - side + 1))
    image = photo[row : row + side, column : column + side].astype(np.float32)
    if random.random() < 0.5:
        image = image[:, ::-1]
    if random.random() >= CLEAN_SHARE:
        chosen = random.choice(len(DEGRADATIONS), 1 + int(random.random() < 0.25), replace=False)
        for which in sorted(chosen):
            image = DEGRADATIONS[which](image, random)
    inner = image[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.clip(np.round(inner), 0, 255).astype(np.uint8)


def _between(low: float, high: float, random: noise.Random) -> float:
    """Draw evenly in ratio."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
