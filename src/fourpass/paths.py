"""The three ways to x4 with one network (4PP-EUSR paper, section 3.2, Fig. 4), for training and engine alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from fourpass.errors import ConfigError

SCALE = 4
# path -> the factors that the network runs at, one after the other; the x8 result is then halved
PATHS: Mapping[str, tuple[int, ...]] = MappingProxyType({"x4": (4,), "x2-x2": (2, 2), "x8-downscale": (8,)})

_Image = TypeVar("_Image")


def follow(
    path: str, image: _Image, upscale: Callable[[_Image, int], _Image], halve: Callable[[_Image], _Image]
) -> _Image:
    """Upscale by 4 along one path.

    Args:
        path: key of `PATHS`.
        image: tensor or array, whatever the two functions take.
        upscale: runs the network: (image, factor) -> image.
        halve: shrinks by 2; called only for the x8 path.

    Raises:
        ConfigError: an unknown path.
    """
    for factor in factors(path):
        image = upscale(image, factor)
    return halve(image) if math.prod(PATHS[path]) > SCALE else image


def factors(path: str) -> tuple[int, ...]:
    """Return the factors that a path runs the network at; raises ConfigError for an unknown path."""
    if path not in PATHS:
        raise ConfigError(f"path {path!r} is not one of {', '.join(PATHS)}")
    return PATHS[path]
