"""Crops of photos, as they are and degraded, for a published predictor to score: aesthetics without AVA's images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data import tid2013_coding as coding
from fourpass.data import tid2013_noise as noise
from fourpass.data.scored import CROP
from fourpass.data.tid2013_resynth import distort
from fourpass.data.training_images import decode
from fourpass.errors import DatasetError

_HELD_OUT = 10  # one in this many photos is used for validation
CLEAN_SHARE = 0.3  # of the crops are left as they are
MARGIN = 16  # pixels degraded around a crop and cut off, so that no border shows


def blurred(image: noise.FloatImage, random: noise.Random) -> noise.FloatImage:
    """Gaussian blur, deviation 0.6..5 pixels."""
    return noise.gaussian_blur(image, _between(0.6, 5, random), random)


def noisy(image: noise.FloatImage, random: noise.Random) -> noise.FloatImage:
    """White noise, deviation 4..50."""
    return noise.gaussian_noise(image, _between(4, 50, random), random)


def compressed(image: noise.FloatImage, random: noise.Random) -> noise.FloatImage:
    """JPEG, quality 5..60."""
    return coding.jpeg(image, _between(5, 60, random), random)


def recoloured(image: noise.FloatImage, random: noise.Random) -> noise.FloatImage:
    """Saturation times 0..2, then red, green and blue times 0.7..1.4."""
    image = noise.saturation_change(image, random.uniform(0, 2), random)
    return np.asarray(image * np.exp(random.uniform(-0.35, 0.35, 3)), np.float32)


def badly_exposed(image: noise.FloatImage, random: noise.Random) -> noise.FloatImage:
    """Gamma 0.3..3, and contrast 0.4..1.6."""
    gamma = np.float32(_between(0.3, 3, random))
    exposed = np.asarray(255 * np.clip(image / 255, 0, 1) ** gamma, np.float32)
    return noise.contrast_change(exposed, random.uniform(0.4, 1.6), random)


def enlarged(image: noise.FloatImage, random: noise.Random) -> noise.FloatImage:
    """Every second, third or fourth pixel, enlarged again by interpolation: the look of weak upscaling."""
    factor = int(random.integers(2, 5))
    small = noise.blur(image, 0.4 * factor)[::factor, ::factor]
    large = small.repeat(factor, 0).repeat(factor, 1)[: image.shape[0], : image.shape[1]]
    return noise.blur(large, 0.5 * factor)


Degradation = Callable[[noise.FloatImage, noise.Random], noise.FloatImage]
DEGRADATIONS: tuple[Degradation, ...] = (blurred, noisy, compressed, recoloured, badly_exposed, enlarged)
# TID2013's blur, white noise and JPEG, whose five levels make a ladder; with ladders, these come in no other way.
LADDERS = (8, 1, 10)
BESIDE_LADDERS: tuple[Degradation, ...] = (recoloured, badly_exposed, enlarged)
RUNGS = 6  # the photo as it is, and the five levels


def make_crops(
    files: Sequence[Path],
    count: int,
    seed: int,
    report: Callable[[str], None] = print,
    *,
    degradations: Sequence[Degradation] = DEGRADATIONS,
) -> NDArray[np.uint8]:
    """Cut random crops out of photos, larger photos giving more, and degrade most of them.

    Args:
        files: photos.
        count: crops wanted.
        seed: decides places, flips and degradations.
        report: takes a line on photos left out because they cannot be read or are smaller than a crop.
        degradations: to draw from; none for photos as they are.

    Returns:
        (count, 192, 192, 3) uint8.

    Raises:
        DatasetError: no photo is usable.
    """
    crops = np.empty((count, CROP, CROP, 3), np.uint8)
    for index, (crop, random) in enumerate(_cuts(files, count, seed, report)):
        image = crop.astype(np.float32)
        if degradations and random.random() >= CLEAN_SHARE:
            chosen = random.choice(len(degradations), 1 + int(random.random() < 0.25), replace=False)
            for which in sorted(chosen):
                image = degradations[which](image, random)
        crops[index] = np.clip(np.round(image[MARGIN:-MARGIN, MARGIN:-MARGIN]), 0, 255).astype(np.uint8)
    return crops


def make_ladders(
    files: Sequence[Path],
    count: int,
    seed: int,
    report: Callable[[str], None] = print,
    *,
    kinds: Sequence[int] = LADDERS,
) -> NDArray[np.uint8]:
    """Cut random crops, and degrade each by one of TID2013's distortions at its five levels.

    Args:
        files, count, seed, report: as `make_crops` takes them.
        kinds: types of distortion to draw from, see `ladder_kinds`.

    Returns:
        (count, 6, 192, 192, 3) uint8: the crop as it is, then level 1 to 5.

    Raises:
        DatasetError: no photo is usable.
    """
    ladders = np.empty((count, RUNGS, CROP, CROP, 3), np.uint8)
    inner = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    chosen = ladder_kinds(count, seed, kinds)
    for index, (crop, _) in enumerate(_cuts(files, count, seed, report)):
        ladders[index, 0] = crop[inner]
        for level in range(1, RUNGS):
            ladders[index, level] = distort(crop, chosen[index], level, seed=index)[inner]
    return ladders


def ladder_kinds(count: int, seed: int, kinds: Sequence[int] = LADDERS) -> list[int]:
    """Types of distortion of the ladders that `make_ladders` makes."""
    return [kinds[int(place)] for place in np.random.default_rng((seed, 2)).integers(len(kinds), size=count)]


def falling(ladders: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """Change distributions so that the mean score falls from each rung of a ladder to the next.

    A teacher trained on photos has hardly seen strong noise, blur or compression, and rates the higher levels up
    again.

    Args:
        ladders: (N, 6, 10) shares of the scores 1..10, mildest first; the first rung stays as it is.
        step: least fall of the mean score from rung to rung.

    Returns:
        (N, 6, 10): where the mean did not fall that much, share i is multiplied by the i-th power of what makes it.
    """
    scores = np.arange(1.0, 11.0)
    result = np.asarray(ladders, np.float64).copy()
    means = result @ scores
    for rung in range(1, result.shape[1]):
        wanted = np.minimum(means[:, rung], means[:, rung - 1] - step)
        low, high = np.full(len(result), -20.0), np.zeros(len(result))
        for _ in range(60):
            middle = (low + high) / 2
            tilted = result[:, rung] * np.exp(middle[:, None] * (scores - 10))
            above = (tilted @ scores) / tilted.sum(axis=1) > wanted
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        tilted = result[:, rung] * np.exp(high[:, None] * scores)
        result[:, rung] = tilted / tilted.sum(axis=1, keepdims=True)
        means[:, rung] = result[:, rung] @ scores
    return result.astype(np.float32)


def photos_key(what: str, files: Sequence[Path]) -> str:
    """Name of what is made of photos, for a cache: changes with what is made, and with the photos' names and sizes."""
    names = "\n".join(f"{file.name} {file.stat().st_size}" for file in files)
    return hashlib.sha256(f"{what}\n{names}".encode()).hexdigest()[:16]


def hold_out(photos: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Split photos: to learn from, and every tenth to validate on.

    Raises:
        DatasetError: less than two photos.
    """
    if len(photos) < 2:
        raise DatasetError(
            f"{len(photos)} photos are too few to learn from and to validate on", hint="give at least two"
        )
    held_out = list(photos[::_HELD_OUT])
    return [photo for photo in photos if photo not in set(held_out)], held_out


def _cuts(
    files: Sequence[Path], count: int, seed: int, report: Callable[[str], None]
) -> Iterator[tuple[NDArray[np.uint8], noise.Random]]:
    """Random crops with a margin, and the source of randomness of each."""
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
        raise DatasetError(f"none of {len(files)} photos is readable and has at least {side}x{side} pixels")
    # The root keeps a few very large photos from being half of everything.
    odds = np.sqrt([float(photo.shape[0] * photo.shape[1]) for photo in photos])
    order = np.random.default_rng((seed, 0)).choice(len(photos), count, p=odds / odds.sum())
    for index, chosen in enumerate(order):
        photo, random = photos[chosen], np.random.default_rng((seed, 1, index))
        row = int(random.integers(photo.shape[0] - side + 1))
        column = int(random.integers(photo.shape[1] - side + 1))
        crop = photo[row : row + side, column : column + side]
        yield np.ascontiguousarray(crop[:, ::-1] if random.random() < 0.5 else crop), random


def _between(low: float, high: float, random: noise.Random) -> float:
    """Draw evenly in ratio."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))
