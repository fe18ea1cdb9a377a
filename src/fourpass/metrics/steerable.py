"""The steerable pyramid of Simoncelli and Freeman (1995), built in the frequency domain; real bands."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pyramid(NamedTuple):
    """The high-pass residual (H, W), and per scale, finest first, the oriented bands (orientations, h, w)."""

    high: NDArray[np.float64]
    bands: list[NDArray[np.float64]]


def steerable_pyramid(plane: NDArray[np.float64], scales: int, orientations: int) -> Pyramid:
    """Split a plane into oriented frequency bands, each scale half the size (rounded up) of the one before.

    Radial filters are raised cosines over one octave in the logarithm of the frequency, angular ones powers of the
    cosine; the squares of all filters add to 1. The low-pass residual is not kept.

    Args:
        plane: (H, W) float64.
        scales: number of scales, 1 or more.
        orientations: bands a scale; band b is steered to the angle b * pi / orientations.
    """
    spectrum = np.fft.fftshift(np.fft.fft2(plane))
    across, down = (_frequencies(length) for length in (plane.shape[1], plane.shape[0]))
    radius = np.hypot(down[:, None], across[None, :])
    radius[radius == 0] = radius[radius > 0].min()  # the mean itself: kept from the logarithm, in no band anyway
    right, below, octave = across[None, :] / radius, down[:, None] / radius, np.log2(radius)
    high = _inverse(spectrum * _high_pass(octave))
    spectrum = spectrum * _low_pass(octave)
    order = orientations - 1
    # Makes the squares of the angular filters add to 1.
    gain = 2**order * math.factorial(order) / math.sqrt(orientations * math.factorial(2 * order))
    levels = []
    for level in range(1, scales + 1):
        ring = spectrum * _high_pass(octave + level) * ((-1j) ** order * gain)
        bands = []
        for band in range(orientations):
            turn = band * np.pi / orientations
            bands.append(_inverse(ring * (right * np.cos(turn) + below * np.sin(turn)) ** order))
        levels.append(np.stack(bands))
        middle = tuple(_middle(length) for length in spectrum.shape)
        spectrum, octave = spectrum[middle], octave[middle]
        right, below = right[middle], below[middle]
        spectrum = spectrum * _low_pass(octave + level)
    return Pyramid(high, levels)


def _frequencies(length: int) -> NDArray[np.float64]:
    """Frequencies in the order of `fftshift`, as parts of half the sampling rate."""
    return (np.arange(length) - length // 2) / (length / 2)


def _high_pass(octave: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below half of the highest frequency (octave -1), 1 above it (octave 0), cosine between."""
    return np.asarray(np.cos(np.pi / 2 * np.clip(octave, -1, 0)))


def _low_pass(octave: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-np.sin(np.pi / 2 * np.clip(octave, -1, 0)))


def _middle(length: int) -> slice:
    """The central half of the frequencies, rounded up, so that frequency 0 stays where `fftshift` has it."""
    half = (length + 1) // 2
    start = length // 2 - half // 2
    return slice(start, start + half)


def _inverse(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.asarray(np.fft.ifft2(np.fft.ifftshift(spectrum)).real)
