"""Wear by name, as benchmarks take it: ``none``, ``jpeg:75``, ``webp:60``, ``noise:10``, ``blur:1.2``, or some of them
joined by ``+``, from left to right."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from fourpass.data import wear_steps as steps
from fourpass.data.wear_steps import Pixels
from fourpass.errors import ConfigError

_Step = Callable[[Pixels, float, np.random.Generator], Pixels]
_STEPS: dict[str, tuple[_Step, float, float]] = {  # what it does, the least and the most that it takes
    "jpeg": (lambda image, quality, rng: steps.jpeg(image, round(quality)), 1, 100),
    "jpeg444": (lambda image, quality, rng: steps.jpeg(image, round(quality), "4:4:4"), 1, 100),
    "webp": (lambda image, quality, rng: steps.webp(image, round(quality)), 0, 100),
    "noise": (lambda image, sigma, rng: steps.to_uint8(steps.noise(image, sigma, rng)), 0, 100),
    "graynoise": (lambda image, sigma, rng: steps.to_uint8(steps.noise(image, sigma, rng, colour=0.0)), 0, 100),
    "blur": (lambda image, sigma, rng: steps.to_uint8(steps.blur(image, sigma, sigma)), 0.05, 10),
}


def named(text: str) -> Callable[[Pixels, int], Pixels]:
    """Return the wear that a name stands for.

    Returns:
        a function of a picture, (H, W, 3) uint8, and a seed for its noise, that returns the worn picture. JPEG is
        Pillow's with chroma 4:2:0, as its default; ``jpeg444`` has 4:4:4. Noise is each channel's own.

    Raises:
        ConfigError: no such name, or a number out of its range.
    """
    chain = [_one(part.strip(), text) for part in text.split("+")] if text != "none" else []

    def wear(image: Pixels, seed: int) -> Pixels:
        rng = np.random.default_rng(seed)
        for step, amount in chain:
            image = step(image, amount, rng)
        return image

    return wear


def _one(part: str, text: str) -> tuple[_Step, float]:
    match = re.fullmatch(r"(\w+):(\d+\.?\d*)", part)
    known = ", ".join(f"{name}:{least:g}..{most:g}" for name, (_, least, most) in _STEPS.items())
    if not match or match[1] not in _STEPS:
        raise ConfigError(f"wear {text!r}: {part!r} is not one of {known}", hint="join some with +, or say none")
    step, least, most = _STEPS[match[1]]
    if not least <= float(match[2]) <= most:
        raise ConfigError(f"wear {text!r}: {match[2]} is not within {least:g}..{most:g}")
    return step, float(match[2])
