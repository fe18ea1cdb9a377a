"""The dial between faithful and perceptual, for pixels: strength maps and blended pictures. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError
from fourpass.imaging.resize import imresize
from fourpass.upscaling.consistency import as_dtype, check_pair, full_range, size_text

_Pixels = TypeVar("_Pixels", bound=np.generic)
MAP_LEVELS = (0.0, 0.5, 1.0)  # strengths at which the network runs for a map


def strength_map(mask: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Turn a painted mask into the strength of each output pixel.

    Args:
        mask: (H, W) or (H, W, C) of any size, uint8, uint16 or float32 on 0..1; black is faithful, white perceptual. Of
            colour, the mean of the first three channels counts; an alpha channel does not.
        size: (rows, columns) of the output, to which the mask is resized.

    Returns:
        float32 (rows, columns) on 0..1.

    Raises:
        ImageError: another dtype.
    """
    top = full_range(mask, "strength map")
    values = mask.astype(np.float32) / np.float32(top)
    if values.ndim == 3:
        colours = 3 if values.shape[2] >= 3 else 1
        values = values[..., :colours].mean(axis=2, dtype=np.float32)
    return np.asarray(np.clip(imresize(values, size=size), 0, 1), np.float32)


def levels_of(strengths: NDArray[np.float32]) -> tuple[float, ...]:
    """The strengths at which the network must run for `blend_levels` to make a map's picture: those of `MAP_LEVELS`
    that a value of the map lies at or next to."""
    needed: set[float] = set()
    for low, high in pairwise(MAP_LEVELS):
        inside = (strengths >= low) & (strengths <= high)
        if (inside & (strengths < high)).any():
            needed.add(low)
        if (inside & (strengths > low)).any():
            needed.add(high)
    return tuple(sorted(needed))


def blend_levels(pictures: Mapping[float, NDArray[_Pixels]], strengths: NDArray[np.float32]) -> NDArray[_Pixels]:
    """Combine pictures made at a few strengths into one with a strength per pixel, linear between neighbours.

    Args:
        pictures: strength -> the whole picture at that strength, all of the same shape and dtype.
        strengths: (H, W) on 0..1, as `strength_map` returns; the pictures' strengths must enclose its values.

    Raises:
        ImageError: shapes or dtypes differ.
        ConfigError: a value of the map lies outside the pictures' strengths.
    """
    levels = sorted(pictures)
    if not levels or strengths.min() < levels[0] or strengths.max() > levels[-1]:
        raise ConfigError(
            f"strengths {strengths.min():g} to {strengths.max():g} are outside the range of the pictures' "
            f"({', '.join(f'{level:g}' for level in levels) or 'none'})"
        )
    result = pictures[levels[0]]
    for low, high in pairwise(levels):
        share = np.clip((strengths - low) / np.float32(high - low), 0, 1)
        result = np.where(_spread(strengths > low, result), blend(pictures[low], pictures[high], share), result)
    return result


def blend(
    faithful: NDArray[_Pixels], perceptual: NDArray[_Pixels], strength: float | NDArray[np.float32]
) -> NDArray[_Pixels]:
    """Blend two pictures pixel by pixel: the dial for weights of different lineages, which cannot be interpolated.

    Args:
        faithful, perceptual: (H, W) or (H, W, C) of one shape, uint8, uint16 or float32 on 0..1.
        strength: 0 is faithful, 1 perceptual; a number, or an (H, W) map.

    Raises:
        ImageError: shapes or dtypes differ, or a dtype is not among the three.
        ConfigError: a strength outside 0..1, or a map of another size.
    """
    check_pair(faithful, perceptual, "faithful", "perceptual", same_size=True)
    share = np.asarray(strength, np.float32)
    if share.ndim and share.shape != faithful.shape[:2]:
        raise ConfigError(f"strength map of {size_text(share)} pixels is not {size_text(faithful)}, the pictures' size")
    if not (share.min() >= 0 and share.max() <= 1):
        raise ConfigError(f"strength {share.min():g} to {share.max():g} is not within 0..1")
    share = _spread(share, faithful) if share.ndim else share
    first = faithful.astype(np.float32)
    return as_dtype(first + share * (perceptual.astype(np.float32) - first), faithful.dtype)


def _spread(plane: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    return plane[..., None] if like.ndim == 3 else plane
